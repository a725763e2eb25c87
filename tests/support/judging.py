"""Fixtures: a log, a store, and a project that judges by them; a `conftest.py` imports what it needs."""

from __future__ import annotations

import pytest

from openvet_install.openvet.store import Store
from tests.support.knowing import Project
from tests.support.logsim import LogSimulator


@pytest.fixture
def sim():
    with LogSimulator() as sim:
        yield sim


@pytest.fixture
def alice(sim):
    return sim.log("alice")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store") as store:
        yield store


@pytest.fixture
def project(tmp_path, store):
    return Project(tmp_path, store)
