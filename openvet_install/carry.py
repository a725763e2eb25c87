"""Audits carried by content: which audited files are worth comparing with a file, and what comes of it; pure.

What logs say of one file holds for another wheel of the same name and public version with the same content, where
a policy says so (design, section 8). A file is compared only if it lacks nothing else: if the answer could change
what is done with it. A no is looked for first, and for approved files too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.decide import NOTHING, Decision, ReasonClass, Same, decide
from openvet_install.files import SDIST, File
from openvet_install.openvet.language import Tri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from openvet_install.decide import Evidence, Need, Rules
    from openvet_install.openvet.subject import Subject

MAX_NOES = 16
MAX_YESES = 4
_PURE = "-none-any"


class Original(NamedTuple):
    """Another audited file of a release; what the logs of each policy that carries say of it, by scope."""

    subject: Subject
    evidence: Mapping[str, Evidence]


class Questions(NamedTuple):
    """Originals whose content would change what is done with a file, the likeliest first.

    `hidden`: there are more nos than are compared, so no yes may carry.
    """

    noes: tuple[Original, ...] = ()
    yeses: tuple[Original, ...] = ()
    hidden: bool = False


def comparable(file: File, subject: Subject) -> bool:
    """Tell whether a file could have the content of an audited one: wheels of wheels, pure ones of sdists too."""
    if not file.is_wheel or subject.variant is None or subject.sha256 in (None, file.sha256):
        return False
    return subject.variant != SDIST or file.variant.endswith(_PURE)


def named(subject: Subject) -> File:
    """Return an audited file as nobody has listed it yet, under its normal name; its version must be one."""
    name, version = str(canonicalize_name(subject.package)), str(Version(subject.version))
    stem = f"{name.replace('-', '_')}-{version}"
    filename = f"{stem}.tar.gz" if subject.variant == SDIST else f"{stem}-{subject.variant}.whl"
    return File(name=name, version=version, filename=filename, url="", index="", sha256=subject.sha256)


def exact(subject: Subject) -> bool:
    """Tell whether an audited file is named as files are; under any other spelling it can only say no."""
    return named(subject).coordinate[1:3] == (subject.package, subject.version)


def questions(
    file: File, evidence: Mapping[str, Evidence], originals: Iterable[Original], rules: Sequence[Rules], now: datetime
) -> Questions:
    """Say what to compare a file with; nothing if a no stands or nothing that is found could change the decision."""
    noes, yeses = [], []
    for one in originals:
        said = _says(one, file, rules)
        if Tri.FALSE in said:
            noes.append(one)
        elif Tri.TRUE in said:
            yeses.append(one)
    if not noes and not yeses:
        return Questions()
    before = _weight(decide(file, evidence, rules, now))
    if before[1]:
        return Questions()

    def matters(found: Sequence[Original]) -> bool:
        added = with_same(evidence, [(one, 0) for one in found])
        return _weight(decide(file, added, rules, now)) != before

    noes = sorted(noes, key=lambda one: _unlike(file, one)) if noes and matters(noes) else []
    yeses = sorted(yeses, key=lambda one: _unlike(file, one)) if yeses and matters(yeses) else []
    return Questions(tuple(noes[:MAX_NOES]), tuple(yeses[:MAX_YESES]), hidden=len(noes) > MAX_NOES)


def with_same(evidence: Mapping[str, Evidence], found: Iterable[tuple[Original, int]]) -> dict[str, Evidence]:
    """Return evidence by scope with what is said of originals with the same content; each with the members compared."""
    merged = dict(evidence)
    for original, members in found:
        for scope, said in original.evidence.items():
            before = merged.get(scope, NOTHING)
            merged[scope] = before._replace(same=(*before.same, Same(original.subject, members, said)))
    return merged


def _says(original: Original, file: File, rules: Sequence[Rules]) -> set[Tri]:
    """Return what an original could say for or against a file; a yes counts from the pinned head, gone or not."""
    found: set[Tri] = set()
    for one in rules:
        said = original.evidence.get(one.scope, NOTHING)
        for name in one.names(file):
            found |= {one.policy.value(name, audit) for audit in (*said.newest, *said.elsewhere)} & {Tri.FALSE}
            found |= {one.policy.value(name, audit) for audit in said.pinned if audit.approves} & {Tri.TRUE}
            found |= {one.policy.value(name, audit) for audit in said.pinned} & {Tri.FALSE}
    return found


def _weight(decision: Decision | Need) -> tuple[str, bool]:
    if isinstance(decision, Decision):
        grave = decision.reason.klass in (ReasonClass.NO, ReasonClass.BROKEN)
        return decision.action.value, grave
    return "asked", False


def _unlike(file: File, original: Original) -> tuple[bool, bool, str]:
    variant = original.subject.variant
    return variant != file.variant, variant == SDIST, str(original.subject)
