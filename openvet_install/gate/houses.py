"""Wheelhouses: folders with the files that a lock names, for where no index is in reach.

What lies there is taken for nothing but bytes: a file counts only if it hashes to what the lock says, and is judged,
opened and released like one that an index has served.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.installers import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.installers.commands import Plan

CHUNK_BYTES = 1 << 20


def stock(plan: Plan, blobs: BlobStore) -> None:
    """Put what the plan's folders hold of the lock's files into the store; what cannot be read is not there."""
    if plan.locked is None:
        return
    for one in plan.locked.selection.files:
        wanted = one.file.sha256
        if wanted is None or blobs.find(wanted) is not None:
            continue
        for folder in plan.houses:
            path = Path(folder) / one.file.filename
            try:
                if look.sha256(str(path)) == wanted:
                    blobs.add(_chunks(path))
                    break
            except OSError:
                continue


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
