"""RECORD (recording installed projects): lists exactly the members, each with the digest and size it has."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
from typing import TYPE_CHECKING

from openvet_install.archive.contents import ArchiveError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.archive.zips import Entry, StrictZip

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_NO_HASH = ("RECORD", "RECORD.jws", "RECORD.p7s")


def check_record(
    raw: bytes, info: str, archive: StrictZip, files: Mapping[str, Entry], members: Mapping[str, str]
) -> None:
    """Hold `raw` against the members, both ways; `members` are their sha256. Raises `ArchiveError`."""
    unhashed = {f"{info}/{name}" for name in _NO_HASH}
    seen: set[str] = set()
    for path, digest, size in _rows(raw, info):
        if path in seen:
            raise ArchiveError(f"`RECORD` lists {shown(path)} twice")
        seen.add(path)
        if path not in files:
            raise ArchiveError(f"`RECORD` lists {shown(path)}, which is not in the archive")
        if path in unhashed and not digest:
            continue
        if size and size != str(files[path].size):
            raise ArchiveError(f"`RECORD` has another size of {shown(path)} than the archive")
        _check_digest(path, digest, archive, files[path], members[path])
    missing = sorted(files.keys() - seen - {f"{info}/{name}" for name in _NO_HASH[1:]})
    if missing:
        raise ArchiveError(f"`RECORD` does not list {shown(missing[0])} ({len(missing)} such entries)")


def _rows(raw: bytes, info: str) -> list[tuple[str, str, str]]:
    try:
        rows = list(csv.reader(raw.decode().splitlines(keepends=True), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ArchiveError(f"{shown(f'{info}/RECORD')} is not a table in UTF-8") from error
    for row in rows:
        if row and len(row) != 3:
            raise ArchiveError(f"{shown(f'{info}/RECORD')} has a row with {len(row)} fields")
    return [(row[0], row[1], row[2]) for row in rows if row]


def _check_digest(path: str, digest: str, archive: StrictZip, entry: Entry, sha256: str) -> None:
    algorithm, equals, text = digest.partition("=")
    if not equals or algorithm not in _ALGORITHMS:
        raise ArchiveError(f"`RECORD` has no digest of {shown(path)} that is at least sha256")
    try:
        wanted = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ArchiveError(f"`RECORD` has a damaged digest of {shown(path)}") from error
    if algorithm == "sha256":
        actual = bytes.fromhex(sha256)
    else:
        engine = hashlib.new(algorithm)
        for chunk in archive.chunks(entry):
            engine.update(chunk)
        actual = engine.digest()
    if wanted != actual:
        raise ArchiveError(f"`RECORD` has another digest of {shown(path)} than the archive")
