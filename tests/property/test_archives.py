"""For all archives: what we read is what is in there, and damage is a refusal or changes nothing that we say."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.archive.contents import shown
from openvet_install.archive.paths import place
from tests.support.opening import SDIST, WHEEL
from tests.support.wheels import make_sdist, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEGMENT = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\:.", exclude_categories=["C", "Z"]), min_size=1, max_size=12
)
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATH.map("x/".__add__), st.binary(max_size=200), min_size=1, max_size=8)


def told_apart(files: dict[str, bytes]) -> bool:
    """Whether no two paths fall together and none is a folder of another."""
    keys = [place(path) for path in files]
    return len(set(keys)) == len(keys) and not any(a.startswith(b + "/") for a in keys for b in keys)


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


@given(files=FILES, method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
@SETTINGS
def test_a_wheel_is_read_as_it_was_made(tmp_path: Path, files, method):
    assume(told_apart(files))
    path = tmp_path / "blob"
    path.write_bytes(make_wheel("x", "1.0", files=files, compression=method))
    contents = open_archive(path, WHEEL)
    assert digests(files).items() <= contents.members.items()
    with zipfile.ZipFile(path) as archive:
        assert {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()} == contents.members


@given(files=FILES)
@SETTINGS
def test_an_sdist_is_read_as_it_was_made(tmp_path: Path, files):
    assume(told_apart(files))
    path = tmp_path / "blob"
    path.write_bytes(make_sdist("x", "1.0", files=files))
    contents = open_archive(path, SDIST)
    assert {f"x-1.0/{name}": value for name, value in digests(files).items()}.items() <= contents.members.items()
    with tarfile.open(path) as archive:
        theirs = {one.name: hashlib.sha256(archive.extractfile(one).read()).hexdigest() for one in archive}
    assert theirs == contents.members


WHOLE_WHEEL = make_wheel("x", "1.0", files={"x/__init__.py": "A = 1\n" * 30, "x/b.bin": bytes(range(256))})
WHOLE_SDIST = make_sdist("x", "1.0", files={"x/__init__.py": "A = 1\n" * 30, "b" * 120: "long"})


def damaged(content: bytes, at: int, kind: str, byte: int) -> bytes:
    at %= len(content)
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (byte or 1)]) + content[at + 1 :]
    if kind == "cut":
        return content[:at]
    if kind == "drop":
        return content[:at] + content[at + 1 :]
    return content[:at] + bytes([byte]) + content[at:]


DAMAGE = {
    "at": st.integers(min_value=0, max_value=2**20),
    "kind": st.sampled_from(["flip", "cut", "drop", "insert"]),
    "byte": st.integers(min_value=0, max_value=255),
}


@given(**DAMAGE)
@settings(SETTINGS, max_examples=250)
def test_a_damaged_wheel_is_refused_or_has_the_same_members(tmp_path: Path, at, kind, byte):
    path = tmp_path / "blob"
    path.write_bytes(WHOLE_WHEEL)
    members = open_archive(path, WHEEL).members
    path.write_bytes(damaged(WHOLE_WHEEL, at, kind, byte))
    try:
        assert open_archive(path, WHEEL).members == members  # a time stamp, say
    except ArchiveError:
        return


@given(**DAMAGE)
@settings(SETTINGS, max_examples=120)
def test_a_damaged_sdist_is_refused_or_has_the_same_members(tmp_path: Path, at, kind, byte):
    path = tmp_path / "blob"
    path.write_bytes(WHOLE_SDIST)
    members = open_archive(path, SDIST).members
    path.write_bytes(damaged(WHOLE_SDIST, at, kind, byte))
    try:
        assert open_archive(path, SDIST).members == members
    except ArchiveError:
        return


@given(**DAMAGE)
@settings(SETTINGS, max_examples=250)
def test_a_damaged_tar_is_refused_or_read_like_the_standard_library(tmp_path: Path, at, kind, byte):
    import gzip

    content = damaged(gzip.decompress(WHOLE_SDIST), at, kind, byte)
    path = tmp_path / "blob"
    path.write_bytes(gzip.compress(content, mtime=0))
    try:
        members = open_archive(path, SDIST).members
    except ArchiveError:
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        theirs = {
            one.name: hashlib.sha256(archive.extractfile(one).read()).hexdigest() for one in archive if one.isreg()
        }
    assert theirs == members


@given(content=st.binary(max_size=400), filename=st.sampled_from([WHEEL, SDIST, "x-1.0.zip"]))
@SETTINGS
def test_noise_is_refused(tmp_path: Path, content, filename):
    path = tmp_path / "blob"
    path.write_bytes(content)
    with pytest.raises(ArchiveError):
        open_archive(path, filename)


@given(text=st.text())
def test_any_text_can_be_shown(text):
    result = shown(text)
    assert result.isprintable()
    assert result.count("`") == 2
