"""Who asks for a package here: the project's locks, else what is installed in the target."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import distributions
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import InstallError
from openvet_install.gate.wanted import Needs, Root
from openvet_install.gate.wanted import Wanted as Asked
from openvet_install.installers.locks import kind_of, read_lock, select_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from openvet_install.installers.target import Target

INSTALLED = "installed"
REQUESTED = "REQUESTED"


def ways_to(name: str, locks: Sequence[Path], target: Target) -> list[tuple[tuple[str, ...], str]]:
    """Return the shortest ways to a package (normalised name), each with where that is known from: a line, `installed`.

    The steps of a lock are names, those of what is installed `NAME==VERSION: REQUIREMENT`. What cannot be read asks
    for nothing.
    """
    found = [one for path in locks for one in _locked(name, path, target)]
    return found or list(_installed(name, target))


def _locked(name: str, path: Path, target: Target) -> Iterator[tuple[tuple[str, ...], str]]:
    with suppress(InstallError):
        if kind_of(path) is None:
            return
        lock = read_lock(path)
        for one in select_for(lock, target).files:
            if one.file.name == name:
                yield one.via, lock.where(one.package)


def _installed(name: str, target: Target) -> Iterator[tuple[tuple[str, ...], str]]:
    roots, needs = [], []
    for one in distributions(path=list({str(target.purelib), str(target.platlib)})):
        with suppress(Exception):  # METADATA on disk is anybody's, and only a hint here
            own = str(canonicalize_name(one.metadata["Name"]))
            needs.append(Needs(own, one.version, tuple(one.requires or ())))
            if one.read_text(REQUESTED) is not None:
                roots.append(Root(Requirement(own), INSTALLED))
    if way := Asked(roots, needs, target.environment).route(name):
        yield way, INSTALLED
