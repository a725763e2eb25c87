"""What a run is about to change, written before its tool starts: the next run reads it if this one is killed (T33).

Beside the lock of a target lie `….before`, how the target was, and `….released`, what the tool could have put there.
While the tool runs the lock's time is kept current, so the next run can tell this run's changes from later ones.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from openvet_install.gate.rollback import Kept
from openvet_install.gate.seals import opened, seal, sealed
from openvet_install.installers.disk import Snapshot, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PULSE_SECONDS = 0.5
SLACK_NS = 2_000_000_000
MAX_BYTES = 256 << 20
_RELEASED = re.compile(r"([0-9a-f]{64}) ([^\s/]+) ([0-9a-f]{64})", re.ASCII)


class Left(NamedTuple):
    """What a run that was killed has left: when it `started`, how things were, what was released until then.

    `stamps` and `kept` are from before its tool started; `until` is the time in nanoseconds after which it changed
    nothing; `released` are (sha256, file name); `compiled` whether its tool writes bytecode; `folder` its own.
    """

    started: str
    stamps: dict[str, Stamp]
    kept: Kept
    until: int
    released: tuple[tuple[str, str], ...]
    compiled: bool
    folder: Path

    def before(self, now: Snapshot) -> Snapshot:
        """Return how the target was, with everything that came after that run as it is now."""
        later = {path: stamp for path, stamp in now.stamps.items() if stamp.changed_ns > self.until}
        return Snapshot(places=now.places, stamps={**self.stamps, **later})


class Journal:
    """The journal of one target."""

    def __init__(self, path: Path | None, file: IO[bytes] | None, key: bytes = b"") -> None:
        """`file` is the locked lock file at `path`, both None where none can be written.

        `key` seals what is written: what was restored from somewhere would put back whatever it says. Without one
        nothing is written.
        """
        self._path, self._file, self._key = path, file, key
        self._before = path.with_name(f"{path.name}.before") if path is not None else None
        self._released = path.with_name(f"{path.name}.released") if path is not None else None
        self._notes: IO[bytes] | None = None
        self._early: list[bytes] = []
        self._writing = threading.Lock()

    def left(self) -> Left | None:
        """Return what a killed run has left, None if there is nothing or it cannot be read."""
        if self._file is None or self._before is None or self._released is None:
            return None
        try:
            if self._before.stat().st_size > MAX_BYTES:
                return None
            head, _, rest = opened(self._key, self._before.name.encode(), self._before.read_bytes()).partition(b"\n")
            said = json.loads(head)
            parts = rest.decode("utf-8", "surrogateescape").split("\0")
            stamps = {path: _stamp(numbers) for path, numbers in zip(parts[:-1:2], parts[1::2], strict=True)}
            kept = Kept({path: base64.b64decode(raw) for path, raw in said["files"].items()}, dict(said["links"]))
            notes = self._released.read_text("ascii", "replace").splitlines() if self._released.exists() else []
            lines = (match for line in notes if (match := _RELEASED.fullmatch(line)))
            released = tuple((one[1], one[2]) for one in lines if one[3] == self._mark(one[1], one[2]))
            until = os.fstat(self._file.fileno()).st_mtime_ns + SLACK_NS
            return Left(
                str(said["started"]), stamps, kept, until, released, bool(said["compiled"]), Path(str(said["folder"]))
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    @property
    def unread(self) -> bool:
        """Whether something lies there that `left` can make nothing of: nobody knows what the target held before."""
        return self._before is not None and self._before.exists() and self.left() is None

    @contextmanager
    def open(
        self, before: Snapshot, kept: Kept, *, compiled: bool, folder: Path, begun: Callable[[], bool]
    ) -> Iterator[None]:
        """Write down how the target is; while the block runs, `note` may be called. The tool runs in it.

        Where the disk is full there is no journal, as where none can be written. What ends the block before the tool
        has `begun` leaves none.
        """
        try:
            notes = self._begin(before, kept, compiled=compiled, folder=folder)
            if notes is None or self._file is None:
                yield
                return
            with notes, pulse(self._file):
                with self._writing:
                    self._notes = notes
                yield
                with self._writing:
                    self._notes = None
        except BaseException:
            if not begun():
                self.close()
            raise

    def _begin(self, before: Snapshot, kept: Kept, *, compiled: bool, folder: Path) -> IO[bytes] | None:
        """Write both files and return the open second one; None, and neither of them, where that is impossible."""
        if self._file is None or self._before is None or self._released is None or not self._key:
            return None
        said = {
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "compiled": compiled,
            "folder": str(folder),
            "files": {path: base64.b64encode(raw).decode() for path, raw in kept.files.items()},
            "links": dict(kept.links),
        }
        rows = "".join(["%s\0%d %d %d %d %d\0" % (path, *stamp) for path, stamp in before.stamps.items()])  # noqa: UP031 - quick
        try:
            self._released.unlink(missing_ok=True)
            raw = json.dumps(said).encode() + b"\n" + rows.encode("utf-8", "surrogateescape")
            write(self._before, sealed(self._key, self._before.name.encode(), raw))
            notes = open(self._released, "xb", buffering=0, opener=privately)  # noqa: SIM115 - the caller closes it
            notes.write(b"".join(self._early))
        except OSError:
            with suppress(OSError):
                self.close()
            return None
        return notes

    def note(self, sha256: str, filename: str) -> None:
        """Write down that a file may be installed from now on; called from many threads."""
        line = f"{sha256} {filename} {self._mark(sha256, filename)}\n".encode()
        with self._writing, suppress(OSError):
            if self._notes is None:
                self._early.append(line)
            else:
                self._notes.write(line)

    def _mark(self, sha256: str, filename: str) -> str:
        name = self._path.name if self._path is not None else ""
        return seal(self._key, f"{name} {sha256} {filename}".encode()).hex() if self._key else ""

    def close(self) -> None:
        """Say that the target was compared: there is nothing left to do."""
        if self._before is not None and self._released is not None:
            self._before.unlink(missing_ok=True)
            self._released.unlink(missing_ok=True)


def write(path: Path, raw: bytes) -> None:
    """Write a file that is there whole or not at all; it need not outlive the machine, as the tool does not."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with open(beside, "xb", opener=privately) as file:
            file.write(raw)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def privately(path: str, flags: int) -> int:
    """Open a file that nobody else can read, and no link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


@contextmanager
def pulse(file: IO[bytes]) -> Iterator[None]:
    """Keep the time of a file current."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(PULSE_SECONDS):
            with suppress(OSError, ValueError):
                os.utime(file.fileno())

    os.utime(file.fileno())
    thread = threading.Thread(target=beat, name="openvet-pulse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _stamp(numbers: str) -> Stamp:
    mode, size, changed, modified, inode = map(int, numbers.split(" "))
    return Stamp(mode, size, changed, modified, inode)
