"""`completion SHELL`: a script for bash, zsh or fish, to be sourced; made by shtab from the parser itself."""

from __future__ import annotations

import sys

import shtab

SHELLS = ("bash", "zsh", "fish")


def run(shell: str) -> int:
    """Print the script."""
    from openvet_install.cli.manage import parser  # noqa: PLC0415 - the parser names this command

    sys.stdout.write(shtab.complete(parser(), shell) + "\n")
    return 0
