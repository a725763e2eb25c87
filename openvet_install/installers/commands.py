"""What an installer was asked for, understood: one closed value per run, made before anything starts."""

from __future__ import annotations

import os
import runpy
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from openvet_install.errors import TMPDIR_HINT, ConfigError
from openvet_install.installers.choice import Program  # noqa: TC001 - part of the public value
from openvet_install.installers.mirror import STDOUT, Mirrored, PrivateCopy, Written, write_private
from openvet_install.installers.projects import Project
from openvet_install.installers.sources import Archive, Links, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.mirror import Compiled
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_resolve import Resolution
    from openvet_install.installers.uv_sync import Locked

COMMAND_LINE = "command line"
REQUIREMENTS, CONSTRAINTS, BUILD_CONSTRAINTS = "requirements", "constraints", "build-constraints"
OVERRIDES = "overrides"
WITH_REQUIREMENTS = "with-requirements"
INPUT_FLAGS = {
    "pip": {
        REQUIREMENTS: "--requirement",
        CONSTRAINTS: "--constraint",
        BUILD_CONSTRAINTS: "--build-constraint",
    },
    "uv": {
        REQUIREMENTS: "--requirements",
        CONSTRAINTS: "--constraints",
        BUILD_CONSTRAINTS: "--build-constraints",
        OVERRIDES: "--overrides",
        "excludes": "--excludes",
        WITH_REQUIREMENTS: "--with-requirements",
    },
}
"""The flag with which a tool takes each kind of requirement-like file; the first flag of our tables."""
REMOVAL_TRIES = 40
REMOVAL_PAUSE = 0.05  # seconds


class Login(NamedTuple):
    """User and password as a URL says them, unquoted; what it does not say is empty. Not in `repr()`."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Login(…)"


class Index(NamedTuple):
    """A package index that the tool will ask. `url` has no login; `origin` says who configured it.

    `default`: it takes the place of the public index. `explicit`: uv asks it only for packages tied to it. `login` is
    what its address said beside `url`.
    """

    url: str
    origin: str
    name: str | None = None
    default: bool = False
    explicit: bool = False
    login: Login | None = None

    @property
    def plain_http(self) -> str | None:
        """`host:port` of an index without TLS, else None."""
        parts = urlsplit(self.url)
        if parts.scheme != "http":
            return None
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or 80}"


class Requested(NamedTuple):
    """One requirement that a person wrote: `origin` is `command line` or `FILE:LINE`; `hashes` are `alg:hex`.

    With a `source` the requirement only repeats its name, version, extras and marker.
    """

    requirement: Requirement
    origin: str
    hashes: tuple[str, ...] = ()
    source: Source | None = None

    def line(self, folder: Path | None = None) -> str:
        """Return the one line that a requirements file would hold; `folder` is the run's, for archives."""
        return " ".join((self.word(folder), *(f"--hash={value}" for value in self.hashes)))

    def word(self, folder: Path | None = None) -> str:
        """Return the requirement as one argument."""
        wanted = self.requirement
        if self.source is None or folder is None:
            return str(wanted)
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        marker = f" ; {wanted.marker}" if wanted.marker else ""
        return f"{wanted.name}{extras} @ {self.source.address(folder)}{marker}"


class Nested(NamedTuple):
    """A line that names another file: its flag, what was written there, and which file that is."""

    flag: str
    written: str
    path: str


class Line(NamedTuple):
    """A line that names a folder, or an archive, of this machine."""

    text: str
    named: Project | Source


class Part(NamedTuple):
    """One of the files that an input is made of: `path` as it was named, relative to the working folder, and lines."""

    path: str
    lines: tuple[str | Nested | Line, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A requirement-like file, read once with all that it names: `path` as typed, `kind` a key of `INPUT_FLAGS`.

    `lines` are its requirements and options in their order, flattened; options may hold logins: not in `repr()`.
    `indexes` are those that the options name, `links` what `--find-links` names, `projects` folders: words of
    the whole command. `parts` are the same lines file by file, links left out. `given`: what the tool gets instead.
    """

    path: str
    lines: tuple[Requested | str, ...] = field(repr=False)
    kind: str = REQUIREMENTS
    indexes: tuple[Index, ...] = ()
    links: tuple[Links, ...] = ()
    projects: tuple[Project, ...] = ()
    parts: tuple[Part, ...] = field(default=(), repr=False, compare=False)
    given: PrivateCopy | None = field(default=None, repr=False)

    @property
    def requested(self) -> tuple[Requested, ...]:
        """The requirements alone."""
        return tuple(line for line in self.lines if isinstance(line, Requested))

    @property
    def options(self) -> tuple[str, ...]:
        """The options alone, line by line."""
        return tuple(line for line in self.lines if isinstance(line, str))

    def text(self, folder: Path | None = None) -> str:
        """Return the flattened copy that the tool reads instead of the user's files; `folder` is the run's."""
        return "".join(f"{line if isinstance(line, str) else line.line(folder)}\n" for line in self.lines)


class Making(NamedTuple):
    """An empty environment, also in place of another: the interpreter that it is made of, and what it calls itself.

    `began_ns`: the moment by the clock before uv was asked for it.
    """

    python: str
    prompt: str
    began_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A command of pip or uv, ready to run under the gate.

    `words`: the command, `("pip", "install")` for uv. `program` starts the tool, `argv` follows it; what is no text in
    `argv` stands for private copies. `environment` is the child's before `gateway_variables`. `requested` is what
    people want, `limits` what their constraints allow of it, `overrides` what counts in place of all that is asked of
    a package. `dropped`: names of variables, or places of keys, without effect here, to be named once. `trusted`:
    `host:port` of plain-http indexes that the user trusts (pip needs to be told). `selects`: a file says which files of
    a release to take. `formats`: what uv's files say of wheels and sdists, as options and their values. `output`: the
    folder that gets archives instead of the target, absolute. `bare_files`: requirement files stand without a flag.
    `written`: files that people told the tool to write, without links.
    `locked`: the lock that is worked from, `resolution` what a command writes.
    `builds_in`: the environment whose packages builds use. `alone`: the target is of this run alone; `anew`: what lies
    in it is removed first; `remade`: the tool makes it anew, of the Python that `target` says, if it comes to that.
    `make`: how it is made before the tool starts, None where it stays. `compiled`: the tool works in a mirror of the
    user's folders. `houses`: folders with files of the lock, absolute. `warnings`: what a person should know about what
    was asked. `tentative`: where it comes to nothing another plan follows, and only that is told of. `names_sources`:
    the file, absolute, that says where archives of this machine lie, `-` for the standard output. `heeds_installed`:
    the tool goes by what installed packages ask for, wherever that leads. `argv` and `environment` may hold logins: not
    in `repr()`.
    """

    tool: str
    version: str
    words: tuple[str, ...]
    typed: tuple[str, ...]
    program: tuple[str, ...]
    helper: Program | None
    argv: tuple[str | Archive | Input | Links | Mirrored | PrivateCopy | Project | Requested, ...] = field(repr=False)
    cwd: str
    target: Target
    requested: tuple[Requested, ...]
    limits: tuple[Requested, ...] = ()
    overrides: tuple[Requested, ...] = ()
    inputs: tuple[Input, ...]
    indexes: tuple[Index, ...]
    environment: Mapping[str, str] = field(repr=False)
    upstream: UpstreamSettings
    dropped: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    dry_run: bool = False
    requires_hashes: bool = False
    selects: bool = False
    formats: tuple[tuple[str, str], ...] = ()
    output: str | None = None
    bare_files: bool = False
    written: tuple[str, ...] = ()
    locked: Locked | None = None
    resolution: Resolution | None = None
    builds_in: Target | None = None
    alone: bool = False
    anew: bool = False
    remade: bool = False
    make: Making | None = None
    compiled: Compiled | None = None
    houses: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tentative: bool = False
    names_sources: str | None = None
    heeds_installed: bool = False

    def command(self, folder: Path) -> tuple[str, ...]:
        """Write the private copies into `folder` (of this run, 0700) and return the whole command."""
        found = [*self.program]
        if self.compiled is not None:
            self.compiled.mirror.write(folder)
        for item in self.argv:
            if isinstance(item, str):
                found.append(item)
                continue
            if isinstance(item, (Archive, Requested, PrivateCopy, Mirrored)):
                found.append(item.word(folder))
                continue
            if isinstance(item, Project):
                found += item.words
                continue
            if isinstance(item, Links):
                found += item.words(folder)
                continue
            path = folder / f"{item.kind}-{len(found)}.txt"
            write_private(path, item.text(folder))
            bare = self.bare_files and item.kind == REQUIREMENTS
            found.append(str(path) if bare else f"{INPUT_FLAGS[self.tool][item.kind]}={path}")
        return tuple(found)

    def place(self, folder: Path) -> str:
        """Return where the tool works."""
        return self.cwd if self.compiled is None else self.compiled.mirror.place(folder)

    def written_in(self, folder: Path) -> Written | None:
        """Return what the tool has written that only the user may get."""
        said = folder / STDOUT
        shown = Written(self.for_people(said.read_bytes(), folder), {}) if self._shows and said.exists() else None
        return shown if self.compiled is None else self.compiled.mirror.read(folder)

    def for_people(self, raw: bytes, folder: Path) -> bytes:
        """Return what a tool has written, with the names that people gave in place of those of our copies."""
        named: tuple[Links | Source, ...] = (
            *links_of(self.argv),
            *(one.source for one in self.requested if one.source is not None),
        )
        for copy, own in (pair for one in named if one.path is not None for pair in one.names(folder)):
            raw = raw.replace(os.fsencode(copy), os.fsencode(own))
        return raw

    def streams(self, folder: Path) -> dict[str, str]:
        """Return the files that stand for standard streams of the tool."""
        shown = {STDOUT: str(folder / STDOUT)} if self._shows else {}
        return shown if self.compiled is None else self.compiled.mirror.streams(folder)

    @property
    def _shows(self) -> bool:
        """Whether the tool says on its standard output how it was asked, or what it was given."""
        return self.names_sources == "-" or (self.resolution is not None and self.resolution.header is not None)


@contextmanager
def private_folder(prefix: str = "openvet-") -> Iterator[Path]:
    """Make a folder of this user alone for one run, and remove it. Raises `ConfigError` where there is no place."""
    try:
        folder = tempfile.mkdtemp(prefix=prefix)
    except OSError as error:
        words = error.strerror or str(error)
        raise ConfigError(f"no folder for temporary files: {words}", hint=TMPDIR_HINT) from error
    try:
        yield Path(folder)
    finally:
        _remove(folder)


def _remove(folder: str) -> None:
    """Remove a folder in which a tool that was interrupted may still be cleaning up."""
    for _ in range(REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(REMOVAL_PAUSE)


def default_index(origin: str) -> Index:
    """Return the public index, whose address is pip's own constant."""
    return Index(url=_of_pip(), origin=origin, default=True)


@cache
def _of_pip() -> str:
    """Return the address, from the one file of pip that has it: importing pip takes as long as asking uv."""
    found = find_spec("pip")
    [folder] = (found and found.submodule_search_locations) or [""]
    constants = runpy.run_path(str(Path(folder, "_internal", "models", "index.py")))
    return str(constants["PyPI"].simple_url)


def without_login(url: str) -> str:
    """Return the URL, or any text with one in it such as `--index=name=URL`, without user and password."""
    before, mark, after = url.partition("://")
    if not mark:
        return url
    authority, slash, path = after.partition("/")
    return before + mark + authority.rpartition("@")[2] + slash + path


def http_url(text: str) -> str | None:
    """Return the URL of an index without login and fragment, or None unless it is http(s) with a proper host.

    In capitals it is none: to uv `HTTP://host` names a folder.
    """
    if (
        not text.startswith(("http://", "https://"))
        or not text.isascii()
        or any(ord(char) <= 0x20 or char in '\\"<>' for char in text)
    ):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.netloc.endswith(":") or port == 0:
        return None
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def not_web(variable: str, text: str) -> ConfigError:
    """Say that a variable names an index that is none of the web's."""
    shown = without_login(text)
    return ConfigError(f"`{variable}`: `{shown}` is not an http or https URL", hint="folders are not gated yet")


def login_of(text: str) -> Login | None:
    """Return the login in the URL of an index, None if it has none."""
    authority = text.partition("://")[2].partition("/")[0]
    user, at, _ = authority.rpartition("@")
    name, _, password = user.partition(":")
    return Login(unquote(name), unquote(password)) if at else None


def links_of(argv: Iterable[object]) -> tuple[Links, ...]:
    """Return what `--find-links` names in a command."""
    return tuple(one for one in argv if isinstance(one, Links))


def projects_of(argv: Iterable[object]) -> tuple[Project, ...]:
    """Return the folders that a command installs as they are."""
    return tuple(one for one in argv if isinstance(one, Project))


def folders_in(argv: Iterable[object]) -> frozenset[str]:
    """Return the folders among it."""
    return frozenset(one.path for one in links_of(argv) if one.path is not None)


def pages_of(argv: Iterable[object]) -> list[str]:
    """Return the pages among it, without login."""
    return [without_login(one.url) for one in links_of(argv) if one.path is None]


def has_archives(plan: Plan) -> bool:
    """Tell whether a command names archives or folders of them on this machine, or takes them from its output."""
    kept = plan.output is not None
    named = any(one.source is not None and (kept or one.source.path is not None) for one in plan.requested)
    return named or bool(folders_in(plan.argv))


def requested_of(inputs: Iterable[Input], *kinds: str) -> tuple[Requested, ...]:
    """Return the requirements of all files of these kinds."""
    return tuple(one for source in inputs if source.kind in kinds for one in source.requested)


def require_hashes(inputs: Iterable[Input], *, listed: bool = True) -> bool:
    """Tell whether a file makes the tool ask for hashes; with `listed` one hash is enough, as in pip."""
    if listed and any(one.hashes for one in requested_of(inputs, REQUIREMENTS)):
        return True
    return any("--require-hashes" in option.split() for source in inputs for option in source.options)


def choose_files(inputs: Iterable[Input]) -> bool:
    """Tell whether a file says which files of a release to take."""
    return any("--no-binary" in option.split() for source in inputs for option in source.options)


def names_sdist(requested: Iterable[Requested]) -> bool:
    """Tell whether people named an sdist: the tool builds it although a wheel may fit."""
    return any(one.source is not None and not one.source.filename.endswith(".whl") for one in requested)


def words_of(typed: Sequence[Requested], first: tuple[str, ...] = ()) -> tuple[str | Requested, ...]:
    """Return what stands behind the options of a command, `first` in front of it."""
    words = (*first, *(one.word() if one.source is None else one for one in typed))
    return ("--", *words) if words else ()


def with_files(indexes: Sequence[Index], inputs: Iterable[Input]) -> tuple[Index, ...]:
    """Return the indexes of a command and of its files; none where a file says so."""
    sources = tuple(inputs)
    if any("--no-index" in option.split() for source in sources for option in source.options):
        return ()
    return (*indexes, *(index for source in sources for index in source.indexes))
