"""Reads `pylock.toml` (PEP 751, lock-version 1.0) into values, and says what an installer would take.

`packaging.pylock` holds the specification's rules for the shape of the file; what is ours is lines,
the values, and that an entry without a fitting file does not end the look at all the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.pylock import Package, Pylock, PylockValidationError

from openvet_install.installers.locks_values import (
    Entry,
    Lock,
    LockedPackage,
    LockError,
    Source,
    entry_lines,
    load_toml,
    locate,
    place,
    sha256_of,
    without_login,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from packaging.pylock import PackageSdist, PackageWheel

    from openvet_install.files import File

SUPPORTED_VERSION = "1.0"

_CONTEXT = re.compile(r"packages\[(\d+)\]")


def parse_pylock(text: str, path: Path) -> Lock:
    """Read the text of a pylock.toml. Raises `LockError` (64) and `LockContentError` (65)."""
    table = load_toml(text, path)
    top = Entry(table, path)
    version = top.text("lock-version")
    if version != SUPPORTED_VERSION:
        raise LockError(f'lock-version "{version}"; lock-version "{SUPPORTED_VERSION}" can be read', where=path.name)
    entries = top.tables("packages")
    lines = entry_lines(text, "packages", len(entries))
    for one, line in zip(entries, lines, strict=True):
        one._replace(line=line).marker()
    try:
        pylock = Pylock.from_dict(table)
    except PylockValidationError as error:
        raise LockError(f"not a valid pylock.toml: {error}", where=place(path, _line_of(error, lines))) from error
    return Lock(
        path=path,
        kind="pylock",
        packages=tuple(_package(package, path, line) for package, line in zip(pylock.packages, lines, strict=True)),
        requires_python=None if pylock.requires_python is None else str(pylock.requires_python),
        environments=tuple(pylock.environments or ()),
        extras=tuple(pylock.extras or ()),
        default_groups=tuple(pylock.default_groups or ()),
        loose=frozenset(url for package in pylock.packages for url in _loose(package, path)),
    )


def _loose(package: Package, path: Path) -> Iterator[str]:
    for one in (*(package.wheels or ()), package.sdist, package.archive):
        if one is not None and len(one.hashes) > 1 and (found := locate(path.parent, "", one.url, one.path)):
            yield without_login(found[0])


def _line_of(error: PylockValidationError, lines: tuple[int | None, ...]) -> int | None:
    found = _CONTEXT.search(error.context or "")
    return lines[int(found[1])] if found and int(found[1]) < len(lines) else None


def _package(package: Package, path: Path, line: int | None) -> LockedPackage:
    entry = Entry({}, path, line, package.name)
    version = "" if package.version is None else str(package.version)
    source = _source(package, entry)
    artefacts: Iterable[PackageWheel | PackageSdist] = (
        *(package.wheels or ()),
        *(() if package.sdist is None else (package.sdist,)),
    )
    files = tuple(_file(entry, artefact, version, source) for artefact in artefacts)
    if package.archive is not None:
        if package.archive.subdirectory:
            entry.fail("a folder inside of an archive is not gated")
        found = locate(path.parent, "", package.archive.url, package.archive.path)
        digest = sha256_of(package.archive.hashes)
        if found is not None:
            files = (entry.file(version=version, index="", filename=found[1], url=found[0], digest=digest),)
    return LockedPackage(
        name=package.name,
        version=version,
        line=line,
        source=source,
        files=files,
        markers=() if package.marker is None else (package.marker,),
        requires_python=None if package.requires_python is None else str(package.requires_python),
    )


def _source(package: Package, entry: Entry) -> Source:
    if package.vcs is not None:
        return Source("vcs", without_login(package.vcs.url or package.vcs.path or ""))
    if package.directory is not None:
        if package.directory.subdirectory:
            entry.fail("a folder inside of a folder is not gated")
        return Source("editable" if package.directory.editable else "directory", package.directory.path)
    if package.archive is not None:
        return Source("archive", without_login(package.archive.url or package.archive.path or ""))
    return Source("registry", without_login(package.index or ""))


def _file(entry: Entry, artefact: PackageWheel | PackageSdist, version: str, source: Source) -> File:
    found = locate(entry.path.parent, "", artefact.url, artefact.path)
    if found is None:
        entry.fail("a file without `url` and `path`")
    told = {"size": artefact.size, "upload-time": artefact.upload_time}
    sized = Entry(told, entry.path, entry.line, entry.name)
    # tools take the entry's `name` over the last segment of the URL
    filename = artefact.name or found[1]
    digest = sha256_of(artefact.hashes)
    return sized.file(version=version, index=source.location, filename=filename, url=found[0], digest=digest)
