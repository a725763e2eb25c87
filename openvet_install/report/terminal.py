"""The one door to the terminal: signs that the stream can take, width, colour, and no control characters."""

from __future__ import annotations

import errno
import os
import sys
import unicodedata
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_OUTSIDE_CHARACTERS = 100
DEFAULT_WIDTH = 100
MAX_MOVED = 16  # characters between the shortest and the longest cell of an aligned column
GAP = "    "
_LAST_SECOND = 32_503_680_000  # in the year 3000: what logs say of time has no bound

_LOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

_ASCII = str.maketrans(
    {"✓": "ok", "✘": "x", "├": "|", "└": "`", "│": "|", "─": "-", "→": "->", "…": "...", "“": '"', "”": '"'}
)
_RED, _YELLOW, _GREEN, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"
_COLOURS = {"✘": _RED, "!": _YELLOW, "✓": _GREEN}


def plain(text: str, limit: int = MAX_OUTSIDE_CHARACTERS) -> str:
    """Return text from outside without control, format or bidi characters, at most `limit` characters."""
    kept = "".join(
        " " if char in "\n\r\t" else char
        for char in text[: limit * 4]
        if char in "\n\r\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def day_of(seconds: int) -> str:
    """Return the day of a time that somebody else wrote (Unix seconds, any size): `2026-11-22`, UTC."""
    return datetime.fromtimestamp(min(seconds, _LAST_SECOND), timezone.utc).date().isoformat()


def number_of(count: int, noun: str) -> str:
    """Write a number of things: `1 package`, `3 packages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Terminal(NamedTuple):
    """A stream and what it can show."""

    stream: TextIO
    width: int
    colour: bool
    signs: bool

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str]) -> Terminal:
        """Look at the stream and at NO_COLOR, FORCE_COLOR, TERM and COLUMNS."""
        tty = stream.isatty()
        colour = bool(environ.get("FORCE_COLOR")) or (tty and environ.get("TERM") != "dumb")
        return cls(stream, _width(stream, environ), colour and not environ.get("NO_COLOR"), _signs(stream))

    def line(self, text: str) -> None:
        """Write one line; a closed stream ends the text, not the verdict."""
        if not self.signs:
            encoding = getattr(self.stream, "encoding", None) or "ascii"
            text = text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
        elif self.colour:
            text = _coloured(text)
        try:
            self.stream.write(text + "\n")
            self.stream.flush()
        except (ValueError, OSError) as error:
            silence(self.stream)
            if isinstance(error, OSError) and error.errno in _LOST:
                _say_lost(self.stream, error)

    def rows(self, rows: Sequence[Sequence[str]], below: Sequence[Sequence[str]] = ()) -> None:
        """Write columns; `below[n]` are lines under row n. A row too wide folds after its first cell.

        A column is aligned where that moves nothing far: one long name must not push all others away.
        """
        widths = self._widths(rows)
        for number, row in enumerate(rows):
            padded = [cell.ljust(widths[n]) if n < len(row) - 1 else cell for n, cell in enumerate(row)]
            whole = GAP.join(padded).rstrip()
            if len(whole) > self.width and len(row) > 1:
                self.line(row[0])
                self.line(f"  {GAP.join(row[1:])}".rstrip())
            else:
                self.line(whole)
            for text in below[number] if number < len(below) else ():
                self.line(text)

    def _widths(self, rows: Sequence[Sequence[str]]) -> list[int]:
        fitting = [row for row in rows if len(GAP.join(row).rstrip()) <= self.width]
        widths = []
        for n in range(max((len(row) for row in rows), default=0)):
            cells = [len(row[n]) for row in fitting if n < len(row) - 1]
            far = not cells or max(cells) - min(cells) > MAX_MOVED
            widths.append(0 if far else max(cells))
        tails = (len(GAP) * (len(row) - 1) + sum(widths[: len(row) - 1]) + len(row[-1]) for row in fitting)
        return widths if max(tails, default=0) <= self.width else [0] * len(widths)


def silence(stream: TextIO) -> None:
    """Let what is still buffered for a closed stream go nowhere, so that the end of the process is not disturbed."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def _say_lost(stream: TextIO, error: OSError) -> None:
    """Say that text was lost: who closed a pipe knows it, who redirects to a full disk does not."""
    if stream is not sys.stderr:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"openvet: warning: the output is incomplete: {error.strerror}\n")


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    if (columns := environ.get("COLUMNS", "")).isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError, AttributeError):
        return DEFAULT_WIDTH


def _signs(stream: TextIO) -> bool:
    try:
        "✓✘└─→…".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _coloured(text: str) -> str:
    for sign, colour in _COLOURS.items():
        if text.startswith(sign + " "):
            return f"{colour}{sign}{_RESET}{text[1:]}"
    return text
