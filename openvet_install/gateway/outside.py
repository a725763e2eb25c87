"""What the user has set up for outward connections: trust store, client certificate, corporate proxy."""

from __future__ import annotations

import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openvet_install.errors import ConfigError
from openvet_install.past_proxy import goes_past

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The user's own settings, to be read before the child's environment is built.

    `bundle` and `folder` replace the system's trust store as `SSL_CERT_FILE` and `SSL_CERT_DIR` do;
    `client_certificate` is a PEM file with certificate and key; `proxies` maps `http` and `https` to
    proxy URLs, which may hold a login; `no_proxy` is a comma-separated list as curl reads it. `unchecked` are
    `host` or `host:port` whose certificates nobody looks at (threat T10). `offline`: nobody is asked at all.
    """

    bundle: str | None = None
    folder: str | None = None
    client_certificate: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)
    no_proxy: str = ""
    unchecked: tuple[str, ...] = ()
    offline: bool = False

    def context(self) -> ssl.SSLContext:
        """Return a client context with the user's trust; raises `ConfigError` for files that cannot be read."""
        try:
            if self.bundle or self.folder:
                # Not the default context: it would write TLS keys wherever SSLKEYLOGFILE says.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                is_folder = self.bundle is not None and Path(self.bundle).is_dir()  # pip takes one there, too
                context.load_verify_locations(*((None, self.bundle) if is_folder else (self.bundle, self.folder)))
            else:
                context = _system_context()
            if self.client_certificate:
                context.load_cert_chain(self.client_certificate)
        except (OSError, ssl.SSLError) as error:
            place = (
                f"{self.bundle or self.folder or 'the system'}, {self.client_certificate or 'no client certificate'}"
            )
            raise ConfigError(f"the trust store or client certificate cannot be read: {error}", where=place) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def blind_context(self) -> ssl.SSLContext:
        """Return a client context that takes any certificate; raises `ConfigError` as `context` does."""
        context = self.context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def is_unchecked(self, host: str, port: int) -> bool:
        """Tell whether the user said to take any certificate of an origin; without a port they meant each."""
        return any(found in ((host, None), (host, port)) for found in map(_named, self.unchecked))

    def proxy_for(self, scheme: str, host: str, port: int) -> str | None:
        """Return the URL of the proxy for an origin, or None to connect directly."""
        proxy = self.proxies.get(scheme)
        if proxy is None:
            return None
        return None if goes_past(self.no_proxy, host, port) else proxy


def _system_context() -> ssl.SSLContext:
    """Return a context with the system's trust: OpenSSL's own places where they hold something, else truststore's.

    truststore reads the roots again for each connection and lets one handshake through at a time.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if sys.platform == "linux" and context.cert_store_stats()["x509_ca"]:
        return context
    import truststore  # noqa: PLC0415 - only where the system decides

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _named(text: str) -> tuple[str, int | None]:
    """Read `host`, `host:port` or uv's `https://host`; what cannot be read names no host."""
    with suppress(ValueError):
        parts = urlsplit(text if "://" in text else f"//{text}")
        if parts.scheme in ("", "https"):
            return parts.hostname or "", parts.port
    return "", None


def check_proxy(url: str) -> str:
    """Return a proxy's URL with its scheme; raises `ConfigError` without repeating its login."""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigError(
            "the proxy for outward connections is not an http or https URL",
            where="HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or PIP_PROXY",
            hint="export HTTPS_PROXY=http://proxy.example:3128",
        )
    return url
