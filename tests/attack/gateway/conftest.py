from __future__ import annotations

import pytest

from tests.support.gatekeepers import Permissive, gateway
from tests.support.indexsim import IndexSimulator, wheel

NAME = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def index():
    with IndexSimulator() as running:
        running.add(wheel(), filename=NAME)
        yield running


@pytest.fixture
def keeper():
    return Permissive()


@pytest.fixture
def running(keeper, tmp_path):
    with gateway(keeper, tmp_path) as started:
        yield started
    assert not list((tmp_path / "blobs" / "tmp").iterdir())
