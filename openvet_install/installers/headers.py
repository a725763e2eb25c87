"""The command that uv writes at the head of a compiled or exported file: what was typed, as uv 0.13.9 leaves it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_INDEXES = ("--index-url", "--extra-index-url", "-i", "--index", "--default-index")
_OF_THIS_RUN = frozenset({"--upgrade", "-U", "--quiet", "-q", "--verbose", "-v"})


def compiled(argv: Sequence[str], *, indexes: bool, links: bool) -> str:
    """Return the line of `uv pip compile`; indexes and links stand in it if they stand in the file."""
    names = [*(() if indexes else _INDEXES), *(() if links else ("--find-links",)), "--upgrade-package"]
    starts = ("-P",) if links else ("-P", "-f")
    return _left(argv, _OF_THIS_RUN | {"--no-progress", "--native-tls"}, names, starts)


def exported(argv: Sequence[str]) -> str:
    """Return the line of `uv export`. Raises `UsageError` where it would be several: uv writes them first."""
    if any("".join(word.splitlines()) != word for word in argv):
        raise UsageError("a line break in a word of the command is not gated here: it would stand in the output")
    return _left(argv, _OF_THIS_RUN, ["--upgrade-package", "--upgrade-group"], ("-P",))


def _left(argv: Sequence[str], alone: Collection[str], valued: Collection[str], starts: tuple[str, ...]) -> str:
    """Leave out words, options with their values, and what starts like a short option."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, _value = word.partition("=")
        if name in valued or word in starts:
            if not equals:
                next(words, None)
        elif word not in alone and not word.startswith(starts):
            # one line, whatever a name of a file holds: what follows another would be read as a requirement
            kept.append(" ".join(os.fsencode(word).decode(errors="replace").splitlines()))
    return f"uv {' '.join(kept)}"
