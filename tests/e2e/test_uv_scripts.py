"""Scripts and the locks beside them: `--script` of uv's commands does what plain uv would, gated."""

import shutil
import subprocess

import pytest

from tests.support.projects import ELSEWHERE, HERE, WINDOWS
from tests.support.stage import PROGRAMS, YES

UV = "openvet-uv"
SCRIPT = """#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["app"]
# ///
import app, lib
print(lib.NAME)
"""


def offer(stage):
    stage.wheel("app", "1.0", YES, requires=["lib>=1", "nat", f"win; {WINDOWS}"])
    stage.wheel("lib", "1.0", YES)
    stage.wheel("lib", "2.0", YES)
    stage.sdist("lib", "2.0")
    stage.wheel("more", "1.0", YES, requires=["lib"])
    stage.wheel("win", "1.0", tag="py3-none-win_amd64")
    stage.wheel("nat", "1.0", YES, tag=HERE)
    for tag in ELSEWHERE:
        stage.wheel("nat", "1.0", tag=tag)
    stage.policy()
    (stage.project / "job.py").write_text(SCRIPT)
    (stage.project / "job.py").chmod(0o755)


def plain(stage, cwd, *words):
    ended = subprocess.run(
        [str(PROGRAMS / "uv"), *words], env={**stage.variables, "UV_CACHE_DIR": str(stage.folder / "plain")}, cwd=cwd,
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


STEPS = (
    ["tree", "--script", "job.py"],
    ["export", "--script", "job.py"],
    ["add", "--script", "job.py", "more>=1"],
    ["lock", "--script", "job.py"],
    ["lock", "--check", "--script=./job.py"],
    ["export", "-q", "--script", "job.py", "-o", "out.txt"],
    ["export", "--script", "job.py", "--format", "pylock.toml"],
    ["remove", "--script", "job.py", "more"],
    ["add", "--script", "job.py", "-r", "more.txt", "-c", "limits.txt"],
    ["lock", "--script", "job.py", "-U"],
    ["lock", "--script", "job.py", "-P", "lib==1.0"],
    ["tree", "--script", "job.py", "--universal"],
    ["export", "--frozen", "--script", "job.py"],
)


def test_step_by_step_as_plain_uv(stage):
    offer(stage)
    (stage.project / "more.txt").write_text("more\n")
    (stage.project / "limits.txt").write_text("more<2\n")
    beside = stage.folder / "beside"
    shutil.copytree(stage.project, beside)
    for words in STEPS:
        said = plain(stage, beside, *words)
        ended = stage.run(UV, *words)
        assert ended.code == 0, (words, ended.err)
        assert ended.out == said, words
        for name in ("job.py", "job.py.lock", "out.txt"):
            assert (stage.project / name).exists() == (beside / name).exists(), (words, name)
            if (beside / name).exists():
                assert (stage.project / name).read_text() == (beside / name).read_text(), (words, name)
    assert (stage.project / "job.py").stat().st_mode & 0o777 == 0o755
    assert stage.leftovers == []


def test_run_by_the_lock(stage):
    offer(stage)
    assert stage.run(UV, "lock", "--script", "job.py", "-P", "lib==1.0", "--resolution", "lowest").code == 0
    lock = (stage.project / "job.py.lock").read_text()
    ended = stage.run(UV, "run", "--resolution", "lowest", "job.py")
    assert (ended.code, ended.out) == (0, "lib\n"), ended.err
    assert (stage.project / "job.py.lock").read_text() == lock
    (stage.project / "job.py").write_text(SCRIPT.replace('"app"', '"app", "more"'))
    ended = stage.run(UV, "run", "--locked", "job.py")
    assert ended.code != 0
    assert "lock" in ended.err
    ended = stage.run(UV, "run", "job.py")
    assert (ended.code, ended.out) == (0, "lib\n"), ended.err
    assert 'name = "more"' in (stage.project / "job.py.lock").read_text()
    assert stage.run(UV, "run", "--frozen", "job.py").out == "lib\n"
    assert stage.leftovers == []


@pytest.mark.parametrize("locked", [False, True], ids=["no lock", "lock"])
def test_sync(stage, locked):
    offer(stage)
    stage.variables["UV_CACHE_DIR"] = str(stage.folder / "users")
    if locked:
        assert stage.run(UV, "lock", "--script", "job.py").code == 0
        (stage.project / "job.py").write_text(SCRIPT.replace('"app"', '"app", "more"'))
    ended = stage.run(UV, "sync", "--script", "job.py")
    assert ended.code == 0, ended.err
    (environment,) = (stage.folder / "users").glob("environments-v2/job-*")
    stage.environment = environment
    assert set(stage.installed) == {"app", "lib", "nat", *(["more"] if locked else [])}
    assert (stage.project / "job.py.lock").exists() == locked
    ended = subprocess.run(
        [str(PROGRAMS / "uv"), "run", "--offline", "job.py"], env=stage.variables, cwd=stage.project, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "lib\n", ended.stderr
    assert stage.run(UV, "sync", "--script", "job.py", "--check").code == 0
    for words in (["--locked"], ["--frozen"]):
        ended = stage.run(UV, "sync", "--script", "job.py", *words)
        assert (ended.code == 0) == locked, ended.err
