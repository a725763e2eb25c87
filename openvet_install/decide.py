"""What to do with a file: pure, from evidence and rules to a decision.

How one policy decides about one file, in this order:

1. a False at the pinned or at the newest head, under whatever spelling of the same bytes: `contradicted`;
2. no requirement in force: `no-requirements`;
3. every requirement has a True that counts: `approved` (a True counts if the pinned and the newest head
   of that log both say it and an auditor who is not revoked signed it);
4. a True of the pinned head is gone from the newest one: `withdrawn`;
   where audits carry, 1, 3 and 4 hold for those of files with the same content too: `carried` (`carry`);
5. the rest is silence: `unhashed`, `unaudited` or `not-asserted`; a silent file of a release that has a
   contradicted file is `contradicted` too;
6. `sdists = "never"` makes an sdist `sdist-not-allowed`;
7. an exemption or the baseline forgives silence; `cooldown` makes what is left of it `too-young`; the
   mode does the rest;
8. what would be shown now and is bound by publishers needs its provenance: `Need`. A verified attestation of
   somebody else is `provenance-mismatch`, none at all makes approved files `provenance-missing`, and 7 holds again.
   A file of another index than the one it is bound to is `provenance-mismatch` without any look.

An entry that names an audit lifts that one False, and the silence that it leaves; every other no stands.

Every policy decides for itself and the strictest answer counts. What only shows over a whole page is `settle`'s.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a runtime annotation of dataclasses
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property, lru_cache
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.config.baseline import Known  # noqa: TC001 - a runtime annotation of dataclasses
from openvet_install.config.model import Exemption, Mode, Publisher
from openvet_install.files import File  # noqa: TC001 - a runtime annotation of dataclasses
from openvet_install.forgive import covers, exempts, young
from openvet_install.openvet.language import Tri
from openvet_install.openvet.subject import Subject  # noqa: TC001 - a runtime annotation of dataclasses
from openvet_install.openvet.verdict import Audit, Policy, Status
from openvet_install.publishers import Origin, Provenance, State, bound_by, judge

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence


class Action(Enum):
    """What is done with a file, from mild to strict."""

    ALLOW = "allow"
    WARN = "warn"
    BLOCK = "block"


class ReasonClass(Enum):
    """How a reason weighs, from mild to grave: warn mode forgives silence, nothing forgives the last two."""

    FINE = "fine"
    SILENCE = "silence"
    NO = "no"
    BROKEN = "broken"


class Reason(Enum):
    """Why: the stable codes of reports, with their class."""

    APPROVED = ("approved", ReasonClass.FINE)
    CARRIED = ("carried", ReasonClass.FINE)
    EXEMPT = ("exempt", ReasonClass.FINE)
    BASELINE = ("baseline", ReasonClass.FINE)
    LOCAL_PROJECT = ("local-project", ReasonClass.FINE)
    UNAUDITED = ("unaudited", ReasonClass.SILENCE)
    NOT_ASSERTED = ("not-asserted", ReasonClass.SILENCE)
    PROVENANCE_MISSING = ("provenance-missing", ReasonClass.SILENCE)
    UNHASHED = ("unhashed", ReasonClass.SILENCE)
    DIRECT_REFERENCE = ("direct-reference", ReasonClass.SILENCE)
    SDIST_NOT_ALLOWED = ("sdist-not-allowed", ReasonClass.SILENCE)
    TOO_YOUNG = ("too-young", ReasonClass.SILENCE)
    TOO_OLD = ("too-old", ReasonClass.SILENCE)
    CONTRADICTED = ("contradicted", ReasonClass.NO)
    WITHDRAWN = ("withdrawn", ReasonClass.NO)
    PROVENANCE_MISMATCH = ("provenance-mismatch", ReasonClass.NO)
    NO_REQUIREMENTS = ("no-requirements", ReasonClass.NO)
    HASH_MISMATCH = ("hash-mismatch", ReasonClass.BROKEN)
    ARCHIVE_INVALID = ("archive-invalid", ReasonClass.BROKEN)
    UNEXPECTED_FILE = ("unexpected-file", ReasonClass.BROKEN)
    LOG_INVALID = ("log-invalid", ReasonClass.BROKEN)
    LOG_UNREACHABLE = ("log-unreachable", ReasonClass.BROKEN)
    CONFIG_REFUSED = ("config-refused", ReasonClass.BROKEN)

    def __init__(self, code: str, klass: ReasonClass) -> None:
        """Keep the code of reports and the class."""
        self.code = code
        self.klass = klass


class Evidence(NamedTuple):
    """What the logs of one policy say of one file.

    `pinned` and `newest` hold at most one audit per log: of exactly this subject, at the pinned and at
    the newest verified head. `elsewhere` are audits of the same bytes under another subject, `siblings`
    those of other files of the same release, at either head: both only count when they say no. `same` is
    what the logs say of other files that were found to have the same content.
    """

    pinned: tuple[Audit, ...] = ()
    newest: tuple[Audit, ...] = ()
    elsewhere: tuple[Audit, ...] = ()
    siblings: tuple[Audit, ...] = ()
    same: tuple[Same, ...] = ()

    @property
    def whole(self) -> tuple[Evidence, ...]:
        """Return this and what is said of the same content, each to be weighed for itself."""
        return (self, *(one.evidence for one in self.same))


class Same(NamedTuple):
    """An audited file whose `members` equal those of the file that is decided about."""

    subject: Subject
    members: int
    evidence: Evidence


NOTHING = Evidence()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One policy as far as decisions need it; `scope` is `machine`, `user` or `project`.

    `exemptions` forgive silence; each of the `lifts` names the one audit whose no it lifts.
    """

    scope: str
    policy: Policy
    mode: Mode = Mode.BLOCK
    sdists: str = "audited"
    cooldown: timedelta = timedelta(0)
    max_lag: timedelta = timedelta(days=730)
    exemptions: tuple[Exemption, ...] = ()
    lifts: tuple[Exemption, ...] = ()
    baseline: Mapping[str, Known] = field(default_factory=dict)
    publishers: tuple[Publisher, ...] = ()
    carries: bool = False

    def bound_by(self, name: str) -> tuple[Publisher, ...]:
        """Return the publisher rules for a package (normalised name)."""
        if not self.publishers:
            return ()
        if name not in self._bound:
            self._bound[name] = bound_by(self.publishers, name)
        return self._bound[name]

    @cached_property
    def _bound(self) -> dict[str, tuple[Publisher, ...]]:
        return {}

    def exempted_by_index(self, name: str) -> bool:
        """Tell whether silence about a package (normalised name) is forgiven for what an index lists."""
        return any(one.package == name and not one.hashes for one in self.exemptions)

    def names(self, file: File) -> tuple[str, ...]:
        """Return the effective requirements of a file with a sha256, each once."""
        if not self.policy.overrides:
            return self._default_names
        subject = file.subject
        return () if subject is None else tuple(dict.fromkeys(self.policy.effective(subject)))

    def needs_audit(self, name: str) -> bool:
        """Tell whether no file of a package is shown about which the logs are silent, siblings of a no included."""
        return self.mode is Mode.BLOCK and name not in self._forgiven_names

    @cached_property
    def _forgiven_names(self) -> frozenset[str]:
        known = frozenset(one.package for one in self.baseline.values())
        return known.union(one.package for one in (*self.exemptions, *self.lifts))

    @cached_property
    def _default_names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, one in self.policy.requirements.items() if one.default))


class RequirementResult(NamedTuple):
    """One effective requirement: its status and what each log's audit says of it."""

    name: str
    status: Status
    audits: tuple[tuple[Audit, Tri], ...]


class Decision(NamedTuple):
    """What is done with a file, why, and by which policy; `detail` is a clause for people."""

    file: File
    action: Action
    reason: Reason
    requirements: tuple[RequirementResult, ...] = ()
    detail: str | None = None
    scope: str = ""
    exemption: Exemption | None = None
    known: Known | None = None
    origin: Origin | None = None
    same: tuple[Same, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether the resolver may see the file."""
        return self.action is not Action.BLOCK


class Need(NamedTuple):
    """A file that would be shown if its provenance is right, and the trust roots to verify it with."""

    file: File
    roots: frozenset[Path | None]


def decide(
    file: File,
    evidence: Mapping[str, Evidence],
    rules: Sequence[Rules],
    now: datetime,
    provenance: Provenance | None = None,
) -> Decision | Need:
    """Decide about one file by every policy; `evidence` is keyed by scope.

    Returned is a `Need` if it lacks nothing but `provenance`; with it, always a decision.
    Raises `ValueError` without any policy: nothing approves by default.
    """
    if not rules:
        raise ValueError("a decision needs a policy")
    if len(rules) == 1:
        return _decide(file, evidence.get(rules[0].scope, NOTHING), rules[0], now, provenance)
    found = [_decide(file, evidence.get(one.scope, NOTHING), one, now, provenance) for one in rules]
    decided = [one for one in found if isinstance(one, Decision)]
    needs = [one for one in found if isinstance(one, Need)]
    if needs and all(one.shown for one in decided):
        return Need(file, frozenset().union(*(one.roots for one in needs)))
    chosen = strictest(decided)
    origin = chosen.origin or next((one.origin for one in decided if one.origin is not None), None)
    return chosen if origin is chosen.origin else chosen._replace(origin=origin)


def unseen(file: File) -> Decision:
    """Return the decision about a file whose provenance nobody looks at, as this target cannot take it."""
    detail = "not looked at, this target cannot take the file"
    return Decision(file=file, action=Action.BLOCK, reason=Reason.PROVENANCE_MISSING, detail=detail)


def broken(file: File, reason: Reason, detail: str) -> Decision:
    """Return the decision about a file that is not what it claims to be; no mode forgives it."""
    return Decision(file=file, action=Action.BLOCK, reason=reason, detail=detail)


def strictest(decisions: Iterable[Decision]) -> Decision:
    """Return the strictest decision; among equals the graver class, then the earlier policy."""
    actions, classes = list(Action), list(ReasonClass)
    return max(decisions, key=lambda one: (actions.index(one.action), classes.index(one.reason.klass)))


def _decide(
    file: File, evidence: Evidence, rules: Rules, now: datetime, provenance: Provenance | None
) -> Decision | Need:
    lifted = _lifted(file, evidence, rules, now) if rules.lifts else {}
    reason, results, detail = _judge(file, evidence, rules, lifted)
    if reason.klass is not ReasonClass.NO and rules.sdists == "never" and file.is_sdist:
        reason, detail = Reason.SDIST_NOT_ALLOWED, 'sdists = "never"'
    action, told, exemption, known = _act(reason, file, rules, now)
    if lifted and reason.klass is not ReasonClass.NO:
        action, told, exemption, known = Action.ALLOW, Reason.EXEMPT, next(iter(lifted.values())), None
    first = Decision(
        file=file,
        action=action,
        reason=told,
        requirements=results,
        detail=detail,
        scope=rules.scope,
        exemption=exemption,
        known=known,
        same=evidence.same,
    )
    bound = rules.bound_by(file.name)
    if not bound or reason.klass is ReasonClass.NO:
        return first
    origin = judge(bound, file, provenance)
    if origin is None:
        if not first.shown or file.sha256 is None:  # its bytes are judged again when they are here
            return first
        return Need(file, frozenset(one.trust_root for one in bound))
    if origin.state is State.MISMATCH:
        reason = Reason.PROVENANCE_MISMATCH
    elif origin.state is State.MISSING and origin.required and (lifted or reason.klass is ReasonClass.FINE):
        reason = Reason.PROVENANCE_MISSING
    else:
        return first._replace(origin=origin)
    action, told, exemption, known = _act(reason, file, rules, now)
    return first._replace(
        action=action, reason=told, detail=origin.text, exemption=exemption, known=known, origin=origin
    )


def _act(
    reason: Reason, file: File, rules: Rules, now: datetime
) -> tuple[Action, Reason, Exemption | None, Known | None]:
    """Say what is done for a reason; exemption, baseline, cooldown and mode count for silence only."""
    if reason.klass is not ReasonClass.SILENCE:
        return Action.ALLOW if reason.klass is ReasonClass.FINE else Action.BLOCK, reason, None, None
    exemption = next((one for one in rules.exemptions if exempts(one, file, now)), None)
    if exemption is not None:
        return Action.ALLOW, Reason.EXEMPT, exemption, None
    if (known := covers(rules.baseline, file, now)) is not None:
        return Action.ALLOW, Reason.BASELINE, None, known
    if rules.mode is Mode.BLOCK:
        return Action.BLOCK, reason, None, None
    if young(file, rules.cooldown, now):
        return Action.BLOCK, Reason.TOO_YOUNG, None, None
    return Action.WARN, reason, None, None


def _lifted(file: File, evidence: Evidence, rules: Rules, now: datetime) -> dict[str, Exemption]:
    """Return the nos about a file that entries lift: the very audits that they name, by hash, nothing else."""
    entries = [one for one in rules.lifts if exempts(one, file, now)]
    weighed = evidence.whole if entries else ()
    told = [audit for one in weighed for audit in (*one.pinned, *one.newest, *one.elsewhere, *one.siblings)]
    return {
        audit.hash: one
        for audit in told
        for one in entries
        if one.audit and audit.hash.startswith(one.audit)
        if any(rules.policy.value(name, audit) is Tri.FALSE for name in rules.names(file))
    }


def _judge(
    file: File, evidence: Evidence, rules: Rules, lifted: Container[str]
) -> tuple[Reason, tuple[RequirementResult, ...], str | None]:
    if file.sha256 is None:
        return Reason.UNHASHED, (), "its index states no sha256"
    names = rules.names(file)
    if not names:
        return Reason.NO_REQUIREMENTS, (), "no requirement applies to it"
    if evidence is NOTHING:
        return Reason.UNAUDITED, _unanswered(names), None
    results = tuple(_requirement(name, evidence, rules.policy, lifted) for name in names)
    statuses = {result.status for result in results}
    if Status.CONTRADICTED in statuses:
        return Reason.CONTRADICTED, results, None
    passed = statuses == {Status.PASS}
    if passed and all(_passes(name, evidence, rules.policy) for name in names):
        return Reason.APPROVED, results, None
    fallback = (Reason.CARRIED, None) if passed else _silence(evidence)
    reason, detail = _bad_news(names, evidence, rules.policy, lifted) or fallback
    return reason, results, detail


@lru_cache(maxsize=256)
def _unanswered(names: tuple[str, ...]) -> tuple[RequirementResult, ...]:
    """Return the results of a file that nobody has audited: pages have thousands of them."""
    return tuple(RequirementResult(name=name, status=Status.NOT_ASSERTED, audits=()) for name in names)


def _bad_news(
    names: Sequence[str], evidence: Evidence, policy: Policy, lifted: Container[str]
) -> tuple[Reason, str] | None:
    siblings = [audit for audit in evidence.siblings if audit.hash not in lifted]
    if any(policy.value(name, audit) is Tri.FALSE for name in names for audit in siblings):
        return Reason.CONTRADICTED, "another file of this release is contradicted"
    each = [(name, one) for name in names for one in evidence.whole]
    gone = next((audit for name, one in each if (audit := _withdrawn(name, one, policy, lifted))), None)
    if gone is None:
        return None
    return Reason.WITHDRAWN, f"{gone.log} no longer says so, audit {gone.hash[:12]}"


def _requirement(name: str, evidence: Evidence, policy: Policy, lifted: Container[str]) -> RequirementResult:
    by_log: dict[tuple[str, int], tuple[Audit, Tri]] = {}
    contradicted = False
    for number, one in enumerate(evidence.whole):
        no = [
            audit
            for audit in (*one.pinned, *one.newest, *one.elsewhere)
            if policy.value(name, audit) is Tri.FALSE and audit.hash not in lifted
        ]
        by_log |= {(a.log, number): (a, policy.value(name, a)) for a in (*one.newest, *one.pinned)}
        by_log |= {(audit.log, number): (audit, Tri.FALSE) for audit in no}
        contradicted = contradicted or bool(no)
    told = tuple(by_log[key] for key in sorted(by_log))
    if contradicted:
        return RequirementResult(name=name, status=Status.CONTRADICTED, audits=told)
    yes = any(_passes(name, one, policy) for one in evidence.whole)
    return RequirementResult(name=name, status=Status.PASS if yes else Status.NOT_ASSERTED, audits=told)


def _passes(name: str, evidence: Evidence, policy: Policy) -> bool:
    return bool(_true_logs(name, evidence.pinned, policy) & _true_logs(name, evidence.newest, policy))


def _true_logs(name: str, audits: Iterable[Audit], policy: Policy) -> set[str]:
    return {audit.log for audit in audits if audit.approves and policy.value(name, audit) is Tri.TRUE}


def _withdrawn(name: str, evidence: Evidence, policy: Policy, lifted: Container[str]) -> Audit | None:
    before = _true_logs(name, evidence.pinned, policy)
    after = _true_logs(name, evidence.newest, policy)
    if before & after:
        return None
    after |= {audit.log for audit in evidence.newest if audit.hash in lifted}  # the no that is lifted took it back
    return next((audit for audit in evidence.pinned if audit.log in before - after), None)


def _silence(evidence: Evidence) -> tuple[Reason, str | None]:
    if any(audit.approves for audit in evidence.pinned):
        return Reason.NOT_ASSERTED, None
    if evidence.pinned:
        audit = evidence.pinned[0]
        return Reason.UNAUDITED, f"signed by {', '.join(audit.signers)}, no auditor of {audit.log}"
    if evidence.newest:
        return Reason.UNAUDITED, f"{evidence.newest[0].log} has an audit that is newer than the pin"
    return Reason.UNAUDITED, None


def hangs_on_age(decision: Decision, rules: Iterable[Rules]) -> bool:
    """Tell whether an index has to say how old a file is: nothing does, or only a lock, and that ends a cooldown."""
    if decision.file.claimed and decision.action is Action.WARN:
        return any(one.cooldown for one in rules)
    return decision.reason is Reason.TOO_YOUNG and decision.file.uploaded is None


def hangs_on_index(file: File, rules: Iterable[Rules], now: datetime) -> bool:
    """Tell whether a rule covers a file only if its index lists it, as a lock claims."""
    if not file.claimed:
        return False
    believed = replace(file, claimed=False)
    entries = (one for some in rules for one in some.exemptions if not one.hashes)
    bound = (one for some in rules for one in some.bound_by(file.name))
    return any(exempts(one, believed, now) for one in entries) or any(one.index is not None for one in bound)
