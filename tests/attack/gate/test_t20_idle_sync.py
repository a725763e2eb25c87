"""T20, T29: `uv sync` with nothing to do is judged, gets nothing to take from, and is looked at all the same."""

import shutil

import pytest

from openvet_install.cli import wrap
from openvet_install.gate import still
from openvet_install.installers import uv_sync
from tests.support.projects import EDITABLE, HEAD, in_project
from tests.support.stage import BENIGN, PROGRAMS, YES

SYNC = ("openvet-uv", "sync")
BUILT = '[build-system]\nrequires = ["good"]\nbuild-backend = "own"\nbackend-path = ["."]\n'
CACHED = '[tool.uv]\ncache-keys = [{ file = "key" }]\n'


@pytest.fixture
def stage(stage):
    """A project with one package, synced."""
    in_project(stage)
    stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n')
    for words in (["lock"], ["sync"]):
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
    stage.index.requests.clear()
    return stage


def here(stage, monkeypatch):
    """Let wrappers run in this process, as `stage` runs them."""
    for name, value in (stage.variables | {"PATH": f"{PROGRAMS}:{stage.variables['PATH']}"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(stage.project)


@pytest.mark.parametrize(
    "words", [[], ["--locked"], ["--frozen"], ["--dry-run"], ["--all-groups", "--inexact"]], ids=str
)
def test_it_says_what_uv_says_and_asks_nobody(stage, words):
    ended = stage.run(*SYNC, *words)
    assert ended.code == 0, ended.err
    assert "1 package" in ended.err
    assert "warning" not in ended.err
    assert ended.report["preinstalled"] == 1
    assert ended.report["outcome"] == "allowed"
    assert stage.index.requests == []


@pytest.mark.parametrize("words", [[], ["--frozen"]], ids=str)
def test_what_is_no_longer_approved_stops_it(stage, words):
    stage.log.publish("good", "1.0", variant="py3-none-any", sha256="0" * 64, claims={"is-benign": True})
    stage.policy(BENIGN.replace('"is-benign"', '"is-reviewed"'))
    ended = stage.run(*SYNC, *words)
    assert ended.code == 77
    assert "pypi:good@1.0?py3-none-any" in ended.err
    assert stage.installed == {"good": "1.0"}


def test_a_tool_that_does_something_after_all_finds_nothing(stage, monkeypatch, capfd):
    shutil.rmtree(next(stage.environment.glob("lib/*/site-packages/good-1.0.dist-info")))
    here(stage, monkeypatch)
    monkeypatch.setattr(uv_sync._Probe, "changes", lambda *_how: [])
    assert wrap.main("uv", ["sync"]) not in (0, 70)
    assert "good" in capfd.readouterr().err
    assert stage.installed == {}
    assert stage.index.requests == []


def test_a_run_in_a_project_that_is_synced_asks_nobody(stage):
    ended = stage.run("openvet-uv", "run", "python", "-c", "import importlib.metadata as m; print(m.version('good'))")
    assert (ended.code, ended.out, ended.err) == (0, "1.0\n", "")
    assert stage.index.requests == []


def test_what_appears_meanwhile_is_found(stage, monkeypatch, capfd):
    here(stage, monkeypatch)
    start = still._start

    def started(*arguments):
        site = next(stage.environment.glob("lib/*/site-packages"))
        (site / "evil-1.0.dist-info").mkdir()
        (site / "evil.pth").write_text("import evil\n")
        return start(*arguments)

    monkeypatch.setattr(still, "_start", started)
    assert wrap.main("uv", ["sync"]) == 65
    said = capfd.readouterr().err
    assert "evil.pth" in said
    assert "evil-1.0.dist-info" in said


def test_a_project_that_is_built_is_idle_until_it_changes(stage):
    (stage.project / "own.py").write_text(EDITABLE + "open('built', 'w').close()\n")
    (stage.project / "key").touch()
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n{BUILT}{CACHED}')
    for words in (["lock"], ["sync"]):
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
    marker = stage.project / "built"
    assert marker.exists()
    marker.unlink()
    stage.index.requests.clear()
    ended = stage.run(*SYNC)
    assert ended.code == 0, ended.err
    assert not marker.exists()
    assert stage.index.requests == []
    (stage.project / "key").write_text("changed")
    ended = stage.run(*SYNC)
    assert ended.code == 0, ended.err
    assert marker.exists()
