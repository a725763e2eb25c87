"""Search trees against a plain definition, and nodes that lie."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvet_install.openvet import tree
from openvet_install.openvet.faults import LogInvalid, object_name
from openvet_install.openvet.wire import common_prefix, encode_entry, encode_node


def key(number):
    return f"pypi\0package-{number:05}\0".encode()


# Keys of several ranks, so that small trees have several levels.
NUMBERS = sorted(range(4000), key=lambda n: (-tree.rank(key(n)), n))[:40] + list(range(80))
VALUES = [object_name(bytes([n])) for n in range(4)]


class Shelf:
    def __init__(self):
        self.raw = {}
        self.nodes = tree.Nodes(self.raw.__getitem__, self.raw.__setitem__)


def defined(entries, raw):
    """The tree of a set as the protocol defines it; every node goes into `raw`."""
    if not entries:
        return b""
    top = max(tree.rank(one) for one, _ in entries)
    cuts = [at for at, (one, _) in enumerate(entries) if tree.rank(one) == top]
    prefix = common_prefix(entries[cuts[0]][0], entries[cuts[-1]][0])
    parts, start = [], 0
    for at in cuts:
        name, value = entries[at]
        parts.append(encode_entry(name[len(prefix) :], value, defined(entries[start:at], raw)))
        start = at + 1
    node = encode_node(top, tuple(parts), defined(entries[start:], raw), prefix)
    raw[object_name(node)] = node
    return object_name(node)


OPERATIONS = st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from([None, *VALUES])), max_size=120)


@settings(max_examples=60)
@given(OPERATIONS, st.booleans())
def test_every_history_gives_the_tree_of_its_set(operations, forgetful):
    shelf, model, root = Shelf(), {}, b""
    for number, value in operations:
        name = key(number)
        if forgetful:  # reload every node from bytes, as a client that continues elsewhere does
            shelf.nodes.keep(root)
            shelf.nodes = tree.Nodes(shelf.raw.__getitem__, shelf.raw.__setitem__)
        if value is None:
            if name not in model:
                with pytest.raises(tree.AbsentError):
                    tree.remove(shelf.nodes, root, name)
                shelf.nodes._replaced.clear()
                continue
            root = tree.remove(shelf.nodes, root, name)
            del model[name]
        elif name in model:
            with pytest.raises(tree.PresentError):
                tree.insert(shelf.nodes, root, name, value)
            shelf.nodes._replaced.clear()
            root = tree.update(shelf.nodes, root, name, value)
            model[name] = value
        else:
            root = tree.insert(shelf.nodes, root, name, value)
            model[name] = value
        shelf.nodes.settle()
        assert root == defined(sorted(model.items()), {})
    assert list(tree.scan(shelf.nodes, root)) == sorted(model.items())
    for number in NUMBERS:
        assert tree.lookup(shelf.nodes, root, key(number)) == model.get(key(number))


@settings(max_examples=40)
@given(st.sets(st.sampled_from(NUMBERS)), st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))
def test_a_range_is_a_slice_of_the_whole(numbers, first, last):
    shelf = Shelf()
    root = defined(sorted((key(n), VALUES[0]) for n in numbers), shelf.raw)
    low, high = sorted((key(first), key(last)))
    expected = [one for one in sorted(key(n) for n in numbers) if low <= one < high]
    assert [one for one, _ in tree.scan(shelf.nodes, root, low, high)] == expected


def test_only_live_nodes_stay_in_memory():
    shelf, root = Shelf(), b""
    for number in range(600):
        root = tree.insert(shelf.nodes, root, key(number), VALUES[0])
        shelf.nodes.settle()
    assert set(shelf.nodes._derived) == set(tree.names(shelf.nodes, root))
    assert not shelf.raw


def test_a_bounded_memory_spills_and_reads_again():
    shelf, root = Shelf(), b""
    shelf.nodes = tree.Nodes(shelf.raw.__getitem__, shelf.raw.__setitem__, limit=3)
    entries = []
    for number in range(400):
        root = tree.insert(shelf.nodes, root, key(number), VALUES[0])
        shelf.nodes.settle()
        entries.append((key(number), VALUES[0]))
    assert root == defined(entries, {})
    assert len(shelf.nodes._derived) <= 3


LOW = [n for n in NUMBERS if tree.rank(key(n)) == 0]
HIGH = [n for n in NUMBERS if tree.rank(key(n)) == 1]


def node(shelf, numbers, *, rank=None, children=None, keys=None):
    keys = keys or [key(n) for n in numbers]
    children = children or [b""] * (len(keys) + 1)
    prefix = common_prefix(min(keys), max(keys))
    entries = tuple(
        encode_entry(one[len(prefix) :], VALUES[0], left) for one, left in zip(keys, children, strict=False)
    )
    raw = encode_node(tree.rank(keys[0]) if rank is None else rank, entries, children[-1], prefix)
    shelf.raw[object_name(raw)] = raw
    return object_name(raw)


def between(low, high):
    return next(n for n in LOW if low < n < high)


HOSTILE = {
    "unsorted": (lambda s: node(s, [LOW[1], LOW[0]]), "node-entries-unsorted"),
    "twice": (lambda s: node(s, [LOW[0], LOW[0]]), "node-entries-unsorted"),
    "rank stated": (lambda s: node(s, [LOW[0]], rank=1), "node-rank-wrong"),
    "a key of another rank": (lambda s: node(s, sorted([LOW[0], HIGH[0]]), rank=0), "node-rank-wrong"),
    "no entries": (lambda s: (s.raw.setdefault(object_name(b""), b"") and b"") or object_name(b""), "node-empty"),
    "child of the same rank": (
        lambda s: node(s, [max(HIGH)], children=[node(s, [min(HIGH)]), b""]),
        "node-rank-wrong",
    ),
    "child on the wrong side": (
        lambda s: node(s, [min(HIGH)], children=[b"", node(s, [LOW[0]])]) if LOW[0] < min(HIGH) else b"",
        "node-out-of-bounds",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("how", ["scan", "lookup", "names", "insert", "remove"])
def test_nodes_that_lie_are_refused(case, how):
    make, rule = HOSTILE[case]
    shelf = Shelf()
    root = make(shelf)
    # Look for something behind the lie.
    target = key(3999) if case == "child on the wrong side" else key(0)
    actions = {
        "scan": lambda: list(tree.scan(shelf.nodes, root)),
        "lookup": lambda: tree.lookup(shelf.nodes, root, target),
        "names": lambda: list(tree.names(shelf.nodes, root)),
        "insert": lambda: tree.insert(shelf.nodes, root, target, VALUES[1]),
        "remove": lambda: tree.remove(shelf.nodes, root, target),
    }
    with pytest.raises(LogInvalid) as caught:
        actions[how]()
    assert caught.value.rule == rule
