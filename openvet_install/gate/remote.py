"""Texts that a command names by URL: fetched once, on the user's own way out, before anything starts (threat T06)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from openvet_install.errors import UsageError
from openvet_install.gate.opening import outside_of
from openvet_install.gateway.addresses import AddressError, join, parse_target
from openvet_install.gateway.upstream import Upstream, UpstreamError
from openvet_install.installers.requirements import MAX_FILE_BYTES

if TYPE_CHECKING:
    from openvet_install.gateway.addresses import Target
    from openvet_install.installers.environment import UpstreamSettings

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def fetch(url: str, *, upstream: UpstreamSettings) -> bytes:
    """Return the text behind an http(s) URL, of at most `MAX_FILE_BYTES`, redirects followed.

    Raises `UsageError` for something that is no such URL, `UndecidedError` when it cannot be had.
    """
    target, login = _target(url)
    first = target
    outward = Upstream(outside_of(upstream))
    outward.bind(private=lambda host: host == first.at.host, own_port=0)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            with outward.get(target, accept="text/plain, */*;q=0.5", packed=True, login=login) as reply:
                if reply.status == 200:
                    return reply.body(MAX_FILE_BYTES)
                if reply.status not in _REDIRECTS:
                    raise UpstreamError(f"{target.url} answered with the status {reply.status}")
                there = _there(target, reply.location or "")
            login = login if there.origin == target.origin else None
            target = there
    finally:
        outward.close()
    raise UpstreamError(f"{first.url} redirects more than {MAX_REDIRECTS} times")


def _target(url: str) -> tuple[Target, str | None]:
    try:
        parts = urlsplit(url)
        login = None
        user, at, host = parts.netloc.rpartition("@")
        if at:
            pair = ":".join(unquote(part) for part in f"{user}:".split(":", 2)[:2])
            login = "Basic " + b64encode(pair.encode()).decode()
        return parse_target(urlunsplit((parts.scheme.lower(), host, parts.path, parts.query, ""))), login
    except (AddressError, ValueError) as error:
        raise UsageError(f"not a URL that can be read: {error}") from error


def _there(target: Target, location: str) -> Target:
    try:
        there = parse_target(join(target.url, location))
    except AddressError as error:
        raise UpstreamError(f"{target.url} redirects to something that is not http or https") from error
    if target.scheme == "https" and there.scheme == "http":
        raise UpstreamError(f"{target.url} redirects from https to http")
    return there
