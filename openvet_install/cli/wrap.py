"""`openvet-pip` and `openvet-uv`: what passes is handed over at once, what installs goes behind the gate.

Nothing heavy is imported until a command is known to be gated.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from openvet_install.cli.ending import guarded, leave
from openvet_install.cli.options import split
from openvet_install.installers import passing, uv_commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.installers.passing import Command

HELP = """\
openvet-{tool}: {tool} behind a gate that lets only approved files through

usage: openvet-{tool} {tool}-ARGUMENTS…

  --openvet-project DIR          the folder of the project's policy (OPENVET_INSTALL_PROJECT)
  --openvet-mode MODE            block, warn or record (OPENVET_INSTALL_MODE)
  --openvet-report FORMAT[:PATH] json, jsonl, sarif, github or markdown; no PATH or `-` means stdout (github:
                                 stderr); repeatable (OPENVET_INSTALL_REPORT)
  --openvet-offline              ask no log: judge by openvet.bundle beside the policy, else by what was
                                 verified before (OPENVET_INSTALL_OFFLINE)
  --openvet-bundle FILE          judge by this bundle; ask no log (OPENVET_INSTALL_BUNDLE)
  --openvet-help                 this text; `--help` is {tool}'s

exit codes: {tool}'s own when it ran and there is nothing to add; 64 usage, 65 invalid, 69 undecided,
70 a bug of ours, 77 blocked, 78 configuration
"""


def pip() -> NoReturn:
    """Run as `openvet-pip`."""
    leave(main("pip", sys.argv[1:]))


def uv() -> NoReturn:
    """Run as `openvet-uv`."""
    leave(main("uv", sys.argv[1:]))


def main(tool: str, argv: Sequence[str]) -> int:
    """Run a wrapper and return its exit code; a command that passes replaces this process."""
    return guarded(lambda: _main(tool, argv))


def _main(tool: str, argv: Sequence[str]) -> int:
    options, rest = split(argv, os.environ)
    if options.help:
        sys.stdout.write(HELP.format(tool=tool))
        return 0
    command = passing.classify(tool, rest)
    if command.kind == passing.PASS:
        passing.run_through(tool, command, os.environ, str(Path.cwd()))
    if tool == "uv" and command.words in uv_commands.IN_STEPS:
        from openvet_install.cli import running  # noqa: PLC0415 - only what is gated pays for it

        return running.run(command, options, rest)
    return _gated(tool, command, options, rest)


def _gated(tool: str, command: Command, options: WrapperOptions, argv: Sequence[str]) -> int:
    from openvet_install.cli import gated  # noqa: PLC0415 - only what is gated pays for it

    return gated.run(tool, command, options, argv)
