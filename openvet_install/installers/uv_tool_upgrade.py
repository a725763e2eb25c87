"""`uv tool upgrade` under the gate: tool by tool what a receipt asks for, in the environment that uv keeps for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import DirectReferenceError, InstallError, UsageError
from openvet_install.installers import disk, receipts, starting, toml, uv_config
from openvet_install.installers.commands import (
    COMMAND_LINE,
    Plan,
    Requested,
    http_url,
    names_sdist,
    private_folder,
    without_login,
)
from openvet_install.installers.lines import by_name, requested_by
from openvet_install.installers.passing import flag_table
from openvet_install.installers.projects import name_of, strings_of, table_of
from openvet_install.installers.sources import read_source
from openvet_install.installers.target import ToolStops, find_python, inspect, uv_version
from openvet_install.installers.tokens import Token, Tokeniser, has, refuse
from openvet_install.installers.uv_around import handed_on
from openvet_install.installers.uv_sources import Member, ignored_by, said_by_variables
from openvet_install.installers.uv_tool import outside_of_projects
from openvet_install.installers.uv_tool_install import folder_of_tools, replaced
from openvet_install.installers.uv_workspace import led_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from openvet_install.installers.passing import Command
    from openvet_install.installers.projects import Project
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_config import UvConfig

_BY_NAME = frozenset({"name", "specifier", "extras", "marker", "index"})
_FOLDER = frozenset({"directory", "editable"})
_ARCHIVE = frozenset({"name", "path", "extras", "marker"})
_DERIVED = "exclude-newer-span"
"""Of the options the one that stands in receipts only: from what `exclude-newer` was reckoned."""
_LISTS = ("requirements", "constraints", "overrides", "build-constraint-dependencies")


class UvToolUpgrade:
    """One `uv tool upgrade`: `plans` are carried out one after the other, one for each tool. Errors: `uv.plan`."""

    goes_on = True

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
        """Read what is asked for; `room` as for `UvRun`, no program is started."""
        del fetch, started
        self._typed = tuple(map(without_login, argv))
        reader = Tokeniser(command.argv, tool="uv", equals_in_short=True)
        tokens = [*command.before, *reader.all(flag_table("uv", command.words))]
        for token in tokens:
            refuse(token, tool="uv", command="uv tool upgrade")
        self._names = [_named(token.spelled) for token in tokens if token.flag is None]
        if not self._names and not has(tokens, "--all"):
            raise UsageError("`uv tool upgrade` needs a tool", hint="openvet-uv tool upgrade NAME    or --all")
        self._given = [token for token in tokens if token.flag is not None]
        self._given += said_by_variables(tokens, flag_table("uv", command.words), environ)
        self._tokens = outside_of_projects(self._given, command.words, room / "tmp" / "nowhere")
        self._around = starting.look_around_in(room, self._tokens, environ, cwd, command.words)
        if any(one.path for one in self._around.links):
            raise UsageError("`uv tool upgrade`: only packages of an index are gated yet")

    def plans(self) -> Iterator[Plan | InstallError]:
        """Yield the upgrade of each tool, or why it cannot be."""
        with private_folder() as folder:
            quiet = self._around.quiet(folder)
            version = uv_version(self._around.helper.path, quiet, self._around.cwd)
            place = folder_of_tools(self._around, quiet)
            wanted = self._names or [Requested(Requirement(one), COMMAND_LINE) for one in _installed(place)]
        if not wanted:
            sys.stderr.write("Nothing to upgrade\n")
        for one in wanted:
            try:
                plan: Plan | InstallError = self._plan(one, place / canonicalize_name(one.requirement.name), version)
            except InstallError as error:
                plan = error
            yield plan

    def program(self) -> None:
        """Return nothing: when all are upgraded that is all."""

    def _plan(self, asked: Requested, prefix: Path, version: str) -> Plan:
        name, around = asked.requirement.name, self._around
        raw = disk.read(str(prefix / receipts.NAME), receipts.MAX_BYTES)
        python = prefix / "bin" / "python"
        if raw is None or not python.exists():
            raise ToolStops(
                f"error: Failed to upgrade {name}\n  Caused by: `{name}` is not installed; "
                f"run `uv tool install {name}` to install\n",
                1,
            )
        said = _read(receipts.of_people(raw, prefix), str(prefix / receipts.NAME), around.cwd)
        settings = said.settings
        target, remade = self._target(python)
        led, indexes = led_by(said.folders, around, ignored_by([*self._given, *said.ignored]))
        folders = (*said.folders, *led)
        words = [token for token in self._given if handed_on(token)]
        where = [one for one in around.where if one.flag is not None and one.flag.name != "--project"]
        return Plan(
            tool="uv",
            version=version,
            words=("tool", "upgrade"),
            typed=self._typed,
            program=(around.helper.path,),
            helper=around.helper,
            argv=(
                *("tool", "upgrade"),
                *(part for token in (*words, *where, *self._python()) for part in token.canonical()),
                *around.links,
                *settings.links,
                *folders,
                "--",
                str(asked.requirement),
            ),
            cwd=around.cwd,
            target=target,
            requested=(*said.requested, *requested_by(folders, around.cwd), *([asked] if said.by_name(name) else [])),
            limits=said.limits,
            inputs=(),
            indexes=() if has(self._tokens, "--no-index") else (*settings.indexes, *around.with_members(indexes)),
            environment=around.child,
            upstream=around.upstream,
            dropped=around.dropped,
            selects=around.config.selects or settings.selects or names_sdist(said.requested),
            remade=remade,
        )

    def _python(self) -> list[Token]:
        """Return the interpreter that was asked for."""
        found = [token for token in self._given if token.flag is not None and token.flag.name == "--python"]
        if not found and self._around.judged.get("UV_PYTHON"):
            flag = flag_table("uv", ("tool", "upgrade"))["--python"]
            found = [Token(flag, "UV_PYTHON", self._around.judged["UV_PYTHON"])]
        return found

    def _target(self, python: Path) -> tuple[Target, bool]:
        """Return the environment of a tool as it will be, and whether uv makes it anew: for another Python."""
        around = self._around
        if not self._python():
            return inspect(str(python), around.child), False
        flags = ["--system", "--no-project", *starting.request(self._tokens, around)]
        return replaced(python, find_python(around.helper.path, flags, around.child, around.cwd), around.child)


def _named(text: str) -> Requested:
    return Requested(by_name(text), COMMAND_LINE)


def _installed(place: Path) -> list[str]:
    """Return the names of the tools that uv keeps."""
    try:
        return sorted(one.name for one in place.iterdir() if (one / receipts.NAME).is_file())
    except OSError:
        return []


class _Receipt(NamedTuple):
    """What a tool asks for, by name, as archives or in `folders`; what limits that, and its settings.

    `ignored` is what its options say of sources, as typed options.
    """

    requested: tuple[Requested, ...]
    folders: tuple[Project, ...]
    limits: tuple[Requested, ...]
    settings: UvConfig
    ignored: tuple[Token, ...]

    def by_name(self, name: str) -> bool:
        """Tell whether a package comes from an index, as far as the receipt says."""
        own = [one.requirement.name for one in self.requested if one.source is not None]
        return canonicalize_name(name) not in {*map(name_of, self.folders), *map(canonicalize_name, own)}


def _read(raw: bytes, path: str, cwd: str) -> _Receipt:
    """Read a receipt.

    Raises `UsageError` for one that cannot be read, `DirectReferenceError` for what no index lists, `ConfigError` for
    settings that lead past the gateway.
    """
    try:
        text = raw.decode()
        tool = table_of(toml.loads(text), "tool")
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read `{path}`: {error}", where=path) from error
    options = {key: value for key, value in table_of(tool, "options").items() if key != _DERIVED}
    settings = uv_config.read_table(path, text, options, top="tool.options")
    named = {key: _entries(tool.get(key)) for key in _LISTS}
    folders = [one for one in named["requirements"] if _names_folder(one)]
    archives = [one for one in named["requirements"] if _names_archive(one)]
    others = {key: [one for one in some if one not in (*folders, *archives)] for key, some in named.items()}
    found = {key: tuple(_requested(one, path) for one in some) for key, some in others.items()}
    table = flag_table("uv", ("tool", "upgrade"))
    ignored = [Token(table["--no-sources"], path, None)] if options.get("no-sources") is True else []
    ignored += [
        Token(table["--no-sources-package"], path, one) for one in strings_of(options.get("no-sources-package"))
    ]
    return _Receipt(
        requested=(*found["requirements"], *(_archive(one, path, cwd) for one in archives)),
        folders=tuple(_folder(one, path) for one in folders),
        limits=found["constraints"],
        settings=settings,
        ignored=tuple(ignored),
    )


def _names_folder(entry: object) -> bool:
    """Tell whether an entry is a folder, named by one absolute path and nothing that we do not know."""
    table = entry if isinstance(entry, dict) else {}
    ways = [table[key] for key in _FOLDER & table.keys()]
    known = table.keys() <= _FOLDER | {"name", "extras", "marker"}
    return known and len(ways) == 1 and isinstance(ways[0], str) and ways[0].startswith("/")


def _folder(entry: dict[str, Any], path: str) -> Project:
    extras = ",".join(map(str, _entries(entry.get("extras"))))
    place = os.path.abspath(next(entry[key] for key in _FOLDER if key in entry))  # noqa: PTH100 - as uv reads it
    if not os.path.isdir(place):  # noqa: PTH112 - a path as uv writes it
        raise UsageError(f"`{place}` is no folder", where=path, hint=f"uv tool uninstall {entry.get('name', 'NAME')}")
    return Member(place, editable="editable" in entry, extras=f"[{extras}]" if extras else "", origin=path)


def _names_archive(entry: object) -> bool:
    """Tell whether an entry is an archive of this machine, and nothing that we do not know."""
    table = entry if isinstance(entry, dict) else {}
    path = table.get("path")
    return table.keys() <= _ARCHIVE and isinstance(path, str) and path.startswith("/")


def _archive(entry: dict[str, Any], path: str, cwd: str) -> Requested:
    extras = ",".join(map(str, _entries(entry.get("extras"))))
    marker = f" ; {entry['marker']}" if entry.get("marker") else ""
    named = f"{entry.get('name')}[{extras}] @ {entry['path']}{marker}"
    try:
        found = read_source(named, cwd)
    except UsageError as fault:
        raise UsageError(fault.what, where=path, hint=f"uv tool uninstall {entry.get('name', 'NAME')}") from fault
    if found is None:
        raise UsageError(f"`{named}` is no archive", where=path)
    return Requested(found[0], path, source=found[1])


def _entries(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _requested(entry: object, path: str) -> Requested:
    """Read a requirement as uv keeps it: a table, or a text."""
    if isinstance(entry, str):
        return Requested(by_name(entry), path)
    table = entry if isinstance(entry, dict) else {}
    name = str(table.get("name", ""))
    if not table or not table.keys() <= _BY_NAME:
        kind = next(iter(sorted(table.keys() - _BY_NAME)), "something unknown")
        raise DirectReferenceError(
            f"`{name}`: {kind} as a source of a tool is refused (direct-reference): no index lists it",
            where=path,
            hint=f"openvet-uv tool install --force {name}",
        )
    if "index" in table and http_url(str(table["index"])) is None:
        raise UsageError(f"`{name}`: an index is an http or https URL", where=path)
    extras = ",".join(map(str, _entries(table.get("extras"))))
    marker = f"; {table['marker']}" if table.get("marker") else ""
    try:
        return Requested(Requirement(f"{name}[{extras}]{table.get('specifier', '')}{marker}"), path)
    except InvalidRequirement as error:
        raise UsageError(f"`{name}` in `{path}` is no requirement: {error}", where=path) from error
