"""T14, T39: uv looks upwards for the version of Python to take, and others may write above our private copies."""

import pytest

from tests.support.stage import YES

TEXT = '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["good"]\n# ///\n'


@pytest.mark.parametrize("workspace", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ["sync", "--script", "job.py"],
        ["sync", "--script", "job.py", "--locked"],
        ["sync", "--script", "job.py", "--dry-run"],
        ["lock", "--script", "job.py"],
        ["export", "--script", "job.py"],
        ["run", "job.py"],
        ["pip", "compile", "job.py"],
        ["tool", "install", "good"],
        ["tool", "run", "--from", "good", "python", "-V"],
    ],
    ids=" ".join,
)
def test_a_version_that_somebody_else_asked_for(stage, words, workspace):
    stage.wheel("good", "1.0", YES, files={"good.py": "", "good-1.0.data/scripts/good": "#!python\n"})
    stage.policy()
    stage.variables |= {"UV_TOOL_DIR": str(stage.folder / "tools"), "UV_TOOL_BIN_DIR": str(stage.folder / "bin")}
    del stage.variables["VIRTUAL_ENV"]
    (stage.project / "job.py").write_text(TEXT)
    if "--locked" in words:
        assert stage.run("openvet-uv", "lock", "--script", "job.py").code == 0
    shared = stage.folder / "shared"
    shared.mkdir()
    python = shared / "python"
    python.write_text(f"#!/bin/sh\ntouch {stage.marker}\nexit 1\n")
    python.chmod(0o755)
    (shared / ".python-version").write_text(f"{python}\n")
    if workspace:
        (shared / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["*", "*/*", "*/*/*"]\n')
    ended = stage.run("openvet-uv", *words, env={"TMPDIR": str(shared)})
    assert not stage.marker.exists()
    assert ended.code == 0, ended.err


def test_the_version_beside_a_script_counts(stage):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    del stage.variables["VIRTUAL_ENV"]
    (stage.project / "job.py").write_text(TEXT.replace('# requires-python = ">=3.10"\n', ""))
    (stage.project / ".python-version").write_text("3.99\n")
    ended = stage.run("openvet-uv", "lock", "--script", "job.py")
    assert ended.code != 0
    assert "3.99" in ended.err
