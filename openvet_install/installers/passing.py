"""Which command is this: gated, passed on untouched, or refused? And the way through for those that pass.

Nothing here imports more than the standard library: a passing command costs our start and little else.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from openvet_install.errors import UsageError
from openvet_install.installers import pip_flags, uv_commands, uv_flags
from openvet_install.installers.tokens import HELP, Flag, Token, Tokeniser, has, index, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ENVIRONMENT = ".venv"
GATED = "gated"
PASS = "pass"  # noqa: S105 - no password


class Command(NamedTuple):
    """What argv asks for: `kind` is GATED or PASS, `words` the command (`("pip", "install")` for uv).

    For PASS `argv` is what the tool gets (help: only the words and `--help`); `before` holds the options in front
    of the words, `argv` of GATED everything after them, unread, and `only_words` whether a `--` came before that.
    `venv`: the options and words of `uv venv`.
    """

    kind: str
    words: tuple[str, ...]
    argv: tuple[str, ...]
    before: tuple[Token, ...] = ()
    python: str | None = None
    venv: tuple[Token, ...] = ()


def classify(tool: str, argv: Sequence[str]) -> Command:
    """Tell the command of `pip` or `uv`. Raises `UsageError` (64) for every other word and for unknown options."""
    return _pip(argv) if tool == "pip" else _uv(argv)


def _pip(argv: Sequence[str]) -> Command:
    reader = Tokeniser(argv, tool=f"pip {pip_flags.VERSION}", equals_in_short=False)
    main = index(pip_flags.MAIN)
    before: list[Token] = []
    words: tuple[str, ...] = ()
    while not words and (tokens := reader.next(main)):
        if tokens[0].flag is None:
            words = (tokens[0].spelled,)
        else:
            before += tokens
    if reader.only_words:
        raise UsageError("`--` in front of pip's command is refused")
    python = _last(before, "--python")
    shown = next((token for token in before if _is_help(token)), None)
    if shown is not None or not words:
        return Command(PASS, words, (shown.canonical()[0],) if shown else tuple(argv), tuple(before), python)
    word = words[0]
    if word in pip_flags.PASSING:
        return _passing_pip(argv, word, reader, before)
    if word not in pip_flags.REFUSED and word not in pip_flags.GATED:
        known = (*pip_flags.PASSING, *pip_flags.GATED, *pip_flags.REFUSED)
        raise UsageError(f"`{word}` is not a command of pip {pip_flags.VERSION}", hint=_meant(word, known))
    if _asks_help(reader.rest):
        return Command(PASS, words, (word, "--help"), tuple(before), python)
    if word in pip_flags.REFUSED:
        raise UsageError(pip_flags.REFUSED[word])
    return Command(GATED, words, reader.rest, tuple(before), python)


def _meant(word: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

    near = get_close_matches(word, list(known), n=1, cutoff=0.75)
    return f"did you mean `{near[0]}`?" if near else None


def _passing_pip(argv: Sequence[str], word: str, reader: Tokeniser, before: Sequence[Token]) -> Command:
    own = pip_flags.PASSING[word]
    tokens = reader.all(index((*pip_flags.GENERAL, *own)))
    python = _last(tokens, "--python") or _last(before, "--python")
    if any(_is_help(token) for token in tokens):
        return Command(PASS, (word,), (word, "--help"), tuple(before), python)
    for token in tokens:
        if token.flag in own:
            refuse(token, tool="pip", command=f"pip {word}")
    first = next((token.spelled for token in tokens if token.flag is None), None)
    allowed = pip_flags.PASSING_WORDS.get(word)
    if allowed is not None and first not in allowed:
        said = f"pip {word} {first or ''}".rstrip()
        raise UsageError(f"`{said}` is refused: only {', '.join(allowed)} pass")
    return Command(PASS, (word,), _without_python(argv), tuple(before), python)


def _without_python(argv: Sequence[str]) -> tuple[str, ...]:
    """Drop pip's `--python`: the tool is started with that Python already."""
    found: list[str] = []
    items = iter(argv)
    for item in items:
        if item == "--python":
            next(items, None)
        elif not item.startswith("--python="):
            found.append(item)
        if item == "--":
            return (*found, *items)
    return tuple(found)


def _uv(argv: Sequence[str]) -> Command:
    reader = Tokeniser(argv, tool=f"uv {uv_flags.VERSION}", equals_in_short=True)
    words, before = _uv_words(reader)
    if any(_is_help(token) for token in before):
        version = not words and any(token.flag and token.flag.name == "--version" for token in before)
        return Command(PASS, words, (*words, "--version" if version else "--help"), tuple(before))
    if not words or (words[0] in uv_commands.SPACES and len(words) == 1):
        return Command(PASS, words, tuple(argv), tuple(before))
    said = "uv " + " ".join(words)
    if words in uv_commands.PASSING and (words != ("version",) or _only_reads(reader.rest)):
        _check_passing_uv(argv)
        return Command(PASS, words, tuple(argv), tuple(before))
    if words not in uv_commands.NOT_YET and words not in uv_commands.REFUSED and words not in uv_commands.GATED:
        tables = (uv_commands.PASSING, uv_commands.GATED, uv_commands.NOT_YET, uv_commands.REFUSED)
        known = ["uv " + " ".join(one) for table in tables for one in table]
        raise UsageError(f"`{said}` is not a command of uv {uv_flags.VERSION}", hint=_meant(said, known))
    if words in uv_commands.STARTING:
        helps = _asks_help_itself(reader.rest, flag_table("uv", words))
    else:
        helps = _asks_help(reader.rest)
    if helps:
        return Command(PASS, words, (*words, "--help"), tuple(before))
    if words == ("venv",) and not has(tokens := _venv(reader.rest), "--seed"):
        return Command(PASS, words, tuple(argv), tuple(before), venv=(*before, *tokens))
    if words in uv_commands.NOT_YET:
        raise UsageError(f"`{said}` is not gated yet")
    if words in uv_commands.REFUSED:
        raise UsageError(f"`{said}` is refused: {uv_commands.REFUSED[words]}", hint=uv_commands.INSTEAD.get(words))
    return Command(GATED, words, reader.rest, tuple(before))


def _uv_words(reader: Tokeniser) -> tuple[tuple[str, ...], list[Token]]:
    """Read up to the last word of the command: one word, or two below `pip`, `tool` and their like."""
    before: list[Token] = []
    words: tuple[str, ...] = ()
    table = index(uv_flags.MAIN)
    while (not words or words[-1] in uv_commands.SPACES) and len(words) < 2 and (tokens := reader.next(table)):
        if tokens[0].flag is None:
            words += (tokens[0].spelled,)
            table = index(uv_flags.GLOBAL)
        else:
            before += tokens
    if reader.only_words:
        raise UsageError("`--` in front of uv's command is refused")
    return words, before


def _check_passing_uv(argv: Sequence[str]) -> None:
    for item in argv:
        name = item.partition("=")[0]
        if name in uv_commands.PASSING_REFUSED:
            raise UsageError(f"`{name}` is refused: {uv_commands.PASSING_REFUSED[name]}")


def _only_reads(rest: Sequence[str]) -> bool:
    """Tell whether `uv version` shows something and changes nothing."""
    reader = Tokeniser(rest, tool=f"uv {uv_flags.VERSION}", equals_in_short=True)
    try:
        tokens = reader.all(index(uv_commands.VERSION_ONLY))
    except UsageError:
        return False
    return all(token.flag is not None for token in tokens)


def _venv(rest: Sequence[str]) -> list[Token]:
    """Read the arguments of `uv venv`. Raises `UsageError` for options that are refused or unknown."""
    tokens = Tokeniser(rest, tool=f"uv {uv_flags.VERSION}", equals_in_short=True).all(flag_table("uv", ("venv",)))
    for token in tokens:
        refuse(token, tool="uv", command="uv venv")
    return tokens


def _asks_help(rest: Sequence[str]) -> bool:
    """Whether `-h` or `--help` stands among the options (in front of a `--`)."""
    for item in rest:
        if item == "--":
            return False
        if item in ("-h", "--help"):
            return True
    return False


def _asks_help_itself(rest: Sequence[str], table: Mapping[str, Flag]) -> bool:
    """Whether it stands among the options in front of a program's words."""
    reader = Tokeniser(rest, tool=f"uv {uv_flags.VERSION}", equals_in_short=True)
    while (tokens := reader.next(table)) and tokens[0].flag is not None:
        if any(_is_help(token) for token in tokens):
            return True
    return False


def _is_help(token: Token) -> bool:
    return token.flag is not None and token.flag.column == HELP


def _last(tokens: Sequence[Token], name: str) -> str | None:
    values = [token.value for token in tokens if token.flag is not None and token.flag.name == name]
    return values[-1] if values else None


def flag_table(tool: str, words: tuple[str, ...]) -> dict[str, Flag]:
    """Return the options of a gated command by spelling."""
    return index(pip_flags.GATED[words[0]] if tool == "pip" else uv_commands.options_of(words))


def run_through(tool: str, command: Command, environ: Mapping[str, str], cwd: str) -> NoReturn:
    """Become the tool: argv and streams untouched. Raises `UsageError` or `ConfigError` when there is no tool.

    pip: our pip in the target's Python (design, section 5). uv: the user's, with its own cache, and no downloads of
    interpreters.
    """
    environment = dict(environ)
    if tool == "pip":
        from openvet_install.installers.choice import pip_program, target_python  # noqa: PLC0415 - pip only

        typed = command.python or environment.pop("PIP_PYTHON", None)
        for name in pip_flags.PASSING_DROPPED:
            environment.pop(name, None)
        program = pip_program(target_python(typed, environment, cwd))
    else:
        from openvet_install.installers.choice import find_uv, is_inside_own, own_environment  # noqa: PLC0415 - uv only

        for place in _places(command.venv, environment, cwd) if command.words == ("venv",) else ():
            if is_inside_own(place):
                raise own_environment(place)
        environment["UV_PYTHON_DOWNLOADS"] = "never"
        if environment.pop("UV_VENV_SEED", "") and command.words == ("venv",):
            raise UsageError("`UV_VENV_SEED` is refused: it installs packages", hint="uv venv --seed")
        program = (find_uv(environment, cwd).path,)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program[0], [*program, *command.argv], environment)  # noqa: S606 - the tool itself, no shell


def _places(venv: Sequence[Token], environ: Mapping[str, str], cwd: str) -> list[str]:
    """Return where `uv venv` may make an environment: at the root of a project that is the project's, else `.venv`."""
    named = next((token.spelled for token in venv if token.flag is None), None)
    here = os.path.join(cwd, _last(venv, "--directory") or environ.get("UV_WORKING_DIR") or "")  # noqa: PTH118 - as uv
    if named is not None:
        return [os.path.join(here, named)]  # noqa: PTH118
    root = os.path.join(here, _last(venv, "--project") or environ.get("UV_PROJECT") or "")  # noqa: PTH118
    chosen = environ.get("UV_PROJECT_ENVIRONMENT") or _ENVIRONMENT
    return [os.path.join(here, _ENVIRONMENT), os.path.join(root, chosen)]  # noqa: PTH118
