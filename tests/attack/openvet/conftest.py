"""Lying hosts of logs, and what a project makes of them."""

from __future__ import annotations

import pytest

from openvet_install.http import Fetcher
from openvet_install.openvet.log import Log
from tests.support.judging import alice, project, sim, store

__all__ = ["alice", "client", "project", "sim", "store"]


@pytest.fixture
def client(store):
    """Open a simulated log: client(log, operators=...)."""
    with Fetcher(environ={}, tries=1) as fetcher:
        yield lambda log, **more: Log(log.name, log.url, fetcher=fetcher, store=more.pop("store", store), **more)
