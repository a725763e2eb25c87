"""What a command that writes a lock may see: locks are for every platform, approvals of files for one.

A release is *admitted* when this target may have a file of it. Of an admitted release everything is listed but what
the target would prefer to its best approved file; other platforms' files are judged where they are installed. A package
without an admitted release is listed whole, wheels only, unless something that this target needs asks for it. What is
listed and not approved gives METADATA at most: that of the approved wheel of its release, or where there is none its
own, out of a copy that hashed right and was opened.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from openvet_install.archive import ArchiveError
from openvet_install.decide import Reason, ReasonClass, broken
from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.files import tags_of
from openvet_install.gate.keeper import Keeper
from openvet_install.gateway import Refusal, Released

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from openvet_install.archive import Contents
    from openvet_install.decide import Decision, Rules
    from openvet_install.files import File
    from openvet_install.gate.documents import Documents
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.originals import Originals
    from openvet_install.gate.outcome import Fit
    from openvet_install.gate.remembered import Archives
    from openvet_install.gate.wanted import Wanted
    from openvet_install.gateway import Blob
    from openvet_install.gateway.pages import Page


class View(NamedTuple):
    """What decides about a listing beside the approvals.

    `tags` are the target's, best first; `asked` tells what is asked for, from the archives that were read. `indexed`:
    there is an index beside flat lists of files.
    """

    tags: Sequence[str]
    fits: Fit
    asked: Callable[[Iterable[Contents]], Wanted]
    indexed: bool


class Resolver(Keeper):
    """The keeper of a command that writes a lock."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        rules: Sequence[Rules],
        now: datetime,
        hosts: Iterable[tuple[str, str, int]],
        archives: Archives,
        exact: dict[str, frozenset[str]],
        documents: Documents | None,
        originals: Originals | None,
        view: View,
    ) -> None:
        """As a keeper, for the target of `view`."""
        super().__init__(
            knowledge=knowledge,
            rules=rules,
            now=now,
            hosts=hosts,
            archives=archives,
            exact=exact,
            documents=documents,
            originals=originals,
            fits=view.fits.__call__,
            demands=lambda name, read: view.asked(read).demands(name),
        )
        self._view = view
        self._ranks = {tag: rank for rank, tag in reversed(list(enumerate(view.tags)))}
        self._instead: dict[str, str] = {}
        self._readable: set[str] = set()
        self._whole_ones: set[str] = set()
        self._flat: set[str] = set()

    def page(self, page: Page, login: str | None = None) -> Page:
        """Reduce a page to what may be seen, as `Keeper` does."""
        if page.project is None:
            self._note_flat(page.files)
        return super().page(page, login)

    def beside(
        self, project: str, decisions: Sequence[Decision], read: Callable[[str], Blob]
    ) -> Iterator[tuple[Decision, bytes]]:
        """Give the files of a folder that are listed and not approved, with METADATA for each; none for sdists.

        `read` hashes a file of the folder by its name.
        """
        self._note_flat([one.file for one in decisions])
        shown = self._listed(project, decisions)
        for one in decisions:
            if one.shown or one.file.url not in shown:
                continue
            instead = self.ledger.released(self.metadata_of(one.file.url))
            if instead is not None or not one.file.is_wheel:
                yield one, instead.contents.metadata if instead is not None else b""
                continue
            blob = read(one.file.filename)
            if blob.sha256 == one.file.sha256:
                with suppress(ArchiveError):
                    yield one, self.contents(blob, one.file.filename).metadata

    def _note_flat(self, files: Iterable[File]) -> None:
        with self._lock:
            self._flat |= {one.url for one in files}

    def wanted(self, project: str) -> None:
        """Have every file read: what is listed says which files there are, approved or not."""
        del project

    def needs(self, project: str) -> bool:
        """Tell whether anything known by now leads from what this target needs to a package."""
        return bool(self._view.asked(self.read()).route(project))

    def read(self) -> list[Contents]:
        """Return every archive that was opened, those too that only gave their METADATA."""
        return self.seen()

    def elsewhere(self) -> frozenset[str]:
        """Look again, now that more is known of who needs what."""
        with self._lock:
            whole = frozenset(self._whole_ones)
        return frozenset(name for name in whole if not self.needs(name))

    def settled(self) -> bool:
        """Tell, where no lock says it, whether nothing that was shown unapproved is needed by this target."""
        found = [
            max(self.ledger.about(name), key=lambda one: Version(one.file.version))
            for name in self._whole_ones - self.elsewhere()
        ]
        for newest in found:
            self.refuse_local(newest)
        return not found

    def metadata_of(self, url: str) -> str:
        """Answer with METADATA of the approved wheel that this target would take of the same release."""
        with self._lock:
            return self._instead.get(url, url)

    def remembered(self, url: str) -> bytes | None:
        """Return the METADATA of an approved wheel that was opened here before: its page says of which bytes it is.

        None where that does not settle it: then the file itself is got, hashed and judged.
        """
        known = self.ledger.of(url)
        if known is None or not known.shown or not known.file.is_wheel or url in self._assumed:
            return None
        sha256 = known.file.sha256
        try:
            if sha256 is None or self._unsure(known) is not None or self._knowledge.other_digests(known.file):
                return None
        except (UndecidedError, InvalidError):
            return None
        contents = self._archives.known(sha256, known.file.filename)
        if contents is None:
            return None
        self._release(url, known, self._saw(contents), sha256)
        return contents.metadata

    def _listed(self, project: str, decisions: Sequence[Decision]) -> set[str]:
        releases: dict[str, list[Decision]] = {}
        for one in decisions:
            releases.setdefault(one.file.version, []).append(one)
        fits = self._view.fits
        admitted = [some for some in releases.values() if any(one.shown and fits(one.file) for one in some)]
        if admitted:
            beyond = filter(self._is_beyond, releases.values())
            return {url for some in (*admitted, *beyond) for url in self._of_release(some)}
        if self.needs(project) and any(fits(one.file) for one in decisions):
            return set()
        with self._lock:
            flat = self._flat.issuperset(one.file.url for one in decisions)
        if flat and self._view.indexed:
            return set()  # read before anything is known of who needs it, and the index is asked as well
        return self._whole(project, releases.values())

    def _is_beyond(self, release: Sequence[Decision]) -> bool:
        """Tell whether a release that has something approved is for other targets only: a lock may have it for them."""
        return any(one.shown for one in release) and not any(self._view.fits(one.file) for one in release)

    def _of_release(self, release: Sequence[Decision]) -> set[str]:
        fitting = [one for one in release if one.shown and one.file.is_wheel and self._view.fits(one.file)]
        best = min(fitting, key=lambda one: self.rank(one.file), default=None)
        listed = {one.file.url for one in release if one.shown or self._harmless(one, best)}
        wheels = {one.file.url for one in release if one.file.is_wheel and one.file.url in listed}
        with self._lock:
            if best is None:
                self._readable |= wheels
            else:
                self._instead |= dict.fromkeys(wheels, best.file.url)
        return listed

    def _harmless(self, one: Decision, best: Decision | None) -> bool:
        """Tell whether this target never takes a file that is not approved."""
        if one.file.sha256 is None:
            return False
        if not self._view.fits(one.file):
            return True
        if best is None or one.reason.klass is ReasonClass.NO:
            return False
        return one.file.is_sdist or self.rank(one.file) > self.rank(best.file)

    def _whole(self, project: str, releases: Iterable[Sequence[Decision]]) -> set[str]:
        """List the releases without a no that have a wheel: it tells their metadata, an sdist beside it stays here."""
        listed: set[str] = set()
        for some in releases:
            hashed = [one.file for one in some if one.file.sha256]
            wheels = {file.url for file in hashed if file.is_wheel}
            if wheels and all(one.reason.klass is not ReasonClass.NO for one in some):
                listed |= {file.url for file in hashed}
                with self._lock:
                    self._readable |= wheels
                    self._whole_ones.add(project)
        return listed

    def rank(self, file: File) -> int:
        """Say how this target likes a wheel, 0 for best."""
        known = (self._ranks[tag] for tag in tags_of(file.variant) if tag in self._ranks)
        return min(known, default=len(self._ranks))

    def _withheld(self, url: str, decision: Decision) -> Refusal | None:
        with self._lock:
            readable = url in self._readable
        return None if readable else super()._withheld(url, decision)

    def _unapproved(self, url: str, decision: Decision, blob: Blob) -> Released | Refusal:
        with self._lock:
            readable = url in self._readable
        if not readable:
            return super()._unapproved(url, decision, blob)
        try:
            contents = self.contents(blob, decision.file.filename)
        except ArchiveError as error:
            return self._break(url, broken(decision.file, Reason.ARCHIVE_INVALID, error.what))
        return Released(blob, contents.metadata, only_metadata=self._words(decision))


def stand_in(place: Path, file: File, metadata: bytes) -> None:
    """Write what has the name of a file and, of a wheel, its METADATA: a resolver reads that much, nothing else is."""
    if not file.is_wheel:
        place.touch(mode=0o600, exist_ok=False)
        return
    info = "-".join(file.filename.split("-")[:2]) + ".dist-info"
    members = {f"{info}/METADATA": metadata, f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"}
    rows = []
    with zipfile.ZipFile(place, "x") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
            digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(raw)}\n")
        archive.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
