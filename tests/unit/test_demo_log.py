"""The log that `openvet-install demo` ships: our client verifies it, and it says what demo.toml says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import tomli

import openvet_install
from openvet_install.config.reader import parse_policy
from openvet_install.files import parse_filename
from openvet_install.http import Fetcher
from openvet_install.openvet.log import Log
from openvet_install.openvet.store import Store
from openvet_install.openvet.subject import Subject
from openvet_install.openvet.verdict import Outcome, Status
from tests.support.real_log import serve_folder

DEMO = Path(openvet_install.__file__).parent / "demo"
MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def demo():
    return tomli.loads((DEMO / "demo.toml").read_text(encoding="utf-8"))


@pytest.fixture
def log(demo):
    operators = tuple(demo["log"]["operators"])
    with serve_folder(DEMO) as url, Fetcher() as fetcher, Store(None) as store:
        yield Log(demo["log"]["name"], url, fetcher=fetcher, store=store, operators=operators)


def policy_of(demo):
    lines = [f'{name} = "{condition}"' for name, condition in demo["requirement"].items()]
    return parse_policy("\n".join(["[requirement]", *lines, ""]))


def test_the_whole_history_verifies_against_its_operator(demo, log):
    verified = log.verify(log.served_head(), since=None, operators=())

    assert verified.head == demo["log"]["head"]
    assert verified.commits == demo["log"]["commits"]
    assert verified.operators == tuple(demo["log"]["operators"])


def test_the_audits_are_those_of_demo_toml(demo, log):
    head = log.verify(log.served_head(), since=None, operators=()).head
    audits = {str(audit.subject): audit for audit in log.everything(head)}

    assert {name: dict(audit.claims) for name, audit in audits.items()} == {
        audit["subject"]: audit["claims"] for audit in demo["audit"]
    }
    assert all(audit.approves for audit in audits.values())
    assert all("demo of openvet-install" in audit.summary for audit in audits.values())


def test_every_case_comes_out_as_promised(demo, log):
    head = log.verify(log.served_head(), since=None, operators=()).head
    policy = policy_of(demo)
    outcomes = {}
    for case in demo["case"]:
        audits = [audit for audit in log.package(head, case["package"]) if audit.subject.version == case["version"]]
        verdicts = [policy.verdict(audit.subject, [audit]) for audit in audits]
        statuses = {one.status for verdict in verdicts for one in verdict.requirements}
        if not verdicts:
            outcomes[case["expect"]] = "unaudited"
        elif Status.CONTRADICTED in statuses:
            outcomes[case["expect"]] = "contradicted"
        else:
            outcomes[case["expect"]] = "held-back" if {one.outcome for one in verdicts} == {Outcome.PASS} else "?"

    assert outcomes == {"held-back": "held-back", "contradicted": "contradicted", "unaudited": "unaudited"}
    assert {case["tool"] for case in demo["case"]} == {"pip", "uv"}


def test_subjects_and_file_names_agree(demo):
    for audit in demo["audit"]:
        subject = Subject.parse(audit["subject"])
        name, version, _ = parse_filename(audit["filename"])

        assert (subject.package, subject.version) == (name, version)


def test_objects_are_named_by_their_bytes_and_small():
    files = [path for path in DEMO.rglob("*") if path.is_file()]
    objects = [path for path in files if path.parent.name in {"commit", "node", "audit", "keystate"}]

    assert {path.relative_to(DEMO).as_posix() for path in set(files) - set(objects)} == {"demo.toml", "log/head"}
    for path in objects:
        assert hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest() == path.name
    assert sum(path.stat().st_size for path in files) < MAX_BYTES


def test_git_leaves_the_objects_alone():
    lines = (DEMO.parents[1] / ".gitattributes").read_text(encoding="utf-8").splitlines()

    assert "openvet_install/demo/log/** -text" in lines
