"""Names of audited files: tagged hashes, coordinates and subjects (protocol, section 2).

Reading is stricter than OpenVet 0.6 in two places, both named in the protocol: hexadecimal digits
are ASCII only, and NUL is refused in every field because it makes tree keys ambiguous. Text that was
bytes of another encoding (lone surrogates, as in arguments) names no subject.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from openvet_install.errors import InvalidError

_SURROGATE = re.compile("[\ud800-\udfff]")
_UPPER = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

PYPI = "pypi"


class SubjectError(InvalidError):
    """Text or bytes that name no subject."""


class TaggedHash(NamedTuple):
    """`alg:hex`; the algorithm in lower case (ASCII), the digest raw."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> TaggedHash:
        """Read the text form; either case of digits is taken. Raises `SubjectError`."""
        algorithm, colon, digits = text.partition(":")
        try:
            digest = bytes.fromhex(digits)
        except ValueError:
            digest = b""
        if not colon or not digest or len(digits) != 2 * len(digest):  # spaces count for nothing in `fromhex`
            msg = f"not a tagged hash: `{text}`"
            raise SubjectError(msg)
        return cls(_no_nul(algorithm).translate(_UPPER), digest)

    @classmethod
    def from_bytes(cls, data: bytes) -> TaggedHash:
        """Read the canonical bytes: algorithm, `:`, raw digest, which may be empty here. Raises `SubjectError`."""
        tag, colon, digest = data.partition(b":")
        try:
            algorithm = tag.decode()
        except UnicodeDecodeError as error:
            msg = "the algorithm of a hash is not UTF-8"
            raise SubjectError(msg) from error
        if not colon:
            msg = "not the bytes of a tagged hash"
            raise SubjectError(msg)
        return cls(_no_nul(algorithm).translate(_UPPER), digest)

    def __str__(self) -> str:
        """Return the canonical text."""
        return f"{self.algorithm}:{self.digest.hex()}"

    def __bytes__(self) -> bytes:
        """Return the canonical bytes."""
        return self.algorithm.encode() + b":" + self.digest


class Coordinate(NamedTuple):
    """`registry:package@version[?variant]`: a subject without its hash."""

    registry: str
    package: str
    version: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """Split at the first `:`, then at the last `@`, then at the first `?`. Raises `SubjectError`."""
        if "#" in text:
            msg = f"a coordinate has no hash: `{text}`"
            raise SubjectError(msg)
        registry, colon, rest = text.partition(":")
        package, at, tail = rest.rpartition("@")
        version, _, variant = tail.partition("?")
        if not colon or not at or not registry or not package or not version:
            msg = f"not a coordinate: `{text}`"
            raise SubjectError(msg)
        return cls(_no_nul(registry), _no_nul(package), _no_nul(version), _no_nul(variant) or None)

    def __str__(self) -> str:
        """Return the text form."""
        variant = f"?{self.variant}" if self.variant else ""
        return f"{self.registry}:{self.package}@{self.version}{variant}"


class Subject(NamedTuple):
    """One file: a coordinate and the hash of its bytes."""

    registry: str
    package: str
    version: str
    variant: str | None
    hash: TaggedHash

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Read `registry:package@version[?variant]#alg:hex`. Raises `SubjectError`."""
        left, mark, digest = text.partition("#")
        if not mark:
            msg = f"not a subject, it has no hash: `{text}`"
            raise SubjectError(msg)
        at = Coordinate.parse(left)
        return cls(at.registry, at.package, at.version, at.variant, TaggedHash.parse(digest))

    @property
    def coordinate(self) -> Coordinate:
        """The subject without its hash."""
        return Coordinate(self.registry, self.package, self.version, self.variant)

    @property
    def sha256(self) -> str | None:
        """The digest in lower-case hex if it is a sha256, else None."""
        return self.hash.digest.hex() if self.hash.algorithm == "sha256" else None

    @property
    def digest(self) -> str:
        """What the bytes are known by: a sha256 in lower-case hex, any other hash as `alg:hex`."""
        return self.sha256 or str(self.hash)

    def __str__(self) -> str:
        """Return the canonical text."""
        return f"{self.coordinate}#{self.hash}"


def _no_nul(text: str) -> str:
    if "\0" in text:
        msg = "a NUL in a subject"
        raise SubjectError(msg)
    if not text.isascii() and _SURROGATE.search(text):
        msg = "a subject that is not UTF-8"
        raise SubjectError(msg)
    return text
