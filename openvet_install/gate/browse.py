"""What indexes list and hold, asked for outside of a run (`explain`, `check --environment`, `baseline`, `exempt`)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.gate.asking import Asking
from openvet_install.gate.days import came
from openvet_install.gate.deciding import Deciding, carrying_of
from openvet_install.gate.hosts import origin_of
from openvet_install.gate.logins import Logins, logins_of
from openvet_install.gate.once import Once
from openvet_install.gate.opening import documents_of, originals_of, outside_of
from openvet_install.gate.remembered import Archives, Days
from openvet_install.gate.together import together
from openvet_install.gateway.addresses import parse_target
from openvet_install.gateway.pages import parse_page
from openvet_install.gateway.upstream import PAGE_ACCEPT, Upstream
from openvet_install.installers import keyring, pip
from openvet_install.installers.environment import upstream_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from openvet_install.files import File
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting, Watch
    from openvet_install.gate.state import Folders
    from openvet_install.gateway import Blob
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.installers.commands import Index, Plan
    from openvet_install.installers.environment import UpstreamSettings


class _Anywhere:
    """Every origin: pages and files are asked for where people and pages say, as the tools do."""

    def __contains__(self, _origin: object) -> bool:
        return True


class Browser:
    """Asks the indexes of a plan; safe for threads."""

    def __init__(self, plan: Plan, upstream: Upstream) -> None:
        """Use `browsing`, which also closes it."""
        self._indexes = plan.indexes
        self._upstream = upstream
        self.logins = logins_of(plan, plan.environment)
        self._asking = Asking(upstream, self.logins)

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
        self._upstream.listed(file.index, file.url)
        with self._asking.get(parse_target(file.url), _Anywhere(), accept="*/*", packed=False) as found:
            if found is None:
                raise UndecidedError(f"{file.url} is not there any more")
            blob = blobs.add(found[0].chunks())
        if blob.sha256 != file.sha256:
            raise InvalidError(f"the bytes of {file.filename} are not those that its page promised", where=file.url)
        return blob

    def page(self, index: str, name: str) -> tuple[File, ...] | None:
        """Return the files of a package on one index, None if it has no page of it. Raises as `listed` does."""
        return _page(self._asking, index, name)


def _page(asking: Asking, index: str, name: str) -> tuple[File, ...] | None:
    address = parse_target(f"{index.rstrip('/')}/{name}/")
    with asking.get(address, _Anywhere(), accept=PAGE_ACCEPT, packed=True) as found:
        if found is None:
            return None
        reply, url = found
        return parse_page(reply.body(), reply.content_type, url, index=index).files


@contextmanager
def browsing(plan: Plan, watch: Watch | None = None) -> Iterator[Browser]:
    """Yield a browser with the plan's own way out; `watch` hears of long transfers."""
    with outward(plan.upstream, lambda: plan.indexes, watch) as upstream:
        yield Browser(plan, upstream)


@contextmanager
def outward(
    settings: UpstreamSettings, indexes: Callable[[], Iterable[Index]], watch: Watch | None = None
) -> Iterator[Upstream]:
    """Yield the user's own way out; of private places it asks the `indexes` only, and what they list (threat T34)."""
    upstream = Upstream(outside_of(settings), watch=watch.fetched if watch is not None else None)
    upstream.bind(private=_Private(indexes), own_port=0)
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
        self, knowledge: Knowledge, chosen: Setting, browser: Browser | None = None, indexes: Sequence[str] = ()
    ) -> Deciding:
        """Return what decides here; without `browser` what files need is asked for as pip would go out.

        `indexes` are asked for audited files beside those that list what is decided about.
        """
        upstream = browser.upstream if browser is not None else None
        logins = browser.logins if browser is not None else self._logins()
        if upstream is None and any(one.publishers or one.carries for one in chosen.rules):
            upstream = self._outward()
        locate, lists = _Locate(self), _Lists(self)
        deciding = partial(
            Deciding,
            knowledge,
            chosen.rules,
            chosen.now,
            fits=self.fits,
            locate=locate,
            lists=lists,
            ages=_Ages(self, locate, lists),
        )
        if upstream is None:
            return deciding()
        originals = originals_of(chosen, upstream, Archives(self.folders), indexes, logins)
        return deciding(
            documents=documents_of(chosen, upstream, self.folders, logins),
            carrying=carrying_of(knowledge, originals, chosen.now),
        )

    def asking(self) -> Asking:
        """Return what asks the indexes that are configured here, for pip and for uv."""
        return Asking(self._outward(), self._logins())

    def _outward(self) -> Upstream:
        way_out = upstream_settings("pip", self.environ)
        return self.stack.enter_context(outward(way_out, partial(_indexes_here, self.environ)))

    def _logins(self) -> Logins:
        indexes = partial(_indexes_here, self.environ)
        return Logins(self.environ, indexes, asks_keyring=keyring.is_on(self.environ))


def _indexes_here(environ: Mapping[str, str]) -> Sequence[Index]:
    """Return all indexes that files and variables configure here, for pip and for uv."""
    from openvet_install.installers import around  # noqa: PLC0415 - only for logins and private addresses

    return around.plan((), environ, str(Path.cwd())).indexes


class _Private:
    """Admits private addresses of configured indexes."""

    def __init__(self, indexes: Callable[[], Iterable[Index]]) -> None:
        self._indexes = indexes

    def __call__(self, host: str) -> bool:
        return host in self._hosts

    @cached_property
    def _hosts(self) -> frozenset[str]:
        return frozenset(origin_of(one.url)[1] for one in self._indexes())


class _Locate:
    """Finds files by their hash on the indexes that pip would ask here; each package is asked for once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._listed: Once[list[File]] = Once()

    def __call__(self, file: File) -> File:
        if file.sha256 is None:
            return file
        return next((one for one in self.listed(file.name) if one.sha256 == file.sha256), file)

    def listed(self, name: str) -> list[File]:
        """Return what they list of a package."""
        return self._listed.get(name, lambda: self._browser.listed(name))

    @cached_property
    def _browser(self) -> Browser:
        plan = pip.plan(["install", "pip"], self._place.environ, str(Path.cwd()))
        return self._place.stack.enter_context(browsing(plan))


class _Lists:
    """Returns a lock's file as the index lists it that the lock names, if it does; each page is asked for once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._pages: Once[tuple[File, ...]] = Once()

    def __call__(self, file: File) -> File | None:
        listed = (one for one in self.page(file) if one.url == file.url and one.sha256 in (None, file.sha256))
        return next(listed, None)

    def page(self, file: File) -> tuple[File, ...]:
        """Return what the index of a file lists beside it."""
        return self._pages.get((file.index, file.name), lambda: _page(self._asking, file.index, file.name) or ())

    @cached_property
    def _asking(self) -> Asking:
        return self._place.asking()


class _Ages:
    """Returns files with when they came: of what a lock claims its index says, all else is found by its hash."""

    def __init__(self, place: Place, locate: _Locate, lists: _Lists) -> None:
        self._notes = Days(place.folders)
        self._locate = locate
        self._lists = lists

    def __call__(self, files: Sequence[File]) -> dict[File, File]:
        found, failed = together(self._aged, files)
        if failed:
            raise failed[0][1]
        return dict(found)

    def _aged(self, file: File) -> File:
        if not file.claimed:
            return self._locate(file)
        listed = partial(self._lists.page, file) if file.index else partial(self._locate.listed, file.name)
        return replace(file, uploaded=came(file, self._notes, listed))
