"""T04, T05, T60: folders to which `tool.uv.sources` of other folders lead are no way around the gate."""

import pytest

from tests.attack.gate.test_t05_uv_folders import DYNAMIC, flat, plain
from tests.support.attacks import everything, evil_sdist, stopped
from tests.support.folders import folder, sources, workspace
from tests.support.projects import in_project
from tests.support.stage import NO, WARN, YES
from tests.support.wheels import make_sdist

LOCAL = WARN + 'local-projects = ["."]\n'
INSTALL, BUILD = ["pip", "install", "./packages/app"], ["build", "--wheel", "packages/app"]
TOOL = ["tool", "install", "app", "--from", "./packages/app"]
EITHER = pytest.mark.parametrize("words", [INSTALL, BUILD, TOOL], ids=["install", "build", "tool"])


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.variables |= {name: str(stage.folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR")}
    stage.wheel("good", "1.0", YES)
    stage.policy(LOCAL)
    return stage


def evil(stage):
    """An sdist that runs code as soon as somebody asks what it is, and the folder that it was made of."""
    path = evil_sdist(stage)
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker, more_pyproject=DYNAMIC))
    return path


def refused(stage, words, *codes, attacks=True):
    """With the gate nothing runs; without it the code of a stranger does."""
    before = everything(stage)
    stopped(stage, stage.run("openvet-uv", *words), *codes, before=before)
    if attacks:
        said = plain(stage, words)
        assert "evil" in stage.marker.read_text() if stage.marker.exists() else False, said


WAYS = {
    "archive": 'path = "{path}"',
    "address": 'url = "{uri}"',
    "repository": 'git = "file:///d"',
    "workspace": 'workspace = "../../outside"',
}


PLACES = [("member", "archive"), ("root", "archive"), *(("led", one) for one in WAYS)]


@EITHER
@pytest.mark.parametrize(("where", "way"), PLACES)
def test_ways_out(stage, words, where, way):
    path = evil(stage)
    said = sources("evil", WAYS[way].format(path=path, uri=path.as_uri()))
    workspace(stage, said if where == "root" else "")
    needs, builds = (["evil"], []) if words != BUILD else ([], ["evil"])
    if where == "led":
        folder(stage, "packages/app", requires=["lib"], build=["lib"], more=sources("lib", "workspace = true"))
        folder(stage, "packages/lib", requires=needs, build=builds, more=said)
    else:
        folder(stage, "packages/app", requires=needs, build=builds, more=said if where == "member" else "")
    refused(stage, words, 64, 77, attacks=way == "archive")


@EITHER
def test_a_folder_that_no_policy_allows(stage, words):
    outside = folder(stage, "../evil")
    workspace(stage)
    folder(stage, "packages/app", requires=["evil"], build=["evil"], more=sources("evil", f'path = "{outside}"'))
    refused(stage, words, 64)
    stage.marker.unlink()
    (stage.project / "link").symlink_to(outside)
    folder(stage, "packages/app", requires=["evil"], build=["evil"], more=sources("evil", 'path = "../../link"'))
    refused(stage, words, 64)


@EITHER
@pytest.mark.parametrize("how", ["build", "address", "build address"])
def test_what_a_led_folder_needs_to_be_built(stage, words, how):
    path = evil(stage)
    stage.sdist("evil", "1.0", {"is-benign": False})
    needs = f"evil @ {path.as_uri()}" if "address" in how else "evil"
    workspace(stage)
    folder(stage, "packages/app", requires=["lib"], build=["lib"], more=sources("lib", "workspace = true"))
    folder(stage, "packages/lib", **{"build" if "build" in how else "requires": [needs]})
    refused(stage, words, 64, 77)


@EITHER
@pytest.mark.parametrize("where", ["member", "root"])
def test_an_index_that_is_a_folder(stage, words, where):
    place = flat(evil(stage).parent)
    workspace(stage, place if where == "root" else "")
    more = sources("evil", 'index = "x"') + (place if where == "member" else "")
    folder(stage, "packages/app", requires=["evil"], build=["evil"], more=more)
    refused(stage, words, 78)


def test_a_folder_with_two_names_lies_in_two_workspaces(stage):
    """`real/lib` is alone; by the name `ws/lib` it has the sources of a workspace."""
    path = evil(stage)
    (stage.project / "ws").mkdir()
    (stage.project / "ws/pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["*"]\n' + sources("evil", f'path = "{path}"')
    )
    folder(stage, "real/lib", build=["evil"])
    (stage.project / "ws/lib").symlink_to("../real/lib")
    folder(stage, "first", requires=["second"], more=sources("second", 'path = "../second"'))
    folder(stage, "second", requires=["lib"], more=sources("lib", 'path = "../ws/lib"'))
    for words in (["pip", "install", "./first"], ["pip", "install", "./real/lib", "./first"]):
        refused(stage, words, 64, 77, attacks=len(words) == 3)
        stage.marker.unlink(missing_ok=True)


@pytest.mark.parametrize("words", [["lock"], ["sync"], ["sync", "--frozen"]], ids=" ".join)
@pytest.mark.parametrize("way", ["outside", "archive", "unaudited"])
def test_folders_that_only_a_build_needs(stage, words, way):
    """Nothing of them stands in a lock that is up to date."""
    in_project(stage)
    path = evil(stage)
    outside = folder(stage, "../evil-too")
    stage.sdist("evil", "1.0", {"is-benign": False})
    folder(stage, ".")
    plain(stage, ["lock"])
    folder(stage, ".", build=["helper"], more=sources("helper", 'path = "tools/helper"'))
    more = {"outside": sources("evil-too", f'path = "{outside}"'), "archive": sources("evil", f'path = "{path}"')}
    folder(stage, "tools/helper", build=["evil-too" if way == "outside" else "evil"], more=more.get(way, ""))
    stage.marker.unlink(missing_ok=True)
    ended = stage.run("openvet-uv", *words)
    assert not stage.marker.exists()
    assert stage.installed == {}
    if words != ["lock"] or way != "unaudited":
        assert ended.code in (64, 77), ended.err
    plain(stage, ["sync"])
    assert "evil" in stage.marker.read_text()


HOOK = "\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['evil']\n"


@pytest.mark.parametrize("words", [["build", "--wheel", "--package", "app"], BUILD], ids=["package", "folder"])
@pytest.mark.parametrize("where", ["root", "own"])
@pytest.mark.parametrize("way", ["archive", "repository", "folder"])
def test_what_only_a_backend_asks_for(stage, words, where, way):
    """No list names it, so no source of it counts: it comes from an index, where somebody has said no."""
    path = evil(stage)
    stage.sdist("evil", "1.0", NO)
    stage.policy(LOCAL)
    outside = folder(stage, "../evil")
    what = {"archive": f'path = "{path}"', "repository": f'git = "{outside.as_uri()}"', "folder": f'path = "{outside}"'}
    said = sources("evil", what[way]) + 'other = { git = "file:///nowhere" }\n'
    workspace(stage, said if where == "root" else "")
    place = folder(stage, "packages/app", build=["good"], more=said if where == "own" else "")
    (place / "local_backend.py").write_text((place / "local_backend.py").read_text() + HOOK)
    ended = stage.run("openvet-uv", *words, "-o", "out")
    assert ended.code in (64, 77), ended.err
    assert "evil" not in (stage.marker.read_text() if stage.marker.exists() else "")
    assert not (stage.project / "out").exists() or not list((stage.project / "out").glob("*.whl"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["build", "led", "led extra"])
def test_what_a_build_needs_by_the_way(stage, way, how):
    path = evil(stage)
    said = sources("evil", WAYS[way].format(path=path, uri=path.as_uri())) + 'lib = { path = "packages/lib" }\n'
    workspace(stage, said)
    folder(stage, "packages/app", build=["evil"] if how == "build" else ["lib[x]"])
    more = "[project.optional-dependencies]\nx = ['evil']\n" if how == "led extra" else ""
    folder(stage, "packages/lib", requires=["evil"] if how == "led" else [], more=more)
    refused(stage, ["build", "--wheel", "--package", "app"], 64, 77, attacks=False)
