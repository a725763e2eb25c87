"""Looks at files beside our process, so that both processors do: stamps and digests. Started as a script, with `-I -S`.

argv: the descriptor of a unix socket to our process, and its pid; it ends with us. A question (`frame`) is a word and
paths: `stamps` and a folder, answered by one digest (`stamps_digest`), or `content` and files, by one for each
(`sha256`), with line ends between them, empty for None.
No process of the same user may write into this one: a run believes what it says (threats T14, T38).
"""

from __future__ import annotations

import hashlib
import os
from stat import S_ISREG

CHUNK_BYTES, CHUNK_LEAST = 2**20, 2**12
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SIGKILL = 9

TYPE_CHECKING = False  # that of `typing`, whose import takes as long as a thousand files
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader


def walk(folder: str, *, deep: bool) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file and link below a folder, or in it; links are not followed, a missing folder is empty."""
    waiting = [folder]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry.path, entry.stat(follow_symlinks=False)
                elif deep:
                    waiting.append(entry.path)


def stamps_digest(folder: str) -> str:
    """Return what changes when any file or link below a folder does: paths and the kernel's stamps, no content."""
    lines = sorted(
        [
            f"{path}\0{s.st_mode} {s.st_size} {s.st_ctime_ns} {s.st_mtime_ns} {s.st_ino}\n"
            for path, s in walk(folder, deep=True)
        ]
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def sha256(path: str, *, skip: int = 0) -> str | None:
    """Return the digest of a regular file from byte `skip` on, None if there is none; links are not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:  # by handle: most files of an environment are small, and objects for them take longer than hashing
        status = os.fstat(handle)
        if not S_ISREG(status.st_mode):
            return None
        if skip:
            os.lseek(handle, skip, os.SEEK_SET)
        engine = hashlib.sha256()
        while chunk := os.read(handle, min(CHUNK_BYTES, max(status.st_size, CHUNK_LEAST))):
            engine.update(chunk)
        return engine.hexdigest()
    finally:
        os.close(handle)


def frame(*parts: bytes) -> bytes:
    """Return a message: its length in eight bytes, then the parts with NUL between them."""
    message = b"\0".join(parts)
    return len(message).to_bytes(8, "big") + message


def next_frame(stream: BufferedReader) -> bytes | None:
    """Return the next message, None at the end."""
    head = stream.read(8)
    size = int.from_bytes(head, "big")
    message = stream.read(size) if len(head) == 8 else b""
    return message if len(head) == 8 and len(message) == size else None


def _main() -> None:
    import ctypes  # noqa: PLC0415 - whoever imports this module does without
    import sys  # noqa: PLC0415 - as above

    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if os.getppid() != int(sys.argv[2]):
            return
    door = int(sys.argv[1])
    with open(door, "rb") as questions:
        while (question := next_frame(questions)) is not None:
            what, *paths = question.split(b"\0")
            found = map(os.fsdecode, paths)
            told = map(stamps_digest, found) if what == b"stamps" else (sha256(path) or "" for path in found)
            answer = memoryview(frame("\n".join(told).encode("ascii")))
            while answer:
                answer = answer[os.write(door, answer) :]


if __name__ == "__main__":
    _main()
