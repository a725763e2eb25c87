"""T32: what comparisons came to is remembered, and nothing that somebody else put there is believed."""

import fcntl
import hashlib
import json
import os
import shutil
import threading
from types import SimpleNamespace

import pytest

from openvet_install.archive.same import Comparison
from openvet_install.files import File
from openvet_install.gate import remembered, sealed
from openvet_install.gate.remembered import Remembered
from openvet_install.gate.seals import KEY
from openvet_install.gate.state import Folders
from openvet_install.gate.stores import COMPARED
from openvet_install.openvet.subject import Subject

SAME = Comparison(3)


def file(digest="a" * 64, filename="acme-1.0-py3-none-any.whl"):
    return File(name="acme", version="1.0", filename=filename, url="", index="", sha256=digest)


def subject(digest="b" * 64):
    return Subject.parse(f"pypi:acme@1.0?py2-none-any#sha256:{digest}")


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "cache", tmp_path / "state")


@pytest.fixture
def noted(folders):
    Remembered(folders).put(file(), subject(), SAME)
    assert Remembered(folders).find(file(), subject()) == SAME
    return folders


def the_note(folders):
    (path,) = (folders.cache / COMPARED).iterdir()
    return path


def test_both_answers_are_remembered_and_what_is_not_known_is_not(folders):
    memory = Remembered(folders)
    assert memory.find(file(), subject()) is None
    differs = Comparison(0, "`x` differs")
    memory.put(file(), subject(), differs)
    assert Remembered(folders).find(file(), subject()) == differs


def test_each_note_is_about_two_files_and_no_others(noted):
    """A true note under the name of another pair says nothing of it."""
    elsewhere = file(filename="acme-1.0-cp39-none-any.whl")
    for other, one in ((file("c" * 64), subject()), (file(), subject("c" * 64)), (elsewhere, subject())):
        memory = Remembered(noted)
        assert memory.find(other, one) is None
        shutil.copy(the_note_of(noted, file(), subject()), the_note_of(noted, other, one))
        assert memory.find(other, one) is None


def the_note_of(folders, one, other):
    memory = Remembered(folders)
    return memory._notes.place(remembered._pair(one, other))


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"null", b"[3,null]", b"[" * 4000, b"\xff", bytes(32) + b"[3,null]", bytes(32) + b"[",
     hashlib.sha256(b"[3,null]").digest() + b"[3,null]"],
)  # fmt: skip
def test_a_note_that_somebody_planted(noted, text):
    path = the_note(noted)
    path.chmod(0o600)
    path.write_bytes(text)
    assert Remembered(noted).find(file(), subject()) is None


def test_a_difference_that_somebody_made_a_yes(folders):
    memory = Remembered(folders)
    memory.put(file(), subject(), Comparison(0, "`acme.pth` is not in the audited file"))
    path = the_note(folders)
    seal = path.read_bytes()[:32]
    path.chmod(0o600)
    path.write_bytes(seal + json.dumps([3, None]).encode())
    assert Remembered(folders).find(file(), subject()) is None


def test_a_folder_that_was_restored_from_somewhere(noted, tmp_path):
    """Cache and state together, as a job restores them: whoever wrote them could have sealed anything."""
    there = Folders(tmp_path / "there" / "cache", tmp_path / "there" / "state")
    shutil.copytree(noted.cache, there.cache)
    shutil.copytree(noted.state, there.state)
    assert (there.state / KEY).read_bytes() == (noted.state / KEY).read_bytes()
    assert Remembered(there).find(file(), subject()) is None
    Remembered(there).put(file(), subject(), SAME)
    assert Remembered(there).find(file(), subject()) == SAME


@pytest.mark.parametrize("change", ["mode", "link", "other", "short"])
def test_a_key_that_is_not_ours_alone(noted, tmp_path, change):
    key = noted.state / KEY
    if change == "mode":
        key.chmod(0o644)
    elif change == "link":
        key.rename(tmp_path / "key")
        key.symlink_to(tmp_path / "key")
    elif change == "other":
        os.link(key, tmp_path / "key")
    else:
        key.write_bytes(b"")
    memory = Remembered(noted)
    assert memory.find(file(), subject()) is None
    memory.put(file(), subject(), SAME)
    assert Remembered(noted).find(file(), subject()) == SAME
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.lstat().st_nlink == 1


def test_a_container_that_starts_again_has_its_key(noted, monkeypatch):
    """Its file system is mounted anew, under another number; all else of the file is the same."""
    of_file = os.fstat

    def mounted_anew(handle):
        found = of_file(handle)
        names = [name for name in dir(found) if name.startswith("st_")]
        return SimpleNamespace(**{name: getattr(found, name) for name in names} | {"st_dev": found.st_dev + 1})

    monkeypatch.setattr(sealed.os, "fstat", mounted_anew)
    assert Remembered(noted).find(file(), subject()) == SAME


def test_runs_that_start_together_have_one_key(tmp_path):
    """Whose key another one replaces can never read again what it has sealed: its journal, if it is killed."""
    found = []
    run = threading.Thread(target=lambda: found.append(sealed.key_of(tmp_path, "targets")))
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as the run that comes first
    run.start()
    run.join(0.2)
    sealed._new_key(tmp_path / KEY)
    os.close(handle)
    run.join()
    assert found == [sealed.key_of(tmp_path, "targets")]


def test_other_rules_compare_again(noted, monkeypatch):
    monkeypatch.setattr(sealed, "_rules", lambda: "others")
    assert Remembered(noted).find(file(), subject()) is None


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path):
    (tmp_path / "state").write_text("a file")
    folders = Folders(tmp_path / "cache", tmp_path / "state")
    Remembered(folders).put(file(), subject(), SAME)
    assert Remembered(folders).find(file(), subject()) is None
    assert not folders.cache.exists()
