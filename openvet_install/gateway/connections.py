"""Sockets of the outward side: the address that was checked is the one connected to, and all can be ended.

Imports urllib3 and therefore is itself imported late.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import weakref
from contextlib import suppress
from ipaddress import ip_address
from queue import LifoQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from openvet_install.gateway.addresses import is_loopback, is_private, never
from openvet_install.gateway.upstream import HostRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openvet_install.gateway.addresses import Address

POOL = 10  # connections per origin
CONNECT_TIMEOUT = 10.0  # seconds for one address
READ_TIMEOUT = 30.0  # seconds between two pieces of an answer
MAX_ORIGINS = 256  # pools kept
PATIENCE = 0.02  # seconds


class Door:
    """Resolves each host once, checks the addresses, connects, and remembers what is open."""

    def __init__(self) -> None:
        """Admit nothing private until `private` is set."""
        self.private: Callable[[str], bool] = lambda _host: False
        self.own_port = 0
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[Address, ...]] = {}
        self._resolving: dict[tuple[str, int], threading.Lock] = {}
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False

    def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Return the addresses of a host that may be connected to, the same ones for the whole run.

        Raises `HostRefusedError` if there is none, and OSError if the name does not resolve.
        """
        key = (host, port)
        with self._lock:
            turn = self._resolving.setdefault(key, threading.Lock())
        with turn:
            found = self._known.get(key)
            if found is None:
                found = tuple(_resolve(host, port))
                self._known[key] = found
        private = None
        allowed = []
        for address in found:
            if never(address) or (is_loopback(address) and port == self.own_port):
                continue
            if is_private(address):
                private = self.private(host) if private is None else private
                if not private:
                    continue
            allowed.append(address)
        if not allowed:
            raise HostRefusedError(
                f"the host {host} has no address that may be asked ({', '.join(map(str, found))})",
                hint="name the host in the configuration if it is an index of yours",
            )
        return tuple(allowed)

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to a host at one of its checked addresses; raises `HostRefusedError` and OSError."""
        fault: OSError | None = None
        for address in self.addresses(host, port):
            try:
                return socket.create_connection((str(address), port), timeout=CONNECT_TIMEOUT)
            except OSError as error:
                fault = error
        raise fault or OSError(f"no address for {host}")

    def opened(self, connection: Any) -> None:
        """Remember a connection; once the door is closed it is refused."""
        with self._lock:
            if self._closed:
                raise OSError("the gateway is closing")
            self._open.add(connection)

    def close(self) -> None:
        """Wake every thread that waits for an upstream."""
        with self._lock:
            self._closed = True
            connections = list(self._open)
        for connection in connections:
            connection.cut()


def manager(
    door: Door, context: ssl.SSLContext, proxy: str | None, proxy_context: ssl.SSLContext
) -> urllib3.PoolManager:
    """Return pools that connect through `door`, or through the corporate proxy `proxy` (a URL with its login)."""
    options: dict[str, Any] = {
        "num_pools": MAX_ORIGINS,
        "maxsize": POOL,
        "block": True,
        "retries": False,
        "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        "ssl_context": context,
    }
    if context.verify_mode == ssl.CERT_NONE:  # the user's own words, and they saw no warning from pip either
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if proxy is None:
        pools = urllib3.PoolManager(**options)
    else:
        parts = urllib3.util.parse_url(proxy)
        headers = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else {}
        bare = parts._replace(auth=None).url
        pools = urllib3.ProxyManager(bare, proxy_headers=headers, proxy_ssl_context=proxy_context, **options)
    pools.pool_classes_by_scheme = _pool_classes(door, checked=proxy is None)
    return pools


class Patient(LifoQueue[Any]):
    """A pool's connections, None for one that is yet to be made: while others are in use, wait a moment for them.

    A new connection costs several round trips, and one in use is often free again after a single one.
    """

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - the queue's own
        """Return what the pool's queue would, after at most `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        with self.not_empty:
            while block and self.queue and self.queue[-1] is None and len(self.queue) < self.maxsize:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.not_empty.wait(left)
        return super().get(block, timeout)


class _Cut:
    """Keeps a second handle of the socket, so that another thread can end it even inside TLS."""

    door: Door
    _spare: socket.socket | None = None

    def watch(self, sock: socket.socket) -> socket.socket:
        self.drop()
        self._spare = sock.dup()
        try:
            self.door.opened(self)
        except OSError:
            sock.close()
            self.drop()
            raise
        return sock

    def cut(self) -> None:
        spare = self._spare
        if spare is not None:
            with suppress(OSError):
                spare.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()


class _Plain(_Cut, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return self.watch(super()._new_conn())

    def close(self) -> None:
        self.drop()
        super().close()


class _Secure(_Cut, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return self.watch(super()._new_conn())

    def close(self) -> None:
        self.drop()
        super().close()


class _CheckedPlain(_Plain):
    def _new_conn(self) -> socket.socket:
        return self.watch(self.door.connect(self.host, self.port or 80))


class _CheckedSecure(_Secure):
    def _new_conn(self) -> socket.socket:
        return self.watch(self.door.connect(self.host, self.port or 443))


def _pool_classes(door: Door, *, checked: bool) -> dict[str, type]:
    """Return pools whose connections are made by `door`; unchecked ones only ever see the user's own proxy."""
    plain = type("Plain", (_CheckedPlain if checked else _Plain,), {"door": door})
    secure = type("Secure", (_CheckedSecure if checked else _Secure,), {"door": door})
    return {
        "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain, "QueueCls": Patient}),
        "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure, "QueueCls": Patient}),
    }


def _resolve(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
