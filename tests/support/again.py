"""What the attacks on notes of `gate.again` share."""

import subprocess
import sys
import time

from openvet_install.gate import again
from tests.support.projects import HEAD, in_project
from tests.support.stage import BENIGN, PROGRAMS, YES, Ended

SYNC = ("sync",)


def ran(stage, *words, env=None, cwd=None):
    """Run `openvet-uv`; return how it ended, and whether it went the whole way."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", str(PROGRAMS / "openvet-uv"), *words],
        env=stage.variables | dict(env or {}), cwd=cwd or stage.project, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    lines = ended.stderr.splitlines()
    said = [line for line in lines if not line.startswith("import time:")]
    whole = any(line.endswith("openvet_install.cli.wrap") for line in lines)
    return Ended(ended.returncode, ended.stdout, "\n".join(said), None), whole


def prepare(stage, policy=BENIGN):
    in_project(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy(policy)
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n')
    for words in (["lock"], ["sync"], ["sync"]):  # the last one makes the objects' journal part of the database
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
    time.sleep(0.1)
    return stage


def notes(stage):
    return sorted((stage.folder / "cache" / "openvet-install" / again.FOLDER).glob("*"))
