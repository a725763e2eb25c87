"""Strict reading of zip archives (APPNOTE 6.3.10): one layout, one reading.

The file must be, in this order and without a byte between or around: local header + data (+ data
descriptor) of every entry of the central directory; the central directory; the zip64 records if
there are any; the end record, whose comment ends the file. A reader that goes by local headers and
one that goes by the central directory then see the same members, and both see all of them.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.archive import limits
from openvet_install.archive.contents import ArchiveError, shown
from openvet_install.archive.paths import Names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

STORED, DEFLATED = 0, 8
_STREAMED, _UTF8 = 0x0008, 0x0800
_FLAGS = _STREAMED | _UTF8 | 0x0006  # bits 1 and 2: how hard deflate tried
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX16, _MAX32 = 0xFFFF, 0xFFFFFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_TYPE_BITS, _REGULAR, _FOLDER = 0o170000, 0o100000, 0o040000
_SET_BITS = 0o7000
_RUN_BITS = 0o111
_DOS_FOLDER, _DOS_VOLUME = 0x10, 0x08


class Entry(NamedTuple):
    """One entry of the central directory that agrees with its local header; sizes and offsets in bytes."""

    name: str
    folder: bool
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    header: int
    data: int = 0
    executable: bool = False


class StrictZip:
    """A zip file that is open and whose layout was checked; use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open and check everything but the members' bytes. Raises `ArchiveError`."""
        self._file: BinaryIO = path.open("rb")
        try:
            self._bytes = _Bytes(self._file)
            self.entries = _entries(self._bytes)
            _same_as_zipfile(self._file, self.entries)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> StrictZip:  # noqa: PYI034  # `Self` is not in Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield the unpacked bytes; size and CRC are checked before the last step ends. Raises `ArchiveError`."""
        crc = size = 0
        for chunk in self._stored(entry) if entry.method == STORED else self._inflated(entry):
            size += len(chunk)
            if size > entry.size:
                raise ArchiveError(f"the entry {shown(entry.name)} unpacks to more than its {entry.size} bytes")
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if size != entry.size or crc != entry.crc:
            raise ArchiveError(f"the entry {shown(entry.name)} has the wrong size or checksum")

    def _stored(self, entry: Entry) -> Iterator[bytes]:
        end = entry.data + entry.packed
        for start in range(entry.data, end, limits.CHUNK_BYTES):
            yield self._bytes[start : min(end, start + limits.CHUNK_BYTES)]

    def _inflated(self, entry: Entry) -> Iterator[bytes]:
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        position, end = entry.data, entry.data + entry.packed
        pending = b""
        try:
            while not engine.eof:
                if not pending:
                    pending = self._bytes[position : min(end, position + limits.CHUNK_BYTES)]
                    position += len(pending)
                chunk = engine.decompress(pending, limits.CHUNK_BYTES)
                if not chunk and not pending:
                    break
                pending = engine.unconsumed_tail
                if chunk:
                    yield chunk
        except zlib.error as error:
            raise ArchiveError(f"the entry {shown(entry.name)} is not a deflate stream") from error
        if not engine.eof or engine.unused_data or position != end:
            raise ArchiveError(f"the compressed bytes of the entry {shown(entry.name)} do not end where its size says")


def may_be_zip(path: Path) -> bool:
    """Whether the zip reader of any Python would find members, whatever the file is called.

    They differ in what they ask of the end record: newer ones that the archive is no part of several.
    """
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        raw = _Bytes(file)
        first = max(0, len(raw) - _END.size - _MAX16)
        tail = raw[first:]
        for found in re.finditer(b"PK\x05\x06", tail):
            at = first + found.start()
            record = raw[at : at + _END.size]
            if len(record) == _END.size:
                start = at - _END.unpack(record)[5]
                wide = raw[max(0, at - _LOCATOR.size) : at].startswith(b"PK\x06\x07")
                if wide or (start >= 0 and raw[start : start + 4] == b"PK\x01\x02"):
                    return True
    return False


class _Bytes:
    """A file's bytes by position; a map of it would count as memory of ours, page by page."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self._size = os.fstat(self._descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice) -> bytes:
        start, stop, _ = where.indices(self._size)
        return os.pread(self._descriptor, max(0, stop - start), start)

    def rfind(self, wanted: bytes, start: int) -> int:
        """Return the last position from `start` on, or -1."""
        found = self[start:].rfind(wanted)
        return found if found < 0 else start + found


def _entries(raw: _Bytes) -> tuple[Entry, ...]:
    count, start, end = _end(raw)
    names, entries, at = Names(), [], start
    for _ in range(count):
        entry, at = _central(raw, at, end)
        names.add(entry.name, folder=entry.folder)
        entries.append(entry)
    names.finish()
    if at != end:
        raise ArchiveError("the central directory holds more than the end record says")
    placed, position = {}, 0
    for entry in sorted(entries, key=lambda one: one.header):
        if entry.header != position:
            raise ArchiveError(f"bytes that belong to no entry stand before {shown(entry.name)}, or entries overlap")
        placed[entry.name], position = _local(raw, entry, start)
    if position != start:
        raise ArchiveError("bytes that belong to no entry stand before the central directory")
    return tuple(placed[entry.name] for entry in entries)


def _end(raw: _Bytes) -> tuple[int, int, int]:
    """Return (number of entries, start, end) of the central directory."""
    at = raw.rfind(b"PK\x05\x06", max(0, len(raw) - _END.size - _MAX16))
    if at < 0 or at + _END.size > len(raw):
        raise ArchiveError("it is not a zip archive: it has no end record")
    _, *fields, comment = _END.unpack(raw[at : at + _END.size])
    if at + _END.size + comment != len(raw):
        raise ArchiveError("bytes follow the end record")
    if b"PK" in raw[at + _END.size :]:
        raise ArchiveError("the archive's comment holds zip records")
    end, (disk, first, here, count, size, start) = _widest(raw, at, tuple(fields))
    if disk or first or here != count:
        raise ArchiveError("it is one part of several")
    if start + size != end:
        raise ArchiveError("bytes that belong to nothing stand before the archive or around its central directory")
    if count > limits.MEMBERS or size > limits.CENTRAL_BYTES:
        raise ArchiveError(f"it has more than {limits.MEMBERS:,} entries")
    return count, start, end


def _widest(raw: _Bytes, at: int, narrow: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """Return where the end records start and their six fields, from the zip64 record if there is one.

    `narrow` are the fields of the record at `at`.
    """
    limited = tuple(zip(narrow, (_MAX16, _MAX16, _MAX16, _MAX16, _MAX32, _MAX32), strict=True))
    if at >= _LOCATOR.size and raw[at - _LOCATOR.size : at - _LOCATOR.size + 4] == b"PK\x06\x07":
        end, wide = _end64(raw, at - _LOCATOR.size)
        for (value, limit), full in zip(limited, wide, strict=True):
            if value not in (limit, full):
                raise ArchiveError("the two end records disagree")
        return end, wide
    if any(value == limit for value, limit in limited):
        raise ArchiveError("the end record asks for a zip64 record that is not there")
    return at, narrow


def _end64(raw: _Bytes, locator: int) -> tuple[int, tuple[int, ...]]:
    """Return where the zip64 end record starts, and its six fields in the order of the narrow one."""
    _, disk, at, disks = _LOCATOR.unpack(raw[locator : locator + _LOCATOR.size])
    if disk or disks > 1 or at + _END64.size != locator or raw[at : at + 4] != b"PK\x06\x06":
        raise ArchiveError("the zip64 end record is not where its locator says")
    _, length, _, _, number, first, here, count, size, start = _END64.unpack(raw[at : at + _END64.size])
    if length != _END64.size - 12:
        raise ArchiveError("the zip64 end record has the wrong length")
    return at, (number, first, here, count, size, start)


def _central(raw: _Bytes, at: int, end: int) -> tuple[Entry, int]:
    """Read the central header at `at`; return it and where the next one starts."""
    if at + _CENTRAL.size > end or raw[at : at + 4] != b"PK\x01\x02":
        raise ArchiveError("the central directory is cut short or damaged")
    fields = _CENTRAL.unpack(raw[at : at + _CENTRAL.size])
    _, _, _, flags, method, _, _, crc, packed, size, names, extras, comments, disk, _, attributes, header = fields
    stop = at + _CENTRAL.size + names + extras + comments
    if stop > end or disk:
        raise ArchiveError("the central directory is cut short or damaged")
    after = at + _CENTRAL.size + names
    name = _name(raw[at + _CENTRAL.size : after], flags)
    extra = _extra(raw[after : after + extras], name)
    size, packed, header = _widen(name, extra, (size, packed, header))
    folder = name.endswith("/")
    _check_kind(name, flags, method, attributes, folder=folder, size=size, packed=packed)
    name = name.removesuffix("/")
    entry = Entry(
        name=name,
        folder=folder,
        method=method,
        flags=flags,
        crc=crc,
        packed=packed,
        size=size,
        header=header,
        executable=bool(attributes >> 16 & _RUN_BITS),
    )
    return entry, stop


def _check_kind(name: str, flags: int, method: int, attributes: int, *, folder: bool, size: int, packed: int) -> None:
    if flags & 0x2041:
        raise ArchiveError(f"the entry {shown(name)} is encrypted")
    if flags & ~_FLAGS:
        raise ArchiveError(f"the entry {shown(name)} has flags that we do not take ({flags:#06x})")
    if method not in (STORED, DEFLATED):
        raise ArchiveError(f"the entry {shown(name)} is neither stored nor deflated (method {method})")
    mode = attributes >> 16
    if mode & _TYPE_BITS not in ({0, _FOLDER} if folder else {0, _REGULAR}):
        raise ArchiveError(f"the entry {shown(name)} is a link or another special file")
    if mode & _SET_BITS:
        raise ArchiveError(f"the entry {shown(name)} has special permissions ({mode & 0o7777:o})")
    if attributes & _DOS_VOLUME or (attributes & _DOS_FOLDER and not folder):
        raise ArchiveError(f"the entry {shown(name)} is a link or another special file")
    if folder and size:
        raise ArchiveError(f"the folder {shown(name)} has contents of its own")
    if method == STORED and packed != size:
        raise ArchiveError(f"the entry {shown(name)} is stored, but has two sizes")
    if method == STORED and flags & _STREAMED and size:
        # one that reads on without the central directory cannot tell where the data ends
        raise ArchiveError(f"the entry {shown(name)} is stored without its size in front")


def _local(raw: _Bytes, entry: Entry, stop: int) -> tuple[Entry, int]:
    """Compare the local header; return the entry with its data's offset, and where the next header starts."""
    at, what = entry.header, f"the local header of {shown(entry.name)}"
    if at + _LOCAL.size > stop or raw[at : at + 4] != b"PK\x03\x04":
        raise ArchiveError(f"{what} is missing")
    _, _, flags, method, _, _, crc, packed, size, names, extras = _LOCAL.unpack(raw[at : at + _LOCAL.size])
    data = at + _LOCAL.size + names + extras
    if data + entry.packed > stop:
        raise ArchiveError(f"{what} or its data reaches into the central directory")
    if flags & ~0x0006 != entry.flags & ~0x0006:
        raise ArchiveError(f"{what} has other flags than the central directory")
    name = _name(raw[at + _LOCAL.size : at + _LOCAL.size + names], flags)
    if name.removesuffix("/") != entry.name or name.endswith("/") != entry.folder:
        raise ArchiveError(f"{what} says {shown(name)}")
    extra = _extra(raw[at + _LOCAL.size + names : data], name)
    size, packed = _widen(name, extra, (size, packed))
    if method != entry.method:
        raise ArchiveError(f"{what} has another method than the central directory")
    given, expected = (crc, packed, size), (entry.crc, entry.packed, entry.size)
    streamed = bool(flags & _STREAMED)
    later = streamed and all(value in (0, want) for value, want in zip(given, expected, strict=True))
    if given != expected and not later:
        raise ArchiveError(f"{what} has another size or checksum than the central directory")
    end = data + entry.packed
    if streamed:
        end = _descriptor(raw, end, entry, wide=_ZIP64 in extra)
    return entry._replace(data=data), end


def _descriptor(raw: _Bytes, at: int, entry: Entry, *, wide: bool) -> int:
    """Return the end of the data descriptor at `at`, which must repeat the central directory."""
    body = struct.pack("<LQQ" if wide else "<LLL", entry.crc, entry.packed, entry.size)
    for form in (b"PK\x07\x08" + body, body):
        if raw[at : at + len(form)] == form:
            return at + len(form)
    raise ArchiveError(f"the data descriptor of {shown(entry.name)} disagrees with the central directory")


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        text = raw.decode("latin-1")
        raise ArchiveError(f"the entry {shown(text)} has a name that is neither ASCII nor marked UTF-8") from error


def _extra(raw: bytes, name: str) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise ArchiveError(f"the entry {shown(name)} has a damaged extra field")
        kind, length = struct.unpack_from("<HH", raw, at)
        if at + 4 + length > len(raw) or kind in fields:
            raise ArchiveError(f"the entry {shown(name)} has a damaged extra field")
        fields[kind] = raw[at + 4 : at + 4 + length]
        at += 4 + length
    if _UNICODE_PATH in fields:
        raise ArchiveError(f"the entry {shown(name)} has a second name in an extra field")
    return fields


def _widen(name: str, extra: dict[int, bytes], values: tuple[int, ...]) -> tuple[int, ...]:
    """Put the zip64 values in place of the 32-bit ones that ask for them, and of no others."""
    asked = [index for index, value in enumerate(values) if value == _MAX32]
    field = extra.get(_ZIP64)
    if field is None:
        if asked:
            raise ArchiveError(f"the entry {shown(name)} asks for zip64 sizes that are not there")
        return values
    wide = struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8])
    result = list(values)
    if len(field) == 8 * len(asked):
        for index, value in zip(asked, wide, strict=True):
            result[index] = value
    elif len(field) in (16, 24) and len(wide) <= len(values):
        # some writers always give all of them: then they may only repeat
        for index, value in enumerate(wide):
            if values[index] not in (_MAX32, value):
                raise ArchiveError(f"the entry {shown(name)} has two sizes")
            result[index] = value
    else:
        raise ArchiveError(f"the entry {shown(name)} has a damaged zip64 field")
    return tuple(result)


def _same_as_zipfile(file: BinaryIO, entries: tuple[Entry, ...]) -> None:
    """Hold the reading against the standard library's, which is the one that pip installs by."""
    try:
        with zipfile.ZipFile(file) as other:
            theirs = [(i.filename, i.header_offset, i.file_size, i.compress_size, i.CRC) for i in other.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise ArchiveError("Python's own zip reader does not take it") from error
    ours = [(e.name + "/" * e.folder, e.header, e.size, e.packed, e.crc) for e in entries]
    if ours != theirs:
        raise ArchiveError("Python's own zip reader sees other entries in it")
