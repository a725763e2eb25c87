"""uv's configuration without its folders of files: these go over as options, which name our copies of them (T04)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from openvet_install.errors import ConfigError
from openvet_install.installers.projects import table_of
from openvet_install.installers.toml_copy import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from openvet_install.errors import InstallError
    from openvet_install.installers.sources import Links

    class Read(Protocol):
        """A file that was read and judged: of a `project`, of the user or of the machine."""

        path: str
        project: bool
        top: str
        links: list[Links]
        pip_links: list[Links]
        table: Mapping[str, Any]


OF_PROJECTS = frozenset(
    {
        *("workspace", "sources", "managed", "package", "default-groups", "dependency-groups", "dev-dependencies"),
        *("build-backend", "conflicts", "environments", "required-environments"),
    }
)
"""The keys that uv reads in the project's file whatever configuration it has, and takes in no other."""
_KEY = "find-links"


def steers(table: Mapping[str, Any]) -> bool:
    """Tell whether a file has keys that are no project's own."""
    return bool(table.keys() - OF_PROJECTS)


def without_links(table: Mapping[str, Any]) -> str:
    """Return a configuration that says the same to uv but for `find-links`."""
    kept = {key: value for key, value in table.items() if key != _KEY and key not in OF_PROJECTS}
    if "pip" in kept:
        kept["pip"] = {key: value for key, value in table_of(kept, "pip").items() if key != _KEY}
    return written(kept)


def merged(tables: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what several files say together to uv, the nearest first: it appends lists, and else takes the first."""
    return reduce(_both, tables)


def _both(near: Mapping[str, Any], far: Mapping[str, Any]) -> Mapping[str, Any]:
    found = dict(near)
    for key, value in far.items():
        own = found.setdefault(key, value)
        if own is value:
            continue
        if isinstance(own, list) and isinstance(value, list):
            found[key] = [*own, *value]
        elif isinstance(own, dict) and isinstance(value, dict):
            found[key] = _both(own, value)
    return found


def settle(
    readers: Sequence[Read], faults: list[InstallError], user: str, told: Callable[[], frozenset[str]]
) -> list[str]:
    """Say what takes the place of several files of which one names folders; add faults where that is not certain.

    It is one file if there is one of a project, of the user and of the machine each at most. Else the user's own can
    be replaced alone: uv is told where it lies. Where there are more of a kind, uv says which it reads (`told`, links
    resolved). Returned are the paths of the files that count.
    """
    every = [one.path for one in readers]
    masked = {os.path.join(os.path.dirname(one.path), "pyproject.toml") for one in readers if not one.top}
    named = {one.path: [each for each in (*one.links, *one.pip_links) if each.path is not None] for one in readers}
    steering = [one for one in readers if steers(one.table) and (one.path not in masked or named[one.path])]
    if len(steering) < 2 or not any(named.values()):
        return every
    if [one.path for one in steering if named[one.path]] == [user]:
        home = os.path.dirname(os.path.dirname(user))
        _replace(steering, home=home)
        return every
    counting = list(readers)
    if not _one_of_each([one for one in readers if one in steering or not one.project], user):
        read = told()
        counting = [one for one in readers if os.path.realpath(one.path) in read]
        if len(counting) != len(read):  # what was not judged here must not be read
            counting = []
    both = [one for one in counting if one in steering]
    if both and _one_of_each(both, user):
        _replace(both, config=without_links(merged([one.table for one in both])))
        return [one.path for one in counting]
    for reader in steering:
        others = ", ".join(other.path for other in steering if other is not reader)
        faults += [
            ConfigError(
                f"`find-links` with a folder is not gated beside other configuration of uv: {others}",
                where=one.origin,
                hint=f"--find-links {one.typed}",
            )
            for one in named[reader.path]
        ]
    return every


def _one_of_each(readers: Sequence[Read], user: str) -> bool:
    kinds = [(one.project, one.path == user) for one in readers]
    return len(kinds) == len(set(kinds))


def _replace(readers: Sequence[Read], *, home: str | None = None, config: str | None = None) -> None:
    for reader in readers:
        for listed in (reader.links, reader.pip_links):
            listed[:] = [
                one if one.path is None else replace(one, home=home, config=config or one.config) for one in listed
            ]
