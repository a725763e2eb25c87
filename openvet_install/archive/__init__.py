"""Opens a wheel or sdist before it is released (threats of archives: one hash, one reading).

Map: `contents` what comes out, and the error; `limits` numbers; `paths` names of members; `zips`,
`tars` strict layouts; `metadata` names and requirements; `record` RECORD; `foreign` places no wheel
may write to; `wheels`, `sdists` the rules of each kind; `same`, `stated` whether two have the same content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.archive.contents import ArchiveError, Contents, shown
from openvet_install.errors import InvalidError
from openvet_install.files import parse_filename

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ArchiveError", "Contents", "open_archive"]


def open_archive(path: Path, filename: str) -> Contents:
    """Read the archive at `path`, which is served as `filename`, to its last byte.

    Taken are `.whl`, `.tar.gz` and `.zip` (an sdist). Every member is unpacked in pieces and hashed;
    memory stays below some MiB plus the texts of `limits`. Nothing is written, no code is run.
    Raises `ArchiveError`, whose text names the file, the member and the rule in plain words.
    """
    from openvet_install.archive.sdists import open_sdist  # noqa: PLC0415  # parsers are not needed to import the gate
    from openvet_install.archive.wheels import open_wheel  # noqa: PLC0415

    try:
        name, version, tags = parse_filename(filename)
    except InvalidError as error:
        raise ArchiveError(f"{shown(filename)} is not the name of a wheel or sdist", where=shown(filename)) from error
    try:
        if tags:
            return open_wheel(path, name, version, tags)
        return open_sdist(path, filename, name, version)
    except ArchiveError as error:
        raise ArchiveError(f"{shown(filename)}: {error.what}", where=error.where, hint=error.hint) from error
