"""The two lock files."""

from __future__ import annotations

import os
import stat

import pytest
import tomli

from openvet_install.errors import ConfigError
from openvet_install.openvet.pins import Pin, Walked, read_pins, read_walked, write_pins, write_walked
from tests.support.logsim import SimKey
from tests.support.vectors import load

HEAD, OTHER = "ab" * 32, "cd" * 32
OPERATORS = (SimKey("a").fingerprint, SimKey("b").fingerprint)
NAMES = ["alice", "my log", "a.b", 'quo"te', "tab\t", "ünicode", "del\x7f", ""]


def test_what_is_written_is_read(tmp_path):
    pins = {name: Pin(f"https://logs.example/{name!a}?gen=1", HEAD) for name in NAMES}
    walked = {name: Walked(OPERATORS, HEAD) for name in NAMES}
    write_pins(tmp_path / "openvet.lock", pins)
    write_walked(tmp_path / "openvet-install.lock", walked)
    assert read_pins(tmp_path / "openvet.lock") == pins
    assert read_walked(tmp_path / "openvet-install.lock") == walked
    assert tomli.loads((tmp_path / "openvet.lock").read_text("utf-8"))["version"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["openvet-install.lock", "openvet.lock"]


def test_a_missing_file_holds_nothing(tmp_path):
    assert read_pins(tmp_path / "x") == {}
    assert read_walked(tmp_path / "x") == {}


@pytest.mark.parametrize("case", load("config")["openvet.lock"], ids=lambda case: case["name"])
def test_openvet_lock_as_openvet_reads_it(tmp_path, case):
    path = tmp_path / "openvet.lock"
    path.write_text(case["text"], "utf-8")
    if case["accepted"]:
        assert all(pin.head == pin.head.lower() for pin in read_pins(path).values())
        return
    with pytest.raises(ConfigError) as caught:
        read_pins(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("write", [write_pins, write_walked])
def test_a_lock_that_cannot_be_written_is_told(tmp_path, write):
    path = tmp_path / "gone" / "openvet.lock"
    with pytest.raises(ConfigError, match="cannot be written: No such file") as caught:
        write(path, {})
    assert caught.value.where == str(path)


@pytest.mark.parametrize("read", [read_pins, read_walked])
def test_what_is_no_lock_file_is_refused_at_once(tmp_path, read):
    for name, text in {"pipe": "", "deep": "a = " + "[" * 100_000, "long": f"version = {'1' * 5000}"}.items():
        path = tmp_path / name
        os.mkfifo(path) if name == "pipe" else path.write_text(text)
        with pytest.raises(ConfigError):
            read(path)


@pytest.mark.parametrize(
    "table",
    [
        "operators = []",
        'operators = ["x"]',
        f'operators = ["{OPERATORS[0]}="]',
        "operators = 3",
        "",
        f'operators = ["{OPERATORS[0]}"]\nextra = 1',
    ],
)
def test_a_bad_anchor_is_refused(tmp_path, table):
    path = tmp_path / "openvet-install.lock"
    path.write_text(f'version = 1\n[log.a]\nwalked = "{HEAD}"\n{table}\n', "utf-8")
    with pytest.raises(ConfigError):
        read_walked(path)


def test_the_mode_of_the_file_stays(tmp_path):
    path = tmp_path / "openvet.lock"
    write_pins(path, {})
    path.chmod(0o640)
    write_pins(path, {"a": Pin("u", HEAD)})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_a_link_stays_one(tmp_path):
    path, kept = tmp_path / "openvet.lock", tmp_path / "shared.lock"
    path.symlink_to(kept.name)
    write_pins(path, {"a": Pin("u", HEAD)})
    assert path.is_symlink()
    assert read_pins(kept) == {"a": Pin("u", HEAD)}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "openvet.lock"
    write_pins(path, {"a": Pin("u", HEAD)})
    with pytest.raises(UnicodeEncodeError):
        write_pins(path, {"a": Pin("\ud800", HEAD)})
    assert read_pins(path) == {"a": Pin("u", HEAD)}
    assert [one.name for one in tmp_path.iterdir()] == ["openvet.lock"]


def test_what_an_open_umask_lets_everybody_write_would_be_refused_beside_a_machines_policy(tmp_path):
    before = os.umask(0)
    try:
        write_pins(tmp_path / "openvet.lock", {})
    finally:
        os.umask(before)
    assert not (tmp_path / "openvet.lock").stat().st_mode & stat.S_IWOTH


MERGE = f"""version = 1

[log.alice]
url = "https://logs.example/alice"
<<<<<<< HEAD
head = "{HEAD}"
=======
head = "{OTHER}"
>>>>>>> theirs
"""


@pytest.mark.parametrize("read", [read_pins, read_walked])
def test_both_sides_of_a_merge_are_told(tmp_path, read):
    (tmp_path / "a.lock").write_text(MERGE)
    with pytest.raises(ConfigError, match="not TOML") as caught:
        read(tmp_path / "a.lock")
    assert caught.value.hint == (
        "git left both sides of a merge in it: keep one of them whole, then openvet-install update"
    )


def test_what_a_newer_one_wrote_is_not_guessed_at(tmp_path):
    (tmp_path / "a.lock").write_text("version = 2\n\n[log.alice]\nnews = 1\n")
    with pytest.raises(ConfigError, match="`version` is 2, known are those up to 1") as caught:
        read_walked(tmp_path / "a.lock")
    assert caught.value.hint == "a newer openvet-install wrote it: use that one"


def test_a_byte_order_mark_is_passed_over(tmp_path):
    write_pins(tmp_path / "a.lock", {"alice": Pin("https://logs.example/alice", HEAD)})
    (tmp_path / "b.lock").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.lock").read_bytes())
    assert read_pins(tmp_path / "b.lock") == read_pins(tmp_path / "a.lock")
