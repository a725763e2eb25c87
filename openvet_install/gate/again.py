"""A command that had nothing to do a moment ago: while nothing has changed, what was judged then holds (threat T32).

Read before anything else is imported, so only what is quick to import is used here. The note of such a run is sealed,
and good for the same command in the same place with the same variables, until its logs are to be asked again
(`standing`). It hangs on all that the run has read or looked for, by the kernel's stamps, and on what uv itself says
that it would do now, asked without network and with nothing to take from. If anything is another, it counts for
nothing and the command goes its whole way.
"""

# Paths stay strings: `pathlib` takes longer to import than all that is done here.
# ruff: noqa: PTH100, PTH109, PTH114, PTH115, PTH116, PTH117, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import hashlib
import marshal
import os
import sys
import time
from stat import S_ISDIR, S_ISREG

from openvet_install.gate import seals

TYPE_CHECKING = False  # that of `typing` takes as long
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

APP = "openvet-install"
FOLDER = "again"
MAX_BYTES = 4_000_000
MAX_SCRIPT_BYTES = 16_000_000
MARK = b"# ///"
"""Without it no reader finds metadata in a script."""
NAMES = (
    *("openvet.toml", "openvet-install.toml", "openvet.baseline.toml", "openvet.lock", "openvet-install.lock"),
    *("openvet.bundle", ".git", "pyproject.toml", "uv.toml", "uv.lock", ".python-version", ".python-versions"),
)
"""What changes a run by being there, in the folder that it starts in or above."""
AT, IN, ALL, BARE = "at", "in", "all", "bare"
"""What a note hangs on: a file, which folder and its mode; the names in a folder; all files in a folder; that a script,
whatever else is in it, has no metadata.
"""
CHANGED = 4
"""Which of a file's stamps is its last change; nothing else has so many."""
_ELSEWHERE = ("--openvet-", "--project", "--directory")
_MODE = b"OPENVET_INSTALL_MODE"
_LEADING = (b"OPENVET_", b"UV_PROJECT", b"UV_WORKING_DIR")
_PASSING = (b"OLDPWD", b"SHLVL", b"_")
"""Variables that shells change all the time; programs get them, and to uv and us they mean nothing."""


class Listening:
    """What a run has read so far, and from `started` on what its tool got.

    `seen` has what was there before it was read, by (`AT`, …) and path. `until` is when its note ends (Unix seconds),
    None as long as there is to be none.
    """

    def __init__(self, about: bytes, place: str, key: bytes, looked_for: Iterable[tuple[str, str]]) -> None:
        """Look at what a run may look for."""
        self.about, self.place, self.key = about, place, key
        self.began_ns = time.time_ns()
        self.seen = {one: look(*one) for one in looked_for}
        self.child: dict[str, Any] | None = None
        self.until: float | None = None

    def read(self, path: str) -> None:
        """Hear that a file is opened."""
        if (AT, path) not in self.seen:
            self.seen[AT, path] = look(AT, path)

    def started(self, folder: str, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Hear how the tool is started; `folder` is that of this run alone, which goes with it."""
        removed, added = difference({os.fsencode(n): os.fsencode(v) for n, v in variables.items()}, os.environb)
        self.child = {
            "base": os.path.dirname(folder),
            "tree": list(_tree(folder)),
            "command": [one.replace(folder, "\0") for one in command],
            "removed": removed,
            "added": {name: value.replace(os.fsencode(folder), b"\0") for name, value in added.items()},
        }


_listening: list[Listening] = []


def listening() -> Listening | None:
    """Return what listens in this process, if a note may come of it."""
    return next(iter(_listening), None)


def stop() -> None:
    """Listen no more: there will be no note."""
    _listening.clear()


def resume(argv: Sequence[str]) -> None:
    """Go on as the note of this command says, and do not return; without a good one listen from here on."""
    folders = _folders()
    if folders is None or not _may(argv):
        return
    cache, state, config = folders
    try:
        about = _about(argv)
    except OSError:  # there is no such folder any more
        return
    place = os.path.join(cache, FOLDER, hashlib.sha256(about).hexdigest())
    key = seals.for_purpose(seals.own_key(os.path.join(state, seals.KEY)), FOLDER)
    note = _found(place, key, about)
    if note is not None and _holds(note):
        from openvet_install.gate import resumed  # noqa: PLC0415 - only then

        resumed.go_on(note)
    if key:
        _listening.append(Listening(about, place, key, _looked_for(state, config)))
        sys.addaudithook(_hear)


def look(kind: str, path: str) -> Any:
    """Return what changes whenever something does; an error's number where it cannot be looked at."""
    try:
        if kind == IN:
            return sorted(os.listdir(path))
        if kind == ALL:
            return [(name, look(AT, os.path.join(path, name))) for name in ["", *sorted(os.listdir(path))]]
        if kind == BARE:
            return _is_bare(path)
        at = os.stat(path)
    except OSError as error:
        return error.errno
    who = at.st_mode, at.st_uid, at.st_gid, at.st_ino
    return (*who, at.st_ctime_ns, at.st_mtime_ns, at.st_size) if S_ISREG(at.st_mode) else who


def _is_bare(path: str) -> bool:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        raw = stream.read(MAX_SCRIPT_BYTES + 1) if S_ISREG(os.fstat(stream.fileno()).st_mode) else MARK
    return len(raw) <= MAX_SCRIPT_BYTES and MARK not in raw


def difference(wanted: Mapping[bytes, bytes], mine: Mapping[bytes, bytes]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return how variables differ from those of this process: names that are not there, and values."""
    return [one for one in mine if one not in wanted], {n: v for n, v in wanted.items() if mine.get(n) != v}


def applied(removed: Sequence[bytes], added: Mapping[bytes, bytes], mine: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return what differs so from the variables of this process."""
    return {**{name: value for name, value in mine.items() if name not in removed}, **added}


def _may(argv: Sequence[str]) -> bool:
    """Tell whether a command can have a note at all; what leads elsewhere or asks for more has none."""
    if not {"sync", "run"}.intersection(argv) or any(word.startswith(_ELSEWHERE) for word in argv):
        return False
    return not any(name.startswith(_LEADING) and name != _MODE for name in os.environb)


def _folders() -> tuple[str, str, str] | None:
    """Return our folders for cache and state, and that of configurations; None where only `platformdirs` knows them."""
    home = os.environ.get("HOME") if sys.platform == "linux" else None
    found = []
    for variable, habit in (
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CONFIG_HOME", ".config"),
    ):
        base = os.environ.get(variable) or (home and os.path.join(home, habit))
        if not base or not os.path.isabs(base):
            return None
        found.append(base)
    return os.path.join(found[0], APP), os.path.join(found[1], APP), found[2]


def _about(argv: Sequence[str]) -> bytes:
    """Return what a note is about: the command, where, with which variables, by whom, by which version of ours."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ours = [(at.st_ino, at.st_ctime_ns) for at in map(os.stat, (here, os.path.dirname(here), __file__))]
    variables = sorted((name, value) for name, value in os.environb.items() if name not in _PASSING)
    return repr((list(argv), os.getcwd(), variables, os.getuid(), os.geteuid(), sys.version, here, ours)).encode()


def _found(place: str, key: bytes, about: bytes) -> dict[str, Any] | None:
    try:
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        note: dict[str, Any] = marshal.loads(seals.opened(key, about, raw))  # noqa: S302 - sealed: ours, by this Python
    except (OSError, ValueError):
        return None
    return note


def _holds(note: Mapping[str, Any]) -> bool:
    return bool(note["since"] <= time.time() < note["until"]) and all(
        look(*one) == before for one, before in note["seen"].items()
    )


def above(folder: str) -> Iterator[tuple[str, str]]:
    """Yield what changes a run by being there, in a folder and all above it."""
    while True:
        yield from ((AT, os.path.join(folder, name)) for name in ("", *NAMES))
        if folder == os.path.dirname(folder):
            break
        folder = os.path.dirname(folder)


def _looked_for(state: str, config: str) -> Iterator[tuple[str, str]]:
    yield from above(os.getcwd())
    system = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    for base in (config, "/etc", *system):
        yield from ((ALL, os.path.join(base, name)) for name in ("openvet", "uv"))
    yield from ((IN, os.path.join(state, name)) for name in ("projects", "targets"))
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):  # whose uv it is, and who may write to it
        yield from ((AT, os.path.join(folder, name)) for name in ("", "uv"))


_IMPORTED = (os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__)))
_PACKAGES = (one for one in sys.path if one.endswith("-packages"))
_NOT_FILES = (*(one + os.sep for one in (*_IMPORTED, *_PACKAGES)), "/proc/", "/sys/")
_NOT_READ = os.O_WRONLY | os.O_RDWR | os.O_DIRECTORY


def _hear(event: str, args: tuple[Any, ...]) -> None:
    """Note a file before it is read; what is imported belongs to `_about`, and what is asked of others has no stamp."""
    one = listening()
    if one is not None and event == "socket.connect":
        stop()
    if one is None or event not in ("open", "sqlite3.connect"):
        return
    if event == "open" and isinstance(args[2], int) and args[2] & _NOT_READ:
        return
    try:
        path = os.path.join(os.getcwd(), os.fsdecode(args[0]))
    except (TypeError, ValueError, OSError):  # a handle, a name that is none
        return
    if "/../" not in path:  # the way up from where a link leads is another one
        path = os.path.normpath(path)
    if not path.startswith(_NOT_FILES):
        one.read(path)
        if event != "open":
            one.read(f"{path}-wal")


def _tree(folder: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield what lies in a folder, each folder before what is in it: (kind, path in it, content or where it leads)."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        for name in sorted(os.listdir(os.path.join(folder, inside))):
            path = os.path.join(inside, name)
            full = os.path.join(folder, path)
            if os.path.islink(full):
                yield "link", path, os.fsencode(os.readlink(full))
            elif S_ISDIR(os.stat(full).st_mode):
                yield "folder", path, b""
                waiting.append(path)
            else:
                with open(full, "rb") as stream:
                    yield "file", path, stream.read()
