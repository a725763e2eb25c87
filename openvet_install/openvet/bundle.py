"""A bundle: heads, chain and evidence of logs in one file, to judge by where no log is in reach.

A zip: `bundle.json` says when it was made, which packages it covers and, per log, its URL, its head, the commits
that brought audits in and where else in the tree audits of the same bytes stand; every other member is an object,
`KIND/HEX`. Nothing is unpacked to disk, and nothing of it is believed: objects are hashed and verified as those of a
host are, the list of packages can only make an answer "undecided". The day it was made is its maker's word, as a
host's choice of head is the host's.
"""

from __future__ import annotations

import json
import re
import struct
import threading
import zlib
from datetime import datetime, timezone
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from openvet_install.errors import ConfigError, InvalidError, UndecidedError
from openvet_install.http import without_login
from openvet_install.openvet.faults import KINDS, Kind
from openvet_install.openvet.source import OBJECT_MAX_BYTES, Beside, base_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "openvet-install/bundle/1"
MAX_BYTES = 128 << 20
MAX_MEMBERS = 500_000
MAX_MANIFEST_BYTES = 32 << 20
AGAIN = "openvet-install bundle    where the logs are in reach"
_MANIFEST = "bundle.json"
_LISTED = b"PK\1\2"
"""What each member begins with in the list of a zip."""
_MAX_SHOWN = 80  # characters of a name from outside
_MEMBER = re.compile(rf"(?:{'|'.join(KINDS)})/[0-9a-f]{{64}}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BROKEN = (BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, zlib.error, struct.error)


class BundleInvalidError(InvalidError):
    """A file that is no bundle, or not whole (65)."""

    def __init__(self, bundle: str, what: str) -> None:
        """Keep the name that people know it by."""
        super().__init__(f"{bundle} {what}", hint=AGAIN)
        self.bundle = bundle


class Told(NamedTuple):
    """What a bundle says of one log: its head; by audit the commits that are said to have brought it in.

    `subjects`: by sha256, keys of the tree that are about the same bytes, whatever their names.
    """

    head: bytes
    insertions: Mapping[bytes, tuple[bytes, ...]]
    subjects: Mapping[bytes, tuple[bytes, ...]]


class Held(Beside, Protocol):
    """One log in a bundle: its objects, and the head that they lead to."""

    head: bytes


class Bundle(NamedTuple):
    """What can be judged by: `made` is when, by its maker's clock; `packages` are normalised names, `logs` by URL."""

    name: str
    made: datetime
    packages: frozenset[str]
    logs: Mapping[str, Held]

    def held(self, url: str) -> Held | None:
        """Return what is here of the log at a URL; None if it is not one of the bundle's."""
        return self.logs.get(without_login(base_url(url)))


class _Members:
    """The members of a bundle's zip, each read when it is asked for. Safe for threads."""

    def __init__(self, bundle: str, raw: bytes) -> None:
        self.bundle = bundle
        self._lock = threading.Lock()
        if raw.count(_LISTED) > MAX_MEMBERS:  # before each of them costs memory
            raise BundleInvalidError(bundle, f"has more than {MAX_MEMBERS:,} members")
        try:
            self._file = ZipFile(BytesIO(raw))
            members = self._file.infolist()
        except _BROKEN as error:
            raise BundleInvalidError(bundle, "is cut short, or no bundle") from error
        self.members: dict[str, ZipInfo] = {}
        for one in members:
            known = one.filename == _MANIFEST or _MEMBER.fullmatch(one.filename) is not None
            if not known or one.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                what = f"has a member that belongs in no bundle: `{one.filename[:_MAX_SHOWN]}`"
                raise BundleInvalidError(bundle, what)
            if one.filename in self.members:
                raise BundleInvalidError(bundle, f"has two members `{one.filename}`")
            self.members[one.filename] = one

    def read(self, name: str, most: int) -> bytes | None:
        """Return a member's bytes, None if there is none of that name. Raises `BundleInvalidError`."""
        if (member := self.members.get(name)) is None:
            return None
        try:
            with self._lock, self._file.open(member) as stream:
                raw = stream.read(most + 1)
        except _BROKEN as error:
            raise BundleInvalidError(self.bundle, f"is damaged: `{name}`") from error
        if len(raw) > most:
            raise BundleInvalidError(self.bundle, f"is refused: `{name}` unpacks to more than {most:,} bytes")
        return raw


class _HeldInFile:
    """One log in a file; see `Held`."""

    def __init__(self, members: _Members, told: Told) -> None:
        self.place = members.bundle
        self.head = told.head
        self._members = members
        self._insertions = told.insertions
        self._subjects = told.subjects

    def get(self, kind: Kind, name: bytes) -> bytes | None:
        return self._members.read(f"{kind}/{name.hex()}", OBJECT_MAX_BYTES)

    def has(self, kind: Kind, name: bytes) -> bool:
        return f"{kind}/{name.hex()}" in self._members.members

    def insertions(self, audit: bytes) -> tuple[bytes, ...]:
        return self._insertions.get(audit, ())

    def subjects(self, sha256: bytes) -> tuple[bytes, ...]:
        return self._subjects.get(sha256, ())


def parse_bundle(name: str, raw: bytes) -> Bundle:
    """Open the bytes of a bundle that people know as `name`. Raises `BundleInvalidError`."""
    members = _Members(name, raw)
    manifest = members.read(_MANIFEST, MAX_MANIFEST_BYTES)
    if manifest is None:
        raise BundleInvalidError(name, f"is no bundle: it has no `{_MANIFEST}`")
    try:
        said = json.loads(manifest)
        known = said["format"] == FORMAT
        made = _time(said["made"])
        packages = frozenset(_text(one) for one in said["packages"])
        told = {without_login(base_url(_text(one["url"]))): _told(one) for one in said["logs"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, ConfigError) as error:
        raise BundleInvalidError(name, f"has a `{_MANIFEST}` that cannot be read") from error
    if not known:
        raise BundleInvalidError(name, f"is of another format than {FORMAT}")
    return Bundle(name, made, packages, {url: _HeldInFile(members, one) for url, one in told.items()})


def read_bundle(path: Path) -> Bundle:
    """Open a bundle. Raises `BundleInvalidError` (65), and `UndecidedError` for a file that cannot be read."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UndecidedError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error
    if len(raw) > MAX_BYTES:
        raise BundleInvalidError(path.name, f"has more than {MAX_BYTES:,} bytes")
    return parse_bundle(path.name, raw)


def pack(
    made: datetime, packages: frozenset[str], logs: Mapping[str, Told], objects: Mapping[tuple[Kind, bytes], bytes]
) -> bytes:
    """Return the bytes of a bundle; `logs` are by URL, without logins. The same content gives the same bytes."""
    manifest = {
        "format": FORMAT,
        "made": made.astimezone(timezone.utc).isoformat(timespec="seconds"),
        "packages": sorted(packages),
        "logs": [
            {
                "url": url,
                "head": told.head.hex(),
                "insertions": _hexed(told.insertions),
                "subjects": _hexed(told.subjects),
            }
            for url, told in sorted(logs.items())
        ],
    }
    members = {_MANIFEST: json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()}
    members |= {f"{kind}/{name.hex()}": raw for (kind, name), raw in sorted(objects.items())}
    written = BytesIO()
    with ZipFile(written, "w", ZIP_DEFLATED, compresslevel=9) as file:
        for name, raw in members.items():
            info = ZipInfo(name)  # its date stays 1980
            info.compress_type = ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            file.writestr(info, raw)
    return written.getvalue()


def _hexed(found: Mapping[bytes, tuple[bytes, ...]]) -> dict[str, list[str]]:
    return {key.hex(): [one.hex() for one in values] for key, values in sorted(found.items())}


def _told(one: Any) -> Told:
    insertions = {_name(audit): tuple(map(_name, commits)) for audit, commits in one["insertions"].items()}
    subjects = {_name(sha256): tuple(map(bytes.fromhex, keys)) for sha256, keys in one["subjects"].items()}
    return Told(_name(one["head"]), insertions, subjects)


def _name(text: Any) -> bytes:
    if _HEX.fullmatch(_text(text)) is None:
        raise ValueError("not the name of an object")
    return bytes.fromhex(text)


def _time(text: Any) -> datetime:
    found = datetime.fromisoformat(_text(text))
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found.astimezone(timezone.utc)


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError("not a text")
    return found
