"""What the real programs publish, our client reads; what they decide, we decide."""

from __future__ import annotations

import pytest

from openvet_install.config.reader import parse_policy
from openvet_install.http import Fetcher
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.log import Log
from openvet_install.openvet.pins import Pin, read_pins, write_pins
from openvet_install.openvet.store import Store
from tests.support.real_log import fingerprint_of, in_words, serve_folder, subject_of, tiny_wheel

pytestmark = pytest.mark.interop


@pytest.fixture
def client(tmp_path):
    """Opens a `Log` of ours on a real one; all of them share a store."""
    with Fetcher() as fetcher, Store(tmp_path / "store") as store:
        yield lambda log, **more: Log(log.name, log.url, fetcher=fetcher, store=store, **more)


def walk(log, since=None):
    return log.verify(log.served_head(), since=since, operators=())


def claims_of(log, head, name):
    return {str(audit.subject): dict(audit.claims) for audit in log.package(head, name)}


class TestReading:
    def test_head_operator_subjects_and_claims(self, server, client, tmp_path):
        alice = server.log("alice")
        wheels = [tiny_wheel(tmp_path, "one", version) for version in ("1.0", "1.1", "2.0")]
        claims = [{"is-benign": True}, {"is-benign": False, "uses-network": True}, {}]
        for wheel, said in zip(wheels, claims, strict=True):
            alice.publish(wheel, said, summary=f"about {wheel.name}", report="# A heading\n\nAnd text: ü.")
        alice.publish(tiny_wheel(tmp_path, "one-more"), {"is-benign": True})
        log = client(alice)
        verified = walk(log)

        assert verified.head == alice.head()
        assert (verified.commits, verified.index, verified.generation) == (5, 4, 0)
        assert verified.operators == (alice.fingerprint,)
        found = log.package(verified.head, "one")
        assert {audit.subject: dict(audit.claims) for audit in found} == {
            subject_of(wheel): said for wheel, said in zip(wheels, claims, strict=True)
        }
        assert {audit.summary for audit in found} == {f"about {wheel.name}" for wheel in wheels}
        assert all(audit.signers == (alice.fingerprint,) and audit.approves for audit in found)
        assert {audit.log for audit in found} == {"alice"}
        assert log.package(verified.head, "on") == ()

    def test_updated_and_removed_audits(self, server, client, tmp_path):
        alice = server.log("alice")
        wheel = tiny_wheel(tmp_path, "one")
        subject = alice.publish(wheel, {"is-benign": True})
        first = walk(client(alice)).head
        alice.publish(wheel, {"is-benign": False}, update=True)
        log = client(alice)
        second = walk(log, since=first)
        alice.remove(subject)
        third = walk(log, since=second.head)

        assert (second.commits, third.commits) == (1, 1)
        assert claims_of(log, first, "one") == {str(subject): {"is-benign": True}}
        assert claims_of(log, second.head, "one") == {str(subject): {"is-benign": False}}
        assert claims_of(log, third.head, "one") == {}
        assert log.relation(third.head, first) == "extends"
        assert log.relation(first, third.head) == "stale"
        assert log.relation(first, first) == "same"

    def test_another_log_is_a_fork(self, server, client, tmp_path):
        alice, mallory = server.log("alice"), server.log("mallory")
        wheel = tiny_wheel(tmp_path, "one")
        alice.publish(wheel, {"is-benign": True})
        mallory.publish(wheel, {"is-benign": True})

        # the reference server answers for objects of all its logs below each of them
        assert client(alice).relation(mallory.head(), alice.head()) == "forked"

    def test_a_name_in_another_spelling_is_another_package(self, server, client, tmp_path):
        alice = server.log("alice")
        wheel = tiny_wheel(tmp_path, "one-two")
        alice.publish(wheel, {"is-benign": True}, spelling="One_Two")
        log = client(alice)
        head = walk(log).head

        assert log.package(head, "one-two") == ()
        (audit,) = log.package(head, "One_Two")
        assert audit.subject == subject_of(wheel, spelling="One_Two")
        assert log.by_digest(head) == {audit.subject.sha256: (audit.subject,)}

    def test_who_may_approve(self, server, client, tmp_path):
        alice = server.log("alice")
        auditor, stranger = server.new_key("auditor"), server.new_key("stranger")
        alice.add_key(auditor, "auditor")
        by_auditor = alice.publish(tiny_wheel(tmp_path, "one"), {"is-benign": True}, signed_by=auditor)
        by_stranger = alice.publish(tiny_wheel(tmp_path, "two"), {"is-benign": True}, signed_by=stranger)
        log, configured = client(alice), client(alice, signers=(fingerprint_of(stranger),))
        head = walk(log).head
        walk(configured)

        (first,) = log.package(head, "one")
        (second,) = log.package(head, "two")
        assert (first.subject, first.signers, first.approves) == (by_auditor, (fingerprint_of(auditor),), True)
        assert (second.subject, second.signers, second.approves) == (by_stranger, (fingerprint_of(stranger),), False)
        assert configured.package(head, "two")[0].approves

    def test_a_new_generation_waits_for_its_owner(self, server, client, tmp_path):
        alice = server.log("alice")
        wheel = tiny_wheel(tmp_path, "one")
        alice.publish(wheel, {"is-benign": True})
        before, first_operator = walk(client(alice)).head, alice.fingerprint
        alice.reset(server.new_key("alice-2"))

        with pytest.raises(LogInvalid) as caught:
            client(alice).verify(alice.head(), since=before, operators=(first_operator,))
        assert caught.value.rule == "generation-not-accepted"
        log = client(alice)
        verified = log.verify(alice.head(), since=before, operators=(first_operator, alice.fingerprint))
        assert (verified.generation, verified.generation_roots) == (1, 1)
        # all keys of the old generation are revoked, so their audits speak but no longer approve
        assert [audit.approves for audit in log.package(verified.head, "one")] == [False]

    def test_an_exported_log_reads_alike(self, server, client, tmp_path):
        alice = server.log("alice")
        subject = alice.publish(tiny_wheel(tmp_path, "one"), {"is-benign": True})
        alice.export(tmp_path / "static")
        with serve_folder(tmp_path / "static") as url, Fetcher() as fetcher, Store(None) as store:
            log = Log("alice", url, fetcher=fetcher, store=store)
            verified = walk(log)

            assert verified.head == alice.head()
            assert claims_of(log, verified.head, "one") == {str(subject): {"is-benign": True}}


class TestPins:
    def project(self, folder, log):
        folder.mkdir(exist_ok=True)
        text = f'[log.alice]\nurl = "{log.url}"\n[[lockfile]]\nkind = "uv"\npath = "uv.lock"\n'
        text += '[requirement]\nok = "is-benign"\n'
        (folder / "openvet.toml").write_text(text, encoding="utf-8")
        (folder / "uv.lock").write_text("version = 1\n", encoding="utf-8")
        return folder

    def test_we_read_what_openvet_pinned(self, server, tmp_path):
        alice = server.log("alice")
        project = self.project(tmp_path / "project", alice)
        server.update(project)

        assert read_pins(project / "openvet.lock") == {"alice": Pin(alice.url, alice.head())}

    def test_openvet_reads_what_we_pinned(self, server, client, tmp_path):
        alice = server.log("alice")
        wheel = tiny_wheel(tmp_path, "one")
        subject = alice.publish(wheel, {"is-benign": True})
        project = self.project(tmp_path / "project", alice)
        (project / "uv.lock").write_text(lock_of([wheel]), encoding="utf-8")
        write_pins(project / "openvet.lock", {"alice": Pin(alice.url, walk(client(alice)).head)})

        assert server.check(project).verdicts == {str(subject.coordinate): "pass"}
        alice.publish(tiny_wheel(tmp_path, "two"), {})
        server.update(project)
        assert read_pins(project / "openvet.lock")["alice"].head == alice.head()


POLICIES = {
    "one requirement": '[requirement]\nbenign = "is-benign"\n',
    "two requirements": '[requirement]\nbenign = "is-benign"\noffline = "not uses-network"\n',
    "unknown stays unknown": '[requirement]\nquiet = "not uses-network or is-benign and uses-network"\n',
    "implies": '[requirement]\nsafe = "uses-network implies network-safe"\n',
    "not default": '[requirement]\nbenign = { condition = "is-benign", default = false }\n',
    "an override replaces": (
        '[requirement]\nbenign = "is-benign"\noffline = "not uses-network"\n'
        '[[override]]\npackage = "beta"\nrequirements = ["benign"]\n'
    ),
    "an override adds and removes": (
        '[requirement]\nbenign = "is-benign"\nstrict = { condition = "network-safe", default = false }\n'
        '[[override]]\nversion = "1.0"\nrequirements = { add = ["strict"], remove = ["benign"] }\n'
        '[[override]]\npackage = "alpha"\nvariant = "py3-none-any"\nrequirements = { add = ["benign"] }\n'
    ),
    "an override by hash": (
        '[requirement]\nbenign = "is-benign"\n[[override]]\nhash = "{beta}"\nrequirements = []\n'
    ),
    "names are compared as they are": (
        '[requirement]\nbenign = "is-benign"\n[[override]]\npackage = "Beta"\nrequirements = []\n'
    ),
    "an alias for one log": (
        '[requirement]\nbenign = "is-benign"\n[alias]\nis-benign = ["bob:reviewed"]\n'
    ),
    "aliases are not applied twice": (
        '[requirement]\nbenign = "is-benign"\n[alias]\nis-benign = ["bob:reviewed"]\nreviewed = ["bob:is-benign"]\n'
    ),
}  # fmt: skip


def lock_of(wheels):
    entries = ["version = 1\n"]
    for wheel in wheels:
        subject = subject_of(wheel)
        entries.append(
            f'[[package]]\nname = "{subject.package}"\nversion = "{subject.version}"\n'
            'source = { registry = "https://index.example/simple" }\n'
            f'wheels = [{{ url = "https://files.example/{wheel.name}", hash = "{subject.hash}" }}]\n'
        )
    return "".join(entries)


@pytest.fixture(scope="module")
def corpus(shared_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verdicts")
    alice, bob = shared_server.log("alice"), shared_server.log("bob")
    wheels = {name: tiny_wheel(folder, name) for name in ("alpha", "beta", "gamma", "delta", "epsilon")}
    alice.publish(wheels["alpha"], {"is-benign": True, "uses-network": False})
    alice.publish(wheels["beta"], {"is-benign": True, "uses-network": True})
    bob.publish(wheels["beta"], {"is-benign": True, "reviewed": False})
    bob.publish(wheels["gamma"], {"reviewed": True})
    alice.publish(wheels["delta"], {"is-benign": False, "network-safe": True})
    bob.publish(wheels["delta"], {"is-benign": True})
    (folder / "uv.lock").write_text(lock_of(wheels.values()), encoding="utf-8")
    return folder, (alice, bob), wheels


class TestVerdicts:
    @pytest.mark.parametrize("name", POLICIES)
    def test_check_and_we_say_the_same(self, name, corpus, shared_server, client):
        folder, reals, wheels = corpus
        text = POLICIES[name].replace("{beta}", str(subject_of(wheels["beta"]).hash))
        head = "".join(f'[log.{real.name}]\nurl = "{real.url}"\n' for real in reals)
        head += '[[lockfile]]\nkind = "uv"\npath = "uv.lock"\n'
        (folder / "openvet.toml").write_text(head + text, encoding="utf-8")
        shared_server.update(folder)
        checked = shared_server.check(folder)

        policy = parse_policy(text)
        logs = [client(real) for real in reals]
        heads = [walk(log).head for log in logs]
        pins = read_pins(folder / "openvet.lock")
        assert heads == [pins[log.name].head for log in logs]
        for wheel in wheels.values():
            subject = subject_of(wheel)
            audits = [
                audit
                for log, at in zip(logs, heads, strict=True)
                for audit in log.package(at, subject.package)
                if audit.subject == subject
            ]
            expected, missed = in_words(policy, subject, audits)
            assert checked.verdicts[str(subject.coordinate)] == expected
            assert checked.requirements[str(subject.coordinate)] == missed
