"""What the child of a run gets: its folders, and the variables that lead it to the gateway and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.installers.choice import helpers_path, prefix_of
from openvet_install.installers.environment import gateway_variables

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.installers.commands import Plan


def variables_of(plan: Plan, folder: Path, *, url: str, bundle: Path, cache: Path | None) -> dict[str, str]:
    """Return the child's variables; the folders that they name are made in `folder`, of this run alone.

    `url`, `bundle`: those of the gateway. `cache`: uv's private one; pip has none.
    """
    empty = folder / "empty"
    empty.mkdir(mode=0o700)
    ours = gateway_variables(plan.tool, url=url, bundle=bundle, empty_dir=empty, cache_dir=cache, trusted=plan.trusted)
    # Whatever a tool or a build leaves behind when it is interrupted goes with this run's folder.
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o700)
    helpers = folder / "bin"
    helpers.mkdir(mode=0o700)
    search = helpers_path(
        helpers, plan.environment, plan.cwd, avoid=(str(plan.target.prefix), prefix_of(str(plan.target.python)))
    )
    return {**plan.environment, **search, "TMPDIR": str(temporary), **ours}
