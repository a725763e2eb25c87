"""The end of `exec` in words: what the gates inside have said is not said again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.decide import ReasonClass
from openvet_install.gate.model import Outcome
from openvet_install.report import text
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.around import Told
    from openvet_install.gate.model import Run
    from openvet_install.openvet.verdict import Policy
    from openvet_install.report.terminal import Terminal


def run(terminal: Terminal, run: Run, told: Sequence[Told], policies: dict[str, Policy]) -> None:
    """Print what there is to add below the command's own lines; nothing when all is well."""
    if run.interrupted or (run.outcome is Outcome.FAILED and not run.troubles):
        return
    new = _spoken_of(run) - frozenset().union(*(one.packages for one in told))
    same = [one for one in told if one.outcome is run.outcome]
    if new or not same:
        text.run(terminal, run, policies)
    elif run.tool is not None and run.exit_code != run.tool.exit:
        terminal.line(f"openvet: {run.outcome.value}, as said above: `{plain(same[-1].command, 300)}`")


def _spoken_of(run: Run) -> frozenset[str]:
    silent = [one.decision.file.name for one in run.files if one.decision.reason.klass is ReasonClass.SILENCE]
    return frozenset([*silent, *run.stopping, *(one.package for one in run.held_back)])
