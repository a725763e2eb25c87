"""The fuzzer finds what is planted, and finds nothing else; every seed keeps its target's promises.

`$OPENVET_FUZZ_SECONDS` is the time for each target (default 5, two at a time; CI says 60).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import NAMES, REAL, replay, seeds

RUN = Path(__file__).parent / "run.py"
SECONDS = os.environ.get("OPENVET_FUZZ_SECONDS", "5")


def run(*arguments):
    return subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_a_planted_fault_is_found():
    ended = run("--seconds", "120", "planted")
    assert ended.returncode == 1
    assert "FOUND planted" in ended.stdout
    assert "crash-" in ended.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_keeps_its_promise(name):
    assert seeds(name)
    for raw in seeds(name):
        replay(name, raw)


@pytest.mark.timeout(1500)
def test_nothing_else_is_found():
    ended = run("--seconds", SECONDS, *REAL)
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("inputs, coverage") == len(REAL)
