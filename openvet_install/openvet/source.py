"""Objects of one log: from the store, else from its host, else from its mirrors; always hashed."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from openvet_install.errors import ConfigError, UndecidedError
from openvet_install.http import TooLargeError, without_login
from openvet_install.openvet.faults import (
    HASH_BYTES,
    Kind,
    LogInvalid,
    LogMissingError,
    object_name,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from openvet_install.http import Fetcher
    from openvet_install.openvet.store import Store

OBJECT_MAX_BYTES = 4 * 1024 * 1024
_HEAD_MAX_BYTES = 1024
_WORKERS = 8
_QUEUED_JOBS = 8192


def base_url(url: str) -> str:
    """Return a log's URL without query, fragment and trailing slashes; `gen` must be a number. Raises `ConfigError`."""
    parts = urlsplit(url)
    generation = next((value for key, value in parse_qsl(parts.query, keep_blank_values=True) if key == "gen"), "0")
    if not (generation.isascii() and generation.isdigit()):
        raise ConfigError(f"`gen` is not a number in the URL of a log: `{without_login(url)}`")
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/")


class Source:
    """Where the bytes of one log come from. Safe for threads.

    `url` is the log's base URL as `base_url` makes it; a host that failed is not asked again in this
    run while a mirror answers.
    """

    def __init__(self, url: str, mirrors: Iterable[str], fetcher: Fetcher, store: Store) -> None:
        """Nothing is asked yet."""
        self.url = base_url(url)
        self.store = store
        self._bases = (self.url, *(base_url(mirror) for mirror in mirrors))
        self._fetcher = fetcher
        self._failed: dict[str, str] = {}

    def head(self) -> bytes:
        """Return the 32 bytes that the first host in reach serves as head.

        Raises `LogMissingError` (`head-missing`), `LogInvalid` (`head-malformed`), `UndecidedError`.
        """
        found = self._ask("head", _HEAD_MAX_BYTES, accept_zstd=False)
        if found is None:
            raise LogMissingError("head-missing", f"{self._shown('head')}: there is no log, or it has no commit yet")
        raw, where = found
        if len(raw) != HASH_BYTES:
            raise LogInvalid("head-malformed", f"{where}: {len(raw)} bytes are no head of a log")
        return raw

    def raw(self, kind: Kind, name: bytes) -> bytes:
        """Return the bytes of an object.

        Raises `LogMissingError` if no host has it, `LogInvalid` (`hash-mismatch`) for other bytes
        under its name, `UndecidedError` when no host is in reach.
        """
        raw = self.store.get(kind, name)
        return self._fetched(kind, name) if raw is None else raw

    def _fetched(self, kind: Kind, name: bytes) -> bytes:
        path = f"{kind}/{name.hex()}"
        found = self._ask(path, OBJECT_MAX_BYTES, accept_zstd=True)
        if found is None:
            raise LogMissingError("object-missing", f"{kind} {short(name)} is missing at {self._shown(path)}")
        raw, where = found
        if object_name(raw) != name:
            raise LogInvalid("hash-mismatch", f"{where}: these bytes are not the {kind} of that name")
        self.store.put(kind, name, raw)
        return raw

    def _ask(self, path: str, max_bytes: int, *, accept_zstd: bool) -> tuple[bytes, str] | None:
        """Ask one host after the other; None if those in reach have nothing there."""
        failed = dict(self._failed)  # other threads note their failures meanwhile
        asked = [base for base in self._bases if base not in failed] or self._bases
        causes = {base: cause for base, cause in failed.items() if base not in asked}
        answered = False
        for base in asked:
            url = f"{base}/log/{path}"
            try:
                raw = self._fetcher.get(url, max_bytes=max_bytes, accept_zstd=accept_zstd)
            except TooLargeError as error:
                raise LogInvalid("object-too-large", error.what) from error
            except UndecidedError as error:
                causes[base] = self._failed[base] = error.what.removeprefix(f"{without_login(url)}: ")
                continue
            self._failed.pop(base, None)
            if raw is not None:
                return raw, without_login(url)
            answered = True
        if not causes:
            return None
        told = [f"{without_login(base)}: {cause}" for base, cause in causes.items()]
        if answered:
            told.append(f"{self._shown(path)} is missing")
        raise UndecidedError("; ".join(told))

    def _shown(self, path: str) -> str:
        return without_login(f"{self.url}/log/{path}")


class Ahead:
    """Fetches objects into the store before they are needed, on a few threads.

    Nothing depends on it: what it did not bring, or could not, is fetched again when it is needed, and
    what it was told by unverified pointers costs requests at most.
    """

    def __init__(self, source: Source, follow: Callable[[bytes], Iterable[tuple[Kind, bytes]]]) -> None:
        """`follow` reads the bytes of a commit that arrived and names what will be needed next."""
        self._source = source
        self._follow = follow
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="openvet-log")
        self._lock = threading.Lock()
        self._jobs: dict[tuple[Kind, bytes], Future[None]] = {}

    def __enter__(self) -> Self:
        """Return the fetcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what is not under way and wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def order(self, kind: Kind, name: bytes) -> None:
        """Fetch an object in the background unless it is here, under way, or too much is queued."""
        key = (kind, name)
        with self._lock:
            full = key in self._jobs or len(self._jobs) >= _QUEUED_JOBS
            if not full and not self._source.store.has(kind, name):
                self._jobs[key] = self._pool.submit(self._fetch, kind, name)

    def collect(self, kind: Kind, name: bytes) -> None:
        """Wait until an ordered object has arrived or failed."""
        with self._lock:
            job = self._jobs.pop((kind, name), None)
        if job is not None:
            job.exception()

    def _fetch(self, kind: Kind, name: bytes) -> None:
        raw = self._source.raw(kind, name)
        if kind == "commit":
            for key in self._follow(raw):
                self.order(*key)
