"""A gated command from argv to exit code: policy, plan, run, reports, words."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import reports
from openvet_install.cli.policy import read_setting
from openvet_install.cli.wrap import die_of
from openvet_install.errors import InstallError
from openvet_install.gate.model import Outcome, Run, Trouble
from openvet_install.installers import pip, uv
from openvet_install.installers.target import ToolStops
from openvet_install.report import text
from openvet_install.report.terminal import Terminal

if TYPE_CHECKING:
    from openvet_install.cli.options import WrapperOptions
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.passing import Command


def run(tool: str, command: Command, options: WrapperOptions) -> int:
    """Run a gated command of `pip` or `uv`; return the exit code. Raises `InstallError` before the tool starts."""
    reports.check(options.reports)
    try:
        chosen = read_setting(Path(options.project) if options.project else None, options)
        plan = _plan(tool, command)
    except ToolStops as stop:
        sys.stderr.write(stop.output)
        return stop.exit_code
    except InstallError as error:
        _failed(tool, command, options, error)
        raise
    from openvet_install.gate import session  # noqa: PLC0415 - heavy, and arguments stop before it

    terminal = Terminal.of(sys.stderr, os.environ)
    for name in plan.dropped:
        terminal.line(f"openvet: note: {name} has no effect in a gated run")
    result = session.run(plan, chosen, os.environ, every=bool(options.reports))
    text.run(terminal, result, {one.scope: one.policy for one in chosen.policies})
    reports.write(result, options.reports)
    if result.signal is not None:
        die_of(result.signal)
    return result.exit_code


def _plan(tool: str, command: Command) -> Plan:
    argv = sys.argv[1:]
    plan = pip.plan if tool == "pip" else uv.plan
    return plan(argv, os.environ, str(Path.cwd()), command=command)


def _failed(tool: str, command: Command, options: WrapperOptions, error: InstallError) -> None:
    """Write the reports of a run that never started."""
    from openvet_install.cli.policy import now  # noqa: PLC0415 - only on the way out

    result = Run(
        command=[tool, *command.words[-1:]],
        started=now(),
        mode=options.mode or "block",
        outcome=Outcome.FAILED,
        exit_code=error.exit_code,
        troubles=[Trouble(name="openvet-install", what=error.what, detail=error.where, hint=error.hint)],
    )
    reports.write(result, options.reports)
