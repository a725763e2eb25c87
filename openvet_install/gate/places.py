"""Places of ours that several runs share: uv's private cache, and the environment that is installed into.

Neither is believed: a cache counts only as long as nobody but a run of ours has touched it (threat T28), and a run that
was killed before it could look at its target is finished by the next one (threat T33).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING

from openvet_install.errors import UndecidedError
from openvet_install.gate.journal import Journal
from openvet_install.gate.sealed import key_of
from openvet_install.gateway.blobs import private_folder
from openvet_install.installers import disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from openvet_install.gate.setting import Watch
    from openvet_install.installers.looker import Looker

CACHE_DAYS = 14
WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.1
_DAY_SECONDS = 86_400


class UvCache:
    """uv's private cache of one run, to be entered and closed.

    The same folder comes back as long as `parts` (policies, tool) and `heads` are the same and every file in it is as
    `seal` left it: the kernel's change times and inode numbers cannot be restored with a copy, and not be set. Else,
    and while another run has it, or what root has left there cannot be touched, the run starts with an empty one.
    """

    def __init__(self, folder: Path, parts: Sequence[str], heads: Iterable[str], spare: Path, looker: Looker) -> None:
        """Begin to look at what is there; `folder` holds all, `spare` is a path of this run that may be made."""
        self._looker = looker
        self._found: Callable[[], str] | None = None
        self._left: Callable[[], str] | None = None
        private_folder(folder)
        prune(folder, CACHE_DAYS * _DAY_SECONDS)
        name = f"{_digest(parts)[:16]}{_digest([*parts, *heads])[:32]}"
        self._seal = folder / f"{name}.seal"
        self._spare = spare
        self._lock: IO[bytes] | None = None
        with suppress(OSError):
            self._lock = lock(folder / f"{name}.lock")
        self.path = spare if self._lock is None else folder / name
        if self._lock is not None and not self.path.is_symlink() and self.path.exists():
            self._found = looker.foreseen(str(self.path))

    @property
    def comes_back(self) -> bool:
        """Whether there is something that a good run may have left."""
        return self._found is not None and self._seal.exists()

    def enter(self) -> Path:
        """Make the folder ready, empty unless every file is as it was left, and return it."""
        if self._lock is not None:
            try:
                self._make_ready()
            except OSError:
                self.close()
                self._lock, self.path = None, self._spare
        private_folder(self.path)
        return self.path

    def _make_ready(self) -> None:
        if self._found is not None and not self._is_as_it_was_left(self._found()):
            shutil.rmtree(self.path)
        self._seal.unlink(missing_ok=True)
        private_folder(self.path)
        os.utime(self.path)

    def _is_as_it_was_left(self, found: str) -> bool:
        """Whether the seal says so; one look may have been at what another run was still changing."""
        sealed = _read(self._seal)
        return sealed is not None and (sealed == found or sealed == self._looker.stamps(str(self.path))())

    def look(self) -> None:
        """Begin to look at what the tool has left; to be called when it has ended."""
        if self._lock is not None:
            self._left = self._looker.stamps(str(self.path))

    def seal(self) -> None:
        """Say that the folder is as a good run has left it: what `look` saw, as nobody has written into it since."""
        if self._left is None:
            return
        with suppress(OSError):  # without it the next run starts with an empty one
            handle = os.open(self._seal, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(self._left())

    def close(self) -> None:
        """Let other runs have it."""
        if self._lock is not None:
            self._lock.close()


def foresee(folder: Path, parts: Sequence[str], looker: Looker) -> None:
    """Begin to look at the cache that a run with these `parts` had last: its heads are not known yet."""
    used = {}
    for seal in folder.glob(f"{_digest(parts)[:16]}*.seal"):
        with suppress(OSError):
            used[seal.with_suffix("").lstat().st_mtime] = seal.with_suffix("")
    if used:
        looker.foresee(str(used[max(used)]))


@contextmanager
def target_of(roots: Iterable[str], folder: Path, watch: Watch | None = None) -> Iterator[Journal]:
    """Hold the folders that packages go to for one run, and yield the journal of them.

    Other runs wait, and tell `watch`. Without a folder that can be written nothing is held. Raises `UndecidedError`
    when another run takes more than `WAIT_SECONDS`.
    """
    with ExitStack() as stack:
        held: list[tuple[Path, IO[bytes]]] = []
        for root in sorted(set(roots)):
            try:
                private_folder(folder)
                path = folder / hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
                file = stack.enter_context(hold(path, root, watch))
            except OSError:
                break
            held.append((path, file))
        yield Journal(*held[0], key_of(folder.parent, "targets")) if held else Journal(None, None)


def hold(path: Path, where: str, watch: Watch | None = None) -> IO[bytes]:
    """Take a lock as soon as no other run has it, and tell `watch` meanwhile; such a file is never removed.

    Raises OSError, and `UndecidedError` when another run takes more than `WAIT_SECONDS` in `where`.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_open(path))
        deadline = time.monotonic() + WAIT_SECONDS
        while not _locked(file):
            if time.monotonic() > deadline:
                raise UndecidedError(f"another run has been at work in {where} for {WAIT_SECONDS:.0f} seconds")
            if watch is not None:
                watch.waits(where)
            time.sleep(_POLL_SECONDS)
        if watch is not None:
            watch.waited(where)
        stack.pop_all()
        return file


def _open(path: Path) -> IO[bytes]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "r+b", buffering=0)


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(path: Path) -> IO[bytes] | None:
    """Take a lock; None if another run has it, or removed the file while we waited for nothing."""
    file = _open(path)
    with suppress(FileNotFoundError):
        if _locked(file) and os.path.samestat(os.fstat(file.fileno()), path.lstat()):
            return file
    file.close()
    return None


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read(path: Path) -> str | None:
    raw = disk.read(str(path), 1024)
    return raw.decode("ascii", "replace") if raw is not None else None


def prune(folder: Path, unused: float) -> int:
    """Remove uv's caches that no run has used for `unused` seconds; return the bytes freed."""
    freed = 0
    for path in folder.glob("*.lock"):
        cache = path.with_suffix("")
        with suppress(OSError):
            if time.time() - (cache if cache.exists() else path).lstat().st_mtime < unused:
                continue
            held = lock(path)
            if held is None:
                continue
            with held:
                size = weight(cache)[1]
                if cache.exists():
                    shutil.rmtree(cache)
                path.with_suffix(".seal").unlink(missing_ok=True)
                path.unlink()
                freed += size
    return freed


def weight(folder: Path) -> tuple[int, int]:
    """Return how many files lie below a folder, and their bytes; what goes away meanwhile is not counted."""
    count = size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118
                count += 1
    return count, size
