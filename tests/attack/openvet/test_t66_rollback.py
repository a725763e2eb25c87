"""T66: a host that goes back to an older head must not take back the bad news that we have seen, nor stop our clock."""

from datetime import timedelta

import pytest

from openvet_install.decide import Reason
from openvet_install.errors import EXIT_INVALID, EXIT_UNDECIDED
from openvet_install.gate.model import LogStopsError
from openvet_install.openvet.faults import LogMissingError
from openvet_install.openvet.pins import Pin, Walked, write_pins, write_walked
from openvet_install.openvet.store import Store
from tests.support.knowing import BENIGN, NO, NOW, YES, Project

EVERY = '[install]\ncheck-every = "0s"\nstale-after = "7d"\n'


@pytest.fixture
def seen(project, alice):
    """A file whose approval is pinned and whose withdrawal this machine has seen, two commits beyond the pin."""
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables=EVERY)
    alice.publish("between", "1")
    alice.withdraw(good)
    assert project.reason(good) is Reason.WITHDRAWN
    return good


@pytest.mark.parametrize("back", [1, 2, 3], ids=["between", "the pin", "before the pin"])
def test_bad_news_that_was_seen_stays(project, alice, seen, back):
    alice.roll_back(back)
    for hours in (1, 2):
        assert project.reason(seen, now=NOW + timedelta(hours=hours)) is Reason.WITHDRAWN
        assert project.opened.warnings == [
            f"alice serves {alice.commits[-1 - back][:12]}, an older head than {alice.head[:12]}, which was seen before"
        ]


@pytest.mark.parametrize("back", [1, 2, 3], ids=["between", "the pin", "before the pin"])
def test_bad_news_that_was_seen_stays_while_the_clock_goes_wrong(project, alice, seen, back):
    alice.roll_back(back)
    for hours in (-48, -24, 1):
        assert project.reason(seen, now=NOW + timedelta(hours=hours)) is Reason.WITHDRAWN


def test_a_look_from_the_future_makes_no_host_seen(project, sim, alice, seen):
    sim.stop()
    with pytest.raises(LogStopsError, match="never seen from here"):
        project.reason(seen, now=NOW - timedelta(hours=24))


@pytest.mark.parametrize("back", [1, 2], ids=["between", "the pin"])
def test_bad_news_that_was_seen_stays_with_the_latest_head(project, alice, back):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables=EVERY + 'heads = "latest"\n')
    alice.publish("between", "1")
    alice.update(next(iter(project_subjects(alice))), claims=NO)
    assert project.reason(good) is Reason.CONTRADICTED
    alice.roll_back(back)
    assert project.reason(good) is Reason.CONTRADICTED


def project_subjects(log):
    from openvet_install.http import Fetcher
    from openvet_install.openvet.log import Log

    with Fetcher(environ={}) as fetcher, Store(None) as store:
        opened = Log("x", log.url, fetcher=fetcher, store=store)
        return [one.subject for one in opened.everything(log.commits[1])]


def test_an_older_head_counts_towards_stale_after(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    alice.publish("click", "1", claims=YES)
    project.pin(alice, tables=EVERY)
    assert project.reason(good) is Reason.APPROVED
    alice.roll_back(1)
    for day in range(1, 8):
        assert project.reason(good, now=NOW + timedelta(days=day)) is Reason.APPROVED
    with pytest.raises(LogStopsError, match="not seen for 8 days") as caught:
        project.known(now=NOW + timedelta(days=8))
    assert caught.value.exit_code == EXIT_UNDECIDED
    assert "older head than the pin" in caught.value.troubles[0].detail
    alice.serve(None)
    assert project.reason(good, now=NOW + timedelta(days=8)) is Reason.APPROVED


def test_a_first_look_at_a_lagging_host_starts_the_clock(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    alice.publish("click", "1", claims=YES)
    project.pin(alice, tables=EVERY)
    alice.roll_back(1)
    assert project.reason(good) is Reason.APPROVED
    assert project.reason(good, now=NOW + timedelta(days=7)) is Reason.APPROVED
    with pytest.raises(LogStopsError, match="not seen for 8 days"):
        project.known(now=NOW + timedelta(days=8))


def test_bad_news_outlives_a_pin_that_moves_less_far(project, alice, seen):
    """A colleague's `update` saw less than this machine, and the host does not show more again."""
    project_pin(project, alice, -2)
    alice.roll_back(1)
    assert project.reason(seen) is Reason.WITHDRAWN


def test_bad_news_at_the_walked_head_outlives_a_pin_that_is_set_back(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    alice.withdraw(good)
    project.pin(alice, tables=EVERY)
    write_pins(project.folder / "project" / "openvet.lock", {"alice": Pin(alice.url, alice.commits[1])})
    alice.roll_back(1)
    assert project.reason(good) is Reason.WITHDRAWN


@pytest.mark.parametrize("how", ["young", "offline"])
def test_bad_news_at_the_walked_head_outlives_a_look_from_the_pin(project, alice, how):
    """Somebody saw and walked the withdrawal; the pin alone is set back to where this machine last looked."""
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    assert project.reason(good) is Reason.APPROVED
    alice.withdraw(good)
    anchor = Walked(alice.operator_fingerprints, alice.head)
    write_walked(project.folder / "project" / "openvet-install.lock", {"alice": anchor})
    if how == "offline":
        project.reason(alice.publish("click", "1"), now=NOW + timedelta(hours=2))  # brings the objects
        project.looks.put(alice.url, pin=alice.commits[1], newest=alice.commits[1], checked=NOW)
    minutes = NOW + timedelta(minutes=5)
    assert project.reason(good, now=minutes, offline=how == "offline") is Reason.WITHDRAWN


def project_pin(project, log, at):
    folder = project.folder / "project"
    write_pins(folder / "openvet.lock", {log.name: Pin(log.url, log.commits[at])})
    write_walked(folder / "openvet-install.lock", {log.name: Walked(log.operator_fingerprints, log.commits[at])})


def test_a_head_that_parts_from_what_was_seen_is_a_fork(project, alice, seen):
    other = alice.fork("other", at=2)
    other.publish("evil", "1")
    alice.objects.update(other.objects)
    alice.serve(other.head)
    with pytest.raises(LogStopsError, match="does not extend the one seen before") as caught:
        project.known()
    assert caught.value.exit_code == EXIT_INVALID
    assert caught.value.troubles[0].detail == (
        f"seen {alice.head[:12]} (3), served {other.head[:12]} (3), both extend {alice.commits[2][:12]} (2)"
    )


def test_what_was_seen_and_is_hidden_now_is_undecided(project, alice, seen):
    """Neither the host nor a lost store can make us forget: without the commit nothing can be said."""
    alice.roll_back(1)
    alice.hide("commit", alice.head)
    with Store(None) as empty, pytest.raises(LogMissingError, match=f"commit {alice.head[:12]} is missing"):
        project.reason(seen, store=empty)


def test_a_look_that_is_another_projects_own_history_counts_for_nothing(project, alice, tmp_path, store):
    """Looks are kept by URL; a hostile project can verify whatever its own pins say."""
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables=EVERY)
    hostile = alice.fork("hostile")
    hostile.update(next(one for one in project_subjects(alice)), claims=NO)
    hostile.amend(hostile.add_key("stranger"))
    project.looks.put(alice.url, pin=hostile.head, newest=hostile.head, checked=NOW - timedelta(days=1))
    alice.objects.update(hostile.objects)
    assert project.reason(good) is Reason.APPROVED
    assert project.opened.warnings == []


def runs_by_pins_of_its_own(hostile, alice, project):
    """A run of another project, in a checkout that brings its own pins, while the host plays along."""
    other = Project(project.folder / "other", project.store)
    other.looks = project.looks
    other.pin(alice, policy=BENIGN + EVERY)
    project_pin(other, alice, 0)
    for name in ("openvet.lock", "openvet-install.lock"):
        path = other.folder / "project" / name
        path.write_text(path.read_text().replace(alice.commits[0], hostile.head))
    alice.objects.update(hostile.objects)
    alice.serve(hostile.head)
    other.known()
    alice.serve(None)


@pytest.mark.parametrize("how", ["rolled back", "out of reach", "offline"])
def test_a_hostile_project_does_not_make_us_forget(project, alice, seen, how):
    hostile = alice.fork("hostile", at=0)
    hostile.publish("evil", "1")
    runs_by_pins_of_its_own(hostile, alice, project)
    if how == "rolled back":
        alice.roll_back(2)
    elif how == "out of reach":
        alice.hide("head", "")
    hour = NOW + timedelta(hours=1)
    assert project.reason(seen, now=hour, offline=how == "offline") is Reason.WITHDRAWN


def test_what_two_projects_saw_may_prove_a_fork(project, alice, seen):
    hostile = alice.fork("hostile", at=1)
    hostile.publish("evil", "1")
    runs_by_pins_of_its_own(hostile, alice, project)
    alice.roll_back(2)
    with pytest.raises(LogStopsError, match="does not extend the one seen before") as caught:
        project.known(now=NOW + timedelta(hours=1))
    assert caught.value.exit_code == EXIT_INVALID


@pytest.mark.parametrize(
    "look",
    ['{"pin": "HEAD", "newest": "HEAD", "checked": "2026-11-01T00:00:00"}', "[" * 100_000, '{"pin": 3}', '["HEAD"]',
     '[{"pin": "HEAD", "newest": "HEAD", "checked": "2026-11-01T00:00:00"}, 3, {}]'],
)  # fmt: skip
def test_looks_that_cannot_be_read_are_none(project, alice, look):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    assert project.reason(good) is Reason.APPROVED
    path = project.folder / "state" / "looks.json"
    path.write_text(f'{{"{alice.url}": {look.replace("HEAD", alice.head)}}}')
    alice.withdraw(good)
    assert project.reason(good) is Reason.WITHDRAWN


def test_two_projects_share_what_they_see(project, alice, seen, tmp_path, store):
    other = Project(tmp_path / "other", store)
    other.looks = project.looks
    other.pin(alice, policy=BENIGN + EVERY)
    project_pin(other, alice, -2)
    alice.roll_back(1)
    assert other.reason(seen) is Reason.WITHDRAWN
    assert project.reason(seen) is Reason.WITHDRAWN
