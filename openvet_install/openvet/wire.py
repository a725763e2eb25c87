"""Commits, nodes, key states and envelopes: bytes to frozen values and the decoder's rules (protocol, section 3).

Unknown fields, any field order, repeated scalars and long varints are taken, as OpenVet 0.6 takes them;
hashes and signatures are always over the bytes received, so a second spelling is another object. Stricter
than 0.6: a NUL in a subject is refused. All refusals are `LogInvalid`; classes of the vectors keep their
word, every other fault is `decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

from openvet_install.openvet.content import AuditContent, decode_audit, hash_of, require, subject_of
from openvet_install.openvet.faults import HASH_BYTES, LogInvalid
from openvet_install.openvet.schema import parse
from openvet_install.openvet.sshsig import PublicKey
from openvet_install.openvet.subject import Subject, SubjectError, TaggedHash

_LABEL_MAX_BYTES = 128
_GENERATION_MESSAGE_MAX_BYTES = 1024
_SIGNATURE_FAMILY = "sshsig-"
NODE_KEYS_MAX_BYTES = 64 * 1024 * 1024
"""Of a node's keys together: they share a prefix, so a small node could spell out a thousand times its own size."""


class Capability(IntEnum):
    """What a key may do; a key without any is revoked."""

    AUDITOR = 1
    PUBLISHER = 2
    OPERATOR = 3


class Signature(NamedTuple):
    """An armored SSHSIG that nobody has looked at yet."""

    type: str
    armored: bytes


class AuthorSignature(NamedTuple):
    """A signature under an audit and the key that is stated for it."""

    key: PublicKey
    signature: Signature


class AuditEnvelope(NamedTuple):
    """An audit with its signatures; `signed` are the verbatim bytes they cover."""

    signed: bytes
    content: AuditContent
    signatures: tuple[AuthorSignature, ...]


class Tree(NamedTuple):
    """Root of a tree: a name, or empty bytes for the empty tree."""

    k: int
    root: bytes


class Node(NamedTuple):
    """A tree node. `children[i]` lies before `keys[i]`, the last one after all; empty bytes: none.

    Order and ranks are not the decoder's business; `tree` checks them on every visit.
    """

    rank: int
    keys: tuple[bytes, ...]
    values: tuple[bytes, ...]
    children: tuple[bytes, ...]


class KeyState(NamedTuple):
    """One key of a keyset; times are indexes of commits, `expires_at` Unix seconds."""

    key: PublicKey
    added_at: int
    updated_at: int
    capabilities: tuple[Capability, ...]
    expires_at: int | None
    proof: Signature
    label: str | None


class AuditChange(NamedTuple):
    """`insert_audit`, `update_audit` or `remove_audit` (with empty `audit`)."""

    verb: str
    subject: Subject
    audit: bytes


class KeyChange(NamedTuple):
    """`insert_key` or `update_key`: a fingerprint and the name of the key state."""

    verb: str
    fingerprint: TaggedHash
    state: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """One decoded `Commit` message."""

    generation: int
    index: int
    parents: tuple[bytes, ...]
    previous_generation_head: bytes | None
    generation_message: str | None
    timestamp: int
    operation: AuditChange | KeyChange
    tree: Tree
    keyset: Tree
    keyset_last_changed: int

    @property
    def position(self) -> tuple[int, int]:
        """(generation, index): the order of commits in one history."""
        return self.generation, self.index


class CommitEnvelope(NamedTuple):
    """A commit with its signature; `signed` are the verbatim bytes it covers."""

    signed: bytes
    commit: Commit
    signer: TaggedHash
    signature: Signature


def decode_commit_envelope(raw: bytes) -> CommitEnvelope:
    """Decode a commit with its envelope; raises `LogInvalid`."""
    message = parse("CommitEnvelope", raw)
    require(message, "signature")
    return CommitEnvelope(
        message.commit,
        decode_commit(message.commit),
        _fingerprint(message.signer),
        _signature(message.signature),
    )


def decode_commit(raw: bytes) -> Commit:
    """Decode the signed bytes of a commit; raises `LogInvalid`."""
    message = parse("Commit", raw)
    for field in ("operation", "tree", "keyset"):
        require(message, field)
    text = message.generation_message if message.HasField("generation_message") else None
    if text is not None:
        if len(text.encode()) > _GENERATION_MESSAGE_MAX_BYTES:
            raise LogInvalid("decode", f"a generation message of more than {_GENERATION_MESSAGE_MAX_BYTES} bytes")
        if message.generation == 0 or message.index != 0:
            raise LogInvalid("decode", "a generation message on a commit that starts no generation")
    previous = message.previous_generation_head if message.HasField("previous_generation_head") else None
    return Commit(
        message.generation,
        message.index,
        tuple(hash_of(one, "parent") for one in message.parent),
        None if previous is None else hash_of(previous, "previous_generation_head"),
        text,
        message.timestamp,
        _operation(message.operation),
        _tree(message.tree),
        _tree(message.keyset),
        message.keyset_last_changed,
    )


def decode_audit_envelope(raw: bytes) -> AuditEnvelope:
    """Decode an audit with its envelope; it may have no signature here. Raises `LogInvalid`."""
    message = parse("AuditEnvelope", raw)
    signatures = []
    for one in message.signatures:
        require(one, "pubkey")
        require(one, "signature")
        signatures.append(AuthorSignature(_public_key(one.pubkey), _signature(one.signature)))
    return AuditEnvelope(message.audit, decode_audit(message.audit), tuple(signatures))


def decode_key_state(raw: bytes) -> KeyState:
    """Decode a key state; raises `LogInvalid`."""
    message = parse("KeyState", raw)
    require(message, "pubkey")
    require(message, "proof")
    values = list(message.capabilities)
    if any(not 1 <= value <= 3 for value in values):
        raise LogInvalid("decode", "a capability that is not known")
    if any(one >= two for one, two in pairwise(values)):
        raise LogInvalid("capabilities-not-canonical", "capabilities are not in ascending order")
    label = message.label if message.HasField("label") else None
    if label is not None and not 0 < len(label.encode()) <= _LABEL_MAX_BYTES:
        raise LogInvalid("decode", f"a label that is empty or longer than {_LABEL_MAX_BYTES} bytes")
    return KeyState(
        _public_key(message.pubkey),
        message.added_at,
        message.updated_at,
        tuple(Capability(value) for value in values),
        message.expires_at if message.HasField("expires_at") else None,
        _signature(message.proof),
        label,
    )


def decode_node(raw: bytes) -> Node:
    """Decode a tree node; its prefix must be the longest common one. Raises `LogInvalid`."""
    message = parse("Node", raw)
    prefix = message.prefix
    entries = message.entries
    if len(prefix) * len(entries) > NODE_KEYS_MAX_BYTES:
        raise LogInvalid("node-too-large", "the keys of a tree node are too long together")
    keys = [prefix + entry.key_suffix for entry in entries]
    values = [entry.audit for entry in entries]
    children = [entry.left for entry in entries]
    children.append(message.right)
    if any(len(value) != HASH_BYTES for value in values) or any(
        child and len(child) != HASH_BYTES for child in children
    ):
        raise LogInvalid("decode", "an entry of a tree node names what is no hash")
    if prefix != (common_prefix(min(keys), max(keys)) if keys else b""):
        raise LogInvalid("node-prefix-not-canonical", "the prefix of a tree node is not the longest common one")
    return Node(message.rank, tuple(keys), tuple(values), tuple(children))


def entries_of(raw: bytes, count: int) -> tuple[bytes, ...] | None:
    """Return the entries of a node as they stand in its bytes; None unless these are ordinary protobuf output."""
    if parse("Node", raw).SerializeToString(deterministic=True) != raw:
        return None
    at = 0
    if raw[at] == 0x08:  # the rank, one byte below 128
        at += 2
    found: list[bytes] = []
    while len(found) < count:
        size = raw[at + 1]
        end = at + 2 + size if size < 0x80 else at + 3 + (size & 0x7F | raw[at + 2] << 7)
        if raw[at] != 0x12 or (size >= 0x80 and raw[at + 2] >= 0x80):
            return None
        found.append(raw[at:end])
        at = end
    return tuple(found)


def common_prefix(one: bytes, two: bytes) -> bytes:
    """Return the longest common prefix of two keys."""
    if one == two:
        return one
    size = min(len(one), len(two))
    low = 0
    while low < size:  # halving: the slices are compared in C
        middle = (low + size + 1) // 2
        if one[:middle] == two[:middle]:
            low = middle
        else:
            size = middle - 1
    return one[:low]


def encode_entry(suffix: bytes, value: bytes, left: bytes) -> bytes:
    """Return one entry of a node as a field of the node, as ordinary protobuf output has it."""
    size = len(suffix)
    body = (b"\x0a" + varint(size) + suffix + b"\x12\x20" if size else b"\x12\x20") + value
    if left:
        body += b"\x1a\x20" + left
    return b"\x12" + varint(len(body)) + body


def encode_node(rank: int, entries: tuple[bytes, ...], right: bytes, prefix: bytes) -> bytes:
    """Return a node's bytes from entries made by `encode_entry`, as ordinary protobuf output has them."""
    head = b"\x08" + varint(rank) if rank else b""
    tail = (b"\x1a\x20" + right if right else b"") + (b"\x22" + varint(len(prefix)) + prefix if prefix else b"")
    return head + b"".join(entries) + tail


def varint(value: int) -> bytes:
    """Return the shortest varint."""
    if value < len(_VARINTS):
        return _VARINTS[value]
    return _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_VARINTS = tuple(_varint(value) for value in range(1024))


def _hash_or_empty(data: bytes) -> bytes:
    if data and len(data) != HASH_BYTES:
        raise LogInvalid("decode", f"{len(data)} bytes are no hash")
    return data


def _tree(message: Any) -> Tree:
    return Tree(message.k, _hash_or_empty(message.root))


def _public_key(message: Any) -> PublicKey:
    return PublicKey.parse(message.type, message.key)


def _signature(message: Any) -> Signature:
    if not message.type.startswith(_SIGNATURE_FAMILY):
        raise LogInvalid("signature-type-unknown", f"a signature of an unknown type: `{message.type[:40]}`")
    return Signature(message.type, message.signature)


def _fingerprint(data: bytes) -> TaggedHash:
    try:
        return TaggedHash.from_bytes(data)
    except SubjectError as error:
        raise LogInvalid("decode", f"not the fingerprint of a key: {error.what}") from error


def _operation(message: Any) -> AuditChange | KeyChange:
    verb = message.WhichOneof("op")
    if verb is None:
        raise LogInvalid("decode", "a commit without an operation")
    body = getattr(message, verb)
    if verb in ("insert_key", "update_key"):
        return KeyChange(verb, _fingerprint(body.pubkey_fingerprint), hash_of(body.key_state_hash, "key_state_hash"))
    subject = subject_of(body)
    return AuditChange(verb, subject, b"" if verb == "remove_audit" else hash_of(body.audit, "audit"))
