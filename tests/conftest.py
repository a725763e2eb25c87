import hypothesis
import pytest

from tests.support.stage import stage as make_stage

# How long an example takes says something of the machine alone.
hypothesis.settings.register_profile("unhurried", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def stage(tmp_path):
    with make_stage(tmp_path) as found:
        yield found
