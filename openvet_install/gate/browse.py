"""What indexes list and hold, asked for outside of a run (`explain`, `check --environment`, `baseline`, `exempt`)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.gate.session import outside_of
from openvet_install.gateway.addresses import parse_target
from openvet_install.gateway.pages import parse_page
from openvet_install.gateway.upstream import PAGE_ACCEPT, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.files import File
    from openvet_install.gateway import Blob
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.gateway.upstream import Reply
    from openvet_install.installers.commands import Plan

_NOT_FOUND = 404
_OK = 200
_MAX_REDIRECTS = 5


class Browser:
    """Asks the indexes of a plan; safe for threads."""

    def __init__(self, plan: Plan, upstream: Upstream) -> None:
        """Use `browsing`, which also closes it."""
        self._indexes = plan.indexes
        self._upstream = upstream

    def listed(self, name: str) -> list[File]:
        """Return the files of a package on the plan's indexes, in their order; empty if none knows it.

        Raises `UndecidedError` when an index is out of reach, `InvalidError` when its answer is no page.
        """
        return [file for index in self._indexes for file in self._page(index.url, name)]

    def fetch(self, file: File, blobs: BlobStore) -> Blob:
        """Return the bytes of a file, from the store if it has them. Raises `InvalidError` if they hash differently."""
        if file.sha256 is not None and (known := blobs.find(file.sha256)) is not None:
            return known
        with self._get(file.url, "*/*", packed=False) as (reply, _url):
            if reply.status != _OK:
                raise UndecidedError(f"{file.url} answered with the status {reply.status}")
            blob = blobs.add(reply.chunks())
        if blob.sha256 != file.sha256:
            raise InvalidError(f"the bytes of {file.filename} are not those that its page promised", where=file.url)
        return blob

    def _page(self, index: str, name: str) -> tuple[File, ...]:
        with self._get(f"{index.rstrip('/')}/{name}/", PAGE_ACCEPT, packed=True) as (reply, url):
            if reply.status == _NOT_FOUND:
                return ()
            if reply.status != _OK:
                raise UndecidedError(f"{parse_target(url).origin} answered with the status {reply.status}")
            return parse_page(reply.body(), reply.content_type, url, index=index).files

    @contextmanager
    def _get(self, url: str, accept: str, *, packed: bool) -> Iterator[tuple[Reply, str]]:
        for _ in range(_MAX_REDIRECTS):
            with self._upstream.get(parse_target(url), accept=accept, packed=packed) as reply:
                if not (reply.location and 300 <= reply.status < 400):
                    yield reply, url
                    return
                url = urljoin(url, reply.location)
        raise UndecidedError(f"{url} redirects too often")


@contextmanager
def browsing(plan: Plan) -> Iterator[Browser]:
    """Yield a browser with the plan's own way out."""
    upstream = Upstream(outside_of(plan.upstream))
    upstream.bind(private=lambda _host: True, own_port=0)
    try:
        yield Browser(plan, upstream)
    finally:
        upstream.close()
