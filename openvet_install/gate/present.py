"""No run of pip goes on to what an installed package asks for beside the indexes (threat T01)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import DirectReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openvet_install.archive import Contents
    from openvet_install.installers.commands import Plan

WHY = "is installed and asks for what no index lists"


def leading(plan: Plan) -> Callable[[Contents], str | None] | None:
    """Return what says of an archive how it would lead the tool to such; None where the tool does not heed packages.

    Raises `DirectReferenceError` where what people ask for does.
    """
    if not plan.heeds_installed:
        return None
    # what it imports is slow, and for pip only
    from openvet_install.installers.present import Present, read_line  # noqa: PLC0415

    present = Present(plan.target.sites, plan.target.environment)
    for one in plan.requested:
        line = present.leads(one.requirement)
        if line is not None:
            name = line.partition(":")[0].replace(" ", ">")
            raise DirectReferenceError(
                f"`{one.requirement}` {WHY} (direct-reference): {line}",
                where=one.origin,
                hint=f"openvet-pip install '{name}'    or --force-reinstall, which takes it from the index",
            )

    def leads(contents: Contents) -> str | None:
        if contents.kind == "sdist":  # what it needs is known when it was built, and then it is too late
            line = present.leads_anywhere()
            return None if line is None else f"an sdist may need what {WHY}: {line}"
        lines = (present.leads(wanted) for wanted in map(read_line, contents.requires) if wanted is not None)
        line = next((one for one in lines if one is not None), None)
        return None if line is None else f"what it needs {WHY}: {line}"

    return leads
