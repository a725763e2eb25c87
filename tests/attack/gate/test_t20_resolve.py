"""T20, T40: `uv lock`, `add`, `remove` and a `sync` that resolves write only what this target may have, or nothing."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import ELSEWHERE, HERE, WINDOWS, in_project, lock_of, plain_uv, state, unchanged, write
from tests.support.stage import BENIGN, NO, PROGRAMS, WARN, YES

UV = "openvet-uv"
INNER = "Metadata-Version: 2.1\nName: inner\nVersion: 1.0\nProvides-Extra: x\nRequires-Dist: bad ; extra == 'x'\n\n"
DYNAMIC = 'dynamic = ["dependencies"]\n'
"""Without it uv need not run anything to read the metadata of an sdist."""


@pytest.fixture
def stage(stage):
    return in_project(stage)


def asked(stage, part):
    return [one.path for one in stage.index.requests if part in one.path]


RESOLVING = [["lock"], ["sync"], ["add", "bad"], ["lock", "-U"], ["sync", "-U"], ["tree"], ["export"]]


@pytest.mark.parametrize("words", RESOLVING, ids=" ".join)
def test_what_nobody_audited_gets_into_no_project(stage, words):
    stage.wheel("bad", "1.0")
    stage.policy()
    write(stage, *(["bad"] if words[0] != "add" else []))
    before = state(stage)
    ended = stage.run(UV, *words)
    unchanged(stage, ended, before, 77)
    assert "uv was shown no file of bad" in ended.ours[0]
    assert "pyproject.toml, uv.lock, .venv unchanged" in ended.ours[0]
    assert not asked(stage, "/files/")


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["add", "last"]], ids=" ".join)
def test_a_package_that_turns_out_to_be_needed_after_all(stage, words):
    """Two extras in a row hide from us that this target needs it: the written lock is judged."""
    stage.wheel("bad", "1.0")
    stage.wheel("inner", "1.0", YES, metadata=INNER)
    stage.wheel("last", "1.0", YES, requires=["inner[x]"])
    stage.policy()
    write(stage, *(["last"] if words[0] != "add" else []))
    before = state(stage)
    ended = stage.run(UV, *words)
    unchanged(stage, ended, before, 77)
    assert "1 of 3 packages in the new uv.lock not approved" in ended.ours[0]
    assert "pypi:bad@1.0?py3-none-any" in ended.err


def test_a_resolver_is_led_to_what_is_approved(stage):
    stage.wheel("bad", "1.0")
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0", YES, requires=["bad"])
    stage.wheel("good", "3.0")
    stage.policy()
    write(stage)
    ended = stage.run(UV, "add", "good")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}


def test_metadata_of_an_unapproved_neighbour_counts_for_nothing(stage):
    """uv reads METADATA of the first wheel by name, another platform's: it gets that of the approved one."""
    stage.wheel("bad", "1.0", YES)
    stage.wheel("nat", "1.0", YES, tag=HERE)
    for tag in ELSEWHERE:
        stage.wheel("nat", "1.0", tag=tag, requires=["bad"])
    stage.policy()
    write(stage, "nat")
    plain_uv(stage, "lock")
    assert b'name = "bad"' in lock_of(stage)
    (stage.project / "uv.lock").unlink()
    stage.index.requests.clear()
    ended = stage.run(UV, "lock")
    assert ended.code == 0, ended.err
    assert b'name = "bad"' not in lock_of(stage)
    assert not asked(stage, "win_amd64") + asked(stage, "macosx")


def test_a_direct_reference_in_metadata_that_is_shown_unapproved(stage):
    place = evil_sdist(stage)
    stage.wheel("col", "1.0", requires=[f"evil @ {place.as_uri()}"])
    stage.policy(WARN)
    write(stage, f"col; {WINDOWS}")
    before = state(stage)
    unchanged(stage, stage.run(UV, "lock"), before, 65)


def test_bytes_of_what_is_shown_unapproved_never_go_out(stage):
    """It is listed for another platform, and an approved sdist wants it for its build."""
    stage.wheel("col", "1.0")
    stage.sdist("built", "1.0", YES, hook_requires=["col"], more_pyproject=DYNAMIC)
    stage.policy()
    write(stage, f"col; {WINDOWS}", "built")
    before = state(stage)
    ended = stage.run(UV, "lock")
    stage.marker.unlink()  # of the approved sdist
    unchanged(stage, ended, before, 77)
    assert "pypi:col@1.0?py3-none-any" in ended.err


@pytest.mark.parametrize("marker", ["", f"; {WINDOWS}"], ids=["here", "elsewhere"])
def test_an_unapproved_sdist_is_never_built(stage, marker):
    stage.sdist("built", "1.0", more_pyproject=DYNAMIC)
    stage.policy()
    write(stage, f"built{marker}")
    before = state(stage)
    plain_uv(stage, "lock", "--dry-run")
    assert stage.marker.exists()
    stage.marker.unlink()
    unchanged(stage, stage.run(UV, "lock"), before, 77)


def test_build_requirements_of_a_lock_are_gated(stage):
    stage.sdist("built", "1.0", YES, build_requires=["helper"], more_pyproject=DYNAMIC)
    stage.wheel("helper", "1.0", YES)
    stage.wheel("helper", "2.0")
    stage.policy()
    write(stage, "built")
    ended = stage.run(UV, "lock")
    assert ended.code == 0, ended.err
    assert stage.marker.exists()
    assert not asked(stage, "helper-2.0")


def test_a_contradicted_release_is_shown_to_nobody(stage):
    stage.wheel("col", "1.0")
    stage.wheel("col", "2.0", NO)
    stage.policy(WARN)
    write(stage, f"col; {WINDOWS}")
    ended = stage.run(UV, "lock")
    assert ended.code == 0, ended.err
    assert b'version = "2.0"' not in lock_of(stage)


def test_a_locked_release_that_is_approved_no_longer(stage):
    """The lock is up to date, so uv asks nobody."""
    stage.wheel("good", "1.0", YES)
    stage.policy(BENIGN)
    write(stage, "good")
    assert stage.run(UV, "sync").code == 0
    stage.wheel("bad", "1.0")
    write(stage, "good", "bad")
    plain_uv(stage, "lock")
    before = state(stage)
    for words in (["lock"], ["lock", "--check"], ["sync"], ["sync", "--frozen"], ["version", "2.0"]):
        unchanged(stage, stage.run(UV, *words), before, 77)
    for words in (["tree"], ["export", "-q"]):
        assert stage.run(UV, *words).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("words", [["add", "slow"], ["lock", "-U"]], ids=" ".join)
def test_interrupted(stage, words, number):
    """In the middle of it; SIGKILL ends uv alone."""
    stage.wheel("good", "1.0", YES)
    stage.wheel("good", "2.0", YES)
    stage.wheel("slow", "1.0", YES)
    stage.policy()
    write(stage, "good<2")
    plain_uv(stage, "lock")
    write(stage, "good")
    before = state(stage)
    stage.index.requests.clear()
    stage.index.lies.at_request = lambda _number, path: time.sleep(4) if "/slow" in path or "/good" in path else None
    command, _report = stage.command(UV, *words)
    process = subprocess.Popen(
        command, env=stage.variables, cwd=stage.project, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not asked(stage, "/simple/") and time.monotonic() < deadline:
            time.sleep(0.05)
        if number == signal.SIGKILL:
            os.kill(uv_below(process.pid), number)
        else:
            os.killpg(process.pid, number)
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode not in (0, None)
    assert state(stage) == before
    assert stage.leftovers == []


def uv_below(pid):
    """The uv that a run has started."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = [
            one for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
        ]
        for child in children:
            if Path(f"/proc/{child}/exe").resolve().name == "uv":
                return int(child)
        time.sleep(0.05)
    raise AssertionError("no uv")


def test_a_linked_lock_stays_a_link(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("inner", "1.0", YES, metadata=INNER)
    stage.wheel("bad", "1.0")
    stage.wheel("last", "1.0", YES, requires=["inner[x]"])
    stage.policy()
    write(stage, "good")
    plain_uv(stage, "lock")
    beside = stage.folder / "beside.lock"
    (stage.project / "uv.lock").rename(beside)
    (stage.project / "uv.lock").symlink_to(beside)
    text = beside.read_bytes()
    write(stage, "good", "last")
    before = state(stage)
    ended = stage.run(UV, "lock")
    unchanged(stage, ended, before, 77)
    assert beside.read_bytes() == text


def test_the_file_of_an_export_is_put_back(stage):
    stage.wheel("bad", "1.0")
    stage.wheel("inner", "1.0", YES, metadata=INNER)
    stage.wheel("last", "1.0", YES, requires=["inner[x]"])
    stage.policy()
    write(stage, "last")
    (stage.project / "out.txt").write_text("as it was\n")
    before = state(stage)
    unchanged(stage, stage.run(UV, "export", "-q", "-o", "out.txt"), before, 77)


def test_dry_runs_say_what_a_run_would(stage):
    stage.wheel("bad", "1.0")
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "bad")
    before = state(stage)
    for words in (["lock", "--dry-run"], ["sync", "--dry-run"], ["sync", "--check"]):
        unchanged(stage, stage.run(UV, *words), before, 77)
    write(stage, "good")
    before = state(stage)
    for words in (["lock", "--dry-run"], ["sync", "--dry-run"]):
        unchanged(stage, stage.run(UV, *words), before, 0)


def test_plain_uv_would_have_done_it(stage):
    """What these tests hold against is there: without the gate the lock has it, and code of it runs."""
    stage.wheel("bad", "1.0")
    write(stage, "bad")
    assert subprocess.run([str(PROGRAMS / "uv"), "--no-cache", "lock"], env=stage.variables, cwd=stage.project,
                          capture_output=True, check=False).returncode == 0  # fmt: skip
    assert b'name = "bad"' in lock_of(stage)
