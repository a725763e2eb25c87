"""What lies in an environment: every file with a stamp that no writer can keep, and who claims it."""

from __future__ import annotations

import os
import tempfile
from base64 import urlsafe_b64decode
from contextlib import suppress
from functools import lru_cache
from stat import S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.installers.look import walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Self

    from openvet_install.installers.target import Target

RECORD_BYTES = 64 * 2**20
METADATA_BYTES = 8 * 2**20
VENV_CONFIGURATION = "/pyvenv.cfg"
_CONFIGURATION = (VENV_CONFIGURATION, "/pip.conf", "/pip.ini", "/uv.toml")
"""What steers Python and the installers, at the top of a prefix; no installer writes any of it."""


class Places(NamedTuple):
    """Where a target keeps what is installed; absolute paths.

    `site` are purelib and platlib (they may be one folder), `scripts` the folder of commands, `data`
    the prefix that `.data/data` lands in, `python` the interpreter. `beside`: the folder that `..` of an installed
    RECORD starts from, where the installer moved everything afterwards.
    """

    site: tuple[Path, ...]
    scripts: Path
    data: Path
    python: Path
    beside: Path | None = None

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return the places of an inspected target."""
        return cls(
            site=(target.purelib, target.platlib),
            scripts=target.scripts,
            data=target.data,
            python=target.python,
            beside=target.beside,
        )

    @property
    def roots(self) -> tuple[str, ...]:
        """The site folders without links, each once."""
        return tuple(dict.fromkeys(os.path.realpath(one) for one in self.site))

    @property
    def command_folder(self) -> str:
        """The folder of commands without links."""
        return os.path.realpath(self.scripts)

    @property
    def configuration(self) -> frozenset[str]:
        """The files at the top of the prefix that steer Python and the installers."""
        return frozenset(os.path.realpath(self.data) + name for name in _CONFIGURATION)

    @property
    def python_folders(self) -> frozenset[str]:
        """Folders whose Python a script may start, as tools may write them."""
        return frozenset(f(one) for one in (self.scripts, self.python.parent) for f in (str, os.path.realpath))


class Stamp(NamedTuple):
    """Identity of a file at one moment: the kernel sets `changed_ns` at every write and rename.

    A tuple, because an environment has many thousands: they are made five times as fast as dataclasses.
    """

    mode: int
    size: int
    changed_ns: int
    modified_ns: int
    inode: int

    @property
    def regular(self) -> bool:
        """Whether it is a file, not a link or device."""
        return S_ISREG(self.mode)

    @property
    def link(self) -> bool:
        """Whether it is a symbolic link."""
        return S_ISLNK(self.mode)


class Snapshot(NamedTuple):
    """All files (and links) of the site folders and of the folder of commands, by absolute path.

    With them the configuration at the top of the prefix.
    """

    places: Places
    stamps: Mapping[str, Stamp]

    def without(self, paths: Collection[str]) -> Snapshot:
        """Return it without these files."""
        return self._replace(stamps={path: one for path, one in self.stamps.items() if path not in paths})

    def same_environment(self, other: Snapshot) -> bool:
        """Tell whether no virtual environment was made in its place."""
        path = os.path.realpath(self.places.data) + VENV_CONFIGURATION
        return self.stamps.get(path) == other.stamps.get(path)

    def infos(self) -> Iterator[tuple[str, str]]:
        """Yield (root, `.dist-info` folder) of every distribution that has METADATA."""
        for root in self.places.roots:
            found = {
                path[len(root) + 1 :].split(os.sep, 1)[0]
                for path in self.stamps
                if path.endswith(".dist-info/METADATA") and path.startswith(root + os.sep)
            }
            yield from ((root, f"{root}{os.sep}{top}") for top in sorted(found) if top.endswith(".dist-info"))

    def identity(self, info: str) -> tuple[str, str]:
        """Return (normalised name, normal version) from METADATA; ("", "") for each that cannot be read."""
        return _identity(info, self.stamps.get(f"{info}{os.sep}METADATA"))


class Row(NamedTuple):
    """One line of an installed RECORD: absolute path without `..`, and the digest as it stands."""

    path: str
    digest: str

    @property
    def sha256(self) -> str | None:
        """The digest as hex, None when it is another one or none, empty when it cannot be read."""
        algorithm, _, text = self.digest.partition("=")
        if algorithm != "sha256":
            return None
        try:
            return urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
        except ValueError:
            return ""


def take(places: Places) -> Snapshot:
    """Walk the environment; links are not followed, a folder that is not there is empty."""
    stamps: dict[str, Stamp] = {}
    for root in places.roots:
        stamps |= _stamps(root, deep=True)
    # other folders below that of commands (a prefix of `/` has many) belong to no installer
    stamps |= stamps_in(places.command_folder)
    stamps |= _configured(places)
    return Snapshot(places=places, stamps=stamps)


def tops(places: Places) -> dict[str, Stamp | None]:
    """Return what every install changes: the entries of the site folders and of the folder of commands, by path.

    Files, links and what describes a distribution come with their stamps; other folders, in which any Python may
    write bytecode, without.
    """
    found: dict[str, Stamp | None] = {}
    for folder in {*places.roots, places.command_folder}:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                told = not entry.is_dir(follow_symlinks=False) or entry.name.endswith((".dist-info", ".egg-info"))
                if told or entry.name != "__pycache__":
                    found[entry.path] = _stamp(entry.stat(follow_symlinks=False)) if told else None
    return {**found, **_configured(places)}


def _configured(places: Places) -> dict[str, Stamp]:
    """Stamp what there is of the configuration at the top of the prefix."""
    stamps: dict[str, Stamp] = {}
    for path in places.configuration:
        with suppress(FileNotFoundError, NotADirectoryError):
            stamps[path] = _stamp(os.lstat(path))
    return stamps


def stamps_in(folder: str) -> dict[str, Stamp]:
    """Stamp every file and link of a folder, by path, not those of folders in it."""
    return _stamps(folder, deep=False)


def _stamps(folder: str, *, deep: bool) -> dict[str, Stamp]:
    return {path: _stamp(status) for path, status in walk(folder, deep=deep)}


def _stamp(s: os.stat_result) -> Stamp:
    return Stamp(s.st_mode, s.st_size, s.st_ctime_ns, s.st_mtime_ns, s.st_ino)


@lru_cache(maxsize=8192)
def _identity(info: str, _stamp: Stamp | None) -> tuple[str, str]:
    from email.parser import BytesHeaderParser  # noqa: PLC0415 - a slow import, not before the tool starts

    raw = read(f"{info}/METADATA", METADATA_BYTES) or b""
    message = BytesHeaderParser().parsebytes(raw.partition(b"\n\n")[0])  # a long description takes long
    names, versions = message.get_all("Name", []), message.get_all("Version", [])
    name = canonicalize_name(str(names[0]).strip()) if len(names) == 1 else ""
    try:
        version = str(Version(str(versions[0]))) if len(versions) == 1 else ""
    except ValueError:
        version = ""
    return str(name), version


def rows(root: str, info: str, beside: Path | None = None) -> tuple[Row, ...] | None:
    """Return what the installed RECORD claims; None when it is missing or no table. `beside`: see `Places`."""
    import csv  # noqa: PLC0415 - as above

    raw = read(f"{info}/RECORD", RECORD_BYTES)
    if raw is None:
        return None
    try:
        table = list(csv.reader(raw.decode().splitlines(), strict=True))
        above = root if beside is None else os.path.realpath(beside)
        return tuple(
            Row(_absolute(above if row[0].startswith("../") else root, row[0]), row[1] if len(row) > 1 else "")
            for row in table
            if row
        )
    except (UnicodeDecodeError, csv.Error, ValueError):
        return None


def _absolute(root: str, path: str) -> str:
    whole = f"{root}/{path}" if not path.startswith("/") else path
    return os.path.normpath(whole) if "/." in whole or "//" in whole or whole.endswith("/") else whole


def read(path: str, limit: int) -> bytes | None:
    """Return a regular file's bytes, None if there is none of at most `limit` bytes; links are not followed."""
    handle = _regular(path)
    if handle is None:
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read() if os.fstat(handle).st_size <= limit else None


def is_script(path: str) -> bool:
    """Tell whether a regular file starts as a script does; links are not followed."""
    handle = _regular(path)
    if handle is None:
        return False
    with os.fdopen(handle, "rb") as file:
        return file.read(2) == b"#!"


def _regular(path: str) -> int | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    return None


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file so that readers see the old or the new content, never a part.

    Its rights are `mode`, else those of the old file, else 0644. Raises OSError.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = path.with_name(name.rpartition(os.sep)[2])
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if mode is None:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
