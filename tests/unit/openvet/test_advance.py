"""How a pin moves: first sight, news, stale heads, forks, pins that somebody else moved."""

from __future__ import annotations

import pytest

from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.pins import Pin, Walked, advance
from openvet_install.openvet.store import Store
from tests.support.logsim import START


@pytest.fixture
def log(sim):
    log = sim.log("acme")
    for number in range(6):
        log.publish(f"p{number}", "1")
    return log


def pinned(log, at=-1):
    return Pin(log.url, log.commits[at]), Walked(log.operator_fingerprints[:1], log.commits[at])


def test_first_sight(client, log):
    found = advance(client(log), None, None)
    assert (found.state, found.old, found.new, found.served) == ("first", None, log.head, log.head)
    assert found.verified.operators == found.learned == log.operator_fingerprints
    assert not found.warnings


def test_same_and_moved(client, log):
    pin, walked = pinned(log)
    found = advance(client(log), pin, walked)
    assert (found.state, found.verified.commits, found.learned) == ("same", 0, ())
    log.publish("new", "1")
    found = advance(client(log), pin, walked)
    assert (found.state, found.old, found.new, found.verified.commits) == ("moved", pin.head, log.head, 1)


def test_stale(client, log):
    pin, walked = pinned(log)
    log.roll_back(2)
    found = advance(client(log), pin, walked)
    assert (found.state, found.new, found.behind) == ("stale", pin.head, 2)
    assert found.served == log.commits[-3]
    assert found.warnings == (f"acme: stale; serves {log.commits[-3][:12]}, which is older than {pin.head[:12]}",)


@pytest.mark.parametrize("more", [0, 1, 3], ids=["shorter", "same length", "longer"])
def test_a_fork_names_both_heads_and_where_they_part(client, log, more):
    pin, walked = pinned(log)
    other = log.fork("other", at=4)
    for number in range(1 + more):
        other.publish(f"q{number}", "1")
    log.objects.update(other.objects)
    log.serve(other.head)
    with pytest.raises(LogInvalid) as caught:
        advance(client(log), pin, walked)
    assert caught.value.rule == "not-append-only"
    assert caught.value.what == "forked: the served head does not extend the pin"
    assert caught.value.where == (
        f"pinned {pin.head[:12]} (6), served {other.head[:12]} ({5 + more}), both extend {log.commits[4][:12]} (4)"
    )
    assert "ask the owner" in caught.value.hint


def test_another_log_at_the_same_url(sim, client, log):
    pin, walked = pinned(log)
    other = sim.log("other")
    log.objects = other.objects
    log.serve(other.head)
    with pytest.raises(LogInvalid, match="forked") as caught:
        advance(client(log), pin, walked)
    assert "nothing in common" in caught.value.where


def test_a_pin_without_a_walk_is_walked_from_the_anchor(client, log):
    pin, _ = pinned(log, 3)
    found = advance(client(log), pin, None)
    assert (found.state, found.old, found.new) == ("moved", pin.head, log.head)
    assert found.verified.operators == found.learned == log.operator_fingerprints
    log.serve(log.commits[2])
    found = advance(client(log), pin, None)
    assert (found.state, found.learned) == ("stale", log.operator_fingerprints)
    other = log.fork("other", at=1)
    other.publish("q", "1")
    log.objects.update(other.objects)
    log.serve(other.head)
    with pytest.raises(LogInvalid) as caught:
        advance(client(log), pin, None)
    assert caught.value.rule == "not-append-only"


def test_a_pin_that_somebody_moved_is_walked_from_ours(client, log):
    _, walked = pinned(log, 2)
    moved, _ = pinned(log)
    found = advance(client(log), moved, walked)
    assert (found.state, found.new) == ("same", log.head)
    back, _ = pinned(log, 1)
    assert advance(client(log), back, walked).state == "moved"


@pytest.mark.parametrize("served", ["the pin", "the walked head"])
def test_a_moved_pin_on_another_branch_is_a_fork(client, log, served):
    _, walked = pinned(log)
    other = log.fork("other", at=2)
    other.publish("q", "1")
    log.objects.update(other.objects)
    if served == "the pin":
        log.serve(other.head)
    with pytest.raises(LogInvalid) as caught:
        advance(client(log), Pin(log.url, other.head), walked)
    assert caught.value.rule == "not-append-only"


def test_a_pin_moved_over_a_bad_commit_is_refused(client, log):
    _, walked = pinned(log)
    stranger = log.add_key("stranger", ("auditor",))
    log.publish("evil", "1", publisher=stranger)
    with pytest.raises(LogInvalid, match="no publisher") as caught:
        advance(client(log), Pin(log.url, log.head), walked)
    assert (caught.value.rule, caught.value.commit) == ("signer-lacks-capability", (0, 8))
    assert caught.value.what.startswith(f"commit 8, {log.head[:12]}: ")
    assert caught.value.what.endswith(f'({stranger.fingerprint[:11]}…, "stranger")')


def test_a_walk_that_failed_is_not_half_believed(client, log, store):
    """The store is full of good bytes afterwards; the next try finds the same fault."""
    pin, walked = pinned(log)
    bad = log.add_key("bad", ("auditor",))
    log.publish("evil", "1", publisher=bad)
    log.publish("good", "1")
    for _ in range(2):
        with pytest.raises(LogInvalid) as caught:
            advance(client(log), pin, walked)
        assert caught.value.rule == "signer-lacks-capability"


def test_a_head_from_the_future_is_told(client, log):
    assert not advance(client(log), None, None, now=START).warnings
    log.now += 40 * 86400
    log.publish("later", "1")
    assert advance(client(log), None, None, now=START).warnings == ("acme: the newest commit is dated in the future",)


@pytest.mark.parametrize("who", ["auditor", "publisher"])
def test_news_by_a_key_that_has_expired_is_told(client, log, who):
    """Commits say themselves when they were made (threat T70)."""
    bob = log.add_key("bob", ("auditor", "publisher"), expires_at=START + 3600)
    log.publish("before", "1", auditors=[bob], publisher=bob)
    pin, walked = pinned(log)
    owner = log.operators[0]
    signers = {"auditors": [bob], "publisher": owner} if who == "auditor" else {"auditors": [owner], "publisher": bob}
    log.publish("after", "1", **signers)
    assert advance(client(log), pin, walked, now=START + 3599).warnings == ()
    (warning,) = advance(client(log), pin, walked, now=START + 3600).warnings
    assert warning == (
        f"acme: what came in is signed by {bob.fingerprint}, which has expired: its holder may date commits back"
    )
    log.publish("owner's", "1")
    pin, walked = pinned(log, -2)
    assert advance(client(log), pin, walked, now=START + 3600).warnings == ()


def test_relations(client, log):
    other = log.fork("other", at=2)
    other.publish("q", "1")
    log.objects.update(other.objects)
    names = log.commits
    with Store(None) as empty:
        opened = client(log, store=empty)
        assert opened.relation(names[3], names[3]) == "same"
        assert opened.relation(names[5], names[1]) == "extends"
        assert opened.relation(names[1], names[5]) == "stale"
        assert opened.relation(other.head, names[5]) == "forked"
        assert opened.relation(names[5], other.head) == "forked"
        assert opened.relation(names[5], "ff" * 32) == "forked"


def test_relations_across_generations(client, log):
    old = log.head
    log.new_generation()
    log.publish("q", "1")
    opened = client(log)
    assert opened.relation(log.head, old) == "extends"
    assert opened.relation(old, log.head) == "stale"
    assert opened.relation(log.commits[-2], log.commits[0]) == "extends"


# Mirrors: each is asked for its own head.


def test_a_mirror_that_is_ahead_is_followed(client, log):
    pin, walked = pinned(log)
    mirror = log.fork("mirror")
    mirror.publish("news", "1")
    found = advance(client(log, mirrors=(mirror.url,)), pin, walked)
    assert (found.state, found.new) == ("moved", mirror.head)
    assert found.warnings == (f"acme: mirror {mirror.url} is ahead of the log itself",)


def test_a_mirror_that_lags_is_fine(client, log):
    mirror = log.fork("mirror", at=3)
    found = advance(client(log, mirrors=(mirror.url,)), *pinned(log, 4))
    assert (found.state, found.new, found.warnings) == ("moved", log.head, ())


@pytest.mark.parametrize("first", [True, False], ids=["first sight", "later"])
def test_a_mirror_with_another_history_is_a_fork(client, log, first):
    pin, walked = (None, None) if first else pinned(log, 2)
    mirror = log.fork("mirror", at=4)
    mirror.publish("evil", "1")
    with pytest.raises(LogInvalid) as caught:
        advance(client(log, mirrors=(mirror.url,)), pin, walked)
    assert caught.value.rule == "not-append-only"
    assert caught.value.what == f"forked: {mirror.url} serves another history than {log.url}"
    assert caught.value.where == (
        f"the log serves {log.head[:12]} (6), the mirror {mirror.head[:12]} (5), both extend {log.commits[4][:12]} (4)"
    )


def test_a_mirror_that_is_away_or_talks_nonsense_is_told(client, log):
    mirror = log.fork("mirror")
    for served in (b"x" * 31, b"x" * 32):
        mirror.serve(served)
        found = advance(client(log, mirrors=(mirror.url,)), *pinned(log))
        assert found.state == "same"
        assert found.warnings[0].startswith(f"acme: mirror {mirror.url}: ")
    mirror.down = 503
    found = advance(client(log, mirrors=(mirror.url,)), *pinned(log))
    assert found.warnings == (f"acme: mirror {mirror.url}: HTTP 503",)


def test_a_mirror_ahead_must_verify_too(client, log):
    mirror = log.fork("mirror")
    stranger = mirror.add_key("stranger", ("auditor",))
    mirror.publish("evil", "1", publisher=stranger)
    with pytest.raises(LogInvalid, match="no publisher"):
        advance(client(log, mirrors=(mirror.url,)), *pinned(log))


# The generation that people know.


def test_a_generation_beyond_the_one_in_the_url_is_told(client, log):
    pin, walked = pinned(log)
    log.new_generation(message="keys were lost")
    operators = log.operator_fingerprints
    found = advance(client(log, url=f"{log.url}?gen=0", operators=operators), pin, walked)
    assert found.state == "moved"
    assert found.warnings == ('acme: is at generation 1, its URL says gen=0: "keys were lost"',)
    for url in (f"{log.url}?gen=1", f"{log.url}?x=2&gen=7", log.url):
        assert advance(client(log, url=url, operators=operators), pin, walked).warnings == ()
