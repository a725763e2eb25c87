"""Outward requests of our own: trust, proxies, logins, caps, redirects, retries.

Built on urllib3 (the engine of requests; on thousands of small objects requests itself costs three
times as much) and truststore, both imported at the first use. What people set for requests and curl is
respected: proxy variables, netrc, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE`.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from openvet_install import __version__
from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.http import environment
from openvet_install.http.addresses import checked, is_loopback, joined, without_login
from openvet_install.http.environment import netrc_login

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from urllib.parse import SplitResult

    from typing_extensions import Self

    from openvet_install.http.watch import Watch

__all__ = ["Fetcher", "Nowhere", "TooLargeError", "is_loopback", "netrc_login", "without_login"]

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 120.0
TRIES = 3
BACKOFF_SECONDS = 0.3
MAX_REDIRECTS = 5
CONNECTIONS_PER_HOST = 8
_CHUNK_BYTES = 64 * 1024
_ERROR_BODY_BYTES = 64 * 1024
_MAX_FRAMES = 64

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PASSING = frozenset((408, 429))


_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLCertVerificationError, "its certificate does not verify"),
    (ssl.SSLError, "the TLS connection failed"),
    (socket.gaierror, "its name does not resolve"),
    (TimeoutError, "no answer in time"),
    (ConnectionError, "the connection was closed"),
)


class TooLargeError(InvalidError):
    """A body larger than the caller allows, before or after decompression."""


class _PassingError(Exception):
    """A fault that may be gone at the next try."""


class Fetcher:
    """A thread-safe client that keeps connections open; one per run. Close it or use it as a context."""

    def __init__(
        self, *, environ: Mapping[str, str] | None = None, tries: int = TRIES, through: str | None = None
    ) -> None:
        """Remember the environment; nothing is imported or opened yet. `through`: a proxy for every request."""
        self._through = through
        self._environ = os.environ if environ is None else environ
        self._tries = tries
        self._lock = threading.Lock()
        self._managers: dict[str | None, Any] = {}
        self._pools: dict[tuple[str, str], Any] = {}
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._logins: dict[str, str | None] = {}
        self._context: ssl.SSLContext | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """End all requests that are under way and close the connections; the client may be used again."""
        with self._lock:
            watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()
            self._pools.clear()

    def get(self, url: str, *, max_bytes: int, accept_zstd: bool) -> bytes | None:
        """Return the identity bytes at `url`, at most `max_bytes`, or None for 404.

        https anywhere, http on loopback only; every redirect obeys the same rule and none leads from
        another host to this machine. Raises `UndecidedError` when the host is out of reach or answers
        anything but 2xx or 404 (after a few tries where that may help), `TooLargeError` beyond the cap.
        """
        deadline = time.monotonic() + TOTAL_SECONDS
        watch = self._watching()
        for attempt in range(self._tries):
            try:
                return self._timed(url, max_bytes, watch, deadline, accept_zstd=accept_zstd)
            except _PassingError as fault:
                wait = BACKOFF_SECONDS * 4**attempt
                what = "interrupted" if watch.closed else str(fault)
                if not watch.closed and time.monotonic() >= deadline:
                    what = f"took more than {TOTAL_SECONDS:.0f} s"
                elif not watch.closed and attempt + 1 < self._tries and time.monotonic() + wait < deadline:
                    time.sleep(wait)
                    continue
                raise UndecidedError(f"{without_login(url)}: {what}") from fault
        raise AssertionError  # a client makes at least one try

    def _timed(self, url: str, max_bytes: int, watch: Watch, deadline: float, *, accept_zstd: bool) -> bytes | None:
        with watch.until(deadline):
            found = self._follow(url, max_bytes, accept_zstd=accept_zstd)
        if watch.closed or time.monotonic() >= deadline:  # a body without a length that was cut off looks whole
            raise _PassingError
        return found

    def _follow(self, url: str, max_bytes: int, *, accept_zstd: bool) -> bytes | None:
        login = None
        origin: tuple[str, str] | None = None
        for _ in range(MAX_REDIRECTS + 1):
            parts = checked(url, origin)
            here = (parts.scheme, parts.netloc.rpartition("@")[2])
            if "@" in parts.netloc:
                login = environment.basic(parts.username or "", parts.password or "")
            elif origin is not None and here != origin:
                login = None
            origin = here
            headers = {
                "Accept-Encoding": "zstd" if accept_zstd else "identity",
                "User-Agent": f"openvet-install/{__version__}",
            }
            authorization = login or self._netrc(parts)
            if authorization:
                headers["Authorization"] = authorization
            answer = self._ask(parts, headers)
            try:
                if answer.status in _REDIRECTS and "location" in answer.headers:
                    _drain(answer)
                    url = joined(parts, answer.headers["location"])
                    continue
                return _body(answer, url, max_bytes)
            finally:
                answer.release_conn()
        raise UndecidedError(f"{without_login(url)}: more than {MAX_REDIRECTS} redirects")

    def _ask(self, parts: SplitResult, headers: dict[str, str]) -> Any:
        from urllib3 import Timeout  # noqa: PLC0415 - costs time
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - costs time

        how: dict[str, Any] = {
            "headers": headers,
            "retries": False,
            "redirect": False,
            "preload_content": False,
            "decode_content": False,
            "timeout": Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        }
        proxy = self._proxy(parts)
        try:
            if proxy is None:  # thousands of small objects: without the manager's own look at each URL
                path = parts.path or "/"
                return self._pool(parts).urlopen("GET", f"{path}?{parts.query}" if parts.query else path, **how)
            bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
            return self._manager(proxy).request("GET", bare, **how)
        except (HTTPError, OSError, ValueError) as error:  # ValueError: text that no request can carry
            through = "" if proxy is None else f"through the proxy {without_login(proxy)}: "
            raise _PassingError(f"{through}{_cause(error)}") from error

    def _watching(self) -> Watch:
        with self._lock:
            if self._watch is None:
                from openvet_install.http.watch import Watch  # noqa: PLC0415 - costs time

                self._watch = Watch()
            return self._watch

    def _pool(self, parts: SplitResult) -> Any:
        """Return the connections to one host."""
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        pool = self._pools.get(key)
        if pool is None:
            manager = self._manager(None)
            pool = self._pools[key] = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
        return pool

    def _manager(self, proxy: str | None) -> Any:
        watch = self._watching()
        with self._lock:
            if proxy not in self._managers:
                import urllib3  # noqa: PLC0415 - costs time

                if self._context is None:
                    self._context = environment.trust(self._environ)
                settings: dict[str, Any] = {
                    "maxsize": CONNECTIONS_PER_HOST,
                    "block": False,
                    "ssl_context": self._context,
                }
                if proxy is None:
                    manager = urllib3.PoolManager(**settings)
                else:
                    parts = urlsplit(proxy)
                    if parts.username:
                        login = environment.basic(parts.username, parts.password or "")
                        settings["proxy_headers"] = {"Proxy-Authorization": login}
                    manager = urllib3.ProxyManager(without_login(proxy), **settings)
                manager.pool_classes_by_scheme = watch.pools()
                self._managers[proxy] = manager
            return self._managers[proxy]

    def _proxy(self, parts: SplitResult) -> str | None:
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        if key not in self._proxies:
            self._proxies[key] = self._through or environment.proxy_of(parts, self._environ)
        return self._proxies[key]

    def _netrc(self, parts: SplitResult) -> str | None:
        host = parts.hostname or ""
        if host not in self._logins:
            self._logins[host] = netrc_login(host, self._environ)
        return self._logins[host]


class Nowhere(Fetcher):
    """Asks nobody: for runs that are offline."""

    def get(self, url: str, *, max_bytes: int, accept_zstd: bool) -> bytes | None:  # noqa: ARG002 - as its base
        """Raise `UndecidedError`."""
        raise UndecidedError(f"{without_login(url)}: offline")


def _body(answer: Any, url: str, max_bytes: int) -> bytes | None:
    if answer.status >= 500 or answer.status in _PASSING:
        _drain(answer)
        raise _PassingError(f"HTTP {answer.status}")
    if answer.status == 404:
        _drain(answer)
        return None
    if not 200 <= answer.status < 300:
        _drain(answer)
        raise UndecidedError(f"{without_login(url)}: HTTP {answer.status}")
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "zstd"):
        raise UndecidedError(f"{without_login(url)}: sent with an unknown Content-Encoding")
    raw = _read(answer, url, max_bytes)
    return raw if encoding != "zstd" else _unpacked(raw, max_bytes, without_login(url))


def _read(answer: Any, url: str, max_bytes: int) -> bytes:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - costs time

    chunks, size = [], 0
    stated = answer.headers.get("content-length")
    try:
        while chunk := answer.read(min(_CHUNK_BYTES, max_bytes + 1 - size)):
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                answer.close()
                raise TooLargeError(f"{without_login(url)}: larger than {max_bytes} bytes")
            if stated == str(size):
                break
    except (HTTPError, OSError) as error:
        raise _PassingError(_cause(error)) from error
    return b"".join(chunks)


def _drain(answer: Any) -> None:
    """Read a small rest so that the connection can be used again; close it otherwise."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - costs time

    try:
        if len(answer.read(_ERROR_BODY_BYTES + 1)) > _ERROR_BODY_BYTES:
            answer.close()
    except (HTTPError, OSError):
        answer.close()


def _unpacked(raw: bytes, max_bytes: int, where: str) -> bytes:
    """Undo zstd, producing at most `max_bytes`; only whole frames are taken."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - costs time
    else:
        from backports import zstd  # noqa: PLC0415 - costs time

    out, rest = b"", raw
    try:
        for _ in range(_MAX_FRAMES):
            if not rest:
                break
            unpacker = zstd.ZstdDecompressor()
            out += unpacker.decompress(rest, max_length=max_bytes + 1 - len(out))
            if len(out) > max_bytes:
                raise TooLargeError(f"{where}: larger than {max_bytes} bytes")
            if not unpacker.eof:
                raise _PassingError("a zstd body that is cut off")
            rest = unpacker.unused_data
    except zstd.ZstdError as error:
        raise _PassingError("a zstd body that cannot be unpacked") from error
    if rest:
        raise _PassingError(f"a zstd body of more than {_MAX_FRAMES} frames")
    return out


def _cause(error: BaseException) -> str:
    """Say in a few words why a host was not reached."""
    seen: BaseException | None = error
    while seen is not None:
        for kind, words in _CAUSES:
            if isinstance(seen, kind):
                return f"{words} ({seen.verify_message})" if isinstance(seen, ssl.SSLCertVerificationError) else words
        inner = seen.args[-1] if seen.args and isinstance(seen.args[-1], BaseException) else None
        seen = getattr(seen, "original_error", None) or inner or seen.__cause__ or seen.__context__
    name = type(error).__name__
    return "no answer in time" if "Timeout" in name else f"the connection failed ({name})"
