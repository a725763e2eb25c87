"""TOML with places: the line of every key, and typed access that collects faults instead of stopping."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import tomli

from openvet_install.errors import ConfigError, FaultsError, InstallError, both_sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Path_: TypeAlias = tuple[str | int, ...]
T = TypeVar("T")

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(?P<brackets>\[\[?)\s*(?P<key>{_DOTTED})\s*\]")
_PAIR = re.compile(rf"\s*(?P<key>{_DOTTED})\s*=")
_TOKEN = re.compile(
    r'''"""[^"\\]*(?:(?:\\.|"{1,2}(?!"))[^"\\]*)*"""+'''  # a string of many lines
    r"""|'{3}.*?'{3,}"""
    r"""|"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*'|#[^\n]*|[][{}]|\n""",
    re.DOTALL,
)
"""What decides where a value ends."""
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")

_TYPES = {str: "a string", bool: "true or false", int: "an integer", list: "an array", dict: "a table"}


@dataclass(slots=True)
class Document:
    """One TOML file: its data, the lines of its keys (from 1), and the faults found while reading it."""

    name: str
    data: dict[str, Any]
    lines: dict[Path_, int]
    faults: list[InstallError] = field(default_factory=list)

    @classmethod
    def parse(cls, raw: bytes, name: str) -> Document:
        """Read UTF-8 TOML. Raises `ConfigError` with the line."""
        try:
            text = raw.decode("utf-8-sig")  # OpenVet passes over a byte order mark, too
        except UnicodeDecodeError as error:
            raise ConfigError("not UTF-8", where=f"{name}, byte {error.start}") from error
        try:
            data = tomli.loads(text)
        except ValueError as error:
            line = _AT_LINE.search(str(error))
            what = _AT_LINE.sub("", str(error)).strip()
            where = f"{name}:{line[1]}" if line else name
            raise ConfigError(f"not TOML: {what}", where=where, hint=both_sides(text)) from error
        except RecursionError as error:
            raise ConfigError("not TOML: nested too deeply", where=name) from error
        return cls(name, data, _lines(text))

    def where(self, path: Path_) -> str:
        """Return `FILE:LINE, key KEY`, with the line of the nearest ancestor that has one."""
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return f"{self.name}:{line}, key `{spell(path)}`"
        return f"{self.name}, key `{spell(path)}`"

    def place(self, path: Path_) -> str:
        """Return `FILE:LINE`, for reports."""
        return self.where(path).partition(", key")[0]

    def fault(self, path: Path_, what: str, hint: str | None = None) -> None:
        """Note a fault; reading goes on, so that all faults of a file are told at once."""
        self.faults.append(ConfigError(what, where=self.where(path), hint=hint))

    def table(self) -> Table:
        """Return the root table."""
        return Table(self, (), self.data)

    def finish(self) -> None:
        """Raise what was found, in the order of the file. Raises `ConfigError` or `FaultsError`."""
        if not self.faults:
            return
        faults = sorted(self.faults, key=lambda fault: _line_of(fault.where))
        raise faults[0] if len(faults) == 1 else FaultsError(faults)


class Table(NamedTuple):
    """A table and its key path."""

    document: Document
    path: Path_
    data: dict[str, Any]

    def only(self, known: Iterable[str]) -> None:
        """Note a fault for each key outside `known`, with the nearest known one."""
        names = list(known)
        for key in self.data:
            if key not in names:
                near = nearest(key, names)
                hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(names))}"
                self.document.fault((*self.path, key), f"unknown key `{key}`", hint)

    def at(self, key: str) -> Path_:
        """Return the path of a key."""
        return (*self.path, key)

    def where(self, key: str) -> str:
        """Return the place of a key, for messages."""
        return self.document.where(self.at(key))

    def get(self, key: str, kind: type[T], default: T) -> T:
        """Return a value of exactly this type; a fault is noted and the default returned otherwise."""
        if key not in self.data:
            return default
        value = self.data[key]
        if type(value) is kind:
            return value
        self.document.fault(self.at(key), f"`{key}` must be {_TYPES.get(kind, kind.__name__)}")
        return default

    def required(self, key: str, kind: type[T], default: T) -> T:
        """As `get`; absence is a fault too."""
        if key not in self.data:
            self.document.fault(self.path or (key,), f"`{key}` is missing")
        return self.get(key, kind, default)

    def strings(self, key: str) -> tuple[str, ...]:
        """Return an array of strings, empty if absent."""
        values = self.get(key, list, [])
        for number, value in enumerate(values):
            if not isinstance(value, str):
                self.document.fault((*self.at(key), number), "must be a string")
        return tuple(value for value in values if isinstance(value, str))

    def choice(self, key: str, choices: Iterable[str], default: str) -> str:
        """Return one of the given words."""
        value = self.get(key, str, default)
        words = list(choices)
        if value not in words:
            near = nearest(value, words)
            hint = f"did you mean `{near[0]}`?" if near else None
            self.document.fault(self.at(key), f"`{key}` must be one of {', '.join(words)}, not `{value}`", hint)
            return default
        return value

    def convert(self, key: str, convert: Callable[[str], T], default: T) -> T:
        """Return a string converted; a `ValueError` becomes a fault."""
        if key not in self.data:
            return default
        text = self.get(key, str, "")
        try:
            return convert(text)
        except ValueError as error:
            if type(self.data[key]) is str:
                self.document.fault(self.at(key), f"`{key}`: {error}")
            return default

    def tables(self, key: str) -> list[tuple[str, Table]]:
        """Return the named tables below a key; anything else below it is a fault."""
        found = []
        for name, value in self.get(key, dict, {}).items():
            if isinstance(value, dict):
                found.append((name, Table(self.document, (*self.at(key), name), value)))
            else:
                self.document.fault((*self.at(key), name), f"`{name}` must be a table")
        return found

    def array(self, key: str) -> list[Table]:
        """Return the tables of an array of tables."""
        found = []
        for number, value in enumerate(self.get(key, list, [])):
            if isinstance(value, dict):
                found.append(Table(self.document, (*self.at(key), number), value))
            else:
                self.document.fault((*self.at(key), number), "must be a table")
        return found


def nearest(word: str, known: list[str]) -> list[str]:
    """Return the known word that was probably meant, if any."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for a fault

    return get_close_matches(word, known, n=1, cutoff=0.6)


def spell(path: Path_) -> str:
    """Write a key path: `override[0].requirements`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"')
    return text


def _line_of(where: str | None) -> int:
    match = re.search(r":(\d+)", where or "")
    return int(match[1]) if match else 0


def _lines(text: str) -> dict[Path_, int]:
    """Map each key path to its line; inline tables have the line of the key that holds them."""
    found: dict[Path_, int] = {}
    counts: dict[Path_, int] = {}
    base: Path_ = ()
    for number, line in _statements(text):
        if header := _HEADER.match(line):
            base = _resolve(_parts(header["key"]), counts)
            if header["brackets"] == "[[":
                counts[base] = counts.get(base, -1) + 1
                base = (*base, counts[base])
            found.setdefault(base, number)
        elif pair := _PAIR.match(line):
            path = base
            for part in _parts(pair["key"]):
                path = (*path, part)
                found.setdefault(path, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of good TOML that something begins on, with their numbers: none within a value."""
    lines = text.split("\n")  # `splitlines` knows more ends than TOML does
    number = depth = 0
    begins = True
    for token in _TOKEN.finditer(text + "\n"):
        mark = token[0]
        if begins:
            if lines[number]:
                yield number + 1, lines[number]
            begins = False
        depth += (mark in "[{") - (mark in "]}")
        number += mark.count("\n")
        begins = mark == "\n" and depth == 0


def _resolve(parts: list[str], counts: dict[Path_, int]) -> Path_:
    """Insert the number of the current element wherever a prefix is an array of tables."""
    path: Path_ = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if path in counts and position < len(parts) - 1:
            path = (*path, counts[path])
    return path


def _parts(key: str) -> list[str]:
    data: Any = tomli.loads(f"{key} = 0")
    parts = []
    while isinstance(data, dict):
        ((name, data),) = data.items()
        parts.append(name)
    return parts
