"""How names and versions in logs may be spelled: a no counts under every spelling that is read; pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, product
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.files import release_of
from openvet_install.openvet.subject import PYPI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.openvet.subject import Subject

SEPARATORS = "-_."
SPELLINGS_MIXED = 3
"""Names with up to so many separators are looked for with every mixture of them, longer ones with one kind."""


@lru_cache(maxsize=4096)
def public_release(version: str) -> str | None:
    """Return the release of a version without its local part; None for what is no version."""
    try:
        return release_of(Version(version).public)
    except ValueError:
        return None


def by_name(subjects: Mapping[str, tuple[Subject, ...]]) -> Mapping[str, list[Subject]]:
    """Group the subjects of a log, by digest, under the normalised names of their packages."""
    found: dict[str, list[Subject]] = {}
    for one in chain.from_iterable(subjects.values()):
        if one.registry == PYPI:
            found.setdefault(str(canonicalize_name(one.package)), []).append(one)
    return found


def spellings(name: str, filename: str) -> tuple[str, ...]:
    """Return other ways to write a normalised name.

    As in its file's name, with `-`, `_`, `.` exchanged, and with the first letter of it or of each part a capital.
    """
    written = filename.partition("-")[0] if filename.endswith(".whl") else filename.rpartition("-")[0]
    return _spellings(name, written)


@lru_cache(maxsize=4096)
def _spellings(name: str, written: str) -> tuple[str, ...]:
    found = {written}
    for one in (name, written):
        parts = one.replace("_", "-").replace(".", "-").split("-")
        count = len(parts) - 1
        mixed = (
            product(SEPARATORS, repeat=count) if count <= SPELLINGS_MIXED else ((mark,) * count for mark in SEPARATORS)
        )
        for marks in mixed:
            found.add("".join(chain.from_iterable(zip(parts, (*marks, ""), strict=True))))
    parts = [part.capitalize() for part in name.split("-")]
    for mark in SEPARATORS:
        found |= {mark.join(parts), mark.join(parts).capitalize()}
    return tuple(sorted(found - {name, ""}))
