"""T72: what a host serves before anything of it is verified must not cost more than it weighs."""

import resource

import pytest

from openvet_install.openvet import tree, wire
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.recent import Recent
from openvet_install.openvet.schema import MESSAGES
from openvet_install.openvet.store import Store

MEGABYTE = 1024 * 1024


def bomb(prefix=MEGABYTE, entries=5000):
    """A node of some hundred kilobytes beyond its prefix whose keys spell the prefix out again and again."""
    keys = [number.to_bytes(2, "big") + b"\0" for number in range(entries)]
    value = b"v" * 32
    filed = [MESSAGES["Entry"](key_suffix=key, audit=value) for key in keys]
    return MESSAGES["Node"](prefix=b"sha256:" + b"p" * prefix, entries=filed).SerializeToString()


def test_a_node_whose_keys_share_a_long_prefix():
    raw = bomb()
    assert len(raw) < 2 * MEGABYTE
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LogInvalid) as caught:
        wire.decode_node(raw)
    assert caught.value.rule == "node-too-large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_generation_that_no_key_of_the_log_has_signed(client, alice):
    """The keyset of a new generation is read before anything proves who made it: a host needs no key for this."""
    alice.publish("flask", "1")
    known = alice.head
    second = alice.new_generation()
    bad = alice.put("node", bomb())
    alice.amend(
        second,
        keyset=bad,
        changes={
            "generation": 1,
            "index": 0,
            "parent": [],
            "previous_generation_head": bytes.fromhex(known),
            "keyset_last_changed": 0,
        },
    )
    log = client(alice, operators=alice.operator_fingerprints)
    with pytest.raises(LogInvalid) as caught:
        log.verify(alice.head, since=known, operators=alice.operator_fingerprints[:1])
    assert caught.value.rule == "node-too-large"


def test_long_keys_are_read_where_they_are_few(client, alice):
    for number in range(8):
        alice.publish("p" * 300_000, str(number))
    log = client(alice)
    head = log.served_head()
    assert log.verify(head, since=None, operators=()).commits == 9
    assert len(log.package(head, "p" * 300_000)) == 8


def test_what_is_held_is_bounded_by_bytes():
    held = Recent(100, 1000)
    assert held.put(b"a", 1, 400) == []
    assert held.put(b"b", 2, 400) == []
    assert held.put(b"c", 3, 400) == [(b"a", 1)]
    assert held.put(b"b", 4, 100) == []
    assert held.put(b"d", 5, 500) == []
    assert held.put(b"e", 6, 5000) == [(b"c", 3), (b"b", 4), (b"d", 5)]
    assert dict(held) == {b"e": 6}
    held.drop(b"e")
    held.drop(b"e")
    assert [held.put(bytes([number]), number, 10) for number in range(101)][-1] == [(b"\0", 0)]


def test_nodes_beyond_the_bound_are_spilled_and_read_again(monkeypatch):
    monkeypatch.setattr(tree, "NODE_BYTES_IN_MEMORY", 2000)
    kept = {}
    nodes = tree.Nodes(kept.__getitem__, kept.__setitem__)
    root = b""
    for number in range(300):
        root = tree.insert(nodes, root, b"k%d" % number, b"v" * 32)
    assert len(dict(tree.scan(nodes, root))) == 300
    assert sum(len(branch.encode()) for branch in nodes._derived.values()) < 10_000


def test_waiting_rows_are_written_before_they_are_much(tmp_path):
    with Store(tmp_path) as store:
        for number in range(40):
            raw = bytes([number]) * MEGABYTE
            store.put("audit", tree.object_name(raw), raw)
            assert sum(map(len, store._pending.values())) < 9 * MEGABYTE


def test_the_store_stays_bounded_while_it_grows(tmp_path):
    with Store(tmp_path, max_bytes=20 * MEGABYTE) as store:
        for number in range(100):
            raw = bytes([number]) * MEGABYTE
            store.put("audit", tree.object_name(raw), raw)
        store.flush()
        assert 10 * MEGABYTE < store.stats().size_bytes <= 21 * MEGABYTE
        assert store.get("audit", tree.object_name(raw)) == raw


def test_a_store_that_was_closed_is_not_taken_for_a_damaged_one(tmp_path):
    raw = b"kept"
    store = Store(tmp_path)
    store.put("audit", tree.object_name(raw), raw)
    store.close()
    store.put("audit", tree.object_name(b"late"), b"late")
    store.flush()
    assert store.get("audit", tree.object_name(raw)) is None
    assert store.noted("log", b"x") == ()
    store.close()
    with Store(tmp_path) as again:
        assert again.get("audit", tree.object_name(raw)) == raw
