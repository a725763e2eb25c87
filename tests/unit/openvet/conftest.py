"""A simulated host, a client and a store for each test."""

from __future__ import annotations

import pytest

from openvet_install.http import Fetcher
from openvet_install.openvet.log import Log
from openvet_install.openvet.store import Store
from tests.support.logsim import LogSimulator


@pytest.fixture
def sim():
    with LogSimulator() as sim:
        yield sim


@pytest.fixture
def fetcher():
    with Fetcher(environ={}, tries=1) as fetcher:
        yield fetcher


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store") as store:
        yield store


@pytest.fixture
def client(fetcher, store):
    """Open a simulated log: client(log, operators=...)."""

    def open_log(log, **settings):
        settings.setdefault("store", store)
        return Log(log.name, settings.pop("url", log.url), fetcher=fetcher, **settings)

    return open_log
