"""What an sdist's own `[tool.uv]` may say: nothing that fetches a requirement past the index and the gate.

uv obeys `sources` of a downloaded sdist for its build requirements, those that the backend's hooks
name included. So no source may name a build requirement, and none may be local and outside the sdist;
remote ones of other names (development groups) stay, for what they fetch would pass the gate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from openvet_install.archive.contents import ArchiveError, shown
from openvet_install.archive.metadata import refuse_references

if TYPE_CHECKING:
    from collections.abc import Iterable

_REDIRECTS = ("find-links", "index-url", "extra-index-url", "no-index")
_LISTS = ("constraint-dependencies", "override-dependencies", "build-constraint-dependencies")
_NAME = re.compile(r"\s*[A-Za-z0-9._-]+", re.ASCII)
_REMOTE = ("http:", "https:")
"""In capitals the URL of an index is a path to uv."""


def inside(path: str) -> bool:
    """Whether a relative path cannot leave the folder that it starts from."""
    return not (path.startswith(("/", "~")) or "\\" in path or ":" in path or ".." in path.split("/"))


def check_uv(table: dict[str, Any], where: str, requires: Iterable[str]) -> None:
    """Refuse redirecting keys of a `[tool.uv]` table; `requires` are the sdist's build requirements.

    `where` is the table's name for messages. Raises `ArchiveError`.
    """
    for key in _REDIRECTS:
        if table.get(key):
            raise ArchiveError(f"`{where}.{key}` in the sdist sends uv elsewhere for requirements")
    lists = {key: table.get(key) for key in _LISTS} | _dict(table.get("extra-build-dependencies"))
    for key, lines in lists.items():
        refuse_references(_texts(lines), f"`{where}`, {shown(key)}, in the sdist")
    for folder in _texts(_dict(table.get("workspace")).get("members")):
        if not inside(folder):
            raise ArchiveError(f"`{where}.workspace.members` leaves the sdist: {shown(folder)}")
    for index in _tables(table.get("index")):
        if index.get("explicit") is not True or not _is_remote(index.get("url")):
            raise ArchiveError(f"`{where}.index` in the sdist names another index for requirements")
    _check_sources(_dict(table.get("sources")), where, _names(requires))
    if isinstance(table.get("pip"), dict):
        check_uv(table["pip"], f"{where}.pip", requires)


def _check_sources(table: dict[str, Any], where: str, needed: frozenset[str]) -> None:
    for name, sources in table.items():
        if canonicalize_name(name) in needed or not all(map(_is_harmless, _tables(sources))):
            raise ArchiveError(f"`{where}.sources` in the sdist says where {shown(name)} comes from")


def _is_harmless(source: dict[str, Any]) -> bool:
    """Whether a source stays in the sdist or passes the gate."""
    if source.get("workspace") is True or isinstance(source.get("index"), str):
        return True
    if isinstance(path := source.get("path"), str):
        return inside(path)
    return _is_remote(source.get("url", source.get("git")))


def _is_remote(url: object) -> bool:
    return isinstance(url, str) and url.startswith(_REMOTE)


def _names(lines: Iterable[str]) -> frozenset[str]:
    # what stands in front of the first character that no name has: also of a line that is not PEP 508
    matches = (_NAME.match(line) for line in lines)
    return frozenset(str(canonicalize_name(match[0].strip())) for match in matches if match)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _tables(value: object) -> tuple[dict[str, Any], ...]:
    """Return one table or a list of them as tables; anything else stands for a source that we cannot read."""
    if value is None:
        return ()
    return tuple(one if isinstance(one, dict) else {} for one in (value if isinstance(value, list) else [value]))
