"""The files of a project before a command that may write them: the next one puts them back if this one is killed (T33).

One run at a time writes them: what another has half done is nothing to come back to. Beside what `journal` does for a
target; a file that was changed after the killed run is somebody's work and stays. What is kept is sealed: restored
from somewhere, it could write whatever it says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from openvet_install.gate.journal import MAX_BYTES, SLACK_NS, pulse, write
from openvet_install.gate.places import hold
from openvet_install.gate.sealed import key_of
from openvet_install.gate.seals import opened, sealed
from openvet_install.gate.state import PROJECTS
from openvet_install.installers import disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.gate.setting import Watch


class Room(NamedTuple):
    """The folder of a project that one run holds; `lock`: None where none can be written, `said`: what was put back."""

    folder: str
    lock: IO[bytes] | None
    said: str | None


class Before(NamedTuple):
    """A file before a run: its `place` with links resolved, its bytes (None for none) and its rights."""

    place: str
    raw: bytes | None
    mode: int


@contextmanager
def alone(paths: Sequence[str], state: Path, watch: Watch | None = None) -> Iterator[Room]:
    """Hold the folder around files for a run that may write them; other runs wait, and tell `watch`.

    What a run that was killed meanwhile has left there is put back. Raises `UndecidedError`.
    """
    folder = os.path.commonpath([os.path.dirname(os.path.realpath(one)) for one in paths])  # noqa: PTH120
    path = _place(state, folder)
    with ExitStack() as stack:
        held, said = None, None
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = stack.enter_context(hold(path, folder, watch))
            said = _settled(held, path, folder, state)
        yield Room(folder, held, said)


@contextmanager
def noted(room: Room, files: Sequence[Before], state: Path) -> Iterator[None]:
    """Keep the files of a project for a next run while the block runs, and forget them at its end.

    Where nothing can be written nothing is kept.
    """
    with ExitStack() as stack:
        path = _place(state, room.folder)
        with suppress(OSError):
            key = key_of(state, PROJECTS)
            if room.lock is not None and key:
                write(_before(path), sealed(key, path.name.encode(), _told(room.folder, files)))
                stack.callback(_before(path).unlink, missing_ok=True)
                stack.enter_context(pulse(room.lock))
        yield


def put_back(start: Path, words: Sequence[str], state: Path, watch: Watch | None = None) -> list[str]:
    """Put back what killed runs have left in a folder, where words lead from it, or above; say what became of each.

    A run that is at work there is waited for, and `watch` told: what it has half done is nothing to read. Raises
    `UndecidedError`.
    """
    if not any((state / PROJECTS).glob("*.before")):
        return []
    here = list(_there(start, words))
    found = (one for base in (start, *filter(os.path.isdir, here)) for one in (base, *_there(base, words)))
    folders = dict.fromkeys(os.path.realpath(above) for one in found for above in (one, *one.parents))
    return [said for one in folders if (said := _waited_for(one, state, watch)) is not None]


def _there(base: Path, words: Sequence[str]) -> Iterator[Path]:
    for word in filter(None, words):
        with suppress(OSError, ValueError):  # no name of a file
            if (base / word).exists():
                yield base / word


def _waited_for(folder: str, state: Path, watch: Watch | None) -> str | None:
    path = _place(state, folder)
    if not _before(path).exists():
        return None
    with suppress(OSError), hold(path, folder, watch) as held:
        return _settled(held, path, folder, state)
    return None


def _settled(held: IO[bytes], path: Path, folder: str, state: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        until = os.fstat(held.fileno()).st_mtime_ns + SLACK_NS
        started, files = _read(_before(path), key_of(state, PROJECTS), path.name)
        said = f"a run of {started} in {folder} was killed"
        changed = [one for one in files if _bytes(one.place) != one.raw]
        names = ", ".join(dict.fromkeys(Path(one.place).name for one in changed))
        later = any(os.lstat(one.place).st_mtime_ns > until for one in changed if os.path.lexists(one.place))
        if changed and not later:
            for one in changed:
                _restore(one)
        _before(path).unlink(missing_ok=True)
        if not changed:
            return None
        return f"{said}; {names} changed since, look at it" if later else f"{said}; as before it: {names}"
    return None


def _restore(one: Before) -> None:
    if one.raw is None:
        Path(one.place).unlink(missing_ok=True)
    else:
        disk.replace_file(Path(one.place), one.raw, mode=one.mode)


def _bytes(place: str) -> bytes | None:
    try:
        return Path(place).read_bytes()
    except FileNotFoundError:
        return None


def _place(state: Path, folder: str) -> Path:
    return state / PROJECTS / hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]


def _before(path: Path) -> Path:
    return path.with_name(f"{path.name}.before")


def _told(folder: str, files: Sequence[Before]) -> bytes:
    rows = [
        {"place": one.place, "raw": None if one.raw is None else base64.b64encode(one.raw).decode(), "mode": one.mode}
        for one in files
    ]
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"started": started, "folder": folder, "files": rows}).encode()


def _read(path: Path, key: bytes, about: str) -> tuple[str, list[Before]]:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(path)
    said: Mapping[str, object] = json.loads(opened(key, about.encode(), path.read_bytes()))
    rows = said["files"]
    if not isinstance(rows, list):
        raise TypeError(path)
    found = [
        Before(str(one["place"]), None if one["raw"] is None else base64.b64decode(one["raw"]), int(one["mode"]))
        for one in rows
    ]
    return str(said["started"]), found
