"""Merkle search trees (protocol, section 5): look up, scan, and re-apply a change by touching one path.

Every node that is visited is checked, whoever handed it out: entries ascend, every key has the node's
rank, the prefix is canonical, children have a lower rank, all keys lie between the keys above. A node
that fails is `LogInvalid`; a node that is not there is whatever the fetcher raises.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.openvet.faults import HASH_BYTES, LogInvalid, object_name
from openvet_install.openvet.recent import Recent
from openvet_install.openvet.wire import common_prefix, decode_node, encode_entry, encode_node, entries_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BITS_PER_RANK = 6
_ABOVE_ALL_RANKS = HASH_BYTES * 8
NODES_IN_MEMORY = 2000
NODE_BYTES_IN_MEMORY = 32 * 1024 * 1024


class PresentError(Exception):
    """The key to insert is in the tree already."""


class AbsentError(Exception):
    """The key to update or remove is not in the tree."""


def rank(key: bytes) -> int:
    """Return the number of leading zero bits of the key's BLAKE2b-256, divided by 6."""
    digest = object_name(key)
    if digest[0] >= 1 << (8 - _BITS_PER_RANK):  # most keys
        return 0
    bits = _ABOVE_ALL_RANKS - int.from_bytes(digest, "big").bit_length()
    return bits // _BITS_PER_RANK


class Branch(NamedTuple):
    """A checked node; `encoded` are its entries as they stand in the node's bytes."""

    rank: int
    prefix: bytes
    keys: tuple[bytes, ...]
    values: tuple[bytes, ...]
    children: tuple[bytes, ...]
    encoded: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the bytes whose hash names this node."""
        return encode_node(self.rank, self.encoded, self.children[-1], self.prefix)


class Nodes:
    """Checked nodes by name, for one thread.

    `fetch(name)` returns bytes that hash to the name; `keep(name, raw)` takes nodes that were derived
    here and no longer fit into memory. At most `limit` fetched and `limit` derived nodes are held, of
    `NODE_BYTES_IN_MEMORY` each.
    """

    def __init__(
        self,
        fetch: Callable[[bytes], bytes],
        keep: Callable[[bytes, bytes], None],
        *,
        limit: int = NODES_IN_MEMORY,
    ) -> None:
        """Start empty."""
        self._fetch = fetch
        self._keep = keep
        self._fetched: Recent[Branch] = Recent(limit, NODE_BYTES_IN_MEMORY)
        self._derived: Recent[Branch] = Recent(limit, NODE_BYTES_IN_MEMORY)
        self._replaced: set[bytes] = set()

    def visit(self, name: bytes, below: int, low: bytes | None, high: bytes | None) -> Branch:
        """Return a node whose rank is lower than `below` and whose keys lie between `low` and `high`, exclusive."""
        branch = self._derived.get(name) or self._fetched.get(name)
        if branch is None:
            raw = self._fetch(name)
            branch = checked_node(raw)
            self._fetched.put(name, branch, len(raw))
        if branch.rank >= below:
            raise LogInvalid("node-rank-wrong", "the rank of a tree node is not below its parent's")
        if (low is not None and branch.keys[0] <= low) or (high is not None and branch.keys[-1] >= high):
            raise LogInvalid("node-out-of-bounds", "a tree node holds keys that belong elsewhere")
        return branch

    def holds(self, name: bytes) -> bool:
        """Tell whether a node is in memory."""
        return name in self._derived or name in self._fetched

    def take(self, name: bytes, below: int, low: bytes | None, high: bytes | None) -> Branch:
        """As `visit`, for a node that the running change replaces."""
        branch = self.visit(name, below, low, high)
        self._replaced.add(name)
        return branch

    def add(self, branch: Branch) -> bytes:
        """Remember a node that was derived here; return its name."""
        raw = branch.encode()
        name = object_name(raw)
        self._replaced.discard(name)
        for oldest, spilled in self._derived.put(name, branch, len(raw)):
            self._keep(oldest, spilled.encode())
        return name

    def settle(self) -> None:
        """Forget the nodes that the changes so far have replaced."""
        for name in self._replaced:
            self._derived.drop(name)
        self._replaced.clear()

    def derived(self, root: bytes) -> Iterator[bytes]:
        """Yield the names of the nodes below `root` that were derived here and are still in memory."""
        branch = self._derived.get(root)
        if branch is not None:
            yield root
            for child in branch.children:
                yield from self.derived(child)

    def keep(self, root: bytes) -> None:
        """Hand the derived nodes below `root` to the keeper."""
        for name in self.derived(root):
            self._keep(name, self._derived[name].encode())


def checked_node(raw: bytes) -> Branch:
    """Decode a node and check what can be seen of it alone: order, rank, prefix. Raises `LogInvalid`."""
    node = decode_node(raw)
    if not node.keys:
        raise LogInvalid("node-empty", "a tree node without entries")
    if any(one >= two for one, two in pairwise(node.keys)):
        raise LogInvalid("node-entries-unsorted", "the entries of a tree node are not in ascending order")
    if any(rank(key) != node.rank for key in node.keys):
        raise LogInvalid("node-rank-wrong", "a key of a tree node has another rank than its node")
    encoded = entries_of(raw, len(node.keys))
    if encoded is None:
        return _branch(node.rank, node.keys, node.values, node.children)
    prefix = common_prefix(node.keys[0], node.keys[-1])
    return Branch(node.rank, prefix, node.keys, node.values, node.children, encoded)


def lookup(nodes: Nodes, root: bytes, key: bytes) -> bytes | None:
    """Return the value of `key`, or None if the tree provably has no such key."""
    below, low, high = _ABOVE_ALL_RANKS, None, None
    name = root
    while name:
        branch = nodes.visit(name, below, low, high)
        at = bisect_left(branch.keys, key)
        if at < len(branch.keys) and branch.keys[at] == key:
            return branch.values[at]
        low, high = _bounds(branch, at, low, high)
        below, name = branch.rank, branch.children[at]
    return None


def scan(nodes: Nodes, root: bytes, first: bytes = b"", last: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) in ascending order for `first` <= key < `last`; without them the whole tree."""
    return _scan(nodes, root, (first, last), _ABOVE_ALL_RANKS, (None, None))


def scan_prefix(nodes: Nodes, root: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) for the keys that begin with `prefix`, whose last byte must be NUL."""
    return scan(nodes, root, prefix, prefix[:-1] + b"\x01")


def order(nodes: Nodes, root: bytes, prefixes: Sequence[bytes], fetch: Callable[[bytes], None]) -> None:
    """Tell `fetch` the nodes that scans for sorted `prefixes` will visit, a whole level at a time, then visit them."""
    level: list[tuple[bytes, int, _Bounds, tuple[int, int]]] = []
    if root and prefixes:
        level.append((root, _ABOVE_ALL_RANKS, (None, None), (0, len(prefixes))))
    while level:
        for name, *_ in level:
            if not nodes.holds(name):
                fetch(name)
        below: list[tuple[bytes, int, _Bounds, tuple[int, int]]] = []
        for name, above, bounds, (first, last) in level:
            branch = nodes.visit(name, above, *bounds)
            for at, child in enumerate(branch.children):
                inner = _bounds(branch, at, *bounds)
                start = first if inner[0] is None else bisect_left(prefixes, _after(inner[0]), first, last)
                end = last if inner[1] is None else bisect_left(prefixes, inner[1], first, last)
                if child and start < end:
                    below.append((child, branch.rank, inner, (start, end)))
        level = below


def branches(nodes: Nodes, root: bytes, lowest: int) -> Iterator[Branch]:
    """Yield the nodes of rank `lowest` or more, parents first."""
    return _branches(nodes, root, lowest, _ABOVE_ALL_RANKS, (None, None))


def names(nodes: Nodes, root: bytes) -> Iterator[bytes]:
    """Yield the names of all nodes of a tree, parents first."""
    return _names(nodes, root, _ABOVE_ALL_RANKS, None, None)


def insert(nodes: Nodes, root: bytes, key: bytes, value: bytes) -> bytes:
    """Return the root with one key more. Raises `PresentError`."""
    return _insert(nodes, root, (key, value, rank(key)), _ABOVE_ALL_RANKS, (None, None))


def update(nodes: Nodes, root: bytes, key: bytes, value: bytes) -> bytes:
    """Return the root with another value under `key`. Raises `AbsentError`."""
    return _change(nodes, root, (key, value), _ABOVE_ALL_RANKS, (None, None))


def remove(nodes: Nodes, root: bytes, key: bytes) -> bytes:
    """Return the root without `key`. Raises `AbsentError`."""
    return _change(nodes, root, (key, None), _ABOVE_ALL_RANKS, (None, None))


_Bounds = tuple["bytes | None", "bytes | None"]
_Entry = tuple[bytes, bytes, bytes]


def _bounds(branch: Branch, at: int, low: bytes | None, high: bytes | None) -> _Bounds:
    return (branch.keys[at - 1] if at else low), (branch.keys[at] if at < len(branch.keys) else high)


def _scan(
    nodes: Nodes, name: bytes, wanted: tuple[bytes, bytes | None], below: int, bounds: _Bounds
) -> Iterator[tuple[bytes, bytes]]:
    if not name:
        return
    first, last = wanted
    branch = nodes.visit(name, below, *bounds)
    start = bisect_left(branch.keys, first)
    for at in range(start, len(branch.children)):
        yield from _scan(nodes, branch.children[at], wanted, branch.rank, _bounds(branch, at, *bounds))
        if at == len(branch.keys) or (last is not None and branch.keys[at] >= last):
            return
        yield branch.keys[at], branch.values[at]


def _after(key: bytes) -> bytes:
    """Return the prefix whose range a key lies in: up to the second NUL."""
    return b"\0".join(key.split(b"\0", 2)[:2]) + b"\0"


def _branches(nodes: Nodes, name: bytes, lowest: int, below: int, bounds: _Bounds) -> Iterator[Branch]:
    branch = nodes.visit(name, below, *bounds) if name else None
    if branch is None or branch.rank < lowest:
        return
    yield branch
    if branch.rank > lowest:
        for at, child in enumerate(branch.children):
            yield from _branches(nodes, child, lowest, branch.rank, _bounds(branch, at, *bounds))


def _names(nodes: Nodes, name: bytes, below: int, low: bytes | None, high: bytes | None) -> Iterator[bytes]:
    if not name:
        return
    yield name
    branch = nodes.visit(name, below, low, high)
    for at, child in enumerate(branch.children):
        if child:
            yield from _names(nodes, child, branch.rank, *_bounds(branch, at, low, high))


def _insert(nodes: Nodes, name: bytes, new: tuple[bytes, bytes, int], below: int, bounds: _Bounds) -> bytes:
    key, value, own_rank = new
    if not name:
        return nodes.add(_branch(own_rank, (key,), (value,), (b"", b"")))
    branch = nodes.visit(name, below, *bounds)
    if branch.rank < own_rank:
        left, right = _split(nodes, name, key, below, bounds)
        return nodes.add(_branch(own_rank, (key,), (value,), (left, right)))
    at = bisect_left(branch.keys, key)
    if at < len(branch.keys) and branch.keys[at] == key:
        raise PresentError
    nodes.take(name, below, *bounds)
    inner = _bounds(branch, at, *bounds)
    if branch.rank > own_rank:
        return nodes.add(_with_child(branch, at, _insert(nodes, branch.children[at], new, branch.rank, inner)))
    left, right = _split(nodes, branch.children[at], key, branch.rank, inner)
    return nodes.add(_spliced(branch, (at, at), [(key, value, left)], right))


def _split(nodes: Nodes, name: bytes, key: bytes, below: int, bounds: _Bounds) -> tuple[bytes, bytes]:
    if not name:
        return b"", b""
    branch = nodes.take(name, below, *bounds)
    at = bisect_left(branch.keys, key)
    left, right = _split(nodes, branch.children[at], key, branch.rank, _bounds(branch, at, *bounds))
    if at:
        left = nodes.add(_spliced(branch, (at, len(branch.keys)), [], left))
    if at < len(branch.keys):
        right = nodes.add(_spliced(branch, (0, at), [], right))
    return left, right


def _change(nodes: Nodes, name: bytes, new: tuple[bytes, bytes | None], below: int, bounds: _Bounds) -> bytes:
    """Put a value under a key that is there, or remove the key (None)."""
    key, value = new
    if not name:
        raise AbsentError
    branch = nodes.take(name, below, *bounds)
    at = bisect_left(branch.keys, key)
    if at == len(branch.keys) or branch.keys[at] != key:
        inner = _bounds(branch, at, *bounds)
        child = _change(nodes, branch.children[at], new, branch.rank, inner)
        return nodes.add(_with_child(branch, at, child))
    left = branch.children[at]
    if value is not None:
        return nodes.add(_spliced(branch, (at, at + 1), [(key, value, left)], branch.children[at + 1]))
    low, high = bounds[0] if at == 0 else branch.keys[at - 1], bounds[1]
    high = branch.keys[at + 1] if at + 1 < len(branch.keys) else high
    merged = _merge(nodes, (left, (low, key)), (branch.children[at + 1], (key, high)), branch.rank)
    if len(branch.keys) == 1:
        return merged
    return nodes.add(_spliced(branch, (at, at + 1), [], merged))


def _merge(nodes: Nodes, one: tuple[bytes, _Bounds], two: tuple[bytes, _Bounds], below: int) -> bytes:
    """Join two trees, all keys of the first before those of the second."""
    if not one[0] or not two[0]:
        return one[0] or two[0]
    left, right = nodes.visit(one[0], below, *one[1]), nodes.visit(two[0], below, *two[1])
    last = (left.children[-1], (left.keys[-1], one[1][1]))
    first = (right.children[0], (two[1][0], right.keys[0]))
    if left.rank >= right.rank:
        nodes.take(one[0], below, *one[1])
    if right.rank >= left.rank:
        nodes.take(two[0], below, *two[1])
    if left.rank > right.rank:
        return nodes.add(_with_child(left, len(left.keys), _merge(nodes, last, two, left.rank)))
    if left.rank < right.rank:
        return nodes.add(_with_child(right, 0, _merge(nodes, one, first, right.rank)))
    children = (*left.children[:-1], _merge(nodes, last, first, left.rank), *right.children[1:])
    return nodes.add(_branch(left.rank, left.keys + right.keys, left.values + right.values, children))


def _with_child(branch: Branch, at: int, child: bytes) -> Branch:
    """Return the node with another child in place `at`: its keys stay, and so does its prefix."""
    children = (*branch.children[:at], child, *branch.children[at + 1 :])
    encoded = branch.encoded
    if at < len(branch.keys):
        entry = encode_entry(branch.keys[at][len(branch.prefix) :], branch.values[at], child)
        encoded = (*encoded[:at], entry, *encoded[at + 1 :])
    return Branch(branch.rank, branch.prefix, branch.keys, branch.values, children, encoded)


def _spliced(branch: Branch, cut: tuple[int, int], entries: Sequence[_Entry], after: bytes) -> Branch:
    """Replace the entries of `cut` (start, end) and the child that follows them.

    Only the entries that change are encoded again, unless the common prefix changes.
    """
    start, end = cut
    keys = branch.keys[:start] + tuple(entry[0] for entry in entries) + branch.keys[end:]
    values = branch.values[:start] + tuple(entry[1] for entry in entries) + branch.values[end:]
    lefts = tuple(entry[2] for entry in entries)
    children = branch.children[:start] + lefts + (after,) + branch.children[end + 1 :]
    prefix = common_prefix(keys[0], keys[-1])
    if prefix != branch.prefix:
        return _branch(branch.rank, keys, values, children)
    size = len(prefix)
    changed = tuple(encode_entry(key[size:], value, left) for key, value, left in entries)
    if end < len(branch.keys):
        changed += (encode_entry(branch.keys[end][size:], branch.values[end], after),)
    encoded = branch.encoded[:start] + changed + branch.encoded[end + 1 :]
    return Branch(branch.rank, prefix, keys, values, children, encoded)


def _branch(own_rank: int, keys: tuple[bytes, ...], values: tuple[bytes, ...], children: tuple[bytes, ...]) -> Branch:
    prefix = common_prefix(keys[0], keys[-1])
    size = len(prefix)
    encoded = tuple(
        encode_entry(key[size:], value, left) for key, value, left in zip(keys, values, children, strict=False)
    )
    return Branch(own_rank, prefix, keys, values, children, encoded)
