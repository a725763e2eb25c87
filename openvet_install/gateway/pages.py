"""Index pages <-> `File` values (PEP 503, 592, 658, 691, 700, 714); pure.

A page is never passed on: it is parsed into values, and what is kept is rendered anew. Only links with
an http(s) URL and the file name of a wheel or sdist survive.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from openvet_install.errors import InvalidError
from openvet_install.files import File, FilenameError, parse_filename
from openvet_install.gateway.addresses import AddressError, join
from openvet_install.gateway.listing import Listing
from openvet_install.gateway.unread import Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator
    from typing import TypeAlias

    Wanted: TypeAlias = Callable[[str], Container[str] | None]

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML_TYPE = "text/html"

MAX_FILES = 100_000  # links of one page
MAX_FILENAME = 512  # characters
MAX_TEXT = 1000  # characters of a requires-python or yank reason
MAX_SIZE = 1 << 50  # bytes that a page may claim
_ENOUGH = 20  # entries that tell a project's page from a list of links

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_FRAGMENT_SHA256 = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]{64})(?:&|$)", re.ASCII)
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252"})
_PROJECT = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)


class PageError(InvalidError):
    """An answer that is not an index page we can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One index page: what its source lists, or what is left of it.

    `url` is where it came from, `index` the URL of the index it belongs to, both canonical. `project` is
    the normalised name, None for a flat list of links. `advertise` says whether wheels are rendered with
    `core-metadata`, to be answered from the opened wheel. `unread` are entries that were left out because
    their sha256 was not wanted (`parse_page`).
    """

    url: str
    index: str
    project: str | None
    files: tuple[File, ...]
    advertise: bool = True
    unread: Unread | None = None


def is_json(content_type: str) -> bool:
    """Tell whether a page is JSON by its Content-Type."""
    return _media(content_type) == JSON_TYPE


def parse_page(
    body: bytes,
    content_type: str,
    url: str,
    *,
    index: str,
    wanted: Wanted | None = None,
    listing: Listing | None = None,
) -> Page:
    """Read a page by its Content-Type: JSON (PEP 691) or HTML (PEP 503); raises `PageError`.

    Dropped are links that are not http(s), names that `parse_filename` refuses or whose project is not
    the page's, and JSON entries whose `filename` is not the end of their URL. Of several entries with one
    URL the first counts. Nothing of a URL survives beyond its canonical form. `wanted` maps a project to
    the sha256 (lower-case hex) worth reading, None for all: entries that state another one stay unread, which
    makes large pages about three times as fast; entries without a sha256 are always read. `listing`: what
    `read_listing` made of a JSON page of the same bytes.
    """
    media = _media(content_type)
    if media == JSON_TYPE:
        return _of_listing(listing or read_listing(body, url), url, index, wanted)
    if media in (HTML_TYPE, PLAIN_HTML_TYPE):
        return _parse_html(_decode(body, content_type.partition(";")[2]), url, index, wanted)
    raise PageError(f"not an index page: {url} has the content type `{media[:80]!a}`")


def render_json(page: Page) -> bytes:
    """Return the page as PEP 691 JSON, API version 1.1 (1.0 when a size is not known); ASCII only."""
    sized = all(file.size is not None for file in page.files)
    files = [_entry(file, advertise=page.advertise) for file in page.files]
    value: dict[str, object] = {"meta": {"api-version": "1.1" if sized else "1.0"}, "name": page.project or ""}
    if sized:
        value["versions"] = list(dict.fromkeys(file.version for file in page.files))
    value["files"] = files
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def render_html(page: Page) -> bytes:
    """Return the page as PEP 503 HTML, repository version 1.0; ASCII only."""
    lines = [
        "<!DOCTYPE html>",
        '<html><head><meta name="pypi:repository-version" content="1.0"></head><body>',
        *(_anchor(file, advertise=page.advertise) for file in page.files),
        "</body></html>",
        "",
    ]
    return "\n".join(lines).encode("ascii", "xmlcharrefreplace")


def _entry(file: File, *, advertise: bool) -> dict[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": file.url,
        "hashes": {"sha256": file.sha256} if file.sha256 else {},
        "yanked": file.yanked,
    }
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.size is not None:
        entry["size"] = file.size
    if file.uploaded is not None:
        entry["upload-time"] = _time_text(file.uploaded)
    if advertise and file.filename.endswith(".whl"):
        entry["core-metadata"] = True
    return entry


def _anchor(file: File, *, advertise: bool) -> str:
    fragment = f"#sha256={file.sha256}" if file.sha256 else ""
    attributes = [f'href="{escape(file.url)}{fragment}"']
    if file.requires_python is not None:
        attributes.append(f'data-requires-python="{escape(file.requires_python)}"')
    if file.yanked is not False:
        attributes.append(f'data-yanked="{escape(file.yanked) if isinstance(file.yanked, str) else ""}"')
    if file.uploaded is not None:
        attributes.append(f'data-upload-time="{_time_text(file.uploaded)}"')
    if advertise and file.filename.endswith(".whl"):
        attributes.append('data-core-metadata="true"')
    return f"<a {' '.join(attributes)}>{escape(file.filename)}</a><br>"


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def read_listing(body: bytes, url: str) -> Listing:
    """Read a JSON page (PEP 691) for what it lists, whatever anybody wants of it. Raises `PageError`."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PageError(f"the page {url} is not JSON that can be read ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise PageError(f"the page {url} is not a JSON object")
    meta, name, files = value.get("meta"), value.get("name"), value.get("files")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    _check_version(version if isinstance(version, str) else "", url)
    if not isinstance(name, str) or not isinstance(files, list):
        raise PageError(f"the page {url} has no `name` or no list of `files`")
    project = canonicalize_name(name)
    if not _PROJECT.fullmatch(project):
        raise PageError(f"the page {url} is for a project with no possible name")
    try:
        return Listing.of(project, files)
    except ValueError as error:
        raise PageError(f"the page {url} is not JSON that can be read ({error})") from error


def _of_listing(listing: Listing, url: str, index: str, wanted: Wanted | None) -> Page:
    project = listing.project
    kept, left, count = listing.split(wanted(project) if wanted else None)

    def read(entries: list[Any]) -> tuple[File, ...]:
        return _collect(_json_files(entries, url, index, project), url)

    unread = Unread(left, count, read) if left else None
    return Page(url=url, index=index, project=project, files=read(kept), unread=unread)


def _json_files(entries: list[Any], url: str, index: str, project: str) -> Iterator[File]:
    names = _names()
    for entry in entries:
        if type(entry) is not dict:
            continue
        link, filename = entry.get("url"), entry.get("filename")
        if type(link) is not str or type(filename) is not str:
            continue
        named = names(filename)
        if named is None or named[0] != project:
            continue
        try:
            link = join(url, link)
        except AddressError:
            continue
        if ("?" in link or not link.endswith("/" + filename)) and _tail(link) != filename:
            continue
        hashes, size = entry.get("hashes"), entry.get("size")
        sha256 = hashes.get("sha256") if type(hashes) is dict else None
        requires = entry.get("requires-python") or None
        if requires is not None and not _is_text(requires):
            continue
        provenance = entry.get("provenance")
        yield File(
            name=project,
            version=named[1],
            filename=filename,
            url=link,
            index=index,
            sha256=sha256.lower() if type(sha256) is str and _SHA256.fullmatch(sha256) else None,
            size=size if type(size) is int and 0 <= size <= MAX_SIZE else None,
            uploaded=_time(entry.get("upload-time")),
            yanked=_yanked(entry.get("yanked") or False),
            requires_python=requires,
            provenance=_provenance(url, provenance) if provenance else None,
        )


def _parse_html(text: str, url: str, index: str, wanted: Wanted | None) -> Page:
    from openvet_install.gateway.anchors import HtmlError, anchors  # noqa: PLC0415 - most pages are JSON

    try:
        base, version, found = anchors(text)
    except HtmlError as error:
        raise PageError(f"the page {url} cannot be read: {error}") from error
    _check_version(version or "1.0", url)
    try:
        here = join(url, base) if base else url
    except AddressError as error:
        raise PageError(f"the page {url} has a base that is not http or https") from error
    segment = canonicalize_name(unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]))
    hashes = wanted(segment) if wanted and _PROJECT.fullmatch(segment) else None
    kept, left = _unwanted_anchors(found, hashes)
    files = _collect(_html_files(kept, here, index), url)

    def read(entries: list[Any]) -> tuple[File, ...]:
        return tuple(file for file in _collect(_html_files(entries, here, index), url) if file.name == segment)

    if any(file.name == segment for file in files) or read([entry for _, entry in left[:_ENOUGH]]):
        files = tuple(file for file in files if file.name == segment)
        return Page(url=url, index=index, project=segment, files=files, unread=Unread.of(left, read) if left else None)
    flat = _collect(_html_files(found, here, index), url)
    project = segment if not flat and _PROJECT.fullmatch(segment) else None
    return Page(url=url, index=index, project=project, files=flat)


def _unwanted_anchors(
    found: list[dict[str, str]], wanted: Container[str] | None
) -> tuple[list[dict[str, str]], list[tuple[str, dict[str, str]]]]:
    """Split anchors: those to read, and (file name, anchor) of those that state a sha256 nobody wants."""
    if wanted is None:
        return found, []
    kept: list[dict[str, str]] = []
    left: list[tuple[str, dict[str, str]]] = []
    for anchor in found:
        link, _, fragment = anchor.get("href", "").strip().partition("#")
        digest = _FRAGMENT_SHA256.search(fragment)
        if digest is None or digest[1].lower() in wanted:
            kept.append(anchor)
        else:
            left.append((_tail(link), anchor))
    return kept, left


def _html_files(found: list[dict[str, str]], base: str, index: str) -> Iterator[File]:
    names = _names()
    for anchor in found:
        href = anchor.get("href", "").strip()
        link, _, fragment = href.partition("#")
        digest = _FRAGMENT_SHA256.search(fragment)
        sha256 = digest[1].lower() if digest else None
        requires = anchor.get("data-requires-python") or None
        if not link or (requires is not None and not _is_text(requires)):
            continue
        try:
            link = join(base, link)
        except AddressError:
            continue
        filename = _tail(link)
        named = names(filename)
        if named is None:
            continue
        yanked = anchor.get("data-yanked")
        provenance = anchor.get("data-provenance")
        yield File(
            name=named[0],
            version=named[1],
            filename=filename,
            url=link,
            index=index,
            sha256=sha256,
            uploaded=_time(anchor.get("data-upload-time")),
            yanked=False if yanked is None else _yanked(yanked or True),
            requires_python=requires,
            provenance=_provenance(base, provenance) if provenance else None,
        )


def _collect(files: Iterable[File], url: str) -> tuple[File, ...]:
    """Keep the first file of each URL; raises `PageError` above `MAX_FILES`."""
    kept: dict[str, File] = {}
    for file in files:
        kept.setdefault(file.url, file)
        if len(kept) > MAX_FILES:
            raise PageError(f"the page {url} lists more than {MAX_FILES} files")
    return tuple(kept.values())


def _names() -> Callable[[str], tuple[str, str] | None]:
    """Return `parse_filename` without the tags, None for an error, remembering parts between calls.

    A page repeats few names, versions and tags thousands of times. The parts of a name are valid on their
    own, so a wheel's name made of parts of good wheels is good, and the same holds for sdists.
    """
    wheels: tuple[dict[str, str], dict[str, str], set[str]] = ({}, {}, set())
    sdists: tuple[dict[str, str], dict[str, str], set[str]] = ({}, {}, set())

    def read(filename: str) -> tuple[str, str] | None:
        if filename.endswith(".whl"):
            projects, versions, endings = wheels
            name, _, rest = filename.partition("-")
            version, _, ending = rest.partition("-")
        else:
            projects, versions, endings = sdists
            stem = filename[:-7] if filename.endswith(".tar.gz") else filename[:-4]
            name, _, version = stem.rpartition("-")
            ending = filename[len(stem) :]
        if ending in endings and version in versions and name in projects:
            return projects[name], versions[version]
        if len(filename) > MAX_FILENAME or not filename.isprintable() or "/" in filename or "\\" in filename:
            return None
        try:
            project, normal, _ = parse_filename(filename)
        except FilenameError:
            return None
        projects[name], versions[version] = project, normal
        endings.add(ending)
        return project, normal

    return read


def _tail(url: str) -> str:
    """Return the file name of a canonical URL."""
    if "?" in url:
        url = url.partition("?")[0]
    tail = url.rpartition("/")[2]
    return unquote(tail) if "%" in tail else tail


def _time(value: object) -> datetime | None:
    """Read an upload time with its zone, as UTC; None when it is missing or unreadable."""
    if type(value) is not str or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith(("Z", "z")) else value)
        if when.tzinfo is timezone.utc or when.tzinfo is None:
            return when if when.tzinfo else None
        return when.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _time_text(when: datetime) -> str:
    return when.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= MAX_TEXT and value.isprintable()


def _yanked(value: object) -> str | bool:
    """Return the yank as PEP 592 has it; a reason is cut and loses its control characters."""
    if type(value) is not str:
        return bool(value)
    return "".join(one if one.isprintable() else "\ufffd" for one in value[:MAX_TEXT]) or True


def _provenance(base: str, value: object) -> str | None:
    if type(value) is not str:
        return None
    try:
        return join(base, value)
    except AddressError:
        return None


def _decode(body: bytes, parameters: str) -> str:
    match = re.search(r"""charset\s*=\s*["']?([^"'\s;]+)""", parameters, re.IGNORECASE)
    charset = match[1].lower() if match else ""
    if charset not in _CHARSETS or b"\0" in body[:1024] or body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PageError(f"the page is in the character set `{charset[:40]!a}`, not in UTF-8")
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def _check_version(version: str, url: str) -> None:
    """Take API version 1.x only (PEP 629)."""
    if not re.fullmatch(r"1\.\d+", version, re.ASCII):
        raise PageError(f"the page {url} has the API version `{version[:20]!a}`, not 1.x")


def _no_constant(name: str) -> object:
    raise ValueError(name)
