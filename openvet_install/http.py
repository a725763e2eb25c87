"""Outward requests of our own: trust, proxies, logins, caps, redirects, retries.

Built on urllib3 (the engine of requests; on thousands of small objects requests itself costs three
times as much) and truststore, both imported at the first use. What people set for requests and curl is
respected: proxy variables, netrc, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE`.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import socket
import ssl
import sys
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from openvet_install import __version__
from openvet_install.errors import InvalidError, UndecidedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
TOTAL_SECONDS = 120.0
TRIES = 3
BACKOFF_SECONDS = 0.3
MAX_REDIRECTS = 5
CONNECTIONS_PER_HOST = 8
_CHUNK_BYTES = 64 * 1024
_ERROR_BODY_BYTES = 64 * 1024

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PASSING = frozenset((408, 429))
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


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


def without_login(url: str) -> str:
    """Return the URL without user name and password, for messages; text that is no URL is not repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@lru_cache(maxsize=256)
def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host is None:
        return False
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Fetcher:
    """A thread-safe client that keeps connections open; one per run. Close it or use it as a context."""

    def __init__(self, *, environ: Mapping[str, str] | None = None, tries: int = TRIES) -> None:
        """Remember the environment; nothing is imported or opened yet."""
        self._environ = os.environ if environ is None else environ
        self._tries = tries
        self._lock = threading.Lock()
        self._managers: dict[str | None, Any] = {}
        self._pools: dict[tuple[str, str], Any] = {}
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._logins: dict[str, str | None] = {}
        self._context: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the client may be used again."""
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
        for attempt in range(self._tries):
            try:
                return self._follow(url, max_bytes, deadline, accept_zstd=accept_zstd)
            except _PassingError as fault:
                wait = BACKOFF_SECONDS * 4**attempt
                if attempt + 1 == self._tries or time.monotonic() + wait > deadline:
                    raise UndecidedError(f"{without_login(url)}: {fault}") from fault
                time.sleep(wait)
        raise AssertionError  # a client makes at least one try

    def _follow(self, url: str, max_bytes: int, deadline: float, *, accept_zstd: bool) -> bytes | None:
        login = None
        origin: tuple[str, str] | None = None
        for _ in range(MAX_REDIRECTS + 1):
            parts = _checked(url, origin)
            here = (parts.scheme, parts.netloc.rpartition("@")[2])
            if "@" in parts.netloc:
                login = _basic(parts.username or "", parts.password or "")
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
                    url = _joined(parts, answer.headers["location"])
                    continue
                return _body(answer, url, max_bytes, deadline)
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
        except HTTPError as error:
            raise _PassingError(_cause(error)) from error

    def _pool(self, parts: SplitResult) -> Any:
        """Return the connections to one host."""
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        pool = self._pools.get(key)
        if pool is None:
            manager = self._manager(None)
            pool = self._pools[key] = manager.connection_from_host(parts.hostname, parts.port, parts.scheme)
        return pool

    def _manager(self, proxy: str | None) -> Any:
        with self._lock:
            if proxy not in self._managers:
                import urllib3  # noqa: PLC0415 - costs time

                if self._context is None:
                    self._context = _trust(self._environ)
                settings: dict[str, Any] = {
                    "maxsize": CONNECTIONS_PER_HOST,
                    "block": False,
                    "ssl_context": self._context,
                }
                if proxy is None:
                    self._managers[proxy] = urllib3.PoolManager(**settings)
                else:
                    parts = urlsplit(proxy)
                    if parts.username:
                        login = _basic(parts.username, parts.password or "")
                        settings["proxy_headers"] = {"Proxy-Authorization": login}
                    self._managers[proxy] = urllib3.ProxyManager(without_login(proxy), **settings)
            return self._managers[proxy]

    def _proxy(self, parts: SplitResult) -> str | None:
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        if key not in self._proxies:
            self._proxies[key] = _proxy_of(parts, self._environ)
        return self._proxies[key]

    def _netrc(self, parts: SplitResult) -> str | None:
        host = parts.hostname or ""
        if host not in self._logins:
            self._logins[host] = netrc_login(host, self._environ)
        return self._logins[host]


def _checked(url: str, origin: tuple[str, str] | None) -> SplitResult:
    """Split a URL that may be asked; `origin` is the (scheme, host) that redirected here."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UndecidedError(f"{without_login(url)}: cannot be asked") from error
    loopback = is_loopback(host)
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not loopback):
        what = f"{without_login(url)}: only https is asked, and http on this machine"
        raise UndecidedError(what, hint="use an https URL" if origin is None else None)
    if origin is not None:
        from_loopback = is_loopback(urlsplit(f"//{origin[1]}").hostname)
        if (loopback and not from_loopback) or (origin[0] == "https" and parts.scheme == "http"):
            raise UndecidedError(f"{origin[1]}: redirects to {without_login(url)}, which is not followed")
    return parts


def _joined(parts: SplitResult, location: str) -> str:
    try:
        return urljoin(urlunsplit(parts), location)
    except ValueError as error:
        raise UndecidedError(f"{without_login(urlunsplit(parts))}: redirects to what is no URL") from error


def _body(answer: Any, url: str, max_bytes: int, deadline: float) -> bytes | None:
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
    raw = _read(answer, url, max_bytes, deadline)
    return raw if encoding != "zstd" else _unpacked(raw, max_bytes, without_login(url))


def _read(answer: Any, url: str, max_bytes: int, deadline: float) -> bytes:
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
            if time.monotonic() > deadline:
                answer.close()
                raise UndecidedError(f"{without_login(url)}: took more than {TOTAL_SECONDS:.0f} s")
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
        while rest:
            unpacker = zstd.ZstdDecompressor()
            out += unpacker.decompress(rest, max_length=max_bytes + 1 - len(out))
            if len(out) > max_bytes:
                raise TooLargeError(f"{where}: larger than {max_bytes} bytes")
            if not unpacker.eof:
                raise _PassingError("a zstd body that is cut off")
            rest = unpacker.unused_data
    except zstd.ZstdError as error:
        raise _PassingError("a zstd body that cannot be unpacked") from error
    return out


def _trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the user's bundle if one is named, else what the system trusts."""
    for name in _BUNDLES:
        bundle = environ.get(name)
        if bundle:
            is_folder = os.path.isdir(bundle)  # noqa: PTH112 - a plain question about a string of the user's
            try:
                return ssl.create_default_context(
                    cafile=None if is_folder else bundle, capath=bundle if is_folder else None
                )
            except OSError as error:
                raise UndecidedError(f"cannot read the certificates of {name}", where=bundle) from error
    import truststore  # noqa: PLC0415 - costs time

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy_of(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # noqa: PLC0415 - costs time

    found = {
        key.lower().removesuffix("_proxy"): value
        for key, value in sorted(environ.items())  # lower case comes last and wins, as for curl
        if key.lower().endswith("_proxy") and value
    }
    if "no" in found and proxy_bypass_environment(f"{host}:{parts.port or 443}", found):
        return None
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def netrc_login(host: str, environ: Mapping[str, str]) -> str | None:
    """Return what the user's netrc has for a host, as a value of `Authorization`."""
    import netrc  # noqa: PLC0415 - costs time

    named = environ.get("NETRC")
    home = environ.get("HOME") or "~"
    for path in (named,) if named else (f"{home}/.netrc", f"{home}/_netrc"):
        try:
            found = netrc.netrc(os.path.expanduser(path)).authenticators(host)  # noqa: PTH111 - a string of the user's
        except (OSError, netrc.NetrcParseError):
            continue
        if found:
            return _basic(found[0] or "", found[2] or "", quoted=False)
    return None


def _basic(user: str, password: str, *, quoted: bool = True) -> str:
    pair = f"{unquote(user)}:{unquote(password)}" if quoted else f"{user}:{password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


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
