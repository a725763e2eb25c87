import pytest

from openvet_install.config import parse_policy
from openvet_install.openvet.subject import Subject
from openvet_install.openvet.verdict import Audit
from tests.support.vectors import load


def audits_of(case, subject):
    return [
        Audit(log=log, subject=subject, hash="00", claims=claims, signers=(), created_at=0, summary="", approves=True)
        for log, claims in case["audits"]
    ]


@pytest.mark.parametrize("case", load("policies"), ids=lambda case: case["name"])
def test_a_policy_answers_as_openvet_does(case):
    subject = Subject.parse(case["subject"])
    policy = parse_policy(case["policy"])
    assert list(policy.effective(subject)) == case["effective"]
    verdict = policy.verdict(subject, audits_of(case, subject))
    assert verdict.outcome.value == case["verdict"]
    reasons = [
        {"requirement": one.name, "kind": one.status.value.replace("-", " ")}
        | (
            {"by": [audit.log for audit, value in one.values if value.value == "false"]}
            if one.status.value == "contradicted"
            else {}
        )
        for one in verdict.requirements
        if one.status.value != "pass"
    ]
    assert reasons == case.get("reasons", [])
