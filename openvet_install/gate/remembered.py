"""What comparing files came to, what archives hold and when files came, remembered for later runs (see `sealed`)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openvet_install.archive import open_archive
from openvet_install.archive.contents import Contents
from openvet_install.gate.once import Once
from openvet_install.gate.sealed import Sealed
from openvet_install.gate.stores import COMPARED, DAYS, OPENED
from openvet_install.gateway.blobs import BlobStore

if TYPE_CHECKING:
    from openvet_install.archive.same import Comparison
    from openvet_install.files import File
    from openvet_install.gate.state import Folders
    from openvet_install.gateway import Blob
    from openvet_install.openvet.subject import Subject

MAX_COMPARISON = 4096  # bytes
MAX_DAY = 256  # bytes
MAX_CONTENTS = 16 << 20  # bytes; a wheel of ten thousand members takes one million


class Remembered:
    """What comparing came to, about pairs of files."""

    def __init__(self, folders: Folders) -> None:
        """Nothing is read or made yet."""
        self._notes = Sealed(folders, COMPARED, MAX_COMPARISON)

    def find(self, file: File, subject: Subject) -> Comparison | None:
        """Return what an earlier run of this machine noted of a file and an audited one by the rules of today."""
        from openvet_install.archive.same import Comparison  # noqa: PLC0415 - for this only

        found = self._notes.find(_pair(file, subject))
        return None if found is None else Comparison(*json.loads(found))

    def put(self, file: File, subject: Subject, note: Comparison) -> None:
        """Remember what comparing came to; where that cannot be written, the next run compares again."""
        self._notes.put(_pair(file, subject), json.dumps(note).encode())


class Days:
    """When files came to an index: what it said once of these bytes in a project of this name."""

    def __init__(self, folders: Folders) -> None:
        """Nothing is read or made yet."""
        self._notes = Sealed(folders, DAYS, MAX_DAY)

    def find(self, file: File) -> datetime | None:
        """Return what the index of a file said in an earlier run, None if nothing."""
        found = self._notes.find(_at(file))
        return None if found is None else datetime.fromisoformat(found.decode())

    def put(self, listed: File) -> None:
        """Remember what the index of a file says, if it does."""
        if listed.uploaded is not None:
            self._notes.put(_at(listed), listed.uploaded.isoformat().encode())


class Archives:
    """Opens archives of the store `blobs`, each once in a run and, where notes can be kept, once on this machine.

    `compared` are the notes about pairs of them, `days` those about when they came.
    """

    def __init__(self, folders: Folders) -> None:
        """Nothing is read or made yet."""
        self._notes = Sealed(folders, OPENED, MAX_CONTENTS)
        self.compared = Remembered(folders)
        self.days = Days(folders)
        self._files = folders.cache / "files"
        self._opened: Once[Contents] = Once()

    @cached_property
    def blobs(self) -> BlobStore:
        """The store. Raises `ConfigError` if its folder is not ours."""
        return BlobStore(self._files)

    def open(self, blob: Blob, filename: str) -> Contents:
        """Return what a file that hashed right holds; raises `ArchiveError`, which is not remembered."""
        return self._opened.get((blob.sha256, filename), lambda: self._open(blob, filename))

    def known(self, sha256: str, filename: str) -> Contents | None:
        """Return what the file with a hash holds, if it was opened here before, wherever it is now."""
        noted = self._notes.find(_about(sha256, filename))
        return None if noted is None else _contents(json.loads(noted))

    def _open(self, blob: Blob, filename: str) -> Contents:
        noted = self.known(blob.sha256, filename)
        if noted is not None:
            return noted
        contents = open_archive(Path(blob.path), filename)
        if self.blobs.intact(blob):  # what was read is what had been hashed
            self._notes.put(_about(blob.sha256, filename), json.dumps(_noted(contents)).encode())
        return contents


def _about(sha256: str, filename: str) -> bytes:
    return json.dumps([sha256, filename]).encode()


def _at(file: File) -> bytes:
    return json.dumps([file.index, file.name, file.sha256]).encode()


def _pair(file: File, subject: Subject) -> bytes:
    return json.dumps([file.sha256, file.filename, str(subject)]).encode()


def _noted(contents: Contents) -> dict[str, object]:
    """Return contents as JSON has them; bytes as Latin-1."""
    return {
        "kind": contents.kind,
        "name": contents.name,
        "version": contents.version,
        "members": dict(contents.members),
        "metadata": contents.metadata.decode("latin-1"),
        "requires": contents.requires,
        "build_requires": contents.build_requires,
        "scripts": dict(contents.scripts),
        "script_tails": dict(contents.script_tails),
        "tags": sorted(contents.tags),
        "pth": contents.pth,
        "executable": sorted(contents.executable),
        "empty_folders": sorted(contents.empty_folders),
        "texts": {name: text.decode("latin-1") for name, text in contents.texts.items()},
        "unpacked_bytes": contents.unpacked_bytes,
    }


def _contents(noted: dict[str, Any]) -> Contents:
    """Return the contents that were noted."""
    return Contents(
        **{
            **noted,
            "metadata": noted["metadata"].encode("latin-1"),
            "requires": tuple(noted["requires"]),
            "build_requires": tuple(noted["build_requires"]),
            "tags": frozenset(noted["tags"]),
            "pth": tuple(noted["pth"]),
            "executable": frozenset(noted["executable"]),
            "empty_folders": frozenset(noted["empty_folders"]),
            "texts": {name: text.encode("latin-1") for name, text in noted["texts"].items()},
        }
    )
