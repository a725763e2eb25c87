"""A bundle is one more host: it says what the logs say, and approves nothing that they would not."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest

from openvet_install.decide import Reason
from openvet_install.errors import EXIT_INVALID, EXIT_UNDECIDED, InstallError
from openvet_install.gate.bundles import NotHeldError
from openvet_install.gate.model import LogStopsError
from openvet_install.openvet.store import Store
from tests.support.knowing import BENIGN, NO, NOW, YES, file_of
from tests.support.logsim import SimKey


@pytest.fixture(params=["small log", "large log"])
def size(request, monkeypatch):
    """A large log is one that is not read whole."""
    if request.param == "large log":
        monkeypatch.setattr("openvet_install.openvet.evidence.ENTRIES_READ_WHOLE", 0)
        monkeypatch.setattr("openvet_install.openvet.evidence._MANY_HIGH_KEYS", -1)
        monkeypatch.setattr("openvet_install.openvet.evidence._HIGH_RANK", 0)


def rewritten(path, change):
    """Write a bundle again; `change` gets its members as a dict and its list."""
    with zipfile.ZipFile(path) as before:
        members = {name: before.read(name) for name in before.namelist()}
    said = json.loads(members["bundle.json"])
    change(members, said)
    members["bundle.json"] = json.dumps(said).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in members.items():
            file.writestr(name, raw)
    path.write_bytes(written.getvalue())


def stopped(project, code, *words, **how):
    with pytest.raises(LogStopsError) as caught:
        project.known(offline=True, **how)
    assert caught.value.exit_code == code, caught.value.troubles
    told = " ".join(f"{one} {one.detail} {one.hint}" for one in caught.value.troubles)
    for word in words:
        assert word in told, told
    return caught.value


# The same answers.


def test_answers_are_those_of_the_log(project, sim, alice, size):
    bob = alice.add_key("bob")
    subjects = {
        "good": alice.publish("good", "1", claims=YES),
        "bad": alice.publish("bad", "1", claims=NO),
        "late key": alice.publish("late", "1", claims=YES, auditors=[bob]),
        "stranger": alice.publish("strange", "1", claims=YES, auditors=[SimKey("stranger")]),
        "claims nothing": alice.publish("nothing", "1", claims={"other": True}),
        "goes": alice.publish("goes", "1", claims=YES),
    }
    twin = alice.publish("foo-bar", "1", claims=YES)
    alice.insert(twin._replace(package="foo_bar"), claims=NO)
    subjects["a no under another spelling"] = twin
    revoked = alice.add_key("revoked")
    subjects["revoked"] = alice.publish("rev", "1", claims=YES, auditors=[revoked])
    project.pin(alice)
    subjects["beyond the pin"] = alice.publish("new", "1", claims=YES)
    subjects["a no beyond the pin"] = alice.publish("new-bad", "1", claims=NO)
    alice.withdraw(subjects["goes"])
    alice.revoke(revoked)
    silent = subjects["good"]._replace(package="silent")
    subjects["silent"] = silent
    decide = project.known()
    online = {name: decide(file_of(one)) for name, one in subjects.items()}
    project.bundle(*(one.package for one in subjects.values()))
    asked = len(sim.requests)
    with Store(None) as store:
        project.looks = type(project.looks)(project.folder / "elsewhere")
        decide = project.known(offline=True, store=store)
        offline = {name: decide(file_of(one)) for name, one in subjects.items()}
    assert offline == online
    assert len(sim.requests) == asked
    assert {name: one.reason for name, one in offline.items()} == {
        "good": Reason.APPROVED, "bad": Reason.CONTRADICTED, "late key": Reason.APPROVED,
        "stranger": Reason.UNAUDITED, "claims nothing": Reason.NOT_ASSERTED, "goes": Reason.WITHDRAWN,
        "a no under another spelling": Reason.CONTRADICTED, "revoked": Reason.WITHDRAWN,
        "beyond the pin": Reason.UNAUDITED, "a no beyond the pin": Reason.CONTRADICTED, "silent": Reason.UNAUDITED,
    }  # fmt: skip


def test_it_is_enough_where_no_tree_of_the_past_is_served(project, sim, alice):
    """An audit by a key that was added later: the bundle names the commit that brought it in."""
    alice.publish("first", "1", claims=YES)
    bob = alice.add_key("bob")
    for number in range(30):
        alice.publish(f"other{number}", "1", claims=YES)
    good = alice.publish("good", "1", claims=YES, auditors=[bob])
    past = {one.tree.hex() for one in alice.history}
    for number in range(30):
        alice.publish(f"more{number}", "1", claims=YES)
    project.pin(alice)
    (project.folder / "project" / "openvet-install.lock").unlink()
    path = project.folder / "project" / "openvet.toml"
    path.write_text(path.read_text() + f'[install.log.alice]\noperators = ["{alice.operator_fingerprint}"]\n')
    project.known()  # walks from the genesis, and notes who brought what in
    maker = project.folder / "maker" / "CACHE" / "openvet-install"
    maker.mkdir(parents=True)
    project.store.flush()
    project.store.folder.rename(maker / "objects")
    project.pin(alice)
    for root in past:
        alice.hide("node", root)
    made = project.bundle("good")
    said = json.loads(zipfile.ZipFile(made).read("bundle.json"))
    assert len(said["logs"][0]["insertions"]) == 1
    sim.stop()
    with Store(None) as store:
        assert project.reason(good, offline=True, store=store) is Reason.APPROVED


@pytest.mark.parametrize("generations", [1, 2])
def test_what_it_says_of_insertions_makes_no_key_older(project, alice, generations):
    """An audit came in before its signer was an auditor; the bundle names that commit, or any other."""
    alice.publish("first", "1", claims=YES)
    bob = SimKey("bob")
    if generations == 2:
        for number in range(5):
            alice.publish(f"other{number}", "1", claims=YES)
    good = alice.publish("good", "1", claims=YES, auditors=[bob])
    *_, audit = (name for kind, name in alice.objects if kind == "audit")
    if generations == 2:
        alice.new_generation()
    alice.add_key("bob", key=bob)
    for number in range(5):
        alice.publish(f"more{number}", "1", claims=YES)
    project.pin(alice)
    if generations == 2:
        path = project.folder / "project" / "openvet.toml"
        operators = ", ".join(f'"{one}"' for one in alice.operator_fingerprints)
        path.write_text(path.read_text() + f"[install.log.alice]\noperators = [{operators}]\n")
    assert project.reason(good) is Reason.UNAUDITED
    path = project.bundle("good")
    whole = path.read_bytes()
    for commit in alice.commits:
        path.write_bytes(whole)

        def claim(members, said, commit=commit):
            said["logs"][0]["insertions"] = {audit: [commit]}
            members.update({f"{kind}/{name}": raw for (kind, name), raw in alice.objects.items()})

        rewritten(path, claim)
        with Store(None) as store:
            assert project.reason(good, offline=True, store=store) is Reason.UNAUDITED


def test_a_no_under_an_unrelated_name_that_its_maker_has_seen_goes_along(project, alice, size):
    good = alice.publish("good", "1", claims=YES)
    alice.insert(good._replace(package="something-else", version="9"), claims=NO)
    project.pin(alice)
    (project.folder / "project" / "openvet-install.lock").rename(project.folder / "aside")
    path = project.folder / "project" / "openvet.toml"
    text = path.read_text()
    path.write_text(text + f'[install.log.alice]\noperators = ["{alice.operator_fingerprint}"]\n')
    project.known()  # walks from the genesis, and notes who is about what
    (project.folder / "aside").rename(project.folder / "project" / "openvet-install.lock")
    path.write_text(text)
    project.store.flush()
    maker = project.folder / "maker" / "CACHE" / "openvet-install"
    maker.mkdir(parents=True)
    project.store.folder.rename(maker / "objects")
    project.bundle("good", files=[file_of(good)])
    with Store(None) as store:
        assert project.reason(good, offline=True, store=store) is Reason.CONTRADICTED


# What it lacks is undecided.


def test_a_name_that_it_lacks_is_undecided(project, alice, size):
    good = alice.publish("good", "1", claims=YES)
    other = alice.publish("other", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    with Store(None) as store:
        decide = project.known(offline=True, store=store)
        assert decide(file_of(good)).reason is Reason.APPROVED
        for subject in (other, other._replace(package="nobody-audited-it")):
            with pytest.raises(NotHeldError, match="holds nothing about this name, for or against") as caught:
                decide(file_of(subject))
            assert caught.value.package == subject.package
            assert caught.value.exit_code == EXIT_UNDECIDED


def test_a_longer_list_of_packages_proves_nothing(project, alice, size):
    alice.publish("good", "1", claims=YES)
    bad = alice.publish("bad", "1", claims=NO)
    project.pin(alice)
    path = project.bundle("good")
    rewritten(path, lambda _members, said: said["packages"].append("bad"))
    with Store(None) as store:
        decide = project.known(offline=True, store=store)
        with pytest.raises(InstallError) as caught:
            decide(file_of(bad))
    assert caught.value.exit_code == EXIT_UNDECIDED
    assert "openvet.bundle lacks" in caught.value.what


def test_each_object_that_is_missing_is_undecided_or_not_needed(project, alice, size):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    bad = alice.publish("bad", "1", claims=NO)
    path = project.bundle("good", "bad")
    whole = path.read_bytes()
    for name in zipfile.ZipFile(io.BytesIO(whole)).namelist():
        path.write_bytes(whole)
        if name == "bundle.json":
            continue
        rewritten(path, lambda members, _said, name=name: members.pop(name))
        with Store(None) as store:
            project.looks = type(project.looks)(project.folder / "none" / name)
            try:
                decide = project.known(offline=True, store=store)
                reasons = decide(file_of(good)).reason, decide(file_of(bad)).reason
            except InstallError as error:
                reasons = error.exit_code
        assert reasons in (EXIT_UNDECIDED, EXIT_INVALID, (Reason.APPROVED, Reason.CONTRADICTED))


def test_without_a_bundle_or_a_store_it_is_undecided_with_a_next_step(project, alice):
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    stopped(project, EXIT_UNDECIDED, "alice was never seen from here", "openvet-install bundle")


def test_a_log_that_it_lacks_is_undecided(project, sim, alice):
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    bob = sim.log("bob")
    bob.publish("good", "1", claims=YES)
    project.pin(alice, bob)
    stopped(project, EXIT_UNDECIDED, "openvet.bundle holds nothing of log `bob`", "openvet-install bundle")


# Altered.


@pytest.mark.parametrize("kind", ["commit", "node", "audit", "keystate"])
def test_a_swapped_object_is_invalid(project, alice, kind):
    good = alice.publish("good", "1", claims=YES)
    alice.publish("good", "2", claims=NO)
    project.pin(alice)
    alice.publish("good", "3", claims=NO)
    path = project.bundle("good")

    def swap(members, _said):
        names = sorted(name for name in members if name.startswith(kind))
        for name in names:
            members[name] = members[names[0]][:-1] + b"!"

    rewritten(path, swap)
    with Store(None) as store, pytest.raises(InstallError) as caught:
        project.reason(good, offline=True, store=store)
    assert caught.value.exit_code == EXIT_INVALID


def test_another_logs_objects_under_this_name_are_a_fork(project, sim, alice):
    mallory = sim.log("mallory")
    evil = mallory.publish("evil", "1", claims=YES)
    project.pin(mallory)
    path = project.bundle("evil")
    alice.publish("good", "1", claims=YES)
    project.pin(alice)

    def rename(_members, said):
        said["logs"][0]["url"] = alice.url

    rewritten(path, rename)
    stopped(project, EXIT_INVALID, "openvet.bundle does not lead to the pin")
    # And where this machine has the log's own objects too:
    assert project.reason(evil) is Reason.UNAUDITED
    project.looks = type(project.looks)(project.folder / "forgotten")
    stopped(project, EXIT_INVALID, "forked")


def test_a_history_that_was_made_up_beyond_the_pin_is_invalid(project, alice):
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    stranger = SimKey("stranger")
    alice.publish("evil", "1", claims=YES, publisher=stranger)
    alice.forged = alice.head
    honest = alice.fork("honest", at=-2)
    forged = dict(alice.objects)
    alice.become(honest)
    path = project.bundle("good", "evil")

    def graft(members, said):
        said["logs"][0]["head"] = alice.forged
        members.update({f"{kind}/{name}": raw for (kind, name), raw in forged.items()})

    rewritten(path, graft)
    stopped(project, EXIT_INVALID)


# Its age, and the pins.


def test_its_age_counts_against_stale_after(project, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice, policy=BENIGN + '[install]\nstale-after = "45d"\n')
    project.bundle("good")
    with Store(None) as store:
        assert project.reason(good, now=NOW + timedelta(days=45), offline=True, store=store) is Reason.APPROVED
        error = stopped(project, EXIT_UNDECIDED, now=NOW + timedelta(days=46, minutes=1), store=store)
    assert [str(one) for one in error.troubles] == ['openvet.bundle is 46 days old, stale-after = "45d"']


def test_one_stale_bundle_is_told_once(project, sim, alice):
    bob = sim.log("bob")
    alice.publish("good", "1", claims=YES)
    bob.publish("good", "1", claims=YES)
    project.pin(alice, bob)
    project.bundle("good")
    error = stopped(project, EXIT_UNDECIDED, now=NOW + timedelta(days=8))
    assert [one.name for one in error.troubles] == ["openvet.bundle"]


def test_one_from_the_future_is_undecided(project, alice):
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    path = project.bundle("good")
    rewritten(path, lambda _members, said: said.update(made=(NOW + timedelta(days=1)).isoformat()))
    stopped(project, EXIT_UNDECIDED, "which is still to come")


def test_one_that_is_older_than_the_pin_is_invalid(project, alice):
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    later = alice.publish("later", "1", claims=NO)
    project.pin(alice)
    with Store(None) as store:
        stopped(project, EXIT_INVALID, "openvet.bundle does not lead to the pin", "openvet-install bundle", store=store)
    assert project.reason(later) is Reason.CONTRADICTED  # now the store has the pin
    project.looks = type(project.looks)(project.folder / "forgotten")
    stopped(project, EXIT_INVALID, "openvet.bundle is older than the pin", "openvet-install bundle")


def test_one_that_is_older_than_the_pin_does_not_make_a_log_that_is_away_invalid(project, sim, alice):
    """`update` moves the pin without making the bundle again, and then the host is down for a moment."""
    alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    alice.publish("later", "1", claims=NO)
    project.pin(alice)
    sim.stop()
    for store in (Store(None), project.store):
        with store, pytest.raises(InstallError) as caught:
            project.known(store=store)
        assert caught.value.exit_code == EXIT_UNDECIDED
        (trouble,) = caught.value.troubles
        assert str(trouble).startswith("alice was never seen from here")
        assert trouble.hint == "openvet-install bundle    where the logs are in reach"


def test_a_no_that_this_machine_saw_is_not_forgotten_for_an_older_bundle(project, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    old = project.bundle("good").read_bytes()
    alice.update(good, claims=NO)
    new = project.bundle("good")
    assert project.reason(good, offline=True) is Reason.CONTRADICTED
    new.write_bytes(old)
    rewritten(new, lambda _members, said: said.update(made=(NOW + timedelta(hours=1)).isoformat()))
    error = stopped(project, EXIT_UNDECIDED, now=NOW + timedelta(hours=2))
    assert "an older head than" in (error.troubles[0].detail or "")


def test_a_look_of_this_machine_that_is_younger_counts(project, sim, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    alice.update(good, claims=NO)
    later = NOW + timedelta(days=2)
    assert project.reason(good, now=later) is Reason.CONTRADICTED
    sim.stop()
    assert project.reason(good, now=later + timedelta(days=6), offline=True) is Reason.CONTRADICTED


def test_what_a_bundle_says_of_its_age_makes_no_run_look_later(project, sim, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    path = project.bundle("good")
    assert project.reason(good, offline=True) is Reason.APPROVED
    alice.update(good, claims=NO)
    assert project.reason(good) is Reason.CONTRADICTED  # asks: nothing was looked at yet
    path.unlink()
    sim.stop()
    with pytest.raises(LogStopsError, match="not seen for 8 days"):
        project.known(now=NOW + timedelta(days=8), offline=True)


# Where the log can be asked, it is.


def test_a_log_in_reach_is_asked(project, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    alice.update(good, claims=NO)
    assert project.reason(good) is Reason.CONTRADICTED


def test_a_log_out_of_reach_is_stood_in_for(project, sim, alice):
    good = alice.publish("good", "1", claims=YES)
    project.pin(alice)
    project.bundle("good")
    sim.stop()
    with Store(None) as store:
        assert project.reason(good, now=NOW + timedelta(hours=3), store=store) is Reason.APPROVED
        assert project.opened.warnings == ["alice out of reach, using openvet.bundle, made 3 hours ago"]
        with pytest.raises(LogStopsError, match="alice was never seen from here") as caught:
            project.known(now=NOW + timedelta(days=8), store=store)
    assert caught.value.exit_code == EXIT_UNDECIDED
