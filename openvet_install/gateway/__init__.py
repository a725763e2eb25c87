"""The gateway: a TLS-terminating forward proxy on loopback between pip or uv and package indexes.

Map, in the order a request walks it::

    server.py     Gateway: listener, one thread per connection, CONNECT, TLS, token; ends cleanly
    grammar.py    one request head, strictly (pure)
    addresses.py  canonical hosts, authorities and URLs; which addresses may be connected to (pure)
    authority.py  the run's certificate authority, key in memory only
    answers.py    the three answers: our page, approved bytes or metadata, a refusal; flights.py: each is made once
    inner.py      what a gate inside this one gets: raw pages, and objects of logs
    replies.py    how an answer looks on the wire: headers, ranges, problem+json (pure)
    upstream.py   the outward side: pools, time-outs, caps, retries; freshness.py says how long a page holds (pure)
    outside.py    the user's own trust store, client certificate and corporate proxy
    connections.py  sockets that connect to the address that was checked
    blobs.py      whole files by sha256, re-hashed at each release
    pages.py      index pages <-> `File` values (pure); anchors.py reads PEP 503 for it, listing.py packs PEP 691,
                  unread.py keeps what nothing could show

The rest of the package meets it through `Gatekeeper`, below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from openvet_install.files import File
    from openvet_install.gateway.pages import Page


class Blob(NamedTuple):
    """A whole local copy: `sha256` (lower-case hex) was computed over these bytes, `size` is in bytes."""

    path: Path
    sha256: str
    size: int


class Refusal(NamedTuple):
    """What the child is told instead of bytes.

    `status` is an HTTP status from 400 to 599, never 401 or 407. `reason` becomes the reason phrase and
    `detail` the explanation in a problem+json body (RFC 9457); both may hold any text.
    """

    status: int
    reason: str
    detail: str


class Released(NamedTuple):
    """A file that may go to the child.

    `metadata` is METADATA of the opened wheel and answers `.metadata` requests; None answers 404. With
    `only_metadata` the bytes themselves stay here and are answered with that refusal.
    """

    blob: Blob
    metadata: bytes | None = None
    only_metadata: Refusal | None = None


class PageStore(Protocol):
    """Pages of indexes as they came, for as long as the index itself said; called from many threads, never raises.

    `ahead`: the tool is expected to be content with them (`freshness.is_content`), so what is got ahead may be one.
    """

    ahead: bool

    def find(self, url: str) -> tuple[bytes, str] | None:
        """Return body and Content-Type of a page that still holds, None if there is none."""

    def put(self, url: str, body: bytes, content_type: str, seconds: int) -> None:
        """Keep a page that holds for so long from now."""

    def listing(self, digest: str) -> bytes | None:
        """Return what was made of a JSON page whose bytes have this sha256 (`listing.Listing.packed`)."""

    def keep_listing(self, digest: str, raw: bytes) -> None:
        """Keep that."""


class Gatekeeper(Protocol):
    """Decides for the gateway; called from many threads at once.

    An `InstallError` raised by any of these is answered with 502 and kept in `Gateway.faults`; so is any
    other exception. URLs are in the canonical form of `addresses.canonical_url`, without fragment and login.
    """

    def admits(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether the gateway may ask this host at all; `host` is canonical, IPv6 without brackets."""

    def private(self, host: str) -> bool:
        """Tell whether this admitted host may live at a loopback or private address."""

    def wanted(self, project: str) -> Container[str] | None:
        """Return the sha256 (lower-case hex) that could be shown of a project, or None to see every file.

        Only to make large pages quick: `page` still decides, and may read on in `Page.unread`.
        """

    def page(self, page: Page, login: str | None = None) -> Page:
        """Reduce a page to what may be seen; called once per page and login in a run.

        `login` is what the child sent for it as `Authorization`; it may be used for the page's own origin only.
        """

    def expected(self, url: str) -> File | None:
        """Return what a page or lock said of this URL; None if it was never listed."""

    def follows(self, url: str, there: str) -> bool:
        """Tell whether a file that was not refused may come from `there`, where its `url` redirects to.

        From then on `there` is admitted, and nothing else at that place.
        """

    def refuse(self, url: str, file: File | None) -> Refusal | None:
        """Return a no that is known before any download, or None; of pages, too."""

    def release(self, url: str, file: File | None, blob: Blob) -> Released | Refusal:
        """Open and judge a whole local copy; called once per URL and login in a run unless it failed.

        `blob.sha256` is what came; whether it may differ from `file.sha256` is decided here.
        """

    def metadata_of(self, url: str) -> str:
        """Return the URL of the wheel whose METADATA answers for this one: itself, or another of its release."""

    def remembered(self, url: str) -> bytes | None:
        """Return the METADATA of a wheel that need not be got for it: its bytes were verified before."""

    def sent(self, url: str) -> None:
        """Note that the whole body of a released file goes out now."""

    def kept(self, url: str) -> None:
        """Note that somebody asked for the bytes of a file of which only the metadata may go out."""

    def trouble(self, url: str, what: str) -> None:
        """Note that upstream was out of reach, or answered with something that is not a page or file."""
