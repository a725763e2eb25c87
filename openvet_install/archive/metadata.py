"""METADATA and PKG-INFO (core metadata specification): who it is, and what it asks for."""

from __future__ import annotations

import re
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.archive.contents import ArchiveError, shown
from openvet_install.files import has_long_number, names_path

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_FIELD = re.compile(rb"([A-Za-z0-9-]+):(.*)")
_ENCODED = "=?"
"""How words of RFC 2047 begin: uv decodes them, `name @ url` may be inside."""


def read_identity(raw: bytes, what: str, *, name: str, version: str) -> tuple[str, ...]:
    """Check that the metadata is of `name` and `version` (normalised); return its `Requires-Dist` lines.

    Name and Version stand there exactly once; no requirement may be a direct reference. The header
    must read the same for readers that end it at the first odd line and for those that do not.
    `what` is the member's name for messages. Raises `ArchiveError`.
    """
    fields = _fields(raw, what)
    given_name, given_version = (_once(fields, field, what) for field in ("name", "version"))
    if _NAME.fullmatch(given_name) is None or canonicalize_name(given_name) != name:
        raise ArchiveError(f"`{what}` says that its name is {shown(given_name)}, the file name says `{name}`")
    if not same_version(given_version, version):
        raise ArchiveError(f"`{what}` says that its version is {shown(given_version)}, the file name says `{version}`")
    for field, value in fields:
        if field == "requires-python":
            _refuse_long_numbers(value, f"`{what}`")
    requires = tuple(value for field, value in fields if field == "requires-dist")
    for line in requires:
        if _ENCODED in line:
            raise ArchiveError(
                f"`Requires-Dist` in `{what}` has an encoded word, which not every reader decodes: {shown(line)}"
            )
    refuse_references(requires, f"`Requires-Dist` in `{what}`")
    return requires


def promises(raw: bytes, what: str) -> dict[str, tuple[str, ...]]:
    """Return what metadata says that installers act on, in one spelling: what a rebuilt file must say too."""
    fields = _fields(raw, what)
    extras = sorted(canonicalize_name(value) for field, value in fields if field == "provides-extra")
    return {
        "Requires-Dist": tuple(sorted(spelled(value) for field, value in fields if field == "requires-dist")),
        "Requires-Python": tuple(_python(value) for field, value in fields if field == "requires-python"),
        "Provides-Extra": tuple(extras),
    }


def values_of(raw: bytes, what: str, field: str) -> tuple[str, ...]:
    """Return the values of a field (its name in lower case)."""
    return tuple(value for key, value in _fields(raw, what) if key == field)


def spelled(line: str) -> str:
    """Return a requirement in the one spelling of all that mean the same; what cannot be read as it stands."""
    try:
        requirement = Requirement(line)
    except (InvalidRequirement, RecursionError):
        return line
    requirement.name = canonicalize_name(requirement.name)
    requirement.extras = set(map(canonicalize_name, requirement.extras))
    return str(requirement)


def _python(text: str) -> str:
    try:
        return str(SpecifierSet(text))
    except ValueError:
        return text


def refuse_references(lines: Iterable[str], where: str) -> None:
    """Refuse `name @ url` and what is like a path; a line that cannot be read is refused when it holds an `@` at all.

    Without an `@` no reader finds a URL in it, and the installers say themselves what they make of it: some can read
    more than we do.
    """
    for line in lines:
        _refuse_long_numbers(line, where)
        try:
            direct = Requirement(line).url is not None
        except (InvalidRequirement, RecursionError):
            direct = "@" in line
        if direct or names_path(line):
            raise ArchiveError(
                f"{where} asks for a file outside the index: {shown(line)}",
                hint="direct references inside an archive are refused in every mode",
            )


def _refuse_long_numbers(text: str, where: str) -> None:
    if has_long_number(text):
        raise ArchiveError(f"{where} has a number that no version has: {shown(text)}")


def same_version(text: str, version: str) -> bool:
    """Whether `text` is `version` after normalising (PEP 440)."""
    try:
        return str(Version(text)) == version
    except ValueError:
        return False


def _fields(raw: bytes, what: str) -> list[tuple[str, str]]:
    """Return (field in lower case, value on one line), read by hand and by the standard library alike."""
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] if raw[:1] not in b"\r\n" else b""
    if b"\r" in head.replace(b"\r\n", b""):
        raise ArchiveError(f"`{what}` has a bare carriage return in its header")
    fields: list[list[bytes]] = []
    for line in head.splitlines():
        match = _FIELD.fullmatch(line)
        if match is not None:
            fields.append([match[1].lower(), match[2]])
        elif line[:1] in (b" ", b"\t") and fields:
            fields[-1].append(line)
        else:
            raise ArchiveError(f"`{what}` has a line in its header that is no field: {shown(line.decode('latin-1'))}")
    try:
        ours = [(parts[0].decode(), " ".join(b" ".join(parts[1:]).decode().split())) for parts in fields]
    except UnicodeDecodeError as error:
        raise ArchiveError(f"`{what}` is not UTF-8") from error
    theirs = [key.lower() for key in BytesHeaderParser().parsebytes(raw).keys()]  # noqa: SIM118  # repeats count
    if [key for key, _ in ours] != theirs:
        raise ArchiveError(f"`{what}` has a header that can be read in two ways")
    return ours


def _once(fields: list[tuple[str, str]], field: str, what: str) -> str:
    values = [value for key, value in fields if key == field]
    if len(values) != 1:
        raise ArchiveError(f"`{what}` has {len(values) or 'no'} `{field.capitalize()}` lines")
    return values[0]
