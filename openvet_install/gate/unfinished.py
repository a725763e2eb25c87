"""The files of a project before a command that may write them: the next one puts them back if this one is killed (T33).

Beside what `journal` does for a target; a file that was changed after the killed run is somebody's work and stays. What
is kept is sealed: restored from somewhere, it could write whatever it says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.gate.journal import MAX_BYTES, SLACK_NS, pulse, write
from openvet_install.gate.places import lock
from openvet_install.gate.sealed import key_of
from openvet_install.gate.seals import opened, sealed
from openvet_install.gate.state import PROJECTS
from openvet_install.installers import disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Before(NamedTuple):
    """A file before a run: its `place` with links resolved, its bytes (None for none) and its rights."""

    place: str
    raw: bytes | None
    mode: int


@contextmanager
def noted(folder: str, files: Sequence[Before], state: Path) -> Iterator[None]:
    """Keep the files of a project's `folder` for a next run while the block runs, and forget them at its end.

    Where nothing can be written, or another run is at work in the folder, nothing is kept.
    """
    with ExitStack() as stack:
        path = _place(state, folder)
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            held, key = lock(path), key_of(state, PROJECTS)
            if held is not None:
                stack.enter_context(held)
            if held is not None and key:
                write(_before(path), sealed(key, path.name.encode(), _told(folder, files)))
                stack.callback(_before(path).unlink, missing_ok=True)
                stack.enter_context(pulse(held))
        yield


def put_back(start: Path, words: Sequence[str], state: Path) -> list[str]:
    """Put back what killed runs have left in a folder, where words lead from it, or above; say what became of each."""
    if not any((state / PROJECTS).glob("*.before")):
        return []
    here = list(_there(start, words))
    found = (one for base in (start, *filter(os.path.isdir, here)) for one in (base, *_there(base, words)))
    folders = dict.fromkeys(os.path.realpath(above) for one in found for above in (one, *one.parents))
    return [said for one in folders if (said := _settled(_place(state, one), one, state)) is not None]


def _there(base: Path, words: Sequence[str]) -> Iterator[Path]:
    for word in filter(None, words):
        with suppress(OSError, ValueError):  # no name of a file
            if (base / word).exists():
                yield base / word


def _settled(path: Path, folder: str, state: Path) -> str | None:
    if not _before(path).exists():
        return None
    with suppress(OSError, ValueError, KeyError, TypeError):
        held = lock(path)
        if held is None:
            return None  # it is at work
        with held:
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
