"""Dependency groups of a `pyproject.toml` (PEP 735), read once and handed over as a private file of requirements."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from openvet_install.errors import UsageError
from openvet_install.installers.commands import Input, Requested
from openvet_install.installers.lines import by_name
from openvet_install.installers.projects import pyproject, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FILE = "pyproject.toml"


def read_groups(values: Sequence[str], cwd: str) -> tuple[Input, ...]:
    """Read `NAME` or `PATH:NAME`, as pip and uv do, with the groups that a group includes.

    Raises `UsageError` for groups that are not there, and for requirements that are not by name.
    """
    found = []
    for value in values:
        named, _, name = value.rpartition(":")
        path = os.path.join(cwd, named or _FILE)
        if os.path.basename(path) != _FILE:  # noqa: PTH119 - a path as people write it
            raise UsageError(f"`--group {value}`: the file must be a {_FILE}")
        if not os.path.isfile(path):  # noqa: PTH113 - as above
            raise UsageError(f"`--group {value}`: no file `{named or _FILE}`")
        origin = f"{named or _FILE}, group {name}"
        text = pyproject(path, origin)
        found.append(Input(origin, group_in(text, value, path, origin)))
    return tuple(found)


def group_in(text: Mapping[str, Any], value: str, path: str, origin: str) -> tuple[Requested, ...]:
    """Return what a group of a `pyproject.toml` asks for; `value` is as people typed it. Raises as `read_groups`."""
    from packaging.dependency_groups import resolve_dependency_groups  # noqa: PLC0415 - for `--group` only

    try:
        lines = resolve_dependency_groups(table_of(text, "dependency-groups"), value.rpartition(":")[2])
    except Exception as error:
        first = getattr(error, "exceptions", (error,))[0]
        raise UsageError(f"`--group {value}`: {first}", where=path) from error
    try:
        return tuple(Requested(by_name(line), origin) for line in lines)
    except UsageError as fault:
        fault.where = origin
        raise
