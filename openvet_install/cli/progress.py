"""One line on a terminal that says how far a long walk is; nothing anywhere else."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TextIO

from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

FIRST_AFTER_SECONDS = 1.0
EVERY_SECONDS = 0.2


class Progress:
    """Called with (log, commits verified, commits to verify); writes over its own line and takes it away again."""

    def __init__(self, stream: TextIO) -> None:
        """Say nothing in the first second, nor ever where nobody looks."""
        self._stream = stream
        self._silent = not stream.isatty()
        self._next = time.monotonic() + FIRST_AFTER_SECONDS
        self._shown = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave an empty line."""
        self.clear()

    def __call__(self, log: str, done: int, total: int) -> None:
        """Show how far it is, a few times a second; several threads may call."""
        moment = time.monotonic()
        if self._silent or moment < self._next:
            return
        what = f"verified {done} of {total}" if done else f"reading about {total}"
        line = f"{plain(log)}: {what} commits"
        with self._lock:
            self._next = moment + EVERY_SECONDS
            self._stream.write("\r" + line.ljust(self._shown))
            self._stream.flush()
            self._shown = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0
