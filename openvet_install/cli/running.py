"""`uv run`, `uvx` and other commands in steps: installed and checked under the gate, programs started outside of it."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from openvet_install.cli import gated, reports
from openvet_install.cli.meanwhile import Meanwhile
from openvet_install.cli.policy import introduce
from openvet_install.errors import InstallError
from openvet_install.gate import again
from openvet_install.gate.rooms import room
from openvet_install.gate.several import joined
from openvet_install.gate.state import Folders
from openvet_install.installers.commands import without_login
from openvet_install.installers.target import ToolStops
from openvet_install.installers.wait import own_environment
from openvet_install.report.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.passing import Command
    from openvet_install.installers.program import Program

    class Running(Protocol):
        """A command of several steps, after which a program of the user's may start.

        `goes_on`: each step is about something else, so that one that fails ends no other.
        """

        goes_on: bool

        def plans(self) -> Iterator[Plan | InstallError]:
            """Yield what is to be installed first, or why a step cannot be."""

        def program(self) -> Program | None:
            """Return what starts then."""


_UPGRADE = ("uv_tool_upgrade", "UvToolUpgrade")
_KINDS = {("run",): ("uv_run", "UvRun"), ("tool", "upgrade"): _UPGRADE, ("tool", "update"): _UPGRADE}


def run(command: Command, options: WrapperOptions, argv: Sequence[str]) -> int:
    """Become the program that `uv run` or `uvx` is asked for, or return the exit code of what it came to before.

    Raises `InstallError` before anything of the user's starts.
    """
    started = own_environment()
    reports.check(options.reports, github="stderr")
    gated.put_in_order("uv", argv)
    meanwhile = Meanwhile(options, command)
    typed = ["uv", *map(without_login, argv)]
    try:
        chosen = meanwhile.setting()
        with room(_folder()) as mine:
            name, kind = _KINDS.get(command.words, ("uv_tool", "UvTool"))
            running: Running = getattr(importlib.import_module(f"openvet_install.installers.{name}"), kind)(
                argv, os.environ, str(Path.cwd()), command=command, fetch=gated.fetch, started=started, room=mine.path
            )
            meanwhile.finish()
            runs = _install(running, chosen, options, typed)
            if runs:
                whole = joined(runs)
                reports.write(whole, options.reports, github=sys.stderr)
                if whole.exit_code or whole.signal:
                    return gated.ended(whole)
            program = running.program()
            if program is None:
                return 0
            if again.listening() is not None:
                from openvet_install.gate import standing  # noqa: PLC0415 - imported by now

                standing.leave(program, getattr(running, "hangs_on", None))
            if mine.is_used:
                program.start(mine.path, mine.lock)
        program.start()
    except InstallError as error:
        gated.failed(typed, options, error)
        return gated.in_its_words(error)


def _install(running: Running, chosen: Setting, options: WrapperOptions, typed: list[str]) -> list[Run]:
    """Carry out the plans, up to the first that does not end well unless they go on."""
    terminal = Terminal.of(sys.stderr, os.environ)
    for line in introduce(chosen, os.environ):
        terminal.line(line)
    runs: list[Run] = []
    told: set[str] = set()
    for plan in running.plans():
        try:
            if isinstance(plan, InstallError):
                raise plan
            gated.tell_dropped(terminal, [name for name in plan.dropped if name not in told])
            told.update(plan.dropped)
            done = gated.carry_out(plan, chosen, options, terminal)
            if not gated.came_to_nothing(plan, done):
                runs.append(done)
        except InstallError as error:
            if not running.goes_on:
                raise
            _tell(terminal, error)
            runs.append(reports.without_run(typed, options, error, chosen))
            reports.tell_around(runs[-1])
        if runs[-1].signal or (runs[-1].exit_code and not running.goes_on):
            break
    return runs


def _tell(terminal: Terminal, error: InstallError) -> None:
    """Print why a step cannot be: in the tool's words where it has said so."""
    if isinstance(error, ToolStops):
        sys.stderr.write(error.output)
        return
    from openvet_install.report import text  # noqa: PLC0415 - only then

    text.error(terminal, error)


def _folder() -> Path:
    """Return where environments of one run lie: programs must be able to start there, so not in a temporary folder."""
    cache = Folders.of(os.environ).cache
    with suppress(OSError):
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.access(cache, os.W_OK | os.X_OK):
        return cache / "environments"
    return Path(tempfile.gettempdir()) / f"openvet-environments-{os.getuid()}"
