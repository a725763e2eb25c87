"""The target before and after: what is on disk now must be what was released, in both directions (threat T30).

The RECORD on disk is the suspect's own statement: it says which files a distribution claims, never
what they should hold. That comes from the archive that was opened and released. Differences that
installers make are a closed list: their own files in `.dist-info`, bytecode if this run compiled,
wrappers of entry points, `.data` moved to its place, `#!python` replaced.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from openvet_install.installers import disk, look
from openvet_install.installers.disk import Places, Snapshot
from openvet_install.installers.wrappers import WRAPPER_BYTES, head_length, is_wrapper, what_else

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from openvet_install.installers.disk import Row

__all__ = ["Finding", "Places", "Release", "Snapshot", "compare", "nothing", "snapshot", "source_of"]

Reason = Literal["unexpected-file", "hash-mismatch"]
Unfaithful: TypeAlias = "Callable[[Collection[tuple[str, str]]], Collection[str]]"
Content: TypeAlias = "Callable[[Sequence[str]], Mapping[str, str | None]]"

_INSTALLERS_OWN = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json"})
_READY_MADE = re.compile(r"[^/]+\.data/scripts/(?:.*/)?(?P<command>[^/]+)(?:(?i:\.exe)|-script\.py|\.pya)", re.DOTALL)
_MAY_BE_LEFT_OUT = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
_BYTECODE = re.compile(r"(?P<stem>.+?)\.[a-z]+-?[0-9]+[a-z]*(?:\.opt-[0-9a-z]+)?\.pyc")
_NUMBERED = {"pip": re.compile(r"pip[0-9.]*"), "setuptools": re.compile(r"easy_install(-[0-9.]+)?")}
"""Commands that pip writes for the target's version, with the entry point of the plain name."""
_PYTHONS = r"python[0-9.]*t?|pypy[0-9.]*c?|graalpy"
_VENV_PYTHON = re.compile(_PYTHONS)
_VENV_COMMANDS = re.compile(
    _PYTHONS + r"|libpypy[\w.-]*\.so"
    r"|[Aa]ctivate(\.\w+)?|activate_this\.py|deactivate\.\w+|pydoc\.bat"
)
_VENV_SITE = frozenset({"_virtualenv.py", "_virtualenv.pth"})
_VENV_PTH = b"import _virtualenv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One file that was let through, as its archive was read.

    `members`: path in the archive -> sha256 hex; `scripts`: command -> `module:attribute`;
    `script_tails`: `.data/scripts` member that starts with `#!python` -> sha256 of all after its first
    line. Of an sdist only name and version are compared: what was built from it has no other statement.
    """

    name: str
    version: str
    kind: Literal["wheel", "sdist"]
    members: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    script_tails: Mapping[str, str] = field(default_factory=dict)


class Finding(NamedTuple):
    """One thing on disk that no released file accounts for; `path` is what to look at or remove.

    `name` and `version` are empty for files of no distribution.
    """

    name: str
    version: str
    path: str
    reason: Reason
    text: str


class _Installed(NamedTuple):
    """A distribution on disk."""

    name: str
    version: str
    root: str
    info: str
    rows: tuple[Row, ...]
    readable: bool


def snapshot(places: Places) -> Snapshot:
    """Stamp every file of the environment without reading any (about 4 microseconds a file)."""
    return disk.take(places)


def nothing(after: Snapshot) -> Snapshot:
    """Return the snapshot to compare with when a whole environment is checked.

    In it were only the commands and the two files that venv tools leave, so all else counts as new; outside of virtual
    environments all commands were there, most belong to the system.
    """
    folder, roots = f"{after.places.command_folder}/", after.places.roots
    virtual = any(path.endswith(disk.VENV_CONFIGURATION) for path in after.places.configuration & after.stamps.keys())
    left = {f"{root}/{name}" for root in roots for name in _VENV_SITE} | after.places.configuration
    left -= {path for path in left if path.endswith(".pth") and disk.read(path, len(_VENV_PTH)) != _VENV_PTH}
    left |= {
        path
        for path in after.stamps
        if path.startswith(folder) and (not virtual or _VENV_COMMANDS.fullmatch(path.removeprefix(folder)))
    }
    if virtual:  # there a Python is a link or a program, and what takes its place would run at every command
        pythons = (path for path in left if _VENV_PYTHON.fullmatch(path.rpartition("/")[2]))
        left -= {path for path in pythons if disk.is_script(path)}
    return Snapshot(places=after.places, stamps={path: after.stamps[path] for path in left & after.stamps.keys()})


def steering(before: Snapshot) -> list[str]:
    """Return what steers Python in an environment: its configuration, and the commands that a venv tool makes."""
    folder = f"{before.places.command_folder}/"
    commands = (path for path in before.stamps if path.startswith(folder))
    found = [path for path in commands if _VENV_COMMANDS.fullmatch(path.removeprefix(folder))]
    return [*found, *(before.places.configuration & before.stamps.keys())]


def compare(
    before: Snapshot,
    after: Snapshot,
    released: Mapping[tuple[str, str], Sequence[Release]],
    *,
    compiled: bool,
    local: Collection[str] = (),
    unfaithful: Unfaithful = lambda _files: frozenset(),
    thorough: bool = False,
    content: Content = lambda _paths: {},
) -> tuple[Finding, ...]:
    """Say what changed between two snapshots without a released file that accounts for it; sorted, each once.

    `released` is keyed by (normalised name, normal version) and holds every file that was let through;
    one that fits is enough, and an sdist fits by name and version alone: pass one only if it was built.
    `compiled`: this run's tool writes bytecode (pip does, uv on request).
    `local` are names of first-party projects, whose content is not compared. Distributions and files
    that did not change are not looked at. `unfaithful` gets (bytecode, source) paths of new bytecode that no
    installer wrote down, and returns those whose bytecode is not what the source compiles to. With `thorough` it gets
    what an installer wrote down too: who could change the bytecode since could change RECORD as well. `content` may
    know the digests of some of many files, as they are now; what it leaves out is hashed one by one.
    """
    if all(before.stamps.get(path) == stamp for path, stamp in after.stamps.items()):
        return ()
    comparison = _Comparison(before, after, compiled=compiled, thorough=thorough)
    judged = [(one, released.get((one.name, one.version), ())) for one in comparison.changed if one.name not in local]
    comparison.content = content(comparison.whole(judged))
    checked = [comparison.against(one, releases) for one, releases in judged]
    found = {*chain.from_iterable(checked), *comparison.rest()}
    told = {one.path for one in found}  # what a changed source was compiled to is no news
    compiled_to = (one for one in comparison.bytecode(unfaithful) if source_of(one.path) not in told)
    return tuple(sorted({*found, *compiled_to}))


class _Comparison:
    def __init__(self, before: Snapshot, after: Snapshot, *, compiled: bool, thorough: bool) -> None:
        self.before, self.after, self.compiled, self.thorough = before.stamps, after.stamps, compiled, thorough
        self.roots = after.places.roots
        self.command_folder = after.places.command_folder
        self.data = os.path.realpath(after.places.data)
        self.watched = (*(f"{root}/" for root in self.roots), f"{self.command_folder}/")
        self.folders = after.places.python_folders
        self.configuration = after.places.configuration
        self.inside: dict[str, list[str]] = {}
        for root in self.roots:
            for path in self.after:
                if path.startswith(root + os.sep):
                    top, below, _ = path[len(root) + 1 :].partition(os.sep)
                    if below and top.endswith(".dist-info"):
                        self.inside.setdefault(f"{root}{os.sep}{top}", []).append(path)
        self.moved = {path for path, stamp in self.after.items() if self.before.get(path) != stamp}
        moved_infos = {path.rpartition("/")[0] for path in self.moved if ".dist-info/" in path}
        self.changed: list[_Installed] = []
        self.claims: dict[str, list[tuple[_Installed, Row]]] = {}
        self.fresh: set[str] = set()
        self.grown: set[tuple[str, str]] = set()
        self.content: Mapping[str, str | None] = {}
        for root, info in after.infos():
            claimed = disk.rows(root, info, after.places.beside)
            one = _Installed(*after.identity(info), root, info, claimed or (), claimed is not None)
            for row in one.rows:
                self.claims.setdefault(row.path, []).append((one, row))
            if any(folder == info or folder.startswith(info + "/") for folder in moved_infos):
                self.changed.append(one)
                self.fresh.add(info)

    # -- distributions that this run added or changed

    def whole(self, judged: Sequence[tuple[_Installed, Sequence[Release]]]) -> list[str]:
        """Return the files that `against` will hash from their first byte, each once."""
        placed = (
            self._place(one, member)
            for one, releases in judged
            for release in releases
            for member in release.members
            if member not in release.script_tails
        )
        return [path for path in dict.fromkeys(placed) if path in self.after]

    def against(self, one: _Installed, releases: Sequence[Release]) -> list[Finding]:
        """Compare with each release; the one that fits best speaks."""
        if not one.readable:
            return [self._finding(one, one.info, "unexpected-file", "its RECORD is missing or damaged")]
        if not releases:
            text = f"`{one.name}` {one.version} was not released in this run"
            return [self._finding(one, one.info, "unexpected-file", text)]
        best: list[Finding] | None = None
        for release in sorted(releases, key=lambda one: one.kind != "wheel"):
            found = list(self._wheel(one, release)) if release.kind == "wheel" else []
            if best is None or len(found) < len(best):
                best = found
        return best or []

    def _wheel(self, one: _Installed, release: Release) -> Iterator[Finding]:
        wrappers = {f"{self.command_folder}/{name}": target for name, target in self._commands(one, release)}
        placed = [(self._place(one, member), member) for member in release.members]
        gone = {member for path, member in placed if path not in self.after} & _ready_made(release)
        expected = dict(placed)
        for path, member in placed:
            if member in gone:
                continue
            found = list(self._member(one, release, member, path))
            # pip compiles again what a wheel brings compiled
            yield from () if found and self._is_compiled(path, expected) else found
        unmoved = {f"{one.root}/{member}" for member in gone} - self.after.keys()
        own = {f"{one.info}/{name}" for name in _INSTALLERS_OWN}
        for path, target in wrappers.items():
            if path in self.after and not self._is_wrapper(path, target):
                text = self._shared(one, path) or what_else(disk.read(path, WRAPPER_BYTES), target, self.folders)
                yield self._finding(one, path, "hash-mismatch", f"{_in(path)} {text}")
        for path in {*(row.path for row in one.rows), *self.inside.get(one.info, ())}:
            if path in expected or path in own or path in wrappers or path in unmoved:
                continue
            if self._is_bytecode(path, expected):
                continue
            yield self._finding(one, path, "unexpected-file", f"{_in(path)} is not in the released file")

    def _commands(self, one: _Installed, release: Release) -> Iterator[tuple[str, str]]:
        yield from release.scripts.items()
        pattern = _NUMBERED.get(one.name)
        plain = {"pip": "pip", "setuptools": "easy_install"}.get(one.name, "")
        for row in one.rows if pattern and plain in release.scripts else ():
            folder, _, name = row.path.rpartition("/")
            if folder == self.command_folder and pattern and pattern.fullmatch(name):
                yield name, release.scripts[plain]

    def _place(self, one: _Installed, member: str) -> str:
        """Return the absolute path where a wheel's member belongs."""
        top, _, rest = member.partition("/")
        if not top.endswith(".data"):
            return f"{one.root}/{member}"
        scheme, _, at = rest.partition("/")
        if scheme == "scripts":
            return f"{self.command_folder}/{at}"
        if scheme == "data":
            return self.data + f"/{at}"
        if scheme == "headers":
            # tools differ in the folder, so it is the one that they wrote down
            ends = f"/{at}"
            found = (row.path for row in one.rows if "/include/" in row.path and row.path.endswith(ends))
            return min(found, key=len, default=f"{one.root}/{member}")
        return next((p for r in self.roots if (p := f"{r}/{at}") in self.after), f"{one.root}/{at}")

    def _member(self, one: _Installed, release: Release, member: str, path: str) -> Iterator[Finding]:
        top, _, name = member.partition("/")
        if name in _MAY_BE_LEFT_OUT and top.endswith(".dist-info"):
            return
        stamp = self.after.get(path)
        if path.startswith(self.watched) and (stamp is None or not stamp.regular):
            what = "is missing" if stamp is None else "is a link"
            yield self._finding(one, path, "hash-mismatch", f"{_in(member)} {what}")
            return
        tail = release.script_tails.get(member)
        skip = 0
        if tail is not None:
            head = (disk.read(path, disk.RECORD_BYTES) or b"")[:WRAPPER_BYTES]
            skip = head_length(head, self.folders, options=True) or 0
        digest = self.content[path] if path in self.content and not skip else look.sha256(path, skip=skip)
        if digest != (tail if skip and tail else release.members[member]):
            text = self._shared(one, path) or "is not the released one"
            yield self._finding(one, path, "hash-mismatch", f"{_in(member)} {text}")

    def _shared(self, one: _Installed, path: str) -> str | None:
        """Say who else claims a file: one place cannot hold the bytes of both."""
        others = [f"{other.name} {other.version}" for other, _ in self.claims.get(path, ()) if other.name != one.name]
        return f"is a file of {', '.join(others)} too, with other bytes" if others else None

    def _is_wrapper(self, path: str, target: str) -> bool:
        raw = disk.read(path, WRAPPER_BYTES)
        return raw is not None and is_wrapper(raw, target, self.folders)

    def _is_compiled(self, path: str, sources: Collection[str]) -> bool:
        """Whether it may be bytecode that this run's tool has put in place of a wheel's own; `bytecode` looks at it."""
        source = source_of(path)
        stamp = self.after.get(path)
        if not self.compiled or source not in sources or source is None or stamp is None or not stamp.regular:
            return False
        self.grown.add((path, source))
        return True

    def _is_bytecode(self, path: str, sources: Collection[str]) -> bool:
        source = source_of(path)
        if not self.compiled or source not in sources:
            return False
        if self.thorough and source is not None and path in self.after:
            self.grown.add((path, source))
        return True

    # -- everything else that changed

    def rest(self) -> Iterator[Finding]:
        """Judge changed files that no distribution of this run accounts for."""
        created = not self.before
        lock = self.data + "/.lock"
        for path in self.moved:
            if path in self.configuration:
                if not (created and path.endswith(disk.VENV_CONFIGURATION)):
                    yield Finding("", "", path, "unexpected-file", f"{_in(path)} was written, no package may bring it")
                continue
            if path == lock and self.after[path].regular and self.after[path].size == 0:
                continue  # uv's own, where packages and prefix are one folder
            owners = self.claims.get(path, ())
            for one, row in owners:
                if one.info not in self.fresh and not self._replaced(one, owners) and not self._still(path, row):
                    text = self._shared(one, path) or "was changed, and not by a release of it"
                    yield self._finding(one, path, "hash-mismatch", f"{_in(path)} {text}")
            if owners or self._in_fresh(path) or self._grown(path) or (created and self._of_venv(path)):
                continue
            if path in self.before:
                yield Finding("", "", path, "hash-mismatch", f"{_in(path)} was changed and belongs to no package")
            else:
                yield Finding("", "", path, "unexpected-file", f"{_in(path)} belongs to no package")

    def _replaced(self, older: _Installed, owners: Sequence[tuple[_Installed, Row]]) -> bool:
        """Whether another release of the same name has its files now: pip's `--target` leaves old `.dist-info`."""
        return any(one.info in self.fresh and one.name == older.name for one, _ in owners)

    def _still(self, path: str, row: Row) -> bool:
        """Whether an older distribution's file is what its RECORD, which did not change, says."""
        if row.sha256 is None:
            return self._grown(path)
        return look.sha256(path) == row.sha256

    def _in_fresh(self, path: str) -> bool:
        """Whether `against` has told of it already."""
        return any(path.startswith(info + "/") for info in self.fresh)

    def _grown(self, path: str) -> bool:
        """Whether it may be bytecode that Python writes by itself; `bytecode` looks at what it holds."""
        source = source_of(path)
        if source is None or source not in self.after:
            return False
        if any(one.info in self.fresh for one, _ in self.claims.get(source, ())):
            may = self.compiled
        else:
            may = source in self.before and source not in self.moved
        if may and path in self.moved:
            self.grown.add((path, source))
        return may

    def bytecode(self, unfaithful: Unfaithful) -> Iterator[Finding]:
        """Judge the bytecode that `rest` left aside, all at once."""
        for path in unfaithful(self.grown) if self.grown else ():
            yield Finding("", "", path, "hash-mismatch", f"{_in(path)} is not what its source compiles to")

    def _of_venv(self, path: str) -> bool:
        """Whether it is a file of a new environment itself."""
        folder, _, name = path.rpartition("/")
        if folder == self.command_folder:
            return _VENV_COMMANDS.fullmatch(name) is not None
        return folder in self.roots and name in _VENV_SITE

    def _finding(self, one: _Installed, path: str, reason: Reason, text: str) -> Finding:
        return Finding(one.name, one.version, path, reason, text)


def places_of(release: Release, places: Places) -> frozenset[str]:
    """Return where installers may put anything of a released wheel, its `.dist-info` among it."""
    found = {f"{places.command_folder}/{name}" for name in release.scripts}
    for member in release.members:
        top, _, rest = member.partition("/")
        scheme, _, at = rest.partition("/")
        for root in places.roots:
            if top.endswith(".dist-info"):
                found |= {f"{root}/{top}", *(f"{root}/{top}/{name}" for name in _INSTALLERS_OWN)}
            if not top.endswith(".data"):
                found.add(f"{root}/{member}")
            else:
                found.add(f"{places.command_folder if scheme == 'scripts' else root}/{at}")
    return frozenset(found)


def _ready_made(release: Release) -> frozenset[str]:
    """Return the scripts that a wheel brings ready-made for its own commands: tools write theirs, and note both."""
    found = ((member, _READY_MADE.fullmatch(member)) for member in release.members)
    return frozenset(member for member, match in found if match is not None and match["command"] in release.scripts)


def source_of(path: str) -> str | None:
    """Return the source that bytecode in `__pycache__` is of, or None."""
    folder, _, name = path.rpartition("/")
    parent, _, last = folder.rpartition("/")
    match = _BYTECODE.fullmatch(name)
    return f"{parent}/{match['stem']}.py" if match is not None and last == "__pycache__" else None


def _in(path: str) -> str:
    """Return a path for a message, controls escaped."""
    shown = "".join(c if c.isprintable() and c != "`" else c.encode("unicode_escape").decode() for c in path)
    return f"`{shown}`"
