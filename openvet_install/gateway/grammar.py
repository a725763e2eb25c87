"""One request head, read strictly (RFC 9112); pure.

Whatever two parsers could cut differently is an error: bare CR or LF, folded lines, a second `Host`, bodies.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from openvet_install.errors import InvalidError

MAX_HEAD = 32 * 1024  # bytes of a request line with its headers
MAX_HEADERS = 100  # header lines

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_FOLDED = re.compile(rb"\r\n[ \t]")
_LINE = re.compile(rb"[A-Z]{1,20} [\x21-\x7e]+ HTTP/1\.[01]\r\n")
# A second one of these would be read differently by different programs.
_ONCE = frozenset(
    {"host", "authorization", "proxy-authorization", "range", "if-range", "if-none-match", "content-length"}
)
# A request that has one of these wants something other than a GET or HEAD.
_NEVER = ("transfer-encoding", "upgrade", "expect", "trailer")


class GrammarError(InvalidError):
    """A request that is answered with `status` and a closed connection."""

    def __init__(self, what: str, status: int = 400) -> None:
        """Keep the status: 400, or 431 for too much of something."""
        super().__init__(what)
        self.status = status


class Request(NamedTuple):
    """A parsed head: `target` as it stood in the request line, `headers` with lower-case names."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """Return a header's value, several joined by a comma as RFC 9110 allows; None if it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    @property
    def keeps_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        tokens = {token.strip().lower() for token in (self.get("connection") or "").split(",")}
        return self.version == "1.1" and "close" not in tokens


def complete(received: bytes | bytearray) -> int:
    """Return the length of the head at the start of `received`, 0 while it is not whole.

    Raises `GrammarError` as soon as it is clear that there will be none.
    """
    end = received.find(b"\r\n\r\n")
    length = end + 4 if end >= 0 else 0
    if (length or len(received)) > MAX_HEAD:
        raise GrammarError(f"the request head has more than {MAX_HEAD} bytes", 431)
    head = bytes(received[: length or len(received)])
    if _BARE.search(head if not head.endswith(b"\r") else head[:-1]):
        raise GrammarError("a bare CR or LF in the request head")
    return length


def parse_request(head: bytes) -> Request:
    """Read one whole head (it ends with an empty line); raises `GrammarError`."""
    if not _LINE.match(head):
        raise GrammarError("not an HTTP/1 request line")
    if _BARE.search(head) or _FOLDED.search(head) or b"\0" in head:
        raise GrammarError("a bare CR or LF, a NUL or a folded line in the request head")
    if head.count(b"\r\n") - 2 > MAX_HEADERS:
        raise GrammarError(f"the request has more than {MAX_HEADERS} headers", 431)
    import h11  # noqa: PLC0415 - not before the first request: a child that sends none does not wait for it

    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    try:
        reader.receive_data(head)
        event = reader.next_event()
    except h11.RemoteProtocolError as error:
        raise GrammarError(f"not a request: {error}") from error
    if not isinstance(event, h11.Request):
        raise GrammarError("not a request")
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers)
    # Counted in the raw lines: h11 makes one of several equal lengths.
    names = [line.partition(b":")[0].lower().decode("latin-1") for line in head.split(b"\r\n")[1:]]
    if any(names.count(name) > 1 for name in _ONCE):
        raise GrammarError("a header twice that may be there once")
    return Request(
        event.method.decode("ascii"), event.target.decode("ascii"), event.http_version.decode("ascii"), headers
    )


def check_bodiless(request: Request) -> None:
    """Raise `GrammarError` for a body, or for anything that would change what follows the head."""
    for name in _NEVER:
        if request.get(name) is not None:
            raise GrammarError(f"a `{name}` header")
    if (request.get("content-length") or "0") != "0":
        raise GrammarError("a request with a body")
