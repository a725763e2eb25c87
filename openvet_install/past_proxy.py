"""Which hosts `NO_PROXY` names, for logs and indexes alike; pure."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network


def goes_past(no_proxy: str, host: str, port: int) -> bool:
    """Tell whether a host is asked directly: named itself or by a domain above it, with or without its port.

    `*` names all; `10.0.0.0/8` the addresses in it, as pip and uv read that. `host` is in lower case, IPv6 without
    brackets.
    """
    spelled = f"[{host}]" if ":" in host else host
    both = (host, spelled, f"{spelled}:{port}")
    return any(_names(entry, both) for entry in map(str.strip, no_proxy.lower().split(",")) if entry)


def _names(entry: str, host: tuple[str, ...]) -> bool:
    if "/" in entry:
        with suppress(ValueError):
            return ip_address(host[0]) in ip_network(entry, strict=False)
        return False
    name = entry.lstrip(".")
    return entry == "*" or any(one == name or one.endswith(f".{name}") for one in host)
