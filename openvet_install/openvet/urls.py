"""Is a text an absolute URL? By the WHATWG rules, as OpenVet asks of the URL of a repository (protocol, section 3)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote_to_bytes

# Blanks around go, tabs and line ends go.
_TRIM = "".join(map(chr, range(0x21)))
_SKIPPED = str.maketrans("", "", "\t\n\r")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL | re.ASCII)
_SPECIAL = {"http", "https", "ws", "wss", "ftp", "file"}
_FORBIDDEN = frozenset("\0\t\n\r #/:<>?@[\\]^|")
_FORBIDDEN_IN_DOMAINS = _FORBIDDEN | {"%", "\x7f", *map(chr, range(0x20))}
_MAX_PORT = 65535


def is_absolute(text: str) -> bool:
    """Tell whether a URL parser without a base takes the text."""
    found = _URL.fullmatch(text.strip(_TRIM).translate(_SKIPPED))
    if found is None:
        return False
    scheme, rest = found[1].lower(), found[2]
    special = scheme in _SPECIAL
    if special:
        rest = re.sub(r"^[^?#]*", lambda head: head[0].replace("\\", "/"), rest)
    if scheme == "file":
        return not rest.startswith("//") or _is_file_host(re.split(r"[/?#]", rest[2:], maxsplit=1)[0])
    if not special and not rest.startswith("//"):
        return True  # a path of its own kind: anything goes
    authority = re.split(r"[/?#]", rest.lstrip("/") if special else rest[2:], maxsplit=1)[0]
    login, _, place = authority.rpartition("@")
    host, port = _split_port(place)
    if port is None or (not host and (special or login or ":" in place)):
        return False
    return _is_host(host, special=special)


def _split_port(place: str) -> tuple[str, str | None]:
    """Split host and port; None for a port that is none."""
    end = place.rfind("]") + 1 if place.startswith("[") else place.find(":") if ":" in place else len(place)
    host, rest = place[:end], place[end:]
    rest = rest.partition("\\")[0] if rest.startswith(":") else rest
    digits = rest[1:].lstrip("0")
    good = not rest or (rest[0] == ":" and re.fullmatch(r"[0-9]{0,5}", digits) and int(digits or "0") <= _MAX_PORT)
    return host, rest[1:] if good else None


def _is_file_host(host: str) -> bool:
    if not host or re.fullmatch(r"[A-Za-z][:|]", host):
        return True
    return _is_host(host, special=True)


def _is_host(host: str, *, special: bool) -> bool:
    if host.startswith("["):
        return host.endswith("]") and _is_ipv6(host[1:-1])
    if not special:
        return not _FORBIDDEN.intersection(host)
    try:
        domain = unquote_to_bytes(host).decode()
    except UnicodeDecodeError:
        return False
    plain = domain.isascii() and "xn--" not in domain.lower()
    ascii_domain = domain.lower() if plain else _to_ascii(domain)
    if not ascii_domain or _FORBIDDEN_IN_DOMAINS.intersection(ascii_domain):
        return False
    return not _ends_in_a_number(ascii_domain) or _is_ipv4(ascii_domain)


def _to_ascii(domain: str) -> str:
    """Return a domain in ASCII as far as the standard library knows; what it cannot say is taken as it is."""
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain.encode("punycode").decode()


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return "%" not in text


def _ends_in_a_number(domain: str) -> bool:
    parts = domain.split(".")
    if not parts[-1] and len(parts) > 1:
        parts.pop()
    last = parts[-1]
    return bool(last) and (last.isdigit() or _value(last) is not None)


def _is_ipv4(domain: str) -> bool:
    parts = domain.split(".")
    if not parts[-1] and len(parts) > 1:
        parts.pop()
    values = [_value(part) for part in parts]
    if len(parts) > 4 or None in values:
        return False
    numbers = [value or 0 for value in values]
    return all(value <= 255 for value in numbers[:-1]) and numbers[-1] < 256 ** (5 - len(numbers))


def _value(part: str) -> int | None:
    digits, base = part, 10
    if part[:2] in ("0x", "0X"):
        digits, base = part[2:], 16
    elif len(part) > 1 and part[0] == "0":
        digits, base = part[1:], 8
    if not part or not re.fullmatch({16: r"[0-9a-fA-F]*", 10: r"[0-9]+", 8: r"[0-7]+"}[base], digits):
        return None
    return int(digits or "0", base)
