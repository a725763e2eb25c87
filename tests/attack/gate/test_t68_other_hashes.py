"""T68: a no about the same bytes that is filed under another algorithm than sha256 holds as soon as there are bytes."""

import hashlib

import pytest

from openvet_install.files import variant_of
from openvet_install.openvet.subject import PYPI, Subject, TaggedHash
from tests.support.stage import NO, YES
from tests.support.wheels import make_wheel, wheel_name

TOOLS = ["openvet-pip install", "openvet-uv pip install"]
HASHES = {
    "sha512": hashlib.sha512,
    "sha384": hashlib.sha384,
    "sha1": hashlib.sha1,
    "blake2b-256": lambda raw: hashlib.blake2b(raw, digest_size=32),
}
PLACES = {
    "the same file": {},
    "another version": {"version": "7"},
    "another spelling": {"package": "Evil"},
    "another name": {"package": "thing"},
}


def filed(stage, algorithm, raw, **change):
    variant = variant_of(wheel_name("evil", "1.0"))
    found = TaggedHash(algorithm, HASHES[algorithm](raw).digest())
    stage.log.insert(Subject(PYPI, "evil", "1.0", variant, found)._replace(**change), claims=NO)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("algorithm", "place"), [*((one, "the same file") for one in HASHES), *(("sha512", one) for one in PLACES)]
)
def test_a_no_by_another_hash(stage, tool, algorithm, place):
    raw = make_wheel("evil", "1.0")
    stage.wheel("evil", "1.0", YES, body=raw)
    stage.policy()
    filed(stage, algorithm, raw, **PLACES[place])
    ended = stage.run(*tool.split(), "evil")
    assert ended.code == 77, ended.err
    assert "contradicted" in ended.err
    assert stage.installed == {}


@pytest.mark.parametrize("tool", TOOLS)
def test_other_bytes_are_no_concern(stage, tool):
    stage.wheel("evil", "1.0", YES)
    stage.policy()
    filed(stage, "sha512", b"other bytes", package="Evil")
    assert stage.run(*tool.split(), "evil").code == 0
    assert stage.installed == {"evil": "1.0"}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_no_about_an_archive_of_this_machine(stage, tool):
    raw = make_wheel("evil", "1.0")
    stage.wheel("evil", "1.0", YES, body=raw)
    stage.policy()
    filed(stage, "sha512", raw, package="thing")
    folder = stage.project / "wheels"
    folder.mkdir()
    (folder / "evil-1.0-py3-none-any.whl").write_bytes(raw)
    for words in (["./wheels/evil-1.0-py3-none-any.whl"], ["--no-index", "--find-links", "wheels", "evil"]):
        ended = stage.run(*tool.split(), *words)
        assert ended.code == 77, ended.err
        assert "contradicted" in ended.err
    assert stage.installed == {}
