"""What does not belong is taken out of a target after a run; nothing is deleted, it is moved to a folder of ours.

Of files that were there before, those that steer Python are put back; others are named, as their old bytes are gone.
"""

# Paths stay strings, as `disk` has them: links in them must not be followed.
# ruff: noqa: PTH106, PTH115, PTH120

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping  # noqa: TC003 - a runtime annotation
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.gateway.blobs import private_folder
from openvet_install.installers import disk
from openvet_install.installers.installed import source_of, steering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from openvet_install.gate.model import Stray
    from openvet_install.installers.disk import Snapshot

KEPT_BYTES = 64 * 1024  # of one file; scripts that activate an environment have less than 10
KEPT_DAYS = 30
_DAY_SECONDS = 86_400


class Kept(NamedTuple):
    """Bytes and link targets of what steers Python in an environment, by path, as they were before a run."""

    files: Mapping[str, bytes]
    links: Mapping[str, str]


def keep(before: Snapshot) -> Kept:
    """Read what could be put back: configuration, links to interpreters, scripts that activate."""
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for path in steering(before):
        with suppress(OSError):
            if before.stamps[path].link:
                links[path] = os.readlink(path)
            elif (raw := disk.read(path, KEPT_BYTES)) is not None:
                files[path] = raw
    return Kept(files, links)


def roll_back(before: Snapshot, after: Snapshot, strays: Sequence[Stray], kept: Kept, away: Path) -> list[Stray]:
    """Take what the `strays` are about out of the target and into `away`; return them with what became of each.

    A distribution of which anything is wrong goes as a whole. Files that did not change stay, and those that
    another distribution claims.
    """
    if not strays:
        return []
    leaving = _Leaving(before, after, strays)
    for path in leaving.paths:
        _move(path, away)
    _tidy(leaving.paths, after)
    told = []
    for one in strays:
        if one.path in kept.files or one.path in kept.links:
            done = _put_back(one.path, before, kept)
            told.append(
                one._replace(undone=done, text=f"{one.text}; {'it was put back' if done else 'it cannot be put back'}")
            )
            continue
        place = leaving.whole.get((one.name, one.version or ""), one.path)
        done = (place in leaving.places or place in leaving.paths) and not os.path.lexists(place)
        told.append(one._replace(undone=done, text=f"{one.text}; it was moved away" if done else one.text))
    return told


def away_folder(state: Path) -> Path:
    """Return the path of a new folder for what one run takes out; older ones go after `KEPT_DAYS`."""
    folder = state / "removed"
    with suppress(OSError):
        for one in folder.iterdir():
            if time.time() - one.lstat().st_mtime > KEPT_DAYS * _DAY_SECONDS:
                shutil.rmtree(one, ignore_errors=True)
    return folder / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}"


class _Leaving:
    """Which paths go: `whole` maps distributions that go as a whole to their `.dist-info`, `places` are those."""

    def __init__(self, before: Snapshot, after: Snapshot, strays: Sequence[Stray]) -> None:
        self._before, self._after = before.stamps, after.stamps
        named = {(one.name, one.version or "") for one in strays if one.name}
        about = {one.path for one in strays}
        self.whole: dict[tuple[str, str], str] = {}
        self._claims: dict[str, list[str]] = {}
        for root, info in after.infos():
            for row in disk.rows(root, info, after.places.beside) or ():
                self._claims.setdefault(row.path, []).append(info)
            inside = [path for path in after.stamps if path.startswith(f"{info}/")]
            found = after.identity(info)
            wrong = found in named or info in about or not about.isdisjoint(inside)
            if wrong and self._changed(f"{info}/METADATA"):
                self.whole[found] = info
        self.places = frozenset(self.whole.values())
        self.paths = sorted(self._paths(strays))

    def _paths(self, strays: Sequence[Stray]) -> Iterator[str]:
        found = {path for path, owners in self._claims.items() if self.places.issuperset(owners)}
        found |= {path for path in self._after if path.startswith(tuple(f"{info}/" for info in self.places))}
        alone = {one.path for one in strays if one.path not in self._before and one.path not in self._claims}
        # bytecode can be made again, so it goes also where its old bytes are gone
        alone |= {one.path for one in strays if source_of(one.path) is not None}
        for path in self._after:
            source = source_of(path)
            if self._changed(path) and (path in found or path in alone or source in found):
                yield path

    def _changed(self, path: str) -> bool:
        return path in self._after and self._before.get(path) != self._after[path]


def _move(path: str, away: Path) -> None:
    target = away / path.lstrip(os.sep)
    with suppress(OSError):
        private_folder(away.parent)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(path, target)


def _tidy(paths: Iterable[str], after: Snapshot) -> None:
    """Remove folders that are empty now, never a site folder itself."""
    roots = {*after.places.roots, after.places.command_folder}
    for folder in sorted({os.path.dirname(path) for path in paths}, key=len, reverse=True):
        place = folder
        with suppress(OSError):
            while place not in roots and any(place.startswith(f"{root}{os.sep}") for root in roots):
                os.rmdir(place)
                place = os.path.dirname(place)


def _put_back(path: str, before: Snapshot, kept: Kept) -> bool:
    try:
        if path in kept.links:
            beside = Path(f"{path}.{os.getpid()}")
            beside.symlink_to(kept.links[path])
            beside.replace(path)
            return os.readlink(path) == kept.links[path]
        disk.replace_file(Path(path), kept.files[path], mode=before.stamps[path].mode & 0o777)
        return disk.read(path, KEPT_BYTES) == kept.files[path]
    except OSError:
        return False
