"""What the audits of a verified head say, and which of them may approve (design, section 7)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.openvet import chain, tree
from openvet_install.openvet.faults import LogInvalid, short
from openvet_install.openvet.insertion import Insertions
from openvet_install.openvet.keys import package_prefix, parse_subject_key, subject_key
from openvet_install.openvet.subject import PYPI, Subject
from openvet_install.openvet.verdict import Audit
from openvet_install.openvet.wire import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.openvet.walk import Reader

ENTRIES_READ_WHOLE = 20_000
AUDITS_AT_ONCE = 1024

# One key in 64^r has rank r: a tree of 20,000 entries has 5 keys of rank 2 or more, and 0.1 of rank 3.
_HIGH_RANK = 2
_MANY_HIGH_KEYS = 25
_TOP_RANK = 3
_MANY_TOP_KEYS = 3


class Clock(NamedTuple):
    """What came in after the commit at `since` approves only if its signers are unexpired at `now` (Unix seconds)."""

    since: tuple[int, int]
    now: int


class Evidence:
    """The audits below one verified head of one log. For one thread, and as long as its reader."""

    def __init__(
        self, log: str, reader: Reader, state: chain.Trusted, signers: Iterable[str], clock: Clock | None = None
    ) -> None:
        """`signers` are fingerprints (`SHA256:base64`) that count without being in the keyset."""
        self._log = log
        self._reader = reader
        self._state = state
        self._signers = frozenset(signers)
        self._audits: dict[bytes, Audit] = {}
        self._by_digest: dict[str, tuple[Subject, ...]] | None = None
        self._insertions = Insertions(reader, state)
        self._clock = clock
        self._expired = frozenset() if clock is None else self.expired_keys(clock.now)

    def package(self, name: str) -> tuple[Audit, ...]:
        """Return every audit of a package, in key order, each verified in this run."""
        if "\0" in name:
            return ()
        found = tree.scan_prefix(self._reader.nodes, self._root, package_prefix(PYPI, name))
        return self._verified(list(found))

    def prepare(self, names: Iterable[str]) -> None:
        """Read many packages: the nodes level by level, then the audits, each verified once."""
        prefixes = sorted(package_prefix(PYPI, name) for name in names if "\0" not in name)
        if self._reader.ahead is not None:
            tree.order(self._reader.nodes, self._root, prefixes, partial(self._reader.ahead.order, "node"))
        found: list[tuple[bytes, bytes]] = []
        for prefix in prefixes:
            found += tree.scan_prefix(self._reader.nodes, self._root, prefix)
        for at in range(0, len(found), AUDITS_AT_ONCE):
            self._order(found[at : at + 2 * AUDITS_AT_ONCE])
            for key, name in found[at : at + AUDITS_AT_ONCE]:
                self._audit(key, name)

    def everything(self) -> tuple[Audit, ...]:
        """Return every audit of the log, in key order, each verified in this run."""
        return self._verified(list(tree.scan(self._reader.nodes, self._root)))

    def audit(self, subject: Subject) -> Audit | None:
        """Return the audit of exactly this subject, verified in this run; None is proven by the tree."""
        key = subject_key(subject)
        name = tree.lookup(self._reader.nodes, self._root, key)
        return None if name is None else self._audit(key, name)

    def by_digest(self) -> dict[str, tuple[Subject, ...]] | None:
        """Map `Subject.digest` to the subjects that carry it, or None for a log of too many entries.

        Keys alone are read, no audits; a second call costs nothing. A log of more commits than that is
        looked at from above first: the few nodes of high rank tell about how large it is.
        """
        if self._by_digest is None:
            if self._is_large():
                return None
            grouped: dict[str, tuple[Subject, ...]] = {}
            for count, (key, _) in enumerate(tree.scan(self._reader.nodes, self._root)):
                if count == ENTRIES_READ_WHOLE:
                    return None
                subject = _subject(key)
                grouped[subject.digest] = (*grouped.get(subject.digest, ()), subject)
            self._by_digest = grouped
        return self._by_digest

    def expired_keys(self, now: int) -> frozenset[bytes]:
        """Return the fingerprints (32 raw bytes) of this head's keyset that have expired at `now` (Unix seconds)."""
        ends = {key: member.state.expires_at for key, member in self._state.keyset.items()}
        return frozenset(key for key, end in ends.items() if end is not None and end <= now)

    @property
    def _root(self) -> bytes:
        return self._state.commit.tree.root

    def _is_large(self) -> bool:
        commit = self._state.commit
        if commit.generation == 0 and commit.index < ENTRIES_READ_WHOLE:
            return False  # a commit adds one entry at most
        high = 0
        for branch in tree.branches(self._reader.nodes, self._root, _HIGH_RANK):
            high += len(branch.keys)
            if high > _MANY_HIGH_KEYS or (branch.rank >= _TOP_RANK and len(branch.keys) >= _MANY_TOP_KEYS):
                return True
        return False

    def _verified(self, entries: list[tuple[bytes, bytes]]) -> tuple[Audit, ...]:
        if len(entries) > 1:
            self._order(entries)
        return tuple(self._audit(key, name) for key, name in entries)

    def _order(self, entries: list[tuple[bytes, bytes]]) -> None:
        if self._reader.ahead is not None:
            for _, name in entries:
                if name not in self._audits:
                    self._reader.ahead.order("audit", name)

    def _audit(self, key: bytes, name: bytes) -> Audit:
        known = self._audits.get(name)
        subject = _subject(key)
        if known is not None and known.subject == subject:
            return known
        envelope = self._reader.audit(name)
        try:
            chain.check_audit(envelope, subject)
        except LogInvalid as fault:
            raise LogInvalid(fault.rule, f"audit {short(name)}: {fault.what}", hint=fault.hint) from fault
        keys = {one.key.fingerprint: one.key.openssh for one in envelope.signatures}
        audit = self._audits[name] = Audit(
            log=self._log,
            subject=subject,
            hash=name.hex(),
            claims=envelope.content.claims,
            signers=tuple(keys.values()),
            created_at=envelope.content.created_at,
            summary=envelope.content.summary,
            approves=any(
                shown in self._signers or self._may_approve(fingerprint, subject, name)
                for fingerprint, shown in keys.items()
            )
            and not self._came_late(keys, subject, name),
        )
        return audit

    def _may_approve(self, fingerprint: bytes, subject: Subject, audit: bytes) -> bool:
        """Tell whether a key is an auditor at this head and was in the keyset when the audit came in.

        The walk has refused audits whose signers were in the keyset without being able to audit, so
        having been *in* it is enough. A key that an earlier generation knew may be back with its old
        `added_at`: only the keyset of that day tells.
        """
        member = self._state.keyset.get(fingerprint)
        if member is None or Capability.AUDITOR not in member.state.capabilities:
            return False
        return self._insertions.knew(fingerprint, member, subject, audit)

    def _came_late(self, signers: Iterable[bytes], subject: Subject, audit: bytes) -> bool:
        """Tell whether an audit came in after the clock's commit by a key that has expired: it may be backdated."""
        if self._clock is None or not self._expired:
            return False
        name, commit = self._insertions.commit(subject, audit)
        if commit.position <= self._clock.since:
            return False
        publisher = self._reader.commit(name).signer.digest
        return publisher in self._expired or any(one in self._expired for one in signers)


def _subject(key: bytes) -> Subject:
    subject = parse_subject_key(key)
    if subject_key(subject) != key:
        raise LogInvalid("subject-key-invalid", f"a key of the audit tree is a second spelling of `{subject}`")
    return subject
