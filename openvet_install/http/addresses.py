"""URLs as we ask and show them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from openvet_install.errors import UndecidedError

_UNQUOTED = "/%:@!$&'()*+,;=~-._?[]"


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


def checked(url: str, origin: tuple[str, str] | None) -> SplitResult:
    """Split a URL that may be asked; `origin` is the (scheme, host) that redirected here. Raises `UndecidedError`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UndecidedError(f"{without_login(url)}: cannot be asked") from error
    if host is not None and (not host.isprintable() or " " in host):
        raise UndecidedError(f"{without_login(url)}: cannot be asked")
    loopback = is_loopback(host)
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not loopback):
        what = f"{without_login(url)}: only https is asked, and http on this machine"
        raise UndecidedError(what, hint="use an https URL" if origin is None else None)
    if origin is not None:
        from_loopback = is_loopback(urlsplit(f"//{origin[1]}").hostname)
        if (loopback and not from_loopback) or (origin[0] == "https" and parts.scheme == "http"):
            raise UndecidedError(f"{origin[1]}: redirects to {without_login(url)}, which is not followed")
    if url.isascii() and url.isprintable() and " " not in url:
        return parts
    return parts._replace(path=quote(parts.path, safe=_UNQUOTED), query=quote(parts.query, safe=_UNQUOTED))


def joined(parts: SplitResult, location: str) -> str:
    """Return where a redirect leads. Raises `UndecidedError`."""
    try:
        return urljoin(urlunsplit(parts), location)
    except ValueError as error:
        raise UndecidedError(f"{without_login(urlunsplit(parts))}: redirects to what is no URL") from error
