"""What the logs of all policies say of a file, at the pinned and at the newest verified head (design, section 7).

Approvals match a subject exactly. A no is looked for by the hash of the bytes, whatever name, version or
variant it was filed under: in a small log among all entries; in a large one in the ranges of the name's
spellings and among the subjects that came in with commits walked here, now or earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.carry import Original, comparable, exact, named
from openvet_install.decide import Evidence
from openvet_install.files import release_of
from openvet_install.gate.bundles import NotHeldError
from openvet_install.gate.heads import Heads
from openvet_install.gate.model import LogSeen
from openvet_install.gate.once import Once
from openvet_install.gate.spelled import by_name, public_release, spellings
from openvet_install.gate.together import together
from openvet_install.http import without_login
from openvet_install.openvet.pins import CLOCK_SLACK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from openvet_install.config import PolicyFile
    from openvet_install.files import File
    from openvet_install.gate.bundles import Bundles
    from openvet_install.gate.heads import Source, Walking
    from openvet_install.gate.state import Looks
    from openvet_install.http import Fetcher
    from openvet_install.openvet.log import AuditCommit
    from openvet_install.openvet.store import Store
    from openvet_install.openvet.subject import Coordinate, Subject
    from openvet_install.openvet.verdict import Audit


class _Package(NamedTuple):
    """The audits of one package in one log at one head; `by_version` has equal versions under one spelling."""

    by_subject: dict[Subject, Audit]
    by_version: dict[str, tuple[Audit, ...]]
    by_digest: dict[str, tuple[Audit, ...]]

    @classmethod
    def of(cls, audits: Iterable[Audit]) -> _Package:
        found = tuple(audits)
        by_version: dict[str, tuple[Audit, ...]] = {}
        by_digest: dict[str, tuple[Audit, ...]] = {}
        for audit in found:
            release = release_of(audit.subject.version)
            by_version[release] = (*by_version.get(release, ()), audit)
            digest = audit.subject.digest
            by_digest[digest] = (*by_digest.get(digest, ()), audit)
        return cls({audit.subject: audit for audit in found}, by_version, by_digest)


class Knowledge:
    """The evidence of one run; `open` verifies heads, the rest reads below them. Safe for threads."""

    def __init__(
        self,
        policies: Sequence[PolicyFile],
        *,
        fetcher: Fetcher,
        store: Store,
        looks: Looks,
        now: datetime,
        offline: bool = False,
        watch: Walking | None = None,
        bundles: Bundles | None = None,
    ) -> None:
        """Nothing is read or asked before `open`, whose walks `watch` may hear of."""
        self._policies = policies
        self._finder = Heads(
            fetcher=fetcher, store=store, looks=looks, now=now, offline=offline, watch=watch, bundles=bundles
        )
        self._sources: tuple[Source, ...] = ()
        self._asked: Once[object] = Once()
        self._packages: Once[_Package] = Once()
        self._by_bytes: Once[Mapping[str, tuple[Subject, ...]] | None] = Once()
        self._by_name: Once[Mapping[str, list[Subject]]] = Once()
        self._others: Once[frozenset[str]] = Once()

    def settle(self, heads: Mapping[str, str]) -> None:
        """Instead of `open`: take these heads, by the log's name; this process has verified them."""
        self._sources = tuple(
            self._finder.settled(policy.scope, settings, heads[name])
            for policy in self._policies
            for name, settings in policy.logs.items()
            if name in heads
        )

    @property
    def warnings(self) -> list[str]:
        """What people should hear about the logs, in no case a reason to stop."""
        return self._finder.warnings

    @property
    def logs(self) -> tuple[LogSeen, ...]:
        """The logs that took part, for reports."""
        return tuple(
            LogSeen(
                scope=source.scope,
                name=source.settings.name,
                url=without_login(source.settings.url),
                head=source.pin,
                newest=source.newest,
                generation=source.log.commit(source.pin).generation,
                checked=source.checked,
            )
            for source in self._sources
        )

    def ahead(self, now: datetime) -> list[str]:
        """Say which logs are ahead of `now`: by a clock that was set back, what has ended would go on (threat T59)."""
        latest = now.timestamp() + CLOCK_SLACK_SECONDS
        names = sorted({source.settings.name for source, made in self.newest if made > latest})
        day = now.date().isoformat()
        return [f"{name}: the newest commit is dated in the future, as the clock here says {day}" for name in names]

    @property
    def newest_commit(self) -> int | None:
        """When the newest commit of all logs was made, say their signers (Unix seconds); None without logs."""
        return max((timestamp for _, timestamp in self.newest), default=None)

    @property
    def newest(self) -> tuple[tuple[Source, int], ...]:
        """The logs that took part, each with the time of its newest commit, as its signer says (Unix seconds)."""
        return tuple((source, source.log.commit(source.newest).timestamp) for source in self._sources)

    @property
    def heads(self) -> tuple[str, ...]:
        """What changes whenever a log says something else: one line per log."""
        return tuple(f"{one.scope} {one.settings.url} {one.pin} {one.newest}" for one in self._sources)

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of the logs that are asked, sorted."""
        return tuple(sorted({source.settings.name for source in self._sources}))

    def open(self) -> None:
        """Find and verify the two heads of every log, all logs at the same time.

        Raises `ConfigError` and `LogStopsError` as `Heads.open` tells; then only `logs`, those that are good, may be
        asked.
        """
        self._sources, stops = self._finder.open(self._policies)
        if stops is not None:
            raise stops

    def evidence(self, file: File) -> dict[str, Evidence]:
        """Return what the logs of each policy say of a file, by scope; empty if they say nothing of it."""
        if file.sha256 is None:
            return {}
        self._ask_all(file.name)
        told = [
            (source, same) for source in self._sources if (same := self._told(source, file, file.sha256)) is not None
        ]
        subject = file.subject if told else None
        if subject is None:
            return {}
        found: dict[str, Evidence] = {}
        for source, elsewhere in told:
            before = found.get(source.scope, Evidence())
            pinned = self._package(source, source.pin, file.name).by_subject.get(subject)
            newest = self._package(source, source.newest, file.name).by_subject.get(subject)
            siblings = [audit for audit in self._release(source, file) if audit.subject.hash != subject.hash]
            found[source.scope] = Evidence(
                pinned=(*before.pinned, *((pinned,) if pinned else ())),
                newest=(*before.newest, *((newest,) if newest else ())),
                elsewhere=(*before.elsewhere, *(audit for audit in elsewhere if audit.subject != subject)),
                siblings=(*before.siblings, *siblings),
            )
        return found

    def originals(self, file: File) -> list[Original]:
        """Return the other audited files of a file's public version that policies which carry know, in order."""
        carrying = {one.scope for one in self._policies if one.settings.carry == "content"}
        sources = [source for source in self._sources if source.scope in carrying]
        release = public_release(file.version)
        found: dict[Subject, set[str]] = {}
        for source in sources:
            for head in source.heads:
                for subject in self._spelled(source, head, file):
                    if comparable(file, subject) and public_release(subject.version) == release:
                        found.setdefault(subject, set()).add(source.scope)
        return [
            Original(subject, {scope: self._said(subject, scope) for scope in sorted(found[subject])})
            for subject in sorted(found, key=str)
        ]

    def _said(self, subject: Subject, scope: str) -> Evidence:
        """Return what the logs of one policy say of exactly this subject, and of its bytes under other ones.

        Of a subject that is spelled otherwise than files are only a no counts.
        """
        file = named(subject)
        pinned, newest, elsewhere = [], [], []
        for source in self._sources:
            if source.scope == scope:
                pinned.append(self._package(source, source.pin, subject.package).by_subject.get(subject))
                newest.append(self._package(source, source.newest, subject.package).by_subject.get(subject))
                same = self._told(source, file, file.sha256 or "") or ()
                elsewhere += [audit for audit in same if audit.subject != subject]
        own = [tuple(one for one in found if one is not None) for found in (pinned, newest)]
        if not exact(subject):
            return Evidence(elsewhere=(*own[0], *own[1], *elsewhere))
        return Evidence(pinned=own[0], newest=own[1], elsewhere=tuple(elsewhere))

    def _spelled(self, source: Source, head: str, file: File) -> Iterable[Subject]:
        """Return the subjects of a file's package, in any spelling of its name that is read."""
        small = self._small(source, head)
        if small is not None:
            key = (source.scope, source.settings.name, head)
            return self._by_name.get(key, lambda: by_name(small)).get(file.name, ())
        names = (file.name, *spellings(file.name, file.filename))
        return [subject for name in names for subject in self._package(source, head, name).by_subject]

    def prepare(self, names: Iterable[str]) -> None:
        """Read all that the logs say of many packages (normalised names) at once, all logs at the same time."""
        wanted = sorted(set(names))
        if len(wanted) < 2 or not self._sources:
            return
        _, failed = together(lambda source: self._prepare(source, wanted), self._sources)
        for _, error in failed:
            raise error

    def _prepare(self, source: Source, names: list[str]) -> None:
        held = [name for name in names if source.holds(name)]
        for head in source.heads:
            source.log.prepare(head, held)

    def changes(self, log: str, head: str, since: str) -> Iterator[AuditCommit]:
        """Yield the commits of a log that changed an audit after `since`, newest first."""
        for source in self._sources:
            if source.settings.name == log:
                yield from source.log.changes(head, since)

    def withdrawal(self, file: File) -> tuple[str, str, int] | None:
        """Return who took back what the pin says of a file: log, commit in hex, its time in Unix seconds."""
        for source in self._sources:
            if source.newest != source.pin:
                for change in source.log.changes(source.newest, source.pin):
                    if file.sha256 is not None and change.subject.sha256 == file.sha256:
                        return source.settings.name, change.name, change.timestamp
        return None

    def sole_sha256(self, coordinate: Coordinate) -> str | None:
        """Return the hash of the only audited file of a coordinate; None if there is none or are several."""
        found = {
            subject.sha256
            for source in self._sources
            for head in source.heads
            for subject in self._package(source, head, coordinate.package).by_subject
            if subject.coordinate == coordinate
        }
        return found.pop() if len(found) == 1 else None

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a package that any log has an approving audit of, at its pinned head."""
        found = {
            audit.subject.version
            for source in self._sources
            for audit in self._package(source, source.pin, name).by_subject.values()
            if audit.approves
        }
        return tuple(sorted(found))

    def bytes_of(self, names: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield (name, `Subject.digest`) of what logs that are read whole know of packages, in any spelling."""
        for source in self._sources:
            for head in source.heads:
                for digest, subjects in (self._small(source, head) or {}).items():
                    for name in {str(canonicalize_name(one.package)) for one in subjects}.intersection(names):
                        yield name, digest

    def audited(self, name: str) -> frozenset[str]:
        """Return the sha256 (lower-case hex) of a package's files of which some log says anything, at either head."""
        return frozenset(
            digest
            for source in self._sources
            for head in source.heads
            for digest in self._package(source, head, name).by_digest
            if ":" not in digest
        )

    def other_digests(self, file: File) -> frozenset[str]:
        """Return what is not a sha256 among the digests of the files that the logs know, as `alg:hex`.

        All of a log that is read whole, of others those of the file's package, however it is spelled there.
        """
        self._ask_all(file.name)
        found = (self._other(source, head, file) for source in self._sources for head in source.heads)
        return frozenset().union(*found)

    def _other(self, source: Source, head: str, file: File) -> frozenset[str]:
        small = self._small(source, head)
        if small is not None:
            key = (source.scope, source.settings.name, head)
            return self._others.get(key, lambda: frozenset(one for one in small if ":" in one))
        names = (file.name, *spellings(file.name, file.filename))
        return frozenset(one for name in names for one in self._package(source, head, name).by_digest if ":" in one)

    def variants(self, name: str, version: str, sha256: str) -> tuple[str, ...]:
        """Return the variants under which the logs know these bytes of a release."""
        found = {
            audit.subject.variant
            for source in self._sources
            for head in source.heads
            for audit in self._package(source, head, name).by_digest.get(sha256, ())
            if audit.subject.version == version
        }
        return tuple(sorted(one for one in found if one))

    def _ask_all(self, name: str) -> None:
        """Let all logs look for a package at the same time; what fails there fails again where it is needed."""
        if len(self._sources) > 1:
            self._asked.get(name, lambda: together(lambda source: self._load(source, name), self._sources))

    def _load(self, source: Source, name: str) -> None:
        for head in source.heads:
            self._small(source, head)
            self._package(source, head, name)

    def _told(self, source: Source, file: File, sha256: str) -> list[Audit] | None:
        """Return the audits of a file's bytes at either head; None if the log says nothing of its release either."""
        same = [audit for head in source.heads for audit in self._same_bytes(source, head, file, sha256)]
        release = release_of(file.version)
        if same or any(release in self._package(source, head, file.name).by_version for head in source.heads):
            return same
        return None

    def _same_bytes(self, source: Source, head: str, file: File, sha256: str) -> Iterable[Audit]:
        digests = (sha256, *file.digests)
        own = [audit for one in digests for audit in self._package(source, head, file.name).by_digest.get(one, ())]
        subjects = self._small(source, head)
        if subjects is not None:
            known = {audit.subject for audit in own}
            others = [subject for one in digests for subject in subjects.get(one, ()) if subject not in known]
            return (*own, *source.log.audits(head, others)) if others else own
        found = {audit.subject: audit for audit in own}
        for name in spellings(file.name, file.filename):
            for one in digests:
                for audit in self._package(source, head, name).by_digest.get(one, ()):
                    found[audit.subject] = audit
        others = [subject for subject in source.log.walked_subjects(sha256) if subject not in found]
        return (*found.values(), *(source.log.audits(head, others) if others else ()))

    def _small(self, source: Source, head: str) -> Mapping[str, tuple[Subject, ...]] | None:
        key = (source.scope, source.settings.name, head)
        return self._by_bytes.get(key, lambda: source.log.by_digest(head))

    def _release(self, source: Source, file: File) -> list[Audit]:
        return [
            audit
            for head in source.heads
            for audit in self._package(source, head, file.name).by_version.get(release_of(file.version), ())
        ]

    def _package(self, source: Source, head: str, name: str) -> _Package:
        if source.bundle is not None and not source.holds(name):
            raise NotHeldError(source.bundle.name, name)
        return self._packages.get(
            (source.scope, source.settings.name, head, name), lambda: _Package.of(source.log.package(head, name))
        )
