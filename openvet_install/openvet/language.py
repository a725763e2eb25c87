"""The expression language of requirements, in three values (protocol, section 11).

    expr     = or-expr [ "implies" expr ]            right-associative, loosest
    or-expr  = and-expr { "or" and-expr }
    and-expr = not-expr { "and" not-expr }
    not-expr = "not" not-expr | claim | "(" expr ")"
    claim    = [A-Za-z_][A-Za-z0-9_-]*

The four words are taken in any case; claims are case-sensitive. `a implies b` is `(not a) or b`.
Beyond OpenVet 0.6, length and depth are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from openvet_install.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHARACTERS = 10_000
MAX_DEPTH = 100

_WHITE_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TOKEN = re.compile(rf"[{_WHITE_SPACE}]*(?:(?P<word>[A-Za-z_][A-Za-z0-9_-]*)|(?P<mark>[()])|(?P<end>\Z))")
_WORDS = frozenset({"and", "or", "not", "implies"})


class Tri(Enum):
    """Kleene's three values; unknown stands for a claim that the audit does not make."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The negation; of unknown it is unknown."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And:
    """False if any operand is, else unknown if any is, else true."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True if any operand is, else unknown if any is, else false."""

    operands: tuple[Expression, ...]


Expression: TypeAlias = Claim | Not | And | Or


class ExpressionError(ConfigError):
    """An expression that cannot be read; `position` counts characters from 0."""

    def __init__(self, problem: str, text: str, position: int) -> None:
        """Draw the expression with a caret below the position."""
        self.problem = problem
        self.position = position
        line = text[:MAX_CHARACTERS].replace("\n", " ").replace("\t", " ")
        super().__init__(f"expression: {problem}\n    {line}\n    {' ' * position}^")


def parse(text: str) -> Expression:
    """Read an expression. Raises `ExpressionError` with the position of the fault."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_CHARACTERS} characters", text, 0)
    return _Parser(text).whole()


def evaluate(expression: Expression, claim: Callable[[str], bool | None]) -> Tri:
    """Evaluate over one audit; `claim` answers None for a claim that the audit does not make."""
    if isinstance(expression, Claim):
        value = claim(expression.name)
        return Tri.UNKNOWN if value is None else (Tri.TRUE if value else Tri.FALSE)
    if isinstance(expression, Not):
        return _NEGATED[evaluate(expression.operand, claim)]
    deciding, otherwise = (Tri.FALSE, Tri.TRUE) if isinstance(expression, And) else (Tri.TRUE, Tri.FALSE)
    values = {evaluate(operand, claim) for operand in expression.operands}
    if deciding in values:
        return deciding
    return Tri.UNKNOWN if Tri.UNKNOWN in values else otherwise


def claims_of(expression: Expression) -> tuple[str, ...]:
    """Return the claims that an expression names, each once, in order of first occurrence."""
    if isinstance(expression, Claim):
        return (expression.name,)
    operands = (expression.operand,) if isinstance(expression, Not) else expression.operands
    return tuple(dict.fromkeys(name for operand in operands for name in claims_of(operand)))


_NEGATED = {Tri.TRUE: Tri.FALSE, Tri.FALSE: Tri.TRUE, Tri.UNKNOWN: Tri.UNKNOWN}


class _Parser:
    """Recursive descent; `word` is the current token in lower case if it is one of the four words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.end = 0
        self._advance()

    def whole(self) -> Expression:
        expression = self._implication()
        if self.token:
            raise self._error(f"`{self.token}` is left over after the end")
        return expression

    def _advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            start = re.compile(rf"[{_WHITE_SPACE}]*").match(self.text, self.end)
            self.start = start.end() if start else self.end
            raise self._error(f"unexpected character `{self.text[self.start]}`")
        self.token = match["word"] or match["mark"] or ""
        self.start = match.end() - len(self.token)
        self.end = match.end()
        self.word = self.token.lower() if self.token.lower() in _WORDS else None

    def _error(self, problem: str) -> ExpressionError:
        return ExpressionError(problem, self.text, self.start)

    def _implication(self) -> Expression:
        self._enter()
        left = self._operands("or", Or, lambda: self._operands("and", And, self._negation))
        if self.word == "implies":
            self._advance()
            right = self._implication()
            left = Or((Not(left), *(right.operands if isinstance(right, Or) else (right,))))
        self.depth -= 1
        return left

    def _operands(self, word: str, kind: type[And | Or], operand: Callable[[], Expression]) -> Expression:
        found = [operand()]
        while self.word == word:
            self._advance()
            found.append(operand())
        return found[0] if len(found) == 1 else kind(tuple(found))

    def _negation(self) -> Expression:
        if self.word == "not":
            self._enter()
            self._advance()
            negated = Not(self._negation())
            self.depth -= 1
            return negated
        if self.token == "(":  # noqa: S105
            self._advance()
            inner = self._implication()
            if self.token != ")":  # noqa: S105
                raise self._error("a closing `)` is missing")
            self._advance()
            return inner
        if not self.token:
            raise self._error("unexpected end")
        if self.word is not None or self.token == ")":  # noqa: S105
            raise self._error(f"unexpected `{self.token}`, a claim or `(` belongs here")
        claim = Claim(self.token)
        self._advance()
        return claim

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}")
