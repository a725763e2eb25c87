"""OpenVet's tree below a file: requirements, audits, claims; one line an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.decide import Reason, ReasonClass
from openvet_install.openvet.language import claims_of
from openvet_install.openvet.verdict import Status
from openvet_install.report.origin import PROVENANCE
from openvet_install.report.terminal import day_of, number_of, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.decide import Decision, RequirementResult, Same
    from openvet_install.openvet.verdict import Audit, Policy

SIGNS = {"true": "✓", "false": "✘", "unknown": "?"}
STATUS_SIGNS = {Status.PASS: "✓", Status.CONTRADICTED: "✘", Status.NOT_ASSERTED: "?"}
STATUS_WORDS = {Status.PASS: "pass", Status.CONTRADICTED: "contradicted", Status.NOT_ASSERTED: "not asserted"}
MAX_SAID = 1000  # characters of what provenance came to


def evidence(decision: Decision, policies: dict[str, Policy], asked: Sequence[str] = ()) -> list[str]:
    """Return OpenVet's tree below a file, one line an entry; with several policies also which of them says so."""
    whose = f"; by the {decision.scope}'s policy" if len(policies) > 1 and decision.scope else ""
    if decision.reason in PROVENANCE:
        return [f"└─ provenance: ✘ {plain(decision.detail or '', MAX_SAID)}{whose}"]
    if not decision.requirements or not any(one.audits for one in decision.requirements):
        told = [decision.detail] if decision.detail else []
        if decision.reason.klass is ReasonClass.SILENCE and decision.reason is Reason.UNAUDITED and not told:
            told = [f"no matching audit    asked {', '.join(asked)}" if asked else "no matching audit"]
        return [f"└─ {plain(line, 300)}{whose}" for line in told]
    shown = [one for one in decision.requirements if one.status is not Status.PASS] or list(decision.requirements)
    lines = []
    for number, one in enumerate(shown):
        last = number == len(shown) - 1 and not decision.detail
        first, *rest = _requirement_lines(one, policies.get(decision.scope), decision.same)
        lines += _branch([first + whose, *rest], last=last)
    if decision.detail:
        lines += _branch([plain(decision.detail, 300)], last=True)
    return lines


def whole_evidence(
    decision: Decision, each: Sequence[Decision], policies: dict[str, Policy], asked: Sequence[str] = ()
) -> list[str]:
    """Return every requirement of `each` policy with every audit and its signers; branches of a tree that goes on.

    What policies agree on stands there once, with the audits of all their logs.
    """
    if not any(result.audits for one in each for result in one.requirements):
        nothing = [] if decision.reason in PROVENANCE else evidence(decision, policies, asked)
        return [f"├─ {line[3:]}" for line in nothing]
    told: dict[tuple[str, Status], tuple[RequirementResult, list[str]]] = {}
    for one in each:
        for result in one.requirements:
            before, scopes = told.get((result.name, result.status), (result, []))
            audits = {audit.hash: (audit, value) for audit, value in (*before.audits, *result.audits)}
            merged = before._replace(audits=tuple(sorted(audits.values(), key=lambda pair: pair[0].log)))
            told[result.name, result.status] = merged, [*scopes, one.scope]
    lines: list[str] = []
    for (name, _status), (result, scopes) in told.items():
        split = sum(other == name for other, _ in told) > 1
        same = [one for decided in each for one in decided.same]
        first, *rest = _requirement_lines(result, policies.get(scopes[0]), same, signed=True)
        lines += _branch([f"{first}, {', '.join(scopes)}" if split else first, *rest], last=False)
    detail = decision.detail if decision.reason not in PROVENANCE else None
    return [*lines, *([f"├─ {plain(detail, 300)}"] if detail else [])]


def _requirement_lines(
    result: RequirementResult, policy: Policy | None, same: Sequence[Same], *, signed: bool = False
) -> list[str]:
    lines = [f"{plain(result.name)}: {STATUS_SIGNS[result.status]} {STATUS_WORDS[result.status]}"]
    for number, (audit, value) in enumerate(result.audits):
        summary = f', "{plain(audit.summary)}"' if audit.summary else ""
        named = f"audit {audit.hash[:12]}, {day_of(audit.created_at)}{summary}"
        told = [f"from {plain(audit.log)}: {SIGNS[value.value]} {value.value}    {named}"]
        if signed and audit.approves:
            told[0] += f", by {', '.join(audit.signers)} (auditor)"
        if not audit.approves:
            told[0] += f", signed by {', '.join(audit.signers)}: no auditor"
        claims = _claims(result.name, audit.log, policy)
        said = [f"{plain(name)} → {str(audit.claims[name]).lower()}" for name in claims if name in audit.claims]
        said += _carried(audit, same)
        for position, line in enumerate(said):
            told += _branch([line], last=position == len(said) - 1)
        lines += _branch(told, last=number == len(result.audits) - 1)
    return lines


def _carried(audit: Audit, same: Sequence[Same]) -> list[str]:
    """Say from which file an audit is carried, if it is of another one."""
    equal = {one.subject: one.members for one in same}
    if audit.subject not in equal:
        return []
    digest = (audit.subject.sha256 or "")[:12]
    counted = number_of(equal[audit.subject], "member")
    return [f"carried from {plain(str(audit.subject.coordinate), 1000)}#sha256:{digest}…, {counted} equal"]


def _claims(requirement: str, log: str, policy: Policy | None) -> list[str]:
    if policy is None or requirement not in policy.requirements:
        return []
    renamed = policy.aliases.get(log, {})
    return [renamed.get(name, name) for name in claims_of(policy.requirements[requirement].condition)]


def _branch(lines: list[str], *, last: bool) -> list[str]:
    first, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
    return [(first if number == 0 else rest) + line for number, line in enumerate(lines)]
