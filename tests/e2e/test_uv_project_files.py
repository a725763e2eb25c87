"""`openvet-uv pip install -r pyproject.toml` installs what plain uv would, and nothing from elsewhere."""

import subprocess

import pytest

from tests.support.projects import state
from tests.support.stage import PROGRAMS, YES

INSTALL = ("openvet-uv", "pip", "install")
PROJECT = """[project]
name = "My.Proj"
version = "1"
requires-python = ">=3.99"
dependencies = ["plain>=1", "old ; python_version < '3'"]
[project.optional-dependencies]
Fast_X = ["fast", "my-proj[deep] ; sys_platform != 'win32'", "my_proj[fast-x]"]
deep = ["deep ; python_version > '3' or python_version < '2'", "never ; python_version < '3'"]
[dependency-groups]
dev = ["checks"]
"""


@pytest.fixture
def stage(stage):
    for name in ("plain", "fast", "deep", "checks"):
        stage.wheel(name, "1.0", YES)
    stage.policy()
    (stage.project / "pyproject.toml").write_text(PROJECT)
    return stage


def plain(stage, *words):
    """What plain uv would install."""
    ended = subprocess.run(
        [str(PROGRAMS / "uv"), "pip", "install", "--no-cache", "--dry-run", *words], env=stage.variables,
        cwd=stage.project, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return dict(line.removeprefix(" + ").split("==") for line in ended.stderr.splitlines() if line.startswith(" + "))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], {"plain"}),
        (["--extra", "fast.x"], {"plain", "fast", "deep"}),
        (["--all-extras"], {"plain", "fast", "deep"}),
        (["--extra=deep", "--group", "dev"], {"plain", "deep", "checks"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_project_says_that_it_needs(stage, words, names):
    expected = plain(stage, "-r", "pyproject.toml", *words)
    ended = stage.run(*INSTALL, "-r", "pyproject.toml", *words)
    assert ended.code == 0, ended.err
    assert stage.installed == expected
    assert set(expected) == names


def test_what_nobody_audited(stage):
    stage.wheel("plain", "2.0")
    (stage.project / "pyproject.toml").write_text(PROJECT.replace("plain>=1", "plain>=2"))
    ended = stage.run(*INSTALL, "-r", "./pyproject.toml")
    assert ended.code == 77
    assert not stage.installed
    assert "pypi:plain@2.0?py3-none-any    unaudited    ./pyproject.toml" in ended.err


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (("plain>=1", "plain @ https://x.invalid/plain-1.0-py3-none-any.whl"), [], "direct reference"),
        (("", ""), ["--extra", "none"], "`--extra none`: no project here has it"),
        (("[dependency-groups]", "[tool.uv.pip]\nextra = ['deep']\n[dependency-groups]"), [], "--extra NAME"),
        (("[dependency-groups]", "[tool.uv.sources]\nplain = {path='x'}\n[dependency-groups]"), [], "--no-sources"),
    ],
)
def test_what_is_refused_in_words(stage, change, words, said):
    (stage.project / "pyproject.toml").write_text(PROJECT.replace(*change, 1))
    before = state(stage)
    ended = stage.run(*INSTALL, "-r", "pyproject.toml", *words)
    assert ended.code in (64, 78)
    assert said in ended.err
    assert state(stage) == before
    assert not stage.installed


def test_an_extra_of_nothing(stage):
    ended = stage.run(*INSTALL, "plain", "--extra", "x")
    assert ended.code == 64
    assert "needs a project" in ended.err


@pytest.mark.parametrize("words", [["-r", "pyproject.toml"], ["--group", "dev"]], ids=" ".join)
def test_without_sources(stage, words):
    with (stage.project / "pyproject.toml").open("a") as file:
        file.write("[tool.uv.sources]\nplain = { path = 'x' }\nchecks = { git = 'https://x.invalid/x' }\n")
    expected = plain(stage, *words, "--no-sources")
    ended = stage.run(*INSTALL, *words, "--no-sources")
    assert ended.code == 0, ended.err
    assert stage.installed == expected


@pytest.mark.parametrize("words", [["run", "--no-project"], ["tool", "run"]], ids=" ".join)
def test_no_project_for_with(stage, words):
    """As plain uv, which refuses it, too."""
    ended = stage.run("openvet-uv", *words, "--with-requirements", "pyproject.toml", "python", "-V")
    assert ended.code == 64
    assert "uv takes no project there" in ended.err
