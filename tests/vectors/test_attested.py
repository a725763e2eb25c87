"""Logs whose signatures other processes look at: the same answers as alone, whatever those processes do."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from openvet_install.openvet import attestors
from openvet_install.openvet import log as logs
from openvet_install.openvet.faults import LogInvalid, LogMissingError
from openvet_install.openvet.store import Store
from tests.support.vectors import named
from tests.vectors.test_logs import LOGS, everyone, open_log, operators_of

# What `attest` alone finds, and what is found before it comes to that.
SIGNED = ("signature-", "signer-", "audit-", "good", "missing-", "tree-root-")
CASES = {name: case for name, case in named("invalid").items() if str(case.get("error", "good")).startswith(SIGNED)}


@pytest.fixture
def asked(monkeypatch):
    """Let helpers look at every walk; count what they were asked."""
    monkeypatch.setattr(logs, "MANY_COMMITS", 1)
    found = []
    settled = attestors.Attestors.settled

    def noted(self):
        answer = settled(self)
        found.append(answer)
        return answer

    monkeypatch.setattr(attestors.Attestors, "settled", noted)
    return found


def walk(path, folder, operators):
    with Store(folder) as store:
        log = open_log(path, store, operators=operators)
        return log.verify(log.served_head(), since=None, operators=operators)


def test_good_logs_are_good(asked, tmp_path):
    for name, facts in LOGS.items():
        found = walk(facts["path"], tmp_path / name, operators_of(facts))
        assert (found.head, found.commits) == (facts["head"], len(facts["commits"]))
    assert asked == [True] * len(LOGS)


@pytest.mark.parametrize("name", CASES)
def test_faults_are_told_as_alone(name, asked, tmp_path, monkeypatch):
    case = CASES[name]
    told = []
    for most in (1, 10_000):
        monkeypatch.setattr(logs, "MANY_COMMITS", most)
        try:
            told.append(walk(case["path"], tmp_path / str(most), everyone(case)))
        except (LogInvalid, LogMissingError) as fault:
            told.append((fault.rule, fault.what, fault.where, fault.hint))
    assert told[0] == told[1]
    assert ("error" in case) == isinstance(told[0], tuple)


def test_helpers_that_die_cost_time_only(asked, tmp_path, monkeypatch):
    send = attestors.Attestors._send

    def die_then(self):
        send(self)
        for one in multiprocessing.active_children():
            os.kill(one.pid, signal.SIGKILL)

    monkeypatch.setattr(attestors.Attestors, "_send", die_then)
    name, facts = next(iter(LOGS.items()))
    assert walk(facts["path"], tmp_path / name, operators_of(facts)).head == facts["head"]
    assert True not in asked


def test_a_store_in_memory_needs_no_helpers(asked):
    facts = next(iter(LOGS.values()))
    assert walk(facts["path"], None, operators_of(facts)).head == facts["head"]
    assert not asked


KILLED = """
import sys
from pathlib import Path
from openvet_install.openvet.attestors import Attestors
if __name__ == "__main__":
    with Attestors(Path(sys.argv[1]), lambda audits: None) as helpers:
        found = [helpers._pool.submit(__import__("os").getpid).result()]
        print(*found, flush=True)
        __import__("time").sleep(600)
"""


def test_nothing_outlives_a_killed_walk(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    with subprocess.Popen([sys.executable, script, tmp_path / "store"], stdout=subprocess.PIPE, text=True) as process:
        helper = Path("/proc", process.stdout.readline().strip())
        assert helper.exists()
        process.kill()
    until = time.monotonic() + 60
    while helper.exists() and "Z" not in (helper / "stat").read_text().rpartition(")")[2].split()[:1]:
        assert time.monotonic() < until, "the helper lives on"
        time.sleep(0.05)
