"""A lock and a project after us are what plain uv would have written for the same releases."""

import re
import shutil
import subprocess

import pytest

from tests.support.projects import (
    ELSEWHERE,
    HEAD,
    HERE,
    LATER,
    NEXT_ABI,
    WINDOWS,
    in_project,
    lock_of,
    plain_uv,
    state,
    uv_itself,
    write,
)
from tests.support.stage import BENIGN, PROGRAMS, YES

UV = "openvet-uv"


@pytest.fixture
def stage(stage):
    return in_project(stage)


def offer(stage):
    """Packages of many kinds; approved is what this target may have, and no more."""
    for name in ("plain", "fast", "checks", "later", "deep"):
        stage.wheel(name, "1.0", YES)
    stage.wheel("nat", "1.0", YES, tag=HERE)
    for tag in (*ELSEWHERE, f"{NEXT_ABI}-manylinux_2_17_x86_64", "py3-none-any"):
        stage.wheel("nat", "1.0", tag=tag)
    stage.sdist("nat", "1.0")
    stage.wheel("col", "0.9")
    stage.wheel("col", "1.0")
    stage.sdist("col", "1.0")
    stage.sdist("win", "1.0")
    stage.wheel("win", "1.0", tag="py3-none-win_amd64", requires=["col>=1"])
    stage.wheel("echo", "1.0", YES, requires=[f"col; {WINDOWS}", "plain"])
    stage.wheel("forked", "1.0", YES, offered={"requires_python": ">=3.9"})
    stage.wheel("forked", "2.0", YES, offered={"requires_python": ">=3.11"})
    stage.wheel("forked", "3.0", YES, offered={"requires_python": ">=3.13"})
    stage.sdist("forked", "3.0", offered={"requires_python": ">=3.13"})


PROJECT = (
    HEAD
    + f"""dependencies = ["nat", "echo", "forked", "win; {WINDOWS}", "inner"]
[project.optional-dependencies]
fast = ["fast"]
[dependency-groups]
dev = ["checks"]
docs = ["later"]
[tool.uv.workspace]
members = ["inner"]
[tool.uv.sources]
inner = {{ workspace = true }}
"""
)


def project(stage):
    stage.policy()
    (stage.project / "pyproject.toml").write_text(PROJECT)
    write(stage, "deep", folder="inner", name="inner", more="[tool.uv]\npackage = false\n")


STEPS = (
    ["lock"],
    ["add", "plain"],
    ["add", "--group", "docs", "fast>=1"],
    ["remove", "echo"],
    ["add", "--optional", "fast", "plain"],
    ["lock", "--upgrade"],
    ["version", "--bump", "minor"],
    ["remove", "--group", "docs", "later"],
)


def test_step_by_step_as_plain_uv(stage):
    offer(stage)
    project(stage)
    beside = stage.folder / "beside"
    shutil.copytree(stage.project, beside)
    names = ("pyproject.toml", "uv.lock", "inner/pyproject.toml")
    for words in STEPS:
        more = ["--no-sync"] if words[0] != "lock" else []
        subprocess.run(
            [str(PROGRAMS / "uv"), "--no-cache", *words, *more], env=stage.variables, cwd=beside, check=True,
            capture_output=True, timeout=60,
        )  # fmt: skip
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
        assert not ended.ours
        for name in names:
            assert (stage.project / name).read_text() == (beside / name).read_text(), words
    assert set(stage.installed) == {"nat", "forked", "plain", "deep", "checks"}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], {"nat", "echo", "plain", "forked", "deep", "checks"}),
        (["--no-dev"], {"nat", "echo", "plain", "forked", "deep"}),
        (["--only-group", "docs"], {"later"}),
        (["--only-dev"], {"checks"}),
        (["--extra", "fast", "--group=docs"], {"nat", "echo", "plain", "forked", "deep", "checks", "fast", "later"}),
    ],
    ids=lambda value: " ".join(value if isinstance(value, list) else sorted(value)) or "as it is",
)
def test_a_sync_that_must_resolve(stage, words, names):
    offer(stage)
    project(stage)
    ended = stage.run(UV, "sync", *words)
    assert ended.code == 0, ended.err
    assert not ended.ours
    assert set(stage.installed) == names
    before = state(stage)
    assert stage.run(UV, "sync", *words).code == 0
    assert state(stage) == before


def test_the_active_environment(stage):
    offer(stage)
    project(stage)
    stage.environment = stage.folder / "environment"
    ended = stage.run(UV, "sync", "--active", env={"VIRTUAL_ENV": str(stage.environment)})
    assert ended.code == 0, ended.err
    assert "nat" in stage.installed
    assert not (stage.project / ".venv").exists()


def test_what_is_older_than_a_date(stage):
    """`exclude-newer` is uv's; what it leaves is ours to judge."""
    stage.wheel("good", "1.0", YES, offered={"upload_time": "2024-01-02T03:04:05Z"})
    stage.wheel("good", "2.0", YES, offered={"upload_time": "2025-01-02T03:04:05Z"})
    stage.policy()
    write(stage, "good", more='[tool.uv]\nexclude-newer = "2024-06-01T00:00:00Z"\n')
    ended = stage.run(UV, "sync")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    lock = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    plain_uv(stage, "lock")
    assert lock_of(stage) == lock


def test_shown_and_exported_as_plain_uv(stage):
    offer(stage)
    project(stage)
    plain_uv(stage, "lock")
    for words in (["tree"], ["tree", "--universal"], ["export", "-q", "--no-header"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
        assert ended.out == plain_uv(stage, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "out.txt"], ["-q", "-U", "--output-file=out.txt", "-P", "plain", "--no-dev"], ["--no-dev", "-U"], ["-q"],
        ["--format", "pylock.toml"],
    ],
)  # fmt: skip
def test_an_exported_file_says_how_it_was_asked_for(stage, words):
    offer(stage)
    project(stage)
    plain_uv(stage, "lock")
    ended = stage.run(UV, "export", *words)
    assert ended.code == 0, ended.err
    files = {path: path.read_text() for path in stage.project.glob("out.txt")}
    own = {name: value for name, value in stage.variables.items() if name != "UV_NO_CACHE"}
    command = [str(PROGRAMS / "uv"), "export", *words]
    plainly = subprocess.run(
        command, env={**own, "UV_NO_CACHE": "1"}, cwd=stage.project, check=True, capture_output=True, text=True
    )  # fmt: skip
    assert ended.out == plainly.stdout
    assert files == {path: path.read_text() for path in stage.project.glob("out.txt")}


def test_run_resolves_first(stage):
    offer(stage)
    project(stage)
    ended = stage.run(UV, "run", "python", "-c", "import nat; print(nat.NAME)")
    assert ended.code == 0, ended.err
    assert ended.out == "nat\n"
    assert (stage.project / "uv.lock").exists()


def test_a_mark_of_the_order_of_bytes(stage):
    """Some editors write it; uv reads such a file, and leaves it in."""
    offer(stage)
    stage.policy()
    mark = b"\xef\xbb\xbf"
    text = mark + HEAD.replace("\n", "\r\n").encode() + b'dependencies = ["nat"]\r\n'
    for words in (["add", "plain"], ["lock"], ["sync", "--frozen"]):
        if words[0] != "sync":
            (stage.project / "pyproject.toml").write_bytes(text)
            plain_uv(stage, *words, *(["--no-sync"] if words[0] == "add" else []))
            wanted = (stage.project / "pyproject.toml").read_bytes(), lock_of(stage)
            (stage.project / "pyproject.toml").write_bytes(text)
            (stage.project / "uv.lock").unlink()
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
        assert ((stage.project / "pyproject.toml").read_bytes(), lock_of(stage)) == wanted
    assert wanted[0].startswith(mark)
    assert wanted[1].count(b"\r") == 0


@pytest.mark.parametrize(
    "text", ["", '[tool.ruff]\n[dependency-groups]\ndev = ["checks"]\ndocs = ["later"]\n'], ids=ascii
)
def test_a_file_of_no_project(stage, text):
    """Of groups alone, or of the settings of other tools."""
    offer(stage)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(text)
    for words in (["lock"], ["sync"], ["tree"], ["run", "python", "-c", "pass"], ["sync", "--frozen"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, f"{words} {ended.err}"
    assert set(stage.installed) == ({"checks"} if text else set())
    lock = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    plain_uv(stage, "lock")
    assert lock_of(stage) == lock
    if text:
        assert stage.run(UV, "sync", "--group", "docs").code == 0
        assert set(stage.installed) == {"checks", "later"}


def test_a_release_for_other_pythons_is_seen_if_it_is_approved(stage):
    stage.wheel("forked", "1.0", YES)
    stage.wheel("forked", "2.0", offered={"requires_python": f">={LATER}"})
    stage.policy()
    write(stage, "forked")
    assert stage.run(UV, "lock").code == 0
    assert b'version = "2.0"' not in lock_of(stage)
    stage.wheel("forked", "3.0", YES, offered={"requires_python": f">={LATER}"})
    stage.policy()
    assert stage.run(UV, "lock", "--upgrade").code == 0
    assert b'version = "3.0"' in lock_of(stage)
    assert stage.run(UV, "sync").code == 0
    assert stage.installed["forked"] == "1.0"


def test_a_release_for_other_platforms_alone_is_seen_if_it_is_approved(stage):
    stage.wheel("split", "1.0", YES)
    stage.wheel("split", "2.0", tag=ELSEWHERE[0])
    stage.policy()
    write(stage, "split")
    assert stage.run(UV, "lock").code == 0
    assert b'version = "1.0"' in lock_of(stage)
    stage.wheel("split", "3.0", YES, tag=ELSEWHERE[0])
    stage.policy()
    assert stage.run(UV, "lock", "--upgrade").code == 0
    lock = lock_of(stage)
    (stage.project / "uv.lock").unlink()
    plain_uv(stage, "lock")
    assert lock == lock_of(stage)
    (stage.project / "uv.lock").unlink()
    ended = stage.run(UV, "sync")
    assert ended.code == 2
    assert "split==3.0" in ended.err  # in uv's words, which the second step has only heard
    assert "no environment" not in ended.err


@pytest.mark.parametrize("words", [["add", "plain"], ["remove", "nat"], ["version", "2.0"]], ids=" ".join)
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_no_sync_installs_nothing(stage, words, how):
    offer(stage)
    stage.policy()
    write(stage, "nat")
    more, env = (["--no-sync"], {}) if how == "flag" else ([], {"UV_NO_SYNC": "1"})
    ended = stage.run(UV, *words, *more, env=env)
    assert ended.code == 0, ended.err
    assert "Resolved" in ended.err
    assert not (stage.project / ".venv").exists()


def test_a_lock_for_another_python_than_that_of_the_environment(stage):
    """`.python-version` has changed since: uv locks with that one, and leaves the environment alone."""
    offer(stage)
    project(stage)
    assert stage.run(UV, "sync").code == 0
    settings = stage.environment / "pyvenv.cfg"
    settings.write_text(re.sub(r"(version\w*) = \S+", r"\1 = 3.99.1", settings.read_text()))
    for words in (["lock", "--upgrade"], ["tree"], ["add", "plain", "--no-sync"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
        assert not ended.ours


@pytest.mark.parametrize("words", [["sync"], ["sync", "--frozen"], ["run", "python", "-c", "import nat"]], ids=" ".join)
def test_an_environment_that_must_be_made_anew(stage, words):
    """As uv does where its Python is another one or gone; not before everything is judged."""
    offer(stage)
    project(stage)
    assert stage.run(UV, "sync").code == 0
    installed = stage.installed
    python = stage.environment / "bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    (stage.environment / "old").touch()
    stage.policy(BENIGN.replace("is-benign", "is-something-else"))
    assert stage.run(UV, *words).code == 77
    assert (stage.environment / "old").exists()
    stage.policy()
    ended = stage.run(UV, *words)
    assert ended.code == 0, ended.err
    assert stage.installed == installed
    assert not (stage.environment / "old").exists()


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["add", "plain"], {}),
        (["add", "--optional", "fast", "plain"], {}),
        (["add", "--dev", "plain"], {}),
        (["add", "--dev", "plain"], {"UV_NO_DEV": "1"}),
        (["add", "--group", "docs", "plain"], {"UV_NO_GROUP": "dev"}),
        (["remove", "deep"], {"UV_NO_DEV": "1", "UV_NO_EDITABLE": "1"}),
        (["version", "2.0"], {"UV_NO_DEV": "1"}),
        (["sync"], {"UV_NO_DEFAULT_GROUPS": "1"}),
        (["add", "plain"], {"UV_NO_DEFAULT_GROUPS": "1"}),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("default", ["dev", "docs"])
def test_the_groups_that_plain_uv_installs(stage, words, env, default):
    for name in ("plain", "fast", "checks", "later", "deep"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    groups = '[dependency-groups]\ndev = ["checks"]\ndocs = ["later"]\n'
    write(stage, "deep", more=f'{groups}[tool.uv]\ndefault-groups = ["{default}"]\n')
    beside = stage.folder / "beside"
    shutil.copytree(stage.project, beside)
    subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", *words], env=stage.variables | env, cwd=beside, check=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    ended = stage.run(UV, *words, env=env)
    assert ended.code == 0, ended.err
    found = stage.installed
    stage.environment = beside / ".venv"
    assert found == stage.installed


def test_a_lock_for_a_python_that_is_not_here(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    write(stage, "good")
    plain_uv(stage, "lock")
    for name in ("pyproject.toml", "uv.lock"):
        path = stage.project / name
        path.write_text(path.read_text().replace(">=3.10", ">=3.99"))
    for words in (["export", "--frozen"], ["tree", "--frozen", "--universal"]):
        ended = stage.run(UV, *words)
        assert (ended.code, ended.out) == (0, uv_itself(stage, *words).stdout), ended.err
    for path in stage.project.glob("openvet*"):
        path.unlink()
    ended = stage.run("openvet-install", "init", "--log", stage.log.url)
    assert ended.code == 0, ended.err
    assert "uv.lock: made for Python >=3.99, the target has " in ended.out
    assert 'mode = "warn"' in (stage.project / "openvet.toml").read_text()
