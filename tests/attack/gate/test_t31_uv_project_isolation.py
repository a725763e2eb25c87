"""T31: what a project says is built without isolation gets an environment that was checked, or is isolated."""

import pytest

from tests.support.attacks import backend
from tests.support.projects import uv_itself as plain
from tests.support.stage import YES

UV = "openvet-uv"
HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
KEY = '[tool.uv]\nno-build-isolation-package = ["source"]\n'
SCRIPT = "# /// script\n# dependencies = ['source']\n# ///\nimport source\n"


@pytest.fixture
def stage(stage):
    """A release whose build needs `helper`; where it is built so, that is what lies in the environment."""
    stage.wheel("helper", "1.0", YES)
    code = backend(stage, "source", "1.0", "pass")
    more = 'dynamic = ["dependencies"]\n'
    stage.sdist("source", "1.0", YES, backend="import helper\n" + code, build_requires=["helper"], more_pyproject=more)
    stage.wheel("plain", "1.0", YES)
    stage.environment = stage.project / ".venv"
    del stage.variables["VIRTUAL_ENV"]
    stage.policy()
    return stage


def project(stage, *needs, more=KEY):
    listed = ", ".join(f'"{one}"' for one in needs)
    (stage.project / "pyproject.toml").write_text(f"{HEAD}dependencies = [{listed}]\n{more}")


def asked(stage):
    """How often somebody asked for what the build needs."""
    return len(stage.index.asked("/simple/helper/"))


def tamper(stage):
    place = next(stage.environment.glob("lib/python*/site-packages/helper.py"))
    place.unlink()  # a copy: it may be linked with a cache
    place.write_text(f"open({str(stage.marker)!r}, 'w')\n")


def test_what_resolves_builds_isolated_and_a_sync_without(stage):
    project(stage, "helper", "source")
    ended = stage.run(UV, "lock")
    assert (ended.code, ended.ours) == (0, []), ended.err
    locked = (stage.project / "uv.lock").read_bytes()
    assert plain(stage, "lock", "--check", "--build-isolation").returncode == 0
    for words in (["tree"], ["export"], ["tree", "--frozen"], ["export", "--frozen"]):
        assert stage.run(UV, *words).code == 0, words
    ended = stage.run(UV, "sync", "--no-install-package", "source")
    assert (ended.code, ended.ours) == (0, []), ended.err
    ended = stage.run(UV, "sync")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.installed == {"helper": "1.0", "source": "1.0"}
    assert (stage.project / "uv.lock").read_bytes() == locked


@pytest.mark.parametrize("how", ["key", "all", "option", "variable of a workspace"])
def test_a_build_never_runs_what_was_put_into_the_environment(stage, how):
    more = {"key": KEY, "all": "[tool.uv]\nno-build-isolation = true\n"}.get(how, "")
    project(stage, "helper", "source", more=more)
    if how == "variable of a workspace":
        (stage.project / "uv.toml").write_text('no-build-isolation-package = ["Source"]\n')
    words = ("--no-build-isolation-package", "source") if how == "option" else ()
    assert stage.run(UV, "sync", "--no-install-package", "source").code == 0
    tamper(stage)
    assert plain(stage, "sync", "--dry-run").returncode == 0
    assert not stage.marker.exists()
    ended = stage.run(UV, "sync", *words)
    assert ended.code == 65, ended.err
    assert "not all of it is approved: helper" in ended.err
    assert not stage.marker.exists()
    # plain uv runs it
    plain(stage, "sync", *words)
    assert stage.marker.exists()


@pytest.mark.parametrize("words", [["lock", "--refresh"], ["tree"], ["export"], ["add", "--no-sync", "plain"]])
def test_what_resolves_never_runs_what_is_in_the_environment(stage, words):
    project(stage, "helper", "source")
    assert stage.run(UV, "sync", "--no-install-package", "source").code == 0
    tamper(stage)
    (stage.project / "uv.lock").unlink()
    ended = stage.run(UV, *words)
    assert ended.code == 0, ended.err
    assert not stage.marker.exists()
    (stage.project / "uv.lock").unlink(missing_ok=True)
    plain(stage, *words)
    assert stage.marker.exists()


def test_an_unclean_environment_is_no_matter_where_nothing_is_built_so(stage):
    project(stage, "helper", "plain")
    assert stage.run(UV, "sync", "--no-install-package", "plain").code == 0
    tamper(stage)
    ended = stage.run(UV, "sync")
    assert "builds would use" not in ended.err
    assert "plain" in stage.installed


def test_a_folder_that_is_built_without_isolation(stage):
    more = KEY.replace("source", "mine") + '[build-system]\nrequires = ["helper"]\nbuild-backend = "mine_backend"\n'
    project(stage, "helper", more=more + 'backend-path = ["."]\n')
    more = "prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel\nbuild_editable = build_wheel\n"
    assert stage.run(UV, "sync", "--no-install-project").code == 0
    (stage.project / "mine_backend.py").write_text(backend(stage, "mine", "1.0", "import helper") + more)
    ended = stage.run(UV, "sync")
    assert (ended.code, ended.ours) == (0, []), ended.err
    assert stage.installed == {"helper": "1.0", "mine": "1.0"}
    tamper(stage)
    assert stage.run(UV, "sync", "--reinstall-package", "mine").code == 65
    assert not stage.marker.exists()


@pytest.mark.parametrize("how", ["run", "lock", "sync"])
def test_scripts_build_isolated(stage, how):
    (stage.project / "uv.toml").write_text("no-build-isolation = true\n")
    (stage.project / "x.py").write_text(SCRIPT)
    words = {"run": ["run", "x.py"], "lock": ["lock", "--script", "x.py"], "sync": ["sync", "--script", "x.py"]}[how]
    before = asked(stage)
    ended = stage.run(UV, *words)
    assert ended.code == 0, ended.err
    assert asked(stage) > before


@pytest.mark.parametrize("words", [["tool", "run", "plain"], ["tool", "install", "plain"], ["venv", "--seed", "new"]])
def test_it_is_not_gated_elsewhere(stage, words):
    path = stage.folder / "config/uv/uv.toml"
    path.parent.mkdir(parents=True)
    path.write_text("no-build-isolation = true\n")
    ended = stage.run(UV, *words)
    assert ended.code == 78, ended.err
    assert "uv.toml:1, key `no-build-isolation`" in ended.err


@pytest.mark.parametrize("words", [["pip", "install", "source"], ["build", "--wheel", "."]])
def test_a_key_is_that_option(stage, words):
    project(stage, more=KEY.replace("source", 'source", "mine'))
    (stage.project / "setup.py").write_text("")
    assert stage.run(UV, "venv").code == 0
    env = {"VIRTUAL_ENV": str(stage.environment)}
    assert stage.run(UV, "pip", "install", "--build-isolation", "helper", env=env).code == 0
    tamper(stage)
    ended = stage.run(UV, *words, env=env)
    assert ended.code == 65, ended.err
    assert "not all of it is approved: helper" in ended.err
    assert not stage.marker.exists()
