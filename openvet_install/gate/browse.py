"""What indexes list and hold, asked for outside of a run (`explain`, `check --environment`, `baseline`, `exempt`)."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.gate.deciding import Deciding, carrying_of
from openvet_install.gate.once import Once
from openvet_install.gate.session import documents_of, originals_of, outside_of
from openvet_install.gateway.addresses import parse_target
from openvet_install.gateway.pages import parse_page
from openvet_install.gateway.upstream import PAGE_ACCEPT, Upstream
from openvet_install.http import netrc_login
from openvet_install.installers import pip
from openvet_install.installers.environment import upstream_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from openvet_install.files import File
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting, Watch
    from openvet_install.gate.state import Folders
    from openvet_install.gateway import Blob
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.gateway.upstream import Reply
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.environment import UpstreamSettings

_NOT_FOUND = 404
_UNAUTHORIZED = 401
_OK = 200
_MAX_REDIRECTS = 5


class Browser:
    """Asks the indexes of a plan; safe for threads."""

    def __init__(self, plan: Plan, upstream: Upstream) -> None:
        """Use `browsing`, which also closes it."""
        self._indexes = plan.indexes
        self._environ = plan.environment
        self._upstream = upstream

    @property
    def upstream(self) -> Upstream:
        """The way out, for what belongs to listed files."""
        return self._upstream

    def listed(self, name: str) -> list[File]:
        """Return the files of a package on the plan's indexes, in their order; empty if none knows it.

        Raises `UndecidedError` when an index is out of reach, `InvalidError` when its answer is no page.
        """
        return [file for index in self._indexes for file in self.page(index.url, name) or ()]

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

    def page(self, index: str, name: str) -> tuple[File, ...] | None:
        """Return the files of a package on one index, None if it has no page of it. Raises as `listed` does."""
        with self._get(f"{index.rstrip('/')}/{name}/", PAGE_ACCEPT, packed=True) as (reply, url):
            if reply.status == _NOT_FOUND:
                return None
            if reply.status != _OK:
                raise UndecidedError(f"{parse_target(url).origin} answered with the status {reply.status}")
            return parse_page(reply.body(), reply.content_type, url, index=index).files

    @contextmanager
    def _get(self, url: str, accept: str, *, packed: bool) -> Iterator[tuple[Reply, str]]:
        """Yield an answer; where a host asks for a login, with the one that the user's netrc has for it."""
        login = None
        for _ in range(_MAX_REDIRECTS):
            target = parse_target(url)
            with self._upstream.get(target, accept=accept, packed=packed, login=login) as reply:
                asks = reply.status == _UNAUTHORIZED and login is None
                login = netrc_login(target.at.host, self._environ) if asks else None
                if login is None and not (reply.location and 300 <= reply.status < 400):
                    yield reply, url
                    return
                url = url if login is not None else urljoin(url, reply.location or "")
        raise UndecidedError(f"{url} redirects too often")


@contextmanager
def browsing(plan: Plan, watch: Watch | None = None) -> Iterator[Browser]:
    """Yield a browser with the plan's own way out; `watch` hears of long transfers."""
    with outward(plan.upstream, watch) as upstream:
        yield Browser(plan, upstream)


@contextmanager
def outward(settings: UpstreamSettings, watch: Watch | None = None) -> Iterator[Upstream]:
    """Yield the user's own way out."""
    upstream = Upstream(outside_of(settings), watch=watch.fetched if watch is not None else None)
    upstream.bind(private=lambda _host: True, own_port=0)
    try:
        yield upstream
    finally:
        upstream.close()


class Place(NamedTuple):
    """Where something is judged outside of a run: folders and environment, what is closed with it, what fits."""

    environ: Mapping[str, str]
    folders: Folders
    stack: ExitStack
    fits: Callable[[File], bool] = lambda _file: True

    def deciding(
        self, knowledge: Knowledge, chosen: Setting, upstream: Upstream | None = None, indexes: Sequence[str] = ()
    ) -> Deciding:
        """Return what decides here; without `upstream` what files need is asked for as pip would go out.

        `indexes` are asked for audited files beside those that list what is decided about.
        """
        if upstream is None and any(one.publishers or one.carries for one in chosen.rules):
            upstream = self.stack.enter_context(outward(upstream_settings("pip", self.environ)))
        locate = _Locate(self).__call__
        if upstream is None:
            return Deciding(knowledge, chosen.rules, chosen.now, fits=self.fits, locate=locate)
        originals = originals_of(chosen, upstream, self.folders, indexes, self.environ)
        return Deciding(
            knowledge,
            chosen.rules,
            chosen.now,
            documents=documents_of(chosen, upstream, self.folders, self.environ),
            carrying=carrying_of(knowledge, originals, chosen.now),
            fits=self.fits,
            locate=locate,
        )


class _Locate:
    """Finds files by their hash on the indexes that pip would ask here; each package is asked for once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._listed: Once[list[File]] = Once()

    def __call__(self, file: File) -> File:
        listed = self._listed.get(file.name, lambda: self._browser.listed(file.name))
        return next((one for one in listed if one.sha256 == file.sha256), file)

    @cached_property
    def _browser(self) -> Browser:
        plan = pip.plan(["install", "pip"], self._place.environ, str(Path.cwd()))
        return self._place.stack.enter_context(browsing(plan))
