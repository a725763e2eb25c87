"""Whole logs: the good ones verify in full, the invalid ones are refused for the right reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openvet_install.openvet.faults import LogInvalid, LogMissingError
from openvet_install.openvet.keys import package_prefix
from openvet_install.openvet.log import Log
from openvet_install.openvet.pins import Pin, Walked, advance
from openvet_install.openvet.sshsig import openssh_fingerprint
from openvet_install.openvet.store import Store
from openvet_install.openvet.subject import Subject
from openvet_install.openvet.tree import scan_prefix
from tests.support.vectors import FolderFetcher, load, named

if TYPE_CHECKING:
    from openvet_install.openvet.evidence import Evidence

LOGS = load("logs")
INVALID = named("invalid")


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


def open_log(path, store, heads=None, operators=()):
    fetcher = FolderFetcher(heads=heads)
    return Log("x", f"{fetcher.base}/{path}", fetcher=fetcher, store=store, operators=operators)


def place(commit):
    return commit.get("generation", 0), commit["index"]


def operators_of(facts):
    """The first key of each generation, from the recorded commits."""
    return tuple(
        openssh_fingerprint(bytes.fromhex(one["operation"]["key"].removeprefix("sha256:")))
        for one in sorted(facts["commits"], key=place)
        if one["index"] == 0
    )


@pytest.mark.parametrize("name", LOGS)
def test_good_logs_verify_from_the_genesis(name, store):
    facts = LOGS[name]
    log = open_log(facts["path"], store)
    head = log.served_head()
    assert head == facts["head"]
    operators = operators_of(facts) if facts["generation"] else ()
    verified = log.verify(head, since=None, operators=operators)
    assert (verified.generation, verified.index, verified.commits) == (
        facts["generation"],
        facts["index"],
        len(facts["commits"]),
    )
    assert verified.operators == operators_of(facts)


@pytest.mark.parametrize("name", LOGS)
def test_good_logs_verify_from_every_earlier_commit(name, store):
    facts = LOGS[name]
    commits = sorted(facts["commits"], key=place)
    for since in commits[:: max(1, len(commits) // 16)]:
        log = open_log(facts["path"], store)
        verified = log.verify(facts["head"], since=since["hash"], operators=operators_of(facts))
        later = [one for one in commits if place(one) > place(since)]
        assert verified.commits == len(later)
        assert verified.operators == operators_of(facts)


@pytest.mark.parametrize("name", LOGS)
def test_subjects_of_good_logs(name, store):
    facts = LOGS[name]
    log = open_log(facts["path"], store)
    found = {str(audit.subject): audit for audit in log.everything(facts["head"])}
    expected = facts["subjects"]
    assert len(found) == facts["counts"]["subjects"]
    for one in expected if isinstance(expected, list) else ():
        audit = found[one["subject"]]
        assert audit.hash == one["audit"]


@pytest.mark.parametrize("case", load("ranges"), ids=lambda case: f"{case['log']}-{case['package']}")
def test_ranges(case, store):
    facts = LOGS[case["log"]]
    log = open_log(facts["path"], store)
    prefix = package_prefix(case["registry"], case["package"])
    assert prefix.hex() == case["prefix"]
    log.verify(facts["head"], since=facts["head"], operators=())
    evidence: Evidence = log._at(facts["head"])
    log._source._fetcher.asked.clear()
    keys = list(scan_prefix(log._reader.nodes, evidence._root, prefix))
    asked = {path.rpartition("/")[2] for path in log._source._fetcher.asked}
    assert asked <= set(case["nodes_needed"])
    assert len(keys) == len(case["subjects"])
    if case["registry"] == "pypi":
        assert [str(audit.subject) for audit in log.package(facts["head"], case["package"])] == case["subjects"]


@pytest.mark.parametrize("case", load("ancestors"), ids=lambda case: f"{case['from']}-{case['to']}")
def test_ancestors(case, store):
    facts = LOGS[case["log"]]
    by_index = {one["index"]: one["hash"] for one in facts["commits"]}
    log = open_log(facts["path"], store)
    name = bytes.fromhex(by_index[case["from"]])
    found, commit = log._reader.ancestor_at(name, log._reader.commit(name).commit, case["to"])
    assert (found.hex(), commit.index) == (case["hash"], case["to"])
    assert {path.rpartition("/")[2] for path in log._source._fetcher.asked} == {by_index[at] for at in case["path"]}


@pytest.mark.parametrize("number", range(len(load("updates"))))
def test_updates(number, store):
    case = load("updates")[number]
    facts = LOGS[case["log"]]
    operators = operators_of(facts)
    served = case["served"]["head"]
    query = case["url_query"] or ""
    if query == "?gen=x":
        with pytest.raises(Exception, match="`gen` is not a number"):
            open_log(facts["path"] + query, store)
        return
    log = open_log(facts["path"] + query, store, heads={facts["path"]: served}, operators=operators)
    recorded = case["recorded"]
    if recorded is None:
        assert advance(log, None, None).new == served
        return
    pin, walked = Pin("", recorded["head"]), Walked(operators[: recorded["generation"] + 1], recorded["head"])
    found = advance(log, pin, walked)
    before = (recorded["generation"], recorded["index"])
    after = (case["served"]["generation"], case["served"]["index"])
    # OpenVet 0.6 stops at the first generation root and then reports a fork that is none (protocol, section 8).
    assert found.state == ("same" if after == before else "moved" if after > before else "stale")
    if case["result"]["ok"]:
        assert found.verified.commits == case["result"]["new_commits"]
        assert found.verified.generation_roots == case["result"]["generation_roots"]


def acceptable(case):
    return {case["error"], *case.get("also_acceptable", ())}


def whole_walk(case, log):
    head = log.served_head()
    recorded = case.get("recorded_head") if case["name"].startswith("head-") else None
    log.verify(head, since=recorded, operators=everyone(case))
    if "subject" in case:
        log.package(head, Subject.parse(case["subject"]).package)
    log.everything(head)


def everyone(case):
    """Generation roots must fail for their own faults, so whatever key they name is accepted."""
    return Anyone() if case["name"].startswith(("generation-", "good-generation")) else ()


class Anyone(tuple):
    """An anchor of which every entry agrees with what is found."""

    __slots__ = ()

    def __new__(cls):
        return super().__new__(cls, [Agrees()] * 4)


class Agrees(str):
    __slots__ = ()

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


@pytest.mark.parametrize("name", INVALID)
def test_invalid_at_first_sight(name, store):
    case = INVALID[name]
    judge(case, store, whole_walk)


@pytest.mark.parametrize("name", [name for name, case in INVALID.items() if case.get("recorded_head")])
def test_invalid_from_the_recorded_head(name, store):
    def walk_on(case, log):
        head = log.served_head()
        log.verify(head, since=case["recorded_head"], operators=everyone(case))
        log.package(head, Subject.parse(case["subject"]).package)

    judge(INVALID[name], store, walk_on)


@pytest.mark.parametrize("name", [name for name, case in INVALID.items() if case.get("recorded_head")])
def test_invalid_as_the_next_head_of_a_pin(name, store):
    case = INVALID[name]

    def update(case, log):
        recorded = case["recorded_head"]
        log.operators = everyone(case)
        found = advance(log, Pin("", recorded), Walked((Agrees(),), recorded))
        if found.state == "stale":
            raise LogInvalid("not-append-only", "told as stale")
        log.package(found.new, Subject.parse(case["subject"]).package)

    judge(case, store, update)


def judge(case, store, action):
    log = open_log(case["path"], store)
    if case["valid"]:
        action(case, log)
        return
    with pytest.raises((LogInvalid, LogMissingError)) as caught:
        action(case, log)
    assert caught.value.rule in acceptable(case), caught.value.what
