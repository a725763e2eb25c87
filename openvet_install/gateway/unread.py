"""Entries of an index page that nothing could show: left unread until words need them; pure."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from openvet_install.gateway.listing import version_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from openvet_install.files import File


class Unread:
    """Raw entries of one page with their file names, and how to read them as that page's.

    They are kept as bytes, one string a version: a run may see a hundred thousand, and most of them never again.
    """

    def __init__(self, packed: Mapping[str, bytes], count: int, read: Callable[[list[Any]], tuple[File, ...]]) -> None:
        """`packed` are marshalled lists of entries by the text of their version, `count` entries in all."""
        self._packed = packed
        self._count = count
        self._read = read

    @classmethod
    def of(cls, entries: Iterable[tuple[str, Any]], read: Callable[[list[Any]], tuple[File, ...]]) -> Unread:
        """Pack (file name as the source wrote it, raw entry)."""
        versions: dict[str, list[Any]] = {}
        for filename, entry in entries:
            versions.setdefault(version_text(filename), []).append(entry)
        packed = {text: marshal.dumps(some) for text, some in versions.items()}
        return cls(packed, sum(map(len, versions.values())), read)

    def __len__(self) -> int:
        """Return the number of entries; some may turn out to be no files."""
        return self._count

    def files(self) -> tuple[File, ...]:
        """Read all of them."""
        return self._of(self._packed)

    def above(self, version: Version) -> tuple[File, ...]:
        """Read those of later versions; a version that cannot be read counts as later."""
        return self._of(text for text in self._packed if (own := _version(text)) is None or own > version)

    def since(self, version: Version) -> tuple[File, ...]:
        """Read those of the same or later versions, as `above`."""
        return self._of(text for text in self._packed if (own := _version(text)) is None or own >= version)

    def _of(self, versions: Iterable[str]) -> tuple[File, ...]:
        entries = [entry for text in versions for entry in marshal.loads(self._packed[text])]  # noqa: S302 - our own
        return self._read(entries) if entries else ()


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:
        return None
