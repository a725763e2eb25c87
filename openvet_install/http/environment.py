"""What people set for requests and curl: trusted certificates, proxies, logins."""

from __future__ import annotations

import base64
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from openvet_install.errors import ConfigError, UndecidedError
from openvet_install.http.addresses import is_loopback
from openvet_install.past_proxy import goes_past

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the user's bundle if one is named, else what the system trusts. Raises `UndecidedError`."""
    for name in _BUNDLES:
        bundle = environ.get(name)
        if bundle:
            is_folder = os.path.isdir(bundle)  # noqa: PTH112 - a plain question about a string of the user's
            try:
                return ssl.create_default_context(
                    cafile=None if is_folder else bundle, capath=bundle if is_folder else None
                )
            except OSError as error:
                raise UndecidedError(f"cannot read the certificates of {name}", where=bundle) from error
    import truststore  # noqa: PLC0415 - costs time

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def proxy_of(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    """Return the proxy for a URL, None to ask directly. Raises `ConfigError` for one that is no http or https URL."""
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    found = {
        key.lower().removesuffix("_proxy"): (key, value)
        for key, value in sorted(environ.items())  # lower case comes last and wins, as for curl
        if key.lower().endswith("_proxy") and value
    }
    if "no" in found and goes_past(found["no"][1], host, parts.port or 443):
        return None
    name, proxy = found.get(parts.scheme) or found.get("all") or ("", "")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        split = urlsplit(proxy)
        good = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        good = False
    if not good:
        raise ConfigError("the proxy for the logs is not an http or https URL", where=name)
    return proxy


def netrc_login(host: str, environ: Mapping[str, str]) -> str | None:
    """Return the value of `Authorization` for a host from the user's netrc."""
    import netrc  # noqa: PLC0415 - costs time

    named = environ.get("NETRC")
    home = environ.get("HOME") or "~"
    for path in (named,) if named else (f"{home}/.netrc", f"{home}/_netrc"):
        try:
            found = netrc.netrc(os.path.expanduser(path)).authenticators(host)  # noqa: PTH111 - a string of the user's
        except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
            continue
        if found:
            return basic(found[0] or "", found[2] or "", quoted=False)
    return None


def basic(user: str, password: str, *, quoted: bool = True) -> str:
    """Return a login as the value of a header; parts of a URL are quoted."""
    pair = f"{unquote(user)}:{unquote(password)}" if quoted else f"{user}:{password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
