"""The end of `exec` in words: what the gates inside have said is not said again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from openvet_install.decide import ReasonClass
from openvet_install.gate.model import AT_HOME, Outcome
from openvet_install.report import hints, text
from openvet_install.report.terminal import number_of, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.around import Told
    from openvet_install.gate.model import Judged, Run
    from openvet_install.openvet.verdict import Policy
    from openvet_install.report.terminal import Terminal


def run(terminal: Terminal, run: Run, told: Sequence[Told], policies: dict[str, Policy]) -> None:
    """Print what there is to add below the command's own lines; nothing when all is well."""
    if run.interrupted:
        return
    before = frozenset().union(*(one.packages for one in told))
    if run.outcome is Outcome.FAILED and not run.troubles:
        _perhaps(terminal, run, before)
        return
    new = _spoken_of(run) - before
    same = [one for one in told if one.outcome is run.outcome]
    if new or not same:
        text.run(terminal, _without(run, before), policies)
    elif run.tool is not None and run.exit_code != run.tool.exit:
        terminal.line(f"openvet: {run.outcome.value}, as said above: `{plain(same[-1].command, 300)}`")


def _without(run: Run, told: frozenset[str]) -> Run:
    """Return the run without what was let through or held back of packages that were told of."""
    return replace(
        run,
        files=[one for one in run.files if one.decision.file.name not in told],
        held_back=[one for one in run.held_back if one.package not in told],
    )


def _perhaps(terminal: Terminal, run: Run, told: frozenset[str]) -> None:
    """Say what was kept from a command that failed: what it asked for is not known, so this may be why, or not."""
    if run.tool is None:
        return
    ended = f"{plain(run.tool.name)} ended with {run.tool.exit}"
    passed_over = [] if run.mode == "record" else _passed_over(run, told)
    if passed_over:
        terminal.line(f"openvet: note: {ended}; withheld were, should that be why:")
        terminal.rows(
            [[f"  {text.subject_of(one.decision)}", one.decision.reason.code] for one in passed_over[: text.MAX_LISTED]]
        )
        if len(passed_over) > text.MAX_LISTED:
            terminal.line(f"  and releases of {number_of(len(passed_over) - text.MAX_LISTED, 'package')} more")
        for line in hints.first_of_each(hints.about(passed_over[:1], None)):
            terminal.line(f"hint: {line}")
    if run.turned_away:
        terminal.line(f"openvet: note: {ended}; refused, as it is neither a page of an index nor an archive of one:")
        for url in run.turned_away[: text.MAX_LISTED]:
            terminal.line(f"  {plain(url, 300)}")
        if any(url.endswith(AT_HOME) for url in run.turned_away):
            terminal.line("hint: PIP_EXTRA_INDEX_URL=http://…/simple    if it is an index of yours")


def _passed_over(run: Run, told: frozenset[str]) -> list[Judged]:
    """Return the newest withheld release of each package of which nothing as new was used; final ones go first."""
    used: dict[str, Version] = {}
    for one in run.files:
        name, version = one.decision.file.name, Version(one.decision.file.version)
        used[name] = max(version, used.get(name, version))
    found: dict[str, Judged] = {}
    for one in run.withheld:
        name, rank = one.decision.file.name, _rank(one)
        newer = name not in used or rank[1] > used[name]
        if name not in told and newer and (name not in found or rank > _rank(found[name])):
            found[name] = one
    return [found[name] for name in sorted(found)]


def _rank(one: Judged) -> tuple[bool, Version]:
    version = Version(one.decision.file.version)
    return not version.is_prerelease, version


def _spoken_of(run: Run) -> frozenset[str]:
    silent = [one.decision.file.name for one in run.files if one.decision.reason.klass is ReasonClass.SILENCE]
    return frozenset([*silent, *run.stopping, *(one.package for one in run.held_back)])
