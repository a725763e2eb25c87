"""`uv tool run` (`uvx`) under the gate: a new environment for a tool, checked, then its command outside (T18, T19)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import Version

from openvet_install.errors import UsageError
from openvet_install.installers import fresh, program, starting
from openvet_install.installers.commands import COMMAND_LINE, without_login
from openvet_install.installers.passing import flag_table
from openvet_install.installers.projects import pyproject, read_project, table_of
from openvet_install.installers.target import ToolStops, find_python, new_environment
from openvet_install.installers.tokens import Token, has, last_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.passing import Command
    from openvet_install.installers.program import Program
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target

_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_AT = re.compile(rf"({_WORD})(\[(?:{_WORD}(?:,{_WORD})*)?\])?@(\S+)")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PYTHON = re.compile(r"python(?:@?([0-9][0-9.]*t?))?")
_OTHER_PYTHONS = re.compile(r"(?:cpython|pypy|graalpy|pyodide)(?:[0-9@.].*)?", re.IGNORECASE)
_OF_VENV = re.compile(r"python[0-9.]*|(de)?activate.*|pydoc\.bat")
_SCRIPTS = (".py", ".pyw")
_NOTHING = '[project]\nname = "nothing"\nversion = "0"\n'
"""Here each search of uv ends, that for versions of Python, too, and in the folder above that for a workspace.

What lies further up may be anybody's.
"""


class UvTool:
    """One `uv tool run`: `plans` are carried out, then `program` starts. Errors: `uv.plan`."""

    goes_on = False

    def __init__(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        cwd: str,
        *,
        command: Command,
        fetch: FetchOutside,
        started: Mapping[bytes, bytes],
        room: Path,
    ) -> None:
        """Read what is asked for; `started` and `room` as for `UvRun`."""
        self._typed = tuple(map(without_login, argv))
        tokens, self._words = starting.options_and_words(command, environ)
        self._tokens = outside_of_projects(tokens, command.words, room / "tmp" / "nowhere")
        self._environ, self._from, self._fetch, self._room = environ, cwd, fetch, room
        self._around = starting.look_around_in(room, self._tokens, environ, cwd, command.words)
        self._tool = asked_for(self._tokens, self._words)
        program.refuse_installers((self._executable() or "", *self._words[1:]), "uv tool run", environ)
        self._started = started
        starting.check_variables(self._tokens, self._around, started)
        self._target: Target | None = None
        self._name = ""

    def plans(self) -> Iterator[Plan]:
        """Yield what is to be installed; go on only after it was."""
        uv, cwd = self._around.helper.path, self._around.cwd
        python = _PYTHON.fullmatch(self._tool)
        flags = ["--system", "--no-project", *starting.request(self._tokens, self._around)]
        if not has(self._around.where, "--config-file"):
            flags.insert(0, "--no-config")
        if python is not None and python[1]:
            if "--" in flags:
                raise UsageError(f"`{self._tool}` and `--python` name two interpreters")
            flags += ["--", python[1]]
        flags += [] if "--" in flags else python_of(self._tool, cwd)
        base = find_python(uv, flags, self._around.child, cwd)
        self._target = new_environment(uv, base, self._room / "tool", self._around.child, cwd)
        words = [] if python is not None else [self._tool]
        if words or any(has(self._tokens, name) for name in ("--with", "--with-editable", "--with-requirements")):
            plan = fresh.fill(
                self._target, self._tokens, words, self._environ, self._from, typed=self._typed, fetch=self._fetch
            )
            self._name = str(plan.requested[0].requirement.name) if plan.requested else self._tool
            yield plan

    def program(self) -> Program:
        """Return what is to be started. Raises `ToolStops` for a command that the tool does not have."""
        if self._target is None:
            raise ValueError("nothing was planned")
        name = self._executable() or self._name
        if not (self._target.scripts / name).exists() and not has(self._tokens, "--from"):
            own = sorted(one.name for one in self._target.scripts.iterdir() if not _OF_VENV.fullmatch(one.name))
            listed = "".join(f"- {one}\n" for one in own)
            raise ToolStops(
                f"An executable named `{name}` is not provided by package `{self._name}`.\n"
                f"The following executables are available:\n{listed}",
                1,
            )
        variables = program.variables(
            starting.variables_of(self._tokens, self._around, self._started),
            self._around.helper.path,
            [self._target.scripts],
            virtual=None,
            depth=None,
        )
        return program.Program((name, *self._words[1:]), variables, self._around.cwd)

    def _executable(self) -> str | None:
        """Return the name of the command, None where only the package will tell."""
        if has(self._tokens, "--from"):
            return self._words[0]
        if _PYTHON.fullmatch(self._tool):
            return "python"
        match = _NAME.match(self._tool)
        by_name = match is not None and not re.match(r"\s*(@|:|/)", self._tool[match.end() :])
        return match[0] if match is not None and by_name and "/" not in self._tool else None


def asked_for(tokens: Sequence[Token], words: Sequence[str]) -> str:
    """Return what is to be installed for a tool, as a requirement. Raises `UsageError`."""
    if not words:
        raise UsageError("`uv tool run` needs a command", hint="openvet-uv tool run COMMAND")
    asked = last_of(tokens, "--from") or words[0]
    if asked.lower().endswith(_SCRIPTS):
        raise UsageError(f"`{asked}` is a script, no package", hint=f"openvet-uv run {asked}")
    if _OTHER_PYTHONS.fullmatch(asked):
        raise UsageError(f"`{asked}` names an interpreter", hint=f"openvet-uv tool run --python {asked} python")
    match = _AT.fullmatch(asked)
    if match is None or match[1] == "python":
        return asked
    if match[3] == "latest":
        return f"{match[1]}{match[2] or ''}"
    try:
        return f"{match[1]}{match[2] or ''}=={Version(match[3])}"
    except ValueError:
        return asked


def python_of(text: str, cwd: str) -> list[str]:
    """Return words for `uv python find`: which Python a tool from a folder is for, as uv looks for it."""
    found = read_project(text, cwd, COMMAND_LINE)
    if found is None:
        return []
    table = table_of(pyproject(f"{found.path}/pyproject.toml", found.origin), "project")
    return ["--", table["requires-python"]] if isinstance(table.get("requires-python"), str) else []


def outside_of_projects(tokens: Sequence[Token], words: tuple[str, ...], nowhere: Path) -> list[Token]:
    """Return the options with a project in which there is nothing: tools do not look at the one around them."""
    inside = nowhere / "inside"
    inside.mkdir(mode=0o700, parents=True)
    (inside / "uv.toml").touch()
    for folder in (nowhere, inside):
        (folder / "pyproject.toml").write_text(_NOTHING, "utf-8")
    found = [token for token in tokens if token.flag is None or token.flag.name != "--project"]
    return [*found, Token(flag_table("uv", words)["--project"], "--project", str(inside))]
