"""A lock that names folders of this machine: while uv works it names our copies of them (threat T04)."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.installers import receipts
from openvet_install.installers.commands import folders_in
from openvet_install.installers.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.uv_shelves import Shelves


class Handed(NamedTuple):
    """A lock at `place`: what stands in it, and what uv gets in its place; None for no lock."""

    place: Path
    before: str | None
    handed: str | None
    shelves: Shelves


def handed(plan: Plan, folder: Path) -> Handed | None:
    """Return the lock as uv gets it, with the copies in `folder`; None where it gets the user's.

    Raises `UsageError` for one that would lead elsewhere, and what reading a lock raises.
    """
    if not folders_in(plan.argv):
        return None
    from openvet_install.installers.uv_shelves import shelves_of  # noqa: PLC0415 - rarely

    shelves = shelves_of(plan, folder)
    if shelves is None:
        return None
    place = Path(os.path.realpath(shelves.lock))
    before = place.read_text("utf-8") if place.is_file() else None
    return Handed(place, before, shelves.for_uv(before) if before is not None else None, shelves)


def _named_for_people(plan: Plan, folder: Path) -> None:
    """Let an export or a lock name folders and archives as people do, where a tool was given our copies in `folder`."""
    exported = plan.resolution is not None and plan.resolution.header is not None and plan.compiled is None
    files = plan.resolution.files if exported and plan.resolution is not None and folders_in(plan.argv) else ()
    for path in (*files, *([plan.names_sources] if plan.names_sources not in (None, "-") else [])):
        place = Path(os.path.realpath(path))
        raw = place.read_bytes() if place.is_file() else b""
        if (named := plan.for_people(raw, folder)) != raw:
            replace_file(place, named)


@contextmanager
def shelved_lock(plan: Plan, folder: Path) -> Iterator[None]:
    """Let a lock name the copies in `folder` for the time of the block; afterwards nothing does.

    Raises what `handed` raises.
    """
    found = handed(plan, folder)
    named = [one.source for one in plan.requested if one.source is not None and one.source.path is not None]
    receipt = plan.words == ("tool", "upgrade") and named
    try:
        if found is not None and found.handed is not None:
            replace_file(found.place, found.handed.encode())
        with receipts.handed(plan.target.prefix, named, folder) if receipt else nullcontext():
            yield
    finally:
        if found is not None:
            _put_back(found)
        _named_for_people(plan, folder)


def _put_back(found: Handed) -> None:
    after = found.place.read_text("utf-8") if found.place.is_file() else None
    if after is not None and after == found.handed and found.before is not None:
        replace_file(found.place, found.before.encode())
    elif after is not None:
        replace_file(found.place, found.shelves.for_people(after).encode())
