"""What the logs of all policies say, at the pinned and at the newest verified head (design, section 7).

Good news waits for the pin, bad news travels at once: a look at a served head is verified from the pin
before any of it counts. When a host is out of reach, the last look may stand in for `stale-after`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import TYPE_CHECKING

from openvet_install.decide import Evidence
from openvet_install.errors import ConfigError, InvalidError, UndecidedError
from openvet_install.gate.model import LogSeen, LogStopsError
from openvet_install.gate.once import Once
from openvet_install.openvet.pins import read_pins, read_walked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from openvet_install.config import LogSettings, PolicyFile
    from openvet_install.files import File
    from openvet_install.gate.state import Looks
    from openvet_install.http import Fetcher
    from openvet_install.openvet.log import Log
    from openvet_install.openvet.pins import Pin, Walked
    from openvet_install.openvet.store import Store
    from openvet_install.openvet.subject import Coordinate, Subject
    from openvet_install.openvet.verdict import Audit

OPENVET_LOCK = "openvet.lock"
INSTALL_LOCK = "openvet-install.lock"
UPDATE_HINT = "openvet-install update"


@dataclass(frozen=True, slots=True)
class _Package:
    """The audits of one package in one log at one head."""

    by_subject: dict[Subject, Audit]
    by_version: dict[str, tuple[Audit, ...]]

    @classmethod
    def of(cls, audits: Iterable[Audit]) -> _Package:
        by_version: dict[str, list[Audit]] = {}
        for audit in audits:
            by_version.setdefault(audit.subject.version, []).append(audit)
        return cls(
            {audit.subject: audit for found in by_version.values() for audit in found},
            {version: tuple(found) for version, found in by_version.items()},
        )


@dataclass(frozen=True)
class _Source:
    """One log of one policy, with its two verified heads."""

    scope: str
    settings: LogSettings
    make: Callable[[], Log]
    pin: str
    newest: str
    checked: datetime | None

    @cached_property
    def log(self) -> Log:
        """The client; made and imported when it is first asked, often while the tool starts already."""
        return self.make()

    @property
    def heads(self) -> tuple[str, ...]:
        return (self.pin,) if self.newest == self.pin else (self.pin, self.newest)


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
    ) -> None:
        """Nothing is read or asked before `open`."""
        self._policies = policies
        self._fetcher = fetcher
        self._store = store
        self._looks = looks
        self._now = now
        self._offline = offline
        self._sources: tuple[_Source, ...] = ()
        self._packages: Once[_Package] = Once()
        self._by_bytes: Once[Mapping[str, tuple[Subject, ...]]] = Once()
        self.warnings: list[str] = []

    @property
    def logs(self) -> tuple[LogSeen, ...]:
        """The logs that took part, for reports."""
        return tuple(
            LogSeen(
                scope=source.scope,
                name=source.settings.name,
                url=source.settings.url,
                head=source.pin,
                newest=source.newest,
                generation=source.log.commit(source.pin).generation,
                checked=source.checked,
            )
            for source in self._sources
        )

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

        Raises `ConfigError` (no pin, a pin of another URL, other operators) and `LogStopsError` (a fork, a
        commit that does not verify, out of reach for longer than `stale-after`).
        """
        jobs = [(policy, log, pin, walked) for policy in self._policies for log, pin, walked in _pinned(policy)]
        if not jobs:
            return
        with ThreadPoolExecutor(max_workers=min(8, len(jobs))) as pool:
            self._sources = tuple(pool.map(lambda job: self._opened(*job), jobs))

    def evidence(self, file: File) -> dict[str, Evidence]:
        """Return what the logs of each policy say of a file, by scope."""
        if not any(self._speaks(source, head, file) for source in self._sources for head in source.heads):
            return {}
        subject = file.subject
        if subject is None:
            return {}
        found: dict[str, Evidence] = {}
        for source in self._sources:
            before = found.get(source.scope, Evidence())
            pinned = self._package(source, source.pin, file.name).by_subject.get(subject)
            newest = self._package(source, source.newest, file.name).by_subject.get(subject)
            release = self._release(source, file.name, file.version)
            siblings = [audit for audit in release if audit.subject.hash != subject.hash]
            elsewhere = [audit for audit in release if audit.subject.hash == subject.hash]
            elsewhere += self._same_bytes(source, subject)
            found[source.scope] = Evidence(
                pinned=(*before.pinned, *((pinned,) if pinned else ())),
                newest=(*before.newest, *((newest,) if newest else ())),
                elsewhere=(*before.elsewhere, *(audit for audit in elsewhere if audit.subject != subject)),
                siblings=(*before.siblings, *siblings),
            )
        return found

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

    def versions(self, name: str) -> frozenset[str]:
        """Return the versions of a package that some pinned log has an audit of."""
        return frozenset(
            chain.from_iterable(self._package(source, source.pin, name).by_version for source in self._sources)
        )

    def _speaks(self, source: _Source, head: str, file: File) -> bool:
        """Tell whether a log says anything of the file's release or of its bytes; most files of a page: no."""
        if file.version in self._package(source, head, file.name).by_version:
            return True
        return file.sha256 is not None and file.sha256 in self._bytes(source, head)

    def _bytes(self, source: _Source, head: str) -> Mapping[str, tuple[Subject, ...]]:
        key = (source.scope, source.settings.name, head)
        return self._by_bytes.get(key, lambda: source.log.by_sha256(head) or {})

    def _release(self, source: _Source, name: str, version: str) -> list[Audit]:
        return [
            audit for head in source.heads for audit in self._package(source, head, name).by_version.get(version, ())
        ]

    def _same_bytes(self, source: _Source, subject: Subject) -> list[Audit]:
        found = []
        for head in source.heads:
            for other in self._bytes(source, head).get(subject.sha256 or "", ()):
                if other != subject:
                    audit = self._package(source, head, other.package).by_subject.get(other)
                    found += [audit] if audit else []
        return found

    def _package(self, source: _Source, head: str, name: str) -> _Package:
        return self._packages.get(
            (source.scope, source.settings.name, head, name), lambda: _Package.of(source.log.package(head, name))
        )

    def _opened(self, policy: PolicyFile, settings: LogSettings, pin: Pin, walked: Walked | None) -> _Source:
        try:
            return self._open(policy, settings, pin, walked)
        except (InvalidError, UndecidedError) as error:
            raise LogStopsError(settings.name, error) from error

    def _open(self, policy: PolicyFile, settings: LogSettings, pin: Pin, walked: Walked | None) -> _Source:
        operators = settings.operators or (walked.operators if walked else ())
        source = _Source(policy.scope, settings, partial(self._client, settings, operators), pin.head, pin.head, None)
        if walked is None:
            source.log.verify(pin.head, since=None, operators=operators)
        elif walked.walked != pin.head and source.log.relation(pin.head, walked.walked) != "stale":
            # Somebody else moved the pin: it counts only as far as we walk it ourselves (threat T62).
            source.log.verify(pin.head, since=walked.walked, operators=operators)
        return self._look(source, policy, operators)

    def _client(self, settings: LogSettings, operators: tuple[str, ...]) -> Log:
        from openvet_install.openvet.log import Log  # noqa: PLC0415 - heavy, and a fresh look needs none of it yet

        return Log(
            settings.name,
            settings.url,
            fetcher=self._fetcher,
            store=self._store,
            signers=settings.signers,
            operators=operators,
            mirrors=settings.mirrors,
        )

    def _look(self, source: _Source, policy: PolicyFile, operators: tuple[str, ...]) -> _Source:
        """Find the newest head: from a look that is young enough, else from the host."""
        last = self._looks.get(source.settings.url)
        young = last is not None and self._now - last.checked < policy.settings.check_every
        if last is not None and last.pin == source.pin and (young or self._offline):
            self._too_stale(source, policy, last.checked, None)
            if policy.settings.heads == "latest" and last.newest != source.pin:
                source.log.verify(last.newest, since=source.pin, operators=operators)
            return _settled(replace(source, newest=last.newest, checked=last.checked), policy)
        try:
            newest = self._newest(source, self._served(source), operators)
        except UndecidedError as error:
            checked = last.checked if last is not None else None
            self._too_stale(source, policy, checked, error)
            known = last.newest if last is not None and last.pin == source.pin else source.pin
            return replace(source, newest=known, checked=checked)
        self._looks.put(source.settings.url, pin=source.pin, newest=newest, checked=self._now)
        return _settled(replace(source, newest=newest, checked=self._now), policy)

    def _served(self, source: _Source) -> str:
        if self._offline:
            raise UndecidedError("offline")
        return source.log.served_head()

    def _newest(self, source: _Source, served: str, operators: tuple[str, ...]) -> str:
        if served == source.pin:
            return served
        relation = source.log.relation(served, source.pin)
        if relation == "stale":
            self.warnings.append(f"{source.settings.name} serves {served[:12]}, an older head than the pin")
            return source.pin
        source.log.verify(served, since=source.pin, operators=operators)
        return served

    def _too_stale(
        self, source: _Source, policy: PolicyFile, checked: datetime | None, error: UndecidedError | None
    ) -> None:
        name = source.settings.name
        limit = policy.settings.stale_after
        age = None if checked is None else self._now - checked
        if age is None or age > limit:
            since = "was never seen from here" if age is None else f"not seen for {age.days} days"
            cause = error.what if error is not None and not self._offline else None
            raise UndecidedError(f'{name} {since}, stale-after = "{_days(limit.total_seconds())}"', where=cause)
        if error is not None and checked is not None and not self._offline:
            self.warnings.append(
                f"{name} out of reach for {_ago((self._now - checked).total_seconds())}, "
                f"using its last verified head {source.pin[:12]}"
            )


def _settled(source: _Source, policy: PolicyFile) -> _Source:
    """With `heads = "latest"` the newest head, walked in this run, stands in for the pin."""
    return replace(source, pin=source.newest) if policy.settings.heads == "latest" else source


def _pinned(policy: PolicyFile) -> list[tuple[LogSettings, Pin, Walked | None]]:
    """Match the logs of a policy with its pins. Raises `ConfigError`."""
    if not policy.logs:
        return []
    pins = read_pins(policy.folder / OPENVET_LOCK)
    walked = read_walked(policy.folder / INSTALL_LOCK)
    for name in pins:
        if name not in policy.logs:
            raise ConfigError(
                f"`{name}` is pinned but no policy names it as a log", where=str(policy.folder / OPENVET_LOCK),
                hint=UPDATE_HINT,
            )  # fmt: skip
    found = []
    for name, settings in policy.logs.items():
        pin, seen = pins.get(name), walked.get(name)
        if pin is None:
            raise ConfigError(f"log `{name}` has no pin", where=settings.where, hint=UPDATE_HINT)
        if pin.url != settings.url:
            raise ConfigError(
                f"log `{name}` is pinned at another URL: {pin.url}", where=settings.where, hint=UPDATE_HINT
            )
        if seen is None and not settings.operators:
            raise ConfigError(f"log `{name}` was never verified here", where=settings.where, hint=UPDATE_HINT)
        if seen is not None and settings.operators and not _agree(settings.operators, seen.operators):
            raise ConfigError(
                f"log `{name}` has other operators in {INSTALL_LOCK} than the policy says", where=settings.where
            )
        found.append((settings, pin, seen))
    return found


def _agree(configured: tuple[str, ...], seen: tuple[str, ...]) -> bool:
    return all(mine == theirs for mine, theirs in zip(configured, seen, strict=False))


def _days(seconds: float) -> str:
    return f"{int(seconds // 86400)}d" if seconds >= 86400 else f"{int(seconds)}s"


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
