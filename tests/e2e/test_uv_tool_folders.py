"""`uv tool install` and `upgrade` of folders: built like those of `uv pip install`, and noted down as uv would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_uv_tool_install import INSTALL, plain
from tests.e2e.test_uv_tool_upgrade import UPGRADE
from tests.support.folders import folder, sources
from tests.support.stage import BENIGN, YES

LOCAL = BENIGN + 'local-projects = ["."]\n'
ENTRIES = "[console_scripts]\nmy-tool = my_tool:main\n"
FILES = {"my_tool.py": "def main():\n    print('ran')\n", "my_tool-1.0.dist-info/entry_points.txt": ENTRIES}
OPTIONAL = "[project.optional-dependencies]\nx = ['more']\n"


@pytest.fixture
def stage(stage):
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.environment = stage.folder / "UV_TOOL_DIR" / "my-tool"
    for name in ("good", "more", "maker"):
        stage.wheel(name, "1.0", YES)
    stage.wheel("good", "2.0")
    stage.policy(LOCAL)
    return stage


def mine(stage, *, more=OPTIONAL, **options):
    return folder(stage, "my-tool", requires=["good<2"], build=["maker"], files=FILES, more=more, **options)


def receipts(stage, *words):
    """Return what both note down of the same command."""
    ours = (stage.environment / "uv-receipt.toml").read_text()
    again = {name: str(stage.folder / "plain" / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    ended = plain(stage, "tool", "install", *words, **again)
    assert ended.returncode == 0, ended.stderr
    plainly = (stage.folder / "plain" / "UV_TOOL_DIR" / "my-tool" / "uv-receipt.toml").read_text()
    return ours, plainly.replace(str(stage.folder / "plain"), str(stage.folder))


WORDS = {
    "a path": ["./my-tool"],
    "an absolute path": ["{path}"],
    "an address": ["my-tool @ {uri}"],
    "extras": ["./my-tool[x]"],
    "a source": ["my-tool", "--from", "./my-tool"],
    "a source with extras": ["my-tool", "--from", "./my-tool[x]"],
    "an editable": ["-e", "./my-tool"],
    "an editable by its name": ["-e", "my-tool"],
    "an editable source": ["--editable", "my-tool", "--from", "./my-tool"],
    "another folder": ["./my-tool", "--with", "./beside,more"],
    "an editable beside it": ["./my-tool", "--with-editable", "./beside", "--with", "more>=1"],
    "a file": ["./my-tool", "--with-requirements", "r.txt"],
}


@pytest.mark.parametrize("kind", WORDS)
def test_as_plain_uv(stage, kind):
    path = mine(stage)
    folder(stage, "beside", requires=["good"])
    (stage.project / "r.txt").write_text("-e ./beside\nmore\n")
    words = [one.format(path=path, uri=path.as_uri()) for one in WORDS[kind]]
    ended = stage.run(*INSTALL, *words)
    assert (ended.code, ended.ours) == (0, []), ended.err
    more = {"beside": "1.0"} if "beside" in kind or kind in ("another folder", "a file") else {}
    more |= {"more": "1.0"} if more or "extras" in kind else {}
    assert stage.installed == {"good": "1.0", "my_tool": "1.0", **more}
    command = stage.folder / "UV_TOOL_BIN_DIR" / "my-tool"
    assert subprocess.run([command], check=True, capture_output=True, text=True).stdout == "ran\n"
    ours, plainly = receipts(stage, *words)
    assert ours == plainly
    assert stage.leftovers == []


def test_where_its_sources_lead(stage):
    more = sources("beside", 'path = "../beside"')
    folder(stage, "my-tool", requires=["beside"], files=FILES, more=more)
    folder(stage, "beside", requires=["good<2"])
    ended = stage.run(*INSTALL, "./my-tool")
    assert ended.code == 0, ended.err
    assert stage.installed == {"beside": "1.0", "good": "1.0", "my_tool": "1.0"}
    assert stage.run(*UPGRADE, "my-tool").code == 0


def test_a_folder_that_does_not_say_its_name(stage):
    path = mine(stage)
    text = (path / "pyproject.toml").read_text()
    (path / "pyproject.toml").write_text(text.partition("[project]")[0])
    ended = stage.run(*INSTALL, "./my-tool")
    assert ended.code == 64
    assert "openvet-uv tool install NAME --from ./my-tool" in ended.err
    ended = stage.run(*INSTALL, "my-tool", "--from", "./my-tool")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0", "my_tool": "1.0"}


def test_another_name_than_that_of_the_folder(stage):
    mine(stage)
    ended = stage.run(*INSTALL, "other", "--from", "./my-tool")
    assert (ended.code, "does not match install request" in ended.err) == (2, True), ended.err
    assert not stage.environment.exists()


@pytest.mark.parametrize("words", [["./my-tool"], ["-e", "./my-tool"]], ids=" ".join)
def test_an_upgrade_takes_what_is_approved_of_what_it_needs(stage, words):
    path = mine(stage)
    assert stage.run(*INSTALL, *words).code == 0
    stage.wheel("good", "1.5", YES)
    stage.wheel("good", "1.6")
    stage.policy(LOCAL)
    ended = stage.run(*UPGRADE, "my-tool")
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.5", "my_tool": "1.0"}
    assert str(path) in (stage.environment / "uv-receipt.toml").read_text()


def test_a_folder_that_is_gone(stage):
    path = mine(stage)
    assert stage.run(*INSTALL, "./my-tool").code == 0
    path.rename(stage.project / "moved")
    ended = stage.run(*UPGRADE, "my-tool")
    assert (ended.code, f"`{path}` is no folder" in ended.err) == (64, True), ended.err


@pytest.mark.parametrize("run", [False, True])
def test_the_python_that_a_folder_is_for(stage, run):
    """It is found beside the one that comes first, and what is installed for it is compared."""
    others = Path(sys.base_prefix).parent.glob("3.1[0-9]*/bin/python3")
    other = next((one for one in others if one.parents[1] != Path(sys.base_prefix)), None)
    if other is None:
        assert "CI" not in os.environ, "there is one Python only"
        pytest.skip("there is one Python only")
    minor = other.parents[1].name.split(".")[1]
    place = mine(stage)
    text = (place / "pyproject.toml").read_text()
    (place / "pyproject.toml").write_text(text.replace(">=3.10", f"==3.{minor}.*"))
    stage.variables["PATH"] += f":{other.parent}"
    words = ["tool", "run", "--from", "./my-tool", "python", "-V"] if run else [*INSTALL, "./my-tool"]
    ended = stage.run("openvet-uv", *words) if run else stage.run(*words)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"Python 3.{minor}.") if run else list(stage.environment.glob(f"lib/python3.{minor}"))
