"""Which commit brought an audit in, found below a verified head without reading the whole history if possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import UndecidedError
from openvet_install.openvet import chain, tree
from openvet_install.openvet.faults import LogInvalid
from openvet_install.openvet.keys import keyset_key, subject_key
from openvet_install.openvet.wire import AuditChange, Commit, KeyChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.openvet.keyset import Member
    from openvet_install.openvet.subject import Subject
    from openvet_install.openvet.walk import Reader


class Insertions:
    """Answers for the audits below one verified head. For one thread, and as long as its reader."""

    def __init__(self, reader: Reader, state: chain.Trusted) -> None:
        """Nothing is read yet."""
        self._reader = reader
        self._state = state
        self._history: Iterator[tuple[bytes, Commit]] | None = None
        self._found: dict[bytes, bytes] = {}
        self._roots: dict[bytes, bytes | None] = {}

    def knew(self, fingerprint: bytes, member: Member, subject: Subject, audit: bytes) -> bool:
        """Tell whether a key of this head's keyset was in the keyset already when an audit of this head came in.

        Cheapest first: the first key of generation 0 always was; commits that an earlier walk noted; one that a
        bundle names and that came after the key; the audit tree right after the key was added, which lacks what came
        in later (some nodes, no commits); at last the history, newest commit first. A noted commit may be an old one:
        what another machine walked, and moved the pin over, is noted there.
        """
        if self._state.commit.generation == 0 and member.state.added_at == 0:
            return True
        noted = self._noted(subject, audit)
        if noted is not None and self._held(fingerprint, noted[1]):
            return True
        if self._came_after(fingerprint, member, subject, audit):
            return True
        if self._absent_when_added(fingerprint, member, subject, audit):
            return True
        return noted is None and self._held(fingerprint, self.commit(subject, audit)[1])

    def _held(self, fingerprint: bytes, commit: Commit) -> bool:
        return tree.lookup(self._reader.nodes, commit.keyset.root, keyset_key(fingerprint)) is not None

    def commit(self, subject: Subject, audit: bytes) -> tuple[bytes, Commit]:
        """Return the newest commit below this head that brought this audit in, with its name.

        Raises `LogInvalid` if there is none, and what fetching the history raises.
        """
        noted = self._noted(subject, audit)
        if noted is not None:
            return noted
        if self._history is None:
            self._history = self._reader.back(self._state.name)
        while audit not in self._found:  # an audit is about one subject, the walk has seen to that
            name, older = next(self._history, (b"", None))
            if older is None:
                raise LogInvalid("tree-root-mismatch", f"no commit brought the audit of `{subject}` in")
            if isinstance(older.operation, AuditChange) and older.operation.audit:
                self._found.setdefault(older.operation.audit, name)
        return self._found[audit], self._reader.commit(self._found[audit]).commit

    def _came_after(self, fingerprint: bytes, member: Member, subject: Subject, audit: bytes) -> bool:
        """Tell whether a bundle names a commit that brought the audit in after the key was added; False: cannot tell.

        Whoever made the bundle may have kept a newer one back, but that would have come after the key too: within a
        generation keys stay in the keyset.
        """
        added = member.state.added_at
        for name in self._reader.source.insertions(audit):
            commit = self._below(name, subject, audit)
            if commit is None or commit.generation != self._state.commit.generation or commit.index < added:
                continue
            try:
                return self._was_added(fingerprint, added) is not None
            except UndecidedError:
                return False
        return False

    def _absent_when_added(self, fingerprint: bytes, member: Member, subject: Subject, audit: bytes) -> bool:
        """Tell whether the tree right after the key was added provably lacks the audit; False: cannot tell.

        A host need not serve trees of the past, so a node that is missing proves nothing.
        """
        try:
            root = self._was_added(fingerprint, member.state.added_at)
            if root is None:
                return False
            return tree.lookup(self._reader.nodes, root, subject_key(subject)) != audit
        except UndecidedError:
            return False

    def _was_added(self, fingerprint: bytes, index: int) -> bytes | None:
        if fingerprint not in self._roots:
            self._roots[fingerprint] = self._root_when_added(fingerprint, index)
        return self._roots[fingerprint]

    def _root_when_added(self, fingerprint: bytes, index: int) -> bytes | None:
        """Return the audit tree's root after the commit that added a key, if it was added in this generation."""
        if index > self._state.commit.index:
            return None
        _, commit = self._reader.ancestor_at(self._state.name, self._state.commit, index)
        operation = commit.operation
        if not isinstance(operation, KeyChange) or operation.verb != "insert_key":
            return None  # a key of an earlier generation keeps its old index
        return commit.tree.root if operation.fingerprint.digest == fingerprint else None

    def _noted(self, subject: Subject, audit: bytes) -> tuple[bytes, Commit] | None:
        for name in self._reader.source.store.hints(self._reader.source.key, audit):
            commit = self._below(name, subject, audit)
            if commit is not None:
                return name, commit
        return None

    def _below(self, name: bytes, subject: Subject, audit: bytes) -> Commit | None:
        """Return the commit of a hint if it lies below this head and brought exactly this audit in."""
        try:
            commit = self._reader.commit(name).commit
            operation = commit.operation
            if not isinstance(operation, AuditChange) or (operation.subject, operation.audit) != (subject, audit):
                return None
            found = self._reader.below(self._state.name, self._state.commit, commit.position)
        except (LogInvalid, UndecidedError):
            return None
        return commit if found == name else None
