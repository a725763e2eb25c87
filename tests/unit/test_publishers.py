from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from openvet_install.config import Publisher
from openvet_install.publishers import Attested, Identity, Provenance, State, bound_by, describe, judge, same_index
from tests.support.evidence import INDEX, a_file

WHEN = datetime(2026, 6, 2, tzinfo=timezone.utc)
RULE = Publisher(
    package="acme-sign", kind="GitHub", where="openvet.toml:30", repository="acme-org/acme-sign", workflow="release.yml"
)
PATH = "https://github.com/acme-org/acme-sign/.github/workflows/release.yml@refs/tags/v1"
WHO = Identity(
    issuer="https://token.actions.githubusercontent.com", subject=PATH,
    repository="https://github.com/acme-org/acme-sign", workflow=PATH, ref="refs/tags/v1", commit="c0ffee",
    runner="github-hosted", owner_id="2", repository_id="1",
)  # fmt: skip
GITLAB = Identity(
    issuer="https://gitlab.com", subject="https://gitlab.com/g/s/p//ci/release.yml@refs/heads/main",
    repository="https://gitlab.com/g/s/p", workflow="https://gitlab.com/g/s/p//ci/release.yml@abc", commit="abc",
    ref="refs/heads/main",
)  # fmt: skip


def attested(identity=WHO, root=None):
    return Attested(identity=identity, predicate="p", logged=WHEN, entry=1, root=root)


def state(*rules, identity=WHO, **more):
    return judge(rules, a_file("acme-sign", **more), Provenance(attested=(attested(identity),))).state


def test_what_is_not_known_yet_is_asked_for():
    assert judge([RULE], a_file("acme-sign"), None) is None


def test_the_publisher_of_the_policy_is_verified():
    origin = judge([RULE], a_file("acme-sign"), Provenance(attested=(attested(),)))
    assert (origin.state, origin.text) == (State.VERIFIED, "GitHub acme-org/acme-sign release.yml")


def test_nothing_verified_is_missing():
    origin = judge([RULE], a_file("acme-sign"), Provenance())
    assert (origin.state, origin.text) == (State.MISSING, "none served; required by openvet.toml:30")
    assert judge([replace(RULE, required=False)], a_file("acme-sign"), Provenance()).text == "none served"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://token.actions.example"},
        {"issuer": "https://token.actions.githubusercontent.com/"},
        {"repository": "https://github.com/acme-org/acme-sign2"},
        {"repository": "https://evil.example/https://github.com/acme-org/acme-sign"},
        {"repository": "acme-org/acme-sign"},
        {"workflow": PATH.replace("release.yml", "other.yml")},
        {"workflow": PATH.replace("/.github/workflows/", "/.github/workflows/../../")},
        {"workflow": PATH.replace("@refs/tags/v1", "@refs/tags/v2")},
        {"workflow": PATH + "@refs/tags/v1"},
        {"workflow": ""},
        {"ref": "", "commit": ""},
        {"ref": "refs/heads/x"},
    ],
)
def test_every_part_of_a_certificate_counts(change):
    who = WHO._replace(**change)
    assert state(RULE, identity=who) is State.MISMATCH


def test_a_workflow_may_be_named_by_its_commit():
    assert state(RULE, identity=WHO._replace(workflow=PATH.replace("refs/tags/v1", "c0ffee"))) is State.VERIFIED


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("ref", "refs/tags/v1", True), ("ref", "refs/tags/*", True), ("ref", "refs/heads/*", False),
        ("runner", "github-hosted", True), ("runner", "self-hosted", False),
        ("owner_id", "2", True), ("owner_id", "3", False), ("repository_id", "1", True), ("repository_id", "11", False),
        ("environment", "pypi", False),
    ],
)  # fmt: skip
def test_optional_keys_narrow_a_rule(key, value, fits):
    assert (state(replace(RULE, **{key: value})) is State.VERIFIED) == fits


def test_an_environment_counts_by_the_certificate_only():
    rule = replace(RULE, environment="pypi")
    assert state(rule, identity=WHO._replace(environment="pypi")) is State.VERIFIED
    origin = judge([rule], a_file("acme-sign"), Provenance(attested=(attested(),)))
    assert origin.text == (
        "GitHub acme-org/acme-sign release.yml, environment not stated, "
        "expected acme-org/acme-sign release.yml, environment pypi"
    )


def test_what_was_found_stands_beside_what_was_expected():
    fork = WHO._replace(
        repository=WHO.repository.replace("acme-org", "acme-fork"), workflow=PATH.replace("acme-org", "acme-fork")
    )
    origin = judge([RULE], a_file("acme-sign"), Provenance(attested=(attested(fork),)))
    assert origin.text == "GitHub acme-fork/acme-sign release.yml, expected acme-org/acme-sign release.yml"
    origin = judge([RULE], a_file("acme-sign"), Provenance(attested=(attested(GITLAB),)))
    assert origin.text == "GitLab g/s/p ci/release.yml, expected GitHub acme-org/acme-sign release.yml"


@pytest.mark.parametrize(
    ("rule", "identity"),
    [
        (Publisher(package="x", kind="GitLab", where="", repository="g/s/p", workflow="ci/release.yml"), GITLAB),
        (
            Publisher(package="x", kind="GitLab", where="", repository="g/p", workflow="w.yml",
                      issuer="https://gitlab.acme.example"),
            Identity(issuer="https://gitlab.acme.example", subject="s", repository="https://gitlab.acme.example/g/p",
                     workflow="https://gitlab.acme.example/g/p//w.yml@refs/heads/m", ref="refs/heads/m"),
        ),
        (
            Publisher(package="x", kind="Google", where="", identity="b@acme.iam.gserviceaccount.com"),
            Identity(issuer="https://accounts.google.com", subject="b@acme.iam.gserviceaccount.com"),
        ),
        (
            Publisher(package="x", kind="CircleCI", where="", identity="https://circleci.com/p", ref="refs/heads/m",
                      repository="github.com/a/b"),
            Identity(issuer="https://oidc.circleci.com", subject="https://circleci.com/p", ref="refs/heads/m",
                     repository="github.com/a/b"),
        ),
        (
            Publisher(package="x", kind="URL", where="", issuer="https://i.example", identity="https://i.example/b"),
            Identity(issuer="https://i.example", subject="https://i.example/b"),
        ),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)  # fmt: skip
def test_each_kind(rule, identity):
    assert state(rule, identity=identity) is State.VERIFIED
    assert state(rule, identity=identity._replace(issuer=identity.issuer + "x")) is State.MISMATCH
    key = "repository" if rule.repository else "subject"
    other = identity._replace(**{key: getattr(identity, key) + "x"})
    assert state(rule, identity=other) is State.MISMATCH
    assert describe(identity)


def test_a_rule_that_names_nobody_fits_nobody():
    assert state(Publisher(package="x", kind="URL", where="", issuer=WHO.issuer)) is State.MISMATCH


def test_one_of_several_attestations_is_enough_and_none_is_not():
    fork = attested(WHO._replace(repository="https://github.com/acme-fork/acme-sign"))
    found = judge([RULE], a_file("acme-sign"), Provenance(attested=(fork, attested())))
    assert found.state is State.VERIFIED
    assert judge([RULE], a_file("acme-sign"), Provenance(attested=(fork, fork))).state is State.MISMATCH


def test_publishers_change_over_time():
    rules = (replace(RULE, repository="acme-org/old"), RULE)
    assert state(*rules) is State.VERIFIED
    assert state(rules[0]) is State.MISMATCH


def test_of_alternatives_one_that_requires_is_enough():
    rules = (replace(RULE, required=False), replace(RULE, repository="acme-org/old", where="openvet.toml:40"))
    origin = judge(rules, a_file("acme-sign"), Provenance())
    assert (origin.required, origin.text) == (True, "none served; required by openvet.toml:40")


def test_an_attestation_counts_below_the_root_of_its_rule_only():
    private = replace(RULE, trust_root=Path("/root.json"))
    found = Provenance(attested=(attested(root=Path("/root.json")),))
    assert judge([private], a_file("acme-sign"), found).state is State.VERIFIED
    assert judge([RULE], a_file("acme-sign"), found).state is State.MISSING
    assert judge([private], a_file("acme-sign"), Provenance(attested=(attested(),))).state is State.MISSING


def test_a_bound_package_of_another_index_is_a_mismatch_before_any_look():
    bound = replace(RULE, index="https://libraries.example/simple", required=False)
    origin = judge([bound], a_file("acme-sign"), None)
    assert (origin.state, origin.elsewhere) == (State.MISMATCH, True)
    assert origin.text == f"listed by {INDEX}, expected https://libraries.example/simple"
    assert judge([bound, replace(RULE, index=INDEX + "/")], a_file("acme-sign"), None) is None


def test_a_rule_without_an_index_speaks_for_every_index():
    bound = replace(RULE, index="https://libraries.example/simple", repository="acme-org/other")
    assert state(bound, RULE) is State.VERIFIED


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://I.example/simple", "https://i.example:443/simple/", True),
        ("https://i.example/simple", "http://i.example/simple", False),
        ("https://i.example/simple", "https://i.example/simple2", False),
        ("https://i.example/simple", "https://i.example.evil/simple", False),
        ("https://i.example/Simple", "https://i.example/simple", False),
        ("https://i.example:x/simple", "https://i.example/simple", False),
    ],
)
def test_the_same_index_is_spelled_in_few_ways(one, other, same):
    assert same_index(one, other) == same


def test_the_most_exact_rules_count():
    everything, pattern, longer, exact, second = (
        replace(RULE, package=package, where=str(number))
        for number, package in enumerate(("*", "acme-*", "acme-s*", "acme-sign", "acme-sign"))
    )
    rules = (everything, pattern, longer, exact, second)
    assert bound_by(rules, "acme-sign") == (exact, second)
    assert bound_by(rules, "acme-site") == (longer,)
    assert bound_by(rules, "acme-x") == (pattern,)
    assert bound_by(rules, "other") == (everything,)
    assert bound_by(rules[1:], "other") == ()
