"""From what was seen during a run to what it came to: which files, what was withheld, held back, in the way; pure."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.decide import Action, Reason, ReasonClass
from openvet_install.errors import EXIT_BLOCKED, EXIT_BUG, EXIT_INVALID, EXIT_OK, EXIT_UNDECIDED
from openvet_install.files import tags_of
from openvet_install.gate.formats import Formats
from openvet_install.gate.model import HeldBack, Judged, Outcome
from openvet_install.gate.wanted import satisfiable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from openvet_install.decide import Decision
    from openvet_install.files import File
    from openvet_install.gate.model import Run, Trouble
    from openvet_install.gate.wanted import Wanted
    from openvet_install.installers.commands import Plan, Requested
    from openvet_install.installers.target import Target

_CLASSES = list(ReasonClass)


class Fit(NamedTuple):
    """Whether a target could take a file: by wheel tags and `requires-python`; sdists fit by their version.

    `formats`: the kinds of files that people let the tool take; `hashes`: the sha256 that they listed, by package.
    """

    tags: frozenset[str] | None
    python: str | None
    formats: Formats = Formats()
    hashes: Mapping[str, frozenset[str]] = MappingProxyType({})

    @classmethod
    def of(cls, target: Target) -> Fit:
        """Return what one inspected target could take."""
        tags = frozenset(target.tags)
        return cls(_tags_known.setdefault(tags, tags), ".".join(map(str, target.version)))

    @classmethod
    def of_run(cls, plan: Plan) -> Fit:
        """Return what the tool could take in a run, of the files that people let it take."""
        return cls.of(plan.target)._replace(formats=Formats.of(plan), hashes=_listed(plan.requested))

    def __call__(self, file: File) -> bool:
        """Tell it; a target that is not known takes everything."""
        listed = self.hashes.get(file.name)
        if not self.formats.takes(file) or (listed and file.sha256 and file.sha256 not in listed):
            return False
        if self.python and file.requires_python and _leaves_out(file.requires_python, self.python):
            return False
        return self.tags is None or not file.is_wheel or _has_tag(self.tags, file.variant)


def _listed(requested: Iterable[Requested]) -> dict[str, frozenset[str]]:
    """Return the sha256 that people listed, by normalised name; not of packages with other hashes beside them."""
    said: dict[str, list[str]] = {}
    for one in requested:
        said.setdefault(canonicalize_name(one.requirement.name), []).extend(one.hashes)
    found = {name: frozenset(one.removeprefix("sha256:").lower() for one in some) for name, some in said.items()}
    return {name: some for name, some in found.items() if not any(":" in one for one in some)}


_tags_known: dict[frozenset[str], frozenset[str]] = {}
"""One object for equal sets: below, comparing two of them takes longer than the answer."""


@lru_cache(maxsize=16_384)
def _has_tag(tags: frozenset[str], variant: str) -> bool:
    """Tell it of what the wheels of a page say in the same words, release after release."""
    return any(tag in tags for tag in tags_of(variant))


@lru_cache(maxsize=4096)
def _leaves_out(requires_python: str, python: str) -> bool:
    """Tell it of what thousands of files of a page say in the same words."""
    try:
        return not SpecifierSet(requires_python).contains(python, prereleases=True)
    except ValueError:
        return False


class Seen(NamedTuple):
    """What a run's keeper noted: decisions by package, what was sent out whole, what was refused.

    `elsewhere`: packages that nothing this target needs asks for; `asked`: those of which an index gave a page;
    `kept`: the versions that a lock holds back by itself.
    """

    pages: Mapping[str, Sequence[Decision]]
    sent: Sequence[Decision]
    refused: Sequence[Decision]
    broken: Sequence[Decision]
    faults: Sequence[Trouble]
    bugs: Sequence[Trouble]
    troubles: Sequence[Trouble]
    elsewhere: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    kept: Mapping[str, frozenset[str]] = MappingProxyType({})


def conclude(run: Run, seen: Seen, wanted: Wanted, fits: Fit, installed: Mapping[str, str], *, every: bool) -> None:
    """Fill `run` from what was seen. `installed` maps names to versions that are new in the target.

    `run.tool.exit`, `run.strays` and `run.interrupted` must be set. With `every`, `withheld` covers every
    package that was asked for, else those that stood in the way.
    """
    chosen = _chosen(seen.sent, installed)
    run.files = _used(seen.sent, chosen, wanted)
    run.held_back = _held_back(run, seen, wanted, fits, chosen)
    failed = run.tool is None or run.tool.exit != EXIT_OK
    run.in_the_way = _in_the_way(seen, wanted, fits) if failed else _refused(seen) if run.unfit else {}
    run.stopping = tuple(sorted(run.in_the_way))
    run.partly = tuple(name for name in run.stopping if any(fits(one.file) for one in _shown(seen, name)))
    named = sorted(seen.pages) if every else run.stopping
    run.withheld = [Judged(decision=one, route=wanted.route(one.file.name)) for one in seen.broken]
    listed = {one.file.url for one in seen.broken}
    for name in named:
        run.withheld += [
            Judged(decision=one, route=wanted.route(name))
            for one in _withheld_releases(seen, name, fits)
            if one.file.url not in listed
        ]
    listed |= {one.decision.file.url for one in run.withheld}
    run.withheld += [
        Judged(decision=one, route=wanted.route(one.file.name)) for one in seen.refused if one.file.url not in listed
    ]
    names = {*run.stopping, *(one.decision.file.name for one in run.files)}
    run.newest_approved = {name: _newest_approved(seen, name, fits) for name in names & seen.asked}
    run.troubles = [*seen.bugs, *seen.faults, *seen.troubles]
    run.outcome, run.exit_code = _verdict(run, seen)


def _verdict(run: Run, seen: Seen) -> tuple[Outcome, int]:
    """Order of exit codes: a bug of ours, 65, an interruption, 77, 69, the tool's own."""
    own = run.tool.exit if run.tool is not None and run.tool.exit is not None else EXIT_UNDECIDED
    failed = own != EXIT_OK
    warned = any(one.decision.action is Action.WARN for one in run.files)
    table = (
        (bool(seen.bugs), Outcome.FAILED, EXIT_BUG),
        (bool(run.strays or seen.broken or seen.faults), Outcome.INVALID, EXIT_INVALID),
        (run.interrupted, Outcome.FAILED, own),
        ((failed or run.unfit) and bool(run.stopping or seen.refused), Outcome.BLOCKED, EXIT_BLOCKED),
        (failed and bool(seen.troubles), Outcome.UNDECIDED, EXIT_UNDECIDED),
        (failed, Outcome.FAILED, own),
        (warned, Outcome.WARNED, EXIT_OK),
    )
    return next(((outcome, code) for holds, outcome, code in table if holds), (Outcome.ALLOWED, EXIT_OK))


def _chosen(sent: Sequence[Decision], installed: Mapping[str, str]) -> dict[str, str]:
    """Return the version of each package that counts: what is installed now, else what was sent last."""
    return {**{one.file.name: one.file.version for one in sent}, **installed}


def _used(sent: Sequence[Decision], chosen: Mapping[str, str], wanted: Wanted) -> list[Judged]:
    used = {one.file.url: one for one in sent if chosen[one.file.name] == one.file.version}
    ordered = sorted(used.values(), key=lambda one: (one.file.name, one.file.filename))
    return [Judged(decision=one, route=wanted.route(one.file.name)) for one in ordered]


def _shown(seen: Seen, name: str) -> list[Decision]:
    return [one for one in seen.pages.get(name, ()) if one.shown]


def _withheld_releases(seen: Seen, name: str, fits: Fit) -> list[Decision]:
    """One decision per release of which nothing that fits was shown, newest first; the gravest speaks for it."""
    by_version: dict[str, list[Decision]] = {}
    for one in seen.pages.get(name, ()):
        if fits(one.file):
            by_version.setdefault(one.file.version, []).append(one)
    hidden = [found for found in by_version.values() if not any(one.shown for one in found)]
    spoken = [max(found, key=lambda one: (_CLASSES.index(one.reason.klass), one.file.is_wheel)) for found in hidden]
    return sorted(spoken, key=lambda one: Version(one.file.version), reverse=True)


def _in_the_way(seen: Seen, wanted: Wanted, fits: Fit) -> dict[str, frozenset[str]]:
    """Find the packages of which a demand is met by withheld releases only, and those releases."""
    found = _refused(seen)
    for name in seen.pages.keys() - seen.elsewhere:
        if (seen.asked or seen.troubles) and name not in seen.asked and not wanted.route(name):
            continue  # it merely lies in a folder, nobody asked an index for it
        hidden = [one.file.version for one in _withheld_releases(seen, name, fits)]
        if not hidden:
            continue
        shown = {one.file.version for one in _shown(seen, name) if fits(one.file)}
        for specifiers in wanted.alternatives(name):
            needed = frozenset(specifiers.filter(hidden))
            if needed and not satisfiable(specifiers, shown):
                found[name] = found.get(name, frozenset()) | needed
    return found


def _refused(seen: Seen) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for one in seen.refused:
        if one.reason.klass is not ReasonClass.BROKEN:
            found[one.file.name] = found.get(one.file.name, frozenset()) | {one.file.version}
    return found


def _held_back(run: Run, seen: Seen, wanted: Wanted, fits: Fit, chosen: Mapping[str, str]) -> list[HeldBack]:
    found = []
    names = {one.decision.file.name for one in run.files} | set(chosen)
    for name in sorted(names, key=lambda name: (len(wanted.route(name)) or len(names), name)):  # what was typed first
        version = chosen.get(name)
        if version is None or name not in seen.pages or version in seen.kept.get(name, ()):
            continue
        current = Version(version)
        asked = wanted.specifiers(name, chosen)
        newer = [
            one
            for one in _newer(seen.pages[name], current)
            if fits(one.file) and asked.contains(one.file.version, prereleases=True)
        ]
        if not newer or any(one.shown and Version(one.file.version) > current for one in newer):
            continue
        newest = max(newer, key=lambda one: (Version(one.file.version), _CLASSES.index(one.reason.klass)))
        found.append(
            HeldBack(
                package=name,
                chosen=version,
                newest=newest.file.version,
                reason=newest.reason.code,
                days=_days(newest.file, run.started),
            )
        )
    return found


def _newer(decisions: Iterable[Decision], current: Version) -> list[Decision]:
    versions: dict[str, bool] = {}
    for one in decisions:
        if one.file.version not in versions:
            version = Version(one.file.version)
            versions[one.file.version] = version > current and (current.is_prerelease or not version.is_prerelease)
    return [one for one in decisions if versions[one.file.version] and one.file.yanked is False]


def _newest_approved(seen: Seen, name: str, fits: Fit) -> str | None:
    approved = [
        one.file.version
        for one in _shown(seen, name)
        if one.reason.klass is ReasonClass.FINE and one.reason is not Reason.TOO_OLD and fits(one.file)
    ]
    return max(approved, key=Version, default=None)


def _days(file: File, now: datetime) -> int | None:
    return None if file.uploaded is None else max(0, (now - file.uploaded).days)
