"""A cold cache: what is asked, and that less help from the host costs requests, never an answer."""

from __future__ import annotations

import threading
import time

import pytest

from openvet_install.openvet import ahead, tree
from openvet_install.openvet.ahead import Ahead
from openvet_install.openvet.faults import object_name
from openvet_install.openvet.schema import MESSAGES
from openvet_install.openvet.store import Store
from openvet_install.openvet.subject import Subject, SubjectError

BENIGN = {"is-benign": True}


@pytest.fixture
def audited(sim):
    """A log with audits by a key from before it was in the keyset, and from after."""
    log = sim.log("alice")
    early = log.publish("early", "1", claims=BENIGN, auditors=[log.owner])
    for number in range(40):
        log.publish(f"a{number}", "1", claims=BENIGN)
    bob = log.add_key("bob")
    for number in range(40):
        log.publish(f"b{number}", "1", claims=BENIGN, auditors=[bob])
    log.update(early, claims=BENIGN, auditors=[bob])
    return log


def approvals(opened, log, *names):
    return [audit.approves for name in names for audit in opened.package(log.head, name)]


def test_a_later_key_needs_few_commits(sim, client, audited):
    with Store(None) as empty:
        sim.requests.clear()
        assert approvals(client(audited, store=empty), audited, "b7", "b23", "early") == [True, True, True]
    assert len([path for path in sim.requests if "/commit/" in path]) < 10


def test_a_host_without_trees_of_the_past_is_asked_for_commits(sim, client, audited):
    last = audited.history[-1]
    nodes = audited._nodes
    kept = {name.hex() for root in (last.tree, last.keyset) for name in tree.names(nodes, root)}
    for kind, name in audited.objects:
        if kind == "node" and name not in kept:
            audited.hide(kind, name)
    with Store(None) as empty:
        opened = client(audited, store=empty)
        sim.requests.clear()
        assert approvals(opened, audited, "a7") == [True]
        assert not [path for path in sim.requests if "/commit/" in path][2:]
        assert approvals(opened, audited, "b7", "early") == [True, True]
    assert len([path for path in sim.requests if "/commit/" in path]) > 30


def test_many_packages_cost_a_round_trip_per_level(sim, client, audited):
    sim.delay = 0.02
    with Store(None) as empty:
        opened = client(audited, store=empty)
        names = [f"{letter}{number}" for letter in "ab" for number in range(40)]
        began = time.monotonic()
        opened.prepare(audited.head, names)
        spent = time.monotonic() - began
        asked = len(sim.requests)
        assert asked > 80
        assert spent < asked * 0.02 / 2
        sim.requests.clear()
        assert approvals(opened, audited, *names) == [True] * 80
        assert not sim.requests


class SlowSource:
    """What `Ahead` needs of a source; each fetch takes a while."""

    def __init__(self, seconds):
        self.seconds, self.fetches, self.store, self.got = seconds, 0, self, []
        self.threads = set()

    def has(self, kind, name):
        return name in self.got

    def fetched(self, kind, name):
        self.fetches += 1
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        self.got.append(name)
        return name


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.02, 4, ahead.WORKERS_AT_MOST), (0.0, 1, 3)])
def test_more_threads_only_for_a_host_far_away(seconds, least, most):
    source = SlowSource(seconds)
    names = [bytes([number]) for number in range(60)]
    with Ahead(source, lambda _raw: ()) as fetcher:
        for name in names:
            fetcher.order("node", name)
            time.sleep(0.001)
        for name in names:
            fetcher.collect("node", name)
    assert least <= len(source.threads) <= most


def test_what_is_queued_is_left_to_whoever_needs_it_now():
    source = SlowSource(0.2)
    with Ahead(source, lambda _raw: ()) as fetcher:
        for number in range(200):
            fetcher.order("node", bytes([number]))
        began = time.monotonic()
        fetcher.collect("node", bytes([199]))
        assert time.monotonic() - began < 5.0  # all 200, one after the other, would take 40
    assert source.fetches < 60  # the rest was dropped


def test_a_node_in_another_spelling_is_read_and_written_in_ours():
    key = b"pypi\x00a\x001\x00\x00sha256\x00" + bytes(32)
    own = tree.rank(key)
    branch = tree._branch(own, (key,), (b"\1" * 32,), (b"", b""))
    message = MESSAGES["Node"]()
    message.ParseFromString(branch.encode())
    entry = message.entries[0].SerializeToString()
    parts = [b"\x12" + bytes([len(entry)]) + entry, b"\x22" + bytes([len(key)]) + key]
    parts += [b"\x08" + bytes([own])] if own else [b"\x08\x00"]
    for raw in (b"".join(parts), b"".join(reversed(parts)), b"\x7a\x01x" + branch.encode()):
        assert object_name(raw) != object_name(branch.encode())
        assert tree.checked_node(raw) == branch


@pytest.mark.parametrize("text", ["pypi:a@1#\udc8csha256:ab", "pypi:a\ud800@1#sha256:ab"])
def test_text_that_is_not_utf8_names_no_subject(text):
    with pytest.raises(SubjectError, match="not UTF-8"):
        Subject.parse(text)
