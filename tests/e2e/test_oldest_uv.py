"""The oldest uv of our table works as the newest does; one that is older still, or unknown, is refused."""

import os
from pathlib import Path

import pytest

from tests.support import uvs
from tests.support.projects import in_project, state, write
from tests.support.stage import YES

UV = "openvet-uv"
OPTIONS = {"files": {"tool.py": "def main():\n    print('ran')\n"}, "entry_points": {"tool": "tool:main"}}


@pytest.fixture
def stage(stage):
    stage.variables["PATH"] = os.pathsep.join([str(Path(uvs.program("oldest")).parent), stage.variables["PATH"]])
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.wheel("tool", "1.0", YES, requires=["extra"], **OPTIONS)
    stage.wheel("extra", "1.0", YES)
    stage.wheel("bad", "1.0")
    stage.policy()
    return in_project(stage)


def test_what_is_approved(stage):
    write(stage, "tool")
    (stage.project / "job.py").write_text('# /// script\n# dependencies = ["extra"]\n# ///\nprint("ran")\n')
    (stage.project / "r.in").write_text("tool\n")
    for words in (
        ["lock"], ["sync"], ["add", "extra"], ["tree"], ["export"], ["run", "tool"], ["remove", "extra"],
        ["pip", "install", "--reinstall", "tool"], ["pip", "compile", "r.in", "-o", "r.txt"], ["pip", "sync", "r.txt"],
        ["lock", "--script", "job.py"], ["run", "job.py"], ["sync", "--script", "job.py"], ["tool", "run", "tool"],
        ["tool", "install", "tool"], ["tool", "upgrade", "tool"], ["run", "--with", "extra", "tool"],
    ):  # fmt: skip
        ended = stage.run(UV, *words)
        assert ended.code == 0, (words, ended.err)
        assert "run" not in words or ended.out == "ran\n"
    assert stage.installed == {"extra": "1.0", "tool": "1.0"}
    assert "0.13.0" in stage.run(UV, "--version").out


def test_what_is_not(stage):
    write(stage, "bad")
    (stage.project / "r.in").write_text("bad\n")
    before = state(stage)
    for words in (
        ["lock"], ["sync"], ["run", "python", "-c", ""], ["pip", "compile", "r.in"], ["tool", "run", "bad"],
        ["tool", "install", "bad"], ["run", "--no-project", "--with", "bad", "python", "-c", ""],
    ):  # fmt: skip
        ended = stage.run(UV, *words)
        assert ended.code == 77, (words, ended.err)
        assert state(stage) == before


@pytest.mark.parametrize("version", ["0.12.24", "0.14.0", "1.0"])
def test_another_one_is_refused_with_the_reason(stage, version):
    folder = stage.folder / "another"
    folder.mkdir()
    (folder / "uv").write_text(f"#!/bin/sh\necho 'uv {version} (x86_64-unknown-linux-gnu)'\n")
    (folder / "uv").chmod(0o755)
    write(stage, "tool")
    ended = stage.run(UV, "lock", env={"PATH": f"{folder}{os.pathsep}{stage.variables['PATH']}"})
    assert ended.code == 78
    assert "openvet-uv knows 0.13.0 up to, not including, 0.14.0" in ended.err


def test_what_a_lock_prefers_and_sources_name(stage):
    """Both lean on options and tables that uv has had for long, and an archive of a tool on words alone."""
    for name in ("left", "right"):
        stage.wheel(name, "1.0", YES)
        stage.wheel(name, "2.0", YES)
    stage.wheel("both", "1.0", YES, requires=["left>1", "right"])
    stage.policy()
    index = f'[[tool.uv.index]]\nname = "x"\nurl = "{stage.index.simple_url}"\nexplicit = true\n'
    said = '[tool.uv.sources]\ntool = { index = "x", marker = "python_version > \'3\'" }\n'
    write(stage, "left==1.0", "right==1.0", more=said + index)
    write(stage, "tool", folder="beside", more=said + index)
    code = "import importlib.metadata as m; print(m.version('left'), m.version('right'))"
    ended = stage.run(UV, "run", "--with", "both", "python", "-c", code)
    assert (ended.code, ended.out) == (0, "2.0 1.0\n"), ended.err
    ended = stage.run(UV, "pip", "install", "-r", "beside/pyproject.toml")
    assert (ended.code, "tool" in stage.installed) == (0, True), ended.err
