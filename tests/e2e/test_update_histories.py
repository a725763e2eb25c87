"""`update` and runs over histories that turn: generations, mirrors, lost state, damaged stores, no network."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.support.stage import BENIGN, YES

LOCKS = ("openvet.lock", "openvet-install.lock")
PIP = ("openvet-pip", "install", "goodlib")


def pins(stage):
    return [(stage.project / name).read_bytes() for name in LOCKS if (stage.project / name).exists()]


def known(stage, count):
    operators = json.dumps(list(stage.log.operator_fingerprints[:count]))
    return BENIGN + f"[install.log.alice]\noperators = {operators}\n"


def moved(stage):
    ended = stage.run("openvet-install", "update")
    assert ended.code == 0, ended.out + ended.err
    return ended.out.splitlines()


@pytest.fixture
def generations(stage):
    """A log of three generations, the pin in the first one; the middle one has a commit of its own."""
    stage.wheel("goodlib", "1.0", YES)
    first = stage.log.head
    middle = []
    for number in range(2):
        stage.log.new_generation(f"g{number}")
        stage.log.publish(f"p{number}", "1")
        middle.append(stage.log.head)
        stage.log.publish(f"q{number}", "1")
    return first, middle[0]


def test_two_generations_in_a_row(stage, generations):
    first, _ = generations
    stage.policy(known(stage, 1), pins={"alice": first})
    before = pins(stage)
    for count in (1, 2):
        stage.policy(known(stage, count), pins={"alice": first})
        ended = stage.run("openvet-install", "update")
        assert ended.code == 65
        # The first key that nobody has accepted is named, to be compared with what the owner says.
        assert stage.log.operator_fingerprints[count] in ended.err
        assert pins(stage) == before
        assert stage.run(*PIP).code == 65
    stage.policy(known(stage, 3), pins={"alice": first})
    (line, *_rest) = moved(stage)
    assert line.startswith("alice: verified 6 new commit(s) (0 keyset / 2 gen-root)")
    assert moved(stage) == [f"alice: nothing new; head {stage.log.head[:12]}"]


def test_a_pin_in_the_middle_of_a_generation(stage, generations):
    _, middle = generations
    stage.policy(known(stage, 3), pins={"alice": middle})
    (line, *_rest) = moved(stage)
    assert line.startswith("alice: verified 4 new commit(s) (0 keyset / 1 gen-root)")
    for name in LOCKS:
        assert stage.log.head in (stage.project / name).read_text()


def test_another_key_in_the_middle_of_known_ones_is_65(stage, generations):
    first, _ = generations
    one, two, three = stage.log.operator_fingerprints
    stage.policy(BENIGN + f"[install.log.alice]\noperators = {json.dumps([one, three, two])}\n", pins={"alice": first})
    before = pins(stage)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 65
    assert "openvet.lock unchanged" in ended.err
    assert pins(stage) == before


@pytest.mark.parametrize("first", [True, False], ids=["first sight", "later"])
def test_mirrors_that_diverge_are_65_and_nothing_is_written(stage, first):
    stage.wheel("goodlib", "1.0", YES)
    mirror = stage.log.fork("mirror")
    stage.policy(BENIGN + f'[install.log.alice]\nmirrors = ["{mirror.url}"]\n', lock=not first)
    stage.log.publish("news", "1")
    mirror.publish("evil", "1")
    before = pins(stage)
    assert len(before) == (0 if first else 2)
    ended = stage.run("openvet-install", "update")
    assert ended.code == 65
    assert f"forked: {mirror.url} serves another history than {stage.log.url}" in ended.err
    assert pins(stage) == before


def test_a_log_away_and_no_state_is_69(stage):
    """`stale-after` counts from a look that this machine remembers; without one nothing stands in for the host."""
    stage.wheel("goodlib", "1.0", YES)
    stage.policy(BENIGN + 'check-every = "0s"\nstale-after = "30d"\n')
    assert stage.run(*PIP).code == 0
    stage.logs.stop()
    assert stage.run(*PIP, "--force-reinstall").code == 0
    shutil.rmtree(stage.folder / "state")
    before = stage.installed
    ended = stage.run(*PIP, "--force-reinstall")
    assert ended.code == 69
    assert "alice was never seen from here" in ended.err
    assert stage.installed == before


@pytest.mark.parametrize("damage", ["rubbish", '{"a": 1}', '{"URL": {"pin": "x"}}', ""])
def test_a_damaged_state_is_none(stage, damage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    assert stage.run(*PIP).code == 0
    looks = stage.folder / "state" / "openvet-install" / "looks.json"
    looks.write_text(damage.replace("URL", stage.log.url))
    assert stage.run(*PIP, "--force-reinstall").code == 0
    assert stage.log.url in looks.read_text()
    looks.write_text(damage.replace("URL", stage.log.url))
    stage.logs.stop()
    assert stage.run(*PIP, "--force-reinstall").code == 69


def damage_store(stage, how):
    path = stage.folder / "cache" / "openvet-install" / "objects" / "objects.db"
    if how == "rows":
        with closing(sqlite3.connect(path)) as database, database:
            assert database.execute("UPDATE objects SET raw = substr(raw, 1, length(raw) - 1)").rowcount > 0
    elif how == "swapped":
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE objects SET raw = (SELECT raw FROM objects LIMIT 1)")
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    elif how == "rubbish":
        path.write_bytes(b"rubbish" * 1000)
    else:
        shutil.rmtree(path.parent)


@pytest.mark.parametrize("how", ["rows", "swapped", "cut", "rubbish", "gone"])
def test_a_damaged_store_costs_time_only(stage, how):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy(lock=False)
    moved(stage)
    assert stage.run(*PIP).code == 0
    damage_store(stage, how)
    stage.log.publish("news", "1")
    (line, *_rest) = moved(stage)
    assert line.startswith("alice: verified 1 new commit(s)")
    damage_store(stage, how)
    assert stage.run(*PIP, "--force-reinstall").code == 0
    # Without the host what was damaged is missing, which is no "nobody says anything".
    damage_store(stage, how)
    stage.logs.stop()
    ended = stage.run(*PIP, "--force-reinstall")
    assert ended.code in ((0, 69) if how == "cut" else (69,)), ended.err  # a cut may spare what is needed


def test_offline_asks_no_log(stage):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    ended = stage.run(*PIP, "--openvet-offline")
    assert ended.code == 69  # never seen from here
    assert stage.run(*PIP).code == 0
    stage.logs.requests.clear()
    assert stage.run(*PIP, "--force-reinstall", "--openvet-offline").code == 0
    assert stage.run("openvet-install", "explain", "goodlib", "--offline").code == 0
    assert stage.logs.requests == []


@pytest.mark.parametrize("command", [("update",), ("init", "--log", "https://log.invalid")])
def test_what_must_ask_a_log_is_not_offline(stage, command):
    stage.wheel("goodlib", "1.0", YES)
    stage.policy()
    before = pins(stage)
    for more, env in ((("--offline",), {}), ((), {"OPENVET_INSTALL_OFFLINE": "1"})):
        ended = stage.run("openvet-install", *command, *more, env=env)
        assert ended.code == 64, ended.err
        assert f"`{command[0]}` asks the logs" in ended.err
    assert stage.logs.requests == []
    assert pins(stage) == before
