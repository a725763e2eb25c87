"""T03, T05, T60: `tool.uv.sources` of a project whose file or group is read are no way around the gate."""

import pytest

from tests.attack.gate.test_t05_led_folders import LOCAL, evil, refused
from tests.support.folders import folder, sources, workspace
from tests.support.stage import NO, YES

FORMS = {
    "group": ["pip", "install", "--group", "packages/app/pyproject.toml:dev"],
    "file": ["pip", "install", "-r", "packages/app/pyproject.toml"],
    "compiled": ["pip", "compile", "packages/app/pyproject.toml", "-o", "out.txt"],
    "compiled group": ["pip", "compile", "--group", "packages/app/pyproject.toml:dev", "-o", "out.txt"],
}
EACH = pytest.mark.parametrize("words", FORMS.values(), ids=FORMS)
GROUP = '[dependency-groups]\ndev = ["{name}"]\n'


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.wheel("good", "1.0", YES)
    stage.policy(LOCAL)
    return stage


def app(stage, name, what):
    workspace(stage)
    folder(stage, "packages/app", requires=[name], more=GROUP.format(name=name) + sources(name, what))


@EACH
@pytest.mark.parametrize("how", ["path", "absolute", "link", "editable"])
def test_a_folder_that_no_policy_allows(stage, words, how):
    outside = folder(stage, "../evil")
    (stage.project / "link").symlink_to(outside)
    what = {"path": "../../../evil", "absolute": outside, "link": "../../link", "editable": "../../../evil"}[how]
    app(stage, "evil", f'path = "{what}"' + (", editable = true" if how == "editable" else ""))
    if words[1] == "compile":
        # it is read, and nothing of it runs
        ended = stage.run("openvet-uv", *words)
        assert ended.code in (0, 64), ended.err
        assert not stage.marker.exists()
    else:
        refused(stage, words, 64)


@EACH
@pytest.mark.parametrize("way", ["archive", "address", "repository", "workspace", "index", "marker"])
def test_ways_out(stage, words, way):
    path = evil(stage)
    what = {
        "archive": f'path = "{path}"',
        "address": f'url = "{path.as_uri()}"',
        "repository": 'git = "file:///d"',
        "workspace": 'workspace = "../../../outside"',
        "index": 'index = "x"',
        "marker": f'path = "{path}", marker = "python_version > \'3\'"',
    }[way]
    app(stage, "evil", what)
    refused(stage, words, 64, 77, 2, 1, attacks=way == "archive")


@EACH
@pytest.mark.parametrize("how", ["build", "requires", "address"])
def test_what_a_folder_needs(stage, words, how):
    path = evil(stage)
    stage.sdist("evil", "1.0", NO)
    needs = f"evil @ {path.as_uri()}" if how == "address" else "evil"
    compiles = words[1] == "compile"
    app(stage, "lib", 'path = "../lib"' if compiles else "workspace = true")
    if compiles:
        (stage.project / "pyproject.toml").unlink()
    folder(stage, "packages/lib", **{"build" if how == "build" else "requires": [needs]})
    if compiles and how == "build":
        assert stage.run("openvet-uv", *words).code == 0
        assert not stage.marker.exists()
    else:
        refused(stage, words, 64, 77, attacks=not compiles)


@pytest.mark.parametrize("byte", ["u0000", "x00", "U00000000"])
def test_a_path_with_a_zero_byte(stage, byte):
    evil(stage)
    app(stage, "evil", f'path = "\\{byte}/d/evil-1.0.tar.gz"')
    for words in FORMS.values():
        ended = stage.run("openvet-uv", *words)
        assert ended.code in (64, 77), ended.err
    assert not stage.marker.exists()
