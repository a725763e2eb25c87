"""A run in words: the tool's lines stand above, ours below; silent when all is well."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from packaging.version import Version

from openvet_install.decide import Action, Reason, ReasonClass
from openvet_install.gate.model import Outcome
from openvet_install.report import hints
from openvet_install.report.evidence import evidence
from openvet_install.report.terminal import number_of, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.decide import Decision
    from openvet_install.errors import InstallError
    from openvet_install.gate.model import Judged, Run, Trouble
    from openvet_install.openvet.verdict import Policy
    from openvet_install.report.hints import Hint
    from openvet_install.report.terminal import Terminal

MAX_LISTED = 8
MAX_SAID = 1000  # characters of an error


def error(terminal: Terminal, problem: InstallError) -> None:
    """Print an error: what, where, hint; all faults of one input."""
    for fault in getattr(problem, "faults", [problem]):
        first, *drawn = _said(fault.what)
        terminal.line(f"error: {first}")
        for line in drawn:
            terminal.line(line)
        if fault.where:
            terminal.line(f"  --> {plain(fault.where.removeprefix(f'{os.getcwd()}/'), MAX_SAID)}")  # noqa: PTH109
        if fault.hint:
            terminal.line(f"hint: {plain(fault.hint, MAX_SAID)}")


def _said(what: str) -> list[str]:
    """Return the sentence of an error, and the indented lines that are drawn below it; no other line is one."""
    lines: list[str] = []
    for line in what.split("\n"):
        if lines and not line.startswith("    "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return [plain(line, MAX_SAID) for line in lines]


def run(terminal: Terminal, run: Run, policies: dict[str, Policy]) -> None:
    """Print what a wrapper has to add below the tool's own lines; nothing when all is well."""
    for warning in run.warnings:
        terminal.line(f"openvet: warning: {plain(warning, 300)}")
    if run.interrupted:
        terminal.line(f"openvet: failed, interrupted; {_state(run)}")
    elif run.outcome is Outcome.INVALID:
        _invalid(terminal, run)
    elif run.outcome is Outcome.UNDECIDED:
        stopped(terminal, run.outcome, run.troubles, _state(run))
    elif run.outcome is Outcome.BLOCKED:
        _blocked(terminal, run, policies)
    elif run.outcome is Outcome.WARNED:
        _warned(terminal, run)
    if run.outcome in (Outcome.ALLOWED, Outcome.WARNED):
        _held_back(terminal, run)


def subject_of(decision: Decision) -> str:
    """Return what people see of a file: the coordinate, never cut."""
    return plain(str(decision.file.coordinate), 1000)


def route_of(judged: Judged) -> str:
    """Write who asked for a file: `command line`, or `flask 3.1.3 → werkzeug>=3.1.0`."""
    if judged.place:
        return judged.place
    if not judged.route:
        return ""
    steps = [step for step in judged.route[1:] if ": " in step]
    if not steps:
        return plain(judged.route[0])
    names = [step.partition(": ")[0].replace("==", " ") for step in steps]
    return plain(" → ".join([*names, steps[-1].partition(": ")[2]]), 300)


def size(count: int) -> str:
    """Write a number of bytes for people: `4 kB`."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= factor:
            return f"{count / factor:.0f} {unit}"
    return f"{count} B"


def _state(run: Run) -> str:
    if run.target is None:
        ended = run.tool is not None and run.tool.exit is not None
        return f"{plain(run.tool.name)} ended with {run.tool.exit}" if ended and run.tool else "nothing was started"
    kept = ", ".join(plain(name) for name in run.kept)
    if run.nothing_changed or not run.installed:
        if not kept and run.command[:2] == ["uv", "sync"]:
            return f"{_place(run)} unchanged"
        return f"{kept}, {_place(run)} unchanged" if kept else "nothing installed"
    names = ", ".join(plain(name) for name in run.installed)
    before = f"{kept} unchanged, " if kept else ""
    count, sent = len(run.installed), len({one.decision.file.name for one in run.files})
    told = f"{count} of {sent} packages" if sent > count else number_of(count, "package")
    approved = {one.decision.file.name for one in run.files if one.decision.action is Action.ALLOW}
    how = "installed, approved" if approved.issuperset(run.installed) else "installed"
    return f"{before}{told} {_was(count)} {how}: {names}"


def _place(run: Run) -> str:
    return plain(os.path.basename(run.target or ""))  # noqa: PTH119 - as people call it


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def stopped(terminal: Terminal, outcome: Outcome, troubles: Sequence[Trouble], state: str) -> None:
    """Print which log or host stopped everything, and in what state things are left."""
    if outcome is Outcome.INVALID:
        terminal.line(f"openvet: invalid, {state}")
        _rows(terminal, troubles)
    elif troubles and all(one.of_package for one in troubles):
        terminal.line(f"openvet: undecided, {state}")
        _rows(terminal, troubles)
    else:
        told = [plain(str(one), 500) for one in troubles]
        terminal.line(f"openvet: undecided, {state}: {told[0]}")
        details = [plain(one.detail, 500) for one in troubles if one.detail]
        for line in (*told[1:], *details):
            terminal.line(f"└─ {line}")
    for hint in dict.fromkeys(one.hint for one in troubles if one.hint):
        terminal.line(f"hint: {hint}")


def _rows(terminal: Terminal, troubles: Sequence[Trouble]) -> None:
    rows = [
        [
            f"✘ {plain(one.name)}",
            (one.reason or Reason.LOG_INVALID).code,
            plain(one.what.removeprefix(f"{one.name} "), 500),
        ]
        for one in troubles
    ]
    terminal.rows(rows, [[f"└─ {plain(one.detail, 500)}"] if one.detail else [] for one in troubles])


def _invalid(terminal: Terminal, run: Run) -> None:
    broken = [one for one in run.withheld if one.decision.reason.klass is ReasonClass.BROKEN]
    if not broken and not run.strays:
        stopped(terminal, run.outcome, run.troubles, f"{_state(run)}, openvet.lock unchanged")
        return
    terminal.line(f"openvet: invalid, {_state(run)}")
    rows = [
        [f"✘ {subject_of(one.decision)}", one.decision.reason.code, plain(one.decision.detail or "", 300)]
        for one in broken
    ]
    rows += [
        [f"✘ {plain(f'{one.name} {one.version or str()}'.strip() or one.path)}", one.reason, plain(one.text, 300)]
        for one in run.strays
    ]
    terminal.rows(rows)
    for stray in run.strays:
        if stray.reason == "unexpected-file" and not stray.undone:
            terminal.line(f"hint: remove {shlex.quote(plain(stray.path, 500))}")


def _blocked(terminal: Terminal, run: Run, policies: dict[str, Policy]) -> None:
    tool = run.tool.name if run.tool else "the tool"
    if run.lock is not None and run.tool is not None and run.tool.exit is None:
        _blocked_lock(terminal, run, policies, run.tool.name)
        return
    terminal.line(f"openvet: blocked, {_state(run)}; {_because(run, tool)}")
    if run.command[1:2] == ["add"] and run.tool is not None and run.tool.exit != 0:
        terminal.line(f"openvet: {tool}'s hint only puts it off: after `--frozen` the next sync stops here")
    asked = sorted({log.name for log in run.logs})
    told: list[Hint] = []
    for name in run.stopping:
        releases = [one for one in _in_the_way(run) if one.decision.file.name == name]
        rows = _package(terminal, releases, policies, asked, run)
        old = [one.decision for one in _newest_first(releases) if one.decision.reason is Reason.TOO_OLD]
        told += hints.about(rows, hints.pinning(run.command, old[0]) if old else None)
    for line in hints.first_of_each(told):
        terminal.line(f"hint: {line}")


def _blocked_lock(terminal: Terminal, run: Run, policies: dict[str, Policy], tool: str) -> None:
    """Say which entries of a lock kept the tool from being started."""
    names = sorted({one.decision.file.name for one in run.withheld})
    unchanged = ", ".join([*map(plain, run.kept), _place(run)])
    terminal.line(
        f"openvet: blocked before {tool} started, {unchanged} unchanged; "
        f"{len(names)} of {number_of(max(run.locked, len(names)), 'package')} in {run.lock} not approved"
    )
    asked = sorted({log.name for log in run.logs})
    told: list[Hint] = []
    for name in names:
        releases = [one for one in run.withheld if one.decision.file.name == name]
        told += hints.about(_package(terminal, releases, policies, asked, run), None)
    for line in hints.first_of_each(told):
        terminal.line(f"hint: {line}")


def _in_the_way(run: Run) -> list[Judged]:
    """Return the withheld releases that satisfy what was asked."""
    return [
        one
        for one in run.withheld
        if one.decision.file.name in run.stopping
        and one.decision.file.version in run.in_the_way.get(one.decision.file.name, {one.decision.file.version})
    ]


def _because(run: Run, tool: str) -> str:
    names = run.stopping
    releases = _in_the_way(run)
    if run.unfit and run.lock is not None:
        return f"{len(names)} of {number_of(max(run.locked, len(names)), 'package')} in the new {run.lock} not approved"
    if run.mode != "block" and any(one.decision.reason.klass is ReasonClass.NO for one in releases):
        return f'mode = "{run.mode}" does not forgive a no'
    if any(one.decision.reason is Reason.TOO_OLD for one in releases):
        old = sorted({one.decision.file.name for one in releases if one.decision.reason is Reason.TOO_OLD})
        return f"what is approved of {', '.join(old)} is too old to fall back to"
    hidden = [name for name in names if name not in run.partly]
    if hidden or not names:
        return f"{tool} was shown no file of {', '.join(hidden)}" if hidden else f"{tool} was refused a file"
    parts = []
    for name in names:
        versions = sorted({Version(one.decision.file.version) for one in releases if one.decision.file.name == name})
        if len(versions) == 1:
            parts.append(f"{name} {versions[0]}")
        elif versions:
            parts.append(f"{name} {versions[0]} to {versions[-1]} ({len(versions)} releases)")
    return f"{tool} was not shown {', '.join(parts)}"


def _package(
    terminal: Terminal, releases: Sequence[Judged], policies: dict[str, Policy], asked: list[str], run: Run
) -> list[Judged]:
    """Print the releases of a package that are in the way; return those that got a line of their own."""
    if not releases:
        return []
    ordered = _newest_first(releases)
    grave = [one for one in ordered[1:] if _says_something_of_its_own(one)][: MAX_LISTED - 1]
    told = [ordered[0], *grave]
    rest = [one for one in ordered[1:] if one not in grave]
    rows = [[f"✘ {subject_of(one.decision)}", one.decision.reason.code, route_of(one)] for one in told]
    below = [evidence(one.decision, policies, asked) for one in told]
    newest = run.newest_approved.get(ordered[0].decision.file.name)
    if newest and below[0] and "no matching audit" in below[0][-1]:
        below[0][-1] += f"; newest approved {newest}"
    terminal.rows(rows, below)
    if rest:
        terminal.line(f"{number_of(len(rest), 'older release')} {'fits' if len(rest) == 1 else 'fit'}: {_rest(rest)}")
    return told


def _says_something_of_its_own(one: Judged) -> bool:
    reason = one.decision.reason
    return reason.klass in (ReasonClass.NO, ReasonClass.BROKEN) and reason is not Reason.NO_REQUIREMENTS


def _newest_first(releases: Sequence[Judged]) -> list[Judged]:
    return sorted(releases, key=lambda one: Version(one.decision.file.version), reverse=True)


def _rest(rest: Sequence[Judged]) -> str:
    old = [one for one in rest if one.decision.reason is Reason.TOO_OLD]
    parts = [
        f"{one.decision.file.version} too-old (approved, {plain(one.decision.detail or '')})"
        for one in old[:MAX_LISTED]
    ]
    by_reason: dict[str, list[str]] = {}
    for one in rest:
        if one.decision.reason is not Reason.TOO_OLD:
            by_reason.setdefault(one.decision.reason.code, []).append(one.decision.file.version)
    for reason, versions in by_reason.items():
        listed = ", ".join(versions) if len(versions) <= MAX_LISTED and not old else str(len(versions))
        parts.append(f"{listed} {reason}")
    return ", ".join(parts)


def _warned(terminal: Terminal, run: Run) -> None:
    forgiving = [one.mode for one in run.policies if one.mode != "block"]  # those that block have said yes
    mode = "warn" if "warn" in forgiving else next(iter(forgiving), run.mode)
    if mode == "record":
        return
    silent = [one for one in run.files if one.decision.reason.klass is ReasonClass.SILENCE]
    names = sorted({one.decision.file.name for one in silent})
    total = len({one.decision.file.name for one in run.files})
    place = next((one.mode_place for one in run.policies if one.mode == mode and one.mode_place), None)
    said = f'mode = "{mode}"' + (f", {place}" if place else "")
    terminal.line(
        f"openvet: warned, {len(names)} of {number_of(total, 'package')} "
        f"{'is' if len(names) == 1 else 'are'} not approved ({said}){_counted(run)}"
    )
    terminal.rows([[f"! {subject_of(one.decision)}", one.decision.reason.code, route_of(one)] for one in silent])
    which = {1: "it", 2: "both"}.get(len(names), "them")
    # what was installed from a lock has no page of an index: nothing is known of its other releases
    newest = ", ".join(f"{name} {run.newest_approved[name] or 'none'}" for name in names if name in run.newest_approved)
    terminal.line(f'mode = "block" would withhold {which}' + (f"; newest approved: {newest}" if newest else ""))


def _counted(run: Run) -> str:
    """Count what baseline and exemptions forgave; they are never listed."""
    counts = ((run.baseline_used, "baseline"), (run.exemptions_used, "exempt"))
    told = [f"{count} {word}" for count, word in counts if count]
    return f"; {', '.join(told)}" if told else ""


def _held_back(terminal: Terminal, run: Run) -> None:
    if run.mode == "record" or not run.held_back:
        return
    clauses = []
    for one in run.held_back:
        age = "" if one.days is None else f", {number_of(one.days, 'day')} old"
        clauses.append(f"newest {one.newest} is {one.reason}{age}")
    if len(clauses) == 1:
        held = run.held_back[0]
        terminal.line(f"openvet: held back: {held.package} {held.chosen}, {clauses[0]}")
        return
    terminal.line(f"openvet: {len(clauses)} packages held back")
    first = max(len(one.package) for one in run.held_back)
    second = max(len(one.chosen) for one in run.held_back)
    for one, clause in zip(run.held_back, clauses, strict=True):
        terminal.line(f"  {one.package.ljust(first)}  {one.chosen.ljust(second)}    {clause}")
