"""The lock that a command has written, judged for this target as `uv sync` would take it (threats T05, T20)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openvet_install.gate import locked
from openvet_install.gate.resolving import Resolver
from openvet_install.installers.commands import folders_in
from openvet_install.installers.locks import read_lock
from openvet_install.installers.uv_sync import Locked

if TYPE_CHECKING:
    from openvet_install.decide import Decision
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.model import Run
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.locks import Lock, LockedPackage
    from openvet_install.installers.uv_resolve import Resolution


def tell(result: Run, plan: Plan, keeper: Keeper, before: bytes | None) -> dict[str, Decision]:
    """Judge what the tool has written, and fill `result`; return the decisions about what this target gets, by name.

    A lock that is as it was `before` is judged where the command answers for it. Raises what reading a lock raises, and
    what the logs raise.
    """
    resolution = plan.resolution
    if resolution is None or not isinstance(keeper, Resolver) or result.tool is None or result.tool.exit != 0:
        return {}
    after = resolution.read()
    if plan.dry_run:
        result.unfit = not keeper.settled()
    if (
        resolution.lock is None
        or resolution.choose is None
        or after is None
        or plan.dry_run
        or (after == before and not resolution.unchanged)
    ):
        return {}
    lock = read_lock(resolution.lock)
    selection = resolution.choose(lock)
    folders = folders_in(plan.argv)
    with locked.listing(plan) as listed:
        good = locked.admit(Locked(lock=lock, selection=selection), keeper, listed, folders=folders)
    for package in lock.packages:
        if package.is_local and not _is_own(package, resolution, lock):
            locked.refuse_direct(package, keeper)
            good = False
    result.unfit = not good
    result.lock, result.locked = lock.path.name, len({one.package.name for one in selection.files})
    result.not_judged_here = tuple(f"{one.name} ({one.why})" for one in selection.not_here)
    return keeper.ledger.of_content({one.file.sha256 for one in selection.files})


def _is_own(package: LockedPackage, resolution: Resolution, lock: Lock) -> bool:
    place = os.path.join(lock.path.parent, package.source.location)  # noqa: PTH118 - as uv reads it
    return os.path.realpath(place) in resolution.folders
