"""Canonical hosts, authorities and URLs, and which addresses may be connected to; pure.

One spelling per host: anything that two parsers could read differently is an error, not repaired.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from openvet_install.errors import InvalidError
from openvet_install.files import names_folder

if TYPE_CHECKING:
    from typing import TypeAlias

    Address: TypeAlias = IPv4Address | IPv6Address

MAX_HOST = 253  # characters, RFC 1035
MAX_URL = 8192  # characters
DEFAULT_PORTS = {"http": 80, "https": 443}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", re.ASCII)
# What needs no work: most links of most pages.
_PLAIN_URL = re.compile(r"(https?)://([a-z0-9.-]+)(?::([0-9]+))?(/[A-Za-z0-9_~!$'()*+,;=:@/.-]*)", re.ASCII)
_SAFE = "/~!$&'()*+,;=:@%-._"
_SAFE_QUERY = _SAFE + "?"
_PIP_QUOTES = re.compile(r"[!$&'()*+,;=:]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NAT64 = 0x0064FF9B << 96  # 64:ff9b::/96, RFC 6052


class AddressError(InvalidError):
    """A host, authority or URL that is not in the one spelling we take."""


class Authority(NamedTuple):
    """A canonical host (IPv6 without brackets) and a port from 1 to 65535."""

    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The host as a URL writes it: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        """Return `host:port`."""
        return f"{self.netloc}:{self.port}"


class Target(NamedTuple):
    """A canonical http(s) URL in parts; `path` starts with `/` and includes the query."""

    scheme: str
    at: Authority
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port; the port is left out where it is the scheme's own."""
        suffix = "" if self.at.port == DEFAULT_PORTS[self.scheme] else f":{self.at.port}"
        return f"{self.scheme}://{self.at.netloc}{suffix}"

    @property
    def url(self) -> str:
        """The whole URL, without fragment and login."""
        return self.origin + self.path


def literal(host: str) -> Address | None:
    """Return the address that a canonical host is, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def check_host(host: str) -> str:
    """Return a host (IPv6 without brackets) if it is spelled canonically; raises `AddressError`.

    Names: lower-case letters, digits, `-` and `_` in labels of 1 to 63; no trailing dot; the last label
    no number (WHATWG reads such names as IPv4). Addresses: dotted quads, RFC 5952 without a zone.
    """
    address = literal(host)
    if address is not None:
        if str(address) == host and "%" not in host:
            return host
    elif len(host) <= MAX_HOST and _NAME.fullmatch(host) and not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return host
    raise AddressError(f"not a host in its canonical spelling: `{host[:MAX_HOST]}`")


def parse_authority(text: str, *, default_port: int | None) -> Authority:
    """Read `host[:port]`; raises `AddressError`.

    Without `default_port` the port must be given. No login, no zone, no port 0, nothing but ASCII.
    """
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise AddressError(f"not a host and port: `{text[:MAX_HOST]}`")
    raw, digits = match.group(1), match.group(2)
    if digits is None:
        if default_port is None:
            raise AddressError(f"a port is missing: `{text[:MAX_HOST]}`")
        port = default_port
    elif not _PORT.fullmatch(digits) or (port := int(digits)) > 65535:
        raise AddressError(f"not a port: `{text[:MAX_HOST]}`")
    bracketed = raw.startswith("[")
    host = check_host(raw[1:-1] if bracketed else raw)
    if bracketed != (":" in host):
        raise AddressError(f"brackets are for IPv6 addresses: `{text[:MAX_HOST]}`")
    return Authority(host, port)


def parse_target(url: str) -> Target:
    """Read an absolute http(s) URL; raises `AddressError`.

    A fragment is dropped; a login, a dot segment, a backslash, a control character and what `names_folder` tells are
    errors. The path
    comes out with unreserved characters unquoted and others quoted in upper-case hex (RFC 3986, 6.2.2).
    """
    if len(url) > MAX_URL:
        raise AddressError(f"a URL of more than {MAX_URL} characters")
    match = _PLAIN_URL.fullmatch(url)
    if match is not None and "/." not in url:
        scheme, host, port, path = match.groups()
        return Target(scheme, _known_authority(host, port or "", scheme), path)
    if "\\" in url or not url.isprintable():
        raise AddressError(f"a URL with a backslash or control characters: `{url!a}`")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise AddressError(f"not a URL: `{url!a}`") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressError(f"not an http or https URL: `{url!a}`")
    at = parse_authority(parts.netloc, default_port=DEFAULT_PORTS[parts.scheme])
    path = canonical_path(parts.path or "/", query=parts.query if "?" in url.partition("#")[0] else None)
    if names_folder(path):
        raise AddressError(f"a URL that names a folder inside an archive: `{url!a}`")
    return Target(parts.scheme, at, path)


def canonical_path(path: str, *, query: str | None = None) -> str:
    """Return path and query in the one spelling; raises `AddressError` for dot segments."""
    if not path.startswith("/"):
        raise AddressError(f"a path that does not start with `/`: `{path!a}`")
    path = _ESCAPE.sub(_unquote_unreserved, quote(path, safe=_SAFE))
    if any(segment in (".", "..") for segment in path.split("/")):
        raise AddressError(f"a path with dot segments: `{path!a}`")
    if query is None:
        return path
    return f"{path}?{quote(query, safe=_SAFE_QUERY)}"


def canonical_url(url: str) -> str:
    """Return an absolute http(s) URL in the one spelling; raises `AddressError`."""
    match = _PLAIN_URL.fullmatch(url)
    if match is not None and match[3] is None and "/." not in url and len(url) <= MAX_URL:
        host = _known_authority(match[2], "", match[1]).host
        if len(_plain_hosts) < _MAX_AUTHORITIES:
            _plain_hosts.add(host)
        return url
    return parse_target(url).url


def join(base: str, link: str) -> str:
    """Resolve a link of a page against its canonical base, canonically; raises `AddressError`.

    A login in the link is dropped, it would be ours to leak; the host is put into lower case.
    """
    match = _PLAIN_URL.fullmatch(link)
    if match is None:
        if "\\" in link or not link.isprintable():
            raise AddressError(f"a link with a backslash or control characters: `{link[:MAX_HOST]!a}`")
        try:
            link = urljoin(base, link)
            parts = urlsplit(link)
        except ValueError as error:
            raise AddressError(f"not a link: `{link[:MAX_HOST]!a}`") from error
        link = parts._replace(netloc=parts.netloc.rpartition("@")[2].lower(), fragment="").geturl()
    elif match[3] is None and "/." not in link and len(link) <= MAX_URL and match[2] in _plain_hosts:
        return link
    return canonical_url(link)


def as_pip_asks(url: str) -> str:
    """Return a canonical URL as pip asks for it when a page lists it: it quotes more of a path than it has to."""
    scheme, mark, rest = url.partition("://")
    host, slash, rest = rest.partition("/")
    path, question, query = rest.partition("?")
    path = _PIP_QUOTES.sub(lambda match: f"%{ord(match[0]):02X}", path)
    return f"{scheme}{mark}{host}{slash}{path}{question}{query}"


def never(address: Address) -> bool:
    """Tell whether nobody may have this address asked: link-local, multicast, unspecified, reserved."""
    inner = _inner(address)
    if inner is not None:
        return never(inner)
    reserved = address.is_reserved and not address.is_loopback
    return address.is_link_local or address.is_multicast or address.is_unspecified or reserved


def is_private(address: Address) -> bool:
    """Tell whether an address is loopback or otherwise not on the public internet."""
    inner = _inner(address)
    return is_private(inner) if inner is not None else not address.is_global


def is_loopback(address: Address) -> bool:
    """Tell whether an address is this machine's loopback, also in its IPv6-mapped form."""
    inner = _inner(address)
    return (inner or address).is_loopback


def _inner(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one carries (mapped, 6to4, NAT64), if any."""
    if isinstance(address, IPv4Address):
        return None
    if int(address) >> 32 == _NAT64 >> 32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


_authorities: dict[tuple[str, str, str], Authority] = {}
_plain_hosts: set[str] = set()
_MAX_AUTHORITIES = 4096


def _known_authority(host: str, port: str, scheme: str) -> Authority:
    """Check a host once: a page names the same one thousands of times."""
    key = (host, port, scheme)
    known = _authorities.get(key)
    if known is None:
        known = parse_authority(f"{host}:{port}" if port else host, default_port=DEFAULT_PORTS[scheme])
        if len(_authorities) < _MAX_AUTHORITIES:
            _authorities[key] = known
    return known


def _unquote_unreserved(match: re.Match[str]) -> str:
    if match.group(1) is None:
        return "%25"
    value = int(match.group(1), 16)
    return chr(value) if value in _UNRESERVED else f"%{value:02X}"
