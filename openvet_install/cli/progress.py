"""One line on a terminal that says how far a long walk or download is, or what is waited for; nothing anywhere else."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

FIRST_AFTER_SECONDS = 1.0
EVERY_SECONDS = 0.2
_MEGABYTE = 1_000_000


class Progress:
    """Told how far things are, from any thread; writes over its own line and takes it away again.

    The cursor stays at the beginning, so that whoever else writes to the terminal writes over the line too.
    """

    def __init__(self, stream: TextIO, terminal: Terminal) -> None:
        """Say nothing in the first second of anything, nor ever where nobody looks; `terminal` is the stream's."""
        self._stream = stream
        self._silent = not stream.isatty()
        self._width = terminal.width
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}
        self._next = 0.0
        self._shown = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave an empty line."""
        self.clear()

    def __call__(self, log: str, done: int, total: int) -> None:
        """Show how far the walk of a log is: commits verified, of how many; at the end nothing."""
        if total and done >= total:
            self._end(log)
        else:
            self._show(log, f"{log}: {f'verified {done} of' if done else 'reading about'} {total} commits")

    def fetched(self, what: str, done: int, total: int | None) -> None:
        """Show how much of a page or file is here, in bytes; at the end nothing."""
        if done == total:
            self._end(what)
        else:
            of = f" of {total / _MEGABYTE:.0f}" if total else ""
            self._show(what, f"openvet: getting {what}, {done / _MEGABYTE:.1f}{of} MB")

    def waits(self, where: str) -> None:
        """Show that another run has to end first."""
        self._show(where, f"openvet: waiting for another run in {where}")

    def waited(self, where: str) -> None:
        """Show nothing any more."""
        self._end(where)

    def _show(self, key: str, said: str) -> None:
        if self._silent:
            return
        moment = time.monotonic()
        with self._lock:
            began = self._began.setdefault(key, moment)
            if moment - began < FIRST_AFTER_SECONDS or moment < self._next:
                return
            self._next = moment + EVERY_SECONDS
            line = plain(said, max(self._width - 1, 1))
            self._write(line.ljust(self._shown))
            self._shown = len(line)

    def _end(self, key: str) -> None:
        with self._lock:
            self._began.pop(key, None)
        self.clear()

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._shown:
                self._write(" " * self._shown)
                self._shown = 0

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "ascii"
        with suppress(OSError, ValueError):  # a terminal that went away needs no line
            self._stream.write("\r" + text.encode(encoding, "replace").decode(encoding) + "\r")
            self._stream.flush()
