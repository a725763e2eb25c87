"""Objects of one log: from the store, else from a bundle, its host, its mirrors; always hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
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

    from openvet_install.http import Fetcher
    from openvet_install.openvet.store import Store

OBJECT_MAX_BYTES = 4 * 1024 * 1024
_HEAD_MAX_BYTES = 1024
_GENERATION_DIGITS = 20


def generation_of(url: str) -> int | None:
    """Return N of `?gen=N`, the note which generation people know; None without it. Raises `ConfigError`."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    generation = next((value for key, value in pairs if key == "gen"), None)
    if generation is None:
        return None
    if not (generation.isascii() and generation.isdigit()) or len(generation) > _GENERATION_DIGITS:
        raise ConfigError(f"`gen` is not a number in the URL of a log: `{without_login(url)}`")
    return int(generation)


def base_url(url: str) -> str:
    """Return a log's URL without query, fragment and trailing slashes; `gen` must be a number. Raises `ConfigError`."""
    generation_of(url)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/")


class Beside(Protocol):
    """Objects of one log at hand without its host; `place` is what people call it. Safe for threads."""

    place: str

    def get(self, kind: Kind, name: bytes) -> bytes | None:
        """Return bytes that are said to have this name, or None."""

    def has(self, kind: Kind, name: bytes) -> bool:
        """Tell whether `get` would return any without asking a host."""

    def insertions(self, audit: bytes) -> tuple[bytes, ...]:
        """Return commits that are said to have brought an audit in; perhaps not all, perhaps none that has."""

    def subjects(self, sha256: bytes) -> tuple[bytes, ...]:
        """Return keys of the audit tree that are said to be about these bytes; good for knowing where to look."""


class Source:
    """Where the bytes of one log come from. Safe for threads.

    `url` is the log's base URL as `base_url` makes it; a host that failed is not asked again in this
    run while a mirror answers.
    """

    def __init__(
        self, url: str, mirrors: Iterable[str], fetcher: Fetcher, store: Store, beside: Beside | None = None
    ) -> None:
        """Nothing is asked yet."""
        self.url = base_url(url)
        self.key = without_login(self.url)
        """What the log is called wherever something is written down."""
        self.store = store
        self._bases = (self.url, *(base_url(mirror) for mirror in mirrors))
        self._fetcher = fetcher
        self._beside = beside
        self._failed: dict[str, str] = {}
        self.fetches = 0
        """How often an object was not in the store."""

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
        return self.fetched(kind, name) if raw is None else raw

    def has(self, kind: Kind, name: bytes) -> bool:
        """Tell whether an object is here, unhashed: good for deciding what to fetch ahead, for nothing else."""
        return self.store.has(kind, name) or (self._beside is not None and self._beside.has(kind, name))

    def insertions(self, audit: bytes) -> tuple[bytes, ...]:
        """Return commits that a bundle says brought an audit in; perhaps not all, perhaps none that has."""
        return () if self._beside is None else self._beside.insertions(audit)

    def subjects(self, sha256: bytes) -> tuple[bytes, ...]:
        """Return keys of the audit tree that earlier walks here, or a bundle, say are about these bytes."""
        noted = self.store.noted(self.key, sha256)
        return noted if self._beside is None else (*noted, *self._beside.subjects(sha256))

    def mirror_heads(self) -> list[tuple[str, bytes | None, str]]:
        """Ask each mirror for its own head: (where, head, cause); head None and a cause if it gave none."""
        found: list[tuple[str, bytes | None, str]] = []
        for base in self._bases[1:]:
            where = without_login(base)
            try:
                raw = self._fetcher.get(f"{base}/log/head", max_bytes=_HEAD_MAX_BYTES, accept_zstd=False)
            except (UndecidedError, TooLargeError) as error:
                found.append((where, None, error.what.removeprefix(f"{where}/log/head: ")))
                continue
            good = raw is not None and len(raw) == HASH_BYTES
            found.append((where, raw, "") if good else (where, None, "it has no head of a log"))
        return found

    def fetched(self, kind: Kind, name: bytes) -> bytes:
        """As `raw`, without looking into the store first."""

        def check(raw: bytes, where: str) -> None:
            if object_name(raw) != name:
                raise LogInvalid("hash-mismatch", f"{where}: these bytes are not the {kind} of that name")

        if self._beside is not None and (raw := self._beside.get(kind, name)) is not None:
            check(raw, self._beside.place)
            self.store.put(kind, name, raw)
            return raw
        self.fetches += 1
        path = f"{kind}/{name.hex()}"
        try:
            found = self._ask(path, OBJECT_MAX_BYTES, accept_zstd=True, check=check)
        except UndecidedError as error:
            if self._beside is None:
                raise
            raise LogMissingError("object-missing", f"{self._beside.place} lacks {kind} {short(name)}") from error
        if found is None:
            raise LogMissingError("object-missing", f"{kind} {short(name)} is missing at {self._shown(path)}")
        self.store.put(kind, name, found[0])
        return found[0]

    def _ask(
        self, path: str, max_bytes: int, *, accept_zstd: bool, check: Callable[[bytes, str], None] | None = None
    ) -> tuple[bytes, str] | None:
        """Ask one host after the other; None if those in reach have nothing there.

        What `check` raises of one host's answer is raised only if no other host has a better one.
        """
        failed = dict(self._failed)  # other threads note their failures meanwhile
        asked = [base for base in self._bases if base not in failed] or self._bases
        causes = {base: cause for base, cause in failed.items() if base not in asked}
        answered = False
        wrong: LogInvalid | None = None
        for base in asked:
            url = f"{base}/log/{path}"
            try:
                raw = self._fetcher.get(url, max_bytes=max_bytes, accept_zstd=accept_zstd)
                if raw is not None and check is not None:
                    check(raw, without_login(url))
            except TooLargeError as error:
                wrong = wrong or LogInvalid("object-too-large", error.what)
                continue
            except LogInvalid as fault:
                wrong = wrong or fault
                continue
            except UndecidedError as error:
                causes[base] = self._failed[base] = error.what.removeprefix(f"{without_login(url)}: ")
                continue
            self._failed.pop(base, None)
            if raw is not None:
                return raw, without_login(url)
            answered = True
        if wrong is not None:
            raise wrong
        if not causes:
            return None
        told = [f"{without_login(base)}: {cause}" for base, cause in causes.items()]
        if answered:
            told.append(f"{self._shown(path)} is missing")
        raise UndecidedError("; ".join(told))

    def _shown(self, path: str) -> str:
        return without_login(f"{self.url}/log/{path}")
