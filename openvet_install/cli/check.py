"""`check`: the decision about locks, for this target, without installing."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import reports
from openvet_install.cli.policy import read_setting
from openvet_install.decide import Reason, ReasonClass
from openvet_install.errors import InstallError, UsageError
from openvet_install.gate import judge
from openvet_install.gate.hashed import read_hashed
from openvet_install.installers import pip
from openvet_install.installers.choice import target_python
from openvet_install.installers.environment import sort_environment
from openvet_install.installers.locks import kind_of
from openvet_install.installers.target import inspect
from openvet_install.openvet.language import Tri
from openvet_install.report import text
from openvet_install.report.evidence import evidence
from openvet_install.report.terminal import Terminal, day_of, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.decide import Decision
    from openvet_install.gate.model import Judged, Run, Stray
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.target import Target
    from openvet_install.openvet.verdict import Policy

_HASH = re.compile(rb"--hash|#sha(?:256|384|512)=")


def run(files: list[str], options: WrapperOptions, *, python: str | None, all_files: bool) -> int:
    """Print a line for each file that is not approved, and a summary; exit as a gated run would."""
    reports.check(options.reports)
    with reports.telling(["check", *files], options):
        chosen = _setting(options)
        paths = [Path(name) for name in files] or locks_of(chosen.policies)
        result = _judged(paths, chosen, python=python, all_files=all_files)
    named = [] if files else [lock for one in chosen.policies if one.scope == "project" for lock in one.lockfiles]
    result.not_judged_here += tuple(f"{one.path} ({one.kind})" for one in named if not one.readable)
    if not files:
        result.not_judged_here += tuple(f"{path} (check FILE judges it)" for path in _left_out(paths, chosen.policies))
    if not files and not named:
        folder = folder_of(chosen.policies)
        result.not_judged_here += tuple(f"{path.name} (no lock)" for path in half_hashed(folder))
        result.not_judged_here += tuple(f"{path.name} (of a script)" for path in sorted(folder.glob("*.py.lock")))
    return _told(result, chosen, options)


def _left_out(judged: Sequence[Path], policies: Sequence[PolicyFile]) -> list[str]:
    """Return the locks beside the policy and in the working folder that were not judged, as seen from there."""
    known = {path.resolve() for path in judged}
    found = (path for folder in (folder_of(policies), Path.cwd()) for path in locks_in(folder))
    return list(dict.fromkeys(os.path.relpath(path) for path in found if path.resolve() not in known))


def environment(options: WrapperOptions, *, python: str | None) -> int:
    """Compare what is installed with the approved files; print and exit as `run` does."""
    from openvet_install.gate import drift  # noqa: PLC0415 - only here

    reports.check(options.reports)
    with reports.telling(["check", "--environment"], options):
        chosen = _setting(options)
        argv = ["install", *(["--python", python] if python else []), "pip"]
        result = drift.check(pip.plan(argv, os.environ, str(Path.cwd())), chosen, os.environ)
    return _told(result, chosen, options)


def _told(result: Run, chosen: Setting, options: WrapperOptions) -> int:
    if not any(one.path == reports.STDOUT for one in options.reports):
        _print(result, chosen)
    try:
        reports.write(result, options.reports)
    finally:
        _summarise(result, annotated=any(one.format == "github" for one in options.reports))
    return result.exit_code


def judged(paths: list[Path], options: WrapperOptions, *, python: str | None) -> Run:
    """Judge locks for this target. Raises `InstallError` for a policy or lock that cannot be read."""
    return _judged(paths, _setting(options), python=python, all_files=False)


def locks_in(folder: Path) -> list[Path]:
    """Return what a folder locks: uv.lock, pylock files, and requirements of which every line has a hash."""
    found = [folder / "uv.lock", *sorted(folder.glob("pylock*.toml"))]
    locks = [path for path in found if path.is_file() and kind_of(path)]
    return [*locks, *(path for path in sorted(folder.glob("*requirements*.txt")) if _is_hashed(path))]


def _is_hashed(path: Path) -> bool:
    try:
        return path.is_file() and bool(read_hashed(path, os.environ))
    except InstallError:
        return False


def coverage(result: Run) -> str:
    """Say how much of a lock is approved: `5 of 8 packages approved, 3 unaudited`."""
    everything = [*result.files, *result.withheld]
    counts: dict[str, int] = {}
    for one in everything:
        if one.decision.reason.klass is not ReasonClass.FINE:
            counts[one.decision.reason.code] = counts.get(one.decision.reason.code, 0) + 1
    approved = len(everything) - sum(counts.values())
    rest = "".join(f", {count} {reason}" for reason, count in sorted(counts.items()))
    return f"{approved} of {len(everything)} packages approved{rest}"


def is_silent(result: Run) -> bool:
    """Tell whether a lock has anything that a baseline could take."""
    return any(one.decision.reason.klass is ReasonClass.SILENCE for one in (*result.files, *result.withheld))


def _setting(options: WrapperOptions) -> Setting:
    return read_setting(options)


def _judged(paths: list[Path], chosen: Setting, *, python: str | None, all_files: bool) -> Run:
    return judge.check(paths, chosen, target_of(python), os.environ, every_file=all_files)


def target_of(python: str | None) -> Target:
    """Look at the environment that would be installed into. Raises `UsageError`."""
    environment = sort_environment("pip", os.environ).child
    return inspect(target_python(python, os.environ, str(Path.cwd())), environment)


def locks_of(policies: Sequence[PolicyFile]) -> list[Path]:
    """Return the locks that the project's policy names, else those beside it. Raises `UsageError` without any."""
    project = next((one for one in policies if one.scope == "project"), None)
    folder = folder_of(policies)
    if project is not None and project.lockfiles:
        readable = [one for one in project.lockfiles if one.readable]
        if not readable:
            raise UsageError("no `[[lockfile]]` of the policy is a uv.lock or a pylock.toml", hint="check FILE")
        return [folder / one.path for one in readable]
    if not (found := locks_in(folder)):
        hint = how_to_lock(folder) or "openvet-install check FILE"
        raise UsageError(f"no uv.lock, pylock.toml or hashed requirements in {folder}", hint=hint)
    return found


def folder_of(policies: Sequence[PolicyFile]) -> Path:
    """Return where locks are looked for: beside the project's policy, without one here."""
    return next((one.folder for one in policies if one.scope == "project"), Path.cwd())


def half_hashed(folder: Path) -> list[Path]:
    """Return requirements with hashes that are no lock: a line has none, or is refused, as those of addresses are."""
    paths = (path for path in sorted(folder.glob("*requirements*.txt")) if path.is_file())
    return [path for path in paths if _HASH.search(path.read_bytes()) and not _is_hashed(path)]


def how_to_lock(folder: Path) -> str | None:
    """Return the command that locks with hashes what a folder asks for; None where it asks for nothing.

    It runs in warn mode: what is locked is judged afterwards, and taken into a baseline or not.
    """
    loose = (path for path in sorted(folder.glob("*requirements*.txt")) if path.is_file() and not _is_hashed(path))
    if (path := next(loose, None)) is not None:
        name, locked = shlex.quote(path.name), shlex.quote(f"locked-{path.name}")
        return f"openvet-uv pip compile --openvet-mode=warn --generate-hashes {name} -o {locked}"
    return "openvet-uv lock --openvet-mode=warn" if _is_project(folder / "pyproject.toml") else None


def _is_project(path: Path) -> bool:
    try:
        return b"[project]" in path.read_bytes()
    except OSError:
        return False


def _print(result: Run, chosen: Setting) -> None:
    terminal = Terminal.of(sys.stdout, os.environ)
    policies = {one.scope: one.policy for one in chosen.policies}
    asked = sorted({log.name for log in result.logs})
    warned = [one for one in result.files if one.decision.reason.klass is not ReasonClass.FINE]
    order = {klass: number for number, klass in enumerate(reversed(ReasonClass))}
    told = sorted(
        [*result.withheld, *warned],
        key=lambda one: (order[one.decision.reason.klass], one.decision.file.name, one.decision.file.filename),
    )
    rows = [_row(one) for one in told]
    below = [_below(one, policies, asked) for one in told]
    rows += [_stray_row(one) for one in result.strays]
    terminal.rows(rows, below)


def _below(judged: Judged, policies: Mapping[str, Policy], asked: list[str]) -> list[str]:
    """Return the tree of a no or of what is broken; the silent rest is one line each."""
    if judged.decision.reason.klass is ReasonClass.SILENCE or judged.place is None:
        return []
    return evidence(judged.decision, dict(policies), asked)


def _row(judged: Judged) -> list[str]:
    decision = judged.decision
    sign = "!" if decision.shown else "✘"
    if judged.place is None:
        release = plain(f"{decision.file.name} {decision.file.version}", 300)
        return [f"{sign} {release}", decision.reason.code, plain(decision.detail or said(decision), 300)]
    return [f"{sign} {text.subject_of(decision)}", decision.reason.code, plain(judged.place, 300)]


def said(decision: Decision) -> str:
    """Say in one clause who said a no."""
    for one in decision.requirements:
        for audit, value in one.audits:
            if value is Tri.FALSE:
                return f"{one.name}: {audit.log} {audit.hash[:12]}, {day_of(audit.created_at)}"
    return ""


def _stray_row(one: Stray) -> list[str]:
    return [f"✘ {plain(f'{one.name} {one.version or str()}'.strip(), 300)}", one.reason, plain(one.text, 300)]


def _summarise(result: Run, *, annotated: bool) -> None:
    """Say on stderr what is no result; what ends soon has its own line in annotations."""
    terminal = Terminal.of(sys.stderr, os.environ)
    for warning in result.warnings:
        terminal.line(f"openvet: warning: {plain(warning, 300)}")
    if not (result.files or result.withheld or result.strays) and result.troubles:
        text.stopped(terminal, result.outcome, result.troubles, "nothing judged")
        return
    for one in () if annotated else result.endings:
        place = f"{Path(one.spot.path).name}:{one.spot.line}"
        days = f"{one.days} day{'' if one.days == 1 else 's'}"
        terminal.line(f"openvet: warning: {one.kind}: {plain(one.release)} ends on {one.until} ({days}), {place}")
    for where in result.exemptions_unused if result.command[:1] == ["check"] else ():
        terminal.line(f"openvet: warning: nothing here needs the exemption at {plain(where)}")
    if result.not_judged_here:
        terminal.line(f"not judged here: {', '.join(plain(one) for one in result.not_judged_here)}")
    terminal.line(summary(result))


def summary(result: Run) -> str:
    """Count in OpenVet's words: what has a no, is broken or does not assert what is asked has failed."""
    everything = [one.decision.reason for one in (*result.files, *result.withheld)]
    counts = Counter(one.klass for one in everything)
    baseline, exempt = everything.count(Reason.BASELINE), everything.count(Reason.EXEMPT)
    strange = sum(one.reason == Reason.UNAUDITED.code for one in result.strays)
    not_said = everything.count(Reason.NOT_ASSERTED)
    failed = counts[ReasonClass.NO] + counts[ReasonClass.BROKEN] + not_said + len(result.strays) - strange
    more = "".join(f", {count} {word}" for count, word in ((baseline, "baseline"), (exempt, "exempt")) if count)
    return (
        f"Summary: {counts[ReasonClass.FINE] - baseline - exempt} passed, {failed} failed, "
        f"{counts[ReasonClass.SILENCE] - not_said + strange} unaudited, {result.skipped} skipped{more}"
    )
