"""T04, T05: archives of this machine in a given `pylock.toml` are judged by their bytes, and these are installed."""

import hashlib

import pytest

from tests.support.attacks import PIP, UV, everything, site, stopped
from tests.support.stage import BENIGN, YES
from tests.support.wheels import make_wheel, wheel_name

NAME = wheel_name("good", "1.0")
EACH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
GOOD = make_wheel("good", "1.0", files={"good.py": "good = 1\n"})
EVIL = make_wheel("good", "1.0", files={"good.py": "evil = 1\n"})


@pytest.fixture
def stage(stage):
    stage.log.publish("good", "1.0", variant="py3-none-any", sha256=sha256(GOOD), claims=YES)
    stage.wheel("first", "1.0", YES)
    stage.policy(BENIGN)
    return stage


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()


def archive(raw, path=NAME, more="", hashes=None):
    return f'name = "good"\n[packages.archive]\npath = "{path}"\n{more}hashes = {hashes or sha_of(raw)}\n'


def wheel(raw, path=NAME, more=""):
    return f'name = "good"\nversion = "1.0"\n[[packages.wheels]]\npath = "{path}"\n{more}hashes = {sha_of(raw)}\n'


def sha_of(raw):
    return f'{{ sha256 = "{sha256(raw)}" }}'


def write(stage, *entries, lies=GOOD):
    (stage.project / NAME).write_bytes(lies)
    head = 'lock-version = "1.0"\ncreated-by = "somebody"\n'
    (stage.project / "pylock.toml").write_text(head + "".join(f"\n[[packages]]\n{entry}" for entry in entries))


@pytest.mark.parametrize(("tool", "entry"), [(PIP, archive), (UV, wheel)], ids=["pip", "uv"])
def test_what_nobody_approved_stops_before_the_tool_starts(stage, tool, entry):
    write(stage, entry(EVIL), lies=EVIL)
    before = everything(stage)
    ended = stage.run(*tool, "-r", "pylock.toml")
    stopped(stage, ended, 77, before=before)
    assert "good@1.0?py3-none-any    unaudited    pylock.toml:4" in ended.err
    checked = stage.run("openvet-install", "check", "pylock.toml")
    assert checked.code == 77
    assert "good@1.0?py3-none-any    unaudited    pylock.toml:4" in checked.out


def test_what_is_not_what_the_lock_says(stage):
    (stage.project / "x.whl").write_bytes(GOOD)
    elsewhere = wheel(GOOD).replace("path = ", "url = ").replace(NAME, f"file://h/{NAME}")
    before = everything(stage)
    for entry, lies, code, words in (
        (archive(GOOD), EVIL, 65, "its bytes have sha256:"),
        (wheel(GOOD, "x.whl", f'name = "{NAME}"\n'), GOOD, 65, f"`x.whl` is called `{NAME}` in the lock"),
        (archive(GOOD).replace('"good"', '"other"', 1), GOOD, 65, "stands under other"),
        (archive(GOOD, more='subdirectory = "sub"\n'), GOOD, 64, "a folder inside of an archive"),
        (elsewhere, GOOD, 64, "another host"),
        (wheel(GOOD, "not-there/" + NAME), GOOD, 64, "no such file"),
    ):
        write(stage, entry, lies=lies)
        ended = stage.run(*PIP, "-r", "pylock.toml")
        stopped(stage, ended, code, before=before)
        assert words in ended.err
        assert stage.run("openvet-install", "check", "pylock.toml").code == code


@EACH
def test_what_is_swapped_after_it_was_judged(stage, tool):
    """One good hash of several is enough for pip: nothing but our copy keeps it from the other file."""
    other = f', sha512 = "{hashlib.sha512(EVIL).hexdigest()}"' if tool is PIP else ""
    digests = f'{{ sha384 = "{hashlib.sha384(GOOD).hexdigest()}"{other} }}'
    first = wheel_name("first", "1.0")
    url, raw = stage.index.file_url(first), stage.index.entries[first].body
    indexed = f'wheels = [{{ name = "{first}", url = "{url}", hashes = {sha_of(raw)} }}]'
    write(stage, archive(GOOD, hashes=digests), f'name = "first"\nversion = "1.0"\n{indexed}\n')
    place = stage.project / NAME

    def swap(_number, _path):
        place.write_bytes(EVIL)

    stage.index.lies.at_request = swap
    ended = stage.run(*tool, "-r", "pylock.toml")
    stage.index.lies.at_request = lambda _number, _path: None
    assert ended.code == 0, ended.err
    assert place.read_bytes() == EVIL
    assert (site(stage) / "good.py").read_text() == "good = 1\n"
    assert stage.leftovers == []


def test_a_file_that_the_target_does_not_get_is_out_of_reach(stage):
    """The tool takes another file than we read out of the lock: it finds none."""
    sdist = stage.project / "good-1.0.tar.gz"
    sdist.write_bytes(b"not read")
    more = f'[packages.sdist]\npath = "{sdist.name}"\nhashes = {sha_of(b"not read")}\n'
    write(stage, wheel(GOOD) + more)
    before = everything(stage)
    ended = stage.run(*PIP, "-r", "pylock.toml", env={"PIP_NO_BINARY": "good"})
    assert ended.code != 0
    assert everything(stage) == before
    assert "No such file" in ended.err
