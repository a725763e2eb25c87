"""Both steps of a plan that prefers the versions of a lock."""

import pytest

from openvet_install.installers import uv
from openvet_install.installers.commands import Input
from openvet_install.installers.preferring import preferring

VERSIONS = {"good": "1.0", "dep": "1.0"}


@pytest.fixture
def found(user, project):
    return uv.plan(["pip", "install", "-U", "--reinstall", "--prerelease=allow", "good", "-v"], user, str(project))


def test_first_it_is_only_resolved(found, tmp_path):
    place = tmp_path / "versions.txt"
    steps = preferring(found, VERSIONS, place)
    assert place.read_text() == "good==1.0\ndep==1.0\n"
    assert (steps.words, steps.argv[:2], steps.tentative) == (("pip", "compile"), ("pip", "compile"), True)
    words = steps.command(tmp_path)
    assert not {"--upgrade", "--reinstall", "--verbose", "good"} & set(words)
    assert {"--prerelease=allow", f"--output-file={place}"} <= set(words)
    assert [one for one in words if one.startswith("--python=")] == [one for one in found.argv if "--python=" in one]
    assert [one.text() for one in steps.argv if isinstance(one, Input)] == ["good\n"]


def test_what_was_found_bounds_versions_and_nothing_else(found, tmp_path):
    """A build of the first step could write there, too."""
    place = tmp_path / "versions.txt"
    steps = preferring(found, VERSIONS, place)
    place.write_text(
        "good==1.0\n-e file:///evil\nevil @ file:///evil.whl\n./evil.whl\n--find-links /evil\n-r evil.txt\n-i http://evil\n"
        "dep==1.5  --hash=sha256:" + "0" * 64 + "\ndep>1\n--index-url=http://evil\n"
    )
    then = steps.resolution.then()
    (held,) = (one for one in then.argv if isinstance(one, Input))
    assert (held.kind, held.text()) == ("constraints", "good==1.0\ndep==1.5\n")
    assert [str(one.requirement) for one in then.limits] == ["good==1.0"]
    assert [one for one in then.argv if one is not held] == list(found.argv)
    place.unlink()
    place.symlink_to(tmp_path)
    (held,) = (one for one in steps.resolution.then().argv if isinstance(one, Input))
    assert held.text() == ""
