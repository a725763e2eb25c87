"""`uv run` under the gate: first what is to be installed, then the user's program outside of it (threats T18, T19)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH110, PTH118, PTH123

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import InvalidError, UsageError
from openvet_install.installers import program, scripts, starting, uv_flags, uv_script, uv_sync
from openvet_install.installers.commands import without_login
from openvet_install.installers.overlay import Overlay
from openvet_install.installers.passing import GATED, Command, flag_table
from openvet_install.installers.projects import pyproject, table_of
from openvet_install.installers.target import find_python, inspect, new_environment, project_python
from openvet_install.installers.tokens import Token, has, last_of
from openvet_install.installers.uv_around import of_project, working_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.program import Program
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target

MAX_DEPTH = 100
_KINDS = ("--module", "--script", "--gui-script")
_OF_TOOLS = frozenset({"UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_BUILD_CONSTRAINT"})


class UvRun:
    """One `uv run`: `plans` are carried out one after the other, each before the next is asked for; then `program`.

    Making one raises what `uv.plan` raises, and so do the methods.
    """

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
        """Read what is asked for; nothing is installed yet.

        `started` are the variables as this process got them, `room` is a folder of this run alone
        for environments, with another one for temporary files in it.
        """
        self._typed = tuple(map(without_login, argv))
        self._tokens, self._words = starting.options_and_words(command, environ)
        self._environ, self._from, self._fetch, self._room = environ, cwd, fetch, room
        self._kind = next((name for name in _KINDS if has(self._tokens, name)), "").replace("gui-", "")
        self._tokens += self._place_of_script()
        self._around = starting.look_around_in(room, self._tokens, environ, cwd, command.words)
        self._depth = _recursion(self._tokens, started)
        self._check_words()
        self._stdin = sys.stdin.buffer.read() if self._words[0] == "-" else b""
        self._script = self._read_script()
        self._started = started
        starting.check_variables(self._tokens, self._around, started)
        self._base: Target | None = None
        self._overlay: Overlay | None = None

    def plans(self) -> Iterator[Plan]:
        """Yield what is to be installed; go on only after it was."""
        lock = None
        if self._script is not None:
            for plan in self._of_script(self._script):
                yield plan
                self._base = plan.target
        elif self._in_project() and not self._says("--no-sync", "UV_NO_SYNC"):
            plan = self._of_project()
            yield plan
            self._base = plan.target
            lock = self._lock()
        else:
            self._base = self._as_it_is()
            lock = self._lock() if self._in_project() and not self._alone else None
        if self._base is None:
            raise ValueError("nothing was planned")
        overlay = Overlay(
            self._tokens, self._base, self._room / "with", uv=self._uv, cwd=self._from, child=self._around.child
        )
        if overlay.is_needed():
            self._overlay = overlay
            environ = {name: value for name, value in self._environ.items() if name not in _OF_TOOLS}
            yield from overlay.plans(environ, lock, typed=self._typed, fetch=self._fetch)

    def program(self) -> Program:
        """Return what is to be started when everything is installed and checked.

        Raises `InvalidError` for a script that is another one now.
        """
        if self._base is None:
            raise ValueError("nothing was planned")
        if self._script is not None and self._words[0] != "-":
            now = hashlib.sha256(_read(os.path.join(self._cwd, self._words[0]))).hexdigest()
            if now != self._script.sha256:
                raise InvalidError(
                    f"`{self._words[0]}` was changed while its environment was made", hint="run it again"
                )
        target, folders = self._base, [self._base.scripts]
        if self._overlay is not None:
            target = self._overlay.finish()
            folders.insert(0, target.scripts)
        variables = program.variables(
            starting.variables_of(self._tokens, self._around, self._started),
            self._uv,
            folders,
            virtual=target.prefix if target.virtual else None,
            depth=self._depth + 1,
        )
        words = program.words_of(self._words, self._kind, target, cwd=self._cwd, stdin=self._stdin)
        return program.Program(words, variables, self._cwd)

    @property
    def hangs_on(self) -> tuple[tuple[str, str], ...] | None:
        """What says what the words start, beside all that was read: a bare script, or what lies at a path.

        None if more than that does.
        """
        place = os.path.abspath(os.path.join(self._cwd, self._words[0]))
        named = any(one.flag is not None and one.flag.name.startswith("--with") for one in self._tokens)
        named = named or has(self._tokens, "--verbose")  # then uv's own words are asked for
        more = self._script is not None or named or self._words[0] == "-" or Path(place).is_dir()
        if more or starting.environment_files(self._tokens, self._around) or Path(self._cwd) != Path.cwd():
            return None
        script = self._kind == "--script" or (not self._kind and program.is_script(place))
        return (("bare" if script else "at", place),)

    @property
    def _uv(self) -> str:
        return self._around.helper.path

    @property
    def _cwd(self) -> str:
        return self._around.cwd

    def _says(self, flag: str, variable: str) -> bool:
        return has(self._tokens, flag) or self._around.says(variable)

    @property
    def _alone(self) -> bool:
        return self._says("--isolated", "UV_ISOLATED")

    def _check_words(self) -> None:
        """Refuse what must not run."""
        if not self._words:
            raise UsageError("`uv run` needs a command or a script", hint="openvet-uv run COMMAND")
        first = self._words[0]
        if first.lower().startswith(("http://", "https://")) and not os.path.exists(os.path.join(self._cwd, first)):
            raise UsageError(
                f"`{without_login(first)}` is refused: a script from elsewhere would run unread",
                hint="download it, read it, and run the file",
            )
        if self._kind == "--module":
            if first == "-":
                raise UsageError("`--module -`: a module cannot come from the standard input")
            program.refuse_installers(("python", "-m", *self._words), "uv run", self._environ)
        elif not self._kind:
            program.refuse_installers(self._words, "uv run", self._environ)

    def _place_of_script(self) -> list[Token]:
        """Return the option that names the folder of a script, from which on uv looks for its project."""
        if not self._words or has(self._tokens, "--project") or self._environ.get("UV_PROJECT"):
            return []
        cwd = working_folder(self._tokens, self._environ, self._from)
        folder = program.folder_of(self._words, self._kind, cwd)
        # uv leaves `..` where it is, so on its way up from there it comes by the working folder, too
        if not folder or _nearest(Path(cwd, folder)) == Path(cwd):
            return []
        return [Token(flag_table("uv", ("run",))["--project"], self._words[0], folder)]

    def _read_script(self) -> scripts.Script | None:
        first = self._words[0]
        if first == "-":
            return scripts.read_script(self._stdin, "standard input")
        path = os.path.join(self._cwd, first)
        if self._kind != "--script" and (self._kind or not program.is_script(path)):
            return None
        return scripts.read_script(_read(path), first)

    @property
    def _start(self) -> Path:
        return Path(os.path.abspath(os.path.join(self._cwd, last_of(self._around.where, "--project") or "")))

    def _lock(self) -> Path | None:
        """Return the lock of the project, or of the workspace around it."""
        nearest = True
        for one in (self._start, *self._start.parents):
            if not (one / "pyproject.toml").is_file():
                continue
            uv = table_of(table_of(pyproject(str(one / "pyproject.toml"), str(one)), "tool"), "uv")
            if (nearest or "workspace" in uv) and (one / "uv.lock").is_file():
                return one / "uv.lock"
            nearest = False
        return None

    def _in_project(self) -> bool:
        if self._says("--no-project", "UV_NO_PROJECT"):
            return False
        nearest = _nearest(self._start)
        if nearest is None:
            return False
        text = pyproject(str(nearest / "pyproject.toml"), str(nearest))
        return table_of(table_of(text, "tool"), "uv").get("managed") is not False

    def _of_project(self) -> Plan:
        """Return what `uv sync` would do with the same options, but that it leaves what else is there."""
        known = set(uv_flags.SYNC)
        tokens = [token for token in self._tokens if token.flag in known]
        if not has(tokens, "--exact") and not has(tokens, "--inexact"):
            tokens.append(Token(flag_table("uv", ("sync",))["--inexact"], "--inexact", None))
        isolated = {"UV_PROJECT_ENVIRONMENT": str(self._room / "project")}
        alone = self._alone
        environ = {**self._environ, **isolated} if alone else self._environ
        plan = uv_sync.plan(self._typed, environ, self._from, command=Command(GATED, ("sync",), ()), tokens=tokens)
        plan = replace(plan, alone=alone)
        # the first filling of an environment may take a while: there uv tells how it goes
        return starting.quiet(plan, self._tokens) if alone or plan.target.python.exists() else plan

    def _as_it_is(self) -> Target:
        """Return the environment or interpreter that uv would take without installing anything."""
        in_project = self._in_project()
        if in_project and not self._alone:
            around = of_project(self._around)
            chosen = [*uv_sync.steering(self._tokens, around.judged), *around.where]
            flags = [part for token in chosen for part in token.canonical()]
            return inspect(project_python(self._uv, flags, around.child, self._cwd), around.child)
        project = [] if in_project else ["--no-project"]
        flags = [*project, *starting.request(self._tokens, self._around)]
        path = find_python(self._uv, flags, self._around.child, self._cwd)
        if not self._alone:
            return inspect(path, self._around.child)
        return new_environment(self._uv, path, self._room / "isolated", self._around.child, self._cwd)

    def _of_script(self, script: scripts.Script) -> Iterator[Plan]:
        if self._says("--no-sync", "UV_NO_SYNC"):
            raise UsageError("`--no-sync` with a script that asks for packages: no environment of it was checked")
        path = self._words[0] if self._words[0] != "-" else None
        tokens, around, room, typed = self._tokens, self._around, self._room, self._typed
        if path is not None and uv_script.has_lock(path, around):
            yield from uv_script.plans_by_lock(
                script, path, tokens, around, room, environ=self._environ, cwd=self._from, typed=typed
            )
        else:
            yield uv_script.plan(script, path, tokens, around, room, typed=typed)


def _nearest(place: Path) -> Path | None:
    """Return the first folder with a pyproject.toml, from `place` on upwards."""
    return next((one for one in (place, *place.parents) if (one / "pyproject.toml").is_file()), None)


def _recursion(tokens: Sequence[Token], started: Mapping[bytes, bytes]) -> int:
    """Return how often `uv run` stands in itself. Raises `UsageError` when that is too often."""
    try:
        depth = int(started.get(program.DEPTH.encode(), b"0"))
        most = int(last_of(tokens, "--max-recursion-depth") or MAX_DEPTH)
    except ValueError as error:
        raise UsageError(f"`{program.DEPTH}` or `--max-recursion-depth` is no number") from error
    if depth > most:
        raise UsageError(f"`uv run` stands in itself {depth} times, more than {most}")
    return depth


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}") from error
