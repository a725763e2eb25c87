"""Entries of an index page that nothing could show: left unread until words need them; pure."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openvet_install.files import File


class Unread:
    """Raw entries of one page with their file names, and how to read them as that page's.

    They are kept as one string of bytes: a run may see a hundred thousand, and most of them never again.
    """

    def __init__(self, entries: Sequence[tuple[str, Any]], read: Callable[[list[Any]], tuple[File, ...]]) -> None:
        """`entries` are (file name as the source wrote it, raw entry)."""
        self._packed = marshal.dumps(list(entries))
        self._count = len(entries)
        self._read = read

    def __len__(self) -> int:
        """Return the number of entries; some may turn out to be no files."""
        return self._count

    def files(self) -> tuple[File, ...]:
        """Read all of them."""
        return self._read([entry for _filename, entry in self._entries()])

    def above(self, version: Version) -> tuple[File, ...]:
        """Read those of later versions; a version that cannot be read counts as later."""
        later: dict[str, bool] = {}
        chosen = []
        for filename, entry in self._entries():
            text = _version_text(filename)
            if text not in later:
                later[text] = _is_later(text, version)
            if later[text]:
                chosen.append(entry)
        return self._read(chosen) if chosen else ()

    def _entries(self) -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = marshal.loads(self._packed)  # noqa: S302 - written by this object
        return found


def _version_text(filename: str) -> str:
    if filename.endswith(".whl"):
        return filename.split("-", 2)[1] if "-" in filename else ""
    return filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")[2]


def _is_later(text: str, version: Version) -> bool:
    try:
        return Version(text) > version
    except InvalidVersion:
        return True
