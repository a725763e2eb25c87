"""The entries of one JSON page, packed by version: only those of files that somebody wants are unpacked; pure."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

_UNREAD_KEYS = ("core-metadata", "data-dist-info-metadata", "dist-info-metadata")
"""Two thirds of what an entry takes in memory, and nobody reads them."""


class Listing(NamedTuple):
    """What a page lists, whoever wants to see it; `project` is the normalised name.

    `loose` are (place on the page, entry) of entries that are always read: those that state no sha256. The others are
    in `versions` by the text of their version, as their places and their marshalled entries; `digests` maps the sha256
    (as stated, in lower case) to that text.
    """

    project: str
    loose: list[tuple[int, Any]]
    digests: dict[str, str]
    versions: dict[str, tuple[list[int], bytes]]

    @classmethod
    def of(cls, project: str, entries: Iterable[Any]) -> Listing:
        """Pack entries as JSON has them; those that are no objects are loose, too. Raises ValueError if too deep."""
        loose: list[tuple[int, Any]] = []
        digests: dict[str, str] = {}
        found: dict[str, tuple[list[int], list[Any]]] = {}
        for place, entry in enumerate(entries):
            try:
                digest, filename = entry["hashes"]["sha256"].lower(), entry["filename"]
            except (KeyError, TypeError, AttributeError):
                loose.append((place, entry))
                continue
            text = version_text(filename) if type(filename) is str else None
            if text is None or digests.setdefault(digest, text) != text:
                loose.append((place, entry))
                continue
            for key in _UNREAD_KEYS:
                entry.pop(key, None)
            places, listed = found.setdefault(text, ([], []))
            places.append(place)
            listed.append(entry)
        packed = {text: (places, marshal.dumps(listed)) for text, (places, listed) in found.items()}
        return cls(project, loose, digests, packed)

    @classmethod
    def unpacked(cls, raw: bytes) -> Listing:
        """Return what `packed` made of it by this very Python; for bytes that are our own."""
        return cls(*marshal.loads(raw))  # noqa: S302 - sealed by whoever kept them

    def packed(self) -> bytes:
        """Return it as bytes."""
        return marshal.dumps(tuple(self))

    def split(self, wanted: Container[str] | None) -> tuple[list[Any], dict[str, bytes], int]:
        """Return the entries to read, in the order of the page, and the packed rest by version, with its number.

        `wanted` are sha256 in lower case, None for all.
        """
        texts = {text for digest, text in self.digests.items() if wanted is None or digest in wanted}
        left = {text: raw for text, (_, raw) in self.versions.items() if text not in texts}
        count = sum(len(places) for text, (places, _) in self.versions.items() if text not in texts)
        kept = list(self.loose)
        for text in texts:
            places, raw = self.versions[text]
            rest = []
            for place, entry in zip(places, marshal.loads(raw), strict=True):  # noqa: S302 - our own
                if wanted is None or entry["hashes"]["sha256"].lower() in wanted:
                    kept.append((place, entry))
                else:
                    rest.append(entry)
            if rest:
                left[text] = marshal.dumps(rest)
                count += len(rest)
        return [entry for _, entry in sorted(kept, key=lambda one: one[0])], left, count


def version_text(filename: str) -> str:
    """Return the version as a file's name has it, "" where it has none."""
    if filename.endswith(".whl"):
        return filename.split("-", 2)[1] if "-" in filename else ""
    return filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")[2]
