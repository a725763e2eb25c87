"""What is installed already asks for packages, too: pip goes by its metadata as by that of a release (threat T01)."""

# Paths stay strings, as `.pth` files name them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.installers.disk import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_BYTES = 1024 * 1024
_ASKS = re.compile(r"^requires-dist:.*(?:\n[ \t].*)*@", re.IGNORECASE | re.MULTILINE)
_METADATA, _OF_EGGS = ("METADATA", "PKG-INFO", ""), "requires.txt"
"""Where importlib finds what is asked for; empty: an `.egg-info` that is a file."""


class _Installed(NamedTuple):
    version: Version
    requires: tuple[str, ...]


class Present:
    """Packages that are installed, where any of them asks for something beside the indexes; else nothing."""

    def __init__(self, sites: Iterable[str], markers: Mapping[str, str]) -> None:
        """Read what lies in folders of packages, and where their `.pth` and `.egg-link` files lead."""
        self._markers = dict(markers)
        self._all: dict[str, list[_Installed]] = {}
        found = list(distributions(path=list(_folders(sites))))
        for one in found if any(map(_may_lead, found)) else ():
            with suppress(Exception):  # METADATA on disk is anybody's; what cannot be read pip cannot read, either
                requires = tuple(one.requires or ())
                for name, version in _identities(one):
                    self._all.setdefault(name, []).append(_Installed(version, requires))

    def leads(self, requirement: Requirement) -> str | None:
        """Return the line of an installed package that would lead pip to a path or repository if it got `requirement`.

        With it the package: `old 1.0: evil @ file:///d/evil.whl`. Of what hangs on an extra any may be asked for.
        """
        if "extra" not in str(requirement.marker) and not self._applies(requirement, ()):
            return None
        waiting, seen = [requirement], set()
        while waiting:
            asked = waiting.pop()
            key = (canonicalize_name(asked.name), frozenset(asked.extras), asked.specifier)
            if key in seen:
                continue
            seen.add(key)
            for one, line, wanted in self._asks(asked):
                if wanted.url is not None:
                    return f"{canonicalize_name(asked.name)} {one.version}: {line}"
                waiting.append(wanted)
        return None

    def leads_anywhere(self) -> str | None:
        """Return such a line of any installed package that counts without an extra."""
        found = (self.leads(Requirement(name)) for name in sorted(self._all))
        return next((line for line in found if line is not None), None)

    def _asks(self, asked: Requirement) -> Iterator[tuple[_Installed, str, Requirement]]:
        """Yield what an installed package asks for in its turn where it is what is asked for."""
        for one in self._all.get(canonicalize_name(asked.name), ()):
            for line in one.requires if asked.specifier.contains(one.version, prereleases=True) else ():
                wanted = read_line(line)
                if wanted is not None and self._applies(wanted, asked.extras):
                    yield one, line, wanted

    def _applies(self, wanted: Requirement, extras: Iterable[str]) -> bool:
        if wanted.marker is None:
            return True
        try:
            return any(wanted.marker.evaluate({**self._markers, "extra": extra}) for extra in ("", *extras))
        except ValueError:
            return True


def _identities(one: Distribution) -> Iterator[tuple[str, Version]]:
    """Yield what it may be called: pip goes by the name of its folder first, and by METADATA where that says less."""
    said = one.metadata
    stem, _, ending = str(getattr(one, "_path", "")).rpartition("/")[2].rpartition(".")
    name, _, version = stem.partition("-")
    names, versions = {name, said["Name"]} if ending else {said["Name"]}, {said["Version"]}
    versions |= {version} if ending == "dist-info" else set()
    for named in filter(None, names):
        for text in filter(None, versions):
            with suppress(ValueError):
                yield canonicalize_name(named), Version(text)


def _may_lead(one: Distribution) -> bool:
    with suppress(Exception):  # as above
        return any(_ASKS.search(one.read_text(name) or "") for name in _METADATA) or "@" in (
            one.read_text(_OF_EGGS) or ""
        )
    return False


def read_line(line: str) -> Requirement | None:
    """Read one line of what a package asks for, None for what is no requirement."""
    try:
        return Requirement(line)
    except (InvalidRequirement, RecursionError):  # pip stops there
        return None


def _folders(sites: Iterable[str]) -> Iterator[str]:
    """Yield the folders, and what the files in them add that lead elsewhere."""
    for site in sites:
        yield site
        with suppress(OSError):
            leading = (name for name in os.listdir(site) if name.endswith((".pth", ".egg-link")))  # noqa: PTH208 - as above
            for name in leading:
                yield from (os.path.join(site, line) for line in _lines(os.path.join(site, name)))


def _lines(path: str) -> Iterator[str]:
    raw = read(os.path.realpath(path), MAX_BYTES) or b""
    for line in raw.decode(errors="surrogateescape").splitlines():
        if line.strip() and "\0" not in line and not line.startswith(("import ", "import\t", "#")):
            yield line.strip()
