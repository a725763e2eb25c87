"""Stores: counted, bounded, emptied, and never taken away from a process that uses them."""

import os
import subprocess
import sys
import time

from openvet_install.gate import places, state, stores
from openvet_install.gateway import blobs
from openvet_install.gateway.blobs import BlobStore
from openvet_install.openvet.faults import object_name
from openvet_install.openvet.store import Store

URL = "https://logs.example/alice"


def fill(cache, count=50):
    with Store(cache / "objects") as store:
        for number in range(count):
            raw = os.urandom(5000) + bytes([number])
            store.put("commit", object_name(raw), raw)
        store.note(URL, b"\1" * 32, b"key")


def cached(cache, name, *, days=0):
    folder = cache / "uv" / name
    folder.mkdir(parents=True)
    (folder / "wheel").write_bytes(b"x" * 1000)
    (cache / "uv" / f"{name}.lock").touch()
    (cache / "uv" / f"{name}.seal").touch()
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))
    return folder


def test_nothing_is_made_by_counting(tmp_path):
    found = stores.kept(tmp_path / "cache")
    assert (found.objects, found.files, found.caches, found.used) == (0, 0, 0, None)
    assert not (tmp_path / "cache").exists()


def test_everything_is_counted(tmp_path):
    fill(tmp_path)
    BlobStore(tmp_path / "files").add([b"wheel"])
    cached(tmp_path, "a")
    found = stores.kept(tmp_path)
    assert (found.objects, found.files, found.file_bytes, found.caches, found.cache_bytes) == (50, 1, 5, 1, 1000)
    assert found.object_bytes > 250_000
    assert abs(time.time() - found.used) < 60


def test_emptying_keeps_where_bad_news_was_seen(tmp_path):
    fill(tmp_path)
    BlobStore(tmp_path / "files").add([b"wheel"])
    cached(tmp_path, "a")
    cleaned = stores.empty(tmp_path)
    assert cleaned.freed > 200_000
    assert not cleaned.busy
    found = stores.kept(tmp_path)
    assert (found.objects, found.files, found.caches) == (0, 0, 0)
    assert found.object_bytes < 200_000
    with Store(tmp_path / "objects") as store:
        assert store.noted(URL, b"\1" * 32)
    assert not list((tmp_path / "uv").iterdir())


HOLDING = """\
import sys
from pathlib import Path
from openvet_install.gateway.blobs import BlobStore
store = BlobStore(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
"""


def test_files_that_another_process_may_hand_out_stay(tmp_path):
    blob = BlobStore(tmp_path / "files").add([b"wheel"])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, tmp_path / "files"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "open\n"
        assert stores.empty(tmp_path).busy
        assert blob.path.exists()
        process.communicate("\n")
    assert not stores.empty(tmp_path).busy
    assert not blob.path.exists()


def test_the_oldest_files_go_first_and_no_more_than_needed(tmp_path):
    kept = []
    for number in range(4):
        blob = BlobStore(tmp_path).add([bytes([number]) * 100])
        os.utime(blob.path, (number, number))
        kept.append(blob.path)
    assert blobs.prune(tmp_path, 250) == 200
    assert [path.exists() for path in kept] == [False, False, True, True]
    assert blobs.prune(tmp_path, 250) == 0


def test_what_a_dead_run_left_half_written_goes(tmp_path):
    BlobStore(tmp_path)
    (tmp_path / "tmp" / "half").write_bytes(b"x")
    blobs.prune(tmp_path, 1 << 30)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_planted_link_deletes_nothing_elsewhere(tmp_path):
    BlobStore(tmp_path / "s")
    (tmp_path / "theirs").mkdir()
    precious = tmp_path / "theirs" / ("ab" * 32)
    precious.write_bytes(b"x")
    (tmp_path / "s" / "ab").symlink_to(tmp_path / "theirs")
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "c").symlink_to(tmp_path / "theirs")
    (tmp_path / "uv" / "c.lock").touch()
    assert blobs.prune(tmp_path / "s", 0) == 0
    places.prune(tmp_path / "uv", 0)
    assert precious.exists()


def test_caches_that_are_used_or_young_stay(tmp_path):
    old, young, used = (cached(tmp_path, name, days=days) for name, days in (("o", 20), ("y", 3), ("u", 20)))
    with (tmp_path / "uv" / "u.lock").open("r+b") as held:
        assert places._locked(held)
        assert places.prune(tmp_path / "uv", 14 * 86_400) == 1000
        assert places.prune(tmp_path / "uv", 0) == 1000
    assert [one.exists() for one in (old, young, used)] == [False, False, True]


def test_a_lock_whose_file_was_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    opened = places._open

    def removed(path):
        file = opened(path)
        path.unlink()
        return file

    monkeypatch.setattr(places, "_open", removed)
    assert places.lock(tmp_path / "a.lock") is None


def test_runs_keep_the_stores_bounded_once_a_day(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "MAX_BYTES", 100_000)
    monkeypatch.setattr(stores, "FILES_MAX", 10)
    environ = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    cache = tmp_path / state.APP
    fill(cache)
    BlobStore(cache / "files").add([b"x" * 100])
    with state.usable_folders(environ, []):
        found = stores.kept(cache)
    assert found.object_bytes <= 100_000
    assert found.files == 0
    fill(cache)
    with state.usable_folders(environ, []):
        assert stores.kept(cache).object_bytes > 100_000
    os.utime(cache / "trimmed", (0, 0))
    with state.usable_folders(environ, []):
        assert stores.kept(cache).object_bytes <= 100_000


def test_the_object_store_is_emptied_beside_a_process_that_writes(tmp_path):
    with Store(tmp_path / "objects") as writing:
        raw = b"one"
        writing.put("commit", object_name(raw), raw)
        writing.flush()
        stores.empty(tmp_path)
        assert writing.get("commit", object_name(raw)) is None
        writing.put("commit", object_name(raw), raw)
        writing.flush()
        assert writing.get("commit", object_name(raw)) == raw


def test_provenance_is_bounded_and_emptied(tmp_path, monkeypatch):
    folder = tmp_path / "provenance"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number:064x}").write_bytes(b"x" * 1000)
        os.utime(folder / f"{number:064x}", (number, number))
    monkeypatch.setattr(stores, "DOCUMENTS_MAX", 2500)
    stores.trim(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:064x}" for number in (2, 3)]
    assert stores.empty(tmp_path).freed == 2000
    assert list(folder.iterdir()) == []
