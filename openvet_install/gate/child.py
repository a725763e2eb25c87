"""The child of a run: its folders, the variables that lead it to the gateway and nowhere else, its start."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.installers.choice import helpers_path, prefix_of
from openvet_install.installers.commands import links_of
from openvet_install.installers.environment import gateway_variables
from openvet_install.installers.mirror import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.gate.model import Run
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.sandbox import Ended, Sandbox


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
    # no run takes anything from a repository, whoever asks for it: also a hook of a build
    ours["GIT_ALLOW_PROTOCOL"] = "none"
    return {**plan.environment, **search, **_configured(plan, folder), "TMPDIR": str(temporary), **ours}


def _configured(plan: Plan, folder: Path) -> dict[str, str]:
    """Say where the user's configurations lie, if uv's is another one; all else there is what it was."""
    found = next((one for one in links_of(plan.argv) if one.home is not None), None)
    if found is None or found.home is None or found.config is None:
        return {}
    copy = folder / "config"
    (copy / "uv").mkdir(mode=0o700, parents=True)
    for inside in ("", "uv"):
        for one in Path(found.home, inside).iterdir():
            if (inside, one.name) not in (("", "uv"), ("uv", "uv.toml")):
                (copy / inside / one.name).symlink_to(one)
    write_private(copy / "uv" / "uv.toml", found.config)
    return {"XDG_CONFIG_HOME": str(copy)}


def start(result: Run, plan: Plan, sandbox: Sandbox, variables: Mapping[str, str], folder: Path) -> Ended:
    """Run the tool to its end, and note its own time."""
    began = time.perf_counter()
    ended = sandbox.run(plan.command(folder), env=variables, cwd=plan.place(folder), streams=plan.streams(folder))
    result.child_seconds = time.perf_counter() - began
    return ended
