"""Values of a lock file, and the small readers that uv.lock and pylock.toml share.

Faults of the file itself (not readable, not TOML, an unsupported version, a missing or wrongly typed
key) are `LockError` (64: an input that we do not take). A hash or wheel name that cannot be what it
claims is `LockContentError` (65).
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - a runtime annotation of dataclasses
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.errors import InvalidError, UsageError, both_sides
from openvet_install.files import File, FilenameError, filename_of, names_folder, parse_filename
from openvet_install.installers import toml

if TYPE_CHECKING:
    from collections.abc import Sequence

SourceKind: TypeAlias = Literal[
    "registry", "path", "editable", "virtual", "directory", "git", "url", "vcs", "archive", "unknown"
]
LockKind: TypeAlias = Literal["uv", "pylock"]

LOCAL_KINDS: frozenset[SourceKind] = frozenset({"editable", "virtual", "directory"})
DEFAULT_GROUPS = ("dev",)
MAX_LOCK_BYTES = 64_000_000
MAX_SHOWN = 100  # characters of a wrong value

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z?", re.ASCII)
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''", re.DOTALL)
_T = TypeVar("_T")


class LockError(UsageError):
    """A lock file that cannot be read, or is of a version or shape that we do not know."""


class OtherTargetError(LockError):
    """A lock that is not made for the target."""


class LockContentError(InvalidError):
    """An entry of a lock that contradicts itself: a malformed hash, a wheel named after something else."""


class Source(NamedTuple):
    """Where an entry comes from; `location` is the URL or path as the lock writes it, without login."""

    kind: SourceKind
    location: str = ""


class Dependency(NamedTuple):
    """An edge of the graph: `version` and `source` only where the lock needs them to tell forks apart."""

    name: str
    version: str | None = None
    source: Source | None = None
    extras: tuple[str, ...] = ()
    marker: Marker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One entry: `line` is where it begins in the file (1 = first, None where that is not known).

    `version` is empty where the lock states none. `markers`: in a pylock all must hold for the entry to be
    installed; in a uv.lock they name the forks it belongs to (any). `files` have `index` set to the
    registry's URL or path; a file in a local folder has a `file:` URL. `own_groups` are those that it has, empty ones
    among them.
    """

    name: str
    version: str
    line: int | None
    source: Source
    files: tuple[File, ...] = ()
    markers: tuple[Marker, ...] = ()
    requires_python: str | None = None
    dependencies: tuple[Dependency, ...] = ()
    extras: Mapping[str, tuple[Dependency, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[Dependency, ...]] = field(default_factory=dict)
    own_groups: frozenset[str] = frozenset()
    default_groups: tuple[str, ...] | None = None

    @property
    def is_local(self) -> bool:
        """Whether this is a folder of the user's own: an editable, virtual or directory source."""
        return self.source.kind in LOCAL_KINDS

    @property
    def is_archive_here(self) -> bool:
        """Whether this is an archive of this machine: an entry of a pylock with nothing beside it."""
        return self.source.kind == "archive" and [one.url[:5] for one in self.files] == ["file:"]


class ByUv(NamedTuple):
    """What uv's configuration makes of a lock.

    `built`: what it wants built, as in `Wanted`; `sure`: so its wheels count for nothing. `wanted`: the parts of a
    pylock that `uv pip` takes, `python` and `platform` for which it chooses files; None where nothing is said.
    `adds`: it installs more than a file of requirements lists.
    """

    built: frozenset[str] | bool = False
    sure: bool = True
    wanted: Wanted | None = None
    python: str | None = None
    platform: str | None = None
    adds: bool = False

    def builds(self, name: str) -> bool:
        """Whether uv is told to build this package."""
        return self.built if isinstance(self.built, bool) else canonicalize_name(name) in self.built


NOTHING_SAID = ByUv()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock file that was read whole.

    `environments` (markers) and `requires_python` bound the targets it is for. `project` is the name in the
    pyproject.toml beside a uv.lock. `members` are the workspace's (uv; empty for a single project);
    `requirements` and `groups` are those of a lock without a project (a script, or a workspace root that
    is no package). `build_constraints` have a name and a source: uv builds with what that gives, whatever the rest of
    the lock says. `extras` are those that a pylock was made for. `default_groups` comes from the pyproject.toml
    beside a uv.lock, or from the pylock itself; None where nothing is said, `("*",)` for all. Without `conflicts` no
    marker of a uv.lock sees what is active. `loose`: addresses of files with hashes by several algorithms, any of which
    is enough for the tools. `by_uv`: what uv's configuration makes of it.
    """

    path: Path
    kind: LockKind
    packages: tuple[LockedPackage, ...]
    project: str | None = None
    requires_python: str | None = None
    environments: tuple[Marker, ...] = ()
    extras: tuple[str, ...] = ()
    default_groups: tuple[str, ...] | None = None
    members: tuple[str, ...] = ()
    requirements: tuple[Dependency, ...] = ()
    groups: Mapping[str, tuple[Dependency, ...]] = field(default_factory=dict)
    build_constraints: tuple[LockedPackage, ...] = ()
    conflicts: bool = False
    revision: int = 0
    loose: frozenset[str] = frozenset()
    by_uv: ByUv = NOTHING_SAID

    def where(self, package: LockedPackage) -> str:
        """Return `uv.lock:412`, ready for people."""
        return place(self.path, package.line)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file that the tool would take for an entry.

    `via` holds the names on the shortest way to it, from the root to the package that asks for it; empty
    when a root asks itself or the lock does not say.
    """

    file: File
    package: LockedPackage
    via: tuple[str, ...] = ()

    @property
    def line(self) -> int | None:
        """The line of the entry in the lock."""
        return self.package.line


@dataclass(frozen=True, slots=True)
class NotHere:
    """An entry that this target does not install; `why` is short: `win32`, `extra fast`, `group docs`."""

    name: str
    version: str
    why: str


class Selection(NamedTuple):
    """What one target would install: `files` from indexes, `direct` everything that has no index.

    `direct` are the folders, paths, archives and repositories among the reached entries, roots included.
    """

    files: tuple[Chosen, ...]
    not_here: tuple[NotHere, ...]
    direct: tuple[LockedPackage, ...]


class Wanted(NamedTuple):
    """What the user asked of the tool; the defaults are those of `uv sync` and of an installer of a pylock.

    `groups` None means the lock's default groups. `named_groups` are wanted beside those, of the workspace's root,
    too (`"*"` for all), `without_groups` in no case. `roots` are names of workspace members to start from; None
    the project in the lock's folder; with `every_member` they are all that there are. `no_binary` and `no_build` are
    normalised names that the user wants built, or never built; `True` means all. With `without_project` only the groups
    count.
    """

    extras: frozenset[str] = frozenset()
    groups: frozenset[str] | None = None
    named_groups: frozenset[str] = frozenset()
    without_groups: frozenset[str] = frozenset()
    roots: tuple[str, ...] | None = None
    every_member: bool = False
    no_binary: frozenset[str] | bool = False
    no_build: frozenset[str] | bool = False
    without_project: bool = False

    def must_build(self, name: str) -> bool:
        """Whether wheels of this package are out of the question."""
        return self.no_binary if isinstance(self.no_binary, bool) else name in self.no_binary

    @property
    def alone(self) -> bool:
        """Whether one member is wanted by itself, and not as all that there are."""
        return self.roots is not None and len(self.roots) == 1 and not self.every_member

    def never_builds(self, name: str) -> bool:
        """Whether no sdist of this package may be taken."""
        return self.no_build if isinstance(self.no_build, bool) else name in self.no_build


def place(path: Path, line: int | None) -> str:
    """Return `file:line`, or the file alone."""
    return path.name if line is None else f"{path.name}:{line}"


def load_toml(text: str, path: Path) -> dict[str, Any]:
    """Parse TOML; a fault is a `LockError` with its line."""
    try:
        return toml.loads(text.removeprefix("\ufeff"))
    except ValueError as error:
        line = getattr(error, "lineno", None)
        found = re.search(r"at line (\d+)", str(error))
        if line is None and found:
            line = int(found[1])
        msg = f"not TOML: {error}"
        raise LockError(msg, where=place(path, line), hint=both_sides(text)) from error
    except RecursionError as error:
        raise LockError("not TOML that can be read: nested too deeply", where=path.name) from error


def entry_lines(text: str, key: str, count: int) -> tuple[int | None, ...]:
    """Find the lines of the `[[key]]` headers; all None if they do not number `count` (odd layouts)."""
    plain = _STRING.sub(lambda match: "\n" * match[0].count("\n"), text)
    header = re.compile(rf"[ \t]*\[\[[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*\]\]")
    lines = tuple(number for number, line in enumerate(plain.split("\n"), 1) if header.match(line))
    return lines if len(lines) == count else (None,) * count


class Entry(NamedTuple):
    """A table of the lock with its place: typed access, faults with `file:line` and the key."""

    table: Mapping[str, Any]
    path: Path
    line: int | None = None
    name: str = ""

    def fail(self, what: str) -> NoReturn:
        """Raise a `LockError` about this entry."""
        raise LockError(f"{what}{f' in the entry of `{self.name}`' if self.name else ''}", where=self.where)

    @property
    def where(self) -> str:
        """`file:line` of the entry."""
        return place(self.path, self.line)

    def get(self, key: str, kind: type[_T]) -> _T | None:
        """Return the value of `key`, or None if it is absent; another type is a fault."""
        value = self.table.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(f"`{key}` is not what it should be ({kind.__name__})")
        return value

    def text(self, key: str) -> str:
        """Return the string under `key`; absent or empty is a fault."""
        return self.get(key, str) or self.fail(f"`{key}` is missing")

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the list of strings under `key`, empty if absent."""
        values = self.get(key, list) or []
        if not all(isinstance(value, str) for value in values):
            self.fail(f"`{key}` is not a list of strings")
        return tuple(values)

    def tables(self, key: str) -> tuple[Entry, ...]:
        """Return the list of tables under `key`, empty if absent."""
        return self.as_entries(key, self.get(key, list) or [])

    def lists(self, key: str) -> dict[str, tuple[Entry, ...]]:
        """Return a table whose values are lists of tables, such as extras or groups."""
        table: dict[str, Any] = self.get(key, dict) or {}
        return {name: self.as_entries(f"{key}.{name}", values) for name, values in table.items()}

    def as_entries(self, key: str, values: object) -> tuple[Entry, ...]:
        """Wrap a list of tables; anything else is a fault."""
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.fail(f"`{key}` is not a list of tables")
        return tuple(Entry(value, self.path, self.line, self.name) for value in values)

    def marker(self, key: str = "marker") -> Marker | None:
        """Return the environment marker under `key`."""
        text = self.get(key, str)
        return None if text is None else self.read_marker(text)

    def read_marker(self, text: str) -> Marker:
        """Parse a marker; a fault names the entry. What pip takes for an escape is a backslash to uv."""
        if "\\" in text:
            self.fail(f"the marker `{text}` holds a backslash")
        try:
            return Marker(text)
        except InvalidMarker:
            self.fail(f"`{text}` is not a marker")

    def file(self, *, version: str, index: str, filename: str, url: str, digest: str | None) -> File:
        """Build the file of an artefact entry.

        `digest` is hex as written. Raises `LockContentError` for a digest that is none and for a wheel whose
        name is not that of the entry: no tool takes such a lock.
        """
        sha256 = None if digest is None else digest.lower()
        if sha256 is not None and _SHA256.fullmatch(sha256) is None:
            raise LockContentError(f"not a sha256: `{digest}`, for `{filename}`", where=self.where)
        version = self._version_of(filename, version)
        return File(
            name=self.name,
            version=version,
            filename=filename,
            url=without_login(url),
            index=index,
            sha256=sha256,
            size=self.get("size", int),
            uploaded=self._uploaded(),
            claimed=True,
        )

    def _uploaded(self) -> datetime | None:
        value = self.table.get("upload-time")
        if isinstance(value, str):
            found = _TIME.fullmatch(value)
            try:
                value = datetime.fromisoformat(found[1]) if found else value
            except ValueError:
                self.fail(f"`upload-time` is not a time: `{value}`")
        if value is not None and not isinstance(value, datetime):
            self.fail("`upload-time` is not a time")
        return value.replace(tzinfo=timezone.utc) if value is not None and value.tzinfo is None else value

    def _version_of(self, filename: str, version: str) -> str:
        """Return the version that audits of a file name: its normal form; of a wheel that in its name, which counts."""
        if not filename.endswith(".whl"):
            return _normal(version)
        try:
            name, found, _ = parse_filename(filename)
        except FilenameError as error:
            raise LockContentError(f"not the name of a wheel: `{filename}`", where=self.where) from error
        if name != canonicalize_name(self.name) or (version and not same_version(found, version)):
            raise LockContentError(f"`{filename}` stands under {self.name} {version}", where=self.where)
        return found


def _normal(version: str) -> str:
    try:
        return str(Version(version))
    except ValueError:
        return version


def same_version(left: str, right: str) -> bool:
    """Compare as PEP 440 does, or as plain text where one is no version."""
    try:
        return Version(left) == Version(right)
    except ValueError:
        return left == right


def without_login(url: str, *, keep_fragment: bool = False) -> str:
    """Drop user, password and fragment from an absolute URL; return a path as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if not parts.scheme:
        return url
    fragment = parts.fragment if keep_fragment else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, fragment))


def locate(folder: Path, base: str, url: str | None, path: str | None) -> tuple[str, str] | None:
    """Return (absolute URL, file name) of an artefact that has a path below `base` or a URL, else None.

    Of both the path counts: the tools take it over the URL. Raises `LockContentError` for a URL that is none.
    """
    if path:
        local = (folder / base / path).absolute()
        return local.as_uri(), local.name
    if url:
        if names_folder(url):
            raise LockContentError(f"a folder inside an archive is not gated: `{url[:MAX_SHOWN]}`")
        try:
            joined = url if urlsplit(url).scheme else urljoin(base, url)
            return joined, filename_of(joined)
        except ValueError as error:
            raise LockContentError(f"not a URL: `{url[:MAX_SHOWN]}`") from error
    return None


def sha256_of(hashes: Mapping[str, str]) -> str | None:
    """Return the sha256 among tagged digests, whatever the case of the tag."""
    return next((digest for tag, digest in hashes.items() if tag.lower() == "sha256"), None)


def normal(names: Sequence[str]) -> tuple[str, ...]:
    """Normalise names of extras, groups or packages (PEP 503, PEP 685, PEP 735)."""
    return tuple(canonicalize_name(name) for name in names)
