"""Random policies over random audits: the real `openvet check` and our `Policy.verdict` agree.

One project holds many subjects, so that one run of `check` answers for all of them.
`$OPENVET_DIFFERENTIAL_CASES` is the number of verdicts that are compared (default 600);
`$OPENVET_DIFFERENTIAL_SEED` begins elsewhere. A failure prints the policy that caused it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from openvet_install.config.reader import parse_policy
from openvet_install.openvet.verdict import Audit
from tests.support.real_log import in_words, subject_of, tiny_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.openvet.subject import Subject

pytestmark = pytest.mark.interop

CASES = int(os.environ.get("OPENVET_DIFFERENTIAL_CASES", "600"))
SEED = int(os.environ.get("OPENVET_DIFFERENTIAL_SEED", "20261123"))
PACKAGES = 30
LOGS = ("alice", "bob")
CLAIMS = ("is-benign", "uses-network", "has_tests", "Odd-Claim")
REQUIREMENTS = ("one", "two", "three")


@dataclass
class Corpus:
    """A project with a lock, and what is known about its subjects."""

    project: Path
    head: str
    subjects: list[Subject]
    audits: dict[Subject, list[Audit]]


@pytest.fixture(scope="module")
def corpus(shared_server, tmp_path_factory):
    random = Random(SEED)
    folder = tmp_path_factory.mktemp("corpus")
    project = folder / "project"
    project.mkdir()
    logs = [shared_server.log(name) for name in LOGS]
    subjects, audits, lock = [], {}, ["version = 1\n"]
    for number in range(PACKAGES):
        wheel = tiny_wheel(folder, f"package-{number}", f"1.{number % 3}")
        subject = subject_of(wheel)
        subjects.append(subject)
        audits[subject] = []
        for log in logs:
            if number == 0 or random.random() < 0.25:  # the first stays unaudited
                continue
            claims = {claim: random.random() < 0.6 for claim in CLAIMS if random.random() < 0.7}
            log.publish(wheel, claims)
            audits[subject].append(known(log.name, subject, claims))
        lock.append(
            f'[[package]]\nname = "{subject.package}"\nversion = "{subject.version}"\n'
            'source = { registry = "https://index.example/simple" }\n'
            f'wheels = [{{ url = "https://files.example/{wheel.name}", hash = "{subject.hash}" }}]\n'
        )
    (project / "uv.lock").write_text("".join(lock), encoding="utf-8")
    head = "".join(f'[log.{log.name}]\nurl = "{log.url}"\n' for log in logs)
    head += '[[lockfile]]\nkind = "uv"\npath = "uv.lock"\n'
    (project / "openvet.toml").write_text(head, encoding="utf-8")
    shared_server.update(project)
    return Corpus(project, head, subjects, audits)


def known(log, subject, claims):
    return Audit(log=log, subject=subject, hash="", claims=claims, signers=(), created_at=0, summary="", approves=True)


def expression(random, depth=3):
    if depth == 0 or random.random() < 0.3:
        return random.choice(CLAIMS)
    operator = random.choice(("and", "or", "implies", "not", "(", "AND", "Implies"))
    if operator == "not":
        return f"not {expression(random, depth - 1)}"
    if operator == "(":
        return f"({expression(random, depth - 1)})"
    return f"{expression(random, depth - 1)} {operator} {expression(random, depth - 1)}"


def names(random):
    chosen = random.sample(REQUIREMENTS, random.randint(0, len(REQUIREMENTS)))
    return "[" + ", ".join(f'"{name}"' for name in chosen) + "]"


def override(random, subjects):
    subject = random.choice(subjects)
    values = {
        "registry": random.choice(("pypi", "*", "cargo")),
        "package": random.choice((subject.package, "*", subject.package.upper())),
        "version": random.choice((subject.version, "1.0", "*")),
        "variant": random.choice(("py3-none-any", "*", "")),
        "hash": random.choice((str(subject.hash), "*", str(subject.hash).upper())),
    }
    lines = ["[[override]]"]
    lines += [f'{key} = "{value}"' for key, value in values.items() if random.random() < 0.35]
    changes = (names(random), f"{{ add = {names(random)}, remove = {names(random)} }}", f"{{ add = {names(random)} }}")
    return "\n".join([*lines, f"requirements = {random.choice(changes)}"])


def policy_text(random, subjects):
    lines = ["[requirement]"]
    for name in REQUIREMENTS:
        condition = expression(random)
        default = random.choice(("", ", default = true", ", default = false"))
        lines.append(f'{name} = {{ condition = "{condition}"{default} }}' if default else f'{name} = "{condition}"')
    lines += [override(random, subjects) for _ in range(random.randint(0, 4))]
    if random.random() < 0.5:
        lines.append("[alias]")
        for claim in random.sample(CLAIMS, 2):
            entries = [f'"{random.choice(LOGS)}:{random.choice(CLAIMS)}"' for _ in range(random.randint(1, 2))]
            lines.append(f"{claim} = [{', '.join(entries)}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("number", range(-(-CASES // PACKAGES)))
def test_check_and_verdict_agree(number, corpus, shared_server):
    text = policy_text(Random(SEED + 1 + number), corpus.subjects)
    (corpus.project / "openvet.toml").write_text(corpus.head + text, encoding="utf-8")
    policy = parse_policy(text)
    checked = shared_server.check(corpus.project)

    found = {
        str(subject.coordinate): (
            checked.verdicts[str(subject.coordinate)],
            checked.requirements[str(subject.coordinate)],
        )
        for subject in corpus.subjects
    }
    expected = {
        str(subject.coordinate): in_words(policy, subject, corpus.audits[subject]) for subject in corpus.subjects
    }
    assert found == expected, text


def test_the_corpus_has_every_verdict(corpus, shared_server):
    seen = set()
    for number in range(-(-CASES // PACKAGES)):
        policy = parse_policy(policy_text(Random(SEED + 1 + number), corpus.subjects))
        for subject in corpus.subjects:
            outcome, missed = in_words(policy, subject, corpus.audits[subject])
            seen |= {outcome, *missed.values()}

    assert seen == {"pass", "fail", "unaudited", "contradicted", "not asserted"}
