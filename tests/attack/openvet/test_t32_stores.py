"""T32: a store that somebody else filled holds bytes that are hashed, and nothing that acts."""

import sqlite3
from contextlib import closing

import pytest

from openvet_install.decide import Reason
from openvet_install.openvet.faults import object_name
from openvet_install.openvet.store import Store
from tests.support.knowing import BENIGN, NOW, YES

RAW = b"an object"


COLUMNS = {
    "objects": "kind, name, raw",
    "hints": "log, audit, position, commit_name",
    "subjects": "sha256, log, subject",
}


def changed(folder, *statements):
    with closing(sqlite3.connect(folder / "objects.db")) as database, database:
        for one in statements:
            database.execute(*one) if isinstance(one, tuple) else database.execute(one)


@pytest.mark.parametrize("place", COLUMNS)
def test_a_view_in_the_place_of_a_table(tmp_path, place):
    """It may be one without an end, which every look would wait for."""
    with Store(tmp_path / "s") as store:
        store.put("audit", object_name(RAW), RAW)
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5)"
    view = f"CREATE VIEW {place} AS {numbers} SELECT {COLUMNS[place]} FROM kept, n"
    changed(tmp_path / "s", f"ALTER TABLE {place} RENAME TO kept", view)
    with Store(tmp_path / "s") as store:
        store.put("audit", object_name(RAW), RAW)
        store.hint("log", bytes(32), (0, 1), bytes(32))
        store.note("log", bytes(32), b"key")
    with Store(tmp_path / "s") as store:
        assert store.get("audit", object_name(RAW)) == RAW
        assert store.hints("log", bytes(32)) == (bytes(32),)
        assert store.noted("log", bytes(32)) == (b"key",)


def test_a_trigger_that_hides_what_this_run_notes(project, alice):
    """An audit that was good once comes in again by a key that has expired; only the first time is told."""
    bob = alice.add_key("bob", ("auditor", "publisher"), expires_at=int(NOW.timestamp()) - 10)
    good = alice.publish("flask", "1", claims=YES, auditors=[bob], publisher=bob)
    first = alice.history[-1]
    alice.withdraw(good)
    project.pin(alice, policy=BENIGN + '[install]\nheads = "latest"\n')
    name = next(name for kind, name in alice.objects if kind == "audit")
    alice.insert_again(good, name)
    place = b"".join(number.to_bytes(8, "big") for number in (0, first.index))
    row = (alice.url, bytes.fromhex(name), place, first.name)
    folder = project.folder / "restored"
    with Store(folder) as made:
        made.put("audit", object_name(RAW), RAW)
    trigger = "CREATE TRIGGER no BEFORE INSERT ON hints BEGIN SELECT RAISE(IGNORE); END"
    changed(folder, ("INSERT INTO hints VALUES (?, ?, ?, ?)", row), trigger)
    with Store(folder) as store:
        assert project.reason(good, store=store) is Reason.UNAUDITED
