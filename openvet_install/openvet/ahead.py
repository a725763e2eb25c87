"""Fetching objects before they are needed, on a few threads.

Nothing depends on it: what it did not bring, or could not, is fetched again when it is needed, and what it
was told by unverified pointers costs requests at most.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from openvet_install.openvet.faults import Kind
    from openvet_install.openvet.source import Source

    Key = tuple[Kind, bytes]

WORKERS_AT_MOST = 8
QUEUED_JOBS = 8192
KNOWN_AT_MOST = 65_536
PRESENT_IN_A_ROW = 256
"""So many orders in a row for what is here: until something is missing again, none is looked at."""
FAR_SECONDS = 0.002
"""A host that answers faster than this is near: more threads would only take turns at the interpreter."""


class Ahead:
    """A queue of objects to fetch. Threads start with the first order; more of them if the host is far away."""

    def __init__(self, source: Source, follow: Callable[[bytes], Iterable[Key]]) -> None:
        """`follow` reads the bytes of a commit that arrived and names what will be needed next."""
        self._source = source
        self._follow = follow
        lock = threading.Lock()
        self._ordered = threading.Condition(lock)
        self._arrived = threading.Condition(lock)
        self._queue: OrderedDict[Key, None] = OrderedDict()
        self._running: set[Key] = set()
        self._known: set[Key] = set()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._present = 0
        self._fetches = source.fetches
        self._closed = False
        self._latest: deque[float] = deque(maxlen=8)

    def __enter__(self) -> Self:
        """Return the fetcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what is not under way and wait for the rest, but let nobody who interrupts wait for a host."""
        with self._ordered:
            self._closed = True
            self._queue.clear()
            self._ordered.notify_all()
        for thread in self._threads if kind is None or issubclass(kind, Exception) else ():
            thread.join()

    def order(self, kind: Kind, name: bytes) -> None:
        """Fetch an object in the background unless it is here, was ordered before, or too much is queued."""
        key = (kind, name)
        if key in self._known or (self._present >= PRESENT_IN_A_ROW and self._source.fetches == self._fetches):
            return
        with self._ordered:
            full = self._closed or key in self._queue or key in self._running or len(self._queue) >= QUEUED_JOBS
            if full:
                return
            if self._source.fetches != self._fetches:
                self._fetches, self._present = self._source.fetches, 0
            if len(self._known) >= KNOWN_AT_MOST:
                self._known.clear()
            self._known.add(key)
            if self._source.has(kind, name):
                self._present += 1
                return
            self._present = 0
            self._queue[key] = None
            self._ordered.notify()
            busy = len(self._queue) > self._idle and len(self._threads) < WORKERS_AT_MOST
            if busy and (not self._threads or self._is_far()):
                thread = threading.Thread(target=self._work, name="openvet-log", daemon=True)
                self._threads.append(thread)
                thread.start()

    def collect(self, kind: Kind, name: bytes) -> None:
        """Wait for an object that is under way; one that is still queued is left to the caller."""
        key = (kind, name)
        if key not in self._queue and key not in self._running:
            return
        with self._ordered:
            self._queue.pop(key, None)
            while key in self._running:
                self._arrived.wait()

    def _is_far(self) -> bool:
        return not self._latest or min(self._latest) > FAR_SECONDS

    def _work(self) -> None:
        while (key := self._next()) is not None:
            began = time.perf_counter()
            with suppress(Exception):  # whoever needs it asks again and is told
                raw = self._source.fetched(*key)
                self._latest.append(time.perf_counter() - began)
                for one in self._follow(raw) if key[0] == "commit" else ():
                    self.order(*one)
            with self._ordered:
                self._running.discard(key)
                self._arrived.notify_all()

    def _next(self) -> Key | None:
        with self._ordered:
            while not self._queue:
                if self._closed:
                    return None
                self._idle += 1
                self._ordered.wait()
                self._idle -= 1
            key, _ = self._queue.popitem(last=False)
            self._running.add(key)
            return key
