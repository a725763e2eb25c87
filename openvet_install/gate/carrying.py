"""Which files of a page are compared with audited ones, and what their evidence is then; bounded for each page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from packaging.version import Version

from openvet_install.carry import questions, with_same
from openvet_install.decide import Action, Decision, decide
from openvet_install.gate.cases import AT_ONCE, Case
from openvet_install.gateway.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from datetime import datetime

    from openvet_install.carry import Original, Questions
    from openvet_install.decide import Evidence, Rules
    from openvet_install.files import File
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.originals import Compared, Originals

MAX_FILES = 12
MAX_BYTES = 256 << 20
"""Of the files of one page that are compared, the newest first; one is compared whatever its size."""


class Carrying:
    """Compares files with audited ones where the decision hangs on it; safe for threads."""

    def __init__(self, knowledge: Knowledge, originals: Originals, now: datetime) -> None:
        """Nothing is compared yet."""
        self._knowledge = knowledge
        self._originals = originals
        self._now = now

    def compared(
        self, cases: Sequence[Case], rules: Sequence[Rules], fits: Callable[[File], bool], first: Container[str]
    ) -> list[Case]:
        """Return the cases with what is said of the same content.

        Never left out are the versions that come `first`, and what would be let through although a no may carry to it.
        Raises `UpstreamError` where a no may be hidden.
        """
        self._originals.listed(case.file for case in cases)
        asked: list[tuple[int, Questions]] = []
        for number, case in enumerate(cases):
            if case.file.is_wheel and case.file.sha256 is not None:
                known = self._knowledge.originals(case.file)
                one = questions(case.file, case.evidence, known, rules, self._now) if known else None
                if one is not None and (one.noes or one.yeses) and fits(case.file):
                    asked.append((number, one))
        asked.sort(key=lambda pair: Version(cases[pair[0]].file.version), reverse=True)
        found, weight = list(cases), 0
        chosen: list[tuple[int, Questions]] = []
        for number, one in asked:
            case = cases[number]
            weight += case.file.size or 0
            needed = case.file.version in first or (bool(one.noes) and self._shown(case, rules))
            if needed or not chosen or (len(chosen) < MAX_FILES and weight <= MAX_BYTES):
                chosen.append((number, one))
            else:
                found[number] = case._replace(problem="not compared with audited files: enough newer ones are")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = pool.map(lambda pair: self._case(cases[pair[0]], pair[1], rules), chosen)
            for (number, _), case in zip(chosen, done, strict=True):
                found[number] = case
        return found

    def _case(self, case: Case, asked: Questions, rules: Sequence[Rules]) -> Case:
        same: list[tuple[Original, int]] = []
        unreachable = False
        doubt = "more audited files say no than are compared" if asked.hidden else None
        for one in asked.noes:
            compared = self._originals.compare(case.file, one.subject)
            if compared.members is not None:
                return case._replace(evidence=with_same(case.evidence, [(one, compared.members)]))
            if compared.unreachable and self._shown(case, rules):
                raise UpstreamError(f"whether a no carries to {case.file.filename} is not known: {compared.problem}")
            if not compared.known:
                doubt, unreachable = _told(one, compared), unreachable or compared.unreachable
        if doubt is not None:
            return case._replace(problem=doubt, unreachable=unreachable)
        problem = None
        for one in asked.yeses:
            compared = self._originals.compare(case.file, one.subject)
            if compared.members is None:
                problem, unreachable = problem or _told(one, compared), unreachable or compared.unreachable
                continue
            same.append((one, compared.members))
            evidence = with_same(case.evidence, same)
            if self._action(case, evidence, rules) is Action.ALLOW:
                return case._replace(evidence=evidence)
        return case._replace(evidence=with_same(case.evidence, same), problem=problem, unreachable=unreachable)

    def _shown(self, case: Case, rules: Sequence[Rules]) -> bool:
        """Tell whether a file is let through by audits alone unless a no carries to it."""
        return self._action(case, case.evidence, rules) is not Action.BLOCK

    def _action(self, case: Case, evidence: Mapping[str, Evidence], rules: Sequence[Rules]) -> Action:
        """Say what is done with a file by audits alone."""
        decision = decide(case.file, evidence, rules, self._now)
        return decision.action if isinstance(decision, Decision) else Action.ALLOW


def _told(original: Original, compared: Compared) -> str:
    return f"not carried from {original.subject.coordinate}: {compared.problem}"
