"""Files that people name by an http(s) URL: what is expected of them before they are fetched (threat T04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import UsageError
from openvet_install.files import File, parse_filename
from openvet_install.gateway.addresses import AddressError, canonical_url
from openvet_install.installers.commands import without_login

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.installers.commands import Requested


def files_named(requested: Iterable[Requested]) -> list[File]:
    """Return them, by the canonical URL that the gateway will be asked for. Raises `UsageError`."""
    found = []
    for one in requested:
        if one.source is None or one.source.path is not None:
            continue
        url = without_login(one.source.url.partition("#")[0])
        try:
            url = canonical_url(url)
        except AddressError as error:
            raise UsageError(f"`{url}`: {error}", where=one.origin) from error
        name, version, _tags = parse_filename(one.source.filename)
        filename, sha256 = one.source.filename, one.source.sha256
        found.append(File(name=name, version=version, filename=filename, url=url, index=url, sha256=sha256))
    return found
