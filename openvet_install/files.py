"""A file of an index, lock or folder, and the subject that an audit of it would name.

Name and version are written as `uv.lock` writes them: the name normalised (PEP 503), the version in
its PEP 440 normal form. The variant is taken from the file name (protocol, section 13).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)

from openvet_install.errors import InvalidError
from openvet_install.openvet.subject import PYPI, Coordinate, Subject, TaggedHash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from packaging.tags import Tag

SDIST = "sdist"
ARCHIVES = (
    *(".whl", ".zip", ".egg", ".exe", ".tar", ".tgz", ".tbz", ".txz", ".tlz"),
    *(f".tar.{packing}" for packing in ("gz", "bz2", "xz", "lz", "lzma", "zst")),
)
"""Endings by which pip or uv takes a word for a file; projects may be called like the last part (`backports.lzma`)."""
_EXTRAS = re.compile(r"\[[^\]]*\]$")
_ADDRESSES = ("http:", "https:", "file:")
_FOLDER = re.compile("[#&]subdirectory=")
_LONG = re.compile("[0-9]{1000}")


class FilenameError(InvalidError):
    """A file name that is neither a wheel's nor an sdist's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One downloadable file, as a page, a lock or a folder describes it.

    `url` is absolute, without fragment and without login; `sha256` lower-case hex or None when the
    source did not state it; `size` bytes; `index` the URL of the index or the path of the input that
    listed it, without login. Nothing here is verified: `sha256` is what the source *says*. `filename` is empty
    where only a hash is known: then neither kind nor variant is. `digests` are other hashes of the bytes, as
    `alg:hex`, known once there are bytes. `claimed`: that `index` lists it is what a lock says, and nobody has looked.
    """

    name: str
    version: str
    filename: str
    url: str
    index: str
    sha256: str | None = None
    size: int | None = None
    uploaded: datetime | None = None
    yanked: str | bool = False
    requires_python: str | None = None
    provenance: str | None = None
    digests: tuple[str, ...] = ()
    claimed: bool = False

    @property
    def is_wheel(self) -> bool:
        """Whether the name is a wheel's; every other `File` with a name is an sdist."""
        return self.filename.endswith(".whl")

    @property
    def is_sdist(self) -> bool:
        """Whether the name is known, and no wheel's."""
        return bool(self.filename) and not self.is_wheel

    @property
    def variant(self) -> str:
        """The subject's variant: `sdist`, or the last three parts of the wheel's name."""
        return variant_of(self.filename)

    @property
    def coordinate(self) -> Coordinate:
        """What an auditor would call this file, without the hash."""
        return Coordinate(PYPI, self.name, self.version, self.variant if self.filename else None)

    @property
    def subject(self) -> Subject | None:
        """The subject of this file, or None while its sha256 is not known."""
        if self.sha256 is None:
            return None
        digest = TaggedHash("sha256", bytes.fromhex(self.sha256))
        return Subject(PYPI, self.name, self.version, self.variant, digest)


def variant_of(filename: str) -> str:
    """Return the variant for a file name (protocol, section 13); the name must have been parsed."""
    if filename.endswith(".whl"):
        return "-".join(filename.removesuffix(".whl").rsplit("-", 3)[1:])
    return SDIST


def parse_filename(filename: str) -> tuple[str, str, frozenset[Tag]]:
    """Read (normalised name, normal version, wheel tags) from `.whl`, `.tar.gz` or `.zip`.

    The tags of an sdist are empty. Raises `FilenameError` for every other ending and for names that
    the packaging specifications do not allow.
    """
    if has_long_number(filename):
        raise FilenameError("its name has a number that no version has")
    try:
        if filename.endswith(".whl"):
            name, version, _build, tags = parse_wheel_filename(filename)
            return str(name), str(version), tags
        name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise FilenameError(str(error)) from error
    return str(name), str(version), frozenset()


def tags_of(variant: str) -> Iterator[str]:
    """Yield the single tags of a wheel's variant, whose parts may each stand for several (PEP 425)."""
    pythons, abis, platforms = (part.split(".") for part in variant.split("-"))
    return (f"{p}-{a}-{f}" for p in pythons for a in abis for f in platforms)


@lru_cache(maxsize=8192)
def release_of(version: str) -> str:
    """Return the one spelling of all versions that are equal (PEP 440): `1.0` and `1.0.0` are one release."""
    return canonicalize_version(version)


def names_path(requirement: str) -> bool:
    """Whether pip would take a requirement for a file or folder of this machine: it looks before it reads.

    What stands behind `===` and behind the `+` of a version may look like a path.
    """
    head = requirement.partition(";")[0].strip()
    return "/" in head or "\\" in head or head.startswith(".") or _EXTRAS.sub("", head).lower().endswith(ARCHIVES)


def has_long_number(text: str) -> bool:
    """Whether a text has a number with so many digits that Python may read it as none, which nothing expects."""
    return _LONG.search(text) is not None


def begins_address(name: str) -> bool:
    """Whether an address begins as a file or folder of this name is called; tools look for a path before they read it.

    So they do with the URL of an index or page (pip everywhere, uv in files of requirements), pip with `name @ URL`.
    """
    return name.lower().endswith(_ADDRESSES)


def names_folder(url: str) -> bool:
    """Whether pip would build another folder than the archive's own, inside of it or anywhere on this machine.

    It looks for `subdirectory=` behind any `#` or `&`, so in queries too.
    """
    return _FOLDER.search(url) is not None


def filename_of(url: str) -> str:
    """Return the last segment of the URL's path, unquoted."""
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])
