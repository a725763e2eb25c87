"""The anchors of an HTML index page (PEP 503): a fast reader for tidy pages, html.parser for the rest; pure."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from openvet_install.errors import InvalidError

MAX_BASE = 4096  # characters of a base URL

# Anything that could hide an anchor, or show one that a browser would not see, goes to html.parser.
_ODD = re.compile(
    r"<(?:[!?](?!doctype)|script|style|textarea|template|plaintext|xmp|noscript|iframe|svg|math)", re.IGNORECASE
)
_ANY_ANCHOR = re.compile(r"<a[\s/>]", re.IGNORECASE)
_ANCHOR = re.compile(r"<a\s+([^<>]*)>")
_ATTRIBUTES = re.compile(r"""(?:[a-z][a-z0-9-]*(?:="[^"]*"|(?=[\s>]|$))(?:\s+|$))*""")
_ATTRIBUTE = re.compile(r"""([a-z][a-z0-9-]*)(?:="([^"]*)")?""")
_HEAD = re.compile(r"<(?:base|meta)[\s/>]", re.IGNORECASE)

Anchor = dict[str, str]


class HtmlError(InvalidError):
    """HTML that cannot be read as an index page."""


def anchors(text: str) -> tuple[str | None, str | None, list[Anchor]]:
    """Return (base href, repository version, the attributes of each `<a>`), unescaped, of a page.

    An attribute without a value is the empty string. Raises `HtmlError`.
    """
    if not _ODD.search(text):
        found = _tidy(text)
        if found is not None:
            # A page without <base> and <meta> is not worth a second look.
            if not _HEAD.search(text):
                return None, None, found
            first = text.lower().find("<a")
            reader = _Reader()
            reader.feed(text if _HEAD.search(text, max(first, 0)) else text[:first])
            return reader.base, reader.version, found
    reader = _Reader()
    try:
        reader.feed(text)
        reader.close()
    except (AssertionError, ValueError) as error:
        raise HtmlError(f"the page is not HTML: {error}") from error
    return reader.base, reader.version, reader.anchors


def _tidy(text: str) -> list[Anchor] | None:
    """Read anchors that are spelled plainly; None if a single one is not."""
    found: list[Anchor] = []
    seen = 0
    for match in _ANCHOR.finditer(text):
        seen += 1
        raw = match[1]
        if _ATTRIBUTES.fullmatch(raw) is None:
            return None
        anchor: Anchor = {}
        for name, value in _ATTRIBUTE.findall(raw):
            if name in anchor:
                return None
            anchor[name] = unescape(value) if "&" in value else value
        found.append(anchor)
    return found if seen == len(_ANY_ANCHOR.findall(text)) else None


class _Reader(HTMLParser):
    """Collects what an installer would: anchors, the first base, the repository version."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.version: str | None = None
        self.anchors: list[Anchor] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: Anchor = {}
        for name, value in attrs:
            values.setdefault(name, value or "")
        if tag == "a":
            self.anchors.append(values)
        elif tag == "base" and self.base is None:
            self.base = values.get("href", "")[:MAX_BASE] or None
        elif tag == "meta" and values.get("name") == "pypi:repository-version":
            self.version = values.get("content")
