"""What comes out of an archive that is right."""

from __future__ import annotations

import hashlib
import zipfile

import pytest

from openvet_install.archive import Contents, limits, open_archive
from openvet_install.archive.contents import shown
from openvet_install.archive.sources import inside
from tests.support.opening import SDIST, WHEEL, opened, refused
from tests.support.wheels import core_metadata, make_sdist, make_wheel, make_zip, sdist_name, wheel_name, zip_info


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_wheel(tmp_path):
    files = {
        "x/__init__.py": "A = 1\n",
        "x-1.0.data/scripts/tool": "#!python\nprint(1)\n",
        "x-1.0.data/scripts/bin": "\x7fELF",
    }
    content = make_wheel(
        "X",
        "1.0",
        files=files,
        requires=["idna>=3", "colorama ; sys_platform == 'win32'"],
        entry_points="[console_scripts]\nx = x:main\n[gui_scripts]\nxw = x.gui : App.run [extra]\n[x.plugins]\na = b\n",
    )
    contents = opened(tmp_path, content, WHEEL)
    assert (contents.kind, contents.name, contents.version) == ("wheel", "x", "1.0")
    assert contents.members["x/__init__.py"] == digest("A = 1\n")
    assert contents.requires == ("idna>=3", "colorama ; sys_platform == 'win32'")
    assert contents.scripts == {"x": "x:main", "xw": "x.gui:App.run"}
    assert contents.script_tails == {"x-1.0.data/scripts/tool": digest("print(1)\n")}
    assert contents.tags == {"py3-none-any"}
    assert contents.metadata.startswith(b"Metadata-Version")
    assert contents.build_requires == ()
    assert contents.unpacked_bytes > 0


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_an_sdist(tmp_path, ending):
    content = make_sdist("x", "1.0", build_requires=["b>1"], requires=["c"], files={"src/x.py": "1"}, ending=ending)
    contents = opened(tmp_path, content, f"x-1.0{ending}")
    assert (contents.kind, contents.name, contents.version) == ("sdist", "x", "1.0")
    assert contents.members["x-1.0/src/x.py"] == digest("1")
    assert contents.build_requires == ("b>1",)
    assert contents.requires == ("c",)
    assert contents.metadata == core_metadata("x", "1.0", ["c"]).encode()
    assert contents.tags == frozenset()


def test_names_and_versions_are_normalised(tmp_path):
    contents = opened(tmp_path, make_wheel("Foo.Bar", "1.0.0rc1"), wheel_name("Foo.Bar", "1.0.0rc1"))
    assert (contents.name, contents.version) == ("foo-bar", "1.0.0rc1")
    contents = opened(
        tmp_path,
        make_sdist("Foo.Bar", "1.0-rc.1", top="Foo.Bar-1.0-rc.1"),
        "Foo.Bar-1.0-rc.1.tar.gz".replace("-rc.", "rc"),
    )
    assert (contents.name, contents.version) == ("foo-bar", "1.0rc1")


def test_the_same_bytes_each_time():
    assert make_wheel("x", "1.0") == make_wheel("x", "1.0")
    assert make_sdist("x", "1.0") == make_sdist("x", "1.0")
    assert sdist_name("Foo.bar", "1") == "foo_bar-1.tar.gz"


def test_stored_members_and_folders(tmp_path):
    content = make_wheel("x", "1.0", compression=zipfile.ZIP_STORED)
    assert opened(tmp_path, content, WHEEL).members
    folders = make_zip(
        [(zip_info("x-1.0/", mode=0o40755), b""), ("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode())]
    )
    assert opened(tmp_path, folders, "x-1.0.zip").members.keys() == {"x-1.0/PKG-INFO"}


def test_metadata_with_empty_looking_lines(tmp_path):
    metadata = (
        "Name: x\nVersion: 1.0\nLicense: first\n        \n        second\nRequires-Dist: a\n\nRequires-Dist: b @ c\n"
    )
    assert opened(tmp_path, make_wheel("x", "1.0", metadata=metadata), WHEEL).requires == ("a",)
    lines = metadata.replace("\n", "\r\n")
    assert opened(tmp_path, make_wheel("x", "1.0", metadata=lines), WHEEL).requires == ("a",)


def test_a_missing_file_is_no_archive_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "none", WHEEL)


def test_members_of_large_wheels_are_hashed_several_at_a_time(tmp_path, monkeypatch):
    files = {f"x/{number}.py": f"N = {number}\n" * number for number in range(50)}
    content = make_wheel("x", "1.0", files={**files, "x-1.0.data/scripts/run": "#!python\n1\n"})
    alone = opened(tmp_path, content, WHEEL)
    monkeypatch.setattr(limits, "SEVERAL_FROM_BYTES", 0)
    assert opened(tmp_path, content, WHEEL) == alone
    assert list(alone.members)[:50] == list(files)
    assert alone.script_tails


def test_of_several_wrong_members_the_first_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "SEVERAL_FROM_BYTES", 0)
    content = make_wheel("x", "1.0", files={f"x/{n}.py": f"NUMBER = {n}\n" for n in range(9)}, compression=0)
    wrong = content.replace(b"NUMBER = 3", b"NUMBER = x").replace(b"NUMBER = 7", b"NUMBER = y")
    refused(tmp_path, wrong, WHEEL, "`x/3.py`")


def test_files_are_closed_after_a_refusal(tmp_path):
    refused(tmp_path, b"PK\x05\x06" + b"\0" * 18 + b"1", WHEEL, "")
    refused(tmp_path, b"", SDIST, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("a`b", "`a\\x60b`"),
        ("a\\b", "`a\\\\b`"),
        ("\x1b[2J", "`\\x1b[2J`"),
        ("a\u202eb", "`a\\u202eb`"),
        ("\ud800", "`\\ud800`"),
        ("\u00e9", "`\u00e9`"),
        ("a" * 300, "`" + "a" * 200 + "…`"),
    ],
)
def test_shown(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [(".", True), ("a/b", True), ("a/../b", False), ("/a", False), ("c:a", False)]
)
def test_inside(path, expected):
    assert inside(path) is expected


def test_contents_are_frozen(tmp_path):
    contents = opened(tmp_path, make_wheel("x", "1.0"), WHEEL)
    with pytest.raises(AttributeError):
        contents.name = "y"
    assert isinstance(contents, Contents)
