"""T27: what is too large is refused while it is read; other formats are not opened at all."""

from __future__ import annotations

import tracemalloc
import zipfile

import pytest

from openvet_install.archive import limits, open_archive
from tests.support.opening import SDIST, WHEEL, opened, refused
from tests.support.wheels import core_metadata, make_sdist, make_tar, make_wheel, wheel_text

MEGABYTE = 2**20


@pytest.fixture
def small(monkeypatch):
    """Make the limits small, so that the bombs can be small too."""
    monkeypatch.setattr(limits, "RATIO_FROM_BYTES", MEGABYTE)
    monkeypatch.setattr(limits, "RATIO", 100)
    monkeypatch.setattr(limits, "MEMBERS", 50)


def test_a_wheel_that_unpacks_to_far_more(tmp_path, small):
    content = make_wheel("x", "1.0", files={"x.bin": bytes(10 * MEGABYTE)})
    refused(tmp_path, content, WHEEL, "far more than its size allows")


def test_a_wheel_that_lies_about_its_size(tmp_path, small):
    files = {"x.bin": bytes(MEGABYTE)}
    content = make_wheel("x", "1.0", files=files)
    refused(tmp_path, content.replace(MEGABYTE.to_bytes(4, "little"), b"\x05\0\0\0"), WHEEL, "more than its 5 bytes")


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_an_sdist_that_unpacks_to_far_more(tmp_path, small, ending):
    content = make_sdist("x", "1.0", files={"x.bin": bytes(10 * MEGABYTE)}, ending=ending)
    refused(tmp_path, content, f"x-1.0{ending}", "far more than its size allows")


def test_many_members(tmp_path, small):
    files = {f"x/{number}": b"" for number in range(60)}
    refused(tmp_path, make_wheel("x", "1.0", files=files), WHEEL, "more than 50 entries")
    refused(tmp_path, make_sdist("x", "1.0", files=files), SDIST, "more than 50 entries")


def test_a_large_central_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CENTRAL_BYTES", 100)
    refused(tmp_path, make_wheel("x", "1.0"), WHEEL, "more than 250,000 entries")


def test_large_texts(tmp_path):
    metadata = core_metadata("x", "1.0") + "a" * limits.METADATA_BYTES
    refused(tmp_path, make_wheel("x", "1.0", metadata=metadata), WHEEL, "METADATA` is larger than 8,388,608 bytes")
    refused(tmp_path, make_sdist("x", "1.0", pkg_info=metadata), SDIST, "PKG-INFO` is larger than 8,388,608 bytes")


def test_memory_is_bounded(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(make_wheel("x", "1.0", files={"x.bin": bytes(64 * MEGABYTE)}, compression=zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    try:
        assert open_archive(path, WHEEL).unpacked_bytes > 64 * MEGABYTE
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_real_sizes_are_allowed():
    assert limits.unpacked_limit(500 * MEGABYTE) >= 4 * 1024 * MEGABYTE
    assert limits.unpacked_limit(MEGABYTE) >= 200 * MEGABYTE
    assert limits.unpacked_limit(10 * MEGABYTE) < 10 * 1000 * MEGABYTE
    assert limits.MEMBERS > 100_000


@pytest.mark.parametrize(
    "filename",
    [
        "x-1.0.egg",
        "x-1.0.exe",
        "x-1.0.win32.exe",
        "x-1.0.tar.bz2",
        "x-1.0.tar.xz",
        "x-1.0.tgz",
        "x-1.0.tar",
        "x-1.0.tar.Z",
        "x-1.0.WHL",
        "x-1.0.whl",
        "x.whl",
        "x",
        "../x-1.0.tar.gz",
        "x-\x1b[2J1.0.tar.gz",
        "",
    ],
)
def test_other_formats_and_names(tmp_path, filename):
    from openvet_install.archive import ArchiveError

    path = tmp_path / "blob"
    path.write_bytes(make_sdist("x", "1.0"))
    with pytest.raises(ArchiveError) as caught:
        open_archive(path, filename)
    assert caught.value.what.isprintable()


def test_a_deep_pyproject(tmp_path):
    deep = "a = " + "[" * 100_000
    refused(tmp_path, make_sdist("x", "1.0", pyproject=deep), SDIST, "cannot be read")
    refused(tmp_path, make_sdist("x", "1.0", pyproject=f"a = {'1' * 5000}"), SDIST, "cannot be read")
    marker = "x; " + "(" * 50_000 + "@"
    refused(tmp_path, make_wheel("x", "1.0", requires=[marker]), WHEEL, "")


def test_a_key_of_many_parts(tmp_path):
    """Readers that note every table on the way need memory by the square: 1.5 GB for these 40 kB."""
    long = ".".join("a" * 20_000)
    for key in (f"{long} = 1\n", f"[{long}]\n"):
        tracemalloc.start()
        try:
            refused(tmp_path, make_sdist("x", "1.0", pyproject=key), SDIST, "`pyproject.toml` of the sdist")
            assert tracemalloc.get_traced_memory()[1] < 16 * MEGABYTE
        finally:
            tracemalloc.stop()


def test_many_folders_in_one_name(tmp_path):
    def content(folders):
        return make_tar(
            [("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode()), ("x-1.0/" + "a/" * folders + "b", b"")]
        )

    assert opened(tmp_path, content(90), SDIST).members
    refused(tmp_path, content(100), SDIST, "more than 100 folders deep")


def test_many_folders_in_all(tmp_path, small):
    files = {f"{number}/a/a/a/a/a": b"" for number in range(20)}
    refused(tmp_path, make_sdist("x", "1.0", files=files), SDIST, "more than 50 folders")


def test_many_tags(tmp_path):
    part = ".".join(f"a{number}" for number in range(300))
    refused(tmp_path, make_wheel("x", "1.0", wheel=wheel_text() + f"Tag: {part}-{part}-{part}\n"), WHEEL, "10,000 tags")
    refused(tmp_path, make_wheel("x", "1.0", wheel=wheel_text() + "Tag: py3\n"), WHEEL, "a tag that is none")
