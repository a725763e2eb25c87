"""`examples/ci`: their commands as a service runs them, with a change that approves itself; and the pre-commit hook."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.e2e.test_commands import write_lock
from tests.support.stage import BENIGN, NO, YES

ROOT = Path(__file__).resolve().parents[2]
REF = "OPENVET_INSTALL_POLICY_REF"
SOON = date.today() + timedelta(days=90)  # noqa: DTZ011 - a day of this machine


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
    git(stage, "update-ref", "refs/remotes/origin/main", "main")
    git(stage, "switch", "-qc", "change")
    return stage


def git(stage, *argv):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *who, *argv], cwd=stage.project, check=True, timeout=60)


def digest(stage):
    return hashlib.sha256(stage.index.entries["silent-1.0-py3-none-any.whl"].body).hexdigest()


def command(service):
    """Return the argv of the check in an example, and the revision that it names."""
    text = (ROOT / "examples" / "ci" / f"{service}.yml").read_text("utf-8")
    (line,) = re.findall(r"^ +- (?:run: )?(openvet-install check .+)$", text, re.MULTILINE)
    (ref,) = re.findall(rf"^ +{REF}: (.+)$", text, re.MULTILINE)
    expressions = {"${{ github.base_ref || 'main' }}": "main", "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    for expression, value in expressions.items():
        ref = ref.replace(expression, value)
    return shlex.split(line), ref


@pytest.mark.parametrize("service", ["github", "gitlab"])
@pytest.mark.parametrize("loosened", ["mode", "exemption", "baseline"])
def test_a_change_does_not_approve_itself(repository, service, loosened):
    write_lock(repository, "goodlib", "silent")
    policy = repository.project / "openvet.toml"
    entry = f'package = "silent"\nuntil = {SOON}\nowner = "o"\nhashes = ["sha256:{digest(repository)}"]\n'
    if loosened == "mode":
        policy.write_text(policy.read_text().replace(BENIGN, BENIGN + 'mode = "warn"\n'))
    elif loosened == "exemption":
        policy.write_text(policy.read_text() + f'[[install.exempt]]\nreason = "r"\n{entry}')
    else:
        text = f'version = 1\n[[release]]\nversion = "1.0"\n{entry}'
        (repository.project / "openvet.baseline.toml").write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "change")
    argv, ref = command(service)
    assert repository.run(*argv).code == 0  # by its own policy it passes
    ended = repository.run(*argv, env={REF: ref})
    assert ended.code == 77, ended.out + ended.err
    assert service != "github" or "::error file=uv.lock,line=" in ended.out
    results = json.loads((repository.project / "openvet.sarif").read_text())["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "uv.lock"


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_what_is_approved_passes_and_nothing_is_left(repository, service):
    argv, ref = command(service)
    ended = repository.run(*argv, env={REF: ref})
    assert ended.code == 0, ended.out + ended.err
    assert repository.leftovers == []


def test_the_hook_names_a_command_and_files_that_exist(repository):
    text = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    (entry,) = re.findall(r"^  entry: (.+)$", text, re.MULTILINE)
    (pattern,) = re.findall(r"^  files: (.+)$", text, re.MULTILINE)
    assert repository.run(*entry.split()).code == 0
    for name in ("uv.lock", "a/pylock.toml", "pylock.dev.toml", "openvet.toml", "openvet-install.lock"):
        assert re.search(pattern, name), name
    assert not re.search(pattern, "poetry.lock")
