"""T07: uv passes over a `[tool.uv]` that it cannot read, and goes by files further up: none of them goes unjudged."""

import os
import pwd
import subprocess

import pytest

from openvet_install.installers.uv_places import of_user
from tests.support.attacks import evil_sdist
from tests.support.projects import HEAD
from tests.support.stage import PROGRAMS, YES

COMMANDS = {
    "install": ("pip", "install", "evil"),
    "compile": ("pip", "compile", "requirements.in"),
    "build": ("build",),
    "run": ("run", "--with", "evil", "python", "-c", "1"),
    "lock": ("lock",),
}


def project(stage, above, *, said="resolution = 3\n", name="uv.toml"):
    """Work in a project whose own `[tool.uv]` uv cannot read, below a folder where something else is said."""
    stage.wheel("good", "1.0", YES)
    stage.policy()
    (stage.folder / name).write_text(above)
    system = '[build-system]\nrequires = ["evil"]\nbuild-backend = "own"\n'
    (stage.project / "pyproject.toml").write_text(f'{HEAD}dependencies = ["good"]\n{system}[tool.uv]\n{said}')
    (stage.project / "requirements.in").write_text("evil\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_folders_of_files_above(stage, command):
    path = evil_sdist(stage)
    project(stage, f'find-links = ["{path.parent}"]\n')
    ended = stage.run("openvet-uv", *COMMANDS[command])
    assert (ended.code, "uv cannot read" in ended.err, "pyproject.toml" in ended.err) == (78, True, True), ended.err
    assert not stage.marker.exists()
    assert stage.installed == {}


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_ways_around_the_gateway_above(stage, name):
    stage.wheel("evil", "1.0")
    top = "" if name == "uv.toml" else "[tool.uv]\n"
    project(stage, f'{top}http-proxy = "{stage.index.origin}"\n', name=name)
    ended = stage.run("openvet-uv", "pip", "install", "evil")
    assert (ended.code, stage.installed) == (78, {}), ended.err
    assert not stage.index.asked("/simple/evil/")


@pytest.mark.parametrize("name", ["uv.toml", "pyproject.toml"])
def test_folders_in_a_project_file_above(stage, name):
    path = evil_sdist(stage)
    top = "" if name == "uv.toml" else "[tool.uv]\n"
    project(stage, f'{top}find-links = ["{path.parent}"]\n', name=name)
    ended = stage.run("openvet-uv", "pip", "install", "evil")
    assert ended.code in (77, 78), ended.err
    assert not stage.marker.exists()
    assert stage.installed == {}


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"a\xffb")], ids=["line", "bytes"])
def test_names_that_uv_does_not_say_as_they_are(stage, name, monkeypatch):
    path = evil_sdist(stage)
    monkeypatch.setattr(stage, "folder", stage.project / name)
    monkeypatch.setattr(stage, "project", stage.folder / "app")
    stage.project.mkdir(parents=True)
    project(stage, f'find-links = ["{path.parent}"]\n')
    monkeypatch.undo()
    ended = run_in(stage, stage.project / name / "app", "pip", "install", "evil")
    assert (ended.returncode, stage.installed) == (78, {}), ended.stderr
    assert not stage.marker.exists()


def run_in(stage, folder, *words):
    return subprocess.run(
        [str(PROGRAMS / "openvet-uv"), *words],
        env=stage.variables,
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_what_uv_does_not_read_says_nothing(stage):
    project(stage, 'http-proxy = "http://127.0.0.1:9"\n', said='resolution = "highest"\n')
    ended = stage.run("openvet-uv", "pip", "install", "good")
    assert (ended.code, stage.installed) == (0, {"good": "1.0"}), ended.err


@pytest.mark.parametrize("variables", [{}, {"HOME": ""}], ids=["unset", "empty"])
def test_the_home_of_the_account_counts_where_no_variable_names_one(monkeypatch, variables):
    """There uv looks then; Python would take an empty one for the root of the file system."""
    monkeypatch.delenv("HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert of_user(variables) == f"{pwd.getpwuid(os.getuid()).pw_dir}/.config/uv/uv.toml"
