"""`check`: the decision about locks, for this target, without installing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import reports
from openvet_install.cli.policy import read_setting
from openvet_install.decide import ReasonClass
from openvet_install.errors import UsageError
from openvet_install.gate import judge
from openvet_install.gate.model import Outcome
from openvet_install.installers.choice import target_python
from openvet_install.installers.environment import sort_environment
from openvet_install.installers.locks import kind_of
from openvet_install.installers.target import inspect
from openvet_install.report import text
from openvet_install.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.gate.model import Judged, Run
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.target import Target

FAILED = ("contradicted", "not-asserted", "withdrawn", "no-requirements")


def run(files: list[str], options: WrapperOptions, *, python: str | None, all_files: bool) -> int:
    """Print a line for each file that is not approved, and a summary; exit as a gated run would."""
    reports.check(options.reports)
    chosen = _setting(options)
    paths = [Path(name) for name in files] or locks_of(chosen.policies)
    result = _judged(paths, chosen, python=python, all_files=all_files)
    if not any(one.path == reports.STDOUT for one in options.reports):
        _print(result, chosen)
    _summarise(result)
    reports.write(result, options.reports)
    return result.exit_code


def judged(paths: list[Path], options: WrapperOptions, *, python: str | None) -> Run:
    """Judge locks for this target. Raises `InstallError` for a policy or lock that cannot be read."""
    return _judged(paths, _setting(options), python=python, all_files=False)


def locks_in(folder: Path) -> list[Path]:
    """Return the lock files of a folder: uv.lock, then pylock files."""
    found = [folder / "uv.lock", *sorted(folder.glob("pylock*.toml"))]
    return [path for path in found if path.is_file() and kind_of(path)]


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


def _setting(options: WrapperOptions) -> Setting:
    return read_setting(Path(options.project) if options.project else None, options)


def _judged(paths: list[Path], chosen: Setting, *, python: str | None, all_files: bool) -> Run:
    return judge.check(paths, chosen, target_of(python), os.environ, every_file=all_files)


def target_of(python: str | None) -> Target:
    """Look at the environment that would be installed into. Raises `UsageError`."""
    environment = sort_environment("pip", os.environ).child
    return inspect(target_python(python, os.environ, str(Path.cwd())), environment)


def locks_of(policies: Sequence[PolicyFile]) -> list[Path]:
    """Return the locks that the project's policy names, else those beside it. Raises `UsageError` without any."""
    project = next((one for one in policies if one.scope == "project"), None)
    folder = project.folder if project is not None else Path.cwd()
    if project is not None and project.lockfiles:
        readable = [one for one in project.lockfiles if one.kind in ("uv", "pylock")]
        return [folder / one.path for one in readable]
    if not (found := locks_in(folder)):
        raise UsageError(f"no uv.lock and no pylock.toml in {folder}", hint="openvet-install check FILE")
    return found


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
    terminal.rows([_row(one) for one in told], [text.evidence(one.decision, policies, asked) for one in told])


def _row(judged: Judged) -> list[str]:
    decision = judged.decision
    sign = "!" if decision.shown else "✘"
    return [f"{sign} {text.subject_of(decision)}", decision.reason.code, judged.place or ""]


def _summarise(result: Run) -> None:
    terminal = Terminal.of(sys.stderr, os.environ)
    if result.outcome in (Outcome.INVALID, Outcome.UNDECIDED) and result.troubles:
        text.stopped(terminal, result.outcome, result.troubles, "nothing judged")
        return
    if result.not_judged_here:
        terminal.line(f"not judged here: {', '.join(result.not_judged_here)}")
    everything = [one.decision for one in (*result.files, *result.withheld)]
    passed = sum(one.reason.klass is ReasonClass.FINE for one in everything)
    failed = sum(one.reason.code in FAILED for one in everything)
    silent = len(everything) - passed - failed
    terminal.line(f"Summary: {passed} passed, {failed} failed, {silent} unaudited, {result.skipped} skipped")
