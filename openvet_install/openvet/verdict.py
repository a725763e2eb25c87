"""OpenVet's policy over claims: effective requirements, aliases, verdicts (protocol, section 11).

Answers exactly as OpenVet 0.6 does. What this project adds to that (which audits count, good and bad
news, an empty set of requirements) is `decide`'s.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a runtime annotation of dataclasses
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.openvet.language import Expression, Tri, evaluate
from openvet_install.openvet.subject import Subject  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


VALUES_REMEMBERED = 100_000


class Status(Enum):
    """The verdict of one requirement over all audits of a subject."""

    PASS = "pass"  # noqa: S105
    CONTRADICTED = "contradicted"
    NOT_ASSERTED = "not-asserted"


class Outcome(Enum):
    """The verdict of a subject."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNAUDITED = "unaudited"


class Audit(NamedTuple):
    """One verified audit: every signature in it holds and its subject is the key it was found under.

    `hash` names the envelope (hex); `signers` are fingerprints in the form `SHA256:base64`;
    `created_at` is Unix seconds, says the author. `approves` tells whether a True may count: at least
    one signer is an auditor of the log (or of the configured `signers`) and not revoked.
    """

    log: str
    subject: Subject
    hash: str
    claims: Mapping[str, bool]
    signers: tuple[str, ...]
    created_at: int
    summary: str
    approves: bool


class Requirement(NamedTuple):
    """A named condition; `default` ones apply to every subject."""

    name: str
    condition: Expression
    default: bool = True


class Override(NamedTuple):
    """Changes the effective set for the subjects that fit; None fits everything.

    Either `replace` is set, or `add` and `remove` apply.
    """

    registry: str | None = None
    package: str | None = None
    version: str | None = None
    variant: str | None = None
    hash: str | None = None
    replace: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def fits(self, subject: Subject) -> bool:
        """Compare each given field as a plain string; an empty variant fits a subject without one."""
        pairs = (
            (self.registry, subject.registry),
            (self.package, subject.package),
            (self.version, subject.version),
            (self.variant, subject.variant or ""),
            (self.hash, str(subject.hash)),
        )
        return all(wanted in (None, "*", actual) for wanted, actual in pairs)


class RequirementVerdict(NamedTuple):
    """What the audits say of one requirement; `values` has one entry per audit, in the order given."""

    name: str
    status: Status
    values: tuple[tuple[Audit, Tri], ...]


class Verdict(NamedTuple):
    """The verdict of a subject and of each of its effective requirements."""

    outcome: Outcome
    requirements: tuple[RequirementVerdict, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`[requirement]`, `[[override]]` and `[alias]` of one `openvet.toml`.

    `aliases` maps a log's name to {canonical claim: the claim that this log uses instead}.
    """

    requirements: Mapping[str, Requirement] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _values: dict[tuple[str, int], tuple[Audit, Tri]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def effective(self, subject: Subject) -> tuple[str, ...]:
        """Return the names of the requirements that apply, in OpenVet's order (names may repeat)."""
        names = sorted(name for name, requirement in self.requirements.items() if requirement.default)
        for override in self.overrides:
            if not override.fits(subject):
                continue
            if override.replace is not None:
                names = list(override.replace)
                continue
            names = [name for name in names if name not in override.remove]
            for added in override.add:
                if added not in names:
                    names.append(added)
        return tuple(names)

    def value(self, requirement: str, audit: Audit) -> Tri:
        """Evaluate one requirement over one audit, through the aliases of the audit's log; remembered."""
        key = requirement, id(audit)
        known = self._values.get(key)
        if known is not None and known[0] is audit:  # kept alive, so that its id is not given to another
            return known[1]
        if len(self._values) >= VALUES_REMEMBERED:
            self._values.clear()
        value = self._evaluate(requirement, audit)
        self._values[key] = audit, value
        return value

    def _evaluate(self, requirement: str, audit: Audit) -> Tri:
        renamed = self.aliases.get(audit.log, {})
        claims = audit.claims
        return evaluate(self.requirements[requirement].condition, lambda claim: claims.get(renamed.get(claim, claim)))

    def verdict(self, subject: Subject, audits: Sequence[Audit]) -> Verdict:
        """Judge a subject as OpenVet's policy library does.

        A False decides, then a True; without either the requirement is not asserted. No audit and no
        requirement is a pass, no audit alone is unaudited.
        """
        names = self.effective(subject)
        if names and not audits:
            return Verdict(Outcome.UNAUDITED, ())
        judged = tuple(self._judge(name, audits) for name in names)
        passed = all(one.status is Status.PASS for one in judged)
        return Verdict(Outcome.PASS if passed else Outcome.FAIL, judged)

    def _judge(self, name: str, audits: Iterable[Audit]) -> RequirementVerdict:
        values = tuple((audit, self.value(name, audit)) for audit in audits)
        found = {value for _, value in values}
        if Tri.FALSE in found:
            status = Status.CONTRADICTED
        else:
            status = Status.PASS if Tri.TRUE in found else Status.NOT_ASSERTED
        return RequirementVerdict(name=name, status=status, values=values)
