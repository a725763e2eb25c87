"""Where no cache can be written, as in a container with a read-only home: runs do without, and half-made things go."""

import stat
from pathlib import Path

import pytest

from openvet_install.errors import ConfigError
from openvet_install.installers.target import new_environment
from tests.support.projects import in_project, write
from tests.support.stage import YES

HALF_MADE = """#!/bin/sh
for last; do :; done
mkdir -p "$last/lib" && echo "no room" >&2
exit 2
"""


@pytest.mark.parametrize(
    "words", [("sync",), ("sync", "--no-cache"), ("run", "python", "-c", "import lib"), ("tool", "run", "lib")]
)
def test_an_environment_is_made_without_a_cache(stage, words):
    in_project(stage)
    stage.wheel("lib", "1.0", YES, files={"lib.py": "def main(): pass\n"}, entry_points={"lib": "lib:main"})
    stage.policy()
    write(stage, "lib")
    (stage.folder / "cache").write_text("no folder")
    ended = stage.run("openvet-uv", *words)
    assert ended.code == 0, ended.err
    assert "cannot be written (Not a directory); nothing is kept for the next run" in ended.err


@pytest.mark.parametrize("there", [False, True])
def test_what_uv_half_made_goes_again(tmp_path, there):
    uv, prefix = tmp_path / "uv", tmp_path / ".venv"
    uv.write_text(HALF_MADE)
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)
    if there:
        prefix.mkdir()
    with pytest.raises(ConfigError, match=r"cannot make `.*`: no room"):
        new_environment(str(uv), "python3", prefix, {"PATH": "/usr/bin:/bin"}, str(Path.cwd()))
    assert prefix.exists() is there
