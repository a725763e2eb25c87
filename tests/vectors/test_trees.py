"""Tree roots, whatever the history that leads to a set of entries."""

from __future__ import annotations

import random

import pytest

from openvet_install.openvet import tree
from tests.support.vectors import named


class Shelf:
    """Nodes in a dictionary."""

    def __init__(self) -> None:
        self.raw: dict[bytes, bytes] = {}
        self.nodes = tree.Nodes(self.raw.__getitem__, self.raw.__setitem__)


@pytest.mark.parametrize("case", named("trees").values(), ids=named("trees"))
@pytest.mark.parametrize("order", ["as given", "reversed", "shuffled"])
def test_roots(case, order):
    entries = [(bytes.fromhex(key), bytes.fromhex(value)) for key, value in case["entries"].items()]
    if order == "reversed":
        entries.reverse()
    if order == "shuffled":
        random.Random(6).shuffle(entries)
    shelf = Shelf()
    root = b""
    for key, value in entries:
        root = tree.insert(shelf.nodes, root, key, value)
    assert root.hex() == case["root"]
    assert dict(tree.scan(shelf.nodes, root)) == dict(entries)
    if "nodes" in case:
        found = {name.hex(): shelf.nodes._derived[name].encode().hex() for name in tree.names(shelf.nodes, root)}
        assert found == case["nodes"]
        for raw in case["nodes"].values():
            assert tree.checked_node(bytes.fromhex(raw)).encode().hex() == raw


@pytest.mark.parametrize(
    "case", [one for one in named("trees").values() if "operations" in one], ids=lambda c: c["name"]
)
def test_operations(case):
    shelf = Shelf()
    root = b""
    for operation in case["operations"]:
        root = apply(shelf, root, operation)
    assert root.hex() == case["root"]


def apply(shelf, root, operation):
    verb, key, *value = operation
    raw = bytes.fromhex(key)
    if verb in ("insert", "put"):
        change = tree.insert if tree.lookup(shelf.nodes, root, raw) is None else tree.update
        return change(shelf.nodes, root, raw, bytes.fromhex(value[0]))
    try:
        return tree.remove(shelf.nodes, root, raw)
    except tree.AbsentError:
        return root
