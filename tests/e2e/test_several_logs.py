"""Several logs: asked at the same time, each that fails is told, the gravest ends the command, nothing is written."""

import re

import pytest

from tests.support.logsim import write_project
from tests.support.stage import BENIGN, YES

LOCKS = ("openvet.lock", "openvet-install.lock")


@pytest.fixture
def logs(stage):
    """Four logs of the policy, all of them pinned: good, away, forked, and with a commit that does not verify."""
    stage.wheel("fine", "1.0", YES)
    found = [stage.log, *(stage.logs.log(name) for name in ("away", "forked", "unsigned"))]
    for log in found[1:]:
        log.publish("other", "1")
    write_project(stage.project, found, BENIGN)
    return {log.name: log for log in found}


def break_all(logs):
    for log in logs.values():
        log.publish("news", "1")
    logs["away"].down = 503
    fork = logs["forked"].fork("fork", at=0)
    fork.publish("evil", "1")
    logs["forked"].become(fork)
    logs["unsigned"].amend(logs["unsigned"].add_key("stranger", ("auditor",)))


def written(stage):
    return [(stage.project / name).read_bytes() for name in LOCKS]


def test_update_tells_of_all_that_fail_and_writes_nothing(stage, logs):
    break_all(logs)
    before = written(stage)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 65
    assert ended.out == ""
    first, *rest = ended.err.splitlines()
    assert first == "openvet: invalid, openvet.lock unchanged"
    told = [line.split()[1:3] for line in rest if line.startswith("✘")]
    assert told == [["forked", "log-invalid"], ["unsigned", "log-invalid"], ["away", "log-unreachable"]]
    assert written(stage) == before


def test_update_of_one_log_asks_no_other(stage, logs):
    break_all(logs)
    ended = stage.run("openvet-install", "update", "alice")
    assert ended.code == 0, ended.err
    assert {path.split("/")[1] for path in stage.logs.requests} == {"alice"}
    pins = (stage.project / "openvet.lock").read_text()
    assert logs["alice"].head in pins
    assert pins.count("[log.") == 4


@pytest.mark.parametrize("command", [("openvet-pip", "install", "fine"), ("openvet-uv", "pip", "install", "fine")])
def test_a_run_tells_of_all_that_fail(stage, logs, command):
    break_all(logs)
    ended = stage.run(*command)
    assert ended.code == 65
    told = [line.split()[1:3] for line in ended.ours if line.startswith("✘")]
    assert told == [["forked", "log-invalid"], ["unsigned", "log-invalid"], ["away", "log-unreachable"]]
    assert len(ended.report["messages"]) == 3
    assert stage.installed == {}


def test_doctor_tells_of_all_logs_the_good_ones_too(stage, logs):
    break_all(logs)
    ended = stage.run("openvet-install", "doctor")
    assert ended.code == 65
    wrong = [line for line in ended.out.splitlines() if line.startswith("✘")]
    assert [re.split("[: ]", line)[1] for line in wrong] == ["forked", "unsigned", "away"]
    assert any(line.startswith("✓ logs: alice ") for line in ended.out.splitlines())


def test_all_away_is_undecided_and_each_is_named(stage, logs):
    for log in logs.values():
        log.down = 503
    ended = stage.run("openvet-install", "update")
    assert ended.code == 69
    assert all(f"/{name}: HTTP 503" in ended.err for name in logs)
    assert ended.err.startswith("openvet: undecided, openvet.lock unchanged")


def test_update_asks_all_at_the_same_time(stage, logs):
    """All hosts wait for each other: asked one after the other they would wait for ever."""
    met = stage.logs.meet(len(logs))
    for log in logs.values():
        log.publish("news", "1")
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0, ended.err
    assert met.all_came


def test_a_run_asks_all_at_the_same_time(stage, logs):
    met = stage.logs.meet(len(logs))
    ended = stage.run("openvet-pip", "install", "fine")
    assert ended.code == 0, ended.err
    assert met.all_came


def test_the_end_of_time_is_only_a_day(stage):
    """A log may date itself anywhere; what is shown of it is a day."""
    subject = stage.log.publish("gone", "1.0", claims=YES)
    stage.policy()
    stage.log.now = (1 << 64) - 3
    removed = stage.log.withdraw(subject)
    (stage.project / "requirements.txt").write_text(f"gone==1.0 --hash={subject.hash}\n")
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0, ended.err
    assert f"alice {removed[:12]}, 3000-01-01" in ended.out
    assert "dated in the future" in ended.out
    assert stage.run("openvet-install", "doctor").code == 0
