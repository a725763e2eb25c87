"""Where `tool.uv.sources` of a folder lead, and whose word counts there beside its own (T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH120

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers import uv_config
from openvet_install.installers.environment import TRUE
from openvet_install.installers.projects import Project, pyproject, table_of
from openvet_install.installers.sources import refused_direct, shown
from openvet_install.installers.tokens import Token, has, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.locks_values import Lock
    from openvet_install.installers.tokens import Flag

FILE = "pyproject.toml"


class Member(Project):
    """A folder of the user's own that uv finds by itself, so it is no word of the command."""

    __slots__ = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Nothing."""
        return ()


def folders_named(lock: Lock, root: str) -> Iterator[Member]:
    """Yield the folders that a lock names, as seen from `root`, those too that only builds get.

    Raises as `refuse_constraints`.
    """
    refuse_constraints(lock)
    for package in (*lock.packages, *lock.build_constraints):
        if package.is_local:
            path = os.path.abspath(os.path.join(root, package.source.location))
            yield Member(path, package.source.kind == "editable", "", lock.where(package))


def refuse_constraints(lock: Lock) -> None:
    """Raise `DirectReferenceError` where a lock lets builds take something that is of no index, and no folder."""
    for one in lock.build_constraints:
        kind, place = one.source
        if kind != "registry" and not one.is_local:
            raise refused_direct(
                f"{one.name}: {kind} {place}", f"{lock.path.name}, build-constraints", vcs=kind == "git"
            )


class Ignored(NamedTuple):
    """The packages whose `tool.uv.sources` a command tells uv not to look at; `every`: those of all."""

    every: bool = False
    names: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        """Tell whether the sources of a package do not count."""
        return self.every or canonicalize_name(name) in self.names


NONE_IGNORED = Ignored()
_PLAIN = frozenset({"path", "editable", "package"})
_SAID = _PLAIN | {"workspace", "index", "marker", "extra", "group"}


class Said(NamedTuple):
    """What `tool.uv.sources` of a `file` say of one package, `entries` by absolute paths."""

    file: str
    entries: list[dict[str, Any]]

    @property
    def folders(self) -> list[Member]:
        """The folders that it may come from."""
        return [
            Member(one["path"], editable=one.get("editable") is True, extras="", origin=self.file)
            for one in self.entries
            if "path" in one
        ]

    @property
    def whole(self) -> Member | None:
        """The one folder that it comes from in any case."""
        plain = len(self.entries) == 1 and not self.entries[0].keys() - _PLAIN
        return self.folders[0] if plain else None


def ignored_by(tokens: Sequence[Token]) -> Ignored:
    """Return what `--no-sources` and `--no-sources-package` say."""
    names = frozenset(str(canonicalize_name(one)) for one in values_of(tokens, "--no-sources-package"))
    return Ignored(has(tokens, "--no-sources"), names)


def said_by_variables(
    tokens: Sequence[Token], table: Mapping[str, Flag], environ: Mapping[str, str]
) -> Iterator[Token]:
    """Give what the variables of these two options say, as such, where a command has them and no option says it."""
    if "--no-sources" not in table:
        return
    if environ.get("UV_NO_SOURCES", "").lower() in TRUE and not has(tokens, "--no-sources"):
        yield Token(table["--no-sources"], "UV_NO_SOURCES", None)
    if not has(tokens, "--no-sources-package"):
        for name in environ.get("UV_NO_SOURCES_PACKAGE", "").split():
            yield Token(table["--no-sources-package"], "UV_NO_SOURCES_PACKAGE", name)


def ways_out(entry: object) -> frozenset[str]:
    """Return the keys by which an entry of `tool.uv.sources` leads past indexes and members.

    `?` stands for an entry that names none that we know.
    """
    table = entry if isinstance(entry, dict) else {}
    found = table.keys() & {"git", "url", "path"}
    if not isinstance(table.get("workspace", True), bool):
        found.add("workspace")  # the folder of another workspace
    if "\0" in str(table.get("path")) or not (found or table.keys() & {"workspace", "index"}):
        found.add("?")
    return frozenset(found)


def place_of(folder: str, entry: Mapping[str, Any]) -> str:
    """Return the place that a `path` names, absolute; as for uv `..` goes up before any link is followed."""
    return os.path.abspath(os.path.join(folder, str(entry["path"])))


class Sources:
    """Where `tool.uv.sources` lead from the folders of a command, each file read once.

    `indexes` are those that workspaces around these folders name.
    """

    def __init__(
        self,
        members: Callable[[str], Sequence[str]],
        ignored: Ignored,
        *,
        own: str | None = None,
        told: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> None:
        """`members` lists the folders of the workspace of a folder; `own` is the root of one that is read anyway.

        `told` are names whose sources are refused elsewhere; `only` those that are followed, the others are `passed`.
        """
        self._members, self._ignored, self._told, self._only = members, ignored, told, only
        self.passed: set[str] = set()
        self._own = {os.path.abspath(own), os.path.realpath(own)} if own is not None else set()
        self._tables: dict[str, dict[str, Any]] = {}
        self._named: dict[str, list[tuple[str, str]]] = {}
        self.indexes: list[Index] = []

    def leads(self, path: str) -> Iterator[tuple[str, str]]:
        """Give the folders that a folder leads to, each with the file that says so.

        Raises `DirectReferenceError` for what leads to anything else that is no index, `UsageError` and `ConfigError`
        for files that cannot be read or name no index of the web.
        """
        if self._ignored.every:
            return
        # uv takes a folder as it was named; a link to it lies in another workspace
        for start in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
            top = start if "workspace" in self._table(start) else self._above(start)
            around = () if top is None or top == start or top in self._own else (top,)
            for folder in (start, *around):
                yield from self._of(folder, None if top in self._own else top)
            for folder in around:
                self.indexes += uv_config.of_project(folder).indexes

    def said(self, path: str, name: str) -> Said | None:
        """Return what is said of a package that the project in a folder asks for; None: it comes from an index.

        Raises as `leads`, and `UsageError` for what leads elsewhere than to folders and indexes.
        """
        if self._ignored.covers(name):
            return None
        found = [self._said(start, name) for start in (os.path.abspath(path), os.path.realpath(path))]
        if found[0] != found[1]:
            raise UsageError(f"`{name}`: its source is another one behind a link", where=path)
        return found[0]

    def tables_of(self, path: str) -> list[Mapping[str, Any]]:
        """Return the indexes that the project in a folder and the workspace around it name, which are then asked.

        Raises `ConfigError` for those that are none of the web's.
        """
        found: list[Mapping[str, Any]] = []
        for folder in self._around(os.path.abspath(path))[0]:
            uv_config.of_project(folder)  # it tells lines; what is handed on is what was read first, and judged as that
            listed = self._table(folder).get("index", [])
            self.indexes += uv_config.read_table(os.path.join(folder, FILE), "", {"index": listed}).indexes
            found += listed if isinstance(listed, list) else [listed]
        return found

    def _around(self, start: str) -> tuple[list[str], str | None]:
        """Return whose files speak for a folder, and the workspace it lies in."""
        top = start if "workspace" in self._table(start) else self._above(start)
        return list(dict.fromkeys((start, *([top] if top is not None else [])))), top

    def _said(self, start: str, name: str) -> Said | None:
        folders, top = self._around(start)
        for folder in folders:
            for key, value in table_of(self._table(folder), "sources").items():
                if canonicalize_name(key) == name:
                    listed = value if isinstance(value, list) else [value]
                    file = os.path.join(folder, FILE)
                    return Said(os.path.realpath(file), [self._placed(one, name, folder, top) for one in listed])
        return None

    def _placed(self, entry: object, name: str, folder: str, top: str | None) -> dict[str, Any]:
        """Return an entry as any file may say it: folders by where they lie."""
        ways, file = ways_out(entry), os.path.join(folder, FILE)
        if isinstance(entry, dict) and not entry.keys() - _SAID:
            rest = {key: value for key, value in entry.items() if key != "workspace"}
            if ways == {"path"} and entry.keys().isdisjoint({"index", "workspace"}):
                rest["path"] = place_of(folder, entry)
            elif not ways and entry.get("workspace") is True and "index" not in entry and top is not None:
                rest["path"] = next((one for one, called in self._in(top) if called == name), "")
                rest["editable"] = True
            elif not ways and isinstance(entry.get("index"), str) and "workspace" not in entry:
                return rest
            if os.path.isdir(rest.get("path", "")):
                return rest
        raise UsageError(
            f"`tool.uv.sources`: `{name}` is not gated for a file or group of a project",
            where=file,
            hint="--no-sources    or name its folder: openvet-uv pip install .",
        )

    def _of(self, folder: str, top: str | None) -> Iterator[tuple[str, str]]:
        file = os.path.join(folder, FILE)
        for name, entries in table_of(self._table(folder), "sources").items():
            if self._ignored.covers(name):
                continue
            if self._only is not None and canonicalize_name(name) not in self._only:
                self.passed.add(canonicalize_name(name))
                continue
            for entry in entries if isinstance(entries, list) else [entries]:
                ways = ways_out(entry)
                place = place_of(folder, entry) if ways == {"path"} else ""
                if os.path.isdir(place):
                    yield place, file
                elif ways and canonicalize_name(name) not in self._told:
                    said = next((f"{kind} {entry[kind]}" for kind in sorted(ways) if kind != "?"), "no index")
                    fault = refused_direct(f"{name}: {said}", file, vcs="git" in ways)
                    fault.hint = f"--no-sources-package {name}    takes a release from an index"
                    if place and not os.path.lexists(place):
                        fault.what = f"`{name}: {shown(said)}`: there is nothing at that path (direct-reference)"
                        fault.hint = "a submodule of git is fetched by: git submodule update --init"
                    raise fault
                elif not ways and entry.get("workspace") and top is not None:
                    yield from ((one, file) for one, called in self._in(top) if called == canonicalize_name(name))

    def _in(self, top: str) -> Sequence[tuple[str, str]]:
        """Return the folders of a workspace with their names."""
        if top not in self._named:
            found: list[tuple[str, str]] = []
            for path in self._members(top):
                name = table_of(pyproject(os.path.join(path, FILE), FILE), "project").get("name")
                found.append((path, canonicalize_name(str(name))))
            self._named[top] = found
        return self._named[top]

    def _above(self, folder: str) -> str | None:
        """Return the workspace above a folder: the next file of a project decides, as for uv."""
        while folder != os.path.dirname(folder):
            folder = os.path.dirname(folder)
            if os.path.isfile(os.path.join(folder, FILE)):
                return folder if "workspace" in self._table(folder) else None
        return None

    def _table(self, folder: str) -> dict[str, Any]:
        if folder not in self._tables:
            text = pyproject(os.path.join(folder, FILE), FILE)
            self._tables[folder] = table_of(table_of(text, "tool"), "uv")
        return self._tables[folder]


def follow(folders: Sequence[Project], sources: Sources) -> Iterator[Member]:
    """Give the folders that others lead to, and those that these lead to. Raises as `Sources.leads`."""
    known = {one.path for one in folders}
    waiting = [one.path for one in folders]
    while waiting:
        for path, file in sources.leads(waiting.pop()):
            if path not in known:
                known.add(path)
                waiting.append(path)
                yield Member(path, editable=False, extras="", origin=file)
