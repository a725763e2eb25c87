"""`tool.uv.sources` of folders that are installed or built: where they lead is as good as the folder itself."""

import hashlib
import json

import pytest

from tests.support.folders import folder, sources, workspace
from tests.support.indexsim import IndexSimulator
from tests.support.projects import in_project, plain_uv
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_wheel

UV = "openvet-uv"
LOCAL = BENIGN + 'local-projects = ["."]\n'


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.wheel("good", "1.0", YES)
    stage.wheel("more", "1.0", YES)
    stage.wheel("more", "2.0")
    stage.policy(LOCAL)
    return stage


def in_workspace(stage, **options):
    """`app` needs `lib` of its workspace and `other` beside it, which need `more`."""
    workspace(stage)
    said = sources("lib", "workspace = true") + 'other = { path = "../../other", editable = true }\n'
    folder(stage, "packages/app", requires=["good", "lib", "other"], more=said, **options)
    folder(stage, "packages/lib", requires=["more"])
    folder(stage, "other", requires=["more"])


@pytest.mark.parametrize("words", [["./packages/app"], ["-e", "packages/app"], ["-r", "r.txt"]], ids=" ".join)
def test_members_and_folders_beside_them(stage, words):
    in_workspace(stage)
    (stage.project / "r.txt").write_text("./packages/app\n")
    ended = stage.run(UV, "pip", "install", *words)
    assert ended.code == 0, ended.err
    assert stage.installed == {"app": "1.0", "good": "1.0", "lib": "1.0", "more": "1.0", "other": "1.0"}
    assert [one["reason"] for one in ended.report["files"]].count("local-project") == 3
    assert stage.run("openvet-install", "check", "--environment").code == 0


def test_a_workspace_that_is_named_by_a_link(stage):
    workspace(stage, sources("lib", "workspace = true"), where="real")
    folder(stage, "real/packages/app", requires=["lib"])
    folder(stage, "real/packages/lib", requires=["more"])
    (stage.project / "link").symlink_to("real")
    ended = stage.run(UV, "pip", "install", "./link/packages/app")
    assert ended.code == 0, ended.err
    assert stage.installed == {"app": "1.0", "lib": "1.0", "more": "1.0"}


def test_tools_and_environments_of_one_run(stage):
    in_workspace(stage)
    code = "import good, lib, other; print('ran')"
    for words in (["tool", "run", "--from", "./packages/app"], ["run", "--no-project", "--with", "./packages/app"]):
        ended = stage.run(UV, *words, "python", "-c", code.replace("good, lib, ", ""))
        assert (ended.code, ended.out) == (0, "ran\n"), ended.err


@pytest.mark.parametrize("words", [["packages/app"], ["--package", "app"]], ids=" ".join)
def test_what_is_built_needs_a_folder(stage, words):
    workspace(stage)
    folder(stage, "packages/app", build=["lib"], more=sources("lib", "workspace = true"))
    folder(stage, "packages/lib", requires=["more"])
    ended = stage.run(UV, "build", "--wheel", *words, "-o", "out")
    assert ended.code == 0, ended.err
    assert {"lib", "app"} == set(stage.marker.read_text().split())


def test_a_project_that_needs_a_folder_only_to_be_built(stage):
    in_project(stage)
    folder(stage, ".", build=["helper"], more=sources("helper", 'path = "tools/helper"'))
    folder(stage, "tools/helper", requires=["more"])
    for words in (["lock"], ["sync"], ["sync", "--frozen"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
    assert stage.installed == {"project": "1.0"}


def test_a_folder_of_another_workspace(stage):
    in_project(stage)
    workspace(stage, where="their")
    folder(stage, "their/packages/app", requires=["lib"], more=sources("lib", "workspace = true"))
    folder(stage, "their/packages/lib", requires=["more==1.0"])
    folder(stage, ".", requires=["app"], more=sources("app", 'path = "their/packages/app"'))
    plain_uv(stage, "lock")
    expected = (stage.project / "uv.lock").read_text()
    (stage.project / "uv.lock").unlink()
    for words in (["lock"], ["sync"], ["sync", "--frozen"]):
        ended = stage.run(UV, *words)
        assert ended.code == 0, ended.err
    assert (stage.project / "uv.lock").read_text() == expected
    assert stage.installed == {"app": "1.0", "lib": "1.0", "more": "1.0", "project": "1.0"}


@pytest.mark.parametrize("where", ["member", "root"])
def test_an_index_that_only_a_folder_names(stage, where):
    with IndexSimulator() as other:
        body = make_wheel("apart", "1.0")
        other.add(body, filename="apart-1.0-py3-none-any.whl")
        digest = hashlib.sha256(body).hexdigest()
        stage.log.publish("apart", "1.0", variant="py3-none-any", sha256=digest, claims=YES)
        stage.policy(LOCAL)
        index = f'[[tool.uv.index]]\nname = "x"\nurl = "{other.simple_url}"\nexplicit = true\n'
        said = sources("apart", 'index = "x"')
        workspace(stage, index if where == "root" else "")
        folder(stage, "packages/app", requires=["apart"], build=["apart"], more=said + (index * (where == "member")))
        for words in (["pip", "install", "packages/app/"], ["build", "--wheel", "packages/app"]):
            ended = stage.run(UV, *words)
            assert ended.code == 0, ended.err
        assert stage.installed == {"apart": "1.0", "app": "1.0"}


DEV = "[dependency-groups]\ndev = [\"lib; python_version > '3'\"]\n"
ENTRIES = {
    "a folder": 'path = "../lib"',
    "an absolute one": 'path = "{lib}"',
    "an editable": 'path = "../lib", editable = true',
    "a member": "workspace = true",
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    "words", [["--group", "packages/app/pyproject.toml:dev"], ["-r", "packages/app/pyproject.toml"]]
)
def test_files_and_groups_of_projects_as_plain_uv(stage, words, entry):
    if entry == "a member":
        workspace(stage)
    lib = folder(stage, "packages/lib", requires=["more<2"])
    more = DEV + sources("lib", ENTRIES[entry].format(lib=lib))
    folder(stage, "packages/app", requires=["lib; python_version > '3'", "good; python_version < '3'"], more=more)
    ended = stage.run(UV, "pip", "install", *words)
    assert ended.code == 0, ended.err
    assert stage.installed == {"lib": "1.0", "more": "1.0"}
    ours = told(stage)
    plain_uv(stage, "pip", "install", "--reinstall", *words)
    assert told(stage) == ours
    assert stage.run(UV, "pip", "install", "--reinstall", *words, "--no-sources").code == 1


def told(stage):
    (path,) = stage.environment.glob("lib/python*/site-packages/lib-1.0.dist-info/direct_url.json")
    found = json.loads(path.read_text())
    return found["url"], found["dir_info"].get("editable", False)


@pytest.mark.parametrize("variable", [{"UV_NO_SOURCES": "1"}, {"UV_NO_SOURCES_PACKAGE": "lib"}], ids=str)
def test_variables_switch_sources_off(stage, variable):
    stage.wheel("lib", "3.0", YES)
    stage.policy(LOCAL)
    folder(stage, "lib", requires=["more"])
    folder(stage, "app", requires=["lib"], more=DEV + sources("lib", 'path = "../lib"'))
    for words in (["./app"], ["-r", "app/pyproject.toml"], ["--group", "app/pyproject.toml:dev"]):
        ended = stage.run(UV, "pip", "install", "--reinstall", *words, env=variable)
        assert ended.code == 0, ended.err
        assert "no effect" not in ended.err
        assert stage.installed["lib"] == "3.0"
    code = "import importlib.metadata as m; print(m.version('lib'))"
    for words in (["tool", "run", "--from", "./app"], ["run", "--no-project", "--with", "./app"]):
        ended = stage.run(UV, *words, "python", "-c", code, env=variable)
        assert (ended.code, ended.out) == (0, "3.0\n"), ended.err


@pytest.mark.parametrize("entry", ["a folder", "an absolute one", "an editable", "a member"])
@pytest.mark.parametrize(
    "words",
    [["app/pyproject.toml"], ["--group", "app/pyproject.toml:dev", "--group", "app/pyproject.toml:more"]],
    ids=["file", "groups"],
)
def test_compiled_as_plain_uv(stage, words, entry):
    lib = folder(stage, "lib", requires=["more<2"])
    what = ENTRIES[entry].format(lib=lib) if entry != "a member" else 'path = "../lib", package = true'
    folder(stage, "app", requires=["lib"], more=DEV + 'more = ["good"]\n' + sources("lib", what))
    expected = plain_uv(stage, "pip", "compile", "-q", *words)
    ended = stage.run(UV, "pip", "compile", "-q", *words)
    assert (ended.code, ended.out.replace("--no-cache ", "")) == (0, expected.replace("--no-cache ", "")), ended.err
    assert "lib" in ended.out
    assert not stage.marker.exists()
