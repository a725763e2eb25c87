"""Hashed requirements as a lock: each passes if one listed hash is approved and none is contradicted (design, 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.decide import Decision, Reason, ReasonClass
from openvet_install.errors import FaultsError, InstallError, UsageError
from openvet_install.files import SDIST, File
from openvet_install.gate.model import Judged, Spot
from openvet_install.installers.commands import REQUIREMENTS
from openvet_install.installers.markers import may_hold
from openvet_install.installers.requirements import Reader
from openvet_install.settle import settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from openvet_install.gate.deciding import Deciding
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.installers.commands import Requested
    from openvet_install.installers.projects import Project

SHA256 = "sha256:"


class Whole(NamedTuple):
    """What a requirements file asks for by name and hashes, and the folders that it names."""

    requested: tuple[Requested, ...]
    folders: tuple[Project, ...]


def read_hashed(path: Path, environ: Mapping[str, str]) -> tuple[Requested, ...]:
    """Return what a file asks for by name; errors as `read_whole`."""
    return read_whole(path, environ).requested


def read_whole(path: Path, environ: Mapping[str, str]) -> Whole:
    """Read a requirements file in which every line has one exact version and hashes, or names a folder.

    Raises `UsageError`, or `FaultsError` of them, for any other line.
    """
    inputs = Reader(str(path.parent.absolute()), environ).read([path.name])
    found = tuple(one for source in inputs if source.kind == REQUIREMENTS for one in source.requested)
    faults: list[InstallError] = []
    for one in found:
        if one.source is not None:
            faults.append(_fault(one, "names a place, not a release of an index"))
        elif _version(one) is None:
            faults.append(_fault(one, "has no exact version"))
        elif not one.hashes:
            faults.append(_fault(one, "has no hash"))
    if faults:
        raise faults[0] if len(faults) == 1 else FaultsError(faults)
    return Whole(found, tuple(one for source in inputs for one in source.projects))


def release_of(one: Requested) -> tuple[str, str]:
    """Return (normalised name, normal version) of a requirement that `read_hashed` took."""
    return str(canonicalize_name(one.requirement.name)), _version(one) or ""


def applies(one: Requested, environment: Mapping[str, str]) -> bool:
    """Tell whether the requirement's marker holds for a target, for pip or for uv."""
    marker = one.requirement.marker
    return marker is None or may_hold(marker, environment)


def judge(path: Path, one: Requested, knowledge: Knowledge, deciding: Deciding) -> Judged:
    """Decide about a requirement by its hashes: a no of any counts, else the best of them does."""
    named, _, line = one.origin.rpartition(":")
    settled = decisions(path, one, knowledge, deciding)
    graves = [found for found in settled if found.reason.klass in (ReasonClass.NO, ReasonClass.BROKEN)]
    graves.sort(key=lambda found: not found.file.filename)  # the file that the no is about, before its siblings
    best = (graves or sorted(settled, key=_weight))[0]
    return Judged(decision=best, place=one.origin, spot=Spot(str(path.parent / named), int(line)))


def decisions(path: Path, one: Requested, knowledge: Knowledge, deciding: Deciding) -> list[Decision]:
    """Decide about every sha256 that a requirement lists; about the bare release if it lists none."""
    name, version = release_of(one)
    files = list(_files(path, one, knowledge)) or [
        File(name=name, version=version, filename="", url="", index=str(path))
    ]
    found = deciding.aged(deciding(map(deciding.located, files)))
    return settle(found, deciding.rules, frozenset({version}))


def _weight(one: Decision) -> tuple[bool, int, bool]:
    """Order what is approved first, then what is shown, then what somebody said something about."""
    return not one.shown, list(ReasonClass).index(one.reason.klass), one.reason is Reason.UNAUDITED


def _files(path: Path, one: Requested, knowledge: Knowledge) -> Iterator[File]:
    """Yield a file for each sha256, with the name under which a log knows it, else without."""
    name, version = release_of(one)
    for text in one.hashes:
        if not text.startswith(SHA256):
            continue
        sha256 = text.removeprefix(SHA256)
        bare = File(name=name, version=version, filename="", url="", index=str(path), sha256=sha256)
        known = [_named(bare, variant) for variant in knowledge.variants(name, version, sha256)]
        yield from known or [bare]


def _named(file: File, variant: str) -> File:
    stem = f"{file.name.replace('-', '_')}-{file.version}"
    return replace(file, filename=f"{stem}.tar.gz" if variant == SDIST else f"{stem}-{variant}.whl")


def _version(one: Requested) -> str | None:
    specifiers = list(one.requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        return None
    try:
        return str(Version(specifiers[0].version))
    except ValueError:
        return None


def _fault(one: Requested, what: str) -> UsageError:
    hint = "uv pip compile --generate-hashes writes such files"
    return UsageError(f"`{one.requirement}` {what}", where=one.origin, hint=hint)
