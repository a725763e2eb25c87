"""`vectors.json`, key verdicts: what `openvet check` 0.6 answered, and where `decide` is stricter.

`verdict.py` answers exactly as 0.6 does. Whoever installs asks `decide`, which is stricter where the table of
differences says so.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from openvet_install.config import parse_policy, read_policy
from openvet_install.decide import NOTHING, decide
from openvet_install.files import File
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.setting import setting
from openvet_install.gate.state import Looks
from openvet_install.installers.locks import subjects
from openvet_install.openvet.log import Log
from openvet_install.openvet.pins import Pin, Walked, write_pins, write_walked
from openvet_install.openvet.store import Store
from tests.support.real_log import in_words
from tests.support.vectors import FolderFetcher, load
from tests.vectors.differences import ours

VERDICTS = load("verdicts")
LOGS = load("logs")
CASES = [pytest.param(case, id=case["name"]) for case in VERDICTS["cases"]]
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)


@pytest.fixture
def store():
    with Store(None) as store:
        yield store


def locked(case):
    text = VERDICTS["locks"][case["lock"]]
    kind = "pylock" if "lock-version" in text else "uv"
    return subjects(text, kind)


def told(case):
    """What 0.6 said: per coordinate the verdict and the requirements that did not pass."""
    return {
        one["coord"]: (
            one["verdict"],
            {name: said["status"].replace("-", " ") for name, said in one.get("requirements", {}).items()},
        )
        for one in case["result"]["subjects"]
    }


def operators_of(name):
    from tests.vectors.test_logs import operators_of

    return operators_of(LOGS[name])


@pytest.mark.parametrize("case", CASES)
def test_verdicts_are_those_of_0_6(case, store):
    policy = parse_policy(case["policy"])
    fetcher = FolderFetcher()
    logs = {}
    for name, path in case["logs"].items():
        facts = LOGS[path]
        logs[name] = Log(name, f"{fetcher.base}/{facts['path']}", fetcher=fetcher, store=store)
        logs[name].verify(facts["head"], since=None, operators=operators_of(path))
    found = locked(case)
    answers = {}
    for subject in found.subjects:
        heads = ((log, LOGS[case["logs"][name]]["head"]) for name, log in sorted(logs.items()))
        audits = [audit for log, head in heads for audit in log.audits(head, [subject])]
        answers[str(subject.coordinate)] = in_words(policy, subject, audits)
    assert answers == told(case)
    assert len(found.skipped) == case["result"]["skipped"]


def reasons(case, folder):
    """What `decide` says, by the whole way of a run: policy file, pins, walk, both heads."""
    fetcher = FolderFetcher()
    urls = {name: f"{fetcher.base}/{LOGS[path]['path']}" for name, path in case["logs"].items()}
    tables = "".join(f'[log.{name}]\nurl = "{url}"\n' for name, url in urls.items())
    (folder / "openvet.toml").write_text(tables + case["policy"], encoding="utf-8")
    heads = {name: LOGS[path]["head"] for name, path in case["logs"].items()}
    write_pins(folder / "openvet.lock", {name: Pin(url, heads[name]) for name, url in urls.items()})
    anchors = {name: Walked(operators_of(case["logs"][name]), head) for name, head in heads.items()}
    write_walked(folder / "openvet-install.lock", anchors)
    policy = read_policy("project", folder / "openvet.toml", NOW.date())
    chosen = setting([policy], mode=None, variables=(), now=NOW)
    with Store(None) as store:
        knowledge = Knowledge([policy], fetcher=fetcher, store=store, looks=Looks(folder / "state"), now=NOW)
        knowledge.open()
        return {
            str(one.coordinate): decide(
                file_of(one), knowledge.evidence(file_of(one)) or {"project": NOTHING}, chosen.rules, NOW
            ).reason.code
            for one in locked(case).subjects
        }


def file_of(subject):
    ending = ".tar.gz" if subject.variant == "sdist" else f"-{subject.variant}.whl"
    return File(
        name=subject.package,
        version=subject.version,
        filename=f"{subject.package.replace('-', '_')}-{subject.version}{ending}",
        url="https://files.example/x",
        index="https://index.example/simple",
        sha256=subject.sha256,
    )


def in_our_words(verdict, missed):
    if verdict != "fail":
        return {"pass": "approved", "unaudited": "unaudited"}[verdict]
    return "contradicted" if "contradicted" in missed.values() else "not-asserted"


@pytest.mark.parametrize("case", CASES)
def test_decisions_differ_only_where_the_table_says(case, tmp_path):
    expected = {coord: ours(case["name"], coord, in_our_words(*said)) for coord, said in told(case).items()}
    assert reasons(case, tmp_path) == expected
