"""Keysets: who may sign what after a commit, and how one operation changes it (protocol, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from openvet_install.openvet import tree
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.keys import keyset_key, parse_keyset_key
from openvet_install.openvet.wire import KeyChange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.openvet.wire import Commit, KeyState


class Member(NamedTuple):
    """A key state and its name."""

    name: bytes
    state: KeyState


Keyset = dict[bytes, Member]
"""Members by the 32 raw bytes of their fingerprint."""


class Lookups(Protocol):
    """What must be handed in."""

    @property
    def nodes(self) -> tree.Nodes:
        """Nodes of both trees."""

    def key_state(self, name: bytes) -> KeyState:
        """Return the decoded key state of that name."""


def load(root: bytes, look: Lookups) -> Keyset:
    """Read a whole keyset; every entry must be filed under its key's fingerprint. Raises `LogInvalid`."""
    found: Keyset = {}
    for key, name in tree.scan(look.nodes, root):
        fingerprint = parse_keyset_key(key)
        state = look.key_state(name)
        if state.key.fingerprint != fingerprint:
            raise LogInvalid("key-fingerprint-mismatch", "a key is filed under another fingerprint than its own")
        found[fingerprint] = Member(name, state)
    return found


def advance(keyset: Keyset, before: Commit | None, commit: Commit, look: Lookups) -> Keyset:
    """verify_keyset_tree: return the keyset after `commit`. `before` None is the empty keyset of a new log.

    1 k stays; 2 audit operations change nothing; 3 and 4 the operation applies; 5 the result is the
    root; 6 keyset_last_changed. Raises `LogInvalid`.
    """
    if before is not None and commit.keyset.k != before.keyset.k:  # 1
        raise LogInvalid("keyset-k-changed", "the parameter k of the keyset tree changed")
    root = before.keyset.root if before is not None else b""
    changed = before.keyset_last_changed if before is not None else 0
    operation = commit.operation
    if isinstance(operation, KeyChange):  # 2
        member = Member(operation.state, look.key_state(operation.state))
        fingerprint = _checked_fingerprint(operation, member.state)
        if operation.verb == "insert_key":  # 3
            _check_inserted(keyset, fingerprint, member.state, commit.index)
            root = tree.insert(look.nodes, root, keyset_key(fingerprint), member.name)
        else:  # 4
            _check_updated(keyset, fingerprint, member.state, commit.index)
            root = tree.update(look.nodes, root, keyset_key(fingerprint), member.name)
        _check_label(keyset, fingerprint, member.state)
        keyset = {**keyset, fingerprint: member}
        changed = commit.index
    if root != commit.keyset.root:  # 5
        raise LogInvalid("keyset-root-mismatch", "the keyset is not what its operation makes of the one before")
    if commit.keyset_last_changed != changed:  # 6
        raise LogInvalid("keyset-last-changed-mismatch", "keyset_last_changed does not name the last change of keys")
    return keyset


def restart(keyset: Keyset, before: Commit, commit: Commit, look: Lookups) -> Keyset:
    """verify_generation_root, steps 3 to 5: return the keyset of a new generation.

    Beyond OpenVet 0.6 the k of the keyset tree must stay and every node of the new tree is checked.
    Raises `LogInvalid`.
    """
    if commit.keyset.k != before.keyset.k:
        raise LogInvalid("keyset-k-changed", "the parameter k of the keyset tree changed")
    new = load(commit.keyset.root, look)
    labels = [member.state.label for member in new.values() if member.state.label is not None]
    if len(labels) != len(set(labels)):  # 3
        raise LogInvalid("key-label-duplicate", "two keys have the same label")
    for fingerprint, member in keyset.items():  # 4
        kept = new.get(fingerprint)
        if kept is None:
            raise LogInvalid("signer-not-in-keyset", "a key of the earlier generation is gone")
        if kept.state != member.state._replace(capabilities=()):
            what = "a key of the earlier generation is not just revoked but changed"
            raise LogInvalid("key-preserved-field-changed", what)
    operation = commit.operation
    added = new.keys() - keyset.keys()
    if not isinstance(operation, KeyChange) or operation.verb != "insert_key" or len(added) != 1:  # 5
        raise LogInvalid("invalid-chain", "the start of a generation adds exactly one key")
    fingerprint = added.pop()
    member = new[fingerprint]
    if _checked_fingerprint(operation, member.state) != fingerprint:
        raise LogInvalid("key-fingerprint-mismatch", "the key that is new is not the one named")
    if member.name != operation.state:
        raise LogInvalid("keyset-root-mismatch", "the new key has another state than the one named")
    if (member.state.added_at, member.state.updated_at) != (0, 0):
        raise LogInvalid("key-added-at-mismatch", "the new key was not added at the start of the generation")
    return new


def _checked_fingerprint(operation: KeyChange, state: KeyState) -> bytes:
    named = operation.fingerprint
    if named.algorithm != "sha256" or named.digest != state.key.fingerprint:
        raise LogInvalid("key-fingerprint-mismatch", "its operation names another fingerprint than the key's")
    return named.digest


def _check_inserted(keyset: Mapping[bytes, Member], fingerprint: bytes, state: KeyState, index: int) -> None:
    if state.added_at != index:
        raise LogInvalid("key-added-at-mismatch", "added_at of the new key is not the commit's index")
    if state.updated_at != index:
        raise LogInvalid("key-updated-at-mismatch", "updated_at of the new key is not the commit's index")
    if fingerprint in keyset:
        raise LogInvalid("key-already-present", "it inserts a key that is there already")


def _check_updated(keyset: Mapping[bytes, Member], fingerprint: bytes, state: KeyState, index: int) -> None:
    member = keyset.get(fingerprint)
    if member is None:
        raise LogInvalid("key-absent", "it updates a key that is not there")
    old = member.state
    if (old.key, old.added_at, old.proof) != (state.key, state.added_at, state.proof):
        raise LogInvalid("key-preserved-field-changed", "an update changes what must stay of a key")
    if state.updated_at != index:
        raise LogInvalid("key-updated-at-mismatch", "updated_at of the key is not the commit's index")


def _check_label(keyset: Mapping[bytes, Member], fingerprint: bytes, state: KeyState) -> None:
    if state.label is not None and any(
        other.state.label == state.label for key, other in keyset.items() if key != fingerprint
    ):
        raise LogInvalid("key-label-duplicate", "the label is used by another key")
