"""T03, T05, T60: `tool.uv.sources` of a project whose file or group is read are no way around the gate."""

from pathlib import Path

import pytest

from tests.attack.gate.test_t05_led_folders import LOCAL, evil, refused
from tests.support.folders import folder, sources, workspace
from tests.support.indexsim import IndexSimulator
from tests.support.stage import BENIGN, NO, YES
from tests.support.wheels import make_sdist

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


INDEX = '[[tool.uv.index]]\nname = "x"\nurl = "{url}"\nexplicit = true\n'
WAYS = {
    "another place": 'index = "x", path = "{path}"',
    "a repository elsewhere": 'git = "file:///d", marker = "python_version < \'3\'"',
    "an archive elsewhere": 'path = "{path}", marker = "python_version < \'3\'"',
    "an unknown key": 'index = "x", registry = "{path}"',
    "a member": 'index = "x", workspace = true',
}


@EACH
@pytest.mark.parametrize("way", WAYS)
def test_entries_that_say_more_than_one_thing(stage, words, way):
    app(stage, "evil", WAYS[way].format(path=evil(stage)))
    path = stage.project / "packages/app/pyproject.toml"
    path.write_text(path.read_text() + INDEX.format(url=stage.index.simple_url))
    refused(stage, words, 64, 77, 2, attacks=False)


@EACH
@pytest.mark.parametrize(
    "what",
    ['url = "{folder}"\nformat = "flat"', 'url = "{folder}"', 'url = "{url}"\ncache-control = {{ api = "max-age=9" }}'],
)
@pytest.mark.parametrize("root", [True, False])
def test_an_index_that_is_none_of_the_gate(stage, words, what, root):
    path = evil(stage)
    app(stage, "evil", 'index = "x"')
    told = what.format(folder=path.parent.as_uri(), url=stage.index.simple_url)
    place = stage.project / ("pyproject.toml" if root else "packages/app/pyproject.toml")
    place.write_text(f'{place.read_text()}[[tool.uv.index]]\nname = "x"\nexplicit = true\n{told}\n')
    refused(stage, words, 64, 78, attacks=False)


@EACH
def test_what_an_index_of_a_project_has_is_judged(stage, words):
    """A file of the same name on another index is approved; this one nobody has read."""
    stage.wheel("evil", "1.0", YES)
    stage.policy(BENIGN + 'local-projects = ["."]\n')
    with IndexSimulator() as other:
        raw = make_sdist("evil", "1.0", marker=stage.marker, more_pyproject='dynamic = ["dependencies"]\n')
        other.add(raw, filename="evil-1.0.tar.gz")
        app(stage, "evil", 'index = "x"')
        path = stage.project / "packages/app/pyproject.toml"
        path.write_text(path.read_text() + INDEX.format(url=other.simple_url))
        refused(stage, words, 77)


@pytest.mark.parametrize("words", [FORMS["group"], FORMS["file"]], ids=["group", "file"])
def test_a_project_around_the_copy_says_nothing(stage, words):
    """The folder for temporary files may be anybody's."""
    path = evil(stage)
    stage.policy(LOCAL)
    app(stage, "evil", 'index = "x", marker = "python_version < \'3\'"')
    place = stage.project / "packages/app/pyproject.toml"
    place.write_text(place.read_text() + INDEX.format(url=stage.index.simple_url))
    temporary = Path(stage.variables["TMPDIR"])
    said = f'[tool.uv.workspace]\nmembers = ["*/given/*"]\n[tool.uv.sources]\nevil = {{ path = "{path}" }}\n'
    (temporary / "pyproject.toml").write_text(said)
    ended = stage.run("openvet-uv", *words)
    assert ended.code in (1, 77), ended.err
    assert not stage.marker.exists()
    assert stage.installed == {}


def test_what_is_not_asked_for_is_not_handed_on(stage):
    path = evil(stage)
    workspace(stage)
    line = f'no = ["evil @ {path.as_uri()}"]\n'
    more = f"[project.optional-dependencies]\n{line}[dependency-groups]\n{line}"
    more += sources("good", 'index = "x"') + INDEX.format(url=stage.index.simple_url)
    folder(stage, "packages/app", requires=["good"], more=more)
    ended = stage.run("openvet-uv", *FORMS["file"])
    assert (ended.code, stage.installed) == (0, {"good": "1.0"}), ended.err
    for more_words in (["--extra", "no"], ["--all-extras"], ["--group", "packages/app/pyproject.toml:no"]):
        refused(stage, [*FORMS["file"], *more_words], 64, attacks=False)
