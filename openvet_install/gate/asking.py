"""What a run asks an index of its own accord, within the rules for hosts (threats T34, T41, T76)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from openvet_install.gateway.addresses import AddressError, join, parse_target
from openvet_install.gateway.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from openvet_install.files import File
    from openvet_install.gate.logins import Logins
    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.upstream import Reply, Upstream

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 410})


class ElsewhereError(UpstreamError):
    """A redirect to a host that is not asked."""


class Asking:
    """Sends logins to the origins that they are for, follows redirects to allowed origins only; safe for threads."""

    def __init__(self, upstream: Upstream, logins: Logins) -> None:
        """Nothing is asked yet."""
        self._upstream = upstream
        self._logins = logins

    def about(self, file: File) -> None:
        """Hear which file is asked about: an index at a private address may list files at others."""
        self._upstream.listed(file.index, file.url)

    @contextmanager
    def get(
        self, address: Target, allowed: Container[str], *, accept: str, packed: bool
    ) -> Iterator[tuple[Reply, str] | None]:
        """Yield the answer with its URL, None if there is none; raises `UpstreamError` for everything else."""
        for _ in range(_MAX_REDIRECTS + 1):
            login = self._logins.known(address)
            with self._upstream.get(address, accept=accept, packed=packed, login=login) as reply:
                status = reply.status
                if status == 200 or status in _ABSENT:
                    yield (reply, address.url) if status == 200 else None
                    return
                location = reply.location or ""
            if status in _REDIRECTS:
                address = _there(address, location, allowed)
            elif status == 401:
                if self._logins.found(address, login) is None:
                    raise UpstreamError(f"{address.origin} asks for a login")
            else:
                raise UpstreamError(f"{address.origin} answered with the status {status}")
        raise UpstreamError(f"{address.origin} redirects more than {_MAX_REDIRECTS} times")


def origins_of(urls: Iterable[str]) -> set[str]:
    """Return the origins of the http(s) URLs among these."""
    return {origin for origin in map(_origin, urls) if origin is not None}


def _origin(url: str) -> str | None:
    try:
        return parse_target(url).origin
    except AddressError:
        return None


def _there(address: Target, location: str, allowed: Container[str]) -> Target:
    try:
        there = parse_target(join(address.url, location))
    except AddressError as error:
        raise ElsewhereError(f"{address.origin} redirects to something that is not http or https") from error
    if address.scheme == "https" and there.scheme != "https":
        raise ElsewhereError(f"{address.origin} redirects from https to http: not followed")
    if there.origin not in allowed:
        raise ElsewhereError(f"{address.origin} sends us elsewhere, to {there.origin}: not followed")
    return there
