"""What runs keep on this machine for later runs: how much it is, how it stays bounded, how it is emptied."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.gate import again, places
from openvet_install.gate.deciding import FOLDER
from openvet_install.gateway import blobs
from openvet_install.openvet.store import MAX_BYTES, Store

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.gate.state import Folders

FILES_MAX = 10 << 30  # bytes of package files
DOCUMENTS_MAX = 64 << 20  # bytes of provenance documents
COMPARED_MAX = 4 << 20  # bytes of notes about compared files, some 200 each
AGAIN_MAX = 4 << 20  # bytes of notes about runs that had nothing to do, some 8,000 each
OPENED_MAX = 128 << 20  # bytes of notes about opened archives, about 100 for each of their members
PAGES_MAX = 64 << 20  # bytes of index pages, none of which counts for longer than ten minutes
DAYS_MAX = 4 << 20  # bytes of notes about when files came, some 60 each
LISTED_MAX = 128 << 20  # bytes of notes about what pages list, a little less than these
COMPARED = "compared"
"""Of the notes about what was compared, in the cache folder."""
OPENED = "opened"
"""Of those about what archives hold."""
DAYS = "days"
"""Of those about when files came to an index."""
PAGES = "pages"
"""Of those that hold pages of indexes."""
LISTED = "listed"
"""Of those about what pages list, by their bytes."""
DATABASE = "objects.db"


class Kept(NamedTuple):
    """Counts and bytes of each store; `used` is when the objects were last written to (Unix seconds), None: never."""

    objects: int
    object_bytes: int
    files: int
    file_bytes: int
    caches: int
    cache_bytes: int
    used: float | None


def check_owner(folders: Folders) -> None:
    """Raise `ConfigError` as a run does where a folder of ours is somebody else's, or a link."""
    for place in (folders.cache / "files", folders.cache / "uv", folders.state / "targets"):
        if os.path.lexists(place):
            blobs.private_folder(place)


class Cleaned(NamedTuple):
    """Bytes freed, and whether running processes kept the package files."""

    freed: int
    busy: bool


def kept(cache: Path) -> Kept:
    """Count what the cache folder holds; nothing is made that is not there."""
    database = cache / "objects" / DATABASE
    objects = object_bytes = 0
    used = None
    if database.exists():
        written = [one.stat().st_mtime for one in database.parent.glob(f"{DATABASE}*")]
        used = max(written, default=None)
        with Store(cache / "objects") as store:
            stats = store.stats()
            objects, object_bytes = sum(stats.objects.values()), stats.size_bytes
    stored = [places.weight(folder) for folder in (cache / "files").glob("??")]
    caches = [one for one in (cache / "uv").glob("*") if one.is_dir() and not one.is_symlink()]
    return Kept(
        objects,
        object_bytes,
        sum(count for count, _ in stored),
        sum(size for _, size in stored),
        len(caches),
        sum(places.weight(one)[1] for one in caches),
        used,
    )


def trim(cache: Path) -> None:
    """Bring the stores below their bounds, oldest first; what running processes use stays."""
    if (cache / "objects" / DATABASE).exists():
        with Store(cache / "objects") as store:
            store.clean(MAX_BYTES)
    if (cache / "files").is_dir():
        blobs.prune(cache / "files", FILES_MAX)
    _forget(cache / FOLDER, DOCUMENTS_MAX)
    _forget(cache / COMPARED, COMPARED_MAX)
    _forget(cache / OPENED, OPENED_MAX)
    _forget(cache / DAYS, DAYS_MAX)
    _forget(cache / PAGES, PAGES_MAX)
    _forget(cache / LISTED, LISTED_MAX)
    _forget(cache / again.FOLDER, AGAIN_MAX)


def _forget(folder: Path, most: int) -> int:
    """Remove the oldest files of a folder until so many bytes are left; return the bytes freed."""
    found = []
    for path in folder.glob("*"):
        with suppress(OSError):
            stat = path.lstat()
            found.append((stat.st_mtime, stat.st_size, path))
    left = sum(size for _, size, _ in found)
    freed = 0
    for _, size, path in sorted(found):
        if left - freed <= most:
            break
        with suppress(OSError):
            path.unlink()
            freed += size
    return freed


def empty(cache: Path) -> Cleaned:
    """Empty the stores of everything that no running process uses; the next run pays with time only."""
    freed, busy = 0, False
    if (cache / "objects" / DATABASE).exists():
        with Store(cache / "objects") as store:
            freed += store.clear()
    if (cache / "files").is_dir():
        pruned = blobs.prune(cache / "files", 0)
        freed, busy = freed + (pruned or 0), pruned is None
    freed += sum(_forget(cache / one, 0) for one in (FOLDER, COMPARED, OPENED, DAYS, PAGES, LISTED, again.FOLDER))
    return Cleaned(freed + places.prune(cache / "uv", 0), busy)
