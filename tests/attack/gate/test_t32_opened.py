"""T32: what archives hold is remembered, each by its hash, and nothing that somebody else noted is believed."""

import hashlib
import json
import shutil
from dataclasses import fields

import pytest

from openvet_install.archive import ArchiveError, Contents, open_archive
from openvet_install.gate import remembered, seals
from openvet_install.gate.remembered import Archives
from openvet_install.gate.state import Folders
from openvet_install.gate.stores import OPENED
from openvet_install.openvet.subject import Subject
from tests.support.attacks import BOTH, UV
from tests.support.stage import NO, YES, make_environment
from tests.support.wheels import make_sdist, make_wheel, sdist_name, wheel_name

GOOD = make_wheel("acme", "1.0", files={"acme/__init__.py": "SAFE = True\n"}, requires=["other>=1; extra == 'x'"])
BAD = GOOD + b"something behind the end"
NAME = wheel_name("acme", "1.0")


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "cache", tmp_path / "state")


def stored(folders, body=GOOD, filename=NAME):
    archives = Archives(folders)
    return archives, archives.blobs.add([body]), filename


def never(*_):
    pytest.fail("it was opened again")


@pytest.mark.parametrize(
    ("filename", "body"),
    [
        (NAME, GOOD),
        (sdist_name("acme", "1.0"), make_sdist("acme", "1.0", requires=["a"], build_requires=["b"])),
        (
            NAME,
            make_wheel(
                "acme",
                "1.0",
                files={
                    "acme/ü.py": "",
                    "acme-1.0.data/scripts/acme-run": "#!python\nprint()\n",
                    "acme.pth": "acme\n",
                },
                entry_points="[console_scripts]\nacme = acme:main\n",
            ),
        ),
    ],
)
def test_what_was_noted_is_what_was_found(folders, tmp_path, monkeypatch, filename, body):
    (tmp_path / filename).write_bytes(body)
    truth = open_archive(tmp_path / filename, filename)
    archives, blob, _ = stored(folders, body)
    assert archives.open(blob, filename) == truth
    monkeypatch.setattr(remembered, "open_archive", never)
    again = Archives(folders).open(blob, filename)
    for one in fields(Contents):
        found, meant = getattr(again, one.name), getattr(truth, one.name)
        assert (found, type(found)) == (meant, type(meant)), one.name


def plant(folders, blob, filename, contents):
    """Note what is not so, without the key."""
    place = Archives(folders)._notes.place(json.dumps([blob.sha256, filename]).encode())
    place.parent.mkdir(parents=True, exist_ok=True)
    said = json.dumps(remembered._noted(contents)).encode()
    place.write_bytes(hashlib.sha256(said).digest() + said)


def test_a_note_that_somebody_planted(folders, tmp_path, monkeypatch):
    (tmp_path / NAME).write_bytes(GOOD)
    archives, blob, _ = stored(folders, BAD)
    plant(folders, blob, NAME, open_archive(tmp_path / NAME, NAME))
    with pytest.raises(ArchiveError):
        archives.open(blob, NAME)
    monkeypatch.setattr(seals.hmac, "compare_digest", lambda *_: True)
    assert Archives(folders).open(blob, NAME).name == "acme"  # it is the seal that keeps it out


def test_a_true_note_under_another_name_or_hash(folders):
    archives, blob, _ = stored(folders)
    archives.open(blob, NAME)
    _, bad, _ = stored(folders, BAD)
    (note,) = (folders.cache / OPENED).iterdir()
    for digest, filename in ((bad.sha256, NAME), (blob.sha256, wheel_name("acme", "2.0"))):
        shutil.copy(note, archives._notes.place(json.dumps([digest, filename]).encode()))
    with pytest.raises(ArchiveError):
        Archives(folders).open(bad, NAME)
    with pytest.raises(ArchiveError):
        Archives(folders).open(blob, wheel_name("acme", "2.0"))


def test_a_note_of_comparisons_is_none_of_archives(folders):
    """One key seals both: what is sealed says of which kind it is."""
    archives, _, _ = stored(folders)
    about = b"the same"
    archives.compared._notes.put(about, b"{}")
    (note,) = (folders.cache / "compared").iterdir()
    (folders.cache / OPENED).mkdir()
    shutil.copy(note, archives._notes.place(about))
    assert archives.compared._notes.find(about) == b"{}"
    assert archives._notes.find(about) is None


def test_a_cache_and_state_that_were_restored_from_somewhere(folders, tmp_path, monkeypatch):
    archives, blob, _ = stored(folders)
    archives.open(blob, NAME)
    there = Folders(tmp_path / "there" / "cache", tmp_path / "there" / "state")
    shutil.copytree(folders.cache, there.cache)
    shutil.copytree(folders.state, there.state)
    opened = []
    monkeypatch.setattr(remembered, "open_archive", lambda *given: opened.append(given) or open_archive(*given))
    found = Archives(there)
    found.open(found.blobs.find(blob.sha256), NAME)
    assert opened


def test_bytes_that_changed_while_they_were_read_are_not_remembered(folders, monkeypatch):
    archives, blob, _ = stored(folders, BAD)

    def changed(path, filename):
        path.chmod(0o600)
        path.write_bytes(GOOD)
        return open_archive(path, filename)

    monkeypatch.setattr(remembered, "open_archive", changed)
    assert archives.open(blob, NAME).name == "acme"
    assert not (folders.cache / OPENED).exists()


def test_what_is_no_archive_is_not_remembered(folders):
    archives, blob, _ = stored(folders, BAD)
    for _ in range(2):
        with pytest.raises(ArchiveError):
            archives.open(blob, NAME)
    assert not (folders.cache / OPENED).exists()


@BOTH
def test_planted_notes_let_nothing_in(stage, tmp_path, tool):
    """An approved file that is ambiguous stays out, whatever the cache says that it holds."""
    (tmp_path / NAME).write_bytes(GOOD)
    stage.wheel("acme", "1.0", YES, body=BAD)
    stage.policy()
    assert stage.run(*tool, "acme").code == 65
    folders = Folders.of(stage.variables)
    _, blob, _ = stored(folders, BAD)
    plant(folders, blob, NAME, open_archive(tmp_path / NAME, NAME))
    ended = stage.run(*tool, "acme")
    assert (ended.code, stage.installed) == (65, {})
    assert [one["reason"] for one in ended.report["withheld"]] == ["archive-invalid"]


@BOTH
def test_the_next_run_opens_nothing_anew(stage, tool):
    stage.wheel("acme", "1.0", YES, body=GOOD)
    stage.policy()
    assert stage.run(*tool, "acme").code == 0
    (note,) = (Folders.of(stage.variables).cache / OPENED).iterdir()
    before = note.stat()
    shutil.rmtree(stage.environment)
    make_environment(stage.environment)
    assert stage.run(*tool, "acme").code == 0
    assert stage.installed == {"acme": "1.0"}
    assert (note.stat().st_ino, note.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_who_only_resolves_needs_no_file_that_was_opened_before(stage):
    digest = stage.wheel("acme", "1.0", YES, body=GOOD)
    stage.policy()
    (stage.project / "r.in").write_text("acme\n")
    words = ("openvet-uv", "pip", "compile", "-q", "--no-header", "--generate-hashes", "r.in")
    first = stage.run(*words)
    assert first.code == 0, first.err
    for one in ("files", "uv"):
        shutil.rmtree(Folders.of(stage.variables).cache / one)
    # the page still has the approved hash
    stage.index.entries[NAME].served = BAD
    assert stage.run(*words).out == first.out
    assert (stage.run(*UV, "acme").code, stage.installed) == (65, {})
    stage.log.update(Subject.parse(f"pypi:acme@1.0?py3-none-any#sha256:{digest}"), claims=NO)
    stage.policy()
    assert stage.run(*words).code == 77
