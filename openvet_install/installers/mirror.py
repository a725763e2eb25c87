"""A copy of the user's folders for tools that write down how the files they read are called (threat T03).

The tool works below a private root at the same absolute place, so names that people typed lead to copies of what was
read once, and what it writes lies there until it was judged.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH103, PTH110, PTH112, PTH113, PTH117, PTH118

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUIREMENTS, PYLOCK, LOCK, SHOWN, NOTHING = "requirements", "pylock", "lock", "shown", "nothing"
"""Kinds of what is written; SHOWN: a resolution that no file holds, NOTHING: it was judged before, or nothing was."""
STDOUT = "stdout"
_ROOT = "mirror"
_PROJECT = "pyproject.toml"
_END = b'[project]\nname = "nothing"\nversion = "0"\n\n[tool.uv]\nmanaged = false\n'
"""A project above copies in which each search of uv ends: what lies further up, as in /tmp, may be anybody's."""
ROOT_MARK = "\0"
"""Stands for the root of the mirror in files that are written there; no file that is understood has it."""


class Mirrored(NamedTuple):
    """A file as a word of the command: `flag` is empty for a bare word, `path` as typed."""

    flag: str
    path: str

    def word(self, folder: Path) -> str:
        """Return the word; a relative path is what was typed, as the tool works in the mirrored folder."""
        named = self.path if not os.path.isabs(self.path) else root(folder) + self.path
        return f"{self.flag}={named}" if self.flag else named


class PrivateCopy(NamedTuple):
    """A lock, script or project that was given: a copy of its `text` called `name`, between `flag` and `extras`.

    The name may be one in a folder.
    """

    flag: str
    name: str
    text: str
    extras: str

    def word(self, folder: Path) -> str:
        """Write the copy below a new folder, and return the word that names it."""
        place = folder / "given" / self.name
        place.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        write_private(place, self.text)
        if place.name == _PROJECT:
            with suppress(FileExistsError):
                write_private(folder / _PROJECT, _END)
        return f"{self.flag}{'=' if self.flag else ''}{place}{self.extras}"


class Mirror(NamedTuple):
    """The folder `cwd` (absolute) with the files that are read, by absolute path; `called` maps paths to other names.

    `stdin`: what was read from it. `outputs`: the absolute paths of the files that may be written. `built`: folders of
    which everything else is there by links: a build reads it.
    """

    cwd: str
    files: Mapping[str, bytes]
    stdin: bytes = b""
    outputs: tuple[str, ...] = ()
    called: Mapping[str, str] = MappingProxyType({})
    built: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Make the copies in `folder` (of this run, 0700)."""
        for path in (self.cwd, *map(os.path.dirname, self.files)):
            os.makedirs(root(folder) + path, mode=0o700, exist_ok=True)
        for path in map(os.path.dirname, self.outputs):
            if os.path.isdir(path):
                os.makedirs(root(folder) + path, mode=0o700, exist_ok=True)
        for path, raw in self.files.items():
            write_private(Path(root(folder) + path), _placed(raw, folder))
        for place in sorted(self.built, key=len, reverse=True):
            self._link(place, folder)
        write_private(folder / "stdin", _placed(self.stdin, folder))
        with suppress(FileExistsError):
            write_private(folder / _PROJECT, _END)

    def _link(self, place: str, folder: Path) -> None:
        """Link what lies in a folder and has no copy; no link leads to where something may be written."""
        os.makedirs(root(folder) + place, mode=0o700, exist_ok=True)
        for real in Path(place).iterdir():
            copy = Path(root(folder) + str(real))
            inside = any(one.startswith(f"{real}{os.sep}") for one in self.outputs)
            if real.is_dir() and (inside or (copy.is_dir() and not copy.is_symlink())):
                self._link(str(real), folder)
            elif str(real) not in self.outputs and not os.path.lexists(copy):
                copy.symlink_to(real)

    def place(self, folder: Path) -> str:
        """Return where the tool works."""
        return root(folder) + self.cwd

    def streams(self, folder: Path) -> dict[str, str]:
        """Return the files that stand for its standard input and output."""
        return {"stdin": str(folder / "stdin"), STDOUT: str(folder / STDOUT)}

    def read(self, folder: Path) -> Written:
        """Return what the tool has written, with the names that the user knows."""
        said = folder / STDOUT
        files = {path: Path(root(folder) + path) for path in self.outputs}
        return Written(
            self._named(said.read_bytes(), folder) if said.exists() else b"",
            {path: self._named(copy.read_bytes(), folder) for path, copy in files.items() if copy.is_file()},
        )

    def _named(self, raw: bytes, folder: Path) -> bytes:
        for path, name in self.called.items():
            raw = raw.replace(os.fsencode(root(folder) + path), os.fsencode(name))
        return raw.replace(os.fsencode(root(folder)), b"")


def _placed(raw: bytes, folder: Path) -> bytes:
    return raw.replace(ROOT_MARK.encode(), os.fsencode(root(folder)))


class Written(NamedTuple):
    """What a tool has written: to its standard output, and to the files of `Mirror.outputs`."""

    said: bytes
    files: Mapping[str, bytes]


class Compiled(NamedTuple):
    """What a command writes in a `mirror`, to be judged first.

    `kind`: that of the file to be judged, `output` its absolute path (None: the standard output), or NOTHING.
    `universal`: it is for every platform. `header`: the command that stands at its head, where the tool wrote another.
    `folders` and `archives` are those that it may name, absolute, `spelled` the other names that it has for folders.
    """

    mirror: Mirror
    kind: str
    universal: bool = True
    output: str | None = None
    header: str | None = None
    folders: frozenset[str] = frozenset()
    spelled: frozenset[str] = frozenset()
    archives: frozenset[str] = frozenset()

    @property
    def replaced(self) -> tuple[str, ...]:
        """The files that are put back unless all goes well; what is no file is only written to."""
        found = self.mirror.outputs
        return tuple(path for path in found if os.path.isfile(path) or not os.path.exists(path))


def check_depth(path: str, start: str) -> None:
    """Raise `UsageError` for a path that climbs above `/`: in the copy of the folder `start` it leads elsewhere."""
    depth = 0 if os.path.isabs(path) else len(Path(start).parts) - 1
    for part in Path(path).parts:
        depth += {"..": -1, "/": 0, "//": 0}.get(part, 1)
        if depth < 0:
            raise UsageError(f"`{path}` climbs above the root", hint="name it by an absolute path")


def root(folder: Path) -> str:
    """Return the root of the mirror in a run's folder, links resolved: so the tool sees its own working folder."""
    return os.path.join(os.path.realpath(folder), _ROOT)


def write_private(path: Path, raw: str | bytes) -> None:
    """Write a new file that nobody else can read; an existing one, or a link, is never followed (FileExistsError)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(raw if isinstance(raw, bytes) else raw.encode())
