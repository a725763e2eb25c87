"""T04, T05, T20, T60: folders that `uv pip compile` must build to read: ours only, and what builds them is judged."""

import pytest

from tests.e2e.test_uv_pip_compile import COMPILE, same
from tests.support.attacks import evil_sdist
from tests.support.folders import folder, sources
from tests.support.projects import state
from tests.support.stage import BENIGN, NO, WARN, YES

LOCAL = BENIGN + 'local-projects = ["."]\n'


def dynamic(stage, where, *, needs=("dep",), **options):
    """A folder whose backend alone knows what it needs."""
    place = folder(stage, where, requires=needs, **options)
    text = (place / "pyproject.toml").read_text()
    listed = "[" + ", ".join(f'"{one}"' for one in needs) + "]"
    assert f"dependencies = {listed}" in text
    (place / "pyproject.toml").write_text(text.replace(f"dependencies = {listed}", 'dynamic = ["dependencies"]'))
    return place


def leading(stage, path):
    """What dynamic folders may say that leads to what nobody approved; `path` is an archive."""
    return {
        "build": {"build": ["evil"]},
        "needs": {"needs": ("evil",)},
        "address": {"build": [f"evil @ {path.as_uri()}"]},
        "source": {"build": ["evil"], "more": sources("evil", f'path = "{path}"')},
        "led outside": {"build": ["out"], "more": sources("out", f'path = "{folder(stage, "../out")}"')},
        "as told": {"needs": (f"evil @ {path.as_uri()}",)},
    }


@pytest.fixture
def stage(stage):
    (stage.project / ".git").mkdir()
    stage.wheel("dep", "1.0", YES)
    stage.wheel("maker", "1.0", YES)
    stage.policy(LOCAL)
    return stage


LINES = ["./mine", "-e ./mine", "-e .", "mine @ file://{project}/mine", "{project}/mine", "./mine[x]"]


@pytest.mark.parametrize("line", LINES)
def test_as_plain_uv(stage, line):
    for where in (".", "mine"):
        place = dynamic(stage, where, build=["maker"], more="[project.optional-dependencies]\nx = ['maker']\n")
        code = (place / "local_backend.py").read_text() + "\nopen('read/needs.txt').close()\n"
        (place / "local_backend.py").write_text(code)
        (place / "read").mkdir()
        (place / "read/needs.txt").write_text("")
    (stage.project / "read/more.in").write_text("maker\n")
    (stage.project / "r.in").write_text(line.format(project=stage.project) + "\n-r read/more.in\n")
    for more in ([], ["--universal", "-o", "out.txt"], ["--format", "pylock.toml"]):
        said, _written = same(stage, "r.in", *more)
        assert "dep" in said
    assert stage.marker.exists()
    same(stage, "r.in", "-o", "read/out.txt", output="read/out.txt")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("way", ["outside", "build", "needs", "address", "source", "led outside"])
def test_nothing_of_others_runs(stage, line, way):
    path = evil_sdist(stage)
    stage.sdist("evil", "1.0", NO)
    stage.policy(WARN + ('local-projects = ["none"]\n' if way == "outside" else 'local-projects = ["."]\n'))
    options = leading(stage, path).get(way, {})
    for where in (".", "mine"):
        dynamic(stage, where, **options)
    (stage.project / "r.in").write_text(line.format(project=stage.project) + "\n")
    before = state(stage)
    for more in ([], ["-o", "out.txt"], ["-o", "new/out.txt"]):
        ended = stage.run(*COMPILE, "r.in", *more)
        assert ended.code in (64, 77), ended.err
        assert not ended.out
        assert not stage.marker.exists() or not {"evil", "out"} & set(stage.marker.read_text().split())
        if way != "needs":
            assert not stage.marker.exists()
        assert state(stage) == before


def test_no_output_is_written_through_a_link(stage):
    """uv makes the folders of its output, and what it writes is not the user's before it is judged."""
    stage.wheel("bad", "1.0")
    stage.policy(LOCAL)
    dynamic(stage, ".", needs=("bad",))
    (stage.project / "sub/inner").mkdir(parents=True)
    (stage.project / "sub/inner/old.txt").write_text("mine\n")
    (stage.project / "r.in").write_text("-e .\n")
    before = state(stage)
    for output in ("out.txt", "sub/out.txt", "sub/new/out.txt", "sub/inner/new/out.txt", "sub/inner/old.txt"):
        ended = stage.run(*COMPILE, "r.in", "-o", output)
        assert ended.code == 77, ended.err
        assert state(stage) == before
