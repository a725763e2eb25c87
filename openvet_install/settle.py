"""What only shows over all files of a package, from decisions to decisions; pure.

A no about one file of a release, by an audit or by its provenance, holds for the silent files of that release too.
`too-old` withholds what is approved but far older than what was withheld above it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from openvet_install.config.model import length
from openvet_install.decide import Action, Decision, Reason, ReasonClass
from openvet_install.files import release_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from openvet_install.decide import Rules
    from openvet_install.files import File


def settle(
    decisions: Sequence[Decision],
    rules: Sequence[Rules],
    exact: frozenset[str] = frozenset(),
    takes: Callable[[File], bool] = lambda _file: True,
) -> list[Decision]:
    """Apply what only shows over all files of one package: siblings of a no, and `max-lag`.

    `exact` holds the versions that somebody pinned: for them an old release is no silent fall. Nor is one where the
    tool `takes` nothing of what is newer, whatever the gate says; it is asked only where that decides.
    """
    return _too_old(_siblings(decisions), rules, exact, takes)


def _siblings(decisions: Sequence[Decision]) -> list[Decision]:
    tainted = {release_of(one.file.version): one for one in decisions if _is_no(one)}
    return [
        one._replace(
            action=Action.BLOCK,
            reason=no.reason,
            requirements=no.requirements,
            detail=f"another file of this release is: {no.file.filename}",
            exemption=None,
            known=None,
        )
        if tainted
        and (no := tainted.get(release_of(one.file.version))) is not None
        and (one.reason.klass is ReasonClass.SILENCE or one.exemption is not None or one.known is not None)
        else one
        for one in decisions
    ]


def _is_no(decision: Decision) -> bool:
    """Tell whether a file speaks against its whole release: not one that merely lies on the wrong index."""
    if decision.reason is Reason.PROVENANCE_MISMATCH:
        return decision.origin is not None and not decision.origin.elsewhere
    return decision.reason is Reason.CONTRADICTED


class _Release(NamedTuple):
    """The newest upload of a version; `shown` if any of its files is."""

    version: Version
    uploaded: datetime | None
    shown: bool


def _releases(decisions: Sequence[Decision]) -> list[_Release]:
    found: dict[str, _Release] = {}
    for one in decisions:
        if one.file.yanked is not False:
            continue
        version = one.file.version
        known = found.get(version, _Release(Version(version), None, shown=False))
        uploaded = max((time for time in (known.uploaded, one.file.uploaded) if time is not None), default=None)
        found[version] = _Release(known.version, uploaded, shown=known.shown or one.shown)
    return list(found.values())


def _rank(version: Version) -> tuple[bool, Version]:
    return not version.is_prerelease, version


def best_shown(decisions: Iterable[Decision]) -> Version | None:
    """Return the version that a resolver with no other wishes would take; None if nothing is shown."""
    shown = {one.file.version for one in decisions if one.shown and one.file.yanked is False}
    return max(map(Version, shown), key=_rank, default=None)


def _too_old(
    decisions: list[Decision], rules: Sequence[Rules], exact: frozenset[str], takes: Callable[[File], bool]
) -> list[Decision]:
    listed = [one.shown for one in decisions if one.file.yanked is False]
    if not any(listed) or all(listed):
        return decisions
    releases = _releases(decisions)
    shown = [one for one in releases if one.shown]
    if len(shown) == len(releases):
        return decisions
    best = max(shown, key=lambda one: _rank(one.version))
    above = [one for one in releases if one.version > best.version and one.uploaded and not one.version.is_prerelease]
    most = min(one.max_lag for one in rules)
    if _behind(best, above) <= most:
        return decisions
    files = [one.file for one in decisions if one.file.yanked is False]
    taken = {file.version for file in files if Version(file.version) > best.version and takes(file)}
    behind = _behind(best, [one for one in above if str(one.version) in taken])
    if behind <= most:
        return decisions
    detail = f'{behind.days} days older, max-lag = "{length(most)}"'
    pinned = set(map(release_of, exact))
    return [
        one._replace(action=Action.BLOCK, reason=Reason.TOO_OLD, detail=detail)
        if one.shown and release_of(one.file.version) not in pinned
        else one
        for one in decisions
    ]


def _behind(best: _Release, above: Sequence[_Release]) -> timedelta:
    """Return by how much a release is older than the newest of others; nothing where either has no upload time."""
    newest = max(above, key=lambda one: one.version, default=best)
    if best.uploaded is None or newest.uploaded is None:
        return timedelta(0)
    return newest.uploaded - best.uploaded
