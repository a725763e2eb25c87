"""What can be wrong with a log, each with a stable word; and how its objects are named."""

from __future__ import annotations

import hashlib
from typing import Literal

from openvet_install.errors import InvalidError, UndecidedError

Kind = Literal["commit", "node", "audit", "keystate"]
KINDS: tuple[Kind, ...] = ("commit", "node", "audit", "keystate")

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)
_SHOWN_DIGITS = 12


class LogInvalid(InvalidError):  # noqa: N818 - the name that the other rooms know
    """A log, or an object of one, that breaks a rule of the protocol (65).

    `rule` is a plain word that never changes: those of the test vectors, and a few of our own
    (`generation-not-accepted`, `operator-mismatch`, `node-entries-unsorted`, ...). `commit` is the
    place: (generation, index), or None if the fault belongs to no commit.
    """

    def __init__(
        self,
        rule: str,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        commit: tuple[int, int] | None = None,
    ) -> None:
        """Keep the word beside the sentence."""
        super().__init__(what, where=where, hint=hint)
        self.rule = rule
        self.commit = commit


def object_name(raw: bytes) -> bytes:
    """Return the name of an object: BLAKE2b with 32 bytes over its identity bytes (protocol, section 1)."""
    return hashlib.blake2b(raw, digest_size=HASH_BYTES).digest()


def short(name: bytes | str) -> str:
    """Return the first digits of a name, as people are shown it."""
    return (name.hex() if isinstance(name, bytes) else name)[:_SHOWN_DIGITS]


class LogMissingError(UndecidedError):
    """A head or an object that no host of the log has (69): it never means "no such subject".

    `rule` is `object-missing` or `head-missing`.
    """

    def __init__(self, rule: str, what: str, *, hint: str | None = None) -> None:
        """Keep the word beside the sentence."""
        super().__init__(what, hint=hint)
        self.rule = rule
