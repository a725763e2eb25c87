"""What comparing files came to, remembered for later runs, although a cache is believed in nothing (threat T32).

That two files have the same content stays true as long as they have their hashes and the rules are the same. So each
note is about exactly two files by hash and name, and holds a seal over all it says, made with a key of this machine; a
note without the right seal is none. The key lies outside of the cache, and counts only as the very file that was made
here: a copy that was restored from somewhere has another inode and another time of its last change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import packaging

from openvet_install import archive
from openvet_install.archive.same import Comparison
from openvet_install.gate.once import Once
from openvet_install.gate.stores import COMPARED
from openvet_install.installers.disk import read, replace_file

if TYPE_CHECKING:
    from openvet_install.files import File
    from openvet_install.gate.state import Folders
    from openvet_install.openvet.subject import Subject

KEY = "seal"
KEY_BYTES = 32
MAX_NOTE = 4096  # bytes


class Remembered:
    """Notes about pairs of files; safe for threads and processes. Without a key of its own it knows nothing."""

    def __init__(self, folders: Folders) -> None:
        """Nothing is read or made yet."""
        self._notes = folders.cache / COMPARED
        self._state = folders.state
        self._keys: Once[bytes] = Once()

    def find(self, file: File, subject: Subject) -> Comparison | None:
        """Return what an earlier run of this machine noted of a file and an audited one by the rules of today."""
        raw = read(str(self._place(file, subject)), MAX_NOTE) if self._key else None
        try:
            seal, members, difference = json.loads(raw or b"null")
            note = Comparison(members, difference)
            right = hmac.compare_digest(self._seal(file, subject, note), seal)
        except (ValueError, TypeError, RecursionError):
            return None
        return note if right else None

    def put(self, file: File, subject: Subject, note: Comparison) -> None:
        """Remember what comparing came to; where that cannot be written, the next run compares again."""
        if self._key:
            with suppress(OSError):
                self._notes.mkdir(mode=0o700, parents=True, exist_ok=True)
                content = json.dumps([self._seal(file, subject, note), *note]).encode()
                if len(content) <= MAX_NOTE:
                    replace_file(self._place(file, subject), content, mode=0o600)

    def _place(self, file: File, subject: Subject) -> Path:
        return self._notes / hashlib.sha256(_pair(file, subject)).hexdigest()

    def _seal(self, file: File, subject: Subject, note: Comparison) -> str:
        return hmac.digest(self._key, _pair(file, subject) + json.dumps(note).encode(), "sha256").hex()

    @property
    def _key(self) -> bytes:
        """The key for the rules of today; empty if this machine has none that is its own."""
        return self._keys.get(KEY, lambda: _key_at(self._state / KEY))


def _pair(file: File, subject: Subject) -> bytes:
    return json.dumps([file.sha256, file.filename, str(subject)]).encode()


def _key_at(path: Path) -> bytes:
    with suppress(OSError):
        return _own_key(path) or _new_key(path)
    return b""


def _own_key(path: Path) -> bytes:
    """Return the key of a file that only this user has, bound to this very file and to the rules; else nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(handle, "rb") as stream:  # noqa: PTH123 - a handle
        raw, at = stream.read(KEY_BYTES + 1), os.fstat(handle)
    private = stat.S_ISREG(at.st_mode) and at.st_uid == os.getuid() and not at.st_mode & 0o077 and at.st_nlink == 1
    if len(raw) != KEY_BYTES or not private:
        return b""
    return hashlib.sha256(json.dumps([raw.hex(), at.st_dev, at.st_ino, at.st_ctime_ns, _rules()]).encode()).digest()


def _new_key(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream:  # noqa: PTH123 - a handle
        stream.write(secrets.token_bytes(KEY_BYTES))
    return _own_key(path)


def _rules() -> str:
    """Return what changes with every rule of opening and comparing: a digest of the code that does it."""
    digest = hashlib.sha256(f"{sys.version} {packaging.__version__}".encode())
    for path in sorted(Path(archive.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
