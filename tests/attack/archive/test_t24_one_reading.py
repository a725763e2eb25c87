"""T24: an archive that two readers could read in two ways is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import subprocess
import tarfile
import zipfile
import zlib

import pytest

from tests.support.opening import SDIST, WHEEL, opened, refused
from tests.support.stage import PROGRAMS
from tests.support.wheels import (
    core_metadata,
    make_sdist,
    make_tar,
    make_wheel,
    make_zip,
    pack,
    plain_tar,
    record_of,
    wheel_text,
    zip_info,
)

INFO = "x-1.0.dist-info"
GOOD = make_wheel("x", "1.0", files={"x/__init__.py": "A = 1\n" * 50, "x/b.py": "B = 2\n"})


def members(*more, listed=True):
    """Return a wheel's members with `more` in the middle; RECORD lists those with `listed`."""
    inner = {
        "x/__init__.py": b"A = 1\n" * 50,
        f"{INFO}/METADATA": core_metadata("x", "1.0").encode(),
        f"{INFO}/WHEEL": wheel_text().encode(),
    }
    names = {(one.filename if isinstance(one, zipfile.ZipInfo) else one): content for one, content in more}
    record = record_of({**inner, **(names if listed else {})}, INFO)
    return [*inner.items(), *more, (f"{INFO}/RECORD", record)]


def end_of(raw):
    at = raw.rindex(b"PK\x05\x06")
    return at, list(struct.unpack_from("<4s4H2LH", raw, at))


def with_end(raw, **changes):
    at, fields = end_of(raw)
    order = ("disk", "first", "here", "count", "size", "start", "comment")
    for key, value in changes.items():
        fields[1 + order.index(key)] = value
    return raw[:at] + struct.pack("<4s4H2LH", *fields) + raw[at + 22 :]


def inserted(raw, at, filling):
    """Put bytes before the central directory's start, and move its offset along."""
    _, fields = end_of(raw)
    return with_end(raw[:at] + filling + raw[at:], start=fields[6] + len(filling))


def central_of(raw, name):
    at = raw.index(b"PK\x01\x02")
    while raw[at + 46 : at + 46 + len(name)] != name:
        at = raw.index(b"PK\x01\x02", at + 4)
    return at


def local_of(raw, name):
    at = 0
    while raw[at + 30 : at + 30 + len(name)] != name:
        at = raw.index(b"PK\x03\x04", at + 4)
    return at


def patched(raw, at, new):
    return raw[:at] + new + raw[at + len(new) :]


def test_the_untouched_wheel_opens(tmp_path):
    assert opened(tmp_path, GOOD, WHEEL).members.keys() >= {"x/__init__.py", f"{INFO}/RECORD"}
    assert opened(tmp_path, make_zip(members()), WHEEL).name == "x"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_twice(tmp_path):
    content = make_zip(members(("x/__init__.py", b"EVIL = 1\n")))
    refused(tmp_path, content, WHEEL, "two entries are called `x/__init__.py`")


def test_an_entry_only_in_local_headers(tmp_path):
    data = b"EVIL = 1\n"
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), 9, 0)
    hidden = header + b"x/evil.py" + data
    _, fields = end_of(GOOD)
    refused(tmp_path, inserted(GOOD, fields[6], hidden), WHEEL, "bytes that belong to no entry")


def test_an_entry_only_in_the_central_directory(tmp_path):
    _, fields = end_of(GOOD)
    start, size = fields[6], fields[5]
    first = GOOD[start : start + 46 + len("x/__init__.py")].replace(b"x/__init__.py", b"x/__evil__.py")
    content = GOOD[:start] + first + GOOD[start:]
    content = with_end(content, size=size + len(first), here=fields[3] + 1, count=fields[4] + 1)
    refused(tmp_path, content, WHEEL, "the local header of `x/__evil__.py` says")


def test_bytes_before(tmp_path):
    refused(tmp_path, b"#!/bin/sh\n" + GOOD, WHEEL, "bytes that belong to nothing")


def test_bytes_before_with_moved_offsets(tmp_path):
    buffer = io.BytesIO(b"#!/bin/sh\n")
    buffer.seek(0, 2)
    with zipfile.ZipFile(buffer, "a") as archive:
        for path, content in members():
            archive.writestr(path, content)
    refused(tmp_path, buffer.getvalue(), WHEEL, "bytes that belong to no entry stand before `x/__init__.py`")


def test_bytes_after(tmp_path):
    refused(tmp_path, GOOD + b"\0", WHEEL, "bytes follow the end record")


def test_bytes_between(tmp_path):
    name = b"x/b.py"
    at = local_of(GOOD, name)
    content = inserted(GOOD, at, b"gap!")
    refused(tmp_path, content, WHEEL, "local header of `x/b.py`")


def test_two_zips_glued(tmp_path):
    refused(tmp_path, GOOD + GOOD, WHEEL, "bytes that belong to nothing")


def test_a_zip_in_the_comment(tmp_path):
    inner = make_zip([("evil.py", b"")])
    refused(tmp_path, with_end(GOOD, comment=len(inner)) + inner, WHEEL, "bytes that belong to nothing")


def test_a_comment_that_starts_like_a_zip_record(tmp_path):
    refused(tmp_path, with_end(GOOD, comment=4) + b"PK\x03\x04", WHEEL, "comment holds zip records")


def test_a_plain_comment_is_taken(tmp_path):
    assert opened(tmp_path, with_end(GOOD, comment=5) + b"hello", WHEEL).name == "x"


def test_a_central_directory_that_holds_more(tmp_path):
    _, fields = end_of(GOOD)
    content = with_end(GOOD, here=fields[3] - 1, count=fields[4] - 1)
    refused(tmp_path, content, WHEEL, "central directory holds more")


def test_several_disks(tmp_path):
    refused(tmp_path, with_end(GOOD, disk=1), WHEEL, "one part of several")


def test_zip64_asked_for_and_absent(tmp_path):
    refused(tmp_path, with_end(GOOD, count=0xFFFF), WHEEL, "zip64 record that is not there")


def wide_end(raw, **changes):
    """Put zip64 end records in front of the narrow one."""
    at, fields = end_of(raw)
    wide = {"here": fields[3], "count": fields[4], "size": fields[5], "start": fields[6], "length": 44, "at": at}
    wide |= changes
    record = struct.pack(
        "<4sQ2H2L4Q",
        b"PK\x06\x06",
        wide["length"],
        45,
        45,
        0,
        0,
        *(wide[k] for k in ("here", "count", "size", "start")),
    )
    return raw[:at] + record + struct.pack("<4sLQL", b"PK\x06\x07", 0, wide["at"], 1) + raw[at:]


def test_zip64_that_says_the_same_is_taken(tmp_path):
    assert opened(tmp_path, wide_end(GOOD), WHEEL).name == "x"
    assert opened(tmp_path, with_end(wide_end(GOOD), count=0xFFFF, here=0xFFFF), WHEEL).name == "x"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 1, "here": 1}, "disagree"),
        ({"start": 7}, "disagree"),
        ({"length": 45}, "wrong length"),
        ({"at": 3}, "not where its locator says"),
    ],
)
def test_zip64_that_says_something_else(tmp_path, changes, words):
    refused(tmp_path, wide_end(GOOD, **changes), WHEEL, words)


def test_an_entry_with_two_sizes_in_zip64(tmp_path):
    one = zip_info("x/big.py", zipfile.ZIP_STORED)
    one.extra = struct.pack("<HHQQ", 1, 16, 999, 999)
    refused(tmp_path, make_zip(members((one, b"1"))), WHEEL, "two sizes")


def test_a_zip64_field_that_is_asked_for_and_absent(tmp_path):
    at = central_of(GOOD, b"x/b.py")
    refused(tmp_path, patched(GOOD, at + 24, b"\xff\xff\xff\xff"), WHEEL, "zip64 sizes that are not there")


@pytest.mark.parametrize(
    ("offset", "new", "words"),
    [
        (6, b"\x00\x08", "other flags"),
        (8, b"\x00\x00", "another method"),
        (14, b"\0\0\0\0", "another size or checksum"),
        (18, b"\x01\0\0\0", "another size or checksum"),
        (22, b"\x01\0\0\0", "another size or checksum"),
        (30, b"x/c.py", "says `x/c.py`"),
        (0, b"PK\x03\x05", "is missing"),
    ],
)
def test_a_local_header_that_disagrees(tmp_path, offset, new, words):
    at = local_of(GOOD, b"x/b.py")
    refused(tmp_path, patched(GOOD, at + offset, new), WHEEL, words)


def streamed(*, descriptor=None, method=zipfile.ZIP_DEFLATED, extra_bytes=b""):
    """Return a zip whose one entry has its sizes behind the data."""

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = b""

        def writable(self):
            return True

        def write(self, data):
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for path, content in members():
            archive.writestr(path, content)
    raw = pipe.content
    if descriptor is not None:
        at = raw.index(b"PK\x07\x08")
        raw = patched(raw, at, descriptor)
    return raw + extra_bytes


def test_sizes_behind_the_data(tmp_path):
    assert opened(tmp_path, streamed(), WHEEL).name == "x"
    refused(tmp_path, streamed(descriptor=b"PK\x07\x08\0\0\0\0"), WHEEL, "data descriptor of `x/__init__.py`")
    refused(tmp_path, streamed(method=zipfile.ZIP_STORED), WHEEL, "stored without its size in front")


def test_bytes_behind_the_end_of_a_deflate_stream(tmp_path):
    data = b"A = 1\n"
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = engine.compress(data) + engine.flush() + b"evil"
    content = glued("x/c.py", data, packed)
    refused(tmp_path, content, WHEEL, "compressed bytes of the entry `x/c.py` do not end")


def glued(name, data, packed, method=8, crc=None, size=None):
    """Return the wheel with one more entry, whose packed bytes are given."""
    base = make_zip(members((name, data)))
    at, central = local_of(base, name.encode()), central_of(base, name.encode())
    old = struct.unpack_from("<L", base, at + 18)[0]
    start = at + 30 + len(name)
    fields = struct.pack(
        "<LLL", zlib.crc32(data) if crc is None else crc, len(packed), len(data) if size is None else size
    )
    raw = patched(base, central + 16, fields)
    raw = patched(raw, central + 10, struct.pack("<H", method))
    raw = patched(patched(raw, at + 14, fields), at + 8, struct.pack("<H", method))
    raw = raw[:start] + packed + raw[start + old :]
    shift = len(packed) - old
    record = central_of(raw, f"{INFO}/RECORD".encode())
    raw = patched(raw, record + 42, struct.pack("<L", struct.unpack_from("<L", raw, record + 42)[0] + shift))
    _, end = end_of(raw)
    return with_end(raw, start=end[6] + shift)


def test_wrong_sums_and_sizes_inside(tmp_path):
    data = b"A = 1\n" * 9
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = engine.compress(data) + engine.flush()
    assert opened(tmp_path, glued("x/c.py", data, packed), WHEEL).name == "x"
    refused(tmp_path, glued("x/c.py", data, packed, crc=1), WHEEL, "wrong size or checksum")
    refused(tmp_path, glued("x/c.py", data, packed, size=5), WHEEL, "unpacks to more than its 5 bytes")
    refused(tmp_path, glued("x/c.py", data, packed, size=500), WHEEL, "wrong size or checksum")
    refused(tmp_path, glued("x/c.py", data, packed[:-3]), WHEEL, "do not end where its size says")
    refused(tmp_path, glued("x/c.py", data, b"\xff" * 9), WHEEL, "not a deflate stream")
    refused(tmp_path, glued("x/c.py", data, data, method=12), WHEEL, "neither stored nor deflated")
    refused(tmp_path, glued("x/c.py", data, data, method=0, size=3), WHEEL, "two sizes")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x.py", "`..` segment"),
        ("x/../../y.py", "`..` segment"),
        ("/etc/x.py", "absolute"),
        ("c:x.py", "absolute"),
        ("x//y.py", "empty"),
        ("x/./y.py", "`.`"),
        ("x\\y.py", "backslash"),
        ("x/\x1b[2Jy.py", "control character"),
        ("x/a\ny.py", "control character"),
        ("x/" + "a" * 1100, "longer than"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path, name, words):
    refused(tmp_path, make_zip(members((name, b""))), WHEEL, words)
    if not name.startswith(("/", "c:")):  # they are not at the start of an sdist's paths
        refused(tmp_path, make_sdist("x", "1.0", files={name: b""}), SDIST, words)


def test_a_name_with_nul(tmp_path):
    content = make_zip(members(("x/q.py@.txt", b"1"))).replace(b"x/q.py@.txt", b"x/q.py\0.txt")
    refused(tmp_path, content, WHEEL, "control character")


@pytest.mark.parametrize(
    ("first", "second"),
    [("x/a.py", "x/A.py"), ("x/\u00e9.py", "x/e\u0301.py"), ("x/\u212b.py", "x/\u00e5.py"), ("x/\u00df", "x/SS")],
)
def test_names_that_fall_together(tmp_path, first, second):
    refused(tmp_path, make_zip(members((first, b"1"), (second, b"2"))), WHEEL, "differ only in case or Unicode form")
    refused(tmp_path, make_sdist("x", "1.0", files={first: b"1", second: b"2"}), SDIST, "differ only in case")


def test_a_file_that_is_a_folder_too(tmp_path):
    refused(tmp_path, make_zip(members(("x/a", b"1"), ("x/a/b.py", b"2"))), WHEEL, "is a file and a folder")
    refused(tmp_path, make_zip(members(("x/a/b.py", b"2"), ("x/A", b"1"))), WHEEL, "is a file and a folder")


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o120777, "link"), (0o060644, "special file"), (0o010644, "special file"), (0o104755, "permissions")],
)
def test_links_and_special_files_in_a_zip(tmp_path, mode, words):
    refused(tmp_path, make_zip(members((zip_info("x/l", mode=mode), b"/etc/passwd"))), WHEEL, words)


def test_a_file_marked_as_a_folder(tmp_path):
    one = zip_info("x/l")
    one.external_attr |= 0x10
    refused(tmp_path, make_zip(members((one, b""))), WHEEL, "special file")


def test_a_folder_with_contents(tmp_path):
    folder = zip_info("x/l/", zipfile.ZIP_STORED, mode=0o40755)
    refused(tmp_path, make_zip(members((folder, b"1"), listed=False)), WHEEL, "contents of its own")
    assert opened(tmp_path, make_zip(members((folder, b""), listed=False)), WHEEL).name == "x"


def test_encrypted(tmp_path):
    at, central = local_of(GOOD, b"x/b.py"), central_of(GOOD, b"x/b.py")
    content = patched(patched(GOOD, at + 6, b"\x01\0"), central + 8, b"\x01\0")
    refused(tmp_path, content, WHEEL, "encrypted")


def test_unknown_flags(tmp_path):
    at, central = local_of(GOOD, b"x/b.py"), central_of(GOOD, b"x/b.py")
    content = patched(patched(GOOD, at + 6, b"\x20\0"), central + 8, b"\x20\0")
    refused(tmp_path, content, WHEEL, "flags that we do not take")


def test_a_second_name_in_an_extra_field(tmp_path):
    one = zip_info("x/a.py")
    name = b"x/evil.py"
    one.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(b"x/a.py")) + name
    refused(tmp_path, make_zip(members((one, b"1"))), WHEEL, "second name")


def test_a_damaged_extra_field(tmp_path):
    one = zip_info("x/a.py")
    one.extra = b"\x55\x54\xff\x00"
    refused(tmp_path, make_zip(members((one, b"1"))), WHEEL, "damaged extra field")


def test_a_name_in_an_unknown_alphabet(tmp_path):
    content = make_zip(members(("x/aaa.py", b"1"))).replace(b"x/aaa.py", b"x/\xe9aa.py")
    refused(tmp_path, content, WHEEL, "neither ASCII nor marked UTF-8")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"not a zip at all", b"PK\x05\x06"])
def test_no_zip_or_an_empty_one(tmp_path, content):
    refused(tmp_path, content, WHEEL, "")


def test_cut_anywhere(tmp_path):
    for length in range(0, len(GOOD), 37):
        refused(tmp_path, GOOD[:length], WHEEL, "")


# RECORD


def record_with(change):
    inner = {
        "x/__init__.py": b"A = 1\n",
        f"{INFO}/METADATA": core_metadata("x", "1.0").encode(),
        f"{INFO}/WHEEL": wheel_text().encode(),
    }
    return make_zip([*inner.items(), (f"{INFO}/RECORD", change(record_of(inner, INFO).decode()).encode())])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.split("\n", 1)[1], "does not list `x/__init__.py`"),
        (lambda t: t + "x/other.py,sha256=AAAA,1\n", "lists `x/other.py`, which is not in the archive"),
        (lambda t: t + t, "twice"),
        (lambda t: t.replace(",6\n", ",7\n"), "another size"),
        (lambda t: t.replace("sha256=", "sha256=A", 1), "digest"),
        (lambda t: t.replace("sha256=", "md5=", 1), "at least sha256"),
        (lambda t: t.replace("sha256=", "sha1=", 1), "at least sha256"),
        (lambda t: t.replace("x/__init__.py,", "x/__init__.py,,\n#", 1), ""),
        (lambda t: "x/__init__.py,,\n" + t.split("\n", 1)[1], "no digest"),
        (lambda t: t.replace("x/__init__.py", "./x/__init__.py"), "which is not in the archive"),
        (lambda t: t.replace("x/__init__.py", "x\\__init__.py"), "which is not in the archive"),
        (lambda t: t.replace(f"{INFO}/RECORD,,\n", ""), "does not list"),
        (lambda t: "", "does not list"),
        (lambda t: t + "a,b\n", "row with 2 fields"),
        (lambda t: t + '"a,b\n', "not a table"),
        (lambda t: t + "\ud800", ""),
    ],
)
def test_a_record_that_is_not_the_members(tmp_path, change, words):
    def as_bytes(text):
        return change(text)

    try:
        content = record_with(as_bytes)
    except UnicodeEncodeError:
        content = make_wheel("x", "1.0", record=b"\xff\xff")
        words = "not a table"
    refused(tmp_path, content, WHEEL, words)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_stronger_digests_are_checked(tmp_path, algorithm):
    from tests.support.wheels import record_row

    row = record_row("x/__init__.py", b"A = 1\n", algorithm)
    assert opened(tmp_path, record_with(lambda t: row + t.split("\n", 1)[1]), WHEEL).name == "x"
    wrong = record_row("x/__init__.py", b"A = 2\n", algorithm)
    refused(tmp_path, record_with(lambda t: wrong + t.split("\n", 1)[1]), WHEEL, "another digest")


def test_no_record(tmp_path):
    content = make_zip([m for m in members() if m[0] != f"{INFO}/RECORD"])
    refused(tmp_path, content, WHEEL, "it has no `x-1.0.dist-info/RECORD`")


def test_signatures_of_record_need_no_row(tmp_path):
    content = make_zip([*members(), (f"{INFO}/RECORD.jws", b"{}"), (f"{INFO}/RECORD.p7s", b"1")])
    assert opened(tmp_path, content, WHEEL).name == "x"


# tar.gz


def entry(name, kind=tarfile.REGTYPE, target="", **more):
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, target
    one.pax_headers = more
    return one


def tar_of(*more, layout=tarfile.PAX_FORMAT):
    return plain_tar(
        [("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode()), ("x-1.0/x.py", b"X = 1\n"), *more], layout
    )


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        (tarfile.LNKTYPE, "x-1.0/x.py", "a hard link"),
        (tarfile.SYMTYPE, "/etc/passwd", "does not point to a file of the sdist"),
        (tarfile.SYMTYPE, "../../etc/passwd", "does not point to a file of the sdist"),
        (tarfile.SYMTYPE, "nothing", "does not point to a file of the sdist"),
        (tarfile.SYMTYPE, "l", "does not point to a file of the sdist"),
        (tarfile.SYMTYPE, ".", "does not point to a file of the sdist"),
        (tarfile.CHRTYPE, "", "a device"),
        (tarfile.BLKTYPE, "", "a device"),
        (tarfile.FIFOTYPE, "", "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "", "a sparse file"),
        (tarfile.CONTTYPE, "", "of an unknown kind"),
        (b"V", "", "of an unknown kind"),
    ],
)
def test_links_and_special_files_in_a_tar(tmp_path, kind, target, words):
    refused(tmp_path, pack(tar_of((entry("x-1.0/l", kind, target), b""))), SDIST, words)


def test_a_file_below_a_link(tmp_path):
    tar = tar_of((entry("x-1.0/l", tarfile.SYMTYPE, "x.py"), b""), ("x-1.0/l/y.py", b""))
    refused(tmp_path, pack(tar), SDIST, "is a file and a folder")


def test_a_link_to_a_file_of_the_sdist_is_that_file(tmp_path):
    contents = opened(tmp_path, pack(tar_of((entry("x-1.0/a/l", tarfile.SYMTYPE, "../x.py"), b""))), SDIST)
    assert contents.members["x-1.0/a/l"] == contents.members["x-1.0/x.py"]


def test_an_entry_twice_in_a_tar(tmp_path):
    refused(tmp_path, pack(tar_of(("x-1.0/x.py", b"EVIL\n"))), SDIST, "two entries are called `x-1.0/x.py`")


def test_several_gzip_members_and_data_behind(tmp_path):
    tar = tar_of()
    whole = pack(tar)
    opened(tmp_path, whole, SDIST)
    refused(tmp_path, pack(tar[:1024]) + pack(tar[1024:]), SDIST, "second gzip member")
    refused(tmp_path, whole + b"\0", SDIST, "follow the first")
    refused(tmp_path, whole + whole, SDIST, "second gzip member")
    refused(tmp_path, whole[:-9], SDIST, "cut short")
    refused(tmp_path, patched(whole, len(whole) - 8, b"\0\0\0\0"), SDIST, "not a gzip file, or damaged")
    refused(tmp_path, b"plain", SDIST, "not a gzip file")
    refused(tmp_path, b"", SDIST, "cut short")


def test_bytes_behind_the_end_of_a_tar(tmp_path):
    tar = tar_of()
    end = len(tar.rstrip(b"\0")) // 512 * 512 + 512
    refused(tmp_path, pack(tar[: end + 1024] + tar_of()), SDIST, "bytes follow the end mark")
    refused(tmp_path, pack(tar[:end]), SDIST, "ends without an end mark")
    refused(tmp_path, pack(tar[:700]), SDIST, "")
    opened(tmp_path, pack(tar[: end + 512]), SDIST)


def test_extended_headers_that_steer(tmp_path):
    for key in ("linkpath", "hdrcharset", "GNU.sparse.name", "GNU.sparse.size"):
        tar = tar_of((entry("x-1.0/y.py", **{key: "5"}), b"12345"))
        refused(tmp_path, pack(tar), SDIST, f"changes `{key}`")


def test_a_size_that_is_told_twice(tmp_path):
    """`uv_build` tells each size in a record, too; where the two differ readers take other bytes."""

    def told(size):
        return pack(tar_of((entry("x-1.0/y.py", path="x-1.0/y.py", size=size), b"12345")))

    assert opened(tmp_path, told("5"), SDIST).members["x-1.0/y.py"] == hashlib.sha256(b"12345").hexdigest()
    for size in ("4", "6", "0", "512", "4096"):
        refused(tmp_path, told(size), SDIST, "changes `size`")
    for size in ("05", "+5", "5 ", " 5", "5.0", "0x5", "\u0665", "", "1" * 17):
        refused(tmp_path, told(size), SDIST, "no plain number")


def test_a_size_that_is_told_of_nothing(tmp_path):
    tar = tar_of((entry("x-1.0/y.py", size="5"), b"12345"))
    at = tar.index(b"12345") - 512  # its header; the record stands before it
    refused(tmp_path, pack(tar[:at] + bytes(1024)), SDIST, "belongs to no entry")


def test_an_sdist_of_uv_build(tmp_path):
    """What the real backend writes is taken."""
    project = tmp_path / "x"
    (project / "src" / "x").mkdir(parents=True)
    (project / "src" / "x" / "__init__.py").write_text("")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["uv_build>=0.9"]\nbuild-backend = "uv_build"\n'
    )
    command = [PROGRAMS / "uv", "build", "--sdist", "--offline", "--no-config", "--out-dir", tmp_path / "out", project]
    subprocess.run(command, check=True, capture_output=True)
    content = (tmp_path / "out" / SDIST).read_bytes()
    assert b"size=" in gzip.decompress(content)
    assert "x-1.0/src/x/__init__.py" in opened(tmp_path, content, SDIST).members


def test_global_headers(tmp_path):
    def with_global(**headers):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
            archive.addfile(
                entry_of("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode())[0],
                io.BytesIO(core_metadata("x", "1.0").encode()),
            )
        return pack(buffer.getvalue())

    opened(tmp_path, with_global(comment="0" * 40), SDIST)
    refused(tmp_path, with_global(path="x-1.0/evil.py"), SDIST, "changes `path`")
    refused(tmp_path, with_global(size="0"), SDIST, "changes `size`")


def entry_of(name, content):
    one = tarfile.TarInfo(name)
    one.size = len(content)
    return one, content


def test_long_names(tmp_path):
    long = "x-1.0/" + "a" * 60 + "/" + "b" * 90 + ".py"
    for layout in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        assert long in opened(tmp_path, pack(tar_of((long, b"1"), layout=layout)), SDIST).members
    accented = "x-1.0/\u00e9.py"
    assert accented in opened(tmp_path, pack(tar_of((accented, b"1"))), SDIST).members


def record(kind, body):
    """Return one extended header of a tar, padded."""
    one = tarfile.TarInfo("././@LongLink")
    one.type, one.size = kind, len(body)
    return one.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def before_last(tar, name, blocks):
    at = tar.index(name.encode().ljust(100, b"\0"))
    return tar[:at] + blocks + tar[at:]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (record(b"L", b"x-1.0/a.py\0") + record(b"x", b"19 path=x-1.0/b.py\n"), "two records name"),
        (record(b"L", b"x-1.0/a.py\0") * 2, "two records name"),
        (record(b"K", b"/etc/passwd\0"), "a link"),
        (record(b"x", b"99 path=x-1.0/b.py\n"), "damaged"),
        (record(b"x", b"19 path=x-1.0/b.py\n19 path=x-1.0/c.py\n"), "damaged"),
        (record(b"x", b"06 a=b\n"), "damaged"),
        (record(b"x", b"6 a\xff=b"), "damaged"),
        (record(b"x", b"19 path=x-1.0\0b.py\n"), "NUL"),
        (record(b"x", b"x" * 70_000), "longer than"),
        (record(b"x", b"19 path=x-1.0/a.py\n") + record(b"g", b"11 mtime=1\n"), "followed by another record"),
        (record(b"L", b"x-1.0/a.py\0") + record(b"x", b"11 mtime=1\n"), "followed by another record"),
    ],
)
def test_records_that_two_readers_weigh_differently(tmp_path, blocks, words):
    refused(tmp_path, pack(before_last(tar_of(), "x-1.0/x.py", blocks)), SDIST, words)


def header(**fields):
    """Return a tar header of a file `x-1.0/y.py` with raw fields and the right sum."""
    where = {"name": (0, 100), "size": (124, 12), "kind": (156, 1), "magic": (257, 8), "prefix": (345, 155)}
    raw = bytearray(tarfile.TarInfo("x-1.0/y.py").tobuf(tarfile.USTAR_FORMAT))
    for key, value in fields.items():
        start, length = where[key]
        raw[start : start + length] = value.ljust(length, b"\0")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (header(magic=b"ustar  ", prefix=b"evil"), "name in two parts"),
        (header(magic=b"", prefix=b"evil"), "name in two parts"),
        (header(magic=b"other"), "unknown format"),
        (header(size=b"\x80" + b"\0" * 11), "no octal number"),
        (header(size=b"-1"), "no octal number"),
        (header(size=b"0x1"), "no octal number"),
        (header(name=b"x-1.0/y/"), "called like a folder"),
        (header(name=b"x-1.0/y/", kind=b"5", size=b"00000001000"), "contents of its own"),
        (header(name=b"x-1.0/y\xff"), "not UTF-8"),
        (header(name=b""), "no name"),
        (b"\1" + header()[1:], "damaged"),
    ],
)
def test_headers_that_two_readers_weigh_differently(tmp_path, block, words):
    tar = before_last(tar_of(), "x-1.0/x.py", block)
    refused(tmp_path, pack(tar), SDIST, words)


def test_a_tar_reads_as_the_standard_library_reads_it(tmp_path):
    content = make_sdist("x", "1.0", files={"a/b.py": "1", "a/\u00e9.txt": "2", "c" * 120: "3"})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        theirs = {one.name for one in archive if one.isfile()}
    assert opened(tmp_path, content, SDIST).members.keys() == theirs
    assert gzip.decompress(content)
    assert make_tar([("a", b"1")]) == make_tar([("a", b"1")])


@pytest.mark.parametrize(("start", "length"), [(100, 8), (108, 8), (116, 8), (136, 12), (329, 8), (337, 8)])
def test_numbers_at_which_pip_stops_reading(tmp_path, start, length):
    """Python's reader takes a header that it cannot read for the end of the archive."""
    raw = bytearray(header())
    raw[start : start + length] = b"z" * (length - 1) + b"\0"
    tar = before_last(tar_of(), "x-1.0/x.py", summed(raw))
    refused(tmp_path, pack(tar), SDIST, "Python's own tar reader")


def summed(raw):
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


@pytest.mark.parametrize(
    "longer", [record(b"x", b"19 path=x-1.0/y.py\n"), record(b"L", b"x-1.0/y.py\0"), b""], ids=["pax", "gnu", "none"]
)
def test_a_file_whose_first_name_is_that_of_a_folder(tmp_path, longer):
    """Readers that take it for a folder find the next headers in its contents."""
    inner = tarfile.TarInfo("x-1.0/x.py").tobuf(tarfile.USTAR_FORMAT)
    raw = bytearray(header(name=b"x-1.0/y/", size=b"%011o" % len(inner), kind=b"\0"))
    tar = before_last(tar_of(), "x-1.0/x.py", longer + summed(raw) + inner)
    refused(tmp_path, pack(tar), SDIST, "called like a folder")


def test_more_records_before_an_entry_than_a_reader_follows(tmp_path):
    tar = before_last(tar_of(), "x-1.0/x.py", record(b"g", b"11 mtime=1\n") * 3000)
    refused(tmp_path, pack(tar), SDIST, "Python's own tar reader does not")


def test_a_tar_that_is_a_zip_too(tmp_path):
    inner = make_zip([("x-1.0/setup.py", b"EVIL = 1\n")], zipfile.ZIP_STORED)
    content = gzip.compress(tar_of(("x-1.0/y.bin", inner)), compresslevel=0)
    path = tmp_path / "both"
    path.write_bytes(content)
    assert zipfile.ZipFile(path).namelist() == ["x-1.0/setup.py"]
    refused(tmp_path, content, SDIST, "zip archive as well")
    opened(tmp_path, pack(tar_of(("x-1.0/y.bin", inner))), SDIST)


def test_a_tar_that_is_a_zip_for_an_older_python_only(tmp_path, monkeypatch):
    """Newer ones do not take one part of several for a zip; pip runs on the target's Python, which may be older."""
    inner = bytearray(make_zip([("x-1.0/setup.py", b"EVIL = 1\n")], zipfile.ZIP_STORED))
    inner[-18] = 1  # the number of this disk
    content = gzip.compress(tar_of(("x-1.0/y.bin", bytes(inner))), compresslevel=0)
    path = tmp_path / "both"
    path.write_bytes(content)
    assert zipfile.ZipFile(path).namelist() == ["x-1.0/setup.py"]
    monkeypatch.setattr(zipfile, "is_zipfile", lambda _path: False)
    refused(tmp_path, content, SDIST, "zip archive as well")
    opened(tmp_path, pack(tar_of(("x-1.0/y.bin", b"PK\5\6" * 9))), SDIST)
    opened(tmp_path, gzip.compress(tar_of(("x-1.0/y.bin", b"PK\5\6" * 9)), compresslevel=0), SDIST)


# entry points


@pytest.mark.parametrize(
    "text",
    [
        "[[console_scripts]]\npython = x:f\n",
        "[console_scripts]]\npython = x:f\n",
        "[other]\na = x\n  [console_scripts]\n  python = x:f\n",
        "[other]\na = x\u2028[console_scripts]\u2028python = x:f\n",
        "[other]\na = x\x0c[console_scripts]\x0cpython = x:f\n",
        "[console_scripts]\n;python = x:f\n",
        "[console_scripts]x\nfine = x:f\n",
        "[ console_scripts ]\npython = x:f\n",
    ],
)
def test_entry_points_that_two_readers_find_in_different_places(tmp_path, text):
    refused(tmp_path, make_wheel("x", "1.0", entry_points=text), WHEEL, f"`{INFO}/entry_points.txt` ca")


def test_commands_that_one_reader_takes_from_a_section_of_defaults(tmp_path):
    text = "[DEFAULT]\npip = x:f\n\n[console_scripts]\nfine = x:f\n"
    refused(tmp_path, make_wheel("x", "1.0", entry_points=text), WHEEL, "outside of the groups of commands")
    opened(tmp_path, make_wheel("x", "1.0", entry_points=text.replace("console_scripts", "x.y")), WHEEL)


def test_entry_points_as_people_write_them(tmp_path):
    text = (
        "# by hand\n\n  [console_scripts]\n  a-b = x:f\n  c=x.y : g.h [more]\n\n[gui_scripts]\nd = x:f\n[x.y]\nz = x\n"
    )
    contents = opened(tmp_path, make_wheel("x", "1.0", entry_points=text), WHEEL)
    assert contents.scripts == {"a-b": "x:f", "c": "x.y:g.h", "d": "x:f"}
