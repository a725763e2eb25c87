"""Strict reading of `.tar.gz` (RFC 1952, POSIX ustar and pax, GNU long names): one layout, one reading.

One gzip member and nothing after it; files, folders and symbolic links; every header's own fields mean
what they say: a size stands in the header, and in a record before it the same one if any (`uv_build` writes it), a
longer name in exactly one record. Links are told apart: the caller decides which of them mean no second reading.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.archive import limits
from openvet_install.archive.contents import ArchiveError, shown
from openvet_install.archive.paths import Names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_BLOCK = 512
_ZERO = bytes(_BLOCK)
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_PAX_LENGTH = re.compile(rb"([1-9][0-9]{0,6}) ")
_USTAR, _GNU, _OLD = b"ustar\x0000", b"ustar  \x00", bytes(8)
_OLD_FILE = b"\0"
_SPECIAL = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"K": "a link",
    b"S": "a sparse file",
}
_STEERING = ("path", "linkpath", "size", "hdrcharset", "GNU.")
"""Extended attributes that change which bytes a reader takes, or under which name."""
_TELLING = ("path", "size")
"""Those of them that a record of one entry may have."""


class TarEntry(NamedTuple):
    """One entry; `size` in bytes, `name` without trailing slash, `link` where a symbolic link points to."""

    name: str
    folder: bool
    size: int
    link: str | None = None


class _Told(NamedTuple):
    """What a record says of the next entry: its name, its size in bytes."""

    name: str | None = None
    size: int | None = None


class _Gzip:
    """The unpacked side of a gzip file with exactly one member."""

    def __init__(self, file: BinaryIO, *, limit: int) -> None:
        self._file = file
        self._engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._buffer = bytearray()
        self._left = limit

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end."""
        while len(self._buffer) < count and self._fill():
            pass
        piece = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return piece

    def _fill(self) -> bool:
        if self._engine.eof:
            return False
        packed = self._engine.unconsumed_tail or self._file.read(limits.CHUNK_BYTES)
        try:
            piece = self._engine.decompress(packed, limits.CHUNK_BYTES)
        except zlib.error as error:
            raise ArchiveError("it is not a gzip file, or damaged") from error
        self._left -= len(piece)
        if self._left < 0:
            raise ArchiveError("it unpacks to far more than its size allows")
        if self._engine.eof:
            if self._engine.unused_data or self._file.read(1):
                raise ArchiveError("bytes or a second gzip member follow the first")
        elif not packed:
            raise ArchiveError("it is cut short")
        self._buffer += piece
        return True


def tar_members(file: BinaryIO, packed: int) -> Iterator[tuple[TarEntry, Iterator[bytes]]]:
    """Yield each entry with its bytes, which are skipped if they are not read before the next step.

    `packed` is the size of the file in bytes. The end of the archive is checked before the last step
    ends. Raises `ArchiveError`.
    """
    source, names, entries = _Gzip(file, limit=limits.unpacked_limit(packed)), Names(), list[TarEntry]()
    told = _Told()
    last = b""
    for kind, name, size, link in _headers(source):
        before, last = last, kind
        if kind in {b"x", b"g", b"L"}:
            told = _both(told, _override(kind, _body(source, size, name)))
            if before in {b"x", b"L"}:
                # for some readers it is the entry that the first of them was about
                raise ArchiveError("a record of an entry is followed by another record")
            continue
        if kind == _OLD_FILE and name.endswith("/"):
            # for some readers a folder, whose contents are the next headers, whatever a longer name says
            raise ArchiveError(f"the entry {shown(name)} is a file that is called like a folder")
        if told.size not in (None, size):
            raise ArchiveError("an extended tar header changes `size`")
        entry = _entry(kind, told.name if told.name is not None else name, size, link)
        told = _Told()
        names.add(entry.name, folder=entry.folder)
        entries.append(entry)
        chunks = _chunks(source, size)
        yield entry, chunks
        for _ in chunks:
            pass
    if told != _Told():
        raise ArchiveError("a long name or size at the end belongs to no entry")
    names.finish()
    while rest := source.read(limits.CHUNK_BYTES):
        if rest.strip(b"\0"):
            raise ArchiveError("bytes follow the end mark of the tar")
    _same_as_tarfile(file, entries)


def _same_as_tarfile(file: BinaryIO, entries: list[TarEntry]) -> None:
    """Hold the reading against the standard library's, which is the one that pip unpacks by."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:gz", encoding="utf-8") as other:
            for entry in (*entries, None):
                found = other.next()
                other.members = []  # type: ignore[attr-defined]  # it keeps them all
                if entry != (None if found is None else _as_ours(found)):
                    raise ArchiveError("Python's own tar reader sees other entries in it")
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError, zlib.error) as error:
        raise ArchiveError("Python's own tar reader does not take it") from error


def _as_ours(found: tarfile.TarInfo) -> TarEntry:
    name = found.name.rstrip("/") if found.isdir() else found.name
    return TarEntry(name, found.isdir(), found.size, found.linkname if found.issym() else None)


def _headers(source: _Gzip) -> Iterator[tuple[bytes, str, int, str]]:
    """Yield headers up to the end mark; the caller reads what each announces before the next step."""
    seen = 0
    while (header := source.read(_BLOCK)) != _ZERO:
        seen += 1
        if len(header) != _BLOCK:
            raise ArchiveError("the tar ends without an end mark")
        if seen > 2 * limits.MEMBERS:  # a long name is a record of its own
            raise ArchiveError(f"it has more than {limits.MEMBERS:,} entries")
        yield _header(header)


def _both(before: _Told, now: _Told) -> _Told:
    if before.name is not None and now.name is not None:
        raise ArchiveError(f"two records name the entry {shown(now.name)}")
    return now if before == _Told() else before


def _header(raw: bytes) -> tuple[bytes, str, int, str]:
    """Return (type flag, name of the header, size in bytes, target of a link)."""
    checksum = _octal(raw[148:156], "checksum")
    if checksum != sum(raw[:148]) + sum(raw[156:]) + 8 * 0x20:
        raise ArchiveError("a tar header is damaged")
    magic, kind = raw[257:265], raw[156:157]
    if magic not in (_USTAR, _GNU, _OLD):
        raise ArchiveError("a tar header has an unknown format")
    name = _text(raw[:100])
    if prefix := raw[345:500].rstrip(b"\0"):
        if magic != _USTAR:
            # one reader takes these bytes for the start of the name, the other for times
            raise ArchiveError(f"the entry {shown(name)} has a name in two parts that its format does not know")
        name = f"{_text(prefix)}/{name}"
    size = _octal(raw[124:136], "size")
    return kind, name, size, _text(raw[157:257])


def _octal(raw: bytes, what: str) -> int:
    if (match := _OCTAL.fullmatch(raw)) is None:
        raise ArchiveError(f"a tar header has a {what} that is no octal number")
    return int(match[1], 8)


def _text(raw: bytes) -> str:
    try:
        return raw.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the entry {shown(raw.decode('latin-1'))} has a name that is not UTF-8") from error


def _entry(kind: bytes, name: str, size: int, link: str) -> TarEntry:
    if kind not in {b"0", _OLD_FILE, b"2", b"5"}:
        raise ArchiveError(f"the entry {shown(name)} is {_SPECIAL.get(kind, 'of an unknown kind')}")
    folder = kind == b"5"
    if name.endswith("/") and not folder:
        raise ArchiveError(f"the entry {shown(name)} is a file that is called like a folder")
    if size and kind in {b"2", b"5"}:
        raise ArchiveError(f"the folder or link {shown(name)} has contents of its own")
    return TarEntry(name.removesuffix("/"), folder, size, link if kind == b"2" else None)


def _body(source: _Gzip, size: int, name: str) -> bytes:
    if size > limits.PAX_BYTES:
        raise ArchiveError(f"the extended header {shown(name)} is longer than {limits.PAX_BYTES} bytes")
    return b"".join(_chunks(source, size))


def _chunks(source: _Gzip, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = source.read(min(left, limits.CHUNK_BYTES))
        if not piece:
            raise ArchiveError("the tar is cut short")
        left -= len(piece)
        yield piece
    if (padding := -size % _BLOCK) and len(source.read(padding)) != padding:
        raise ArchiveError("the tar is cut short")


def _override(kind: bytes, body: bytes) -> _Told:
    """Return what a record says of the next entry."""
    if kind == b"L":
        return _Told(_text(body))
    records = _pax(body)
    for key in records:
        if key.startswith(_STEERING) and not (key in _TELLING and kind == b"x"):
            raise ArchiveError(f"an extended tar header changes `{key}`")
    return _Told(records.get("path"), _size(records.get("size")))


def _size(text: str | None) -> int | None:
    if text is not None and _DECIMAL.fullmatch(text) is None:
        raise ArchiveError("an extended tar header has a size that is no plain number")
    return int(text) if text is not None else None


def _pax(body: bytes) -> dict[str, str]:
    """Read the records (length, space, key, `=`, value, line feed); each key once."""
    records: dict[str, str] = {}
    at = 0
    while at < len(body):
        match = _PAX_LENGTH.match(body, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(body) or body[end - 1 : end] != b"\n" or end <= match.end():
            raise ArchiveError("an extended tar header is damaged")
        raw_key, equals, value = body[match.end() : end - 1].partition(b"=")
        key = raw_key.decode("utf-8", "replace")
        if not equals or not key or key in records:
            raise ArchiveError("an extended tar header is damaged")
        # values of other keys (owner, file attributes) may be any bytes
        records[key] = _text_whole(value) if key in _TELLING else ""
        at = end
    return records


def _text_whole(value: bytes) -> str:
    if b"\0" in value:
        raise ArchiveError("an extended tar header has a NUL")
    return _text(value)
