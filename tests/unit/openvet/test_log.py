"""Walking a served log, and which audits may approve."""

from __future__ import annotations

import pytest

from openvet_install.errors import ConfigError, UndecidedError
from openvet_install.openvet.faults import LogInvalid, LogMissingError
from openvet_install.openvet.store import Store
from openvet_install.openvet.subject import Subject
from tests.support.logsim import START, SimKey

BENIGN = {"is-benign": True}


def verified(opened, log, **how):
    how = {"since": None, "operators": (), **how}
    return opened.verify(opened.served_head(), **how)


def approvals(opened, head, package):
    return {audit.subject.version: audit.approves for audit in opened.package(head, package)}


def refused(rule, action):
    with pytest.raises((LogInvalid, LogMissingError)) as caught:
        action()
    assert caught.value.rule == rule
    return caught.value


def test_a_package_is_all_its_audits(sim, client):
    log = sim.log("alice")
    for version in ("3.1.2", "3.1.3"):
        log.publish("flask", version, claims=BENIGN, summary=f"read {version}")
    log.publish("flask-login", "1.0", claims=BENIGN)
    log.publish("flas", "1.0", claims=BENIGN)
    opened = client(log)
    found = verified(opened, log)
    assert (found.index, found.commits, found.timestamp) == (4, 5, START + 5)
    assert found.operators == (log.operator_fingerprint,)
    first, second = opened.package(log.head, "flask")
    assert (first.summary, first.claims, first.log) == ("read 3.1.2", BENIGN, "alice")
    assert first.signers == (log.operator_fingerprint,)
    assert first.approves
    assert second.subject.version == "3.1.3"
    assert opened.package(log.head, "Flask") == ()
    assert opened.package(log.head, "flask\0") == ()
    assert len(opened.everything(log.head)) == 4


def test_news_needs_only_the_new_commits(sim, client):
    log = sim.log("alice")
    for number in range(40):
        log.publish(f"p{number}", "1")
    opened = client(log)
    old = verified(opened, log)
    log.publish("flask", "1", claims=BENIGN)
    sim.requests.clear()
    new = verified(opened, log, since=old.head, operators=old.operators)
    assert new.commits == 1
    assert new.operators == old.operators
    # The head, its commit, its audit, and the nodes that it changed.
    assert len(sim.requests) <= 3 + 3
    assert approvals(opened, log.head, "flask") == {"1": True}


def test_a_lost_store_costs_requests_only(sim, client):
    log = sim.log("alice")
    key = log.add_key("bob")
    for number in range(20):
        log.publish(f"p{number}", "1", auditors=[key])
    since = log.commits[10]
    with Store(None) as empty:
        opened = client(log, store=empty)
        assert verified(opened, log, since=since).operators == (log.operator_fingerprint,)
        assert approvals(opened, log.head, "p3") == {"1": True}


@pytest.mark.parametrize("compress", [False, True])
def test_compressed_objects(sim, client, compress):
    sim.compress = compress
    log = sim.log("alice")
    log.publish("flask", "1")
    assert verified(client(log), log).commits == 2


def test_progress_is_told(sim, client):
    log = sim.log("alice")
    for number in range(250):
        log.publish(f"p{number}", "1")
    told = []
    verified(client(log), log, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (251, 251)
    assert (100, 251) in told


# Objects that are not there, or are other bytes.


@pytest.fixture
def keyed(sim):
    log = sim.log("alice")
    key = log.add_key("bob", ("auditor", "publisher"))
    log.publish("flask", "1", auditors=[key], publisher=key)
    return log


def every_object(log):
    return sorted(log.objects)


def fault_of(client, log):
    """What a first walk with an empty store says, or None if it is content."""
    with Store(None) as empty:
        try:
            verified(client(log, store=empty), log)
        except (LogInvalid, LogMissingError) as error:
            return error
    return None


def test_each_object_withheld_is_undecided(sim, client, keyed):
    needed = 0
    for kind, name in every_object(keyed):
        keyed.repair()
        keyed.hide(kind, name)
        error = fault_of(client, keyed)
        if error is None:  # nodes of earlier trees and of keysets, which a walk derives by itself
            assert kind == "node"
            continue
        needed += 1
        assert isinstance(error, LogMissingError)
        assert error.rule == "object-missing"
        assert error.what == f"{kind} {name[:12]} is missing at {keyed.url}/log/{kind}/{name}"
    assert needed == len([kind for kind, _ in every_object(keyed) if kind != "node"]) + 1


@pytest.mark.parametrize("fault", ["corrupt", "truncate"])
def test_each_object_changed_is_invalid(sim, client, keyed, fault):
    for kind, name in every_object(keyed):
        keyed.repair()
        getattr(keyed, fault)(kind, name)
        error = fault_of(client, keyed)
        assert error.rule == "hash-mismatch" if error is not None else kind == "node"


def test_a_withheld_object_is_never_no_audit(sim, client, keyed):
    opened = client(keyed)
    head = verified(opened, keyed).head
    for kind in ("node", "audit", "commit", "keystate"):
        for name in [name for of, name in every_object(keyed) if of == kind]:
            keyed.repair()
            keyed.hide(kind, name)
            with Store(None) as empty:
                try:
                    found = client(keyed, store=empty).package(head, "flask")
                except UndecidedError:
                    continue
                assert [audit.approves for audit in found] == [True]


@pytest.mark.parametrize("head", [b"", b"x" * 31, b"ab" * 32, b"x" * 33])
def test_bad_heads(sim, client, keyed, head):
    keyed.serve(head)
    refused("head-malformed", client(keyed).served_head)


def test_no_head(sim, client, keyed):
    keyed.hide("head", "")
    refused("head-missing", client(keyed).served_head)


def test_a_host_that_is_away_is_named(sim, client, keyed):
    opened = client(keyed)
    sim.stop()
    with pytest.raises(UndecidedError, match="connection refused") as caught:
        opened.served_head()
    assert keyed.url in caught.value.what


def test_a_mirror_answers_instead(sim, client, keyed):
    mirror = keyed.fork("mirror")
    keyed.down = 503
    opened = client(keyed, mirrors=(mirror.url,))
    assert verified(opened, keyed).head == keyed.head
    mirror.down = 500
    with pytest.raises(UndecidedError, match=r"HTTP 503; .*HTTP 500"):
        opened.served_head()


def test_a_mirror_has_what_the_first_lacks(sim, client, keyed):
    mirror = keyed.fork("mirror")
    keyed.hide("commit", keyed.commits[1])
    assert verified(client(keyed, mirrors=(mirror.url,)), keyed).commits == 3


def test_a_mirror_has_what_the_first_falsifies(sim, client, keyed):
    mirror = keyed.fork("mirror")
    for kind, name in every_object(keyed):
        keyed.corrupt(kind, name)
    assert verified(client(keyed, mirrors=(mirror.url,)), keyed).commits == 3
    mirror.corrupt("commit", keyed.commits[1])
    with Store(None) as empty:
        opened = client(keyed, mirrors=(mirror.url,), store=empty)
        assert refused("hash-mismatch", lambda: verified(opened, keyed)).what.startswith(keyed.url)


def test_gen_is_read_and_never_sent(sim, client, keyed):
    assert verified(client(keyed, url=f"{keyed.url}/?gen=3#x"), keyed).commits == 3
    assert not [path for path in sim.requests if "gen" in path]
    with pytest.raises(ConfigError, match="`gen` is not a number"):
        client(keyed, url=f"{keyed.url}?gen=x")


# Signatures and rights, beyond the vectors.


def test_a_fault_names_its_commit_and_signer(sim, client):
    log = sim.log("alice")
    key = log.add_key("ci", ("publisher",))
    log.publish("flask", "1", publisher=key)
    log.amend(SimKey("stranger"), named=key)
    error = refused("signature-invalid", lambda: verified(client(log), log))
    shown = f'{key.fingerprint[:11]}…, "ci"'
    assert error.what == (f"commit 2, {log.head[:12]}: signature is made by another key than the one stated ({shown})")
    assert error.commit == (0, 2)


def test_labels_are_escaped(sim, client):
    log = sim.log("alice")
    key = log.add_key("ci", ("auditor",), shown="\x1b[31m\u202eci")
    log.publish("flask", "1", publisher=key)
    error = refused("signer-lacks-capability", lambda: verified(client(log), log))
    assert error.what.isascii() or "…" in error.what
    assert "\x1b" not in error.what
    assert "\u202e" not in error.what


def test_a_revoked_publisher_cannot_forge_its_way_back(sim, client):
    """keyset root, keyset_last_changed and pointers are the signer's claims; only a full walk tells."""
    log = sim.log("alice")
    key = log.add_key("ci", ("auditor", "publisher"))
    with_rights = log.history[-1]
    log.publish("flask", "1", publisher=key)
    log.revoke(key)
    known = log.head
    log.publish("evil", "1", auditors=[key], publisher=key)
    log.amend(key, keyset=with_rights.keyset, changes={"keyset_last_changed": with_rights.index})
    log.publish("more", "1", publisher=key)
    for since in (None, known):
        with Store(None) as empty:
            opened = client(log, store=empty)
            with pytest.raises(LogInvalid) as caught:
                verified(opened, log, since=since)
            assert (caught.value.rule, caught.value.commit) == ("keyset-root-mismatch", (0, 4))


def test_generations_need_to_be_accepted(sim, client):
    log = sim.log("alice")
    log.publish("flask", "1", claims=BENIGN)
    old = log.head
    second = log.new_generation(message="lost the key")
    log.publish("click", "1", claims=BENIGN)
    third = log.new_generation()
    log.publish("jinja2", "1", claims=BENIGN)
    error = refused("generation-not-accepted", lambda: verified(client(log), log))
    assert second.fingerprint in error.hint
    two = log.operator_fingerprints[:2]
    error = refused("generation-not-accepted", lambda: verified(client(log, operators=two), log))
    assert third.fingerprint in error.hint
    refused("generation-not-accepted", lambda: verified(client(log), log, since=old, operators=two[:1]))
    opened = client(log, operators=log.operator_fingerprints)
    found = verified(opened, log, since=old, operators=two[:1])
    assert (found.generation, found.generation_roots, found.operators) == (2, 2, log.operator_fingerprints)
    # Revoked by the generations: what the first two keys signed approves nothing any more.
    assert approvals(opened, log.head, "flask") == {"1": False}
    assert approvals(opened, log.head, "click") == {"1": False}
    assert approvals(opened, log.head, "jinja2") == {"1": True}


def test_another_first_key_is_another_log(sim, client):
    log, other = sim.log("alice"), sim.log("bob")
    log.publish("flask", "1")
    wrong = (other.operator_fingerprint,)
    refused("operator-mismatch", lambda: verified(client(log, operators=wrong), log))
    refused("operator-mismatch", lambda: verified(client(log), log, operators=wrong))
    right = (log.operator_fingerprint,)
    refused("operator-mismatch", lambda: verified(client(log, operators=wrong), log, operators=right))


def test_a_digest_that_does_not_fit_is_refused(sim, client):
    log = sim.log("alice")
    log.insert(Subject.parse("pypi:flask@1#sha256:abab"))
    refused("subject-key-invalid", lambda: verified(client(log), log))


# Who may approve (design, section 7).


def test_outsiders_approve_nothing_unless_configured(sim, client):
    log = sim.log("alice")
    stranger = SimKey("stranger")
    log.publish("flask", "1", auditors=[stranger], claims=BENIGN)
    log.publish("flask", "2", auditors=[stranger, log.owner], claims=BENIGN)
    opened = client(log)
    verified(opened, log)
    assert approvals(opened, log.head, "flask") == {"1": False, "2": True}
    assert approvals(client(log, signers=(stranger.fingerprint,)), log.head, "flask") == {"1": True, "2": True}


@pytest.fixture(params=["with hints", "without hints"])
def hints(request, store, monkeypatch):
    if request.param == "without hints":
        monkeypatch.setattr(Store, "hints", lambda *_: ())
    return request.param


def test_a_key_must_have_been_there_when_the_audit_came_in(sim, client, hints):
    log = sim.log("alice")
    bob = SimKey("alice/bob")
    log.publish("flask", "1", auditors=[bob], claims=BENIGN)
    again = log.publish("flask", "2", auditors=[bob], claims=BENIGN)
    log.add_key("bob", key=bob)
    log.publish("flask", "3", auditors=[bob], claims=BENIGN)
    opened = client(log)
    verified(opened, log)
    assert approvals(opened, log.head, "flask") == {"1": False, "2": False, "3": True}
    # The same envelope again, now that its signer is an auditor.
    old = next(audit for audit in opened.package(log.head, "flask") if audit.subject == again)
    log.withdraw(again)
    log.insert_again(again, old.hash)
    new = client(log)
    before = log.commits[-3]
    verified(new, log)
    assert approvals(new, log.head, "flask") == {"1": False, "2": True, "3": True}
    # At the earlier head it still does not, although the hint of the later commit is known.
    assert approvals(new, before, "flask") == {"1": False, "2": False, "3": True}


def test_an_old_note_does_not_hide_that_an_audit_came_in_again(sim, client):
    """Another machine walked what came after, and moved the pin; this one has walked the first insertion only."""
    log = sim.log("alice")
    bob = SimKey("alice/bob")
    again = log.publish("flask", "1", auditors=[bob], claims=BENIGN)
    verified(client(log), log)
    old = next(iter(client(log).package(log.head, "flask")))
    log.withdraw(again)
    log.add_key("bob", key=bob)
    log.insert_again(again, old.hash)
    assert approvals(client(log), log.head, "flask") == {"1": True}


def test_revocation_undoes_and_expiry_does_not(sim, client, hints):
    log = sim.log("alice")
    retired, distrusted, demoted = (log.add_key(name) for name in ("retired", "distrusted", "demoted"))
    log.publish("a", "1", auditors=[retired])
    log.publish("b", "1", auditors=[distrusted])
    log.publish("c", "1", auditors=[demoted])
    before = log.head
    log.expire(retired)
    log.revoke(distrusted)
    log.change_key(demoted, capabilities=("publisher",))
    opened = client(log)
    verified(opened, log)
    assert [approvals(opened, log.head, name)["1"] for name in "abc"] == [True, False, False]
    assert [approvals(opened, before, name)["1"] for name in "abc"] == [True, True, True]


def test_a_later_generations_key_does_not_approve_what_came_in_earlier(sim, client, hints):
    log = sim.log("alice")
    coming = SimKey("alice/generation-1/")
    log.publish("flask", "1", auditors=[coming], claims=BENIGN)
    bob = log.add_key("bob")
    log.publish("flask", "2", auditors=[bob], claims=BENIGN)
    assert log.new_generation().fingerprint == coming.fingerprint
    log.publish("flask", "3", claims=BENIGN)
    opened = client(log, operators=log.operator_fingerprints)
    verified(opened, log)
    assert approvals(opened, log.head, "flask") == {"1": False, "2": False, "3": True}
    # A key of the first generation that gets its rights back keeps its old index.
    log.change_key(bob, capabilities=("auditor",))
    again = client(log, operators=log.operator_fingerprints)
    verified(again, log)
    assert approvals(again, log.head, "flask") == {"1": False, "2": True, "3": True}


def test_hints_that_lie_change_nothing(sim, client, store):
    log = sim.log("alice")
    bob = SimKey("alice/bob")
    subject = log.publish("flask", "1", auditors=[bob], claims=BENIGN)
    log.add_key("bob", key=bob)
    other = log.publish("flask", "2", auditors=[bob], claims=BENIGN)
    elsewhere = log.fork("elsewhere")
    elsewhere.withdraw(subject)
    audit = {audit.subject: audit.hash for audit in client(log).everything(log.head)}[subject]
    elsewhere.insert_again(subject, audit)
    log.objects.update(elsewhere.objects)
    for number, name in enumerate([*log.commits, *elsewhere.commits, "ff" * 32]):
        store.hint(log.url, bytes.fromhex(audit), (9, number), bytes.fromhex(name))
    opened = client(log)
    verified(opened, log)
    assert approvals(opened, log.head, "flask") == {"1": False, other.version: True}


# Bad news under another spelling.


def test_by_digest_finds_every_spelling(sim, client, monkeypatch):
    log = sim.log("alice")
    digest = "ab" * 32
    log.publish("flask", "1", sha256=digest)
    log.publish("Flask", "1.0", variant=None, sha256=digest)
    log.publish("other", "1")
    opened = client(log)
    verified(opened, log)
    sim.requests.clear()
    for _ in range(2):
        assert {one.package for one in opened.by_digest(log.head)[digest]} == {"flask", "Flask"}
    assert not sim.requests
    assert {one.package for one in opened.walked_subjects(digest)} == {"flask", "Flask"}
    monkeypatch.setattr("openvet_install.openvet.evidence.ENTRIES_READ_WHOLE", 2)
    assert client(log).by_digest(log.head) is None
