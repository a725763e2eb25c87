"""T26: file name, folder, METADATA and WHEEL name the same thing."""

from __future__ import annotations

import pytest

from tests.support.opening import SDIST, WHEEL, opened, refused
from tests.support.wheels import core_metadata, make_sdist, make_tar, make_wheel, wheel_text


@pytest.mark.parametrize(
    ("name", "version", "filename"),
    [
        ("x", "1.0", "y-1.0-py3-none-any.whl"),
        ("x", "1.0", "x-1.1-py3-none-any.whl"),
        ("x", "1.0+cgr.1", WHEEL),
        ("x", "1.0", "x-1.0+cgr.1-py3-none-any.whl"),
        ("x-y", "1.0", WHEEL),
    ],
)
def test_approved_bytes_under_another_name(tmp_path, name, version, filename):
    refused(tmp_path, make_wheel(name, version), filename, "is not of")


def test_tags_that_disagree(tmp_path):
    refused(tmp_path, make_wheel("x", "1.0"), "x-1.0-cp311-cp311-linux_x86_64.whl", "for other Pythons")
    refused(tmp_path, make_wheel("x", "1.0", tag="cp311-cp311-linux_x86_64"), WHEEL, "for other Pythons")
    refused(tmp_path, make_wheel("x", "1.0", wheel="Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"), WHEEL, "`none`")


def test_a_renamed_platform_is_taken(tmp_path):
    content = make_wheel("x", "1.0", tag="cp311-cp311-linux_x86_64")
    assert opened(tmp_path, content, "x-1.0-cp311-cp311-manylinux_2_28_x86_64.whl").tags


@pytest.mark.parametrize(
    "info", ["y-1.0.dist-info", "x-1.1.dist-info", "x.dist-info", "-1.0.dist-info", "x-1.0.DIST-INFO"]
)
def test_a_folder_that_disagrees(tmp_path, info):
    refused(tmp_path, make_wheel("x", "1.0", info=info), WHEEL, "which the file name says")


def test_two_dist_infos_or_none(tmp_path):
    files = {"x.py": "", "y-1.0.dist-info/METADATA": core_metadata("y", "1.0")}
    refused(tmp_path, make_wheel("x", "1.0", files=files), WHEEL, "`x-1.0.dist-info`, `y-1.0.dist-info`")
    other = {"x.py": "", "X-1.0.Dist-Info/METADATA": core_metadata("x", "1.0")}
    refused(tmp_path, make_wheel("x", "1.0", files=other), WHEEL, "")
    refused(tmp_path, make_wheel("x", "1.0", info="x-1.0"), WHEEL, "has: none")


METADATA = [
    (core_metadata("y", "1.0"), "its name is `y`"),
    (core_metadata("x", "1.1"), "its version is `1.1`"),
    (core_metadata("x", "1.0+local"), "its version is `1.0+local`"),
    (core_metadata("x", "one"), "its version is `one`"),
    (core_metadata("x y", "1.0"), "its name is"),
    ("Metadata-Version: 2.1\nName: x\nName: y\nVersion: 1.0\n\n", "2 `Name` lines"),
    ("Metadata-Version: 2.1\nName: x\nname: x\nVersion: 1.0\n\n", "2 `Name` lines"),
    ("Metadata-Version: 2.1\nName: x\nVersion: 1.0\nVersion: 2.0\n\n", "2 `Version` lines"),
    ("Metadata-Version: 2.1\nVersion: 1.0\n\n", "no `Name` lines"),
    ("Metadata-Version: 2.1\nName: x\n\nVersion: 1.0\n", "no `Version` lines"),
    ("\nName: x\nVersion: 1.0\n", "no `Name` lines"),
    ("Name: x\nVersion: 1.0\rRequires-Dist: evil @ file:///d\n\n", "carriage return"),
    ("Name: x\nVersion: 1.0\nan odd line\nRequires-Dist: evil @ file:///d\n\n", "no field"),
    ("Name: x\nVersion: 1.0\nRequires-Dist : evil @ file:///d\n\n", "no field"),
    (" Name: x\nVersion: 1.0\n\n", "no field"),
    ("\ufeffName: x\nVersion: 1.0\n\n", "no field"),
    (b"Name: x\nVersion: 1.0\nAuthor: \xff\n\n", "not UTF-8"),
    ("", "no `Name` lines"),
]


@pytest.mark.parametrize(("metadata", "words"), METADATA)
def test_metadata_that_disagrees_or_can_be_read_in_two_ways(tmp_path, metadata, words):
    refused(tmp_path, make_wheel("x", "1.0", metadata=metadata), WHEEL, words)
    refused(tmp_path, make_sdist("x", "1.0", pkg_info=metadata), SDIST, words)


@pytest.mark.parametrize(
    "wheel",
    [
        wheel_text().replace("1.0", "2.0"),
        wheel_text().replace("Wheel-Version: 1.0\n", ""),
        "Wheel-Version: 1.1\n" + wheel_text(),
        wheel_text().replace("true", "maybe"),
        wheel_text() + "Root-Is-Purelib: false\n",
        b"\xff",
    ],
)
def test_a_wheel_file_that_is_odd(tmp_path, wheel):
    refused(tmp_path, make_wheel("x", "1.0", wheel=wheel), WHEEL, "WHEEL")


def test_a_wheel_file_that_says_all_twice_is_taken(tmp_path):
    """Published ones do; readers take the first, and it is the same."""
    opened(tmp_path, make_wheel("x", "1.0", wheel=wheel_text() + "\n" + wheel_text()), WHEEL)


@pytest.mark.parametrize("missing", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_without(tmp_path, missing):
    content = make_wheel("x", "1.0").replace(f"dist-info/{missing}".encode(), f"dist-info/{missing[:-1]}_".encode())
    refused(tmp_path, content, WHEEL, f"it has no `x-1.0.dist-info/{missing}`")


@pytest.mark.parametrize("top", ["y-1.0", "x-1.1", "x", "x-1.0-more", "-1.0"])
def test_an_sdist_in_another_folder(tmp_path, top):
    refused(tmp_path, make_sdist("x", "1.0", top=top), SDIST, "is not called `x-1.0`")


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
def test_an_sdist_with_other_things_beside(tmp_path, ending):
    filename = f"x-1.0{ending}"
    opened(tmp_path, make_sdist("x", "1.0", ending=ending), filename)
    pkg = ("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode())
    from tests.support.wheels import make_zip

    make = make_tar if ending == ".tar.gz" else make_zip
    refused(tmp_path, make([pkg, ("y-1.0/setup.py", b"")]), filename, "two top-level folders")
    refused(tmp_path, make([pkg, ("setup.py", b"")]), filename, "not in the sdist's folder")
    refused(tmp_path, make([("x-1.0/setup.py", b"")]), filename, "has no `x-1.0/PKG-INFO`")
    refused(tmp_path, make([]), filename, "it is empty")


def test_old_spellings_are_taken(tmp_path):
    for top, filename in (
        ("Zope.Interface-1.0", "Zope.Interface-1.0.tar.gz"),
        ("zope-interface-1.0.0", "zope_interface-1.0.0.tar.gz"),
    ):
        version = filename.removesuffix(".tar.gz").rpartition("-")[2]
        contents = opened(tmp_path, make_sdist("zope.interface", version, top=top), filename)
        assert (contents.name, contents.version) == ("zope-interface", version)
    old = make_wheel("Zope.Interface", "01.0", info="Zope.Interface-1.0.dist-info")
    assert opened(tmp_path, old, "zope_interface-1.0-py3-none-any.whl").name == "zope-interface"


def test_a_setup_py_alone_is_taken(tmp_path):
    content = make_tar([("x-1.0/PKG-INFO", core_metadata("x", "1.0").encode()), ("x-1.0/setup.py", b"1")])
    assert opened(tmp_path, content, SDIST).build_requires == ()


@pytest.mark.parametrize(
    "text",
    ["[build-system", "build-system = 1", "[build-system]\nrequires = 'x'", "[build-system]\nrequires = [1]", b"\xff"],
)
def test_a_pyproject_that_cannot_be_read(tmp_path, text):
    refused(tmp_path, make_sdist("x", "1.0", pyproject=text), SDIST, "")
