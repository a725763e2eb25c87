"""How answers look on the wire: status line, headers, ranges, problem+json; pure."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openvet_install.gateway import Blob, Refusal

MAX_REASON = 200  # characters
MAX_DETAIL = 4000  # characters
MAX_VALUE = 2000  # characters of a header that upstream wrote

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_PHRASES = {
    200: "OK",
    206: "Partial Content",
    304: "Not Modified",
    404: "Not Found",
    407: "Proxy Authentication Required",
    416: "Range Not Satisfiable",
}


class Answer(NamedTuple):
    """One answer to the child; the body is `body`, or `length` bytes of `blob` from `start`."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    blob: Blob | None = None
    start: int = 0
    length: int = 0
    close: bool = False

    def head(self, *, close: bool) -> bytes:
        """Return the status line and all headers; header values lose whatever is not visible ASCII."""
        size = self.length if self.blob is not None else len(self.body)
        lines = [f"HTTP/1.1 {self.status} {visible(self.reason or _PHRASES.get(self.status, ''), MAX_REASON)}"]
        lines += [f"{name}: {visible(value, MAX_VALUE)}" for name, value in self.headers]
        if self.status != 304:
            lines.append(f"Content-Length: {size}")
        lines.append(f"Connection: {'close' if close or self.close else 'keep-alive'}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def visible(text: str, limit: int) -> str:
    """Return text as one line of visible ASCII and blanks, at most `limit` characters."""
    return "".join(one if " " <= one <= "~" else "?" for one in text[:limit])


def refusal(no: Refusal, *, close: bool = False) -> Answer:
    """Return a refusal as problem+json (RFC 9457).

    The body is one ASCII object that starts with a name Python does not know and that is no requirement, so
    a program that takes the answer for a script or a list of requirements stops.
    """
    value = {
        "openvet": True,
        "type": "about:blank",
        "title": visible(no.reason, MAX_REASON),
        "status": no.status,
        "detail": no.detail[:MAX_DETAIL],
    }
    return Answer(
        status=no.status,
        reason=no.reason,
        headers=(("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")),
        body=json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n",
        close=close,
    )


def page(body: bytes, content_type: str, if_none_match: str | None) -> Answer:
    """Return a rendered page with an ETag of its own, or 304 if the child has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = (("Content-Type", content_type), ("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept"))
    if _matches(if_none_match, tag):
        return Answer(status=304, headers=headers[1:])
    return Answer(status=200, headers=headers, body=body)


def metadata(body: bytes) -> Answer:
    """Return the METADATA of an opened wheel."""
    headers = (("Content-Type", "application/octet-stream"), ("Cache-Control", "no-cache"))
    return Answer(status=200, headers=headers, body=body)


def file(blob: Blob, *, byte_range: str | None, if_range: str | None, if_none_match: str | None) -> Answer:
    """Return a file, one range of it, 304 or 416 (RFC 9110, section 14); several ranges give the whole file."""
    tag = f'"{blob.sha256}"'
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("ETag", tag),
        ("Cache-Control", "no-cache"),
        ("Accept-Ranges", "bytes"),
    )
    if _matches(if_none_match, tag):
        return Answer(status=304, headers=headers[1:])
    match = _RANGE.fullmatch(byte_range.strip()) if byte_range and if_range in (None, tag) else None
    if match is None or not (match[1] or match[2]):
        return Answer(status=200, headers=headers, blob=blob, length=blob.size)
    if match[1]:
        start, stop = int(match[1]), min(int(match[2] or blob.size), blob.size - 1)
        if match[2] and int(match[2]) < start:
            return Answer(status=200, headers=headers, blob=blob, length=blob.size)
    else:
        start, stop = max(blob.size - int(match[2]), 0), blob.size - 1
    if start > stop:
        return Answer(status=416, headers=(*headers, ("Content-Range", f"bytes */{blob.size}")))
    span = ("Content-Range", f"bytes {start}-{stop}/{blob.size}")
    return Answer(status=206, headers=(*headers, span), blob=blob, start=start, length=stop - start + 1)


def _matches(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    tags = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return tag in tags or "*" in tags
