"""Every limit of this room, with its unit.

Sized by what is on the index: the largest wheels unpack to 3-4 GB, the fullest hold some 50,000
members, generated tables shrink 50 times. Beyond any of these an archive is refused while it is read.
"""

from __future__ import annotations

MEMBERS = 250_000
"""Entries of one archive, folders included."""
UNPACKED_BYTES = 8 * 2**30
"""Sum over all members."""
RATIO = 200
"""Unpacked bytes for each byte of the archive, once `RATIO_FROM_BYTES` are reached."""
RATIO_FROM_BYTES = 256 * 2**20
CENTRAL_BYTES = 128 * 2**20
"""A zip's central directory."""
NAME_BYTES = 1024
"""One member's path, in UTF-8."""
NAME_SEGMENTS = 100
"""Folders in one member's path."""
TAGS = 10_000
"""Compatibility tags of one wheel, expanded; the fullest real ones have some twenty."""
CHUNK_BYTES = 2**20
"""Read, unpacked and hashed at a time: what bounds memory."""
SEVERAL_FROM_BYTES = 64 * 2**20
"""Unpacked bytes from which members are hashed several at a time."""
PAX_BYTES = 64 * 2**10
"""One extended header of a tar."""

METADATA_BYTES = 8 * 2**20
"""METADATA, PKG-INFO, pyproject.toml; descriptions are long."""
RECORD_BYTES = 64 * 2**20
TEXT_BYTES = 2**20
"""WHEEL, entry_points.txt, requires.txt."""

SHOWN_CHARACTERS = 200
"""Of a foreign text in a message."""


def unpacked_limit(packed: int) -> int:
    """Return how many bytes an archive of `packed` bytes may unpack to."""
    return min(UNPACKED_BYTES, max(RATIO_FROM_BYTES, packed * RATIO))
