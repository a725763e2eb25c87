"""Random policies over random audits: the real `openvet check` and our `Policy.verdict` agree.

One project holds many subjects, so that one run of `check` answers for all of them; each policy is also
held against evaluators that are broken on purpose, which the answers of the real program must expose.
`$OPENVET_DIFFERENTIAL_POLICIES` is the number of policies (default 250: one `check` takes a quarter of a second
of a core, so that 2,000 are run by hand); each is held against 19 sets of audits.
`$OPENVET_DIFFERENTIAL_SEED` begins elsewhere. A failure prints the policy that caused it.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from openvet_install.config.reader import parse_policy
from openvet_install.openvet.language import And, Claim, Not, Or, Tri, evaluate
from openvet_install.openvet.verdict import Audit, Policy, Requirement, Status
from tests.support.real_log import in_words, subject_of, tiny_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.openvet.subject import Subject

pytestmark = pytest.mark.interop

POLICIES = int(os.environ.get("OPENVET_DIFFERENTIAL_POLICIES", "250"))
SEED = int(os.environ.get("OPENVET_DIFFERENTIAL_SEED", "20261123"))
PACKAGES = 19
UNAUDITED = 4
LOGS = ("alice", "bob", "carol")
CLAIMS = ("is-benign", "uses-network", "has_tests", "Odd-Claim")
REQUIREMENTS = ("one", "two", "three")
AT_ONCE = 2
"""Runs of `check` at the same time; each has a folder of its own."""


@dataclass
class Corpus:
    """A project with a lock, and what is known about its subjects."""

    project: Path
    head: str
    subjects: list[Subject]
    audits: dict[Subject, list[Audit]]


@dataclass
class Case:
    """A policy, and what `check` answered for each subject: the verdict and the requirements that did not pass."""

    text: str
    policy: Policy
    answers: dict[Subject, tuple[str, dict[str, str]]]


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
        for log in logs if number >= UNAUDITED else ():
            if audits[subject] and random.random() < 0.5:
                continue
            claims = {claim: random.random() < 0.5 for claim in CLAIMS if random.random() < 0.45}
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
    shared_server.check(project)  # from here on every answer comes from the program's cache
    return Corpus(project, head, subjects, audits)


def known(log, subject, claims):
    return Audit(log=log, subject=subject, hash="", claims=claims, signers=(), created_at=0, summary="", approves=True)


def expression(random, depth=3):
    if depth == 0 or random.random() < 0.35:
        return random.choice(CLAIMS)
    operator = random.choice(("and", "or", "implies", "not", "(", "AND", "Implies", "oR", "NOT"))
    if operator.lower() == "not":
        return f"{operator} {expression(random, depth - 1)}"
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
    """Return a policy; two in three have overrides, two in three aliases."""
    lines = ["[requirement]"]
    for name in REQUIREMENTS[: random.choice((1, 1, 2, 3))]:
        condition = expression(random)
        default = random.choice(("", "", ", default = true", ", default = false"))
        lines.append(f'{name} = {{ condition = "{condition}"{default} }}' if default else f'{name} = "{condition}"')
    known_names = {line.split(" ")[0] for line in lines[1:]}
    if random.random() < 0.67:
        found = [override(random, subjects) for _ in range(random.randint(1, 3))]
        for name in set(REQUIREMENTS) - known_names:
            found = [
                one.replace(f', "{name}"', "").replace(f'"{name}", ', "").replace(f'"{name}"', "") for one in found
            ]
        lines += found
    if random.random() < 0.67:
        lines.append("[alias]")
        for claim in random.sample(CLAIMS, 2):
            entries = [f'"{random.choice(LOGS)}:{random.choice(CLAIMS)}"' for _ in range(random.randint(1, 2))]
            lines.append(f"{claim} = [{', '.join(entries)}]")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def cases(corpus, shared_server, tmp_path_factory):
    """Every policy with the real program's answers."""
    folders = []
    for number in range(AT_ONCE):
        folders.append(tmp_path_factory.mktemp(f"asked-{number}") / "project")
        shutil.copytree(corpus.project, folders[-1])

    def ask(share):
        return [asked(corpus, shared_server, folders[share], number) for number in range(share, POLICIES, AT_ONCE)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [case for found in pool.map(ask, range(AT_ONCE)) for case in found]


def asked(corpus, server, folder, number):
    text = policy_text(Random(SEED + 1 + number), corpus.subjects)
    (folder / "openvet.toml").write_text(corpus.head + text, encoding="utf-8")
    checked = server.check(folder)
    answers = {
        one: (checked.verdicts[str(one.coordinate)], checked.requirements[str(one.coordinate)])
        for one in corpus.subjects
    }
    return Case(text, parse_policy(text), answers)


def differs(corpus, case, policy):
    """Return what a policy answers otherwise than the real program did."""
    ours = {one: in_words(policy, one, corpus.audits[one]) for one in corpus.subjects}
    return {str(one): (ours[one], told) for one, told in case.answers.items() if ours[one] != told}


def shares(cases):
    kinds = Counter()
    for case in cases:
        for verdict, missed in case.answers.values():
            statuses = set(missed.values())
            kinds["contradicted" if "contradicted" in statuses else statuses.pop() if statuses else verdict] += 1
    return {kind: count / sum(kinds.values()) for kind, count in kinds.items()}


# Evaluators that are broken on purpose: each in one place, as a slip of the pen would.


class Unknowing(Policy):
    """A claim that an audit does not make counts as false."""

    def value(self, requirement, audit):
        renamed = self.aliases.get(audit.log, {})
        claims = audit.claims
        return evaluate(self.requirements[requirement].condition, lambda one: claims.get(renamed.get(one, one), False))


class Forgiving(Policy):
    """A True of one log outweighs the False of another."""

    def _judge(self, name, audits):
        judged = super()._judge(name, audits)
        yes = any(value is Tri.TRUE for _, value in judged.values)
        return judged._replace(status=Status.PASS) if yes else judged


class Stingy(Policy):
    """Every audit must say True."""

    def _judge(self, name, audits):
        judged = super()._judge(name, audits)
        unsure = judged.status is Status.PASS and any(value is Tri.UNKNOWN for _, value in judged.values)
        return judged._replace(status=Status.NOT_ASSERTED) if unsure else judged


class Adding(Policy):
    """The claims of all logs are put together before they are evaluated."""

    def _judge(self, name, audits):
        audits = list(audits)
        merged = {claim: value for audit in audits for claim, value in audit.claims.items()}
        return super()._judge(name, [audit._replace(claims={**merged, **audit.claims}) for audit in audits])


class Either(Policy):
    """The canonical claim counts too where an alias is set."""

    def value(self, requirement, audit):
        renamed = self.aliases.get(audit.log, {})
        claims = audit.claims
        condition = self.requirements[requirement].condition
        return evaluate(condition, lambda one: claims.get(renamed.get(one, one), claims.get(one)))


class Twice(Policy):
    """Aliases are applied to what aliases gave."""

    def value(self, requirement, audit):
        renamed = self.aliases.get(audit.log, {})
        claims = audit.claims

        def look(claim):
            first = renamed.get(claim, claim)
            return claims.get(renamed.get(first, first))

        return evaluate(self.requirements[requirement].condition, look)


class Everywhere(Policy):
    """An alias of one log holds for all."""

    def value(self, requirement, audit):
        renamed = {claim: name for one in self.aliases.values() for claim, name in one.items()}
        claims = audit.claims
        condition = self.requirements[requirement].condition
        return evaluate(condition, lambda one: claims.get(renamed.get(one, one)))


class Backwards(Policy):
    """The last override comes first."""

    def effective(self, subject):
        return Policy(self.requirements, self.overrides[::-1], self.aliases).effective(subject)


class Once(Policy):
    """Only the first override that fits applies."""

    def effective(self, subject):
        first = tuple(one for one in self.overrides if one.fits(subject))[:1]
        return Policy(self.requirements, first, self.aliases).effective(subject)


class Loud(Policy):
    """Fields of overrides are compared without regard to case."""

    def effective(self, subject):
        lowered = tuple(
            one._replace(package=one.package and one.package.lower(), hash=one.hash and one.hash.lower())
            for one in self.overrides
        )
        return Policy(self.requirements, lowered, self.aliases).effective(subject)


class Blind(Policy):
    """An empty variant in an override fits everything."""

    def effective(self, subject):
        found = tuple(one._replace(variant=one.variant or None) for one in self.overrides)
        return Policy(self.requirements, found, self.aliases).effective(subject)


class Always(Policy):
    """Every requirement is a default one."""

    def effective(self, subject):
        every = {name: one._replace(default=True) for name, one in self.requirements.items()}
        return Policy(every, self.overrides, self.aliases).effective(subject)


def changed(policy, change):
    """Return the policy with `change` applied to every part of its conditions."""

    def walk(one):
        if isinstance(one, Claim):
            return one
        if isinstance(one, Not):
            return change(Not(walk(one.operand)))
        return change(type(one)(tuple(walk(operand) for operand in one.operands)))

    requirements = {
        name: Requirement(name, walk(one.condition), one.default) for name, one in policy.requirements.items()
    }
    return Policy(requirements, policy.overrides, policy.aliases)


def swapped(one):
    return {And: Or, Or: And}[type(one)](one.operands) if isinstance(one, And | Or) else one


def one_sided(one):
    return type(one)(one.operands[:1]) if isinstance(one, And | Or) else one


def as_class(broken):
    return lambda policy: broken(policy.requirements, policy.overrides, policy.aliases)


BROKEN = {
    **{
        one.__name__: as_class(one)
        for one in (
            Unknowing, Forgiving, Stingy, Adding, Either, Twice, Everywhere, Backwards, Once, Loud, Blind, Always
        )
    },
    "`and` is `or`": lambda policy: changed(policy, swapped),
    "the first operand decides": lambda policy: changed(policy, one_sided),
    "`not` does nothing": lambda policy: changed(policy, lambda one: one.operand if isinstance(one, Not) else one),
    "no aliases": lambda policy: Policy(policy.requirements, policy.overrides, {}),
    "no overrides": lambda policy: Policy(policy.requirements, (), policy.aliases),
}  # fmt: skip


@pytest.mark.timeout(1800)
def test_check_and_verdict_agree_and_broken_evaluators_do_not(corpus, cases):
    """One test, so that one worker asks: each verdict at least 15 %, overrides and aliases in half of the policies."""
    assert len(cases) == POLICIES
    for case in cases:
        assert not differs(corpus, case, case.policy), case.text

    found = shares(cases)
    print(found)
    assert found.keys() == {"pass", "contradicted", "not asserted", "unaudited"}
    assert all(share >= 0.15 for share in found.values()), found
    for word in ("[[override]]", "[alias]"):
        assert sum(word in case.text for case in cases) >= len(cases) / 2

    for name, broken in BROKEN.items():
        caught = sum(bool(differs(corpus, case, broken(case.policy))) for case in cases)
        print(f"{name}: caught by {caught} of {len(cases)} policies")
        assert caught, name
