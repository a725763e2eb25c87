"""The target after a run: what is new, which file it came from, and what does not belong (threats T30, T31)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.gate.model import Stray
from openvet_install.installers import disk
from openvet_install.installers.installed import Release, compare

if TYPE_CHECKING:
    from openvet_install.archive import Contents
    from openvet_install.decide import Decision
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.installers.disk import Snapshot


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the target.

    `new` maps the names of added or changed distributions to versions; `cached` are decisions about those
    of them whose bytes the tool had in its cache; `untouched` counts the distributions that did not change.
    """

    new: dict[str, str]
    cached: list[Decision]
    strays: tuple[Stray, ...]
    untouched: int
    nothing: bool


def changes(before: Snapshot, after: Snapshot, keeper: Keeper, blobs: BlobStore, *, compiled: bool) -> Changes:
    """Compare the target with what was released, both ways, by the archives' own bytes.

    A distribution that came out of the tool's cache is compared with the file that is approved today,
    from our store.
    """
    new, untouched = _moved(before, after)
    released: dict[tuple[str, str], list[Release]] = {}
    for one in keeper.released.values():
        released.setdefault((one.contents.name, one.contents.version), []).append(_release(one.contents))
    cached = []
    for name, version in new.items():
        if (name, version) in released:
            continue
        for decision, contents in _stored(name, version, keeper, blobs):
            cached.append(decision)
            released.setdefault((name, version), []).append(_release(contents))
    findings = compare(before, after, released, compiled=compiled)
    strays = tuple(
        Stray(name=one.name, version=one.version or None, path=one.path, reason=one.reason, text=one.text)
        for one in findings
    )
    return Changes(new, cached, strays, untouched, nothing=not new and not strays)


def _moved(before: Snapshot, after: Snapshot) -> tuple[dict[str, str], int]:
    new, untouched = {}, 0
    for _root, info in after.infos():
        path = f"{info}/METADATA"
        if before.stamps.get(path) == after.stamps[path]:
            untouched += 1
            continue
        name, version = disk.identity(info)
        new[name] = version
    return new, untouched


def _stored(name: str, version: str, keeper: Keeper, blobs: BlobStore) -> list[tuple[Decision, Contents]]:
    """Return the shown files of a release that our store holds, opened again."""
    found = []
    for decision in keeper.decisions().get(name, ()):
        sha256 = decision.file.sha256
        if decision.file.version != version or not decision.shown or sha256 is None:
            continue
        blob = blobs.find(sha256)
        if blob is None:
            continue
        try:
            found.append((decision, open_archive(blob.path, decision.file.filename)))
        except ArchiveError:
            continue
    return found


def _release(contents: Contents) -> Release:
    return Release(
        name=contents.name,
        version=contents.version,
        kind=contents.kind,
        members=contents.members,
        scripts=contents.scripts,
        script_tails=contents.script_tails,
    )
