"""One command that is carried out in several runs, told as one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openvet_install.errors import gravest
from openvet_install.gate.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.model import Run


def joined(runs: Sequence[Run]) -> Run:
    """Return the last of one or more runs with what the ones before it have seen; it ends as the gravest of them."""
    *before, last = runs
    code = gravest(one.exit_code for one in runs if one.exit_code)
    gravest_one = next((one for one in runs if code and one.exit_code == code), last)
    for one in reversed(before):
        last = replace(
            last,
            started=one.started,
            files=[*one.files, *last.files],
            withheld=[*one.withheld, *last.withheld],
            held_back=[*one.held_back, *last.held_back],
            warnings=list(dict.fromkeys([*one.warnings, *last.warnings])),
            installed=tuple(sorted({*one.installed, *last.installed})),
            troubles=[*one.troubles, *last.troubles],
            strays=[*one.strays, *last.strays],
            stopping=(*one.stopping, *last.stopping),
            nothing_changed=one.nothing_changed and last.nothing_changed,
            preinstalled=one.preinstalled + last.preinstalled,
            outcome=one.outcome if last.outcome is Outcome.ALLOWED else last.outcome,
            exemptions_used=one.exemptions_used + last.exemptions_used,
            exemptions_unused=tuple(name for name in one.exemptions_unused if name in last.exemptions_unused),
            baseline_used=one.baseline_used + last.baseline_used,
        )
    if code:
        last.exit_code, last.outcome = code, gravest_one.outcome
    return last
