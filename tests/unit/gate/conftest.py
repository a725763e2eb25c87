"""A log, and a project that judges by it."""

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
def project(tmp_path):
    with Store(tmp_path / "store") as store:
        yield Project(tmp_path, store)
