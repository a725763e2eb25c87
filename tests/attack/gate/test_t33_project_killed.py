"""T33: a run that writes a project is killed: the next one puts its files back, and leaves what people did later."""

import os
import re
import time

import pytest

from tests.attack.gate.test_t04_find_links import ALONE, BACKEND, BUILDS, shelf
from tests.attack.gate.test_t33_killed import kill_us
from tests.support.projects import in_project, lock_of, state, write
from tests.support.stage import YES

UV = "openvet-uv"


@pytest.fixture
def stage(stage):
    return in_project(stage)


def killed_in_add(stage, *words, folder="."):
    """`add` has written its pyproject.toml and waits for the index."""
    stage.wheel("good", "1.0", YES)
    stage.wheel("slow", "1.0", YES)
    stage.policy()
    write(stage, "good", folder=folder)
    assert stage.run(UV, "lock", *words).code == 0
    before = state(stage)
    stage.index.lies.at_request = lambda _number, path: time.sleep(5 if "slow" in path else 0)
    project = stage.project / folder / "pyproject.toml"
    kill_us(stage, lambda: "slow" in project.read_text(), UV, "add", "slow", *words)
    stage.index.lies.at_request = lambda _number, _path: None
    assert "slow" in project.read_text()
    return before


@pytest.mark.parametrize("words", [["lock", "--locked"], ["sync"], ["run", "python", "-V"]], ids=" ".join)
def test_the_next_run_puts_the_project_back(stage, words):
    before = killed_in_add(stage)
    ended = stage.run(UV, *words)
    assert ended.code == 0, ended.err
    assert re.search(r"openvet: warning: a run of \S+ in \S+ was killed; as before it: pyproject.toml\n", ended.err)
    assert {path: raw for path, raw in state(stage).items() if "/.venv/" not in path} == before
    assert "warning" not in stage.run(UV, *words).err


@pytest.mark.parametrize("how", ["--directory", "--project=", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "both"])
def test_a_project_in_another_folder(stage, how):
    words = {
        "--directory": ["--directory", "a/b"],
        "--project=": ["--project=a/b"],
        "UV_WORKING_DIR": [],
        "UV_WORKING_DIRECTORY": [],
        "both": ["--directory=a", "--project", "b"],
    }[how]
    if how.startswith("UV_"):
        (stage.project / "a/b").mkdir(parents=True)
        stage.variables[how] = "a/b"
    before = killed_in_add(stage, *words, folder="a/b")
    ended = stage.run(UV, "lock", "--locked", *words)
    assert ended.code == 0, ended.err
    assert "was killed; as before it: pyproject.toml" in ended.err
    assert {path: raw for path, raw in state(stage).items() if "/.venv/" not in path} == before


def test_what_people_did_later_is_theirs(stage):
    killed_in_add(stage)
    time.sleep(2.1)
    path = stage.project / "pyproject.toml"
    path.write_text(path.read_text() + "\n[tool.mine]\nx = 1\n")
    text = path.read_text()
    ended = stage.run(UV, "tree", "--frozen")
    assert "pyproject.toml changed since, look at it" in ended.err
    assert path.read_text() == text


def test_a_lock_that_named_our_copies(stage):
    shelf(stage, "good", "1.0", YES)
    stage.policy()
    write(stage, "good")
    assert stage.run(UV, "lock", *ALONE).code == 0
    lock = lock_of(stage)
    backend = BACKEND.format(wheel=os.devnull, swap=b"", marker=str(stage.marker)) + "\nimport time; time.sleep(20)\n"
    (stage.project / "backend.py").write_text(backend)
    write(stage, "good", more=BUILDS)
    policy = stage.project / "openvet.toml"
    policy.write_text(policy.read_text().replace("[install]\n", '[install]\nlocal-projects = ["."]\n'))
    text = lock.decode().replace('source = { virtual = "." }', 'source = { editable = "." }')
    (stage.project / "uv.lock").write_text(text)
    kill_us(stage, stage.marker.exists, UV, "sync", "--frozen")
    assert "/links/" in lock_of(stage).decode()
    ended = stage.run(UV, "export", "--frozen")
    assert ended.code == 0, ended.err
    assert "was killed; as before it: uv.lock" in ended.err
    assert lock_of(stage).decode() == text
