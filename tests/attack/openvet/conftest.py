"""Lying hosts of logs, and what a project makes of them."""

from __future__ import annotations

import pytest

from openvet_install.http import Fetcher
from openvet_install.openvet.log import Log
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


@pytest.fixture
def client(store):
    """Open a simulated log: client(log, operators=...)."""
    with Fetcher(environ={}, tries=1) as fetcher:
        yield lambda log, **more: Log(log.name, log.url, fetcher=fetcher, store=more.pop("store", store), **more)
