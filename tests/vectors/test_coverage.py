"""Every case of every list of `vectors.json`, and every log, is what some test here is run with."""

import importlib
from pathlib import Path

import pytest

from tests.support.vectors import VECTORS, load, sections
from tests.vectors.differences import DIFFERENCES, INSTALL

# What is in the document and is no list of cases.
ABOUT = {"protocol", "made_with", "error_classes", "expressions about", "verdicts locks"}
# Formats that we do not read; 0.6 does.
NOT_OURS = {("lock_adapters", "poetry"), ("lock_adapters", "pdm")}
# A test is run with the names or numbers of these.
BY_NAME = {"logs": list(load("logs")), "invalid": [case["name"] for case in load("invalid")]}
BY_NUMBER = {"updates"}


def lists():
    """The lists of the document by name, those of a section with the section's."""
    found = {}
    for name, section in sections().items():
        if isinstance(section, dict) and name != "logs":
            found |= {f"{name} {key}": value for key, value in section.items()} if name not in ABOUT else {}
        else:
            found[name] = section
    return {name: value for name, value in found.items() if name not in ABOUT}


def parameters():
    """(test, value) of everything that the tests of this folder are run with."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.vectors.{path.stem}") if path != Path(__file__) else None
        for name, one in vars(module).items() if module else ():
            for mark in getattr(one, "pytestmark", []) if name.startswith("test_") else ():
                if mark.name == "parametrize":
                    for value in mark.args[1]:
                        for inner in value.values if hasattr(value, "marks") else (value,):
                            yield name, inner


RUN_WITH = list(parameters())
OBJECTS = {id(value) for _, value in RUN_WITH}


@pytest.mark.parametrize("name", lists())
def test_every_case_of_a_list_is_run(name):
    cases = lists()[name]
    assert len(cases) > 0
    if name in BY_NAME:
        run = {value for _, value in RUN_WITH if isinstance(value, str)}
        assert set(BY_NAME[name]) <= run
        assert len(BY_NAME[name]) == len(cases)
    elif name in BY_NUMBER:
        assert {value for test, value in RUN_WITH if test == f"test_{name}"} == set(range(len(cases)))
    else:
        left = [case for case in cases if id(case) not in OBJECTS and (name, case.get("kind")) not in NOT_OURS]
        assert left == []


def test_every_lock_of_the_verdicts_is_used():
    assert {case["lock"] for case in load("verdicts")["cases"]} == set(load("verdicts")["locks"])


@pytest.mark.parametrize(
    ("folder", "paths"),
    [
        ("logs", [facts["path"] for facts in load("logs").values()]),
        ("invalid", [case["path"] for case in load("invalid")]),
    ],
)
def test_every_log_on_disk_is_an_entry(folder, paths):
    on_disk = {path.parent.parent.relative_to(VECTORS).as_posix() for path in (VECTORS / folder).rglob("log/head")}
    on_disk |= {f"{folder}/{path.name}" for path in (VECTORS / folder).iterdir()}
    assert on_disk == set(paths)


def test_every_difference_is_one_case():
    found = {("openvet.toml", case["name"]) for case in load("config")["openvet.toml"]}
    found |= {("decoding", case["name"]) for case in load("decoding")}
    found |= {("tagged_hashes", case["text"]) for case in load("tagged_hashes")}
    found |= {(case["name"], one["coord"]) for case in load("verdicts")["cases"] for one in case["result"]["subjects"]}
    assert DIFFERENCES.keys() <= found


def test_differences_make_us_stricter_but_for_our_own_table():
    assert {place for place, one in DIFFERENCES.items() if one.ours in ("taken", "approved")} == {
        place for place, one in DIFFERENCES.items() if one.rule == INSTALL
    }
