"""The way to green: which releases of the locks are silent, and what could be done about them."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from openvet_install.config.baseline import Silent
from openvet_install.decide import Decision, Reason, ReasonClass
from openvet_install.errors import UndecidedError
from openvet_install.gate import hashed
from openvet_install.gate.browse import Place
from openvet_install.gate.deciding import Deciding
from openvet_install.gate.heads import client
from openvet_install.gate.judge import is_requirements, judge_files
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.opening import knowledge_of
from openvet_install.gate.outcome import Fit
from openvet_install.gate.state import Looks, usable_folders
from openvet_install.http import Fetcher
from openvet_install.installers.locks import Wanted, read_lock, select_for
from openvet_install.openvet.pins import advance
from openvet_install.openvet.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from openvet_install.config import LogSettings, PolicyFile
    from openvet_install.files import File
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.locks import Lock
    from openvet_install.installers.target import Target


CONTENT = "content"


class Found(NamedTuple):
    """A release of a lock that is not approved: the decision that speaks for it, and all its files.

    `cover` is what a baseline may hold, None for a no. `runtime`: it is installed without any group.
    """

    decision: Decision
    files: tuple[Decision, ...]
    cover: Silent | None
    runtime: bool
    place: str
    audited: tuple[str, ...] = ()
    """Versions of the package that somebody whom the policy trusts has audited."""


def survey(paths: Sequence[Path], chosen: Setting, target: Target, environ: Mapping[str, str]) -> list[Found]:
    """Return the releases of the locks that are not approved, baseline left aside; sorted by name.

    Raises what reading locks and opening logs raises.
    """
    bare = chosen._replace(policies=tuple(replace(one, baseline=()) for one in chosen.policies))
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(environ, []))
        knowledge = knowledge_of(bare, environ, folders, stack)
        return _survey(knowledge, Place(environ, folders, stack).deciding(knowledge, bare), paths, target, environ)


def covered(
    found: Sequence[Found], paths: Sequence[Path], chosen: Setting, target: Target, environ: Mapping[str, str]
) -> Candidate | None:
    """Say what of the silent releases would be cleared if every policy let audits carry by content.

    Files are got only of releases of which somebody audited another file; None if they are out of reach. Raises what
    `survey` raises.
    """
    if all(one.settings.carry == CONTENT for one in chosen.judging):
        return Candidate.of(found, found)
    policies = tuple(_carrying(replace(one, baseline=())) for one in chosen.policies)
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(environ, []))
        by = chosen._replace(policies=policies)
        knowledge = knowledge_of(by, environ, folders, stack)
        deciding = Place(environ, folders, stack, Fit.of(target).__call__).deciding(knowledge, by)
        with suppress(UndecidedError):
            return Candidate.of(found, _survey(knowledge, deciding, paths, target, environ))
    return None


def _carrying(policy: PolicyFile) -> PolicyFile:
    return replace(policy, settings=replace(policy.settings, carry=CONTENT))


def _survey(
    knowledge: Knowledge, deciding: Deciding, paths: Sequence[Path], target: Target, environ: Mapping[str, str]
) -> list[Found]:
    found: dict[tuple[str, str], Found] = {}
    for path in paths:
        whole = _requirements(path, knowledge, deciding, target, environ) if is_requirements(path) else None
        for one in whole if whole is not None else _lock(read_lock(path), knowledge, deciding, target):
            name = one.decision.file.name
            told = one._replace(audited=knowledge.versions(name))
            found.setdefault((name, one.decision.file.version), told)
    return [found[key] for key in sorted(found)]


def _lock(lock: Lock, knowledge: Knowledge, deciding: Deciding, target: Target) -> Iterator[Found]:
    here = {(id(one.package), one.file.url) for one in select_for(lock, target).files}
    lean = {id(one.package) for one in select_for(lock, target, Wanted(groups=frozenset())).files}
    packages = [one for one in lock.packages if one.source.kind == "registry" and one.files]
    knowledge.prepare(one.name for one in packages)
    for package in packages:
        decisions = judge_files(package.files, deciding, frozenset({package.files[0].version}))
        selected = [one for one in decisions if (id(package), one.file.url) in here]
        if selected:
            spoken = max(selected, key=lambda one: list(ReasonClass).index(one.reason.klass))
        else:
            spoken = max(decisions, key=lambda one: (one.reason.klass is ReasonClass.FINE, one.file.is_wheel))
        if (one := _found(spoken, decisions, runtime=id(package) in lean, place=lock.where(package))) is not None:
            yield one


def _found(spoken: Decision, decisions: Sequence[Decision], *, runtime: bool, place: str) -> Found | None:
    bad = [one for one in decisions if one.reason.klass in (ReasonClass.NO, ReasonClass.BROKEN)]
    if bad:
        speaks = spoken if spoken in bad else bad[0]
        return Found(decision=speaks, files=tuple(decisions), cover=None, runtime=runtime, place=place)
    if spoken.reason.klass is not ReasonClass.SILENCE:
        return None
    wheels = [one for one in decisions if not one.file.is_sdist]
    sdist = spoken.file.is_sdist or not wheels
    silent = [one for one in decisions if one.reason.klass is ReasonClass.SILENCE and (sdist or one in wheels)]
    hashes = frozenset(one.file.sha256 for one in silent if one.file.sha256)
    file = spoken.file
    cover = Silent(package=file.name, version=file.version, hashes=hashes, sdist=sdist) if hashes else None
    return Found(decision=spoken, files=tuple(decisions), cover=cover, runtime=runtime, place=place)


def _requirements(
    path: Path, knowledge: Knowledge, deciding: Deciding, target: Target, environ: Mapping[str, str]
) -> Iterator[Found]:
    requested = [one for one in hashed.read_hashed(path, environ) if hashed.applies(one, target.environment)]
    knowledge.prepare(hashed.release_of(one)[0] for one in requested)
    for one in requested:
        spoken = hashed.judge(path, one, knowledge, deciding).decision
        decisions = hashed.decisions(path, one, knowledge, deciding)
        if (found := _found(spoken, decisions, runtime=True, place=one.origin)) is not None:
            yield found


# -- what to audit next


class Suggestion(NamedTuple):
    """A file worth an audit. `size` in bytes or None; `delta` an older release that is approved."""

    file: File
    runtime: bool
    size: int | None
    delta: str | None


def suggestions(found: Sequence[Found]) -> list[Suggestion]:
    """Order what could be audited: runtime before the rest, a delta before a whole, the smallest first."""
    told = []
    for one in found:
        if not _auditable(one):
            continue
        file = one.decision.file
        older = [text for text in one.audited if Version(text) < Version(file.version)]
        told.append(
            Suggestion(file=file, runtime=one.runtime, size=file.size, delta=max(older, key=Version, default=None))
        )
    return sorted(told, key=lambda one: (not one.runtime, one.delta is None, one.size or 1 << 62, one.file.name))


class Candidate(NamedTuple):
    """What a log that nobody pinned would say of the silent releases: how many it clears, and those it contradicts."""

    approved: int
    runtime: int
    contradicted: tuple[str, ...]

    @classmethod
    def of(cls, found: Sequence[Found], left: Sequence[Found]) -> Candidate:
        """Compare what is silent now with what the log alone would leave."""
        still = {_key(one) for one in left}
        silent = [one for one in found if _auditable(one)]
        cleared = [one for one in silent if _key(one) not in still]
        worse = [f"{name} {version}" for one in left if one.cover is None for name, version in [_key(one)]]
        return cls(len(cleared), sum(one.runtime for one in cleared), tuple(worse))


def candidate(
    settings: LogSettings,
    found: Sequence[Found],
    *,
    paths: Sequence[Path],
    chosen: Setting,
    target: Target,
    environ: Mapping[str, str],
) -> tuple[Candidate, Candidate | None]:
    """Walk one log from its beginning and judge by it alone: as it is, and with audits that carry by content.

    The second is None if files to compare are out of reach. Nothing is pinned, nothing remembered as trusted.
    Raises what verification raises.
    """
    last = chosen.policies[-1]
    lone = _carrying(replace(last, logs={settings.name: settings}, baseline=()))
    alone = chosen._replace(policies=(lone,), modes={last.scope: chosen.modes[last.scope]})
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(environ, []))
        fetcher = stack.enter_context(Fetcher(environ=environ))
        store = stack.enter_context(Store(folders.cache / "objects"))
        log = client(settings, settings.operators, fetcher, store)
        watch = partial(chosen.watch, settings.name) if chosen.watch is not None else None
        try:
            head = advance(log, None, None, watch).new
        finally:
            if watch is not None:
                watch(1, 1)
        knowledge = Knowledge([lone], fetcher=fetcher, store=store, looks=Looks(folders.state), now=chosen.now)
        knowledge.settle({settings.name: head})
        plain = Deciding.by_audits(knowledge, alone.rules, alone.now)
        carrying = Place(environ, folders, stack, Fit.of(target).__call__).deciding(knowledge, _unbound(alone))
        by_it = Candidate.of(found, _survey(knowledge, plain, paths, target, environ))
        with suppress(UndecidedError):
            return by_it, Candidate.of(found, _survey(knowledge, carrying, paths, target, environ))
    return by_it, None


def _unbound(chosen: Setting) -> Setting:
    """Ask nobody who built a file: a log says nothing about that."""
    policies = tuple(replace(one, settings=replace(one.settings, publishers=())) for one in chosen.policies)
    return chosen._replace(policies=policies)


def _auditable(one: Found) -> bool:
    """Tell whether an audit is what a release lacks."""
    reason = one.decision.reason
    return reason.klass is ReasonClass.SILENCE and reason is not Reason.PROVENANCE_MISSING


def _key(one: Found) -> tuple[str, str]:
    return one.decision.file.name, one.decision.file.version
