"""The three answers to a request: our page, approved bytes or metadata, a refusal."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openvet_install.errors import InstallError
from openvet_install.gateway import Refusal, Released, replies
from openvet_install.gateway.addresses import AddressError, as_pip_asks, join, parse_target
from openvet_install.gateway.blobs import TooLargeError
from openvet_install.gateway.flights import Flights
from openvet_install.gateway.freshness import is_content
from openvet_install.gateway.listing import Listing
from openvet_install.gateway.pages import (
    HTML_TYPE,
    JSON_TYPE,
    PLAIN_HTML_TYPE,
    PageError,
    is_json,
    parse_page,
    read_listing,
    render_html,
    render_json,
)
from openvet_install.gateway.replies import Answer
from openvet_install.gateway.upstream import PAGE_ACCEPT, HostRefusedError, LoginError, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from openvet_install.files import File
    from openvet_install.gateway import Blob, Gatekeeper, PageStore
    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.gateway.grammar import Request
    from openvet_install.gateway.pages import Page
    from openvet_install.gateway.upstream import Reply, Upstream

MAX_MEMO = 128 << 20  # bytes of rendered pages kept for the run
MAX_ALIASES = 10_000  # redirected files remembered
METADATA = ".metadata"
INTEGRITY_TYPE = "application/vnd.pypi.integrity.v1+json"

_LATEST_JSON = "application/vnd.pypi.simple.latest+json"
_LATEST_HTML = "application/vnd.pypi.simple.latest+html"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Statuses that say something about our connection rather than about the file.
_NOT_THERE = frozenset({404, 410})
_TROUBLE = frozenset({407, 408, 421, 425, 429, 431})


@dataclass(slots=True)
class _Rendered:
    """A judged page and its forms, made when they are first asked for; `kept`: from the store."""

    page: Page
    kept: bool
    raw: bytes
    raw_type: str
    json: bytes | None = None
    html: bytes | None = None


class Answers:
    """Answers parsed requests; thread-safe. Never raises but for `Exception`s of a bug, which `faults` keeps.

    Once `closing` is set no page is judged any more: what was asked for ahead is of no use then.
    """

    def __init__(
        self,
        keeper: Gatekeeper,
        blobs: BlobStore,
        upstream: Upstream,
        pages: PageStore | None = None,
        *,
        keeps_raw: bool = False,
    ) -> None:
        """Answer what `keeper` lets through; `keeps_raw`: gates inside will ask, see `answer_gate`."""
        self._keeps_raw = keeps_raw
        self._store = pages
        self._keeper = keeper
        self._blobs = blobs
        self._upstream = upstream
        self._pages = Flights()
        self._files = Flights()
        self._lock = threading.Lock()
        self._advertised: set[str] = set()
        self._spelled: dict[str, str] = {}
        self._aliases: dict[str, File] = {}
        self._memo: dict[Hashable, int] = {}
        self.closing = False
        self.faults: list[BaseException] = []
        self.turned_away: dict[str, int] = {}

    def answer(self, request: Request, target: Target) -> Answer:
        """Return the answer to a GET or HEAD for a canonical URL."""
        return self._answered(target, lambda: self._page_or_file(request, target, self._page))

    def answer_gate(self, request: Request, target: Target) -> Answer:
        """Do the same for a gate inside this one: pages go out as they came, when they have been judged.

        Provenance documents go out, too: it verifies them itself.
        """
        if INTEGRITY_TYPE in (request.get("accept") or ""):
            return self._answered(target, lambda: self._document(request, target))
        return self._answered(target, lambda: self._page_or_file(request, target, self._raw_page))

    def _page_or_file(self, request: Request, target: Target, page: Callable[[Request, Target, str], Answer]) -> Answer:
        kind = page_type(request.get("accept"))
        return page(request, target, kind) if kind else self._file(request, target)

    def _answered(self, target: Target, work: Callable[[], Answer]) -> Answer:
        try:
            if not self._keeper.admits(target.scheme, target.at.host, target.at.port):
                return replies.refusal(_not_admitted(target))
            return work()
        except (UpstreamError, PageError, TooLargeError) as error:
            return self._trouble(target, str(error))
        except (LoginError, HostRefusedError) as error:
            self._trouble(target, error.what)
            return replies.refusal(Refusal(403, error.reason, f"{error.what}; {error.hint}"))
        except OSError as error:
            return self._trouble(target, f"cannot be kept on this machine: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a bug must not become a yes, nor kill the thread silently
            words = error.what if isinstance(error, InstallError) else f"internal error: {type(error).__name__}"
            return self._fault(error, words)

    def _fault(self, error: BaseException, words: str) -> Answer:
        with self._lock:
            if error not in self.faults:
                self.faults.append(error)
        return replies.refusal(Refusal(502, "openvet-install cannot decide", words))

    def _trouble(self, target: Target, what: str) -> Answer:
        try:
            if not self.closing:  # what nobody waits for any more is no trouble
                self._keeper.trouble(target.url, what)
        except Exception as error:  # noqa: BLE001 - as above
            self.faults.append(error)
        return replies.refusal(Refusal(502, "openvet-install: upstream trouble", what))

    # Pages

    def _page(self, request: Request, target: Target, kind: str) -> Answer:
        login = request.get("authorization")
        key = (target.url, login)
        result = self._judged_page(target, login, anew=not is_content(request))
        if isinstance(result, Answer):
            return result
        if kind == JSON_TYPE:
            body = result.json = result.json or render_json(result.page)
        else:
            body = result.html = result.html or render_html(result.page)
        self._remember(key, len(body) + len(result.raw))
        return replies.page(body, kind, request.get("if-none-match"))

    def _raw_page(self, request: Request, target: Target, _kind: str) -> Answer:
        result = self._judged_page(target, request.get("authorization"), anew=True)
        return result if isinstance(result, Answer) else replies.page(result.raw, result.raw_type, None)

    def _document(self, request: Request, target: Target) -> Answer:
        login, accept = request.get("authorization"), request.get("accept") or ""
        with self._upstream.get(target, accept=accept, packed=True, login=login) as reply:
            return replies.metadata(reply.body()) if reply.status == 200 else self._passed_on(reply, target, None)

    def _fetch_page(self, target: Target, login: str | None, *, anew: bool) -> _Rendered | Answer:
        no = self._keeper.refuse(target.url, self._keeper.expected(target.url))
        if no is not None:  # a host that gives files only has no pages for anybody
            return replies.refusal(no)
        store = self._store if login is None else None  # what is behind a login stays there
        kept = store.find(target.url) if store is not None and not anew else None
        lasts = 0
        if kept is not None:
            body, content_type = kept
        else:
            with self._upstream.get(target, accept=PAGE_ACCEPT, packed=True, login=login) as reply:
                if reply.status != 200:
                    return self._passed_on(reply, target, None)
                body, content_type, lasts = reply.body(), reply.content_type, reply.lasts
        if self.closing:
            raise UpstreamError("the gateway is closing")
        url = target.url
        index = url.partition("?")[0].rstrip("/").rpartition("/")[0]
        listing = _listing(store, body, url) if store is not None and is_json(content_type) else None
        read = parse_page(body, content_type, url, index=index, wanted=self._keeper.wanted, listing=listing)
        page = self._keeper.page(read, login)
        if store is not None and lasts:
            store.put(url, body, content_type, lasts)
        with self._lock:
            self._spelled.update(
                (asked, file.url) for file in page.files if (asked := as_pip_asks(file.url)) != file.url
            )
            if page.advertise:
                self._advertised.update(file.url for file in page.files if file.is_wheel)
        return _Rendered(page, kept is not None, body if self._keeps_raw else b"", content_type)

    def _remember(self, key: Hashable, size: int) -> None:
        """Keep rendered pages within `MAX_MEMO`; the oldest go first."""
        with self._lock:
            self._memo[key] = max(size, self._memo.get(key, 0))
            while sum(self._memo.values()) > MAX_MEMO and len(self._memo) > 1:
                oldest = next(iter(self._memo))
                del self._memo[oldest]
                self._pages.forget(oldest)

    def prefetch(self, url: str) -> None:
        """Get and judge a page before the child asks for it; whoever asks meanwhile waits for the same answer."""
        target = parse_target(url)
        if self._keeper.admits(target.scheme, target.at.host, target.at.port):
            with suppress(Exception):  # the child will ask, and is told then
                self._judged_page(target, None, anew=self._store is None or not self._store.ahead)

    def _judged_page(self, target: Target, login: str | None, *, anew: bool) -> _Rendered | Answer:
        """Return a page that was judged in this run; where it is asked for `anew`, as the index says it in this run."""

        def good(value: _Rendered | Answer) -> bool:
            return isinstance(value, _Rendered) and not (anew and value.kept)

        def once() -> _Rendered | Answer:
            return self._pages.once((target.url, login), lambda: self._fetch_page(target, login, anew=anew), keep=good)

        result = once()
        # who waited for a page that came from the store has to ask again
        return once() if isinstance(result, _Rendered) and not good(result) else result

    # Files

    def _file(self, request: Request, target: Target) -> Answer:
        wheel = self._wheel_of_metadata(target)
        if target.url in self._spelled and self._keeper.expected(target.url) is None:
            target = parse_target(self._spelled[target.url])
        source = parse_target(self._keeper.metadata_of(wheel.url)) if wheel is not None else target
        if wheel is not None and (metadata := self._keeper.remembered(source.url)) is not None:
            return replies.metadata(metadata)
        # a login is for the host that it was sent to
        result = self._judged(source, request.get("authorization") if source.origin == target.origin else None)
        if isinstance(result, Answer):
            return result if wheel is None else _of_metadata(result)
        if wheel is not None:
            if result.metadata is None:
                return replies.refusal(Refusal(404, "no metadata", "this file has no metadata"))
            return replies.metadata(result.metadata)
        if result.only_metadata is not None:
            self._keeper.kept(target.url)
            return replies.refusal(result.only_metadata)
        if request.method == "GET" and request.get("range") is None:
            self._keeper.sent(target.url)
        return replies.file(
            result.blob,
            byte_range=request.get("range"),
            if_range=request.get("if-range"),
            if_none_match=request.get("if-none-match"),
        )

    def _judged(self, target: Target, login: str | None) -> Released | Answer:
        """Return a file that was released in this run, fetching and judging it if need be, or what to say instead."""
        key = (target.url, login)

        def once() -> Released | Refusal | Answer:
            return self._files.once(
                key, lambda: self._fetch_file(target, login), keep=lambda value: not isinstance(value, Answer)
            )

        result = once()
        if isinstance(result, Released) and not self._blobs.intact(result.blob):
            # The copy was changed on disk after it was released: get and judge it again.
            self._files.forget(key)
            result = once()
        return replies.refusal(result) if isinstance(result, Refusal) else result

    def _wheel_of_metadata(self, target: Target) -> Target | None:
        """Return the wheel whose metadata this URL is, if a page of this run advertised it (PEP 658)."""
        path, mark, query = target.path.partition("?")
        for candidate in (path.removesuffix(METADATA) + mark + query, target.path.removesuffix(METADATA)):
            url = target.origin + candidate
            url = self._spelled.get(url, url)
            if candidate != target.path and url in self._advertised:
                return parse_target(url)
        return None

    def _fetch_file(self, target: Target, login: str | None) -> Released | Refusal | Answer:
        url, keeper = target.url, self._keeper
        file = keeper.expected(url) or self._aliases.get(url)
        no = keeper.refuse(url, file)
        if no is not None:
            return no
        blob: Blob | None = self._blobs.find(file.sha256) if file is not None and file.sha256 else None
        if blob is None:
            with self._upstream.get(target, accept="*/*", packed=False, login=login) as reply:
                if reply.status != 200:
                    return self._passed_on(reply, target, file)
                blob = self._blobs.add(reply.chunks())
        return keeper.release(url, file, blob)

    # What upstream says without a body

    def _passed_on(self, reply: Reply, target: Target, file: File | None) -> Answer:
        """Return upstream's status with a body of ours; raises `UpstreamError` for trouble."""
        status = reply.status
        if status in _REDIRECTS:
            return self._redirect(reply, target, file)
        if status == 401:
            words = Refusal(401, "Unauthorized", f"{target.origin} asks for a login")
            headers = tuple(("WWW-Authenticate", value) for value in reply.challenges[:8])
            answer = replies.refusal(words)
            return Answer(status=401, reason=answer.reason, headers=answer.headers + headers, body=answer.body)
        if 400 <= status < 500 and status not in _TROUBLE:
            if file is None and status not in _NOT_THERE:
                self.turned_away[target.origin] = status
            words = Refusal(status, f"upstream says {status}", f"{target.origin} answered with the status {status}")
            return replies.refusal(words)
        raise UpstreamError(f"{target.origin} answered with the status {status}")

    def _redirect(self, reply: Reply, target: Target, file: File | None) -> Answer:
        try:
            there = parse_target(join(target.url, reply.location or ""))
        except AddressError as error:
            raise UpstreamError(f"{target.origin} redirects to something that is not http or https") from error
        if target.scheme == "https" and there.scheme == "http":
            raise UpstreamError(f"{target.origin} redirects from https to http")
        if not self._keeper.admits(there.scheme, there.at.host, there.at.port) and (
            file is None or not self._keeper.follows(target.url, there.url)
        ):
            if file is None:  # pip does not tell why it got no page
                meant = "name it as one if its packages are meant"
                self._trouble(
                    target, f"{target.origin} leads to {there.origin}, which is no index of this run: {meant}"
                )
            return replies.refusal(_not_admitted(there))
        if file is not None and len(self._aliases) < MAX_ALIASES:
            self._aliases[there.url] = file
        with self._lock:
            if target.url in self._advertised:
                self._advertised.add(there.url)
        headers = (("Location", there.url), ("Cache-Control", "no-cache"))
        return Answer(status=reply.status, reason="Redirect", headers=headers)


def page_type(accept: str | None) -> str | None:
    """Return the type of page to answer with, None if `Accept` names no simple-page type (PEP 691)."""
    named: dict[str, float] = {}
    for part in (accept or "").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((_quality(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        named[media] = quality
    for media, answer in (
        (JSON_TYPE, JSON_TYPE),
        (_LATEST_JSON, JSON_TYPE),
        (HTML_TYPE, HTML_TYPE),
        (_LATEST_HTML, HTML_TYPE),
        (PLAIN_HTML_TYPE, PLAIN_HTML_TYPE),
    ):
        if named.get(media, 0.0) > 0:
            return answer
    return None


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _of_metadata(answer: Answer) -> Answer:
    """Let a redirect of a wheel lead to its metadata there; every other answer is as it is."""
    headers = []
    for name, value in answer.headers:
        path, mark, query = value.partition("?")
        headers.append((name, path + METADATA + mark + query if name == "Location" else value))
    return answer._replace(headers=tuple(headers))


def _not_admitted(target: Target) -> Refusal:
    return Refusal(
        403,
        f"host not admitted: {target.at.netloc}",
        f"{target.origin} is no index of this run, and no page or lock of it names the host",
    )


def _listing(store: PageStore, body: bytes, url: str) -> Listing:
    """Return what a JSON page lists, not read again if the same bytes came before. Raises `PageError`."""
    digest = hashlib.sha256(body).hexdigest()
    raw = store.listing(digest)
    if raw is not None:
        return Listing.unpacked(raw)
    listing = read_listing(body, url)
    store.keep_listing(digest, listing.packed())
    return listing
