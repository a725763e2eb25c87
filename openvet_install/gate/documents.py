"""Provenance documents: where an index serves them, fetched within the rules for hosts, kept under the file's hash.

A document is asked for at the address that the page gave, if it lies on the host of the index or of the file, else at
the index's integrity path (`…/integrity/NAME/VERSION/FILE/provenance`). Kept is what verified: it proves the same
wherever it comes from, and is verified again in every run (threats T32, T34, T76).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from openvet_install import provenance
from openvet_install.gate.asking import Asking, ElsewhereError, origins_of
from openvet_install.gate.cases import AT_ONCE
from openvet_install.gate.deciding import FOLDER
from openvet_install.gate.once import Once
from openvet_install.gateway.addresses import AddressError, parse_target
from openvet_install.gateway.upstream import UpstreamError
from openvet_install.installers.disk import replace_file
from openvet_install.publishers import Provenance

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.decide import Need
    from openvet_install.files import File
    from openvet_install.gate.logins import Logins
    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.upstream import Reply, Upstream

ACCEPT = "application/vnd.pypi.integrity.v1+json, application/json;q=0.9"


class Documents:
    """Gets and verifies the provenance of files, each once in a run; safe for threads."""

    def __init__(self, upstream: Upstream, cache: Path, logins: Logins) -> None:
        """Nothing is asked, read or imported yet."""
        self._asking = Asking(upstream, logins)
        self._folder = cache / FOLDER
        self._gate = threading.BoundedSemaphore(AT_ONCE)
        self._found: Once[Provenance] = Once()

    def stored(self, need: Need) -> Provenance | None:
        """Verify the copy that an earlier run kept of a file's document; None if it is of no use."""
        place = self._folder / (need.file.sha256 or "")
        try:
            with place.open("rb") as stream:
                found = self._verified(need, stream.read(provenance.MAX_DOCUMENT + 1))
        except OSError:
            return None
        return found if found.attested else None

    def fetched(self, need: Need) -> Provenance:
        """Ask for a document and verify it. What is out of reach is in the answer: nothing is raised for it.

        Raises `ConfigError` for a trust root that cannot be read.
        """
        file = need.file
        key = (file.filename, file.sha256, file.url, file.index, file.provenance, need.roots)
        return self._found.get(key, lambda: self._fetch(need))

    def _fetch(self, need: Need) -> Provenance:
        allowed = origins_of((need.file.index, need.file.url))
        self._asking.about(need.file)
        problem = None
        for address in _addresses(need.file):
            if address.origin not in allowed:
                problem = f"{address.origin} is neither the index's host nor the file's: not asked for its provenance"
                continue
            try:
                with self._gate:
                    document = self._document(address, allowed)
            except ElsewhereError as error:
                problem = error.what
                continue
            except UpstreamError as error:
                return Provenance(problem=f"out of reach: {error.what}", unreachable=True)
            if document is not None:
                found = self._verified(need, document)
                if found.attested:
                    self._keep(need.file, document)
                return found
        return Provenance(problem=problem)

    def _verified(self, need: Need, document: bytes) -> Provenance:
        return provenance.verify(document, filename=need.file.filename, sha256=need.file.sha256 or "", roots=need.roots)

    def _document(self, address: Target, allowed: set[str]) -> bytes | None:
        """Return the body behind an address, None if there is none; raises `UpstreamError`."""
        with self._asking.get(address, allowed, accept=ACCEPT, packed=True) as found:
            return None if found is None else _body(found[0])

    def _keep(self, file: File, document: bytes) -> None:
        with suppress(OSError):  # the next run asks again
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._folder / (file.sha256 or ""), document)


def _addresses(file: File) -> list[Target]:
    """Return where a file's document may be, best first."""
    base, slash, last = file.index.rstrip("/").rpartition("/")
    parts = "/".join(quote(part, safe="") for part in (file.name, file.version, file.filename))
    named = [file.provenance, f"{base}/integrity/{parts}/provenance" if slash and last == "simple" else None]
    found = []
    for one in named:
        if one is not None:
            with suppress(AddressError):
                found.append(parse_target(one))
    return list(dict.fromkeys(found))


def _body(reply: Reply) -> bytes:
    """Read no more than what tells that it is too much."""
    body = b""
    for chunk in reply.chunks():
        body += chunk
        if len(body) > provenance.MAX_DOCUMENT:
            break
    return body
