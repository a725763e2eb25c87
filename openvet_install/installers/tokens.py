"""Splits argv with one table of flags per tool version: nothing is guessed, nothing is abbreviated.

The tables hold every spelling that the tool takes. Options are handed on in one canonical form
(`--long=value`), so the tool cannot read them differently from us. Standard library only, and little of it:
commands that pass without a gate pay for this import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Columns of threats 2.1. CARRY: handed on as it is. JUDGE: read by us, handed on as our own words. UPSTREAM: for
# the gateway's way out, not for the child. OURS: taken, without effect. LATER: known, not gated yet. NEVER: refused.
CARRY = "carry"
JUDGE = "judge"
UPSTREAM = "upstream"
OURS = "ours"
LATER = "later"
NEVER = "never"
HELP = "help"
COLUMNS = (CARRY, JUDGE, UPSTREAM, OURS, LATER, NEVER, HELP)


class Flag(NamedTuple):
    """One option of a tool: all spellings (the first is canonical), whether it takes a value, its column.

    `note` completes a refusal: why (NEVER) or what it would bring in (LATER).
    """

    names: tuple[str, ...]
    value: bool
    column: str
    note: str = ""

    @property
    def name(self) -> str:
        """The canonical spelling."""
        return self.names[0]


class Token(NamedTuple):
    """One option as typed, or a word (`flag` None, `value` the word)."""

    flag: Flag | None
    spelled: str
    value: str | None

    def canonical(self) -> tuple[str, ...]:
        """Return the one form in which the tool gets this option; a word is itself."""
        if self.flag is None:
            return (self.value or "",)
        return (f"{self.flag.name}={self.value}",) if self.value is not None else (self.flag.name,)


def index(table: Iterable[Flag]) -> dict[str, Flag]:
    """Return the table by spelling; a spelling that stands twice is a mistake of ours (ValueError)."""
    found: dict[str, Flag] = {}
    for flag in table:
        for name in flag.names:
            if name in found:
                raise ValueError(name)
            found[name] = flag
    return found


class Tokeniser:
    """Reads argv from left to right; the table may change between words (pip's options before the command)."""

    def __init__(self, argv: Sequence[str], *, tool: str, equals_in_short: bool) -> None:
        """Take argv without the program; `tool` as in `pip 26.3`; `equals_in_short`: `-x=V` means V, as in clap."""
        self._rest = list(argv)
        self._tool = tool
        self._equals_in_short = equals_in_short
        self.only_words = False

    def next(self, table: Mapping[str, Flag]) -> list[Token]:
        """Return the tokens of the next argument (several for a cluster), or [] at the end.

        Raises `UsageError` for an unknown option, a missing value or a value too many.
        """
        while self._rest:
            item = self._rest.pop(0)
            if self.only_words or item == "-" or not item.startswith("-"):
                return [Token(None, item, item)]
            if item == "--":
                self.only_words = True
                continue
            return [self._long(item, table)] if item.startswith("--") else self._cluster(item, table)
        return []

    def all(self, table: Mapping[str, Flag]) -> list[Token]:
        """Return everything that is left."""
        found: list[Token] = []
        while tokens := self.next(table):
            found += tokens
        return found

    @property
    def rest(self) -> tuple[str, ...]:
        """What has not been read yet."""
        return tuple(self._rest)

    def _long(self, item: str, table: Mapping[str, Flag]) -> Token:
        name, equals, value = item.partition("=")
        flag = table.get(name)
        if flag is None:
            raise self._unknown(name, table)
        if not flag.value:
            if equals:
                raise UsageError(f"`{name}` takes no value")
            return Token(flag, name, None)
        return Token(flag, name, value if equals else self._value(name))

    def _cluster(self, item: str, table: Mapping[str, Flag]) -> list[Token]:
        found: list[Token] = []
        for place, letter in enumerate(item[1:], start=2):
            name = f"-{letter}"
            flag = table.get(name)
            if flag is None:
                raise self._unknown(name if len(item) == 2 else f"{name}` in `{item}", table)
            if not flag.value:
                found.append(Token(flag, name, None))
                continue
            value = item[place:]
            if self._equals_in_short:
                value = value.removeprefix("=")
            found.append(Token(flag, name, value or self._value(name)))
            break
        return found

    def _value(self, name: str) -> str:
        if not self._rest:
            raise UsageError(f"`{name}` needs a value")
        return self._rest.pop(0)

    def _unknown(self, name: str, table: Mapping[str, Flag]) -> UsageError:
        from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

        near = get_close_matches(name, table, n=1, cutoff=0.75)
        hint = f"did you mean `{near[0]}`?" if near else None
        return UsageError(f"`{name}` is not known for {self._tool}", hint=hint)


def refuse(token: Token, *, tool: str, command: str) -> None:
    """Raise `UsageError` when the option's column is NEVER or LATER; `command` as in `uv pip install`."""
    flag = token.flag
    if flag is None:
        return
    if flag.column == NEVER:
        reason = flag.note or f"in a gated run {tool} reaches the gateway only"
        hint = None
        if flag.name == "--proxy" and token.value:
            hint = f"HTTPS_PROXY={token.value}    is used by the gateway"
        raise UsageError(f"`{token.spelled}` is refused: {reason}", hint=hint)
    if flag.column == LATER:
        note = f" ({flag.note})" if flag.note else ""
        raise UsageError(f"`{token.spelled}` is not gated yet{note}", hint=f"leave it out of `openvet-{command}`")


def values_of(tokens: Sequence[Token], name: str) -> list[str]:
    """Return every value that a flag was given, in order."""
    return [token.value or "" for token in tokens if token.flag is not None and token.flag.name == name]


def last_of(tokens: Sequence[Token], name: str) -> str | None:
    """Return the value that counts: the last one, None if the flag was not given."""
    return next(reversed(values_of(tokens, name)), None)


def has(tokens: Sequence[Token], name: str) -> bool:
    """Tell whether a flag was given."""
    return any(token.flag is not None and token.flag.name == name for token in tokens)
