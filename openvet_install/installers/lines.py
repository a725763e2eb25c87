"""One line of a requirement-like file, and one word of a command that asks for something: understood or refused (T03).

Joining, comments and options follow pip's own reader (a test compares both).
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
import re
import shlex
import string
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from openvet_install.errors import UsageError
from openvet_install.files import ARCHIVES, has_long_number, names_path
from openvet_install.installers import pip_flags
from openvet_install.installers.commands import COMMAND_LINE, Index, Requested, http_url, login_of, without_login
from openvet_install.installers.projects import PYPROJECT, asked_by, read_project
from openvet_install.installers.sources import read_source
from openvet_install.installers.tokens import CARRY, LATER, Token, Tokeniser, index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openvet_install.installers.projects import Project

_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTIONS = re.compile(r"\s+(?=-)")
_HASH = re.compile(r"--hash(?:=|\s+)(\S+)")
_HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_SHOWN = 100
_LINE = index(pip_flags.FILE)


def read_words(words: Sequence[str], cwd: str) -> tuple[tuple[Requested, ...], tuple[Project, ...]]:
    """Understand the requirements on the command line, archives and folders included.

    Raises `UsageError` for everything else.
    """
    for word in words:
        _check_numbers(word)
    folders = {word: read_project(word, cwd, COMMAND_LINE) for word in words}
    requested = tuple(_requested(word, COMMAND_LINE, (), cwd) for word in words if folders[word] is None)
    return requested, tuple(one for one in folders.values() if one is not None)


def editable_projects(values: Sequence[str], cwd: str) -> tuple[Project, ...]:
    """Understand what `-e` names on the command line. Raises `UsageError` for all but folders."""
    found = (read_project(value, cwd, COMMAND_LINE, editable=True) for value in values)
    return tuple(one for one in found if one is not None)


def requested_by(projects: Sequence[Project], cwd: str) -> tuple[Requested, ...]:
    """Return what folders ask for in their `pyproject.toml`. Raises `UsageError` for what leads past the gateway."""
    return tuple(
        Requested(one, os.path.relpath(os.path.join(project.path, PYPROJECT), cwd))
        for project in projects
        for one in asked_by(project)
    )


def check_names(words: Sequence[str]) -> None:
    """Raise `UsageError` for everything that is no requirement by name."""
    for word in words:
        by_name(word)


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines, drop comments and empty lines; the number is that of the first part.

    Raises `UsageError` for a comment behind something that ends with a backslash: to pip it goes on, to uv it does not.
    """
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if has_long_number(line):
            raise UsageError(f"line {number} has a number of a thousand digits or more")
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
            if _COMMENT.search(line):
                raise UsageError(
                    f"the comment in line {number} ends with a backslash, which pip and uv read differently"
                )
            first = number if not parts else first
            parts.append(line.strip("\\"))
            continue
        whole = "".join((*parts, f" {line}" if comment else line))
        number_of_first = first if parts else number
        parts = []
        if stripped := _COMMENT.sub("", whole).strip():
            yield number_of_first, stripped
    if parts and (stripped := _COMMENT.sub("", "".join(parts)).strip()):
        yield first, stripped


def pins_in(text: str) -> Iterator[Requirement]:
    """Give the releases that a compiled file names by version; the rest is left out."""
    for _number, line in lines_of(text):
        try:
            found = by_name(_OPTIONS.split(line)[0])
        except UsageError:
            continue
        if [one.operator for one in found.specifier] in (["=="], ["==="]):
            yield found


def options_in(line: str, at: str) -> list[Token]:
    """Read a line of options as pip does, without its abbreviations."""
    try:
        words = shlex.split(line)
        tokens = Tokeniser(words, tool="requirements files", equals_in_short=False).all(_LINE)
    except ValueError as error:
        raise UsageError(f"an option line that cannot be split: {error}", where=at) from error
    except UsageError as fault:
        fault.where = at
        raise
    for token in tokens:
        if token.flag is None:
            raise UsageError(f"`{without_login(token.spelled)}` stands behind an option", where=at)
        if token.flag.name == "--hash":
            raise UsageError("`--hash` without a requirement", where=at)
        if any(ord(char) < ord(" ") for char in token.value or ""):
            raise UsageError(f"`{token.spelled}` has a value with control characters", where=at)
        if token.flag.column == LATER:
            words_of = f"`{token.spelled}` in a requirements file is not gated yet"
            raise UsageError(words_of, where=at)
        if token.flag.column != CARRY and token.flag.note:
            raise UsageError(f"`{token.spelled}` in a requirements file is refused: {token.flag.note}", where=at)
    return tokens


def written(token: Token) -> str:
    """Return an option as one of the flattened copy."""
    name = token.flag.name if token.flag is not None else ""
    return name if token.value is None else f"{name} {shlex.quote(token.value)}"


def index_of(token: Token, at: str) -> Index:
    """Return the index that an option names. Raises `UsageError` for what is no http(s) URL."""
    url = http_url(token.value or "")
    if url is None:
        shown = without_login(token.value or "")
        raise UsageError(f"`{token.spelled}`: `{shown}` is not an http or https URL", where=at)
    default = token.flag is not None and token.flag.name == "--index-url"
    return Index(url=url, origin=at, default=default, login=login_of(token.value or ""))


def read_requirement(line: str, origin: str, cwd: str) -> Requested:
    """Read a requirement with its hashes, an archive among them. Raises `UsageError` for everything else."""
    written, *options = _OPTIONS.split(line)
    hashes: list[str] = []
    for option in options:
        match = _HASH.fullmatch(option)
        if match is None:
            name = re.split(r"[\s=]", option, maxsplit=1)[0]
            raise UsageError(f"`{name}` of one requirement is not gated", where=origin)
        hashes.append(_hash(match[1], origin))
    return _requested(written, origin, tuple(hashes), cwd)


def _requested(text: str, origin: str, hashes: tuple[str, ...], cwd: str) -> Requested:
    found = read_source(text, cwd)
    if found is not None:
        return Requested(found[0], origin, hashes, found[1])
    return Requested(by_name(text), origin, hashes)


def _hash(text: str, origin: str) -> str:
    algorithm, _, digits = text.partition(":")
    length = _HASH_DIGITS.get(algorithm)
    if length is None or len(digits) != length or not set(digits) <= set(string.hexdigits):
        raise UsageError(f"`--hash={text[:_SHOWN]}` is no sha256, sha384 or sha512", where=origin)
    return f"{algorithm}:{digits.lower()}"


def by_name(text: str) -> Requirement:
    """Read one requirement by name. Raises `UsageError` for everything else."""
    _check_numbers(text)
    shown = without_login(text)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        detail = str(error).partition("\n")[0]
        raise UsageError(f"`{shown}` is not a requirement: {detail}") from error
    if found.url is not None:
        raise UsageError(f"`{shown}`: a direct reference has no place here")
    written = str(found)  # that is what the tool gets
    if found.name.lower().endswith(ARCHIVES) or names_path(text) or names_path(written):
        raise UsageError(f"`{shown}`: a file or folder has no place here")
    if "\\" in text:
        raise UsageError(f"`{shown}` holds a backslash, which pip and uv read differently")
    if not _is_one_line(written):
        raise UsageError(f"`{shown}` is not a requirement that can be written in one line")
    return found


def _check_numbers(text: str) -> None:
    """Raise `UsageError` for a number that no version has, and that tools read each in its own way."""
    if has_long_number(text):
        raise UsageError(f"`{without_login(text)[:_SHOWN]}…` has a number of a thousand digits or more")


def _is_one_line(written: str) -> bool:
    """Tell whether a requirement reads the same where the tool gets it: literals of markers may hold anything."""
    try:
        return written.isprintable() and str(Requirement(written)) == written
    except InvalidRequirement:
        return False
