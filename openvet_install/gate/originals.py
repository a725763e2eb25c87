"""Audited files that others are compared with: got from the indexes, kept by their hash, opened as strictly as any.

What comparing came to is remembered for later runs, see `remembered`; everything else is found again in each.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.archive import ArchiveError
from openvet_install.carry import named
from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.gate.asking import Asking, origins_of
from openvet_install.gate.cases import AT_ONCE
from openvet_install.gate.once import Once
from openvet_install.gateway.addresses import AddressError, parse_target
from openvet_install.gateway.blobs import CHUNK, TooLargeError
from openvet_install.gateway.pages import PageError, parse_page
from openvet_install.gateway.upstream import PAGE_ACCEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openvet_install.archive import Contents
    from openvet_install.archive.same import Comparison
    from openvet_install.files import File
    from openvet_install.gate.logins import Logins
    from openvet_install.gate.remembered import Archives
    from openvet_install.gateway import Blob
    from openvet_install.gateway.upstream import Upstream
    from openvet_install.openvet.subject import Subject


MAX_PLACES = 4
"""Of those that pages name for one audited file."""


class Compared(NamedTuple):
    """What comparing came to: how many members are equal, or why it is not known or not so.

    `members` is None unless the content is the same; `unreachable`: a host did not answer, it may yet be.
    """

    members: int | None = None
    problem: str = ""
    known: bool = True
    unreachable: bool = False


class Originals:
    """Compares files with audited ones, each pair once in a run; safe for threads."""

    def __init__(
        self,
        upstream: Upstream,
        archives: Archives,
        indexes: Sequence[str],
        logins: Logins,
    ) -> None:
        """`indexes` are asked for the pages of audited files that no page of this run has listed."""
        self._remembered = archives.compared
        self._asking = Asking(upstream, logins)
        self._blobs = archives.blobs
        self._archives = archives
        self._indexes = tuple(indexes)
        self._lock = threading.Lock()
        self._gate = threading.BoundedSemaphore(AT_ONCE)
        self._listed: dict[str, dict[str, File]] = {}
        self._pages: Once[None] = Once()
        self._got: Once[Blob] = Once()
        self._compared: Once[Compared] = Once()

    def listed(self, files: Iterable[File]) -> None:
        """Hear of files that a page lists."""
        with self._lock:
            for file in files:
                if file.sha256 is not None:
                    self._listed.setdefault(file.sha256, {})[file.url] = file

    def compare(self, file: File, subject: Subject) -> Compared:
        """Compare a listed wheel with an audited file. Whatever goes wrong is in the answer."""
        return self._compared.get((file.sha256, file.filename, subject), lambda: self._compare(file, subject))

    def _compare(self, file: File, subject: Subject) -> Compared:
        from openvet_install.archive.same import compare  # noqa: PLC0415 - for this only

        known = self._remembered.find(file, subject)
        if known is not None:
            return _told(known)
        original = named(subject)
        try:
            theirs = self._open(original, file.index, lambda: self._places(original, file))
            ours = self._open(file, file.url, lambda: [file])
        except UndecidedError as error:
            return Compared(problem=f"out of reach: {error.what}", known=False, unreachable=True)
        except (InvalidError, OSError) as error:
            told = error.what if isinstance(error, InvalidError) else str(error.strerror)
            return Compared(problem=told, known=False)
        found = compare(ours, theirs)
        self._remembered.put(file, subject, found)
        return _told(found)

    def _open(self, file: File, where: str, places: Callable[[], Sequence[File]]) -> Contents:
        """Open a file of the store; what is not there is got from its `places`, once for each `where`."""
        blob = self._blobs.find(file.sha256 or "")
        if blob is None:
            blob = self._got.get((file.sha256, where), lambda: self._fetch(file, places()))
        contents = self._archives.open(blob, file.filename)
        if not self._blobs.intact(blob):
            raise ArchiveError("its copy was changed on disk while it was read")
        return contents

    def _fetch(self, file: File, places: Sequence[File]) -> Blob:
        trouble: UndecidedError | None = None
        for place in places[:MAX_PLACES]:
            try:
                blob = self._copied(place) if place.index.startswith("/") else self._asked(place)
            except (AddressError, TooLargeError):
                continue
            except UndecidedError as error:
                trouble = error
                continue
            if blob is not None and blob.sha256 == file.sha256:
                return blob
        if trouble is not None:
            raise trouble
        raise ArchiveError(f"the bytes of {file.filename} are on no index any more")

    def _asked(self, place: File) -> Blob | None:
        address = parse_target(place.url)
        allowed = origins_of([place.url, place.index, *self._indexes])
        self._asking.about(place)
        with self._gate, self._asking.get(address, allowed, accept="*/*", packed=False) as found:
            return self._blobs.add(found[0].chunks()) if found is not None else None

    def _copied(self, place: File) -> Blob:
        """Copy an archive of this machine, which somebody named by path or by its folder."""
        path = Path(place.index, place.filename)
        if not path.is_file():  # a lock may name a folder too, and in it may lie what nobody ends reading
            raise ArchiveError(f"{place.filename} is no file of {place.index}")
        with path.open("rb") as stream:
            return self._blobs.add(iter(lambda: stream.read(CHUNK), b""))

    def _places(self, original: File, beside: File) -> Sequence[File]:
        """Return where an audited file is listed; indexes are asked only if no page of this run has it."""
        sha256 = original.sha256 or ""
        trouble: UndecidedError | None = None
        for index in dict.fromkeys((beside.index.rstrip("/"), *(one.rstrip("/") for one in self._indexes))):
            with self._lock:
                if sha256 in self._listed:
                    break
            try:
                self._read(index, original.name)
            except UndecidedError as error:
                trouble = error
        with self._lock:
            found = tuple(self._listed.get(sha256, {}).values())
        if not found and trouble is not None:
            raise trouble
        return found

    def _read(self, index: str, name: str) -> None:
        self._pages.get((index, name), lambda: self._page(index, name))

    def _page(self, index: str, name: str) -> None:
        try:
            address = parse_target(f"{index}/{name}/")
        except AddressError:
            return
        with self._asking.get(address, origins_of([index]), accept=PAGE_ACCEPT, packed=True) as found:
            if found is None:
                return
            reply, url = found
            body, content_type = reply.body(), reply.content_type
        try:
            self.listed(parse_page(body, content_type, url, index=index).files)
        except PageError:
            return


def _told(found: Comparison) -> Compared:
    return Compared(members=found.members) if found.difference is None else Compared(problem=found.difference)
