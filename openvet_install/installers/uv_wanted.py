"""Which extras, groups and members of a `uv.lock` a command asks for, by its options and by where it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.installers.environment import TRUE
from openvet_install.installers.locks_values import DEFAULT_GROUPS, Entry, Wanted
from openvet_install.installers.projects import pyproject, table_of
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_lock import default_groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.locks_values import Lock, LockedPackage
    from openvet_install.installers.tokens import Token

_TELLS_DEFAULTS = 5
"""From this revision on a lock says the default groups of each member."""


def names_of(tokens: Sequence[Token], flag: str) -> set[str]:
    """Return the names that an option gives, normalised."""
    return {str(canonicalize_name(name)) for name in values_of(tokens, flag)}


def wanted(tokens: Sequence[Token], child: Mapping[str, str], lock: Lock, member: str, *, frozen: bool) -> Wanted:
    """Return what the options of `uv sync` ask for in the project whose folder is `member`.

    Raises `UsageError` for a `pyproject.toml` that cannot be read.
    """
    local = [package for package in lock.packages if package.is_local]
    extras = names_of(tokens, "--extra")
    if has(tokens, "--all-extras"):
        extras |= {str(name) for package in local for name in package.extras}
    extras -= names_of(tokens, "--no-extra")
    roots = tuple(str(canonicalize_name(name)) for name in values_of(tokens, "--package"))
    told = _defaults(lock, member, roots, frozen=frozen)
    if has(tokens, "--all-packages"):
        roots = tuple(package.name for package in local)
    elif not roots and not Path(member).samefile(lock.path.parent):
        roots = tuple(one.name for one in _at(lock, member))
    named, without = _groups(tokens, child)
    only = has(tokens, "--only-dev") or has(tokens, "--only-group")
    bare = has(tokens, "--no-default-groups") or child.get("UV_NO_DEFAULT_GROUPS", "").lower() in TRUE
    return Wanted(
        extras=frozenset(extras),
        groups=frozenset() if only or bare else frozenset(DEFAULT_GROUPS if told is None else told),
        named_groups=named,
        without_groups=without,
        roots=roots or None,
        every_member=has(tokens, "--all-packages"),
        without_project=only,
        no_binary=has(tokens, "--no-binary") or frozenset(names_of(tokens, "--no-binary-package")),
        no_build=has(tokens, "--no-build") or frozenset(names_of(tokens, "--no-build-package")),
    )


def _at(lock: Lock, folder: str) -> list[LockedPackage]:
    """Return the entries of a folder."""
    here = lock.path.parent
    place = Path(folder).resolve()
    return [one for one in lock.packages if one.is_local and (here / one.source.location).resolve() == place]


def _defaults(lock: Lock, member: str, roots: Sequence[str], *, frozen: bool) -> tuple[str, ...] | None:
    """Return the default groups of the one project that they are taken from, whatever members are wanted."""
    chosen = [one for one in lock.packages if one.is_local and roots == (canonicalize_name(one.name),)]
    if chosen and lock.revision >= _TELLS_DEFAULTS:
        return chosen[0].default_groups
    folder = lock.path.parent / chosen[0].source.location if chosen and not frozen else Path(member)
    path = folder / "pyproject.toml"
    if not path.exists():
        alone = _at(lock, member)  # a frozen lock speaks for projects that are not there
        return alone[0].default_groups if alone else lock.default_groups
    return default_groups(Entry(table_of(table_of(pyproject(str(path), path.name), "tool"), "uv"), path))


def _groups(tokens: Sequence[Token], child: Mapping[str, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the groups that are wanted beside the default ones, and those that are not wanted."""
    found = names_of(tokens, "--group") | names_of(tokens, "--only-group")
    without = names_of(tokens, "--no-group")
    without |= {str(canonicalize_name(name)) for name in child.get("UV_NO_GROUP", "").split()}
    if has(tokens, "--all-groups"):
        found.add("*")
    said = [token.flag.name for token in tokens if token.flag is not None and token.flag.name in ("--dev", "--no-dev")]
    if has(tokens, "--only-dev") or said[-1:] == ["--dev"]:
        found.add("dev")
    elif said or child.get("UV_NO_DEV", "").lower() in TRUE:
        without.add("dev")
    return frozenset(found), frozenset(without)
