"""The outward side: asks indexes and file hosts for the gateway, within limits."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from openvet_install.errors import UndecidedError
from openvet_install.gateway.addresses import is_loopback, is_private, literal, never
from openvet_install.gateway.freshness import lasts
from openvet_install.gateway.inner import INNER

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    import urllib3

    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.connections import Door
    from openvet_install.gateway.outside import Outside

    Watch = Callable[[str, int, int | None], None]

MAX_PAGE = 64 << 20  # bytes of an index page, unpacked
MAX_PAGE_SECONDS = 120.0  # for a whole page
SLOW_GRACE = 30.0  # seconds before a download has to keep up
SLOW_RATE = 4096  # bytes per second, on average, below which a download is given up
CHUNK = 256 * 1024  # bytes asked for at a time
TRIES = 3
BACK_OFF = 0.25  # seconds before the second try, doubled each time
MAX_RETRY_AFTER = 5.0  # seconds of a Retry-After that we wait ourselves
MAX_ANSWER_HEADERS = 100
USER_AGENT = "openvet-install"

PAGE_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_GZIP = ("gzip", "x-gzip")
_PACKED = (*_GZIP, "deflate")
_CODINGS = frozenset({*_PACKED, "compress", "x-compress", "br", "zstd", "dcb", "dcz", "exi", "pack200-gzip"})
"""What HTTP knows; other words (`aws-chunked`, `binary`) are those of a store, and nobody undoes them."""
_OK = 200
_PROXY_LOGIN = 407
_BAD_GATEWAY = 502
_FROM_BETWEEN = 203  # a 200 that somebody on the way has changed
_AGAIN = frozenset({429, 500, 502, 503, 504})


class UpstreamError(UndecidedError):
    """Upstream is out of reach, too slow, or answers with something that is no HTTP answer to us."""


class LoginError(UndecidedError):
    """A login that would travel unprotected."""

    reason = "login over plain http"


class HostRefusedError(UndecidedError):
    """A host whose address may not be asked."""

    reason = "host not admitted"


class Reply(NamedTuple):
    """An answer whose body is still on the way; headers are as upstream wrote them, `lasts` in seconds."""

    status: int
    content_type: str
    location: str | None
    lasts: int
    challenges: tuple[str, ...]
    chunks: Callable[[], Iterator[bytes]]

    def body(self, limit: int = MAX_PAGE) -> bytes:
        """Read the whole unpacked body; raises `UpstreamError`, also above `limit` bytes."""
        parts: list[bytes] = []
        size, started = 0, time.monotonic()
        for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise UpstreamError(f"the answer has more than {limit} bytes")
            if time.monotonic() - started > MAX_PAGE_SECONDS:
                raise UpstreamError(f"the answer took more than {MAX_PAGE_SECONDS:.0f} seconds")
            parts.append(chunk)
        return b"".join(parts)


def private_addresses(host: str) -> bool:
    """Tell whether a host lives at loopback or private addresses only."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_private for one in found)
    except (OSError, ValueError):
        return False


class Upstream:
    """Pooled connections with the user's own trust and proxy; thread-safe.

    urllib3 is imported and the trust store read at `warm` or at the first request, whichever comes first.
    """

    def __init__(self, outside: Outside, watch: Watch | None = None) -> None:
        """Take the user's settings; nothing is opened yet. `watch` hears of every part of a body that comes."""
        self._outside = outside
        self._watch = watch
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._door: Door | None = None
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._private: Callable[[str], bool] = lambda _host: False
        self._beside: set[str] = set()
        self._own_port = 0
        self._closed = False

    def beside(self) -> Upstream:
        """Return another one with the same settings, to be bound and closed by itself."""
        return Upstream(self._outside, self._watch)

    def bind(self, *, private: Callable[[str], bool], own_port: int) -> None:
        """Say which hosts may live at private addresses, and which loopback port is the gateway itself."""
        self._private, self._own_port = private, own_port
        if self._door is not None:
            self._door.private, self._door.own_port = self._admits, own_port

    def listed(self, index: str, url: str) -> None:
        """Hear that an index lists a file; if a configured one does that is private itself, the file's host may be."""
        there, host = urlsplit(index).hostname or "", urlsplit(url).hostname or ""
        if host not in self._beside and self._private(there) and private_addresses(there):
            self._beside.add(host)

    def _admits(self, host: str) -> bool:
        return host in self._beside or self._private(host)

    def warm(self) -> None:
        """Import and read what the first request needs; a fault shows at that request."""
        with suppress(Exception):
            self.ready()
            self._manager(None, unchecked=False)

    def ready(self) -> None:
        """Read the trust store and client certificate; raises `ConfigError` if that cannot be done."""
        self._trust()

    def _trust(self) -> ssl.SSLContext:
        with self._reading:
            if self._context is None:
                self._context = self._outside.context()
            return self._context

    def close(self) -> None:
        """End all connections; requests under way fail."""
        with self._lock:
            self._closed = True
            door, pools = self._door, list(self._pools.values())
        if door is not None:
            door.close()
        for pool in pools:
            pool.clear()

    @contextmanager
    def get(self, target: Target, *, accept: str, packed: bool, login: str | None = None) -> Iterator[Reply]:
        """GET a URL whose host was admitted, with fixed headers; redirects are not followed.

        `packed` asks for gzip and unpacks it. `login` is a value for `Authorization`. Raises `UpstreamError`,
        `LoginError` and `HostRefusedError`.
        """
        if self._outside.offline:
            raise UpstreamError(f"{target.origin} is not asked: offline")
        headers = {
            "Accept": accept,
            "Accept-Encoding": "gzip" if packed else "identity",
            "User-Agent": USER_AGENT,
        }
        proxy = self._outside.proxy_for(target.scheme, target.at.host, target.at.port)
        unchecked = target.scheme == "https" and self._outside.is_unchecked(target.at.host, target.at.port)
        pools = self._manager(proxy, unchecked=unchecked)
        self._check(target)
        if login is not None:
            self._check_login(target, direct=proxy is None, unchecked=unchecked)
            headers["Authorization"] = login
        through = "" if proxy is None else _through(proxy)
        is_gate = proxy is not None and urlsplit(proxy).username == INNER
        response = self._ask(pools, target, headers, through=through, tries=1 if is_gate else TRIES)
        try:
            if is_gate and response.status == _BAD_GATEWAY:
                raise UpstreamError(_told(next(_chunks(response, target, decode=False), b"")))
            if response.status == _PROXY_LOGIN:
                raise UpstreamError(f"{target.origin} is out of reach{through}: {_PROXY_LOGIN} {response.reason}")
            reply = self._reply(response, target, packed=packed)
            yield reply._replace(lasts=0) if unchecked else reply
        finally:
            # A connection whose body was not read to its end cannot be used again.
            if response.connection is not None or not response.closed:
                response.close()
            response.release_conn()

    def _check(self, target: Target) -> None:
        host = target.at.host
        address = literal(host)
        if address is not None and (never(address) or (is_private(address) and not self._admits(host))):
            raise HostRefusedError(
                f"the address {host} may not be asked",
                hint="name the host in the configuration if it is an index of yours",
            )

    def _check_login(self, target: Target, *, direct: bool, unchecked: bool) -> None:
        if unchecked:
            raise LoginError(
                f"a login for {target.origin} would go to anybody: its certificate is not looked at",
                hint="name the authority of its certificate instead: SSL_CERT_FILE=company-ca.pem",
            )
        if target.scheme == "https":
            return
        door, address = self._door, literal(target.at.host)
        if door is None:
            raise UpstreamError("the gateway is closing")
        try:
            near = [address] if address else door.addresses(target.at.host, target.at.port) if direct else []
        except OSError as error:
            raise UpstreamError(f"{target.origin} is out of reach: {_words(error)}") from error
        if not near or not all(map(is_loopback, near)):
            raise LoginError(
                f"a login for {target.origin} would travel over plain http",
                hint="use the https address of the index",
            )

    def _manager(self, proxy: str | None, *, unchecked: bool) -> urllib3.PoolManager:
        with self._lock:
            if self._closed:
                raise UpstreamError("the gateway is closing")
            pools = self._pools.get((proxy, unchecked))
            if pools is None:
                from openvet_install.gateway import connections  # noqa: PLC0415 - urllib3 is heavy

                trust = self._trust()
                if self._door is None:
                    self._door = connections.Door()
                    self._door.private, self._door.own_port = self._admits, self._own_port
                pools = connections.manager(
                    self._door, self._outside.blind_context() if unchecked else trust, proxy, trust
                )
                self._pools[proxy, unchecked] = pools
            return pools

    def _ask(
        self, pools: urllib3.PoolManager, target: Target, headers: dict[str, str], *, through: str, tries: int
    ) -> urllib3.BaseHTTPResponse:
        """Send the request, and again after a fault that may pass; `through` what, for the words about one."""
        import urllib3  # noqa: PLC0415 - late, see above

        pause = BACK_OFF
        for attempt in range(1, tries + 1):
            try:
                response = pools.urlopen(
                    "GET", target.url, headers=headers, redirect=False, preload_content=False, decode_content=False
                )
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                fault = UpstreamError(f"{target.origin} is out of reach{through}: {_words(error)}")
                if attempt == tries or self._closed or _is_certificate(error):
                    raise fault from error
            else:
                wait = _seconds(response.headers.get("Retry-After"))
                if attempt == tries or response.status not in _AGAIN or wait > MAX_RETRY_AFTER:
                    return response
                response.close()
                response.release_conn()
                pause = max(pause, wait)
            time.sleep(pause)
            pause *= 2
        raise AssertionError

    def _reply(self, response: urllib3.BaseHTTPResponse, target: Target, *, packed: bool) -> Reply:
        headers = response.headers
        both = "content-length" in headers and "transfer-encoding" in headers
        if both or len(headers.getlist("content-length")) > 1 or len(headers) > MAX_ANSWER_HEADERS:
            raise UpstreamError(f"{target.origin} answers with headers that contradict each other")
        if response.status < 200 or response.status > 599:
            raise UpstreamError(f"{target.origin} answers with the status {response.status}")
        said = headers.get("content-encoding", "").lower()
        codings = [one for one in map(str.strip, said.split(",")) if one in _CODINGS]
        # some web servers take the ending of an sdist for an encoding: its bytes are the file
        known = _PACKED if packed else _GZIP if _name_of(target).endswith(".gz") else ()
        if codings and (len(codings) > 1 or codings[0] not in known):
            raise UpstreamError(f"{target.origin} answers in the encoding `{said[:40]!a}`, which was not asked for")
        return Reply(
            status=_OK if response.status == _FROM_BETWEEN else response.status,
            # of several the tools take the first
            content_type=next(iter(headers.getlist("content-type")), ""),
            location=headers.get("location"),
            lasts=lasts(headers.get("cache-control", ""), headers.get("age", "0")),
            challenges=tuple(headers.getlist("www-authenticate")),
            chunks=lambda: self._watched(response, target, _chunks(response, target, decode=packed)),
        )

    def _watched(self, response: urllib3.BaseHTTPResponse, target: Target, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the body, and tell whoever watches of what: a file's name, or the page of a project."""
        if self._watch is None or response.status != _OK:
            yield from chunks
            return
        name = _name_of(target)
        length = response.headers.get("content-length", "")
        total = int(length) if length.isdecimal() and len(length) < 20 else None
        done = 0
        try:
            for chunk in chunks:
                done += len(chunk)
                if done != total:
                    self._watch(name, done, total)
                yield chunk
        finally:
            self._watch(name, done, done)


def _told(body: bytes) -> str:
    """Return what the gate around this one says of its trouble: it has tried already, and knows why."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "the gate around this one has broken off"


def _through(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f" through the proxy {scheme}://{rest.rpartition('@')[2].rstrip('/')}"


def _name_of(target: Target) -> str:
    return unquote(target.path.partition("?")[0].rstrip("/").rpartition("/")[2])


def _chunks(response: urllib3.BaseHTTPResponse, target: Target, *, decode: bool) -> Iterator[bytes]:
    """Yield the body, unpacked with `decode`; raises `UpstreamError` when it breaks off or crawls."""
    import urllib3  # noqa: PLC0415 - late, see above

    started, received = time.monotonic(), 0
    try:
        while chunk := response.read1(CHUNK, decode_content=decode):
            yield chunk
            received += len(chunk)
            passed = time.monotonic() - started
            if passed > SLOW_GRACE and received < passed * SLOW_RATE:
                raise UpstreamError(f"{target.origin} sends fewer than {SLOW_RATE} bytes per second")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise UpstreamError(f"{target.origin} broke off: {_words(error)}") from error


def _words(error: BaseException) -> str:
    """Return the innermost cause in one line: urllib3 wraps its own and the system's."""
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    told = error.strerror if isinstance(error, OSError) else None  # without its number
    return " ".join((told or str(error) or type(error).__name__).split())[:300]


def _is_certificate(error: BaseException) -> bool:
    import ssl  # noqa: PLC0415 - only for a fault

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        reason = getattr(seen, "reason", None)
        seen = reason if isinstance(reason, BaseException) else seen.__cause__ or seen.__context__
    return False


def _seconds(value: str | None) -> float:
    """Read a Retry-After in seconds; a date counts as too long, an absent one as nothing."""
    if value is None:
        return 0.0
    return float(value) if value.isdecimal() and value.isascii() and len(value) < 10 else MAX_RETRY_AFTER + 1
