"""What an opened archive holds, and the one error of this room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from openvet_install.archive.limits import SHOWN_CHARACTERS
from openvet_install.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ArchiveError(InvalidError):
    """An archive that is ambiguous, is not what its name says, or reaches beyond itself (`archive-invalid`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A wheel or sdist whose every byte was read and whose every rule held.

    `members` maps each file's path in the archive to its sha256 (lower-case hex), folders are left
    out, an sdist's paths keep their top-level folder. `name` is normalised (PEP 503), `version` in
    its normal form (PEP 440). `requires` and `build_requires` are the lines as they stand;
    `build_requires` is empty for wheels and for sdists without `[build-system] requires`.
    """

    kind: Literal["wheel", "sdist"]
    name: str
    version: str
    members: Mapping[str, str]
    metadata: bytes
    """METADATA of a wheel, PKG-INFO of an sdist."""
    requires: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    """Wheel: command name -> `module:attribute`, from `console_scripts` and `gui_scripts`."""
    script_tails: Mapping[str, str] = field(default_factory=dict)
    """Wheel: `.data/scripts` member that starts with `#!python` -> sha256 of all after its first line."""
    tags: frozenset[str] = frozenset()
    """Wheel: expanded compatibility tags of the file name."""
    pth: tuple[str, ...] = ()
    """Wheel: members that land as `.pth` or `.start` in site-packages, read at every start of Python."""
    executable: frozenset[str] = frozenset()
    """Wheel: members that installers make executable."""
    empty_folders: frozenset[str] = frozenset()
    """Wheel: folders that have an entry and hold no file; uv makes them."""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    """Wheel: WHEEL and entry_points.txt; sdist: what installers read and an `.egg-info` declares, by path below its
    folder."""
    unpacked_bytes: int = 0


def shown(text: str) -> str:
    """Return text from an archive, fit for a message: backticked, controls escaped, cut to length."""
    safe = "".join(c if c.isprintable() and c not in "`\\" else _escaped(c) for c in text[:SHOWN_CHARACTERS])
    return f"`{safe}…`" if len(text) > SHOWN_CHARACTERS else f"`{safe}`"


def _escaped(character: str) -> str:
    return "\\x60" if character == "`" else character.encode("unicode_escape").decode()
