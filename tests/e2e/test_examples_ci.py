"""`examples/ci`: the script as a service runs it, with a change that approves itself; and the hook for pre-commit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.stage import BENIGN, NO, PROGRAMS, YES

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "examples" / "ci" / "check.sh"


@pytest.fixture
def repository(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.wheel("bad", "1.0", NO)
    stage.wheel("silent", "1.0")
    write_lock(stage, "goodlib")
    stage.policy()
    git(stage, "init", "-q", "-b", "main")
    git(stage, "add", "-A")
    git(stage, "commit", "-qm", "base")
    git(stage, "switch", "-qc", "change")
    return stage


def git(stage, *argv):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *argv], cwd=stage.project, check=True, timeout=60)


def check(stage, base="main", *argv):
    path = f"{PROGRAMS}{os.pathsep}{stage.variables['PATH']}"
    return subprocess.run(
        [str(CHECK), base, *argv], cwd=stage.project, env=stage.variables | {"PATH": path}, capture_output=True,
        text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "loosened", [BENIGN + 'mode = "warn"\n', '[requirement]\nbenign = "is-benign or not is-benign"\n']
)
def test_a_change_does_not_approve_itself(repository, loosened):
    write_lock(repository, "goodlib", "silent")
    policy = repository.project / "openvet.toml"
    policy.write_text(policy.read_text().replace(BENIGN, loosened))
    git(repository, "commit", "-qam", "change")
    ended = check(repository, "main", "--report=github", "--report=sarif:s.sarif")
    assert ended.returncode == 77, ended.stdout + ended.stderr
    assert "::error file=uv.lock,line=" in ended.stdout
    results = json.loads((repository.project / "s.sarif").read_text())["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "uv.lock"


def test_what_is_approved_passes_and_nothing_is_left(repository):
    ended = check(repository)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert repository.leftovers == []


def test_without_the_base_it_stops(repository):
    ended = check(repository, "origin/main")
    assert ended.returncode == 78
    assert "no commit origin/main" in ended.stderr


def test_the_hook_names_a_command_and_files_that_exist(repository):
    import re

    text = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    (entry,) = re.findall(r"^  entry: (.+)$", text, re.MULTILINE)
    (pattern,) = re.findall(r"^  files: (.+)$", text, re.MULTILINE)
    assert repository.run(*entry.split()).code == 0
    for name in ("uv.lock", "a/pylock.toml", "pylock.dev.toml", "openvet.toml", "openvet-install.lock"):
        assert re.search(pattern, name), name
    assert not re.search(pattern, "poetry.lock")
