"""What logs say at two heads: good news waits for the pin, bad news travels, a no is found under every spelling."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from openvet_install.decide import Reason
from openvet_install.errors import EXIT_INVALID, EXIT_UNDECIDED
from openvet_install.gate.model import LogStopsError
from openvet_install.gate.spelled import spellings
from openvet_install.openvet.keys import subject_key
from openvet_install.openvet.store import Store
from openvet_install.openvet.subject import Subject, TaggedHash
from tests.support.knowing import BENIGN, NO, NOW, YES, file_of
from tests.support.logsim import SimKey


def other(subject, **changes):
    return subject._replace(**changes)


@pytest.fixture(params=["small log", "large log"])
def size(request, monkeypatch):
    """A large log is one that is not read whole."""
    if request.param == "large log":
        monkeypatch.setattr("openvet_install.openvet.evidence.ENTRIES_READ_WHOLE", 0)
        monkeypatch.setattr("openvet_install.openvet.evidence._MANY_HIGH_KEYS", -1)
        monkeypatch.setattr("openvet_install.openvet.evidence._HIGH_RANK", 0)
    return request.param


# Good news waits, bad news travels.


def test_a_yes_beyond_the_pin_waits(project, alice):
    old = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    new = alice.publish("click", "1", claims=YES)
    assert project.reason(old) is Reason.APPROVED
    decision = project.known()(file_of(new))
    assert decision.reason is Reason.UNAUDITED
    assert decision.detail == "alice has an audit that is newer than the pin"
    project.pin(alice)
    assert project.reason(new) is Reason.APPROVED


def test_a_no_beyond_the_pin_counts_at_once(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    bad = alice.publish("click", "1", claims=NO)
    alice.update(good, claims=NO)
    assert project.reason(bad) is Reason.CONTRADICTED
    assert project.reason(good) is Reason.CONTRADICTED


def test_a_no_at_the_pin_counts_although_it_was_taken_back(project, alice):
    bad = alice.publish("flask", "1", claims=NO)
    project.pin(alice)
    alice.update(bad, claims=YES)
    assert project.reason(bad) is Reason.CONTRADICTED
    alice.withdraw(bad)
    assert project.reason(bad) is Reason.CONTRADICTED
    project.pin(alice)
    assert project.reason(bad) is Reason.UNAUDITED


@pytest.mark.parametrize("how", ["withdrawn", "claim dropped", "now by an outsider"])
def test_a_yes_that_is_gone_is_withdrawn(project, alice, how):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    if how == "withdrawn":
        alice.withdraw(good)
    elif how == "claim dropped":
        alice.update(good, claims={"uses-network": False})
    else:
        alice.update(good, claims=YES, auditors=[SimKey("stranger")])
    assert project.reason(good) is Reason.WITHDRAWN
    project.pin(alice)
    assert project.reason(good) in (Reason.UNAUDITED, Reason.NOT_ASSERTED)


def test_a_yes_of_a_revoked_key_is_withdrawn(project, alice):
    bob = alice.add_key("bob")
    good = alice.publish("flask", "1", claims=YES, auditors=[bob])
    project.pin(alice)
    alice.revoke(bob)
    assert project.reason(good) is Reason.WITHDRAWN


def test_another_log_still_approves_what_one_withdrew(project, sim, alice):
    bob = sim.log("bob")
    good = alice.publish("flask", "1", claims=YES)
    bob.insert(good, claims=YES)
    project.pin(alice, bob)
    alice.withdraw(good)
    assert project.reason(good) is Reason.APPROVED


def test_one_logs_pin_and_another_logs_head_do_not_add_up(project, sim, alice):
    bob = sim.log("bob")
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, bob)
    alice.withdraw(good)
    bob.insert(good, claims=YES)
    assert project.reason(good) is Reason.WITHDRAWN


def test_a_new_generation_needs_its_owner_and_then_revokes(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    alice.new_generation()
    with pytest.raises(LogStopsError) as caught:
        project.known()
    assert caught.value.exit_code == EXIT_INVALID
    operators = ", ".join(f'"{one}"' for one in alice.operator_fingerprints)
    path = project.folder / "project" / "openvet.toml"
    path.write_text(path.read_text() + f"[install.log.alice]\noperators = [{operators}]\n")
    assert project.reason(good) is Reason.WITHDRAWN
    alice.update(good, claims=YES)
    # Of the old key at the pin, of the new one at the head.
    assert project.reason(good, now=NOW + timedelta(hours=2)) is Reason.APPROVED


# A no under another spelling.


NEAR = (
    {"package": "foo_bar"},
    {"package": "foo.bar"},
    {"package": "Foo-Bar"},
    {"version": "1.0.0"},
    {"variant": None},
    {"variant": "py2.py3-none-any"},
)
ELSEWHERE = ({"package": "something-else", "version": "9"}, {"registry": "generic"})


@pytest.mark.parametrize("changes", [*NEAR, *ELSEWHERE], ids=str)
@pytest.mark.parametrize("when", ["at the pin", "beyond the pin", "in an earlier run"])
def test_a_no_is_found_by_its_bytes(project, alice, size, changes, when):
    good = alice.publish("foo-bar", "1.0", claims=YES)
    if when == "beyond the pin":
        project.pin(alice)
    alice.insert(other(good, **changes), claims=NO)
    if when != "beyond the pin":
        project.pin(alice)
    if when == "in an earlier run":
        (project.folder / "project" / "openvet-install.lock").rename(project.folder / "aside")
        policy = project.folder / "project" / "openvet.toml"
        anchor = f'[install.log.alice]\noperators = ["{alice.operator_fingerprint}"]\n'
        policy.write_text(policy.read_text() + anchor)
        assert project.reason(good) is Reason.CONTRADICTED  # this run walks from the genesis
        (project.folder / "aside").rename(project.folder / "project" / "openvet-install.lock")
    expected = Reason.CONTRADICTED
    if when == "at the pin" and size == "large log" and changes in ELSEWHERE:
        expected = Reason.APPROVED  # nobody here has walked past it, and no range holds it
    file = file_of(good, "Foo_Bar-1.0-py3-none-any.whl" if changes.get("package") == "Foo-Bar" else None)
    assert project.known()(file).reason is expected


def test_a_yes_under_another_spelling_approves_nothing(project, alice, size):
    asked = Subject.parse("pypi:foo-bar@1.0?py3-none-any#sha256:" + "ab" * 32)
    for changes in ({"package": "foo_bar"}, {"version": "1.0.0"}, {"variant": None}, {"registry": "generic"}):
        alice.insert(other(asked, **changes), claims=YES)
    alice.insert(other(asked, hash=TaggedHash("sha256", b"\1" * 32)), claims=YES)
    project.pin(alice)
    assert project.reason(asked) is Reason.UNAUDITED


def test_a_no_that_was_withdrawn_everywhere_is_none(project, alice, size):
    good = alice.publish("foo-bar", "1.0", claims=YES)
    bad = other(good, package="something-else")
    alice.insert(bad, claims=NO)
    alice.withdraw(bad)
    project.pin(alice)
    assert project.reason(good) is Reason.APPROVED


def test_a_table_that_lies_adds_nothing(project, alice, size):
    good = alice.publish("foo-bar", "1.0", claims=YES)
    short = other(good, hash=TaggedHash("sha256", b"\xab"))
    keys = map(subject_key, (short, other(good, package="gone"), other(good, version="\t")))
    for key in (b"", b"no key", *keys):
        project.store.note(alice.url, good.hash.digest, key)
    project.pin(alice)
    assert project.reason(good) is Reason.APPROVED


def test_spellings_are_bounded():
    assert spellings("flask", "flask-1.0.tar.gz") == ("Flask",)
    assert spellings("flask", "Flask-1.0-py3-none-any.whl") == ("Flask",)
    assert set(spellings("a-b", "A_b-1.0.tar.gz")) == {"a_b", "a.b", "A_b", "A-b", "A.b", "A-B", "A_B", "A.B"}
    assert len(spellings("a-b-c-d", "a_b_c_d-1.0.tar.gz")) == 32
    long = "-".join("abcdefghijkl")
    assert set(map(str.lower, spellings(long, f"{long}-1.0.tar.gz"))) == {long.replace("-", mark) for mark in "-_."}
    assert len(spellings(long, f"{long}-1.0.tar.gz")) == 8


# Time and rights beyond the pin (threat T70).


LATEST = '[install]\nheads = "latest"\n'


@pytest.mark.parametrize("who", ["auditor", "publisher"])
def test_what_an_expired_key_dates_back_beyond_the_pin_approves_nothing(project, alice, who):
    bob = alice.add_key("bob", ("auditor", "publisher"), expires_at=int(NOW.timestamp()) - 10)
    before = alice.publish("click", "1", claims=YES, auditors=[bob], publisher=bob)
    project.pin(alice, policy=BENIGN + LATEST)
    late = alice.publish(
        "flask", "1", claims=YES,
        auditors=[bob if who == "auditor" else alice.owner], publisher=bob if who == "publisher" else alice.owner,
    )  # fmt: skip
    honest = alice.publish("werkzeug", "1", claims=YES)
    assert project.reason(late) is Reason.UNAUDITED
    assert project.reason(honest) is Reason.APPROVED
    assert project.reason(before) is Reason.APPROVED
    # Where our clock says that the key is still good, so it is.
    assert project.reason(late, now=NOW - timedelta(seconds=60)) is Reason.APPROVED


def test_latest_takes_good_news_at_once(project, alice):
    project.pin(alice, policy=BENIGN + LATEST)
    good = alice.publish("flask", "1", claims=YES)
    assert project.reason(good) is Reason.APPROVED
    assert project.reason(good) is Reason.APPROVED  # by the look of the first run, walked again


# How old a look may be.


def test_check_every_lets_a_look_count_for_a_while(project, sim, alice):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables='[install]\ncheck-every = "10m"\n')
    assert project.reason(good) is Reason.APPROVED
    alice.withdraw(good)
    sim.requests.clear()
    assert project.reason(good, now=NOW + timedelta(minutes=9)) is Reason.APPROVED
    assert not [path for path in sim.requests if path.endswith("/head")]
    assert project.reason(good, now=NOW + timedelta(minutes=11)) is Reason.WITHDRAWN


def test_stale_after_bounds_how_long_a_log_may_be_away(project, sim, alice):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables='[install]\nstale-after = "7d"\n')
    assert project.reason(good) is Reason.APPROVED
    sim.stop()
    assert project.reason(good, now=NOW + timedelta(hours=3)) is Reason.APPROVED
    (warning,) = project.opened.warnings
    assert warning == f"alice out of reach for 3 hours, using its last verified head {alice.head[:12]}"
    assert project.reason(good, now=NOW + timedelta(days=6), offline=True) is Reason.APPROVED
    for offline in (False, True):
        with pytest.raises(LogStopsError) as caught:
            project.known(now=NOW + timedelta(days=8), offline=offline)
        assert caught.value.exit_code == EXIT_UNDECIDED
        assert caught.value.troubles[0].what == 'alice not seen for 8 days, stale-after = "7d"'
    assert "connection refused" in (project_trouble(project, NOW + timedelta(days=8)).detail or "")


def project_trouble(project, now):
    with pytest.raises(LogStopsError) as caught:
        project.known(now=now)
    return caught.value.troubles[0]


def test_bad_news_that_was_seen_counts_while_the_log_is_away(project, sim, alice):
    good = alice.publish("flask", "1", claims=YES)
    project.pin(alice)
    alice.withdraw(good)
    assert project.reason(good) is Reason.WITHDRAWN
    sim.stop()
    assert project.reason(good, now=NOW + timedelta(days=1)) is Reason.WITHDRAWN


def test_never_seen_and_away_is_undecided(project, sim, alice):
    project.pin(alice)
    sim.stop()
    with pytest.raises(LogStopsError, match="was never seen from here") as caught:
        project.known()
    assert caught.value.exit_code == EXIT_UNDECIDED


def test_expect_warns_of_a_log_that_is_too_quiet(project, alice):
    alice.publish("flask", "1", claims=YES)
    project.pin(alice, tables='[install.log.alice]\nexpect = "30d"\n')
    project.known(now=NOW + timedelta(days=29))
    assert project.opened.warnings == []
    project.known(now=NOW + timedelta(days=40))
    assert project.opened.warnings == [
        'alice: its newest commit is 40 days old, expect = "30d"; its host may hide news'
    ]


def test_a_stale_head_is_told_and_the_pin_stays(project, alice):
    good = alice.publish("flask", "1", claims=YES)
    alice.publish("click", "1", claims=YES)
    project.pin(alice)
    alice.roll_back(1)
    assert project.reason(good) is Reason.APPROVED
    assert project.opened.warnings == [f"alice serves {alice.commits[-2][:12]}, an older head than the pin"]


def test_a_fork_stops_everything(project, alice):
    alice.publish("flask", "1", claims=YES)
    fork = alice.fork("fork", at=0)
    alice.publish("click", "1", claims=YES)
    project.pin(alice)
    fork.publish("evil", "1", claims=YES)
    alice.become(fork)
    with pytest.raises(LogStopsError, match="forked") as caught:
        project.known()
    assert caught.value.exit_code == EXIT_INVALID


# Cost.


def test_a_cold_cache_and_a_later_auditor_need_no_history(project, sim, alice):
    bob = alice.add_key("bob")
    subjects = [alice.publish(f"p{number}", "1", claims=YES, auditors=[bob]) for number in range(200)]
    project.pin(alice)
    with Store(None) as empty:
        sim.requests.clear()
        assert project.known(store=empty)(file_of(subjects[150])).reason is Reason.APPROVED
    commits = [path for path in sim.requests if "/commit/" in path]
    assert len(commits) < 12


def test_many_packages_are_prepared_together(project, sim, alice, size):
    subjects = [alice.publish(f"p-{number}", "1", claims=YES) for number in range(60)]
    project.pin(alice)
    decided = project.known()
    project.opened.prepare(subject.package for subject in subjects)
    sim.requests.clear()
    assert {decided(file_of(subject)).reason for subject in subjects} == {Reason.APPROVED}
    assert not sim.requests


def test_logs_are_asked_at_the_same_time(project, sim):
    logs = [sim.log(f"log{number}") for number in range(6)]
    for log in logs:
        log.publish("flask", "1", claims=YES)
    project.pin(*logs)
    for log in logs:
        log.publish("click", "1", claims=YES)
    sim.delay = 0.05
    began = datetime.now(timezone.utc)
    project.known()
    spent = (datetime.now(timezone.utc) - began).total_seconds()
    asked = len(sim.requests)
    assert asked >= 6 * 3
    assert spent < asked * 0.05 / 2
