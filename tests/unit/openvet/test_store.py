"""The store believes nothing that it reads, survives anything, and is shared."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import openvet_install
from openvet_install.openvet.faults import object_name
from openvet_install.openvet.store import Store

CHECKOUT = Path(openvet_install.__file__).parents[1]


def objects(count, size=50):
    return {object_name(raw): raw for raw in (f"{n}".encode() * size for n in range(count))}


def test_what_is_put_is_found_again(tmp_path):
    with Store(tmp_path / "s") as store:
        for name, raw in objects(1000).items():
            store.put("commit", name, raw)
    with Store(tmp_path / "s") as store:
        assert all(store.get("commit", name) == raw for name, raw in objects(1000).items())
        assert store.get("audit", next(iter(objects(1)))) is None
        assert store.stats().objects == {"commit": 1000, "node": 0, "audit": 0, "keystate": 0}
        assert set(store.names("commit")) == set(objects(1000))


def test_the_folder_is_private(tmp_path):
    with Store(tmp_path / "a" / "s") as store:
        assert not (tmp_path / "a").exists()  # nothing was asked of it
        assert store.get("node", bytes(32)) is None
        assert stat.S_IMODE((tmp_path / "a" / "s").stat().st_mode) == 0o700


def test_bytes_with_another_name_are_not_taken(tmp_path):
    with Store(tmp_path) as store, pytest.raises(ValueError, match="another name"):
        store.put("node", bytes(32), b"x")


def test_a_changed_row_is_deleted_and_counts_as_absent(tmp_path):
    name, raw = next(iter(objects(1).items()))
    with Store(tmp_path) as store:
        store.put("audit", name, raw)
    with closing(sqlite3.connect(tmp_path / "objects.db")) as database, database:
        database.execute("UPDATE objects SET raw = ?", (b"changed",))
    with Store(tmp_path) as store:
        assert store.get("audit", name) is None
        assert not store.has("audit", name)
        store.put("audit", name, raw)
        assert store.get("audit", name) == raw


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty", "other tables"])
def test_a_damaged_database_is_replaced(tmp_path, damage):
    with Store(tmp_path) as store:
        for name, raw in objects(500, 200).items():
            store.put("commit", name, raw)
    path = tmp_path / "objects.db"
    good = path.read_bytes()
    if damage == "other tables":
        path.unlink()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE objects(x)")
    else:
        path.write_bytes({"garbage": b"no database " * 500, "cut": good[: len(good) // 2], "empty": b""}[damage])
    for _ in range(2):
        with Store(tmp_path) as store:
            for name, raw in objects(500, 200).items():
                assert store.get("commit", name) in (raw, None)
                store.put("commit", name, raw)
            store.flush()
            assert all(store.get("commit", name) == raw for name, raw in objects(500, 200).items())


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_text("x")
    name, raw = next(iter(objects(1).items()))
    with Store(tmp_path / "file" / "s") as store:
        store.put("node", name, raw)
        store.flush()
        assert store.get("node", name) == raw


def test_cleaning_keeps_the_newest(tmp_path):
    kept = objects(300, 2000)
    with Store(tmp_path) as store:
        for name, raw in kept.items():
            store.put("node", name, raw)
        before = store.stats().size_bytes
        assert store.clean(before // 2) > 0
        assert store.stats().size_bytes <= before // 2
        assert store.get("node", list(kept)[-1]) is not None or store.stats().objects["node"] == 0
        store.clean(0)
        assert store.stats().objects["node"] == 0


def test_hints_are_per_log_newest_first(tmp_path):
    with Store(tmp_path) as store:
        store.hint("a", bytes(32), (0, 7), b"seven")
        store.hint("a", bytes(32), (1, 3), b"three")
        store.hint("b", bytes(32), (0, 1), b"other")
        assert store.hints("a", bytes(32)) == (b"three", b"seven")
        assert store.hints("c", bytes(32)) == ()


def test_threads_share_it(tmp_path):
    with Store(tmp_path) as store:

        def work(part):
            for name, raw in list(objects(800).items())[part::4]:
                store.put("audit", name, raw)
                assert store.get("audit", name) == raw

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.stats().objects["audit"] == 800


def test_processes_share_it(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from openvet_install.openvet.faults import object_name\nfrom openvet_install.openvet.store import Store\n"
        "for turn in range(5):\n"
        "    with Store(Path(sys.argv[1])) as store:\n"
        "        for n in range(200):\n"
        "            raw = f'{sys.argv[2]} {turn} {n}'.encode()\n"
        "            store.put('commit', object_name(raw), raw)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s"), str(n)], cwd=CHECKOUT) for n in range(3)
    ]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    with Store(tmp_path / "s") as store:
        assert store.stats().objects["commit"] == 3000
