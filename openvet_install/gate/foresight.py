"""What the tool is sure to ask for next, got while it is still busy: only a matter of time, nothing is decided here.

A page leads to the file that is likely to be taken; if our store has it, what it asks for is known before the tool
has seen it. Only where a single index is asked for everything anyway: nobody else hears of a name.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openvet_install.archive import Contents
    from openvet_install.decide import Decision
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.gateway.server import Gateway
    from openvet_install.installers.commands import Plan

MAX_BYTES = 32 << 20  # of a stored file that is read before anybody asks for it


class Foresight:
    """Looks ahead in one run; set as the keeper's `ahead`. Nothing of it is waited for, nothing raises."""

    def __init__(self, plan: Plan, keeper: Keeper, gateway: Gateway, blobs: BlobStore) -> None:
        """Nothing is asked before `start`."""
        self._plan = plan
        self._keeper = keeper
        self._gateway = gateway
        self._blobs = blobs
        self._index = plan.indexes[0].url.rstrip("/")
        self._lock = threading.Lock()
        self._asked: dict[str, SpecifierSet] = {}
        # with a lock that is up to date the tool asks for nothing at all
        self._waits = plan.resolution is not None

    def start(self) -> None:
        """Ask for what people typed; where a lock is followed or made, once the tool has asked for a first page."""
        self._keeper.ahead = self
        if not self._waits:
            self._ask_typed()

    def opened(self, contents: Contents) -> None:
        """Ask for what a released file asks for."""
        with suppress(ValueError):  # what cannot be read here is the tool's to complain about
            self._ask([Requirement(line) for line in contents.requires])

    def judged(self, project: str, decisions: Sequence[Decision]) -> None:
        """Look into the file of a page that is likely to be taken."""
        with self._lock:
            waited, self._waits = self._waits, False
        if waited:
            self._ask_typed()
        with self._lock:
            asked = self._asked.get(project)
        if asked is not None:
            threading.Thread(target=self._look_into, args=(asked, decisions), name="openvet-into", daemon=True).start()

    def _ask_typed(self) -> None:
        self._ask(one.requirement for one in self._plan.requested if one.source is None)

    def _ask(self, requirements: Iterable[Requirement]) -> None:
        markers = {**self._plan.target.environment, "extra": ""}
        wanted = []
        with suppress(ValueError):
            wanted = [one for one in requirements if one.marker is None or one.marker.evaluate(markers)]
        for one in wanted:
            name = canonicalize_name(one.name)
            with self._lock:
                self._asked[name] = self._asked.get(name, SpecifierSet()) & one.specifier
            self._gateway.prefetch([f"{self._index}/{name}/"])

    def _look_into(self, asked: SpecifierSet, decisions: Sequence[Decision]) -> None:
        from openvet_install.gate.outcome import Fit  # noqa: PLC0415 - late, the tool starts first

        fits = Fit.of(self._plan.target)
        found: dict[str, list[Decision]] = {}
        for one in decisions:
            if one.shown and one.file.is_wheel and one.file.yanked is False and (one.file.size or 0) <= MAX_BYTES:
                found.setdefault(one.file.version, []).append(one)
        releases = ((Version(text), some) for text, some in found.items())
        likely = [
            (version, one) for version, some in releases if asked.contains(version) for one in some if fits(one.file)
        ]
        if not likely:
            return
        _version, decision = max(likely, key=lambda one: one[0])
        blob = self._blobs.find(decision.file.sha256 or "") if decision.file.sha256 else None
        if blob is not None:
            with suppress(Exception):  # whoever asks for the file is told
                self.opened(self._keeper.contents(blob, decision.file.filename))
