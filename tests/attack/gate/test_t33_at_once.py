"""T33: two runs at once in one project: neither takes what the other has half done for what was there before."""

import time

import pytest

from tests.support.projects import in_project, write
from tests.support.stage import NO, YES

UV = "openvet-uv"


@pytest.fixture
def stage(stage):
    stage.wheel("good", "1.0", YES)
    stage.wheel("slow", "1.0", NO)
    stage.wheel("worse", "1.0", NO)
    stage.policy()
    in_project(stage)
    write(stage, "good")
    assert stage.run(UV, "lock").code == 0
    return stage


@pytest.mark.parametrize(("second", "code"), [("worse", 77), ("good", 0)])
def test_a_project_that_another_run_is_changing(stage, second, code):
    project = stage.project / "pyproject.toml"
    before = project.read_bytes()
    stage.index.lies.at_request = lambda _number, path: time.sleep(3 if "slow" in path else 0)
    with stage.running(UV, "add", "slow") as first:
        while b"slow" not in project.read_bytes():
            assert first.poll() is None
        ended = stage.run(UV, "add", second)
        assert (first.wait(), ended.code) == (77, code), ended.err
    assert (project.read_bytes() == before) is (code == 77)
    assert b"slow" not in project.read_bytes()


def test_an_environment_that_another_run_has_just_made(stage):
    with stage.running(UV, "sync") as first:
        ended = stage.run(UV, "sync")
        told = [first.communicate()[1], ended.err]
    assert (first.returncode, ended.code) == (0, 0), told
    assert sum("Installed 1 package" in one for one in told) == 1
    assert stage.installed == {"good": "1.0"}
