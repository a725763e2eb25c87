"""What a move of pins brought a project: its locks judged by the old pins, then by the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openvet_install.decide import Reason, ReasonClass
from openvet_install.gate.deciding import Deciding
from openvet_install.gate.hashed import applies, read_hashed
from openvet_install.gate.hashed import judge as judge_hashed
from openvet_install.gate.judge import decisions, is_requirements
from openvet_install.installers.locks import read_lock
from openvet_install.installers.uv_beside import with_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from openvet_install.decide import Decision
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.target import Target


class Lost(NamedTuple):
    """A file that was approved and no longer is: the decision now, and the commit that did it, if it is found.

    `commit` is the name in hex, `timestamp` Unix seconds, says its signer.
    """

    decision: Decision
    log: str = ""
    commit: str = ""
    timestamp: int = 0


class Brought(NamedTuple):
    """How many files of the locks are approved now and were not, and those that are no longer.

    `leaving` counts the releases of the baseline that are approved now: `baseline` would drop them.
    """

    approved: int
    leaving: int
    lost: tuple[Lost, ...]


def brought(
    paths: Sequence[Path],
    chosen: Setting,
    target: Target,
    environ: Mapping[str, str],
    *,
    heads: tuple[Mapping[str, str], Mapping[str, str]],
    make: Callable[[], Knowledge],
) -> Brought:
    """Judge what `target` would install from the locks at the heads before and after, by the log's name.

    All of them were verified in this process; a log that had no pin before is only in the second. Raises
    what reading the locks raises.
    """
    locks = [with_config(read_lock(path), environ) for path in paths if not is_requirements(path)]
    hashed = [(path, one) for path in paths if is_requirements(path) for one in read_hashed(path, environ)]
    here = [(path, one) for path, one in hashed if applies(one, target.environment)]
    sides: list[dict[object, Decision]] = []
    for side in heads:
        knowledge = make()
        knowledge.settle(side)
        deciding = Deciding.by_audits(knowledge, chosen.rules, chosen.now)
        found = [decisions(lock, knowledge, deciding, target, chosen.policies) for lock in locks]
        judged = [one.decision for judgement in found for one in judgement.files]
        files: dict[object, Decision] = {(one.file.filename, one.file.sha256): one for one in judged}
        files |= {one.origin: judge_hashed(path, one, knowledge, deciding).decision for path, one in here}
        sides.append(files)
    before, after = sides
    approved = {key for key, one in before.items() if one.reason is Reason.APPROVED}
    gained = [key for key, one in after.items() if one.reason is Reason.APPROVED and key not in approved]
    lost = [
        (before[key].file.sha256, after[key])
        for key in after
        if key in approved and after[key].reason.klass is not ReasonClass.FINE
    ]
    return Brought(len(gained), _leaving(after.values(), chosen), tuple(_explained(lost, knowledge, heads)))


def _leaving(judged: Iterable[Decision], chosen: Setting) -> int:
    listed = {(known.package, known.version) for policy in chosen.policies for known in policy.baseline}
    found: dict[tuple[str, str], set[Reason]] = {}
    for one in judged:
        found.setdefault((one.file.name, one.file.version), set()).add(one.reason)
    return sum(reasons == {Reason.APPROVED} for release, reasons in found.items() if release in listed)


def _explained(
    lost: Sequence[tuple[str | None, Decision]],
    knowledge: Knowledge,
    heads: tuple[Mapping[str, str], Mapping[str, str]],
) -> list[Lost]:
    """Find the commits that took the approvals away; `lost` has the sha256 that was approved before."""
    found: dict[str | None, Lost] = {}
    for name, old in heads[0].items() if lost else ():
        hashes = {sha256 for sha256, _ in lost}
        for change in knowledge.changes(name, heads[1][name], old):
            if change.subject.sha256 in hashes:
                found.setdefault(change.subject.sha256, Lost(lost[0][1], name, change.name, change.timestamp))
    return [found.get(sha256, Lost(one))._replace(decision=_withdrawn(one)) for sha256, one in lost]


def _withdrawn(decision: Decision) -> Decision:
    """At the new pin nothing is left of a withdrawn audit: the file is silent there, and was approved before."""
    return decision if decision.reason.klass is ReasonClass.NO else decision._replace(reason=Reason.WITHDRAWN)
