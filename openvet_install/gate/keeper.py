"""The gate's side of the gateway: which files a page may show, which bytes may go out."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from openvet_install.archive import ArchiveError
from openvet_install.decide import Action, Decision, Reason, ReasonClass, broken, hangs_on_age, hangs_on_index
from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.files import File, FilenameError, filename_of, parse_filename, release_of
from openvet_install.gate.days import came
from openvet_install.gate.deciding import Deciding, carrying_of
from openvet_install.gate.digests import shared
from openvet_install.gate.hosts import Hosts
from openvet_install.gate.ledger import Ledger, Release
from openvet_install.gateway import Refusal, Released
from openvet_install.settle import best_shown, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from openvet_install.archive import Contents
    from openvet_install.decide import Rules
    from openvet_install.gate.days import Listed
    from openvet_install.gate.documents import Documents
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.originals import Originals
    from openvet_install.gate.remembered import Archives
    from openvet_install.gateway import Blob
    from openvet_install.gateway.pages import Page
    from openvet_install.gateway.unread import Unread

FORBIDDEN = 403
BAD_GATEWAY = 502


class Ahead(Protocol):
    """Something that prepares what comes next; it must not hold anybody up."""

    def judged(self, project: str, decisions: Sequence[Decision]) -> None:
        """Hear of a judged page."""

    def opened(self, contents: Contents) -> None:
        """Hear of a released file."""


class Keeper:
    """Implements the gateway's `Gatekeeper`; called from many threads at once."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        rules: Sequence[Rules],
        now: datetime,
        hosts: Iterable[tuple[str, str, int]],
        archives: Archives,
        exact: dict[str, frozenset[str]] | None = None,
        named: Iterable[File] = (),
        documents: Documents | None = None,
        originals: Originals | None = None,
        fits: Callable[[File], bool] = lambda _file: True,
        demands: Callable[[str, Sequence[Contents]], SpecifierSet] = lambda _name, _read: SpecifierSet(),
    ) -> None:
        """Take (scheme, host, port) of the configured indexes and the pinned versions by name.

        `named` are files that people gave by URL: their hosts are asked for them and for nothing else. `documents`,
        `originals` and `fits` answer for provenance and content, as in `Deciding`; `demands` says what is asked of a
        package by people and by the archives that were read. `ahead` may be set to something that looks at what comes
        next, `note` to what is told the sha256 and name of a file before it goes out, `hears_login` to what is told the
        login that the tool sent for a page, `instead` to what knows the file of that name, but of another sha256, that
        the tool would take for one without a hash, `leads` to what says how an archive leads beside the indexes.
        """
        self._knowledge = knowledge
        self._rules = rules
        self._now = now
        self._documents = documents
        self._originals = originals
        carrying = carrying_of(knowledge, originals, now)
        self._deciding = Deciding(knowledge, rules, now, documents=documents, carrying=carrying, fits=fits)
        self._lock = threading.Lock()
        self.hosts = Hosts(hosts, named)
        self._exact = exact or {}
        self._fits = fits
        self._demands = demands
        self._archives = archives
        self._seen: dict[tuple[str, str], Contents] = {}
        self._assumed: set[str] = set()
        self.ahead: Ahead | None = None
        self.note: Callable[[str, str], None] | None = None
        self.hears_login: Callable[[str, str | None], None] | None = None
        self.instead: Callable[[str, str | None], str | None] | None = None
        self.leads: Callable[[Contents], str | None] | None = None
        self.ledger = Ledger()

    def admits(self, scheme: str, host: str, port: int) -> bool:
        """Admit configured indexes and the hosts that their pages link to (threat T34)."""
        return self.hosts.admits(scheme, host, port)

    def private(self, host: str) -> bool:
        """Admit private addresses of configured indexes, and of file hosts that a private index links to."""
        return self.hosts.private(host)

    def follows(self, url: str, there: str) -> bool:
        """Let a file come from where its index keeps it; at a private address only if that is at one, too (T34)."""
        file = self.expected(url)
        return file is not None and self.hosts.lead(file, url, there)

    def wanted(self, project: str) -> frozenset[str] | None:
        """Name the files of a project that could be shown, where every policy wants an audit of each; else None."""
        if not all(one.needs_audit(project) for one in self._rules):
            return None
        audited = self._knowledge.audited(project)
        return None if audited and self._originals is not None else audited

    def read(self) -> list[Contents]:
        """Return the archives whose metadata the tool may know."""
        return [one.contents for one in self.ledger.opened()]

    def elsewhere(self) -> frozenset[str]:
        """Return the packages that were shown although nothing this target needs asks for them."""
        return frozenset()

    def page(self, page: Page, login: str | None = None) -> Page:
        """Reduce a page, or a flat list of links, to what may be seen. Raises what `Deciding` raises."""
        if self.hears_login is not None:
            self.hears_login(page.url, login)
        projects: dict[str, list[File]] = {page.project: []} if page.project is not None else {}
        for file in page.files:
            projects.setdefault(file.name, []).append(file)
        judged = {name: self.judge(name, files, page.unread) for name, files in projects.items()}
        shown = {url for name, decisions in judged.items() for url in self._listed(name, decisions)}
        self.hosts.link(page.url, shown)
        self.ledger.answered(page.url, projects)
        return replace(page, files=tuple(file for file in page.files if file.url in shown))

    def _listed(self, _project: str, decisions: Sequence[Decision]) -> set[str]:
        """Return the URLs of the files that the tool gets to see."""
        return {one.file.url for one in decisions if one.shown}

    def judge(self, project: str, files: Sequence[File], unread: Unread | None = None) -> list[Decision]:
        """Decide about all files of a project that one place offers, and note it. Raises what `Deciding` raises.

        `unread` are what the place also offers and nothing could show; what of it is newer decides whether the best
        that is left is too old, and the last upload of that release how old it is.
        """
        exact = self._exact.get(project, frozenset())
        decided = self._deciding(map(self._hashed, files), exact)
        best = best_shown(decided)
        if unread is not None and best is not None:
            decided += self._deciding(unread.since(best))
        decisions = list(map(self._not_instead, self._settle(project, decided)))
        self.ledger.judged(project, decisions, unread)
        if self.ahead is not None:
            self.ahead.judged(project, decisions)
        return decisions

    def _settle(self, project: str, decisions: Sequence[Decision]) -> list[Decision]:
        @functools.cache
        def demands() -> SpecifierSet:
            return self._demands(project, self.seen())

        def takes(file: File) -> bool:
            return self._fits(file) and demands().contains(file.version, prereleases=True)

        return settle(decisions, self._rules, self._exact.get(project, frozenset()), takes)

    def _not_instead(self, decision: Decision) -> Decision:
        """Withhold a file whose page has no hash of it where the tool would take another of that name, unread."""
        file = decision.file
        if self.instead is None or not decision.shown or (file.sha256 is not None and file.url not in self._assumed):
            return decision
        path = self.instead(file.filename, file.sha256)
        if path is None:
            return decision
        detail = f"the index has no hash of it, and pip would take {path}"
        return decision._replace(action=Action.BLOCK, reason=Reason.UNHASHED, detail=detail)

    def locked(self, index: str, project: str, files: Sequence[File], listed: Listed) -> list[Decision]:
        """Decide about a lock's files of a project, and admit the hosts of those that are shown.

        `listed` gets what an index lists of a project, where an exemption hangs on it; it may raise.

        Private addresses count only where a configured index at a private address is the lock's own `index`.
        """
        decisions = self.judge(project, self._looked_up(index, project, files, listed))
        self.hosts.link(index, [one.file.url for one in decisions if one.shown and not self.hangs_on_age(one)])
        return decisions

    def hangs_on_age(self, decision: Decision) -> bool:
        """Tell whether `aged` has to decide again about what `locked` has decided."""
        return hangs_on_age(decision, self._rules)

    def aged(self, index: str, project: str, decisions: Sequence[Decision], listed: Listed) -> list[Decision]:
        """Decide again about a lock's files of a project by when they came, as the index says."""

        def day(decision: Decision) -> datetime | None:
            if not self.hangs_on_age(decision):
                return decision.file.uploaded
            return came(decision.file, self._archives.days, lambda: listed(index, project))

        decided = self.judge(project, [replace(one.file, uploaded=day(one)) for one in decisions])
        self.hosts.link(index, [one.file.url for one in decided if one.shown])
        return decided

    def _looked_up(self, index: str, project: str, files: Sequence[File], listed: Listed) -> list[File]:
        """Return a lock's files; those whose index is known to list them are no longer only claimed."""
        known = {one.file.url: one.file for one in self.ledger.about(project) if not one.file.claimed}
        hanging = (file for file in files if hangs_on_index(file, self._rules, self._now))
        if any(file.url not in known for file in hanging):
            known |= {file.url: file for file in listed(index, project)}

        def seen(file: File) -> File:
            there = known.get(file.url)
            if there is None or there.index != file.index or there.sha256 not in (None, file.sha256):
                return file
            return replace(file, claimed=False, uploaded=there.uploaded)

        return list(map(seen, files))

    def contents(self, blob: Blob, filename: str) -> Contents:
        """Open a whole local copy, once in a run; raises `ArchiveError` for what must not be released."""
        return self._saw(self._archives.open(blob, filename))

    def _saw(self, found: Contents) -> Contents:
        with self._lock:
            self._seen[found.name, found.version] = found
        return found

    def seen(self) -> list[Contents]:
        """Return every archive that was opened, those too that only gave their METADATA, or were looked into ahead."""
        with self._lock:
            return list(self._seen.values())

    def read_above(self, chosen: Mapping[str, str]) -> None:
        """Judge what pages list above the versions that were taken: it may have been held back."""
        left = self.ledger.unread()
        for name, version in chosen.items():
            self._read_on(name, [file for one in left.get(name, ()) for file in one.above(Version(version))])

    def read_all(self) -> None:
        """Judge everything that pages list, for words about what was withheld."""
        for name, left in self.ledger.unread().items():
            self._read_on(name, [file for one in left for file in one.files()])

    def _read_on(self, project: str, listed: Iterable[File]) -> None:
        judged = self.ledger.about(project)
        known = {one.file.url for one in judged}
        files = {file.url: file for file in listed if file.url not in known}
        if files:
            decided = self._deciding(files.values())
            self.ledger.judged(project, self._settle(project, [*judged, *decided]))

    def take(self, decision: Decision, blob: Blob) -> bool:
        """Open a copy of an archive of this machine that was judged; an invalid one is noted as broken."""
        return isinstance(self._open(decision.file.url, decision, blob), Released)

    def refuse_local(self, decision: Decision) -> None:
        """Note that something on this machine that was needed is not released; this replaces what was judged."""
        self.ledger.revise(decision)
        if decision.reason.klass is ReasonClass.BROKEN:
            self._break(decision.file.url, decision)
        else:
            self._refusal(decision.file.url, decision)

    def expected(self, url: str) -> File | None:
        """Return what a page said of this URL."""
        known = self.ledger.of(url)
        return known.file if known is not None else self.hosts.named(url)

    def refuse(self, url: str, file: File | None) -> Refusal | None:
        """Refuse before any download what a page has already withheld."""
        known = self.ledger.of(url)
        if known is None:
            if file is None and not self.hosts.are_linked(url):
                return Refusal(FORBIDDEN, "openvet: not what was named", "of this host only the named files are let in")
            return None
        return self._unsure(known) if known.shown else self._withheld(url, known)

    def _withheld(self, url: str, decision: Decision) -> Refusal | None:
        """Refuse a file that is not approved before it is fetched; None lets it be fetched and judged by its bytes."""
        return self._refusal(url, decision)

    def release(self, url: str, file: File | None, blob: Blob) -> Released | Refusal:
        """Judge the bytes: their hash, the decision about it, and the opened archive."""
        try:
            named = file if file is not None else self._unlisted(url)
            if named.sha256 not in (None, blob.sha256) and named.url not in self._assumed:
                detail = f"its bytes have sha256:{blob.sha256[:12]}, promised was sha256:{(named.sha256 or '')[:12]}"
                return self._break(url, broken(named, Reason.HASH_MISMATCH, detail))
            named = replace(named, sha256=blob.sha256)
            decision = self._decision(url, named)
            if not decision.shown:
                return self._unapproved(url, decision, blob)
            return self._unsure(decision) or self._open(url, decision, blob)
        except FilenameError as error:
            return Refusal(FORBIDDEN, "openvet: not a wheel or sdist", error.what)
        except UndecidedError as error:
            self.trouble(url, error.what)
            return Refusal(BAD_GATEWAY, "openvet: undecided", error.what)
        except InvalidError as error:
            self.ledger.fault(error)
            return Refusal(FORBIDDEN, "openvet: a log is invalid", error.what)

    def _unapproved(self, url: str, decision: Decision, _blob: Blob) -> Released | Refusal:
        """Say what goes out of a file that is not approved, and whose bytes are those of its page: nothing."""
        return self._refusal(url, decision)

    def _unsure(self, decision: Decision) -> Refusal | None:
        """Refuse a silent file while another index did not answer for its name: it may be internal (T46, T47)."""
        if self.ledger.is_whole(decision.file.name) or decision.action is Action.ALLOW:
            return None
        detail = f"{decision.file.filename} is not approved, and another index did not answer for {decision.file.name}"
        return Refusal(BAD_GATEWAY, "openvet: undecided", detail)

    def _open(self, url: str, decision: Decision, blob: Blob) -> Released | Refusal:
        filename = decision.file.filename
        digests = shared(Path(blob.path), self._knowledge.other_digests(decision.file))
        if digests:
            decision = self._decision(url, replace(decision.file, digests=digests))
            if not decision.shown:
                return self._refusal(url, decision)
        try:
            contents = self.contents(blob, filename)
        except ArchiveError as error:
            return self._break(url, broken(decision.file, Reason.ARCHIVE_INVALID, error.what))
        beside = self.leads(contents) if self.leads is not None else None
        if beside is not None:
            reason = Reason.DIRECT_REFERENCE
            return self._refusal(url, decision._replace(action=Action.BLOCK, reason=reason, detail=beside))
        self._release(url, decision, contents, blob.sha256)
        return Released(blob, contents.metadata if decision.file.is_wheel else None)

    def _release(self, url: str, decision: Decision, contents: Contents, sha256: str) -> None:
        if self.note is not None:
            self.note(sha256, decision.file.filename)
        self.ledger.release(url, Release(decision, contents))
        if self.ahead is not None:
            self.ahead.opened(contents)

    def remembered(self, _url: str) -> bytes | None:
        """Get each file itself, also for its METADATA: what is installed is reported from its bytes."""
        return None

    def metadata_of(self, url: str) -> str:
        """Answer with each wheel's own METADATA."""
        return url

    def kept(self, url: str) -> None:
        """Note that bytes were asked for that stay here."""
        known = self.ledger.of(url)
        if known is not None:
            self._refusal(url, known)

    def sent(self, url: str) -> None:
        """Note that the whole body of a released file went out: it may be installed now."""
        self.ledger.sent(url)

    def trouble(self, url: str, what: str) -> None:
        """Note that something upstream was out of reach."""
        self.ledger.trouble(url, what)

    def _hashed(self, file: File) -> File:
        if file.sha256 is not None:
            return file
        sole = self._knowledge.sole_sha256(file.coordinate)
        if sole is None:
            return file
        with self._lock:
            self._assumed.add(file.url)
        return replace(file, sha256=sole)

    def _decision(self, url: str, file: File) -> Decision:
        """Return the page's decision if it was about these bytes, else decide now, siblings included."""
        known = self.ledger.of(url)
        if known is not None and known.file.sha256 == file.sha256 and not file.digests:
            return known
        (decision,) = self._deciding([file])
        here, others = release_of(file.version), self.ledger.about(file.name)
        siblings = [one for one in others if release_of(one.file.version) == here and one.file.url != url]
        return settle([decision, *siblings], self._rules)[0]

    def _unlisted(self, url: str) -> File:
        filename = filename_of(url)
        name, version, _tags = parse_filename(filename)
        return File(name=name, version=version, filename=filename, url=url, index=url)

    def _refusal(self, url: str, decision: Decision) -> Refusal:
        self.ledger.refuse(url, decision)
        return self._words(decision)

    def _words(self, decision: Decision) -> Refusal:
        reason = f"openvet: {decision.reason.code}"
        return Refusal(FORBIDDEN, reason, f"{decision.file.filename}: {decision.detail or decision.reason.code}")

    def _break(self, url: str, decision: Decision) -> Refusal:
        self.ledger.breaks(url, decision)
        return self._words(decision)
