"""`uv tool install` under the gate: into the environment that uv itself keeps for the tool (threats T19, T22, T30)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers import fresh, starting, uv_words
from openvet_install.installers.commands import (
    COMMAND_LINE,
    CONSTRAINTS,
    INPUT_FLAGS,
    WITH_REQUIREMENTS,
    Plan,
    Requested,
    private_folder,
    requested_of,
    require_hashes,
    with_files,
    without_login,
)
from openvet_install.installers.passing import flag_table
from openvet_install.installers.requirements import Reader, by_name, check_names
from openvet_install.installers.target import ToolStops, ask, find_python, inspect, still_missing, uv_version
from openvet_install.installers.tokens import Token, has, values_of
from openvet_install.installers.uv import named_by_variables
from openvet_install.installers.uv_around import handed_on, look_around
from openvet_install.installers.uv_tool import asked_for, outside_of_projects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.passing import Command
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around


_JUDGED = ("--from", "--with", "--with-executables-from", "--python")


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside,
) -> Plan:
    """Understand `uv tool install`; packages by name only. Errors: `uv.plan`."""
    words = [token.spelled for token in tokens if token.flag is None]
    if len(words) != 1:
        raise UsageError("`uv tool install` takes one package", hint="openvet-uv tool install PACKAGE")
    check_names(words if has(tokens, "--from") else [])
    asked = _named(asked_for(tokens, words))
    if asked.requirement.name.lower() == "python":
        raise UsageError("`uv tool install`: an interpreter is no tool", hint="openvet-uv tool run python")
    added, more = (
        [one for one in fresh.separated(values_of(tokens, flag)) if one]
        for flag in ("--with", "--with-executables-from")
    )
    with private_folder() as folder:
        around = look_around(
            outside_of_projects(tokens, command.words, folder / "nowhere"), environ, cwd, command.words
        )
        tokens = [*named_by_variables(flag_table("uv", command.words), tokens, around.judged), *tokens]
        uv_words.refuse_files((*added, *more), around.cwd, "--with-requirements")
        if has(tokens, "--with-editable") or any(one.path for one in around.links):
            raise UsageError("`uv tool install`: only packages of an index are gated yet")
        read = Reader(cwd, environ, partial(fetch, upstream=around.upstream), stdin=True).read
        inputs = tuple(part for kind, flag in INPUT_FLAGS["uv"].items() for part in read(values_of(tokens, flag), kind))
        quiet = around.quiet(folder)
        version = uv_version(around.helper.path, quiet, around.cwd)
        target = _target(canonicalize_name(asked.requirement.name), tokens, around, quiet)
    passed = [token for token in tokens if handed_on(token)]
    where = [one for one in around.where if one.flag is not None and one.flag.name != "--project"]
    judged = [token for token in tokens if token.flag is not None and token.flag.name in _JUDGED]
    if not has(tokens, "--python") and around.judged.get("UV_PYTHON"):
        judged.append(Token(flag_table("uv", command.words)["--python"], "UV_PYTHON", around.judged["UV_PYTHON"]))
    return Plan(
        tool="uv",
        version=version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            *command.words,
            *(part for token in (*passed, *where, *judged) for part in token.canonical()),
            *inputs,
            *around.links,
            "--",
            *words,
        ),
        cwd=around.cwd,
        target=target,
        requested=(asked, *map(_named, (*added, *more)), *requested_of(inputs, WITH_REQUIREMENTS)),
        limits=requested_of(inputs, CONSTRAINTS),
        inputs=inputs,
        indexes=with_files(around.indexes, inputs),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        selects=around.config.selects,
        requires_hashes=require_hashes(inputs, listed=False),
    )


def _named(text: str) -> Requested:
    return Requested(by_name(text), COMMAND_LINE)


def folder_of_tools(around: Around, quiet: Mapping[str, str]) -> Path:
    """Return where uv keeps the environments of tools. Raises `ToolStops` with uv's words."""
    told = ask([around.helper.path, "tool", "dir", "--color=never"], quiet, around.cwd)
    if told.returncode != 0:
        raise ToolStops(told.stderr.decode(errors="replace"), told.returncode)
    return Path(around.cwd, told.stdout.decode("utf-8", "surrogateescape").strip())


def _target(name: str, tokens: list[Token], around: Around, quiet: Mapping[str, str]) -> Target:
    """Return the environment that uv keeps for a tool, or would make."""
    uv, cwd = around.helper.path, around.cwd
    prefix = folder_of_tools(around, quiet) / name
    there = prefix / "bin" / "python"
    flags = ["--system", *starting.request(tokens, around)]
    if there.exists() and "--" not in flags:
        return inspect(str(there), quiet)
    base = inspect(find_python(uv, flags, quiet, cwd), quiet)
    if not there.exists():
        return still_missing(base, prefix)
    found = inspect(str(there), quiet)
    if found.version != base.version:
        raise UsageError(
            f"uv would make `{prefix}` anew, with another Python, which is not gated yet",
            hint=f"uv tool uninstall {name}",
        )
    return found
