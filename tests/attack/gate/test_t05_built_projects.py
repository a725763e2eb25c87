"""T04, T05, T20, T60: project files that uv must build to read, as folders that are named: ours only, and gated."""

import pytest

from tests.attack.gate.test_t05_built_folders import LOCAL, dynamic, leading
from tests.e2e.test_uv_pip_compile import COMPILE, same
from tests.e2e.test_uv_project_files import plain
from tests.support.attacks import evil_sdist
from tests.support.folders import folder
from tests.support.projects import state
from tests.support.stage import NO, WARN, YES

INSTALL = ("openvet-uv", "pip", "install")
FILES = ["pyproject.toml", "setup.py", "mine/pyproject.toml", "./mine/setup.cfg", "{project}/mine/pyproject.toml"]
MORE = "[project.optional-dependencies]\nx = ['maker']\n[dependency-groups]\nd = ['maker']\n"


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.wheel("dep", "1.0", YES)
    stage.wheel("maker", "1.0", YES)
    stage.policy(LOCAL)
    return stage


def projects(stage, **options):
    for where in (".", "mine"):
        place = dynamic(stage, where, **options)
        for name in ("setup.py", "setup.cfg"):
            (place / name).write_text("")


def written(stage):
    """What is there, but for the bytecode of our own backend."""
    return {path: raw for path, raw in state(stage).items() if "__pycache__" not in path}


@pytest.mark.parametrize("file", FILES)
def test_as_plain_uv(stage, file):
    projects(stage, build=["maker"], more=MORE)
    (stage.project / "more.in").write_text("maker\n")
    file = file.format(project=stage.project)
    words = [[], ["--all-extras", "--universal", "-o", "out.txt"], ["more.in"]]
    for more in (*words, ["--group", "d"], ["--group", "mine/pyproject.toml:d", "--format", "pylock.toml"]):
        said, _written = same(stage, file, *more)
        assert "dep" in said
    assert stage.marker.exists()
    assert "Requested extra not found: y" in stage.run(*COMPILE, file, "--extra", "y").err


@pytest.mark.parametrize("file", FILES)
def test_installed_as_by_plain_uv(stage, file):
    """What the project needs, not the project; a static one beside it is read as plain uv does, too."""
    projects(stage, build=["maker"], more=MORE)
    place = folder(stage, "static", requires=["dep"], more=MORE)
    for more in ([], ["--group", "d"], ["-r", f"{place}/pyproject.toml", "--extra", "x"]):
        words = ["-r", file.format(project=stage.project), *more]
        expected = {**stage.installed, **plain(stage, *words)}
        ended = stage.run(*INSTALL, *words)
        assert ended.code == 0, ended.err
        assert stage.installed == expected
        assert "dep" in expected
    assert stage.marker.exists()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("way", ["outside", "build", "needs", "address", "source", "led outside", "as told"])
def test_nothing_of_others_runs(stage, file, way):
    path = evil_sdist(stage)
    stage.sdist("evil", "1.0", NO)
    stage.policy(WARN + ('local-projects = ["none"]\n' if way == "outside" else 'local-projects = ["."]\n'))
    options = leading(stage, path).get(way, {})
    projects(stage, **options)
    before = written(stage)
    file = file.format(project=stage.project)
    for words in ((*COMPILE, file), (*COMPILE, file, "-o", "out.txt"), (*INSTALL, "-r", file)):
        ended = stage.run(*words)
        if words[2] == "install" and way == "as told":  # our own backend has said so
            assert ended.code == 65
            break
        assert ended.code in (64, 77, 78), ended.err
        assert not ended.out
        assert way != "as told" or "evil" in ended.err
        assert not stage.marker.exists() or not {"evil", "out"} & set(stage.marker.read_text().split())
        if way not in ("needs", "as told"):
            assert not stage.marker.exists()
        assert written(stage) == before


def test_a_project_by_its_address_is_refused(stage):
    for name in ("pyproject.toml", "setup.py", "setup.cfg"):
        ended = stage.run(*COMPILE, f"{stage.index.origin}/{name}")
        assert ended.code == 64
        assert "a project by URL is refused" in ended.err
