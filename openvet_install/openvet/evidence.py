"""What the audits of a verified head say, and which of them may approve (design, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import UndecidedError
from openvet_install.openvet import chain, tree
from openvet_install.openvet.faults import LogInvalid, short
from openvet_install.openvet.keys import keyset_key, package_prefix, parse_subject_key, subject_key
from openvet_install.openvet.subject import PYPI, Subject
from openvet_install.openvet.verdict import Audit
from openvet_install.openvet.wire import AuditChange, Capability, Commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openvet_install.openvet.walk import Reader

ENTRIES_READ_WHOLE = 20_000


class Evidence:
    """The audits below one verified head of one log. For one thread, and as long as its reader."""

    def __init__(self, log: str, reader: Reader, state: chain.Trusted, signers: Iterable[str]) -> None:
        """`signers` are fingerprints (`SHA256:base64`) that count without being in the keyset."""
        self._log = log
        self._reader = reader
        self._state = state
        self._signers = frozenset(signers)
        self._audits: dict[bytes, Audit] = {}
        self._by_sha256: dict[str, tuple[Subject, ...]] | None = None
        self._history: Iterator[tuple[bytes, Commit]] | None = None
        self._insertions: dict[tuple[Subject, bytes], Commit] = {}

    def package(self, name: str) -> tuple[Audit, ...]:
        """Return every audit of a package, in key order, each verified in this run."""
        if "\0" in name:
            return ()
        found = tree.scan_prefix(self._reader.nodes, self._root, package_prefix(PYPI, name))
        return self._verified(list(found))

    def everything(self) -> tuple[Audit, ...]:
        """Return every audit of the log, in key order, each verified in this run."""
        return self._verified(list(tree.scan(self._reader.nodes, self._root)))

    def by_sha256(self) -> dict[str, tuple[Subject, ...]] | None:
        """Map sha256 (hex) to the subjects that carry it, or None for a log of too many entries.

        Keys alone are read, no audits; a second call costs nothing.
        """
        if self._by_sha256 is None:
            grouped: dict[str, tuple[Subject, ...]] = {}
            for count, (key, _) in enumerate(tree.scan(self._reader.nodes, self._root)):
                if count == ENTRIES_READ_WHOLE:
                    return None
                subject = _subject(key)
                if subject.sha256 is not None:
                    grouped[subject.sha256] = (*grouped.get(subject.sha256, ()), subject)
            self._by_sha256 = grouped
        return self._by_sha256

    @property
    def _root(self) -> bytes:
        return self._state.commit.tree.root

    def _verified(self, entries: list[tuple[bytes, bytes]]) -> tuple[Audit, ...]:
        if self._reader.ahead is not None and len(entries) > 1:
            for _, name in entries:
                self._reader.ahead.order("audit", name)
        return tuple(self._audit(key, name) for key, name in entries)

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
            ),
        )
        return audit

    def _may_approve(self, fingerprint: bytes, subject: Subject, audit: bytes) -> bool:
        """Tell whether a key is an auditor at this head and was in the keyset when the audit came in.

        The walk has refused audits whose signers were in the keyset without being able to audit, so
        having been *in* it is enough. In generation 0 the first key always was. A key that an earlier
        generation knew may be back with its old `added_at`: only the keyset of that day tells.
        """
        member = self._state.keyset.get(fingerprint)
        if member is None or Capability.AUDITOR not in member.state.capabilities:
            return False
        if self._state.commit.generation == 0 and member.state.added_at == 0:
            return True
        commit = self._insertion(subject, audit)
        return tree.lookup(self._reader.nodes, commit.keyset.root, keyset_key(fingerprint)) is not None

    def _insertion(self, subject: Subject, audit: bytes) -> Commit:
        """Return the newest commit below this head that brought this audit in."""
        for name in self._reader.source.store.hints(self._reader.source.url, audit):
            commit = self._hinted(name, subject, audit)
            if commit is not None:
                return commit
        if self._history is None:
            self._history = self._reader.back(self._state.name)
        while (subject, audit) not in self._insertions:
            step = next(self._history, None)
            if step is None:
                raise LogInvalid("tree-root-mismatch", f"no commit brought the audit of `{subject}` in")
            operation = step[1].operation
            if isinstance(operation, AuditChange) and operation.audit:
                self._insertions.setdefault((operation.subject, operation.audit), step[1])
        return self._insertions[subject, audit]

    def _hinted(self, name: bytes, subject: Subject, audit: bytes) -> Commit | None:
        """Return the commit of a hint if it lies below this head and brought exactly this audit in."""
        try:
            commit = self._reader.commit(name).commit
            operation = commit.operation
            if not isinstance(operation, AuditChange) or (operation.subject, operation.audit) != (subject, audit):
                return None
            at_name, at = self._state.name, self._state.commit
            while at.generation > commit.generation:
                _, root = self._reader.ancestor_at(at_name, at, 0)
                at_name = root.previous_generation_head or b""
                at = self._reader.commit(at_name).commit
            found = self._reader.ancestor_at(at_name, at, commit.index)[0] if at.position >= commit.position else None
        except (LogInvalid, UndecidedError):
            return None
        return commit if found == name else None


def _subject(key: bytes) -> Subject:
    subject = parse_subject_key(key)
    if subject_key(subject) != key:
        raise LogInvalid("subject-key-invalid", f"a key of the audit tree is a second spelling of `{subject}`")
    return subject
