"""Names of members: which are taken, and that no two mean one place."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from openvet_install.archive import limits
from openvet_install.archive.contents import ArchiveError, shown

_DRIVE = re.compile(r"[A-Za-z]:")


def check_path(name: str) -> None:
    """Refuse a path that readers or file systems take in more than one way, or that leaves the folder.

    A trailing slash (a folder) must have been taken off. Raises `ArchiveError`.
    """
    if not name:
        raise ArchiveError("an entry has no name")
    if "\\" in name:
        raise ArchiveError(f"the entry {shown(name)} has a backslash in its name")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise ArchiveError(f"the entry {shown(name)} has a control character in its name")
    if name.startswith("/") or _DRIVE.match(name):
        raise ArchiveError(f"the entry {shown(name)} has an absolute path")
    if any(segment in {"", ".", ".."} for segment in name.split("/")):
        raise ArchiveError(f"the entry {shown(name)} has an empty, `.` or `..` segment in its path")
    if name.count("/") >= limits.NAME_SEGMENTS:
        raise ArchiveError(f"the entry {shown(name)} is more than {limits.NAME_SEGMENTS} folders deep")
    if len(name.encode()) > limits.NAME_BYTES:
        raise ArchiveError(f"the name of the entry {shown(name)} is longer than {limits.NAME_BYTES} bytes")


@dataclass(slots=True)
class Names:
    """The names of one archive so far; two that fall together anywhere are refused.

    Compared after NFC and case folding, as file systems of other machines would.
    """

    files: dict[str, str] = field(default_factory=dict)
    entries: set[str] = field(default_factory=set)
    parents: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, *, folder: bool) -> None:
        """Take one entry's name without trailing slash; raises `ArchiveError`."""
        check_path(name)
        if name in self.entries:
            raise ArchiveError(f"two entries are called {shown(name)}")
        self.entries.add(name)
        if len(self.entries) > limits.MEMBERS:
            raise ArchiveError(f"it has more than {limits.MEMBERS:,} entries")
        self._parents(name)
        key = place(name)
        if folder:
            self.parents.setdefault(key, name)
        elif key in self.files:
            raise ArchiveError(
                f"the entries {shown(self.files[key])} and {shown(name)} differ only in case or Unicode form"
            )
        else:
            self.files[key] = name

    def finish(self) -> None:
        """Refuse a path that is a file and a folder at once; call when all entries are in."""
        for key, name in self.files.items():
            if key in self.parents:
                raise ArchiveError(f"the entry {shown(name)} is a file and a folder")

    def _parents(self, name: str) -> None:
        parent, slash, _ = name.rpartition("/")
        while slash and (key := place(parent)) not in self.parents:
            self.parents[key] = parent
            parent, slash, _ = parent.rpartition("/")
        if len(self.parents) > limits.MEMBERS:
            raise ArchiveError(f"it has more than {limits.MEMBERS:,} folders")


def place(name: str) -> str:
    """Return the path as the least exact file system would compare it."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
