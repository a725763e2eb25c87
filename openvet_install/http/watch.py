"""Ends connections whose time is up: a read waits for each byte anew, so a host could keep us for ever.

Imports urllib3 and therefore is itself imported late.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watch:
    """Looks after one request of each thread; a thread of its own ends those that take too long.

    It holds a second handle of each socket in use: the first may be inside TLS, or closed while its body is read.
    """

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._due = threading.Condition()
        self._running: dict[int, tuple[float, socket.socket]] = {}
        self._starts = threading.local()
        self._sleeps = False
        self._thread: threading.Thread | None = None
        self.closed = False

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """End whatever connection this thread uses in the block at `deadline` (monotonic seconds)."""
        self._starts.deadline = deadline
        try:
            yield
        finally:
            self._forget(threading.get_ident())

    def uses(self, sock: Any) -> None:
        """Note that this thread uses a socket from here on. Raises `OSError` once closed, and when the end is past."""
        self._forget(threading.get_ident())
        with self._due:
            if self.closed or self._starts.deadline <= time.monotonic():
                raise TimeoutError
            handle = socket.socket(fileno=os.dup(sock.fileno()))
            self._running[threading.get_ident()] = self._starts.deadline, handle
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="openvet-watch", daemon=True)
                self._thread.start()
            elif self._sleeps:
                self._due.notify()

    def opened(self, sock: socket.socket) -> socket.socket:
        """As `uses`, for a new socket, which is closed if it may not be used."""
        try:
            self.uses(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """End all that is under way."""
        with self._due:
            self.closed = True
            for _, handle in self._running.values():
                _end(handle)
            self._due.notify_all()

    def pools(self) -> dict[str, type]:
        """Return the classes of pools whose connections are watched."""
        plain, secure = type("Plain", (_Plain,), {"watch": self}), type("Secure", (_Secure,), {"watch": self})
        return {
            "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    def _forget(self, thread: int) -> None:
        with self._due:
            known = self._running.pop(thread, None)
            if known is not None:
                known[1].close()

    def _watch(self) -> None:
        with self._due:
            while not self.closed:
                now = time.monotonic()
                left = None
                for deadline, handle in self._running.values():
                    if deadline <= now:
                        _end(handle)
                    elif left is None or deadline - now < left:
                        left = deadline - now
                # Later requests have later ends: one that sleeps until an end need not be woken for them.
                self._sleeps = left is None
                self._due.wait(left)


def _end(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class _Plain(HTTPConnection):
    watch: Watch

    def _new_conn(self) -> socket.socket:
        return self.watch.opened(super()._new_conn())

    def request(self, *args: Any, **how: Any) -> None:
        if self.sock is not None:
            self.watch.uses(self.sock)
        super().request(*args, **how)


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS: `super()` of the above is `HTTPSConnection` here."""
