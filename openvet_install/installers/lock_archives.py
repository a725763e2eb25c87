"""Archives of this machine in a given `pylock.toml`: what a target takes, and a lock of our copies (T04, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH119

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from openvet_install.errors import UsageError
from openvet_install.files import FilenameError, parse_filename
from openvet_install.installers.commands import Requested
from openvet_install.installers.locks_values import (
    Chosen,
    Lock,
    LockContentError,
    Selection,
    load_toml,
    locate,
    same_version,
    without_login,
)
from openvet_install.installers.sources import Source, local_path, on_disk
from openvet_install.installers.toml_copy import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.files import File

_NAMED = ("sdist", "archive")


def is_here(lock: Lock, file: File) -> bool:
    """Tell whether a file of a pylock lies on this machine, and is named by where."""
    return lock.kind == "pylock" and file.url.startswith("file:")


def urls_here(lock: Lock) -> frozenset[str]:
    """Return the addresses of all files of a pylock that lie on this machine."""
    return frozenset(file.url for one in lock.packages for file in one.files if is_here(lock, file))


def with_archives(lock: Lock, selection: Selection) -> Selection:
    """Count archives of this machine among the files that a target takes."""
    own = tuple(Chosen(one.files[0], one) for one in selection.direct if one.is_archive_here)
    files = tuple(_with_version(lock, one) for one in (*selection.files, *own))
    return selection._replace(files=files, direct=tuple(one for one in selection.direct if not one.is_archive_here))


def _with_version(lock: Lock, chosen: Chosen) -> Chosen:
    """Read the version that an entry leaves out from the name of its file."""
    if chosen.file.version or not is_here(lock, chosen.file):
        return chosen
    return replace(chosen, file=replace(chosen.file, version=_release_of(lock, chosen)[1]))


def source_of(lock: Lock, chosen: Chosen) -> Source:
    """Return a file of this machine as a person would name it, with the hash of the lock.

    Raises `UsageError` for one that is not there, `LockContentError` for one that is called after something else.
    """
    file, where = chosen.file, lock.where(chosen.package)
    try:
        path = local_path(file.url)
        source = on_disk(path, path, file.sha256)
    except UsageError as fault:
        fault.where = where
        raise
    if source.filename != file.filename:
        raise LockContentError(f"`{source.filename}` is called `{file.filename}` in the lock", where=where)
    name, version = _release_of(lock, chosen)
    if name != file.name or (file.version and not same_version(version, file.version)):
        raise LockContentError(f"`{file.filename}` stands under {file.name} {file.version}", where=where)
    return source


def _release_of(lock: Lock, chosen: Chosen) -> tuple[str, str]:
    try:
        name, version, _tags = parse_filename(chosen.file.filename)
    except FilenameError as error:
        where = lock.where(chosen.package)
        raise LockContentError(f"`{chosen.file.filename}`: {error.what}", where=where) from error
    return name, version


def requested(lock: Lock, selection: Selection) -> Iterator[Requested]:
    """Give the files of this machine that a target takes. Raises what `source_of` raises."""
    for one in selection.files:
        if is_here(lock, one.file):
            release = Requirement(f"{one.file.name}=={one.file.version}")
            yield Requested(release, lock.where(one.package), source=source_of(lock, one))


def handed(text: str, path: Path) -> str:
    """Return a lock that may lie elsewhere: folders are named as from everywhere, archives by their private copies.

    That is also how those are named of which none is made: the tool finds nothing that was not judged.
    """
    table = load_toml(text, path)
    for package in table["packages"]:
        if "directory" in package:
            package["directory"]["path"] = os.path.abspath(path.parent / package["directory"]["path"])
        for held in (*package.get("wheels", ()), *(package[key] for key in _NAMED if key in package)):
            _name_copy(held, path.parent)
    return written(table)


def _name_copy(held: dict[str, Any], folder: Path) -> None:
    found = locate(folder, "", held.get("url"), held.get("path"))
    url = without_login(found[0]) if found is not None else ""
    if url.startswith("file:"):
        held.pop("url", None)
        path = os.path.abspath(local_path(url))
        # seen from the folder of the copy of the lock
        held["path"] = str(Source(os.path.basename(path), path=path).copy(Path("..")))
