"""Where `tool.uv.sources` of a folder lead, and whose word counts there beside its own (T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH113, PTH118, PTH120

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers.projects import pyproject, table_of
from openvet_install.installers.tokens import has, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.tokens import Token

FILE = "pyproject.toml"


class Ignored(NamedTuple):
    """The packages whose `tool.uv.sources` a command tells uv not to look at; `every`: those of all."""

    every: bool = False
    names: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        """Tell whether the sources of a package do not count."""
        return self.every or canonicalize_name(name) in self.names


NONE_IGNORED = Ignored()


def ignored_by(tokens: Sequence[Token]) -> Ignored:
    """Return what `--no-sources` and `--no-sources-package` say."""
    names = frozenset(str(canonicalize_name(one)) for one in values_of(tokens, "--no-sources-package"))
    return Ignored(has(tokens, "--no-sources"), names)


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


class Surroundings:
    """The workspaces around the folders of a project, each file read once."""

    def __init__(self, root: str) -> None:
        """`root` is the folder of the project's own workspace."""
        self._roots = {os.path.abspath(root), os.path.realpath(root)}
        self._tables: dict[str, dict[str, Any]] = {}

    def check(self, path: str) -> None:
        """Raise `UsageError` when another workspace says where something comes from that a folder asks for."""
        for start in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
            own = self._table(start)
            top = start if "workspace" in own else self._above(start)
            if top is None or top in self._roots:
                continue
            said = {} if top == start else self._table(top)
            if said.get("sources") or said.get("index") or any("workspace" in one for one in _entries(own)):
                raise UsageError(
                    f"`{path}` lies in another workspace, whose `tool.uv.sources` are not gated", where=f"{top}/{FILE}"
                )

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


def _entries(uv: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entries in table_of(uv, "sources").values():
        yield from (one for one in (entries if isinstance(entries, list) else [entries]) if isinstance(one, dict))
