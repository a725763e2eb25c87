"""Package files by sha256 on disk, safe for many processes; a name is only believed after hashing again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
import time
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from openvet_install.errors import ConfigError, InvalidError
from openvet_install.gateway import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

BESIDE_FROM = 8 << 20  # bytes of a file after which hashing has a thread of its own
WAITING = 16  # pieces that may wait for it
CHUNK = 256 * 1024  # bytes read and hashed at a time
MAX_FILE = 4 << 30  # bytes of one package file, unless the store is told otherwise
STALE = 24 * 3600  # seconds after which a temporary file belongs to a run that died

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_Signature = tuple[int, int, int, int, int]


class BlobError(InvalidError):
    """Bytes on disk that are no longer what was stored."""


class TooLargeError(InvalidError):
    """A file of more bytes than the cap."""


class BlobStore:
    """A folder of whole files named by their sha256 (`ab/abcd…`); losing it costs time only.

    The folder and everything in it belongs to this user alone (0700, files 0400). Files appear by rename,
    so a reader never sees half of one. Raises `ConfigError` if the folder is not ours.
    """

    def __init__(self, folder: Path, *, max_file: int = MAX_FILE) -> None:
        """Open or make the folder; `max_file` is in bytes."""
        self._folder = folder
        self._max = max_file
        self._fresh: dict[str, _Signature] = {}
        self._temporary = folder / "tmp"
        for one in (folder, self._temporary):
            private_folder(one)
        held = _lock(folder, fcntl.LOCK_SH)
        if held is not None:
            weakref.finalize(self, os.close, held)
        self._sweep()

    def find(self, sha256: str) -> Blob | None:
        """Return the file with this sha256 (lower-case hex) after hashing it; None if it is missing or damaged."""
        path = self._path(sha256)
        try:
            with _open(path) as file:
                size, digest = _hash(file)
                signature = _signature(file)
        except OSError:
            return None
        if digest != sha256:
            return None
        self._fresh[sha256] = signature
        return Blob(path, sha256, size)

    def add(self, chunks: Iterable[bytes]) -> Blob:
        """Store the bytes that `chunks` yields; raises `TooLargeError`, and what `chunks` raises.

        Nothing is left behind unless all chunks came.
        """
        handle, name = tempfile.mkstemp(dir=self._temporary)
        try:
            with open(handle, "wb", buffering=0) as file, _Hashing() as hashing:  # noqa: PTH123 - a handle
                for chunk in _capped(chunks, self._max):
                    hashing.update(chunk)
                    _write(file, chunk)
                os.fchmod(file.fileno(), 0o400)
                sha256, size = hashing.sha256(), hashing.size
            path = self._path(sha256)
            private_folder(path.parent)
            os.replace(name, path)  # noqa: PTH105
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108
            raise
        with suppress(OSError), _open(path) as file:
            self._fresh[sha256] = _signature(file)
        return Blob(path, sha256, size)

    def whole(self, blob: Blob) -> Iterator[bytes]:
        """Yield all bytes and hash them on the way: the last piece comes only if they are right, else `BlobError`."""
        with _opened(blob) as file, _Hashing() as hashing:
            signature, held = _signature(file), b""
            while chunk := file.read(CHUNK):
                if held:
                    yield held
                held = chunk
                hashing.update(chunk)
            if (hashing.size, hashing.sha256()) != (blob.size, blob.sha256):
                self._fresh.pop(blob.sha256, None)
                raise _changed(blob)
            self._fresh[blob.sha256] = signature
            yield held

    def part(self, blob: Blob, start: int, length: int) -> Iterator[bytes]:
        """Yield a part; a file that the system says is untouched since this process hashed it is not hashed again.

        Raises `BlobError` before the first piece.
        """
        with self._checked(blob) as file:
            file.seek(start)
            while length and (chunk := file.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk
            if length:
                raise _changed(blob)

    def intact(self, blob: Blob) -> bool:
        """Tell whether a stored file is untouched, reading it again only if the system says it may not be."""
        try:
            with self._checked(blob):
                return True
        except BlobError:
            return False

    @contextmanager
    def _checked(self, blob: Blob) -> Iterator[BinaryIO]:
        with _opened(blob) as file:
            signature = _signature(file)
            if self._fresh.get(blob.sha256) != signature:
                if _hash(file) != (blob.size, blob.sha256):
                    raise _changed(blob)
                self._fresh[blob.sha256] = signature
            yield file

    def _path(self, sha256: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise BlobError(f"not a sha256: `{sha256!a}`")
        return self._folder / sha256[:2] / sha256

    def _sweep(self) -> None:
        """Remove what runs that died left behind."""
        for path in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.lstat().st_mtime > STALE:
                    path.unlink()


class _Hashing:
    """Hashes one piece after the other; of a large file beside whatever else is done with it."""

    def __init__(self) -> None:
        self.size = 0
        self._hasher = hashlib.sha256()
        self._beside = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= BESIDE_FROM:
            self._hasher.update(piece)
            return
        self._waiting.append(self._beside.submit(self._hasher.update, piece))
        if len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def sha256(self) -> str:
        while self._waiting:
            self._waiting.popleft().result()
        return self._hasher.hexdigest()

    def __enter__(self) -> _Hashing:  # noqa: PYI034 - `Self` is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self._beside.shutdown()


def prune(folder: Path, max_bytes: int) -> int | None:
    """Delete the files that were stored first until at most `max_bytes` are left; return the bytes freed.

    None, and nothing deleted, while any process has the store open: it may be about to hand a file out.
    """
    held = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if held is None:
        return None
    try:
        found = []
        for path in folder.glob("??/*"):
            if path.parent.is_symlink() or not _SHA256.fullmatch(path.name):
                continue  # not ours to delete
            with suppress(OSError):
                status = path.lstat()
                found.append((status.st_mtime, status.st_size, path))
        before = left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= max_bytes:
                break
            with suppress(OSError):
                path.unlink()
                left -= size
        for path in (folder / "tmp").glob("*"):
            path.unlink(missing_ok=True)
        return before - left
    finally:
        os.close(held)


def _lock(folder: Path, how: int) -> int | None:
    """Lock a store; return the descriptor that holds it, or None if it cannot be had."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
    except OSError:
        os.close(handle)
        return None
    return handle


def private_folder(folder: Path) -> None:
    """Open or make a folder of this user alone (0700); raises `ConfigError` for a link or somebody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigError(f"the folder {folder} is not a folder of yours", hint=f"ls -ld {folder}")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def _open(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    file = open(handle, "rb", buffering=0)  # noqa: PTH123, SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file


def _opened(blob: Blob) -> BinaryIO:
    try:
        return _open(blob.path)
    except OSError as error:
        raise BlobError(f"the stored file {blob.sha256} is gone: {error.strerror}") from error


def _changed(blob: Blob) -> BlobError:
    return BlobError(f"the stored file {blob.sha256} was changed on disk")


def _capped(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"the file has more than {limit} bytes")
        yield chunk


def _hash(file: BinaryIO) -> tuple[int, str]:
    hasher, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    return size, hasher.hexdigest()


def _signature(file: BinaryIO) -> _Signature:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _write(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
