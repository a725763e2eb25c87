"""What one run notes of pages and files, for what is decided later and for its report; in our own process (T14)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from openvet_install.gate.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from openvet_install.archive import Contents
    from openvet_install.decide import Decision
    from openvet_install.errors import InvalidError
    from openvet_install.gateway.unread import Unread


class Release(NamedTuple):
    """A file whose bytes were let through: its decision and what the archive holds."""

    decision: Decision
    contents: Contents


class Ledger:
    """Safe for many threads; what is returned is a copy."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self._lock = threading.Lock()
        self._by_url: dict[str, Decision] = {}
        self._pages: dict[str, dict[str, Decision]] = {}
        self._left: dict[str, list[Unread]] = {}
        self._asked: set[str] = set()
        self._away: dict[str, set[str]] = {}
        self._released: dict[str, Release] = {}
        self._served: dict[str, Release] = {}
        self._broken: dict[str, Decision] = {}
        self._refused: dict[str, Decision] = {}
        self._troubles: list[Trouble] = []
        self._faults: list[Trouble] = []

    # What pages list

    def judged(self, project: str, decisions: Iterable[Decision], unread: Unread | None = None) -> None:
        """Note decisions about files of a project, and what their page lists besides."""
        with self._lock:
            self._note(project, decisions)
            if unread is not None:
                self._left.setdefault(project, []).append(unread)

    def _note(self, project: str, decisions: Iterable[Decision]) -> None:
        known = self._pages.setdefault(project, {})
        for one in decisions:
            known[one.file.url] = one
            self._by_url[one.file.url] = one

    def of(self, url: str) -> Decision | None:
        """Return what was decided about a file when it was last seen."""
        with self._lock:
            return self._by_url.get(url)

    def about(self, project: str) -> list[Decision]:
        """Return the decisions about the files of a project, by normalised name."""
        with self._lock:
            return list(self._pages.get(project, {}).values())

    def decisions(self) -> dict[str, list[Decision]]:
        """Return the decisions about every page that was asked for, by normalised name."""
        with self._lock:
            return {name: list(found.values()) for name, found in self._pages.items()}

    def of_content(self, hashes: Collection[str | None]) -> dict[str, Decision]:
        """Return the decisions about files with one of these sha256, by normalised name."""
        decisions = self.decisions()
        return {one.file.name: one for some in decisions.values() for one in some if one.file.sha256 in hashes}

    def unread(self) -> dict[str, list[Unread]]:
        """Return what pages list that nobody has judged, by project."""
        with self._lock:
            return {project: list(some) for project, some in self._left.items()}

    def answered(self, url: str, projects: Iterable[str]) -> None:
        """Note that a page was read, which lists these projects."""
        with self._lock:
            for name in projects:
                self._away.get(name, set()).discard(url)
                self._asked.add(name)

    def is_whole(self, project: str) -> bool:
        """Tell whether every page of a project that was asked for has come."""
        with self._lock:
            return not self._away.get(project)

    @property
    def asked(self) -> frozenset[str]:
        """The projects whose pages were read."""
        with self._lock:
            return frozenset(self._asked)

    # What became of files

    def release(self, url: str, release: Release) -> None:
        """Note that the bytes of a file may go out: they hashed right, were opened and judged."""
        with self._lock:
            self._released[url] = release

    def released(self, url: str) -> Release | None:
        """Return a file whose bytes may go out."""
        with self._lock:
            return self._released.get(url)

    def opened(self) -> list[Release]:
        """Return the files whose bytes may go out."""
        with self._lock:
            return list(self._released.values())

    def sent(self, url: str) -> None:
        """Note that the whole body of a released file went out: it may be installed now."""
        with self._lock:
            if url in self._released:
                self._served[url] = self._released[url]

    def gone_out(self) -> list[Release]:
        """Return the files whose whole body was sent."""
        with self._lock:
            return list(self._served.values())

    def refuse(self, url: str, decision: Decision) -> None:
        """Note that a file that was asked for stays here."""
        with self._lock:
            self._refused[url] = decision

    def breaks(self, url: str, decision: Decision) -> None:
        """Note that a file that was asked for is not what was promised, or no archive."""
        with self._lock:
            self._broken[url] = self._refused[url] = decision

    def revise(self, decision: Decision) -> None:
        """Put another decision in the place of one that was noted."""
        with self._lock:
            if decision.file.url in self._by_url:
                self._note(decision.file.name, [decision])

    @property
    def refused(self) -> list[Decision]:
        """The files that stayed here, each once."""
        with self._lock:
            return list(self._refused.values())

    @property
    def broken(self) -> list[Decision]:
        """The files among them that are not what was promised."""
        with self._lock:
            return list(self._broken.values())

    # What went wrong

    def trouble(self, url: str, what: str) -> None:
        """Note that something upstream was out of reach."""
        parts = urlsplit(url)
        project = canonicalize_name(parts.path.rstrip("/").rpartition("/")[2])
        told = Trouble(name=parts.hostname or url, what=what)
        with self._lock:
            self._away.setdefault(project, set()).add(url)
            if told not in self._troubles:
                self._troubles.append(told)

    def fault(self, error: InvalidError) -> None:
        """Note that a log is invalid."""
        with self._lock:
            self._faults.append(Trouble(name="log", what=error.what, detail=error.where, hint=error.hint))

    @property
    def troubles(self) -> list[Trouble]:
        """What was out of reach, each once."""
        with self._lock:
            return list(self._troubles)

    @property
    def faults(self) -> list[Trouble]:
        """What logs were invalid for."""
        with self._lock:
            return list(self._faults)

    @property
    def untouched(self) -> bool:
        """Whether nothing was asked for in this run."""
        noted = (self._pages, self._released, self._broken, self._refused, self._troubles, self._faults)
        with self._lock:
            return not any(noted)
