"""T20, T22, T30: uv makes the environment of a tool or script anew for another Python: it is compared, and not before
everything was judged."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.attacks import backend, everything
from tests.support.stage import NO, YES

INSTALL, UPGRADE = ("openvet-uv", "tool", "install"), ("openvet-uv", "tool", "upgrade")
OPTIONS = {"files": {"tool.py": "def main():\n    print('ran')\n"}, "entry_points": {"my-tool": "tool:main"}}
BASE = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
WAYS = {
    "install": (*INSTALL, "my-tool", "--python", BASE),
    "install more": (*INSTALL, "my-tool", "--with", "more", "--python", BASE),
    "by a variable": (*INSTALL, "my-tool", "--with", "more"),
    "upgrade": (*UPGRADE, "my-tool", "--python", BASE),
}
EITHER = pytest.mark.parametrize("way", WAYS)


def go(stage, way):
    return stage.run(*WAYS[way], env={"UV_PYTHON": BASE} if way == "by a variable" else {})


@pytest.fixture
def stage(stage):
    """A tool whose environment is of another interpreter than the one that is asked for."""
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.environment = stage.folder / "UV_TOOL_DIR" / "my-tool"
    stage.wheel("my-tool", "1.0", YES, **OPTIONS)
    stage.wheel("more", "1.0", YES)
    stage.policy()
    ended = stage.run(*INSTALL, "my-tool")
    assert ended.code == 0, ended.err
    python = stage.environment / "bin/python"
    real = python.resolve()
    python.unlink()
    shutil.copy(real, python)
    (stage.environment / "old").touch()
    return stage


@EITHER
def test_what_is_approved_lies_in_a_new_environment(stage, way):
    ended = go(stage, way)
    assert ended.code == 0, ended.err
    assert not ended.ours
    assert not (stage.environment / "old").exists()
    assert (stage.environment / "bin/python").is_symlink()
    more = {} if way in ("install", "upgrade") else {"more": "1.0"}
    assert stage.installed == {"my_tool": "1.0", **more}
    assert stage.leftovers == []
    assert stage.run(*INSTALL, "my-tool").code == 0


@EITHER
@pytest.mark.parametrize("claims", [None, NO], ids=["unaudited", "contradicted"])
def test_what_is_not_approved_leaves_the_old_one(stage, way, claims):
    stage.wheel("bad", "1.0", claims)
    stage.sdist("bad", "1.1", claims)
    stage.wheel("my-tool", "1.1", YES, requires=["bad"], **OPTIONS)
    receipt = stage.environment / "uv-receipt.toml"
    receipt.write_text(receipt.read_text().replace('name = "my-tool" }]', 'name = "my-tool", specifier = ">1" }]'))
    stage.policy()
    before = everything(stage)
    words = [one if one != "my-tool" or "upgrade" in way else "my-tool>1" for one in WAYS[way]]
    ended = stage.run(*words, env={"UV_PYTHON": BASE} if way == "by a variable" else {})
    assert ended.code == 77, ended.err
    assert not stage.marker.exists()
    assert everything(stage) == before


@pytest.mark.parametrize("way", ["install more", "by a variable"])
@pytest.mark.parametrize("folder", ["SITE", "TARGET + '/bin'"])
def test_what_a_build_puts_there_is_seen_and_goes(stage, way, folder):
    code = f"open({folder} + '/evil.pth', 'w').write('import evil')"
    stage.sdist("more", "2.0", YES, backend=backend(stage, "more", "2.0", code))
    stage.policy()
    ended = go(stage, way)
    assert ended.code == 65, ended.err
    assert "evil.pth` belongs to no package; it was moved away" in ended.err
    assert not list(stage.environment.rglob("evil.pth"))


def test_settings_of_an_environment_that_stays_are_put_back(stage):
    """The interpreter that is asked for is its own: nothing is made anew, so whoever writes them is seen."""
    python = stage.environment / "bin/python"
    python.unlink()
    python.symlink_to(Path(BASE).resolve())
    settings = stage.environment / "pyvenv.cfg"
    before = settings.read_text()
    code = "open(TARGET + '/pyvenv.cfg', 'a').write('include-system-site-packages = true\\n')"
    stage.sdist("more", "2.0", YES, backend=backend(stage, "more", "2.0", code))
    stage.policy()
    ended = go(stage, "install more")
    assert ended.code == 65, ended.err
    assert settings.read_text() == before


SCRIPT = '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["good"]\n# ///\n'


@pytest.mark.parametrize("locked", [False, True], ids=["no lock", "lock"])
def test_the_environment_of_a_script(stage, locked):
    stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.project / "job.py").write_text(SCRIPT)
    words = ("openvet-uv", "sync", "--script", "job.py")
    if locked:
        assert stage.run("openvet-uv", "lock", "--script", "job.py").code == 0
    assert stage.run(*words).code == 0
    (stage.environment,) = (stage.folder / "cache").glob("uv/environments*/*")
    python = stage.environment / "bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    (stage.environment / "old").touch()
    stage.policy("[requirement]\nbenign = 'is-something-else'\n[install]\nisolation = 'off'\n")
    ended = stage.run(*words)
    assert ended.code == 77, ended.err
    assert not locked or (stage.environment / "old").exists()
    stage.policy()
    ended = stage.run(*words)
    assert ended.code == 0, ended.err
    assert stage.installed == {"good": "1.0"}
    assert re.search(r"(?m)^prompt = job.py$", (stage.environment / "pyvenv.cfg").read_text())
    assert not (stage.environment / "old").exists()
