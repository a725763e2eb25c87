"""Which hosts may be asked, and which of them at private addresses (threat T34)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openvet_install.gate.once import Once
from openvet_install.gateway.upstream import private_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from openvet_install.files import File

    Origin: TypeAlias = tuple[str, str, int]

MAX_LED = 10_000  # redirected files


class Hosts:
    """Those of configured indexes, those that their pages link to, and those of files that are named; for threads."""

    def __init__(self, indexes: Iterable[Origin], named: Iterable[File]) -> None:
        """Take the origins of indexes. The hosts of `named` files are asked for them and for nothing else."""
        self._lock = threading.Lock()
        self._linked = set(indexes)
        self._private = {host for _scheme, host, _port in self._linked}
        self._named = {file.url: file for file in named}
        self._led: dict[str, File] = {}
        self._led_near: set[str] = set()
        self._near: Once[bool] = Once()

    def admits(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a host may be asked for anything."""
        with self._lock:
            origin = (scheme, host, port)
            return origin in self._linked or origin in map(origin_of, (*self._named, *self._led))

    def private(self, host: str) -> bool:
        """Tell whether private addresses of a host may be asked."""
        with self._lock:
            near = host in self._private or host in self._led_near
            return near or any(host == origin_of(url)[1] for url in self._named)

    def are_linked(self, url: str) -> bool:
        """Tell whether a URL is on the host of an index, or of what its pages link to."""
        with self._lock:
            return origin_of(url) in self._linked

    def is_near(self, host: str) -> bool:
        """Tell whether a host lives at loopback or private addresses only."""
        return self._near.get(host, lambda: private_addresses(host))

    def named(self, url: str) -> File | None:
        """Return the file that was given by this URL, or that an index keeps there."""
        with self._lock:
            return self._named.get(url, self._led.get(url))

    def link(self, index: str, urls: Iterable[str]) -> None:
        """Admit what an index, or a page of it, links to; private addresses only if it may be asked and is at one."""
        # thousands of them on one host: each is looked at once
        origins = {origin_of("/".join(parts)) for parts in {tuple(url.split("/", 3)[:3]) for url in urls}}
        at = origin_of(index)
        near = self.admits(*at) and self.is_near(at[1])
        with self._lock:
            self._linked |= origins
            if near:
                self._private |= {host for _scheme, host, _port in origins}

    def lead(self, file: File, url: str, there: str) -> bool:
        """Admit where the host of `url` keeps a file; at a private address only if it is at one, too."""
        host = origin_of(url)[1]
        near = self.private(host) and self.is_near(host)
        with self._lock:
            if len(self._led) >= MAX_LED:
                return False
            self._led[there] = file
            if near:
                self._led_near.add(origin_of(there)[1])
        return True


def origin_of(url: str) -> Origin:
    """Return (scheme, host, port) of an http(s) URL, the default port filled in; for no address what no host has."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # what a lock says of its index
        return "", "", 0
