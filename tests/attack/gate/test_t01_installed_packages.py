"""T01, in what is there already: pip goes by the metadata of installed packages as by that of releases."""

import pytest

from tests.support.attacks import PIP, everything, evil_sdist, plain, site, stopped
from tests.support.stage import WARN, YES


def put(stage, *requires, name="old", info="old-1.0.dist-info", folder=None):
    """Lay an installed package there, as plain pip would have."""
    place = (folder or site(stage)) / info
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    text = head + "".join(f"Requires-Dist: {one}\n" for one in requires)
    if info.endswith(".dist-info"):
        place.mkdir(parents=True)
        (place / "METADATA").write_text(text)
        (place / "RECORD").write_text(f"{info}/METADATA,,\n{info}/RECORD,,\n")
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def egg(stage, *requires):
    """Lay a package there as setuptools did of old."""
    place = site(stage) / "old-1.0.egg-info"
    place.mkdir()
    (place / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: old\nVersion: 1.0\n")
    (place / "requires.txt").write_text("".join(f"{one}\n" for one in requires))


def linked(stage, *requires):
    """Let a `.pth` file lead to the package."""
    (site(stage) / "more.pth").write_text(f"{stage.folder / 'more'}\n")
    put(stage, *requires, folder=stage.folder / "more")


def misnamed(stage, *requires):
    """Pip goes by the name of the folder, and needs no version inside."""
    put(stage, *requires, name="other")
    metadata = site(stage) / "old-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0\n", ""))


def a_file(stage, *requires):
    put(stage, *requires, info="old-1.0.egg-info")


@pytest.mark.parametrize("lay", [put, egg, linked, misnamed, a_file])
def test_what_is_asked_for_leads_nowhere(stage, lay):
    lay(stage, f"evil @ file://{evil_sdist(stage)}")
    stage.policy()
    before = everything(stage)
    assert plain(stage, PIP, "--dry-run", "old") == 0
    assert stage.marker.exists()
    stage.marker.unlink()
    for more in ((), ("--dry-run",), ("--prefix", str(stage.folder / "elsewhere")), ("-U",)):
        ended = stage.run(*PIP, *more, "old")
        stopped(stage, ended, 77, before=before)
        assert "`old` is installed and asks for what no index lists (direct-reference): old 1.0: evil @ " in ended.err
        assert "hint: openvet-pip install 'old>1.0'    or --force-reinstall" in ended.err


@pytest.mark.parametrize("policy", [None, WARN])
def test_no_approved_wheel_leads_there(stage, policy):
    put(stage, f"evil @ file://{evil_sdist(stage)} ; extra == 'x'\nProvides-Extra: x")
    put(stage, "old[x]", name="between", info="between-1.0.dist-info")
    stage.wheel("good", "1.0", YES, requires=["between"])
    stage.policy(*filter(None, [policy]))
    before = everything(stage)
    ended = stage.run(*PIP, "good")
    stopped(stage, ended, 77, before=before)
    assert "what it needs is installed and asks for what no index lists: old 1.0: evil @ file:" in ended.err


def test_no_approved_sdist_leads_there(stage):
    """What it needs shows when it was built."""
    stage.sdist("good", "1.0", YES, wheel_requires=["old"])
    stage.policy()
    put(stage, f"evil @ file://{evil_sdist(stage)}")
    before = everything(stage)
    ended = stage.run(*PIP, "good")
    stopped(stage, ended, 77, before=before)
    assert "an sdist may need what is installed and asks for what no index lists: old 1.0: evil @ " in ended.err


def test_what_leads_elsewhere_is_in_nobodys_way(stage):
    put(stage, f"evil @ file://{evil_sdist(stage)}")
    stage.wheel("old", "2.0", YES)
    stage.wheel("good", "1.0", YES, requires=["old; sys_platform == 'win32'"])
    stage.wheel("needs-newer", "1.0", YES, requires=["old>1"])
    stage.policy()
    assert stage.run(*PIP, "good").code == 0
    assert stage.run(*PIP, "--no-deps", "old").code == 0
    assert stage.run(*PIP, "needs-newer").code == 0
    assert stage.installed["old"] == "2.0"


def test_what_is_taken_anew_asks_for_what_the_release_does(stage):
    put(stage, f"evil @ file://{evil_sdist(stage)}")
    stage.wheel("old", "1.0", YES)
    stage.policy()
    assert stage.run(*PIP, "--force-reinstall", "old").code == 0
    assert not stage.marker.exists()
