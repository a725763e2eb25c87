"""What a run asks an index of its own accord, within the rules for hosts (threats T34, T41, T76)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from openvet_install.gateway.addresses import AddressError, join, parse_target
from openvet_install.gateway.upstream import UpstreamError
from openvet_install.http import netrc_login

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.upstream import Reply, Upstream

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 410})


class ElsewhereError(UpstreamError):
    """A redirect to a host that is not asked."""


class Asking:
    """Sends logins to the origins that they are for, follows redirects to allowed origins only; safe for threads."""

    def __init__(self, upstream: Upstream, environ: Mapping[str, str]) -> None:
        """Nothing is asked yet."""
        self._upstream = upstream
        self._environ = environ
        self._logins: dict[str, str] = {}

    def login(self, url: str, login: str | None) -> None:
        """Use the login that the tool sent to an origin for what else is asked of that origin."""
        if login is not None:
            self._logins[parse_target(url).origin] = login

    @contextmanager
    def get(
        self, address: Target, allowed: Container[str], *, accept: str, packed: bool
    ) -> Iterator[tuple[Reply, str] | None]:
        """Yield the answer with its URL, None if there is none; raises `UpstreamError` for everything else."""
        for _ in range(_MAX_REDIRECTS + 1):
            login = self._logins.get(address.origin)
            with self._upstream.get(address, accept=accept, packed=packed, login=login) as reply:
                status = reply.status
                if status == 200 or status in _ABSENT:
                    yield (reply, address.url) if status == 200 else None
                    return
                location = reply.location or ""
            if status in _REDIRECTS:
                address = _there(address, location, allowed)
            elif status == 401 and address.origin not in self._logins:
                self._log_in(address)
            else:
                raise UpstreamError(f"{address.origin} answered with the status {status}")
        raise UpstreamError(f"{address.origin} redirects more than {_MAX_REDIRECTS} times")

    def _log_in(self, address: Target) -> None:
        login = netrc_login(address.at.host, self._environ)
        if login is None:
            raise UpstreamError(f"{address.origin} asks for a login")
        self._logins[address.origin] = login


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
    if there.origin not in allowed:
        raise ElsewhereError(f"{address.origin} sends us elsewhere, to {there.origin}: not followed")
    return there
