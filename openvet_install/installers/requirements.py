"""Requirement-like files, read once (T03): each line is understood, everything that it names is read too.

Variables, encodings and relative paths follow pip's own reader (a test compares both); the tool never sees a file of
the user's, only a flattened copy made from what was understood here.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH119, PTH120, PTH122, PTH123

from __future__ import annotations

import codecs
import os
import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from openvet_install.errors import FaultsError, InstallError, UsageError
from openvet_install.installers.commands import (
    CONSTRAINTS,
    REQUIREMENTS,
    WITH_REQUIREMENTS,
    Index,
    Input,
    Line,
    Nested,
    Part,
    Requested,
    without_login,
)
from openvet_install.installers.lines import index_of, lines_of, options_in, read_requirement, written
from openvet_install.installers.projects import read_project
from openvet_install.installers.sources import NoFolderError, local_path, read_links
from openvet_install.installers.tokens import values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.projects import Project
    from openvet_install.installers.sources import Links
    from openvet_install.installers.tokens import Token

    class FetchOutside(Protocol):
        """Gets a text of at most `MAX_FILE_BYTES` from a URL on the user's way out; raises `InstallError`."""

        def __call__(self, url: str, *, upstream: UpstreamSettings) -> bytes:
            """Return the whole body."""


MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_FILES = 200

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_URL = re.compile(r"(?:https?|file):", re.IGNORECASE)
_SCRIPT = re.compile(rb"(?m)^# /// script\s*$")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_OTHER_KINDS = (".toml", ".py", ".cfg")
_INDEX_OPTIONS = ("--index-url", "--extra-index-url")
NOWHERE = "/nonexistent"
"""The working folder of what a file from elsewhere names by path."""


def no_way_out(url: str, *, upstream: UpstreamSettings | None = None) -> bytes:
    """Stand for a way out where there is none."""
    del upstream
    raise UsageError(f"`{without_login(url)}`: only files on disk can be read here")


class Reader:
    """Reads the files of one command; `fetch` gets those that are named by an http(s) URL.

    `passed_over`: places of `--find-links` where nothing is: uv stops there, pip goes on.
    """

    def __init__(
        self, cwd: str, environ: Mapping[str, str], fetch: Callable[[str], bytes] = no_way_out, *, stdin: bool = False
    ) -> None:
        """`cwd` is absolute, `environ` the user's; with `stdin` a file `-` is the standard input, as in uv."""
        self.cwd = cwd
        self._environ = environ
        self._fetch = fetch
        self._stdin = stdin
        self._left = MAX_FILES
        self.passed_over: list[str] = []

    def read(self, typed: Sequence[str], kind: str = REQUIREMENTS) -> tuple[Input, ...]:
        """Read files as typed, relative to the working folder; pipes and `<(…)` are read to their end.

        Returned are their flattened copies, and the constraints that their lines name. Raises `UsageError`, or
        `FaultsError` of them in the order of the lines, each with `FILE:LINE`.
        """
        found: list[Input] = []
        faults: list[InstallError] = []
        for path in self.named(typed, kind):
            whole = _Whole(self, path, kind, faults)
            whole.read(path, kind, ())
            found += whole.inputs()
        if faults:
            raise faults[0] if len(faults) == 1 else FaultsError(faults)
        return tuple(found)

    def named(self, typed: Sequence[str], kind: str) -> list[str]:
        """Return the files that have a name: to uv one without is none, except of requirements."""
        return [one for one in typed if one or kind == REQUIREMENTS or not self._stdin]

    def text(self, path: str, kind: str) -> str:
        """Return the text of one file. Raises `UsageError`, and what `fetch` raises."""
        self._left -= 1
        if self._left < 0:
            raise UsageError(f"more than {MAX_FILES} requirements files")
        base = os.path.basename(path)
        if base.endswith(_OTHER_KINDS) or (self._stdin and kind == REQUIREMENTS and names_script(path)):
            raise UsageError(f"`{base}` as {kind} file is not gated yet", hint="requirements.txt with names is")
        raw = self._fetch(path) if is_http(path) else self._on_disk(path, kind)
        if len(raw) > MAX_FILE_BYTES:
            raise UsageError(f"{kind} file `{without_login(path)}` is larger than {MAX_FILE_BYTES} bytes")
        if self._stdin and not os.path.splitext(path)[1] and _SCRIPT.search(raw):
            raise UsageError(f"`{path}` is a script with metadata of its own", hint="a script is named *.py here")
        return _decode(raw, without_login(path), kind)

    def links(self, values: Sequence[str], origin: str, base: str | None = None) -> tuple[Links, ...]:
        """Read `--find-links` as `read_links` does, and as pip does where nothing is."""
        found: list[Links] = []
        for value in values:
            try:
                found += read_links([value], self.cwd, origin, base)
            except NoFolderError as fault:
                if self._stdin:
                    raise
                self.passed_over.append(f"{fault.what}, so pip passes it over ({origin})")
        return tuple(found)

    def expand(self, line: str) -> str:
        """Put in the variables that are set, as the tools do. Raises `UsageError` for others: these might have them."""
        own = {"PROJECT_ROOT": self.cwd} if self._stdin else {}  # so uv alone calls the working folder
        found = _VARIABLE.sub(lambda match: self._environ.get(match[1]) or own.get(match[1]) or match[0], line)
        if (left := _VARIABLE.search(found)) is not None:
            raise UsageError(f"the environment variable `{left[0]}` is not set")
        return found

    def _on_disk(self, path: str, kind: str) -> bytes:
        if path == "-" and self._stdin:
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        try:
            with open(os.path.join(self.cwd, local_path(path)), "rb") as stream:
                return stream.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            raise UsageError(f"could not open {kind} file: {error}") from error


class _Whole:
    """One typed file with everything that its lines name."""

    def __init__(self, reader: Reader, typed: str, kind: str, faults: list[InstallError]) -> None:
        self._reader, self._typed, self._kind, self._faults = reader, typed, kind, faults
        self._lines: dict[str, list[Requested | str]] = {kind: []}
        self._indexes: list[Index] = []
        self._links: list[Links] = []
        self._projects: list[Project] = []
        self._parts: dict[str, list[str | Nested | Line]] = {}

    def inputs(self) -> tuple[Input, ...]:
        typed = without_login(self._typed)
        parts = tuple(Part(path, tuple(lines)) for path, lines in self._parts.items())
        named = (tuple(self._indexes), tuple(self._links), tuple(self._projects), parts)
        return tuple(
            Input(typed, tuple(lines), kind, *(named if kind == self._kind else ((), (), (), ())))
            for kind, lines in self._lines.items()
        )

    def read(self, path: str, kind: str, inside: tuple[str, ...], origin: str | None = None) -> None:
        try:
            if path in inside:
                raise UsageError(f"`{without_login(path)}` names itself")
            text = self._reader.text(path, kind)
        except InstallError as fault:
            if origin is not None and fault.where is None:
                fault.where = origin
            self._faults.append(fault)
            return
        self._parts[path] = []
        for number, joined in self._joined(text, path):
            at = f"{without_login(path)}:{number}"
            try:
                self._line(self._reader.expand(joined), path, kind, at, (*inside, path))
            except UsageError as fault:
                fault.where = fault.where or at
                self._faults.append(fault)

    def _joined(self, text: str, path: str) -> Iterator[tuple[int, str]]:
        try:
            yield from lines_of(text)
        except UsageError as fault:
            fault.where = without_login(path)
            self._faults.append(fault)

    def _line(self, line: str, path: str, kind: str, at: str, inside: tuple[str, ...]) -> None:
        if not line.startswith("-"):
            cwd = NOWHERE if is_http(path) else self._reader.cwd
            project = read_project(line, cwd, at)
            if project is not None:
                self._project(project, path, kind, at)
                self._parts[path].append(Line(line, project))
                return
            found = read_requirement(line, at, cwd)
            if is_http(path) and found.source is not None and found.source.path is not None:
                raise UsageError(f"`{line}`: a file from elsewhere names one on this machine", where=at)
            if found.source is not None and kind != REQUIREMENTS:
                raise UsageError(f"`{without_login(line)}`: a direct reference in a {kind} file is refused", where=at)
            self._lines.setdefault(kind, []).append(found)
            local = found.source is not None and found.source.path is not None
            self._parts[path].append(Line(line, found.source) if found.source and local else found.line())
            return
        tokens = options_in(line, at)
        nested = next((one for one in tokens if one.flag and one.flag.name in ("--requirement", "--constraint")), None)
        if nested is None:
            self._indexes += [index_of(one, at) for one in tokens if one.flag and one.flag.name in _INDEX_OPTIONS]
            self._links += self._find_links(tokens, path, at)
            for value in values_of(tokens, "--editable"):
                project = read_project(value, self._reader.cwd, at, editable=True)
                if project is not None:
                    self._project(project, path, kind, at)
                    self._parts[path].append(Line(f"-e {value}", project))
            rest = [one for one in tokens if one.flag and one.flag.name not in ("--find-links", "--editable")]
            if rest:
                options = " ".join(map(written, rest))
                self._lines.setdefault(kind, []).append(options)
                self._parts[path].append(options)
        elif len(tokens) == 1:
            self._nested(nested, path, kind, at, inside)
        else:
            raise UsageError(f"`{nested.spelled}` shares its line with other options", where=at)

    def _project(self, project: Project, path: str, kind: str, at: str) -> None:
        if is_http(path):
            raise UsageError(f"`{project.path}`: a file from elsewhere names a folder on this machine", where=at)
        if kind not in (REQUIREMENTS, WITH_REQUIREMENTS):
            raise UsageError(f"`{project.path}`: a folder in a {kind} file is refused", where=at)
        self._projects.append(project)

    def _find_links(self, tokens: Sequence[Token], path: str, at: str) -> tuple[Links, ...]:
        values = values_of(tokens, "--find-links")
        if is_http(path) and not all(map(is_http, values)):
            raise UsageError("`--find-links`: a file from elsewhere names a folder on this machine", where=at)
        return self._reader.links(values, at, os.path.dirname(local_path(path)))

    def _nested(self, token: Token, path: str, kind: str, at: str, inside: tuple[str, ...]) -> None:
        constraint = token.flag is not None and token.flag.name == "--constraint"
        if kind != REQUIREMENTS and not (constraint and kind == CONSTRAINTS):
            raise UsageError(f"`{token.spelled}` in a {kind} file is refused: tools read it differently", where=at)
        there = _relative(token.value or "", path)
        if is_http(path) and not is_http(there):
            raise UsageError(f"`{there}`: a file from elsewhere names one on this machine", where=at)
        self._parts[path].append(Nested(token.flag.name if token.flag else "", token.value or "", there))
        self.read(there, CONSTRAINTS if constraint else kind, inside, at)


def is_http(path: str) -> bool:
    """Tell whether a file is named by an http(s) URL."""
    return path[:8].lower().startswith(("http://", "https://"))


def names_script(path: str) -> bool:
    """Tell whether uv reads a file as a script, by the ending of its name."""
    name = re.split(r"[?#]", path)[0] if is_http(path) else path
    return os.path.splitext(name)[1].lower() in (".py", ".pyw")


def _relative(named: str, path: str) -> str:
    """Say which file a line of the file `path` names, as pip does."""
    if is_http(path):
        try:
            return urljoin(path, named)
        except ValueError as error:
            raise UsageError(f"`{without_login(named)}` is no address: {error}") from error
    if _URL.match(named):
        return named
    return os.path.join(os.path.dirname(local_path(path)), named)


def _decode(raw: bytes, path: str, kind: str) -> str:
    encoding, start = "utf-8", 0
    mark = next(((mark, name) for mark, name in _BOMS if raw.startswith(mark)), None)
    if mark is not None:
        encoding, start = mark[1], len(mark[0])
    else:
        said = (_CODING.search(line) for line in raw.split(b"\n")[:2] if line[:1] == b"#")
        encoding = next((match[1].decode() for match in said if match is not None), encoding)
    try:
        text = raw[start:].decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(f"{kind} file `{path}` is not {encoding} (byte {start + error.start})") from error
    except (LookupError, UnicodeError) as error:
        raise UsageError(f"{kind} file `{path}`: no text in the encoding `{encoding}`") from error
    if mark is None and text.encode("ascii", "ignore") != raw.decode("ascii", "ignore").encode():
        raise UsageError(f"{kind} file `{path}`: its encoding `{encoding}` is one that pip and uv read differently")
    return text
