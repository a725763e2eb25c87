"""Which keeper a plan gets."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.gate import locked
from openvet_install.gate.hosts import origin_of
from openvet_install.gate.keeper import Keeper
from openvet_install.gate.named import files_named
from openvet_install.installers.commands import pages_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.archive import Contents
    from openvet_install.files import File
    from openvet_install.gate.documents import Documents
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.originals import Originals
    from openvet_install.gate.outcome import Fit
    from openvet_install.gate.remembered import Archives
    from openvet_install.gate.setting import Setting
    from openvet_install.gate.wanted import Wanted
    from openvet_install.installers.commands import Plan, Requested
    from openvet_install.installers.target import Target


def keeper_of(
    plan: Plan,
    chosen: Setting,
    knowledge: Knowledge,
    archives: Archives,
    *,
    documents: Documents | None,
    originals: Originals | None,
) -> Keeper:
    """Return the keeper: what a command that writes a lock may see is another thing than what may be installed."""
    hosts = [origin_of(place) for place in (*(one.url for one in plan.indexes), *pages_of(plan.argv))]
    exact = _exact((*plan.requested, *plan.limits, *plan.overrides)) | (
        locked.pins(plan.locked) if plan.locked is not None else {}
    )
    if plan.resolution is None:
        return Keeper(
            knowledge=knowledge,
            rules=chosen.rules,
            now=chosen.now,
            hosts=hosts,
            archives=archives,
            exact=exact,
            named=files_named(plan.requested),
            documents=documents,
            originals=originals,
            fits=_Fits(plan.target),
            demands=lambda name, read: wanted_of(plan, read).demands(name),
        )
    from openvet_install.gate.outcome import Fit  # noqa: PLC0415 - for commands that write a lock
    from openvet_install.gate.resolving import Resolver, View  # noqa: PLC0415 - as above

    pinned = {name: exact.get(name, frozenset()) | some for name, some in plan.resolution.pinned.items()}
    return Resolver(
        knowledge=knowledge,
        rules=chosen.rules,
        now=chosen.now,
        hosts=hosts,
        archives=archives,
        exact={**exact, **pinned},
        documents=documents,
        originals=originals,
        view=View(
            tags=plan.target.tags,
            fits=Fit.of(plan.target),
            asked=partial(wanted_of, plan),
            indexed=bool(plan.indexes),
        ),
    )


def wanted_of(plan: Plan, read: Iterable[Contents]) -> Wanted:
    """Return the requirements that a plan and the archives that were read make known."""
    from openvet_install.gate.wanted import Needs, Root, Wanted  # noqa: PLC0415 - not before the tool starts

    roots = [Root(one.requirement, one.origin) for one in plan.requested]
    local = plan.resolution.local if plan.resolution is not None else {}
    needs = [*(Needs(name, "", requires) for name, requires in local.items()), *map(Needs.of, read)]
    limits, overrides = ([one.requirement for one in some] for some in (plan.limits, plan.overrides))
    return Wanted(roots, needs, plan.target.environment, limits=limits, overrides=overrides)


class _Fits:
    """Tells whether a target could take a file; made at the first question, as that is not before the tool starts."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __call__(self, file: File) -> bool:
        return self._fit(file)

    @cached_property
    def _fit(self) -> Fit:
        from openvet_install.gate.outcome import Fit  # noqa: PLC0415 - not before the tool starts

        return Fit.of(self._target)


def _exact(requested: Iterable[Requested]) -> dict[str, frozenset[str]]:
    """Return the versions that people pinned with `==`, by normalised name."""
    found: dict[str, set[str]] = {}
    for one in requested:
        name = canonicalize_name(one.requirement.name)
        for specifier in one.requirement.specifier:
            if specifier.operator in ("==", "===") and not specifier.version.endswith(".*"):
                with suppress(ValueError):
                    found.setdefault(name, set()).add(str(Version(specifier.version)))
    return {name: frozenset(versions) for name, versions in found.items()}
