import pytest

from tests.support.stage import stage as make_stage


@pytest.fixture
def stage(tmp_path):
    with make_stage(tmp_path) as found:
        yield found
