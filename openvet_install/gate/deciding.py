"""Decisions about files by logs and, where a policy asks, by content and provenance; at most ten fetches at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from openvet_install.decide import (
    Action,
    Decision,
    Need,
    Reason,
    ReasonClass,
    decide,
    hangs_on_age,
    hangs_on_index,
    unseen,
)
from openvet_install.gate.cases import AT_ONCE, Case
from openvet_install.gateway.upstream import UpstreamError
from openvet_install.publishers import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from openvet_install.decide import Rules
    from openvet_install.files import File
    from openvet_install.gate.carrying import Carrying
    from openvet_install.gate.documents import Documents
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.originals import Originals
    from openvet_install.publishers import Provenance


FOLDER = "provenance"
"""Of the documents that verified, in the cache folder."""


class Deciding:
    """Decides about files, each for itself; safe for threads.

    Without `documents` nothing can be verified: only where no rule asks for provenance. Provenance of a file that
    `fits` denies is not looked at, and the file is withheld in every mode. Without `carrying` no audits carry; nothing
    is compared that `fits` denies. `locate` finds a file by its hash, `lists` returns a lock's file as the
    index that the lock names lists it, `ages` returns files with when they came.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        rules: Sequence[Rules],
        now: datetime,
        *,
        documents: Documents | None = None,
        carrying: Carrying | None = None,
        fits: Callable[[File], bool] = lambda _file: True,
        locate: Callable[[File], File] = lambda file: file,
        lists: Callable[[File], File | None] = lambda file: file,
        ages: Callable[[Sequence[File]], Mapping[File, File]] = lambda _files: {},
    ) -> None:
        """Nothing is read yet."""
        self.rules = rules
        self._knowledge = knowledge
        self._now = now
        self._documents = documents
        self._carrying = carrying
        self._fits = fits
        self._locate = locate
        self._lists = lists
        self._ages = ages

    @classmethod
    def by_audits(cls, knowledge: Knowledge, rules: Sequence[Rules], now: datetime) -> Deciding:
        """Return what decides by audits alone, whatever rules ask of provenance: for what nobody installs by."""
        return cls(knowledge, [replace(one, publishers=(), carries=False) for one in rules], now)

    def __call__(self, files: Iterable[File], first: frozenset[str] = frozenset()) -> list[Decision]:
        """Decide about files; `first` are the versions that somebody pinned.

        Raises what the logs raise, and `UpstreamError` where a host keeps it from an answer.
        """
        cases = [Case(file, self._knowledge.evidence(file)) for file in files]
        if self._carrying is not None and any(one.carries for one in self.rules):
            cases = self._carrying.compared(cases, self.rules, self._fits, first)
        found = [self._noted(case, decide(case.file, case.evidence, self.rules, self._now)) for case in cases]
        if not any(isinstance(one, Need) for one in found):
            return [one for one in found if isinstance(one, Decision)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._settled, cases, found))

    def located(self, file: File) -> File:
        """Return a file of which only the hash is known as its index lists it, where a rule asks about its package."""
        asked = any(one.carries or one.bound_by(file.name) or one.exempted_by_index(file.name) for one in self.rules)
        return self._locate(file) if asked else file

    def aged(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Decide again, where a cooldown hangs on when files came: their index says.

        Raises `UndecidedError` and `InvalidError` where it does not, and what deciding raises.
        """
        asked = [one.file for one in decisions if hangs_on_age(one, self.rules)]
        if not asked:
            return list(decisions)
        aged = self._ages(asked)
        return self([aged.get(one.file, one.file) for one in decisions])

    def looked_up(self, file: File) -> File:
        """Return a lock's file as one that its index lists, where a rule hangs on that and it does.

        Raises `UndecidedError` and `InvalidError` where that index does not say.
        """
        listed = self._lists(file) if hangs_on_index(file, self.rules, self._now) else None
        return file if listed is None else replace(file, claimed=False, uploaded=listed.uploaded)

    def by_policy(self, file: File) -> list[tuple[str, Decision]]:
        """Decide by each policy alone, by scope."""
        found = []
        for one in self.rules:
            alone = Deciding(
                self._knowledge,
                [one],
                self._now,
                documents=self._documents,
                carrying=self._carrying,
                fits=self._fits,
            )
            found.append((one.scope, alone([file])[0]))
        return found

    @staticmethod
    def _noted(case: Case, decision: Decision | Need) -> Decision | Need:
        """Say beside silence why nothing carries; raise it where only a host that is away keeps it from an answer."""
        if isinstance(decision, Need) or case.problem is None or decision.reason.klass is ReasonClass.FINE:
            return decision
        if case.unreachable and decision.action is Action.BLOCK and decision.reason.klass is ReasonClass.SILENCE:
            raise UpstreamError(f"whether audits carry to {case.file.filename} is not known: {case.problem}")
        return decision if decision.detail is not None else decision._replace(detail=case.problem)

    def _settled(self, case: Case, found: Decision | Need) -> Decision:
        if isinstance(found, Decision):
            return found
        if not self._fits(found.file) or self._documents is None:
            return unseen(found.file)
        stored = self._documents.stored(found)
        if stored is not None:
            decision = self._with(case, stored)
            if decision.origin is not None and decision.origin.state is State.VERIFIED:
                return decision
        fetched = self._documents.fetched(found)
        decision = self._with(case, fetched)
        if fetched.unreachable and decision.action is Action.BLOCK and decision.reason is Reason.PROVENANCE_MISSING:
            raise UpstreamError(f"the provenance of {found.file.filename} is {fetched.problem}")
        return decision

    def _with(self, case: Case, provenance: Provenance) -> Decision:
        decision = decide(case.file, case.evidence, self.rules, self._now, provenance)
        if isinstance(decision, Need):
            raise TypeError("a file with its provenance needs nothing else")
        return decision


def carrying_of(knowledge: Knowledge, originals: Originals | None, now: datetime) -> Carrying | None:
    """Return what lets audits carry, None if no policy asks for it."""
    if originals is None:
        return None
    from openvet_install.gate.carrying import Carrying  # noqa: PLC0415 - only where a policy asks

    return Carrying(knowledge, originals, now)
