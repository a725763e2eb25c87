"""What is judged and made before the tool starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.gate import locked
from openvet_install.gate.shelved import handed
from openvet_install.installers.commands import folders_in, has_archives
from openvet_install.installers.installed import Places, Snapshot, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.gate.keeper import Keeper
    from openvet_install.installers.commands import Plan


def may_start(plan: Plan, keeper: Keeper, folder: Path) -> bool:
    """Judge what is known before the tool starts: archives on this machine, the files of a lock."""
    if has_archives(plan):
        from openvet_install.gate import local  # noqa: PLC0415 - for archives only

        handed(plan, folder)  # a lock that cannot be is told before anything is made
        if not local.admit(plan, keeper, folder):
            return False
    if plan.locked is None:
        return True
    with locked.listing(plan) as listed:
        return locked.admit(plan.locked, keeper, listed, folders=folders_in(plan.argv))


def with_environment(plan: Plan, before: Snapshot) -> Snapshot:
    """Make the environment that `uv sync` would make; what comes after is compared with the new, empty one."""
    if plan.make is None or plan.dry_run:
        return before
    from openvet_install.installers.uv_sync import make_environment  # noqa: PLC0415 - for this command only

    return snapshot(Places.of(make_environment(plan, plan.environment)))
