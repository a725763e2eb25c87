"""Folders that `pip download` and `pip wheel` fill: what is new there was released, or built (threats T20, T22)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.gate.model import Stray
from openvet_install.installers import look
from openvet_install.installers.disk import Stamp, stamps_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openvet_install.gate.keeper import Keeper


class Output(NamedTuple):
    """A folder before the run, files by path; what lies deeper is not looked at, pip puts nothing there."""

    folder: str | None
    before: Mapping[str, Stamp]

    @classmethod
    def of(cls, folder: str | None) -> Output:
        """Look at it; a folder that is not there, or none, is empty."""
        return cls(folder, _files(folder))

    def instead(self, filename: str, sha256: str | None) -> str | None:
        """Return the path of another file of that name: pip takes it for a download that no hash stands beside."""
        path = os.path.join(self.folder or "", filename)  # noqa: PTH118 - as pip does
        if self.folder is None or not os.path.lexists(path):
            return None
        return path if sha256 is None or look.sha256(os.path.realpath(path)) != sha256 else None

    def strays(self, keeper: Keeper, projects: Iterable[str]) -> Iterator[Stray]:
        """Remove what is new and neither released nor built from what was, and tell it.

        `projects` are the names of folders that may be built as they are.
        """
        opened = keeper.ledger.opened()
        released = {one.decision.file.sha256 for one in opened}
        built = {(one.contents.name, one.contents.version) for one in opened if one.contents.kind == "sdist"}
        for path, stamp in _files(self.folder).items():
            if self.before.get(path) == stamp or look.sha256(path) in released:
                continue
            if stamp.regular and _built(path, built, frozenset(projects)):
                continue
            name = Path(path).name
            try:
                Path(path).unlink()
                done = "it was removed"
            except OSError as error:
                done = f"it cannot be removed: {error.strerror}"
            text, gone = f"`{name!a}` was written there and not released; {done}", not Path(path).exists()
            yield Stray(name=name, version=None, path=path, reason="unexpected-file", text=text, undone=gone)


def _files(folder: str | None) -> dict[str, Stamp]:
    return stamps_in(folder) if folder is not None else {}


def _built(path: str, built: set[tuple[str, str]], projects: frozenset[str]) -> bool:
    """Tell whether it is a sound wheel of a release whose sdist went out, or of a project of ours."""
    if not path.endswith(".whl"):
        return False
    try:
        contents = open_archive(Path(path), Path(path).name)
    except ArchiveError:
        return False
    return (contents.name, contents.version) in built or contents.name in projects
