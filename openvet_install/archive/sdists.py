"""Sdists (`.tar.gz` as in PEP 625, `.zip` as of old): one folder, a PKG-INFO that agrees, no direct references.

What a build backend does when it runs is not in the archive; requirements and sources that
installers read *before* it runs are, and those are checked here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tomli
from packaging.utils import canonicalize_name

from openvet_install.archive import limits
from openvet_install.archive.contents import ArchiveError, Contents, shown
from openvet_install.archive.metadata import read_identity, refuse_references, same_version
from openvet_install.archive.sources import check_uv, inside
from openvet_install.archive.tars import TarEntry, tar_members
from openvet_install.archive.zips import StrictZip, may_be_zip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_KEPT_BYTES = {
    "PKG-INFO": limits.METADATA_BYTES,
    "pyproject.toml": limits.METADATA_BYTES,
    "uv.toml": limits.TEXT_BYTES,
    "requires.txt": limits.TEXT_BYTES,
    "entry_points.txt": limits.TEXT_BYTES,
    "top_level.txt": limits.TEXT_BYTES,
}
_EGG_INFO = frozenset({"requires.txt", "entry_points.txt", "top_level.txt"})


@dataclass(slots=True)
class _Reading:
    top: str = ""
    members: dict[str, str] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    total: int = 0


def open_sdist(path: Path, filename: str, name: str, version: str) -> Contents:
    """Read an sdist whose file name says `name` and `version` (normalised). Raises `ArchiveError`."""
    if filename.endswith(".zip"):
        reading = _read_zip(path)
    else:
        if may_be_zip(path):
            raise ArchiveError("it is a zip archive as well, which is what some readers unpack")
        with path.open("rb") as file:
            reading = _read(tar_members(file, path.stat().st_size))
    _check_top(reading.top, name, version)
    metadata = reading.texts.get("PKG-INFO")
    if metadata is None:
        raise ArchiveError(f"it has no {shown(f'{reading.top}/PKG-INFO')}, so nothing in it says what it is")
    requires = read_identity(metadata, "PKG-INFO", name=name, version=version)
    for place, text in reading.texts.items():
        if place.endswith("requires.txt"):
            refuse_references(_lines(text, place), shown(place))
    build_requires = _project(reading.texts.get("pyproject.toml", b""))
    if "uv.toml" in reading.texts:
        check_uv(_toml(reading.texts["uv.toml"], "uv.toml"), "uv.toml", build_requires)
    return Contents(
        kind="sdist",
        name=name,
        version=version,
        members=reading.members,
        metadata=metadata,
        requires=requires,
        build_requires=build_requires,
        texts=reading.texts,
        unpacked_bytes=reading.total,
    )


def _read_zip(path: Path) -> _Reading:
    with StrictZip(path) as archive:
        total = sum(entry.size for entry in archive.entries)
        if total > limits.unpacked_limit(path.stat().st_size):
            raise ArchiveError(f"it says that it unpacks to {total:,} bytes, far more than its size allows")
        return _read((TarEntry(e.name, e.folder, e.size), archive.chunks(e)) for e in archive.entries)


def _read(entries: Iterable[tuple[TarEntry, Iterator[bytes]]]) -> _Reading:
    """Hash every member; keep the texts that installers read, by their path below the top-level folder."""
    reading = _Reading()
    for entry, chunks in entries:
        member = entry.name
        top, slash, rest = member.partition("/")
        if not entry.folder and not slash:
            raise ArchiveError(f"the entry {shown(member)} is not in the sdist's folder")
        if reading.top not in ("", top):
            raise ArchiveError(f"it has two top-level folders, {shown(reading.top)} and {shown(top)}")
        reading.top = top
        if entry.link is not None:
            reading.links[member] = entry.link
        elif not entry.folder:
            _take(reading, entry, rest, chunks)
    _follow(reading)
    return reading


def _take(reading: _Reading, entry: TarEntry, rest: str, chunks: Iterator[bytes]) -> None:
    """Hash one file, and keep its bytes if installers read it."""
    limit = _KEPT_BYTES.get(_kept(rest), 0)
    if limit and entry.size > limit:
        raise ArchiveError(f"{shown(entry.name)} is larger than {limit:,} bytes")
    engine, kept = hashlib.sha256(), []
    for chunk in chunks:
        engine.update(chunk)
        if limit:
            kept.append(chunk)
    reading.members[entry.name] = engine.hexdigest()
    reading.total += entry.size
    if limit:
        reading.texts[rest] = b"".join(kept)


def _follow(reading: _Reading) -> None:
    """Give each link the digest of the file that it points to, which must be a regular one of the same sdist."""
    followed = {}
    for member, target in reading.links.items():
        if _kept(member.partition("/")[2]) in _KEPT_BYTES:
            raise ArchiveError(f"{shown(member)} is a link")
        at = member.split("/")[:-1]
        for step in target.split("/"):
            if step == ".." and at:
                at.pop()
            elif step not in {".", ""}:
                at.append(step)
        if target.startswith("/") or "\\" in target or (real := "/".join(at)) not in reading.members:
            raise ArchiveError(f"the link {shown(member)} does not point to a file of the sdist: {shown(target)}")
        followed[member] = reading.members[real]
    reading.members |= followed


def _kept(rest: str) -> str:
    parts = rest.split("/")
    if parts[-1] in _EGG_INFO:
        return parts[-1] if len(parts) > 1 and parts[-2].endswith(".egg-info") else ""
    return rest


def _check_top(top: str, name: str, version: str) -> None:
    if not top:
        raise ArchiveError("it is empty")
    for at, character in enumerate(top):
        if character == "-" and canonicalize_name(top[:at]) == name and same_version(top[at + 1 :], version):
            return
    raise ArchiveError(f"its folder {shown(top)} is not called `{name}-{version}`, which the file name says")


def _lines(raw: bytes, place: str) -> list[str]:
    """Return the requirement lines of an `.egg-info/requires.txt`, without its `[section]` lines."""
    try:
        lines = [line.strip() for line in raw.decode().splitlines()]
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{shown(place)} is not UTF-8") from error
    return [line for line in lines if line and not line.startswith(("[", "#"))]


def _project(raw: bytes) -> tuple[str, ...]:
    """Check pyproject.toml and return `[build-system] requires`."""
    document = _toml(raw, "pyproject.toml")
    system = _table(document, "build-system", "pyproject.toml")
    requires = _strings(system.get("requires", []), "`build-system.requires`")
    refuse_references(requires, "`build-system.requires` in `pyproject.toml`")
    for folder in _strings(system.get("backend-path", []), "`build-system.backend-path`"):
        if not inside(folder):
            raise ArchiveError(f"`build-system.backend-path` in `pyproject.toml` leaves the sdist: {shown(folder)}")
    project = _table(document, "project", "pyproject.toml")
    dependencies = _strings(project.get("dependencies", []), "`project.dependencies`")
    for extra in _table(project, "optional-dependencies", "`project`").values():
        dependencies += _strings(extra, "`project.optional-dependencies`")
    refuse_references(dependencies, "`project` in `pyproject.toml`")
    check_uv(_table(_table(document, "tool", "pyproject.toml"), "uv", "`tool`"), "tool.uv", requires)
    return requires


def _toml(raw: bytes, what: str) -> dict[str, Any]:
    try:
        return tomli.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"`{what}` of the sdist cannot be read") from error


def _table(document: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise ArchiveError(f"`{key}` in {where} is not a table")
    return table


def _strings(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ArchiveError(f"{what} in `pyproject.toml` is not a list of texts")
    return tuple(value)
