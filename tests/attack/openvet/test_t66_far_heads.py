"""T66: a head that lies far back, or nowhere, costs a host one answer; it must cost us no walk through all history."""

import pytest

from openvet_install.gate.model import LogStopsError
from openvet_install.openvet.store import Store

COMMITS = 400
REQUESTS = 120
"""Some skip pointers for each look; a walk would take one request for each commit, one after the other."""


@pytest.fixture
def long(project, alice):
    for number in range(COMMITS // 2):
        alice.publish(f"p{number}", "1")
    alice.new_generation("second")
    for number in range(COMMITS // 2):
        alice.publish(f"q{number}", "1")
    project.pin(alice)
    return alice


def stopped_by(other, project, sim, long):
    """Serve another history to a machine that has kept nothing; return what stops it, within a few requests."""
    long.objects.update(other.objects)
    long.serve(other.head)
    sim.requests.clear()
    with Store(None) as empty, pytest.raises(LogStopsError) as caught:
        project.known(store=empty)
    assert len(sim.requests) < REQUESTS
    return caught.value.troubles[0].detail


def test_another_log_at_the_same_url(project, sim, long):
    other = sim.log("other")
    other.publish("x", "1")
    assert stopped_by(other, project, sim, long).endswith("which have nothing in common")


@pytest.mark.parametrize("at", [3, COMMITS // 2 - 1, COMMITS // 2 + 5, -30])
def test_a_fork_far_back(project, sim, long, at):
    at %= len(long.history)
    other = long.fork("other", at=at)
    other.publish("x", "1")
    common = long.history[at]
    told = f"both extend {common.name.hex()[:12]} ({common.index})"
    assert stopped_by(other, project, sim, long).endswith(told)


def test_a_very_old_head(project, sim, long):
    long.roll_back(COMMITS - 10)
    sim.requests.clear()
    with Store(None) as empty:
        project.known(store=empty)
    assert "an older head than the pin" in project.opened.warnings[0]
    assert len(sim.requests) < REQUESTS
