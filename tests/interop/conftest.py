"""Fixtures of the tests against the real programs."""

from __future__ import annotations

import pytest

from tests.support.openvet_programs import not_wanted, programs
from tests.support.real_log import RealServer


@pytest.fixture
def server(tmp_path):
    """A real openvet-server of this test's own."""
    _need_programs()
    with RealServer(tmp_path / "openvet") as real:
        yield real


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """A real openvet-server for all tests of a file."""
    _need_programs()
    with RealServer(tmp_path_factory.mktemp("openvet")) as real:
        yield real


def _need_programs():
    if not_wanted():
        pytest.skip("OPENVET_INTEROP=0: interop tests are not wanted here")
    programs()
