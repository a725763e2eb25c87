"""Notes for later runs, although nothing that is kept is believed (threat T32).

A note says something that stays true of exactly what it is about, by hash, as long as the rules are the same. It holds
a seal over all it says, made with a key of this machine (`seals`); a note without the right seal is none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import packaging

from openvet_install import files
from openvet_install.gate.once import Once
from openvet_install.gate.seals import KEY, KEY_BYTES, SEAL_BYTES, for_purpose, opened, own_key, sealed
from openvet_install.installers.disk import read

if TYPE_CHECKING:
    from openvet_install.gate.state import Folders

_ONLY: Once[str] = Once()
_READ = ("listing.py", "pages.py")


class Sealed:
    """The notes of one folder; safe for threads and processes. Without a key of its own it knows nothing."""

    def __init__(self, folders: Folders, name: str, most: int) -> None:
        """`name` is that of the folder in the cache, `most` bounds the bytes of a note. Nothing is read or made yet."""
        self._folder = folders.cache / name
        self._most = most
        self._state = folders.state
        self._keys: Once[bytes] = Once()

    def find(self, about: bytes) -> bytes | None:
        """Return what an earlier run of this machine noted by the rules of today, None if nothing."""
        raw = read(str(self.place(about)), self._most) if self._key else None
        try:
            return None if raw is None else opened(self._key, about, raw)
        except ValueError:
            return None

    def put(self, about: bytes, said: bytes) -> None:
        """Remember something; where that cannot be written, the next run has to find it again."""
        if self._key and len(said) <= self._most - SEAL_BYTES:
            with suppress(OSError):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write(self.place(about), sealed(self._key, about, said))

    def forget(self, seconds: float) -> None:
        """Remove the notes that are older."""
        before = time.time() - seconds
        with suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    os.unlink(entry)  # noqa: PTH108 - as it was found

    def place(self, about: bytes) -> Path:
        """Return where the note about something lies."""
        return self._folder / hashlib.sha256(about).hexdigest()

    @property
    def _key(self) -> bytes:
        """The key for the rules of today; empty if this machine has none that is its own."""
        return self._keys.get(KEY, lambda: key_of(self._state, f"{self._folder.name} {_rules()}"))


def key_of(state: Path, purpose: str) -> bytes:
    """Return this machine's key for one purpose; empty if it has none that is its own. Nothing is raised."""
    with suppress(OSError):
        key = own_key(str(state / KEY)) or _made_key(state)
        return for_purpose(key, purpose)
    return b""


def write(path: Path, content: bytes) -> None:
    """Replace a note as a whole; one that a power cut has torn has no seal."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        raise


def _made_key(state: Path) -> bytes:
    """Return a new key, or the one that another run has made meanwhile: it has sealed something already."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return own_key(str(state / KEY)) or _new_key(state / KEY)
    finally:
        os.close(folder)


def _new_key(path: Path) -> bytes:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream:  # noqa: PTH123 - a handle
        stream.write(secrets.token_bytes(KEY_BYTES))
    return own_key(str(path))


def _rules() -> str:
    """Return what changes with every rule of opening, comparing and listing: a digest of the code that does it."""
    return _ONLY.get(None, _digest_of_rules)


def _digest_of_rules() -> str:
    digest = hashlib.sha256(f"{sys.version} {packaging.__version__}".encode())
    own = Path(files.__file__).parent
    for path in (*sorted((own / "archive").glob("*.py")), own / "files.py", *(own / "gateway" / one for one in _READ)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
