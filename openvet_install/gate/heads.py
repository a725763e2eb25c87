"""The two heads of every log of every policy: the pinned one and the newest that verifies (design, section 7).

A look at a served head is verified from the pin before any of it counts. When a host is out of reach, the
last look may stand in for `stale-after`, or a bundle: one more host, whose head is as old as its maker says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property, partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError, InvalidError, UndecidedError
from openvet_install.gate.bundles import BundleBehindError, BundleOldError
from openvet_install.gate.model import LogStopsError
from openvet_install.gate.together import together
from openvet_install.http import Nowhere, without_login
from openvet_install.openvet.faults import LogMissingError
from openvet_install.openvet.pins import read_pins, read_walked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openvet_install.config import LogSettings, PolicyFile
    from openvet_install.gate.bundles import Bundles
    from openvet_install.gate.state import Look, Looks
    from openvet_install.http import Fetcher
    from openvet_install.openvet.bundle import Bundle
    from openvet_install.openvet.log import Log
    from openvet_install.openvet.pins import Pin, Walked
    from openvet_install.openvet.source import Beside
    from openvet_install.openvet.store import Store

OPENVET_LOCK = "openvet.lock"
INSTALL_LOCK = "openvet-install.lock"
UPDATE_HINTS = {
    "project": "openvet-install update",
    "user": "openvet-install update --user",
    "machine": "openvet-install update --machine",
}
BUNDLE_HINT = "openvet-install bundle    where the logs are in reach"
NEVER = datetime.min.replace(tzinfo=timezone.utc)
"""When a head that is known from a bundle alone was last looked at."""
CLOCK_SLACK = timedelta(minutes=15)

Walking = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Source:
    """One log of one policy, with its two verified heads; `bundle` is what they and all else were read from, if any."""

    scope: str
    settings: LogSettings
    make: Callable[[], Log]
    pin: str
    newest: str
    checked: datetime | None
    bundle: Bundle | None = None

    def holds(self, name: str) -> bool:
        """Tell whether anything can be said about a package, in any spelling: a bundle covers some only."""
        return self.bundle is None or canonicalize_name(name) in self.bundle.packages

    @cached_property
    def log(self) -> Log:
        """The client; made and imported when it is first asked, often while the tool starts already."""
        return self.make()

    @property
    def heads(self) -> tuple[str, ...]:
        """The pinned head, then the newest one if it is another."""
        return (self.pin,) if self.newest == self.pin else (self.pin, self.newest)


def client(
    settings: LogSettings, operators: tuple[str, ...], fetcher: Fetcher, store: Store, beside: Beside | None = None
) -> Log:
    """Return the client of a log as it is configured; `operators` is the anchor that holds."""
    from openvet_install.openvet.log import Log  # noqa: PLC0415 - heavy, and a fresh look needs none of it yet

    return Log(
        settings.name,
        settings.url,
        fetcher=fetcher,
        store=store,
        signers=settings.signers,
        operators=operators,
        mirrors=settings.mirrors,
        beside=beside,
    )


def late(settings: LogSettings, timestamp: int, now: datetime) -> str | None:
    """Say that a log whose newest commit is older than `expect` may be held back by its host; else None."""
    if settings.expect is None:
        return None
    age = now.timestamp() - timestamp
    if age <= settings.expect.total_seconds():
        return None
    expected = _days(settings.expect.total_seconds())
    return f'{settings.name}: its newest commit is {ago(age)} old, expect = "{expected}"; its host may hide news'


class Heads:
    """Finds the heads of one run; `warnings` grows meanwhile."""

    def __init__(
        self, *, fetcher: Fetcher, store: Store, looks: Looks, now: datetime, offline: bool,
        watch: Walking | None = None, bundles: Bundles | None = None,
    ) -> None:  # fmt: skip
        """Nothing is read or asked before `open`; `watch` hears of (log, commits verified, commits to verify)."""
        self._fetcher = fetcher
        self._store = store
        self._looks = looks
        self._now = now
        self._offline = offline
        self._watch = watch
        self._bundles = bundles
        self.warnings: list[str] = []

    def open(self, policies: Sequence[PolicyFile]) -> tuple[tuple[Source, ...], LogStopsError | None]:
        """Find and verify the two heads of every log, all logs at the same time.

        Returns those that are good, and an error for all that are not: a fork, a commit that does not verify, out
        of reach for longer than `stale-after`. Raises `ConfigError` (no pin, a pin of another URL, other operators).
        """
        jobs = [(policy, log, pin, walked) for policy in policies for log, pin, walked in pinned(policy)]
        found, failed = together(lambda job: self._opened(*job), jobs)
        self.warnings.sort()
        told = [(getattr(error, "bundle", job[1].name), error) for job, error in failed]
        stops = LogStopsError(told) if told else None
        return tuple(source for _, source in found), stops

    def settled(self, scope: str, settings: LogSettings, head: str) -> Source:
        """Return a log at a head that this process has verified; its host is not looked at."""
        return Source(scope, settings, partial(client, settings, (), self._fetcher, self._store), head, head, None)

    def _opened(self, policy: PolicyFile, settings: LogSettings, pin: Pin, walked: Walked | None) -> Source:
        source = self._reached(policy, settings, pin, walked)
        if settings.expect is not None:
            told = late(settings, source.log.commit(source.newest).timestamp, self._now)
            self.warnings += [told] if told else []
        return source

    def _reached(self, policy: PolicyFile, settings: LogSettings, pin: Pin, walked: Walked | None) -> Source:
        """Ask the log, and where it and what is known of it here are no use, the bundle; offline the bundle at once."""
        bundle = self._bundle(policy) if self._offline else None
        try:
            return self._open(policy, settings, pin, walked, bundle)
        except UndecidedError as away:
            if self._offline or (bundle := self._bundle(policy)) is None:
                raise
            try:
                source = self._open(policy, settings, pin, walked, bundle)
            except (UndecidedError, BundleBehindError) as error:  # no use either: what happened is that the log is away
                away.hint = away.hint or error.hint
                raise away from None
        made = ago((self._now - bundle.made).total_seconds())
        self.warnings.append(f"{settings.name} out of reach, using {bundle.name}, made {made} ago")
        return source

    def _bundle(self, policy: PolicyFile) -> Bundle | None:
        return None if self._bundles is None else self._bundles.of(policy)

    def _open(
        self, policy: PolicyFile, settings: LogSettings, pin: Pin, walked: Walked | None, bundle: Bundle | None
    ) -> Source:
        operators = settings.operators or (walked.operators if walked else ())
        held = None if bundle is None else bundle.held(settings.url)
        if bundle is not None and held is None:
            if not self._looks.of(settings.url):
                raise UndecidedError(f"{bundle.name} holds nothing of log `{settings.name}`", hint=BUNDLE_HINT)
            bundle = None
        fetcher = self._fetcher if bundle is None else Nowhere(environ={})
        make = partial(client, settings, operators, fetcher, self._store, held)
        source = Source(policy.scope, settings, make, pin.head, pin.head, None, bundle)
        if walked is None:
            self._walk(source, pin.head, since=None, operators=operators)
        elif walked.walked != pin.head:
            if source.log.relation(pin.head, walked.walked) == "stale":
                return self._look(source, policy, operators, walked.walked)
            # Somebody else moved the pin: it counts only as far as we walk it ourselves (threat T62).
            self._walk(source, pin.head, since=walked.walked, operators=operators)
        return self._look(source, policy, operators, pin.head)

    def _walk(self, source: Source, head: str, *, since: str | None, operators: tuple[str, ...]) -> None:
        """Verify what leads to a head; whoever watches is told the end even where it fails."""
        name = source.settings.name
        progress = partial(self._watch, name) if self._watch is not None else None
        try:
            source.log.verify(head, since=since, operators=operators, progress=progress)
        finally:
            if self._watch is not None:
                self._watch(name, 1, 1)

    def _look(self, source: Source, policy: PolicyFile, operators: tuple[str, ...], known: str) -> Source:
        """Find the newest head: from a look that is young enough, else from the host. `known` is the pin or extends it.

        A host that serves what is older than what we know has not been seen again, and nothing that we know is
        forgotten because of it (threat T66).
        """
        seen = self._looks.of(source.settings.url)
        looks = [one for one in seen if one.checked <= self._now]  # else young for ever; a no from then still counts
        checked = max((one.checked for one in looks if one.checked != NEVER), default=None)
        young = checked is not None and self._now - checked < policy.settings.check_every
        newer = source.bundle is not None and (checked is None or source.bundle.made > checked)
        last = next(iter(looks), None)
        fits = last is not None and last.pin == source.pin and known in (source.pin, last.newest)
        if last is not None and fits and (young or self._offline) and not newer:
            self._too_stale(source, policy, checked, None)
            if policy.settings.heads == "latest" and last.newest != source.pin:
                self._walk(source, last.newest, since=source.pin, operators=operators)
            return self._latest(replace(source, newest=last.newest, checked=checked), policy)
        for one in seen:
            if self._counts(source, one, known, operators):
                known = one.newest
        if source.bundle is not None:
            return self._bundled(source, policy, operators, known, checked)
        try:
            newest, stale = self._newest(source, self._served(source), known, operators)
        except UndecidedError as error:
            self._too_stale(source, policy, checked, None if self._offline else error.what)
            if checked is not None and not self._offline:
                away = ago((self._now - checked).total_seconds())
                told = f"{source.settings.name} out of reach for {away}, using its last verified head {source.pin[:12]}"
                self.warnings.append(told)
            return replace(source, newest=known, checked=checked)
        if stale is not None:
            self._too_stale(source, policy, checked or self._now, stale)
            self.warnings.append(f"{source.settings.name} {stale}")
        checked = checked if stale is not None and checked is not None else self._now
        self._looks.put(source.settings.url, pin=source.pin, newest=newest, checked=checked)
        return self._latest(replace(source, newest=newest, checked=checked), policy)

    def _bundled(
        self, source: Source, policy: PolicyFile, operators: tuple[str, ...], known: str, checked: datetime | None
    ) -> Source:
        """As the end of `_look`, with the head of a bundle; it must be the pin or extend it.

        What it says of its age never makes another run, or another project, look at a host any later.
        """
        bundle, held = source.bundle, source.bundle and source.bundle.held(source.settings.url)
        if bundle is None or held is None:
            raise AssertionError  # `_open` has looked
        self._refuse_old(bundle, policy)
        served = held.head.hex()
        _refuse_astray(source, bundle.name, served)
        newest, stale = self._newest(source, served, known, operators)
        if stale is not None:  # a look of this machine knows more: only its own age counts
            self._too_stale(source, policy, checked, f"{bundle.name} {stale}")
            return self._latest(replace(source, newest=newest, checked=checked), policy)
        self._looks.put(source.settings.url, pin=source.pin, newest=newest, checked=checked or NEVER)
        return self._latest(replace(source, newest=newest, checked=bundle.made), policy)

    def _refuse_old(self, bundle: Bundle, policy: PolicyFile) -> None:
        if bundle.made > self._now + CLOCK_SLACK:
            when = bundle.made.isoformat(timespec="minutes")
            raise BundleOldError(bundle.name, f"says that it was made on {when}, which is still to come")
        age, limit = self._now - bundle.made, policy.settings.stale_after
        if age > limit:
            told = f'is {ago(age.total_seconds())} old, stale-after = "{_days(limit.total_seconds())}"'
            raise BundleOldError(bundle.name, told)

    def _counts(self, source: Source, last: Look, known: str, operators: tuple[str, ...]) -> bool:
        """Tell whether a look tells of news: one from this pin does, one from another pin if it can be verified.

        One that can, but parts from what is `known`, proves that the log is forked.
        """
        if last.newest in (source.pin, known):
            return False
        if last.pin == source.pin == known:
            return True
        try:
            if source.log.relation(last.newest, source.pin) != "extends":
                return False
            relation = source.log.relation(last.newest, known)
            if relation != "stale":
                source.log.verify(last.newest, since=source.pin, operators=operators)
        except (InvalidError, UndecidedError):
            return False
        if relation == "forked":
            raise self._looks.forgettable(source.log.fork_seen(last.newest, known))
        return relation == "extends"

    def _latest(self, source: Source, policy: PolicyFile) -> Source:
        """With `heads = "latest"` the newest head, walked in this run, stands in for the pin.

        What is beyond the pin approves only by keys that are unexpired by our clock (threat T70).
        """
        if policy.settings.heads != "latest" or source.newest == source.pin:
            return source
        settled = replace(source, pin=source.newest)
        settled.log.expire_beyond(source.pin, int(self._now.timestamp()))
        return settled

    def _served(self, source: Source) -> str:
        if self._offline:
            raise UndecidedError("offline")
        return source.log.served_head()

    def _newest(self, source: Source, served: str, known: str, operators: tuple[str, ...]) -> tuple[str, str | None]:
        """Return the newest head that verifies, and what to say of a host that serves an older one."""
        if served == known == source.pin:
            return served, None
        source.log.commit(known)  # without it nothing can be said about `served`
        relation = source.log.relation(served, known)
        if relation == "forked":
            if known == source.pin:
                raise source.log.fork(served, known)
            raise self._looks.forgettable(source.log.fork_seen(served, known))
        newest = known if relation == "stale" else served
        self._walk(source, newest, since=source.pin, operators=operators)
        if relation != "stale":
            return newest, None
        than = "the pin" if known == source.pin else f"{known[:12]}, which was seen before"
        return newest, f"serves {served[:12]}, an older head than {than}"

    def _too_stale(self, source: Source, policy: PolicyFile, checked: datetime | None, cause: str | None) -> None:
        name, limit = source.settings.name, policy.settings.stale_after
        age = None if checked is None else self._now - checked
        if age is None or age > limit:
            since = "was never seen from here" if age is None else f"not seen for {ago(age.total_seconds())}"
            hint = BUNDLE_HINT if self._offline and age is None else None
            raise UndecidedError(
                f'{name} {since}, stale-after = "{_days(limit.total_seconds())}"', where=cause, hint=hint
            )


def _refuse_astray(source: Source, bundle: str, served: str) -> None:
    """Refuse the head of a bundle that is neither the pin nor extends it."""
    where = f"pinned {source.pin[:12]}, in the bundle {served[:12]}"
    try:
        source.log.commit(source.pin)
        relation = source.log.relation(served, source.pin)
    except LogMissingError as error:
        raise BundleBehindError(f"{bundle} does not lead to the pin", where=where, hint=BUNDLE_HINT) from error
    if relation == "forked":
        raise source.log.fork(served, source.pin)
    if relation == "stale":
        raise BundleBehindError(f"{bundle} is older than the pin", where=where, hint=BUNDLE_HINT)


def pinned(policy: PolicyFile) -> list[tuple[LogSettings, Pin, Walked | None]]:
    """Match the logs of a policy with its pins. Raises `ConfigError`."""
    if not policy.logs:
        return []
    read = policy.files.read if policy.files is not None else None
    pins = read_pins(policy.folder / OPENVET_LOCK, read)
    walked = read_walked(policy.folder / INSTALL_LOCK, read)
    _refuse_unknown(pins, policy)
    found, hint = [], UPDATE_HINTS[policy.scope]
    for name, settings in policy.logs.items():
        pin, seen = pins.get(name), walked.get(name)
        if pin is None:
            raise ConfigError(f"log `{name}` has no pin", where=settings.where, hint=hint)
        if pin.url != settings.url:
            raise ConfigError(
                f"log `{name}` is pinned at another URL: {without_login(pin.url)}", where=settings.where, hint=hint
            )
        if seen is None and not settings.operators:
            raise ConfigError(f"log `{name}` was never verified here", where=settings.where, hint=hint)
        if seen is not None and settings.operators and not _agree(settings.operators, seen.operators):
            raise ConfigError(
                f"log `{name}` has other operators in {INSTALL_LOCK} than the policy says", where=settings.where
            )
        found.append((settings, pin, seen))
    return found


def _refuse_unknown(names: Iterable[str], policy: PolicyFile) -> None:
    for name in names:
        if name not in policy.logs:
            where = str(policy.folder / OPENVET_LOCK)
            hint = UPDATE_HINTS[policy.scope]
            raise ConfigError(f"`{name}` is pinned but no policy names it as a log", where=where, hint=hint)


def _agree(configured: tuple[str, ...], seen: tuple[str, ...]) -> bool:
    return all(mine == theirs for mine, theirs in zip(configured, seen, strict=False))


def _days(seconds: float) -> str:
    return f"{int(seconds // 86400)}d" if seconds >= 86400 else f"{int(seconds)}s"


def ago(seconds: float) -> str:
    """Return a length of time in words: the largest unit that fits."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
