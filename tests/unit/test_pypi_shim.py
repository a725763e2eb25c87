"""The test tool that answers `openvet audit new`: what it serves, and nothing else."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request

import pytest

from openvet_install.files import FilenameError
from tests.support.pypi_shim import PypiShim
from tests.support.real_log import tiny_wheel


@pytest.fixture
def wheel(tmp_path):
    return tiny_wheel(tmp_path, "some-thing", "1.0")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def test_a_release_and_its_file(wheel):
    with PypiShim((wheel,)) as shim:
        release = json.loads(get(f"{shim.url}/pypi/some-thing/1.0/json"))
        (entry,) = release["urls"]
        raw = get(entry["url"])

    assert (release["info"]["name"], release["info"]["version"]) == ("some-thing", "1.0")
    assert raw == wheel.read_bytes()
    assert entry["filename"] == "some_thing-1.0-py3-none-any.whl"
    assert entry["packagetype"] == "bdist_wheel"
    assert entry["digests"] == {"sha256": hashlib.sha256(raw).hexdigest()}
    assert entry["size"] == len(raw)


def test_spellings_of_name_and_version_find_the_release(wheel):
    with PypiShim((wheel,)) as shim:
        for path in ("Some_Thing/1.0", "some.thing/1.0.0"):
            assert json.loads(get(f"{shim.url}/pypi/{path}/json"))["urls"]


def test_sdists_stand_beside_wheels(wheel, tmp_path):
    sdist = tmp_path / "some_thing-1.0.tar.gz"
    sdist.write_bytes(b"x")
    with PypiShim((wheel,)) as shim:
        shim.add(sdist)
        shim.add(sdist)
        kinds = [entry["packagetype"] for entry in json.loads(get(f"{shim.url}/pypi/some-thing/1.0/json"))["urls"]]

    assert kinds == ["bdist_wheel", "sdist"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/simple/some-thing/",
        "/pypi/some-thing/json",
        "/pypi/some-thing/2.0/json",
        "/pypi/some-thing/not!a!version/json",
        "/pypi/other/1.0/json",
        "/files/other.whl",
        "/files/../some_thing-1.0-py3-none-any.whl",
    ],
)
def test_all_else_is_404_and_noted(wheel, path):
    with PypiShim((wheel,)) as shim:
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(shim.url + path)
        caught.value.close()

    assert caught.value.code == 404
    assert shim.requests == [path]


def test_only_files_that_are_there_and_have_a_packages_name(tmp_path):
    (tmp_path / "readme.txt").touch()
    with PypiShim() as shim:
        with pytest.raises(FileNotFoundError):
            shim.add(tmp_path / "gone-1.0-py3-none-any.whl")
        with pytest.raises(FilenameError):
            shim.add(tmp_path / "readme.txt")
