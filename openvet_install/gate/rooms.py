"""Folders for environments of one run: nobody finds anything in them, so nothing in them can have been poisoned."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from openvet_install.errors import UndecidedError
from openvet_install.gate.places import lock
from openvet_install.gateway.blobs import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


TEMPORARY = "tmp"
TRIES = 100


class Room(NamedTuple):
    """A folder of this run alone, with one for temporary files in it, and the descriptor of the lock that holds it."""

    path: Path
    lock: int

    @property
    def is_used(self) -> bool:
        """Whether there is anything in it that lasts."""
        return any(one.name != TEMPORARY for one in self.path.iterdir())


@contextmanager
def room(folder: Path) -> Iterator[Room]:
    """Make a folder below `folder`, and remove it; what a run left that was killed goes first. Raises `UndecidedError`.

    Whoever becomes another program inside has to remove it then: the folder, and the file `.lock` beside it.
    """
    private_folder(folder)
    for left in folder.glob("*.lock"):
        with suppress(OSError):
            _remove(left)
    path, held = _new(folder)
    with held:
        path.mkdir(mode=0o700)
        (path / TEMPORARY).mkdir(mode=0o700)
        try:
            yield Room(path, held.fileno())
        finally:
            shutil.rmtree(path, ignore_errors=True)
            path.with_suffix(".lock").unlink(missing_ok=True)


def _new(folder: Path) -> tuple[Path, IO[bytes]]:
    """Take a name; another run that looks for what was left may have it for a moment."""
    for _ in range(TRIES):
        path = folder / secrets.token_hex(8)
        held = lock(path.with_suffix(".lock"))
        if held is not None:
            return path, held
    raise UndecidedError(f"no folder of its own for this run in {folder}: others lock each at once")


def _remove(left: Path) -> None:
    held = lock(left)
    if held is not None:
        with held:
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
            left.unlink(missing_ok=True)
