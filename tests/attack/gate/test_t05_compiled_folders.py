"""T03, T05, T20: folders among what `uv pip compile` reads: named in its output, never built, followed nowhere else."""

import pytest

from tests.support.attacks import evil_sdist
from tests.support.projects import plain_uv, state, unchanged
from tests.support.stage import WARN, YES

COMPILE = ("openvet-uv", "pip", "compile")
BACKEND = "[build-system]\nrequires = []\nbuild-backend = \"sys\\nopen({marker!r}, 'w')\\nimport sys\"\n"


def folder(stage, name, *needs, more="", head='version = "1.0"\n', builds=True):
    place = stage.project / name
    place.mkdir(exist_ok=True)
    listed = ", ".join(f'"{one}"' for one in needs)
    tail = BACKEND.format(marker=str(stage.marker)) if builds else ""
    (place / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n{head}dependencies = [{listed}]\n{more}{tail}')
    (place / "setup.py").write_text(f"open({str(stage.marker)!r}, 'w')")


def ready(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("more", "1.0", YES)
    stage.wheel("bad", "1.0")
    stage.policy()
    folder(stage, "lib", "good")
    folder(stage, "other", "more")


LINES = {
    "path": "./lib\n",
    "editable": "-e ./lib\n",
    "named": "lib @ ./lib\n",
    "absolute": "{project}/lib\n",
    "address": "lib @ file://{project}/lib\n",
    "two": "./lib\n-e ./other\ngood\n",
}


@pytest.mark.parametrize("how", LINES)
def test_a_folder_that_says_what_it_needs(stage, how):
    ready(stage)
    (stage.project / "r.in").write_text(LINES[how].format(project=stage.project))
    for more in ([], ["--universal", "--generate-hashes"], ["--format", "pylock.toml"]):
        words = ["pip", "compile", "r.in", *more]
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
        assert ended.out == plain_uv(stage, *words).replace("uv --no-cache pip", "uv pip")
    assert not stage.marker.exists()


def test_sources_that_lead_to_folders(stage):
    ready(stage)
    folder(stage, "lib", "good", "other", more='[tool.uv.sources]\nother = { path = "../other", editable = true }\n')
    (stage.project / "app").mkdir()
    (stage.project / "app" / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\ndependencies = ["lib"]\n[tool.uv.sources]\nlib = { path = "../lib" }\n'
    )
    words = ["--directory", "app", "pip", "compile", "pyproject.toml"]
    ended = stage.run("openvet-uv", *words)
    assert ended.code == 0, ended.err
    assert ended.out == plain_uv(stage, *words).replace("uv --no-cache", "uv")
    assert "-e ../other" in ended.out
    assert not stage.marker.exists()


WORKSPACE = """[project]
name = "app"
version = "1"
requires-python = ">=3.10"
dependencies = ["one"]
[tool.uv.sources]
one = { workspace = true }
two = { workspace = true }
[tool.uv.workspace]
members = ["parts/*"]
"""


def workspace(stage, need):
    ready(stage)
    (stage.project / "parts").mkdir()
    for name, needs in (("one", ["two", "good"]), ("two", [need]), ("unused", ["bad"])):
        folder(stage, f"parts/{name}", *needs)
        place = stage.project / "parts" / name / "pyproject.toml"
        place.write_text(place.read_text().replace("parts/", ""))
    (stage.project / "pyproject.toml").write_text(WORKSPACE)


def test_members_of_a_workspace(stage):
    """Sources of the root count for a member, too."""
    workspace(stage, "more")
    for more in ([], ["--universal"], ["--format", "pylock.toml"]):
        words = ["pip", "compile", "pyproject.toml", *more]
        ended = stage.run("openvet-uv", *words)
        assert ended.code == 0, ended.err
        assert ended.out == plain_uv(stage, *words).replace("uv --no-cache pip", "uv pip")
        assert "parts/two" in ended.out
    assert not stage.marker.exists()


@pytest.mark.parametrize("output", ["out.txt", "pylock.toml"])
def test_what_members_need_is_judged(stage, output):
    workspace(stage, "bad")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "pyproject.toml", "-o", output), before, 77)


def test_a_folder_that_the_output_would_name_like_a_release(stage):
    """uv writes `lib` for it, which whoever reads that takes from an index."""
    ready(stage)
    sources = '[tool.uv.sources]\nlib = { path = "lib" }\n'
    (stage.project / "pyproject.toml").write_text(
        f'[project]\nname = "app"\nversion = "1"\ndependencies = ["lib"]\n{sources}'
    )
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "pyproject.toml", "-o", "out.txt"), before, 65)


@pytest.mark.parametrize("output", ["out.txt", "pylock.toml"])
def test_what_a_folder_needs_is_judged(stage, output):
    ready(stage)
    folder(stage, "lib", "bad")
    (stage.project / "r.in").write_text("./lib\n")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "r.in", "-o", output), before, 77)


WRONG = {
    "no version": {"head": 'dynamic = ["version"]\n'},
    "dynamic": {"head": 'version = "1"\ndynamic = ["optional-dependencies"]\n'},
    "unreadable": {"needs": ("good b c",)},
    "an address": {"needs": ("evil @ {uri}",)},
    "a source": {"needs": ("evil",), "more": '[tool.uv.sources]\nevil = {{ path = "{path}" }}\n'},
    "a repository": {"needs": ("evil",), "more": '[tool.uv.sources]\nevil = {{ git = "file:///d" }}\n'},
    "an index": {
        "needs": ("evil",),
        "more": '[[tool.uv.index]]\nname = "x"\nurl = "{folder}"\nformat = "flat"\n'
        '[tool.uv.sources]\nevil = {{ index = "x" }}\n',
    },
}


@pytest.mark.parametrize("how", WRONG)
def test_folders_that_lead_elsewhere_or_must_be_built(stage, how):
    ready(stage)
    path = evil_sdist(stage)
    stage.policy(WARN + 'local-projects = ["nothing"]\n')
    said = {"uri": path.as_uri(), "path": path, "folder": path.parent}
    wrong = dict(WRONG[how])
    needs = [one.format(**said) for one in wrong.pop("needs", ("good",))]
    folder(stage, "lib", *needs, **{key: text.format(**said) for key, text in wrong.items()})
    (stage.project / "r.in").write_text("./lib\n")
    before = state(stage)
    for words in (["r.in"], ["r.in", "-o", "out.txt"]):
        unchanged(stage, stage.run(*COMPILE, *words), before, 1, 2, 64, 77, 78)


def test_the_folder_of_the_configuration_is_not_built_either(stage):
    """Its file is there for uv as configuration: the copy has no backend."""
    ready(stage)
    text = (
        f'[project]\nname = "m"\nversion = "1"\ndependencies = ["good b c"]\n{BACKEND.format(marker=str(stage.marker))}'
    )
    (stage.project / "pyproject.toml").write_text(text + "[tool.uv]\nno-build = false\n")
    (stage.project / "r.in").write_text("-e .\n")
    before = state(stage)
    unchanged(stage, stage.run(*COMPILE, "r.in"), before, 1, 2, 64, 77)
