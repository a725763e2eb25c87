"""One log over HTTP: its served head, the verification of its history, and what its audits say.

Nothing here reads or writes configuration or pins; `advance` tells the caller what to write.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from openvet_install.errors import UndecidedError
from openvet_install.http import without_login
from openvet_install.openvet import chain, walk
from openvet_install.openvet.ahead import Ahead
from openvet_install.openvet.evidence import Clock, Evidence
from openvet_install.openvet.faults import LogInvalid, LogMissingError
from openvet_install.openvet.keys import parse_subject_key, subject_key
from openvet_install.openvet.source import Source, generation_of
from openvet_install.openvet.sshsig import openssh_fingerprint
from openvet_install.openvet.wire import AuditChange, Commit, KeyChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openvet_install.http import Fetcher
    from openvet_install.openvet.source import Beside
    from openvet_install.openvet.store import Store
    from openvet_install.openvet.subject import Subject
    from openvet_install.openvet.verdict import Audit

Progress = Callable[[int, int], None]
"""Called with (commits verified, commits to verify); the second grows while the first is 0."""

Relation = Literal["same", "extends", "stale", "forked"]

BYTES_REMEMBERED = 32 * 1024 * 1024
MANY_COMMITS = 2_000
"""From here on processes beside this one check signatures: their start is soon won back."""

_HEAD = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a walk has verified.

    `commits`, `keyset_changes` and `generation_roots` count what was walked now; `timestamp` is the
    head's time in Unix seconds, says its signer; `operators` holds the first key of each generation
    from 0 to that of the head (`SHA256:base64`), to be written down as the anchor.
    """

    head: str
    index: int
    generation: int
    commits: int
    keyset_changes: int
    generation_roots: int
    timestamp: int
    operators: tuple[str, ...]


class AuditCommit(NamedTuple):
    """A commit that inserted, updated or removed the audit of a subject; its time in Unix seconds."""

    name: str
    subject: Subject
    timestamp: int


class Log:
    """One log. Methods may be called from any thread; one at a time does its work.

    `signers` and `operators` are what people configured; `mirrors` are asked when the URL fails.
    `generation` is N of the URL's `?gen=N`, which is never sent.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        fetcher: Fetcher,
        store: Store,
        signers: tuple[str, ...] = (),
        operators: tuple[str, ...] = (),
        mirrors: tuple[str, ...] = (),
        beside: Beside | None = None,
    ) -> None:
        """Ask nothing yet; what `beside` has is taken from there.

        Raises `ConfigError` for a URL whose `gen` is not a number.
        """
        self.name = name
        self.url = url
        self.signers = signers
        self.operators = operators
        self.generation = generation_of(url)
        self._source = Source(url, mirrors, fetcher, store, beside)
        self._reader = walk.Reader(self._source, name)
        self._lock = threading.RLock()
        self._states: dict[bytes, chain.Trusted] = {}
        self._evidence: dict[bytes, Evidence] = {}
        self._clock: Clock | None = None
        self._walked: dict[bytes, set[bytes]] = {}
        self._walked_bytes = 0

    def served_head(self) -> str:
        """Return the head that the log's host serves now, 64 hex digits; nothing is verified.

        Raises `LogMissingError`, `UndecidedError` (69) or `LogInvalid` (65).
        """
        return self._source.head().hex()

    def mirror_heads(self) -> list[tuple[str, str | None, str]]:
        """Ask each mirror for the head that it serves: (where, head, cause); head None and why if it gave none."""
        told = self._source.mirror_heads()
        return [(where, None if head is None else head.hex(), cause) for where, head, cause in told]

    def verify(
        self, head: str, *, since: str | None, operators: tuple[str, ...], progress: Progress | None = None
    ) -> Verified:
        """Verify every commit and every audit that came in, from the anchor or from `since`, to `head`.

        `since` must be a head that an earlier walk of ours verified; None starts at the genesis.
        `operators` is the anchor as written down then; together with the configured one it decides
        which first keys of generations are accepted. Without any, the key of generation 0 is learned.
        Raises `LogInvalid` (its `rule` says which), `LogMissingError` for objects that are not there,
        `UndecidedError`.
        """
        target, base = _name(head), None if since is None else _name(since)
        with self._lock, self._fetching_ahead(base):
            accepted = self._accepted(operators)
            names = walk.collect(self._reader, target, base, progress)
            trusted = None if base is None else self._reader.trusted(base)
            if trusted is not None:
                accepted = self._known_operators(trusted.commit, accepted)
            seen = _Seen(self, accepted)
            if names:
                trusted, seen = self._replay(names, trusted, accepted, progress)
            if trusted is None:
                raise AssertionError  # a walk from the genesis has at least one commit
            self._source.store.flush()
            self._states[target] = trusted
            return Verified(
                head=target.hex(),
                index=trusted.commit.index,
                generation=trusted.commit.generation,
                commits=len(names),
                keyset_changes=seen.keyset_changes,
                generation_roots=seen.generation_roots,
                timestamp=trusted.commit.timestamp,
                operators=tuple(seen.operators[: trusted.commit.generation + 1]),
            )

    def relation(self, head: str, known: str) -> Relation:
        """Tell how `head` stands to `known`, a head of ours, by hashes; verifies nothing else.

        "stale": `head` is an ancestor of `known`, by skip pointers, which are right below a verified head;
        "forked": neither is an ancestor of the other.
        """
        new, old = _name(head), _name(known)
        if new == old:
            return "same"
        with self._lock:
            try:
                ours = self._reader.commit(old).commit
            except LogMissingError:
                ours = None
            base = None if ours is None else ours.position
            with self._fetching_ahead(None, base):
                place = self._reader.commit(new).commit.position
                if ours is not None and place < ours.position:
                    return "stale" if self._reader.below(old, ours, place) == new else "forked"
                return "extends" if self._leads(new, old, base) else "forked"

    def fork(self, head: str, known: str) -> LogInvalid:
        """Return the error (`not-append-only`) for a served head that does not extend the pin: where the two part."""
        with self._lock:
            return walk.fork(self._reader, _name(head), _name(known))

    def fork_seen(self, head: str, seen: str) -> LogInvalid:
        """As `fork`, for a head that does not extend one that was verified here before."""
        what = "forked: the served head does not extend the one seen before"
        with self._lock:
            return walk.fork(self._reader, _name(head), _name(seen), what=what, sides=("seen", "served"))

    def fork_of_mirror(self, mirror: str, head: str, served: str) -> LogInvalid:
        """As `fork`, for the head of a mirror that parts from what the log itself serves."""
        what = f"forked: {mirror} serves another history than {without_login(self.url)}"
        sides = ("the log serves", "the mirror")
        with self._lock:
            return walk.fork(self._reader, _name(head), _name(served), what=what, sides=sides)

    def message(self, head: str) -> str | None:
        """Return what the start of a verified head's generation says of itself, if anything."""
        with self._lock:
            name = _name(head)
            return self._reader.ancestor_at(name, self._reader.commit(name).commit, 0)[1].generation_message

    def package(self, head: str, name: str) -> tuple[Audit, ...]:
        """Return all audits of a PyPI package (name as audited, usually normalised) at a head of ours.

        `head` must have been verified, in this run or by an earlier walk. Every signature of every
        audit is verified in this run. Raises `LogInvalid`, `LogMissingError`, `UndecidedError`; an
        empty result is proven by the tree.
        """
        with self._lock, self._fetching_ahead(None):
            return self._at(head).package(name)

    def everything(self, head: str) -> tuple[Audit, ...]:
        """Return all audits at a verified head, each verified in this run. Meant for small logs."""
        with self._lock, self._fetching_ahead(None):
            return self._at(head).everything()

    def prepare(self, head: str, names: Iterable[str]) -> None:
        """Read and verify all audits of many packages at once; `package` then answers from memory.

        Costs one round trip per level of the tree and then as many requests at a time as the host allows.
        """
        with self._lock, self._fetching_ahead(None):
            self._at(head).prepare(names)

    def audits(self, head: str, subjects: Iterable[Subject]) -> tuple[Audit, ...]:
        """Return the audits of exactly these subjects at a verified head, of any registry; verified as `package`."""
        with self._lock, self._fetching_ahead(None):
            at = self._at(head)
            return tuple(audit for subject in subjects if (audit := at.audit(subject)) is not None)

    def by_digest(self, head: str) -> Mapping[str, tuple[Subject, ...]] | None:
        """Map `Subject.digest` to the subjects at a verified head, whatever their spelling.

        None for a log of more than 20,000 entries. Read once per head; no audits are fetched.
        """
        with self._lock, self._fetching_ahead(None):
            return self._at(head).by_digest()

    def walked_subjects(self, sha256: str) -> tuple[Subject, ...]:
        """Return the subjects with this sha256 (hex) that commits walked here brought in, now or earlier.

        Good for knowing where to look: what they say is read below a verified head. Those of earlier
        walks come from a table that may be lost, or from a bundle.
        """
        digest = bytes.fromhex(sha256)
        with self._lock:
            keys = self._walked.get(digest, set()).union(self._source.subjects(digest))
        return tuple(found for key in sorted(keys) if (found := _subject(key)) and found.sha256 == sha256)

    def expire_beyond(self, pin: str, now: int) -> None:
        """From here on, what came in after `pin` approves only by keys that are unexpired at `now` (Unix seconds)."""
        with self._lock:
            self._clock = Clock(self._reader.commit(_name(pin)).commit.position, now)
            self._evidence.clear()

    def commit(self, name: str) -> Commit:
        """Return a commit by name, hashed but not verified; for showing what is below a verified head."""
        with self._lock:
            return self._reader.commit(_name(name)).commit

    def changes(self, head: str, since: str) -> Iterator[AuditCommit]:
        """Yield the commits that changed an audit between two verified heads, newest first."""
        stop = _name(since)
        with self._lock:
            for name, commit in self._reader.back(_name(head)):
                if name == stop:
                    return
                if isinstance(commit.operation, AuditChange):
                    yield AuditCommit(name.hex(), commit.operation.subject, commit.timestamp)

    def expired(self, head: str, since: str, now: int) -> tuple[str, ...]:
        """Return the keys that signed what came in between two verified heads and have expired at `now` (Unix seconds).

        As `SHA256:base64`. Whoever has one of them and the host can date commits back.
        """
        stop = _name(since)
        with self._lock:
            keys = self._at(head).expired_keys(now)
            found: set[bytes] = set()
            for name, commit in self._reader.back(_name(head)) if keys else ():
                if name == stop:
                    break
                found.add(self._reader.commit(name).signer.digest)
                if isinstance(commit.operation, AuditChange) and commit.operation.audit:
                    found.update(one.key.fingerprint for one in self._reader.audit(commit.operation.audit).signatures)
        return tuple(sorted(map(openssh_fingerprint, found & keys)))

    def remember(self, subject: Subject) -> None:
        """Note a subject that a walked commit brought in."""
        if subject.sha256 is None:
            return
        digest, key = subject.hash.digest, subject_key(subject)
        self._source.store.note(self._source.key, digest, key)
        if self._walked_bytes < BYTES_REMEMBERED:
            self._walked.setdefault(digest, set()).add(key)
            self._walked_bytes += len(key)

    def hint(self, state: chain.Trusted, audit: bytes) -> None:
        """Keep where an audit came in, to find it again quickly."""
        self._source.store.hint(self._source.key, audit, state.commit.position, state.name)

    def _replay(
        self, names: list[bytes], trusted: chain.Trusted | None, accepted: tuple[str, ...], progress: Progress | None
    ) -> tuple[chain.Trusted, _Seen]:
        folder = self._source.store.folder
        if len(names) >= MANY_COMMITS and folder is not None:
            from openvet_install.openvet.attestors import Attestors, Unable  # noqa: PLC0415 - for long walks only

            with suppress(*Unable), Attestors(folder, self._reader.bring) as helpers:
                seen = _Seen(self, accepted)
                try:
                    found = walk.replay(self._reader, names, trusted, seen, progress, attest=helpers.attest)
                except (LogInvalid, UndecidedError):
                    if helpers.settled():
                        raise
                else:
                    if helpers.settled():
                        return found, seen
        seen = _Seen(self, accepted)
        return walk.replay(self._reader, names, trusted, seen, progress, attest=self._reader.attest), seen

    def _at(self, head: str) -> Evidence:
        name = _name(head)
        if name not in self._evidence:
            if name not in self._states:
                self._states[name] = self._reader.trusted(name)
            self._evidence[name] = Evidence(self.name, self._reader, self._states[name], self.signers, self._clock)
        return self._evidence[name]

    def _accepted(self, operators: tuple[str, ...]) -> tuple[str, ...]:
        for index, (one, two) in enumerate(zip(operators, self.operators, strict=False)):
            if one != two:
                what = f"{self.name}: the operator of generation {index} is configured as {two}, the lock says {one}"
                raise LogInvalid("operator-mismatch", what)
        return max(operators, self.operators, key=len)

    def _known_operators(self, commit: Commit, accepted: tuple[str, ...]) -> tuple[str, ...]:
        """Complete the anchor from below a verified head, where it has gaps."""
        if len(accepted) > commit.generation:
            return accepted
        found = self._reader.roots(commit)
        if found[: len(accepted)] != accepted:
            what = f"{self.name}: the operators written down are not those below its verified head"
            raise LogInvalid("operator-mismatch", what)
        return found

    def _leads(self, newer: bytes, older: bytes, place: tuple[int, int] | None) -> bool:
        for name, commit in self._reader.back(newer):
            if name == older:
                return True
            if place is not None and commit.position <= place:
                return False
        return False

    @contextmanager
    def _fetching_ahead(self, since: bytes | None, place: tuple[int, int] | None = None) -> Iterator[None]:
        if since is not None and place is None:
            try:
                place = self._reader.commit(since).commit.position
            except LogMissingError:
                place = None
        with Ahead(self._source, walk.follow(place)) as ahead:
            self._reader.ahead = ahead
            try:
                yield
            finally:
                self._reader.ahead = None


class _Seen:
    """Counts what a walk sees and holds the starts of generations to the anchor."""

    def __init__(self, log: Log, accepted: tuple[str, ...]) -> None:
        self._log = log
        self.operators = list(accepted)
        self._learns = not accepted
        self.keyset_changes = 0
        self.generation_roots = 0

    def __call__(self, state: chain.Trusted) -> None:
        commit = state.commit
        if commit.index == 0:
            self._generation(state)
        if isinstance(commit.operation, KeyChange):
            self.keyset_changes += commit.index > 0
        elif commit.operation.audit:
            self._log.hint(state, commit.operation.audit)
            self._log.remember(commit.operation.subject)

    def _generation(self, state: chain.Trusted) -> None:
        commit = state.commit
        found = walk.first_key(commit)
        self.generation_roots += commit.generation > 0
        if commit.generation < len(self.operators):
            expected = self.operators[commit.generation]
            if expected != found:
                what = f"the first key of generation {commit.generation} is {found}, expected is {expected}"
                fault = LogInvalid("operator-mismatch", what, hint="this is another log, or another owner's")
                raise chain.placed(fault, state.name, commit)
        elif commit.generation == 0 and self._learns:
            self.operators.append(found)
        else:
            what = f"it starts generation {commit.generation} with the key {found}, which nobody has accepted"
            listed = ", ".join(f'"{one}"' for one in (*self.operators, found))
            hint = (
                "whoever hosts the log can do this alone; if its owner confirms the key, write "
                f"operators = [{listed}] in [install.log.{self._log.name}]"
            )
            raise chain.placed(LogInvalid("generation-not-accepted", what, hint=hint), state.name, commit)


def _subject(key: bytes) -> Subject | None:
    try:
        return parse_subject_key(key)
    except LogInvalid:
        return None


def _name(head: str) -> bytes:
    if _HEAD.fullmatch(head) is None:
        raise LogInvalid("head-malformed", f"not the name of a commit: `{head[:80]}`")
    return bytes.fromhex(head)
