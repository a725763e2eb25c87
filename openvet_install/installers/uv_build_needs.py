"""`extra-build-dependencies` of uv: what the build of a package needs beside what it says itself (T05).

Their names have sources as those of a project do, and where a project is judged, all its sources are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError
from openvet_install.installers.tokens import has

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openvet_install.installers.tokens import Token

KEY = "extra-build-dependencies"
_WITH_SOURCES = frozenset((one,) for one in ("lock", "sync", "add", "remove", "version", "export", "tree", "run"))


class BuildNeeds(NamedTuple):
    """The `names` that a file has builds need; `sourced`: the same file names sources."""

    names: frozenset[str]
    where: str
    sourced: bool


def said(table: Mapping[str, Any], where: str) -> list[BuildNeeds]:
    """Return what a file says, nothing where it says nothing. Raises `ConfigError` for what is no requirement."""
    listed = table.get(KEY)
    if not listed:
        return []
    names = set()
    for entries in listed.values() if isinstance(listed, dict) else [None]:
        for entry in entries if isinstance(entries, list) else [entries]:
            text = entry.get("requirement") if isinstance(entry, dict) else entry
            try:
                names.add(str(canonicalize_name(Requirement(str(text)).name)))
            except InvalidRequirement as error:
                raise ConfigError(f"`{KEY}` is refused: `{text}` is no requirement", where=where) from error
    return [BuildNeeds(frozenset(names), where, bool(table.get("sources")))]


def check(found: Iterable[BuildNeeds], tokens: Sequence[Token], words: tuple[str, ...]) -> None:
    """Raise `ConfigError` where a command judges no sources of the project that is around it."""
    if words in _WITH_SOURCES and not (words != ("run",) and has(tokens, "--script")):
        return
    for one in found:
        if one.sourced:
            raise ConfigError(f"`{KEY}` is refused: together with `sources` it is not gated yet", where=one.where)
