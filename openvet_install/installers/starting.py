"""What commands of uv share that end in a program of the user: its words, the interpreter, files of variables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openvet_install.installers import program, uv_flags
from openvet_install.installers.passing import flag_table
from openvet_install.installers.tokens import Token, Tokeniser, has, last_of, refuse, values_of
from openvet_install.installers.uv_around import look_around
from openvet_install.installers.uv_sources import said_by_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.passing import Command
    from openvet_install.installers.uv_around import Around

STEERING = ("--python", "--managed-python", "--no-managed-python", "--python-preference")
"""The options by which uv chooses an interpreter: in a new environment it has been chosen."""


def options_and_words(command: Command, environ: Mapping[str, str]) -> tuple[list[Token], tuple[str, ...]]:
    """Return uv's own options, and the words of the program with all that follows. Raises `UsageError`."""
    reader = Tokeniser(command.argv, tool=f"uv {uv_flags.VERSION}", equals_in_short=True)
    table = flag_table("uv", command.words)
    tokens = list(command.before)
    words: tuple[str, ...] = ()
    while found := reader.next(table):
        if found[0].flag is None:
            words = (found[0].spelled, *reader.rest)
            break
        tokens += found
    for token in tokens:
        refuse(token, tool="uv", command=f"uv {' '.join(command.words)}")
    tokens += said_by_variables(tokens, table, environ)
    named = [one for one in tokens if one.value or one.flag is None or one.flag.name != "--with-requirements"]
    return named, words


def look_around_in(
    room: Path, tokens: Sequence[Token], environ: Mapping[str, str], cwd: str, words: tuple[str, ...]
) -> Around:
    """As `look_around`; temporary files go into the run's own `room`."""
    around = look_around(tokens, environ, cwd, words)
    return replace(around, child={**around.child, "TMPDIR": str(room / "tmp")})


def check_variables(tokens: list[Token], around: Around, started: Mapping[bytes, bytes]) -> None:
    """Have the files of variables that people name read, before anything is installed. Raises `ToolStops`."""
    if files := environment_files(tokens, around):
        program.check_files(around.helper.path, files, started, around.cwd)


def variables_of(tokens: list[Token], around: Around, started: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variables as this process got them, with those of the files that people name."""
    files = environment_files(tokens, around)
    added = program.from_files(around.helper.path, files, started, around.cwd) if files else {}
    return {**started, **added}


def request(tokens: list[Token], around: Around) -> list[str]:
    """Return the options of `uv python find` for the interpreter that was asked for, if one was."""
    steering = [token for token in tokens if token.flag is not None and token.flag.name in STEERING[1:]]
    asked = last_of(tokens, "--python") or around.judged.get("UV_PYTHON")
    options = [part for token in (*steering, *around.where) for part in token.canonical()]
    return [*options, *(["--", asked] if asked else [])]


def environment_files(tokens: list[Token], around: Around) -> list[str]:
    """Return the files of `--env-file`, else of its variable."""
    if has(tokens, "--no-env-file") or around.says("UV_NO_ENV_FILE"):
        return []
    return values_of(tokens, "--env-file") or around.judged.get("UV_ENV_FILE", "").split()


def quiet(plan: Plan, tokens: list[Token]) -> Plan:
    """Return the plan such that uv is silent when all is well, unless people want to hear more or less."""
    if has(tokens, "--verbose") or has(tokens, "--quiet"):
        return plan
    return replace(plan, argv=(plan.argv[0], "--quiet", *plan.argv[1:]))
