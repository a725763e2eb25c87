"""Logins for what we ask an index of our own accord: those that the tool sent, else found as the tool finds them.

In this order: what the tool sent to an origin in this run; the login in the address of a configured index, and uv's
variables for it; netrc; `keyring`, where the user has switched that on. Each is for its own origin only (threat T41).
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from openvet_install.gateway.addresses import AddressError, parse_target
from openvet_install.http import netrc_login
from openvet_install.http.environment import basic
from openvet_install.installers import keyring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from openvet_install.gateway.addresses import Target
    from openvet_install.installers.commands import Index, Plan

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]")


def logins_of(plan: Plan, environ: Mapping[str, str]) -> Logins:
    """Return the logins for the indexes of a plan."""
    asks = keyring.is_on({**environ, **plan.environment}, plan.argv)
    return Logins(environ, lambda: plan.indexes, asks_keyring=asks)


class Logins:
    """Logins by origin, each looked for once; safe for threads. Nothing of them is in `repr()`."""

    def __init__(
        self, environ: Mapping[str, str], indexes: Callable[[], Iterable[Index]], *, asks_keyring: bool = False
    ) -> None:
        """`indexes` are those that are configured; they are asked for at the first login that somebody wants."""
        self._environ = environ
        self._indexes = indexes
        self._asks_keyring = asks_keyring
        self._lock = threading.Lock()
        self._known: dict[str, str | None] = {}

    def told(self, url: str, login: str | None) -> None:
        """Hear which login (the value of `Authorization`) the tool sent to the origin of a URL."""
        if login is not None:
            with self._lock:
                self._known[parse_target(url).origin] = login

    def known(self, target: Target) -> str | None:
        """Return the login that was told or found for an origin, to be sent without being asked."""
        return self._known.get(target.origin)

    def found(self, target: Target, tried: str | None) -> str | None:
        """Look for a login for an origin that asks for one; None if there is none other than the one that was tried."""
        with self._lock:
            if target.origin not in self._known:
                self._known[target.origin] = self._look(target)
            login = self._known[target.origin]
        return login if login != tried else None

    def _look(self, target: Target) -> str | None:
        user = ""
        for index in self._indexes():
            if _origin(index.url) != target.origin:
                continue
            name, password = self._of(index)
            if name and password:
                return basic(name, password, quoted=False)
            user = user or name
        return netrc_login(target.at.host, self._environ) or self._of_keyring(target, user)

    def _of(self, index: Index) -> tuple[str, str]:
        """Return user and password as the address of an index, or uv's variables for its name, say them."""
        if index.login is not None:
            return index.login.user, index.login.password
        stem = f"UV_INDEX_{_NOT_IN_NAMES.sub('_', index.name or '').upper()}"
        if not index.name:
            return "", ""
        return self._environ.get(f"{stem}_USERNAME", ""), self._environ.get(f"{stem}_PASSWORD", "")

    def _of_keyring(self, target: Target, user: str) -> str | None:
        if not user or not self._asks_keyring:
            return None
        services = [one.url for one in self._indexes() if _origin(one.url) == target.origin]
        services.append(target.origin.partition("://")[2])
        for service in dict.fromkeys(services):
            password = keyring.password(service, user, self._environ)
            if password is not None:
                return basic(user, password, quoted=False)
        return None


def _origin(url: str) -> str | None:
    try:
        return parse_target(url).origin
    except AddressError:
        return None
