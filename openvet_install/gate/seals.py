"""This machine's key for what it notes, and seals made with it; quick to import.

The key lies outside of the cache, and counts only as the very file that was made here: a copy that was restored from
somewhere has another inode and another time of its last change. The device has no say: a container that starts again
has another one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from stat import S_ISREG

KEY = "seal"
KEY_BYTES = 32
SEAL_BYTES = 32


def own_key(path: str) -> bytes:
    """Return the key of a file that only this user has, bound to this very file; else nothing."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123 - a handle
            raw, at = stream.read(KEY_BYTES + 1), os.fstat(stream.fileno())
    except OSError:
        return b""
    private = S_ISREG(at.st_mode) and at.st_uid == os.getuid() and not at.st_mode & 0o077 and at.st_nlink == 1
    if len(raw) != KEY_BYTES or not private:
        return b""
    return hashlib.sha256(f'["{raw.hex()}", {at.st_ino}, {at.st_ctime_ns}]'.encode()).digest()


def for_purpose(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose; none of none."""
    return hmac.digest(key, purpose.encode(), "sha256") if key else b""


def seal(key: bytes, about: bytes, said: bytes = b"") -> bytes:
    """Return the seal (32 bytes) over what is said of something."""
    return hmac.digest(hmac.digest(key, about, "sha256"), said, "sha256")


def sealed(key: bytes, about: bytes, said: bytes) -> bytes:
    """Return what is said of something, with a seal in front that `opened` knows."""
    return seal(key, about, said) + said


def opened(key: bytes, about: bytes, raw: bytes) -> bytes:
    """Return what was said of something. Raises `ValueError` if the seal is not the right one, or there is no key."""
    said = raw[SEAL_BYTES:]
    if not key or not hmac.compare_digest(seal(key, about, said), raw[:SEAL_BYTES]):
        raise ValueError("not sealed here")
    return said
