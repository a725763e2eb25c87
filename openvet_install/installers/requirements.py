"""Requirements files, read once (T03): names, versions, markers, hashes and comments; any other line is refused.

Joining and comments follow pip's own reader; the tool never sees the file, only a copy made from what was
understood here.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH119, PTH123

from __future__ import annotations

import codecs
import os
import re
import string
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from openvet_install.errors import FaultsError, InstallError, UsageError
from openvet_install.installers.commands import COMMAND_LINE, Input, Requested, without_login

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FILE_BYTES = 4 * 1024 * 1024

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_OPTIONS = re.compile(r"\s+(?=-)")
_HASH = re.compile(r"--hash(?:=|\s+)(\S+)")
_HASH_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_ARCHIVES = (
    *(".whl", ".zip", ".egg", ".exe", ".tar", ".tgz", ".tbz", ".txz", ".tlz", ".gz", ".bz2", ".xz", ".lz", ".lzma"),
)
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SHOWN = 100


def read_file(typed: str, cwd: str) -> Input:
    """Read a requirements file, once, and understand it whole.

    `typed` as on the command line, relative to `cwd`. Pipes and `<(…)` are read to their end. Raises `UsageError`, or
    `FaultsError` of them in the order of the lines, each with `FILE:LINE`.
    """
    if typed == "-":
        raise UsageError("requirements from stdin are not gated yet", hint="write them to a file")
    if "://" in typed or typed.startswith("file:"):
        raise UsageError(f"requirements file `{typed}`: only files on disk are gated yet")
    base = os.path.basename(typed)
    if base.endswith((".toml", ".py", ".cfg")):
        raise UsageError(f"`{base}` as requirements file is not gated yet", hint="requirements.txt with names is")
    text = _decode(_read(typed, cwd), typed)
    found: list[Requested] = []
    faults: list[InstallError] = []
    for number, line in _lines(text):
        origin = f"{typed}:{number}"
        try:
            found.append(_parse_line(line, origin))
        except UsageError as fault:
            faults.append(fault)
    if len(faults) > 1:
        raise FaultsError(faults)
    if faults:
        raise faults[0]
    return Input(typed, tuple(found))


def read_words(words: Sequence[str]) -> tuple[Requested, ...]:
    """Understand the requirements on the command line. Raises `UsageError` for everything that is not a name."""
    return tuple(Requested(_requirement(word, None), COMMAND_LINE) for word in words)


def _read(typed: str, cwd: str) -> bytes:
    try:
        with open(os.path.join(cwd, typed), "rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"could not open requirements file: {error}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"requirements file `{typed}` is larger than {MAX_FILE_BYTES} bytes")
    return raw


def _decode(raw: bytes, typed: str) -> str:
    encoding, start = "utf-8", 0
    for mark, name in _BOMS:
        if raw.startswith(mark):
            encoding, start = name, len(mark)
            break
    try:
        return raw[start:].decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(f"requirements file `{typed}` is not {encoding} (byte {start + error.start})") from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines, drop comments and empty lines; the number is that of the first part."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
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


def _parse_line(line: str, origin: str) -> Requested:
    if (variable := _VARIABLE.search(line)) is not None:
        raise UsageError(f"environment variable `{variable[0]}` in a requirements file is refused", where=origin)
    if line.startswith("-"):
        option = re.split(r"[\s=]", line, maxsplit=1)[0]
        hint = _ON_COMMAND_LINE.get(option)
        raise UsageError(f"`{option}` in a requirements file is not gated yet", where=origin, hint=hint)
    written, *options = _OPTIONS.split(line)
    hashes: list[str] = []
    for option in options:
        match = _HASH.fullmatch(option)
        if match is None:
            name = re.split(r"[\s=]", option, maxsplit=1)[0]
            raise UsageError(f"`{name}` of one requirement is not gated yet", where=origin)
        hashes.append(_hash(match[1], origin))
    return Requested(_requirement(written, origin), origin, tuple(hashes))


_ON_COMMAND_LINE = {
    "-i": "give the index on the command line or in PIP_INDEX_URL",
    "--index-url": "give the index on the command line or in PIP_INDEX_URL",
    "--extra-index-url": "give the index on the command line or in PIP_EXTRA_INDEX_URL",
    "-r": "name both files on the command line",
    "--requirement": "name both files on the command line",
}


def _hash(text: str, origin: str) -> str:
    algorithm, _, digits = text.partition(":")
    length = _HASH_DIGITS.get(algorithm)
    if length is None or len(digits) != length or not set(digits) <= set(string.hexdigits):
        raise UsageError(f"`--hash={text[:_SHOWN]}` is no sha256, sha384 or sha512", where=origin)
    return f"{algorithm}:{digits.lower()}"


def _requirement(text: str, origin: str | None) -> Requirement:
    shown = without_login(text)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    if _VCS.match(text):
        raise UsageError(f"`{shown}`: version control as a source is not gated yet", where=origin)
    if "://" in text.partition("@")[0] or text.startswith("file:"):
        raise UsageError(f"`{shown}`: direct references are not gated yet", where=origin)
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        if text.startswith((".", "/", "~")) or "/" in text.partition(";")[0] or "\\" in text:
            raise UsageError(f"`{shown}`: local files and folders are not gated yet", where=origin) from error
        detail = str(error).partition("\n")[0]
        raise UsageError(f"`{shown}` is not a requirement: {detail}", where=origin) from error
    if found.url is not None:
        raise UsageError(f"`{shown}`: direct references are not gated yet", where=origin)
    if found.name.lower().endswith(_ARCHIVES):
        raise UsageError(f"`{shown}`: local files and folders are not gated yet", where=origin)
    return found
