"""T32: what a note of `gate.again` hangs on beside the files of the project, and when there is none."""

import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest

from openvet_install.gate import again, standing
from tests.support.again import SYNC, notes, prepare, ran
from tests.support.projects import HEAD, write
from tests.support.stage import BENIGN, PROGRAMS


@pytest.fixture
def stage(stage):
    """A project with one package, synced; nothing is noted yet."""
    return prepare(stage)


def test_a_project_in_a_temporary_folder(stage):
    folder = stage.folder / "tmp" / "tmp.abc"
    folder.mkdir()
    stage.project = stage.project.rename(folder / "project")
    shutil.rmtree(stage.project / ".venv")
    for expected in (True, True, False):
        assert ran(stage, *SYNC)[1] is expected
    (stage.project / "openvet.baseline.toml").write_text("nonsense")
    ended, whole = ran(stage, *SYNC)
    assert (ended.code, whole) == (78, True)


def wrapper(path, more=""):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n{more}exec {PROGRAMS / "uv"} "$@"\n')
    path.chmod(0o755)


def test_another_uv(stage):
    before, own = stage.folder / "before", stage.folder / "own"
    for folder in (before, own):
        folder.mkdir()
    shutil.copy(PROGRAMS / "uv", own / "uv")
    stage.variables["PATH"] = f"{before}:{own}:{stage.variables['PATH']}"
    time.sleep(0.1)
    for change in (
        lambda: wrapper(before / "uv", '[ "$1" = --version ] && exec echo uv 0.1.0\n'),
        lambda: own.chmod(0o777),
        lambda: (own / "uv").chmod(0o777),
    ):
        for expected in (True, False):
            ended, whole = ran(stage, *SYNC)
            assert (ended.code, whole) == (0, expected), ended.err
        change()
        ended, whole = ran(stage, *SYNC)
        assert whole
        assert ended.code == (78 if (before / "uv").exists() else 0), ended.err
        (before / "uv").unlink(missing_ok=True)
        own.chmod(0o755)
        for path in notes(stage):
            path.unlink()
        time.sleep(0.1)


def test_a_uv_that_may_be_another_one_each_time(stage):
    wrapper(stage.folder / "shims" / "uv")
    stage.variables["PATH"] = f"{stage.folder / 'shims'}:{stage.variables['PATH']}"
    time.sleep(0.1)
    for _ in range(2):
        assert ran(stage, *SYNC)[1]
    assert notes(stage) == []


def test_a_key_that_is_a_folder(stage):
    for expected in (True, False):
        assert ran(stage, *SYNC)[1] is expected
    path = stage.folder / "state" / "openvet-install" / "seal"
    path.unlink()
    path.mkdir()
    ended, whole = ran(stage, *SYNC)
    assert (ended.code, whole) == (0, True), ended.err


def test_a_parent_that_waits_for_nobody(stage):
    for expected in (True, False):
        assert ran(stage, *SYNC)[1] is expected
    command = ["bash", "-c", 'trap "" CHLD; exec "$0" sync', PROGRAMS / "openvet-uv"]
    ended = subprocess.run(command, env=stage.variables, cwd=stage.project, capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr  # uv itself does not work so


def leave_a_note(stage):
    """Lock and sync a project that was written anew, until nothing is to be done."""
    for words in (["lock"], ["sync"]):
        assert stage.run("openvet-uv", *words).code == 0
    time.sleep(0.1)
    for expected in (True, False):
        ended, whole = ran(stage, *SYNC)
        assert (ended.code, whole) == (0, expected), ended.err


@pytest.mark.parametrize("folder", ["member", "site-packages/member"])
def test_what_members_need_for_builds(stage, folder):
    write(stage, name="member", folder=folder, more="[tool.uv]\npackage = false\n")
    led = f'[tool.uv]\nworkspace.members = ["{folder}"]\nsources.member.workspace = true\n'
    write(stage, "good", "member", more=led)
    leave_a_note(stage)
    build = '[build-system]\nrequires = ["more @ https://index.example/more-1.tar.gz"]\n'
    write(stage, name="member", folder=folder, more=f"[tool.uv]\npackage = false\n{build}")
    ended, whole = ran(stage, *SYNC)
    assert (ended.code, whole) == (64, True)


@pytest.mark.parametrize(("ago", "kept"), [(0.3, True), (0.01, False), (1, False), (3, True)])
def test_file_systems_that_stamp_seldom(monkeypatch, ago, kept):
    began = 1_700_000_000_000_000_000
    before = (0o100644, 0, 0, 1, began - int(ago * 1e9), 0, 5)
    monkeypatch.setattr(again, "look", lambda *_: before)
    assert standing._is_still(began, (again.AT, "/policy"), before) is kept


def test_what_an_index_says_is_asked_again(stage):
    stage.wheel("quiet", "1.0")
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good", "quiet"]\n')
    until = (datetime.now(timezone.utc) + timedelta(days=9)).date()
    lines = ['package = "quiet"', 'version = "1.0"', f'index = "{stage.index.simple_url}"', 'reason = "read"']
    lines += ['owner = "o@example.org"', f"until = {until}"]
    stage.policy("\n".join([BENIGN, "[[install.exempt]]", *lines, ""]))
    for words in (["lock"], ["sync"]):
        assert stage.run("openvet-uv", *words).code == 0
    time.sleep(0.1)
    for _ in range(2):
        ended, whole = ran(stage, *SYNC)
        assert (ended.code, whole) == (0, True), ended.err
    del stage.index.entries["quiet-1.0-py3-none-any.whl"]
    assert ran(stage, *SYNC)[0].code == 77


def test_a_file_that_is_named_through_a_link(stage):
    (stage.folder / "away" / "inside").mkdir(parents=True)
    (stage.project / "link").symlink_to(stage.folder / "away" / "inside")
    configuration = stage.folder / "away" / "uv.toml"
    configuration.write_text("offline = false\n")
    time.sleep(0.1)
    words = ("--config-file=link/../uv.toml", "sync")
    for expected in (True, False):
        ended, whole = ran(stage, *words)
        assert (ended.code, whole) == (0, expected), ended.err
    configuration.write_text('allow-insecure-host = ["files.example"]\n')
    ended, whole = ran(stage, *words)
    assert (ended.code, whole) == (78, True)


def test_where_a_folder_of_local_projects_leads(stage):
    write(stage, name="member", folder="inside/member", more="[tool.uv]\npackage = false\n")
    led = '[tool.uv]\nworkspace.members = ["inside/member"]\nsources.member.workspace = true\n'
    write(stage, "good", "member", more=led)
    stage.policy(BENIGN + 'local-projects = ["link"]\n')
    (stage.project / "link").symlink_to(".")
    leave_a_note(stage)
    (stage.project / "link").unlink()
    (stage.project / "another").mkdir()
    (stage.project / "link").symlink_to("another")
    ended, whole = ran(stage, *SYNC)
    assert (ended.code, whole) == (64, True)


SWAPPED = """
import sys
from pathlib import Path
from openvet_install.cli import entry
from openvet_install.installers import wait
before = wait.stand_beside
def stand_beside(*what):
    Path("uv.lock").write_bytes(Path("uv.lock").read_bytes() + b"\\n")
    return before(*what)
wait.stand_beside = stand_beside
sys.argv = ["openvet-uv", "sync"]
entry.uv()
"""


def test_a_lock_that_is_swapped_while_uv_reads_it(stage):
    for expected in (True, False):
        assert ran(stage, *SYNC)[1] is expected
    command = [sys.executable, "-c", SWAPPED]
    ended = subprocess.run(command, cwd=stage.project, env=stage.variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 65, ended.stderr
    assert "`uv.lock` was changed while uv read it" in ended.stderr
    assert stage.leftovers == []
