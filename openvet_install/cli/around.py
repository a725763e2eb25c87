"""`exec -- COMMAND`: any command behind the gate, as if we were not there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from openvet_install.cli import gated, reports
from openvet_install.cli.ending import die_of, guarded, leave
from openvet_install.cli.options import split
from openvet_install.cli.policy import introduce, read_setting
from openvet_install.errors import UsageError
from openvet_install.gate import around as gate
from openvet_install.gate.model import Outcome
from openvet_install.installers import around as installers
from openvet_install.installers.commands import without_login
from openvet_install.installers.sandbox import OFF
from openvet_install.report import around as words
from openvet_install.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions


def main() -> NoReturn:
    """Run as `openvet-install exec -- COMMAND`."""
    leave(guarded(lambda: run(sys.argv[3:], split((), os.environ)[0])))


def run(argv: Sequence[str], options: WrapperOptions) -> int:
    """Run a command; return its exit code unless there is something to add. Raises `InstallError` before it starts."""
    if not argv:
        raise UsageError("`exec` needs a command", hint="openvet-install exec -- COMMAND")
    reports.check(options.reports, github="stderr")
    with reports.telling(["exec", *map(without_login, argv)], options):
        return _run(argv, options)


def _run(argv: Sequence[str], options: WrapperOptions) -> int:
    chosen = read_setting(options)
    planned = installers.plan(argv, os.environ, str(Path.cwd()))
    terminal = Terminal.of(sys.stderr, os.environ)
    for line in introduce(chosen, os.environ):
        terminal.line(line)
    gated.tell_dropped(terminal, planned.dropped)
    result, told = gate.run(planned, chosen, os.environ, every=bool(options.reports))
    # Of a layer of an image `doctor` tells it; who switched it off knows.
    if result.isolation[0] == OFF and chosen.isolation != OFF and os.getpid() != 1:
        terminal.line(f"openvet: note: {result.isolation[1]}; a program that avoids the proxy is not held")
    words.run(terminal, result, told, {one.scope: one.policy for one in chosen.policies})
    reports.write(result, options.reports, github=sys.stderr)
    reports.tell_around(result)
    if result.signal is not None and result.outcome is Outcome.FAILED:
        die_of(result.signal)
    return result.exit_code
