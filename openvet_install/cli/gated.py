"""A gated command from argv to exit code: policy, plan, run, reports, words."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import reports
from openvet_install.cli.ending import die_of
from openvet_install.cli.meanwhile import Meanwhile
from openvet_install.errors import InstallError
from openvet_install.gate import again
from openvet_install.installers.commands import without_login
from openvet_install.installers.target import ToolStops
from openvet_install.report.terminal import Terminal

TIMINGS = "OPENVET_INSTALL_TIMINGS"

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.passing import Command


_LEAD = ("UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "UV_PROJECT")


def run(tool: str, command: Command, options: WrapperOptions, argv: Sequence[str]) -> int:
    """Run a gated command of `pip` or `uv`, `argv` being the tool's; return the exit code.

    Raises `InstallError` before the tool starts.
    """
    reports.check(options.reports, github="stderr")
    put_in_order(tool, argv)
    try:
        plan, chosen = _plan(tool, command, options, argv)
    except InstallError as error:
        failed([tool, *map(without_login, argv)], options, error)
        return in_its_words(error)
    from openvet_install.cli.policy import introduce  # noqa: PLC0415 - imported meanwhile

    terminal = Terminal.of(sys.stderr, os.environ)
    try:
        for line in introduce(chosen, os.environ):
            terminal.line(line)
        tell_dropped(terminal, plan.dropped)
        result = carry_out(plan, chosen, options, terminal)
    except InstallError as error:
        failed([tool, *plan.typed], options, error, chosen)
        return in_its_words(error)
    if result.said:
        sys.stdout.buffer.write(result.said)
        sys.stdout.buffer.flush()
    reports.write(result, options.reports, github=sys.stderr)
    if again.listening() is not None:
        from openvet_install.gate import standing  # noqa: PLC0415 - imported by now

        standing.leave()
    return ended(result)


def put_in_order(tool: str, argv: Sequence[str]) -> None:
    """Put back the files of a project that a killed run has left otherwise, before anything reads them.

    They lie here or above, or where words of the command and variables lead.
    """
    if tool != "uv":
        return
    from openvet_install.gate.state import PROJECTS, Folders  # noqa: PLC0415 - for uv only

    folders = Folders.of(os.environ)
    if not os.path.isdir(folders.state / PROJECTS):  # noqa: PTH112 - False too where it is another user's
        return
    from openvet_install.cli.progress import Progress  # noqa: PLC0415 - rarely
    from openvet_install.gate import unfinished  # noqa: PLC0415 - rarely

    terminal = Terminal.of(sys.stderr, os.environ)
    words = [*(one.rpartition("=")[2] for one in argv), *(os.environ.get(one, "") for one in _LEAD)]
    watch = Progress(sys.stderr, terminal) if sys.stderr.isatty() else None
    for said in unfinished.put_back(Path.cwd(), words, folders.state, watch):
        terminal.line(f"openvet: warning: {said}")


def tell_dropped(terminal: Terminal, names: Iterable[str]) -> None:
    """Name what has no effect here."""
    for name in names:
        terminal.line(f"openvet: note: {name} has no effect in a gated run")


def carry_out(plan: Plan, chosen: Setting, options: WrapperOptions, terminal: Terminal) -> Run:
    """Run a plan behind the gate and say in words what it came to; the reports are the caller's to write.

    Nothing is said of a tentative one that came to nothing.
    """
    from openvet_install.gate import project  # noqa: PLC0415 - imported meanwhile
    from openvet_install.report import text  # noqa: PLC0415 - imported meanwhile

    result = project.run(plan, chosen, os.environ, every=bool(options.reports))
    if came_to_nothing(plan, result):
        return result
    text.run(terminal, result, {one.scope: one.policy for one in chosen.policies})
    reports.tell_around(result)
    if os.environ.get(TIMINGS):
        _timings(terminal, result)
    return result


def came_to_nothing(plan: Plan, result: Run) -> bool:
    """Tell whether the plan was tentative, and the tool found no way and has changed nothing."""
    found_none = result.outcome.value in ("blocked", "failed") and result.signal is None
    return plan.tentative and found_none and result.nothing_changed and not result.strays


def ended(result: Run) -> int:
    """Return the exit code of a run, or die of the signal that ended its tool."""
    if result.signal is not None:
        die_of(result.signal)
    return result.exit_code


def in_its_words(error: InstallError) -> int:
    """Print what the tool said where it has stopped by itself, and return its code; raise what is none of its."""
    if not isinstance(error, ToolStops):
        raise error
    sys.stderr.write(error.output)
    return error.exit_code


def _timings(terminal: Terminal, result: Run) -> None:
    """Print what benches read: the child's own time and our peak memory."""
    terminal.line(f"child {result.child_seconds:.4f}")
    status = Path("/proc/self/status")
    lines = status.read_text("utf-8").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM"):
            terminal.line(line)


def _plan(tool: str, command: Command, options: WrapperOptions, argv: Sequence[str]) -> tuple[Plan, Setting]:
    """Return the plan and the policies; what is wrong with the policies is told first."""
    # First and alone: the sooner the plan asks the target, the less there is to wait for.
    tools = importlib.import_module(f"openvet_install.installers.{tool}")
    if command.words == ("sync",):
        importlib.import_module("openvet_install.installers.uv_sync")
    meanwhile = Meanwhile(options, command)

    def fetch_by(url: str, *, upstream: UpstreamSettings) -> bytes:
        meanwhile.setting()  # nothing is asked for without a policy
        return fetch(url, upstream=upstream)

    try:
        plan: Plan = tools.plan(argv, os.environ, str(Path.cwd()), command=command, fetch=fetch_by)
    except InstallError:
        meanwhile.setting()
        raise
    chosen = meanwhile.setting()
    meanwhile.finish()
    return plan, chosen


def fetch(url: str, *, upstream: UpstreamSettings) -> bytes:
    """Get a file that a command names by URL, on the user's own way out."""
    from openvet_install.gate import remote  # noqa: PLC0415 - for files that are named by a URL only

    return remote.fetch(url, upstream=upstream)


def failed(command: list[str], options: WrapperOptions, error: InstallError, chosen: Setting | None = None) -> None:
    """Write the reports of a run that ended before its tool started."""
    reports.failed(command, options, error, chosen=chosen, github=sys.stderr)
