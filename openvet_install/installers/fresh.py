"""New environments of one run, filled through `uv pip install`: what `--with` and tools are installed into."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError
from openvet_install.installers import starting, uv, uv_flags, uv_flags_run, uv_words
from openvet_install.installers.passing import GATED, Command
from openvet_install.installers.project_files import is_project
from openvet_install.installers.tokens import has, last_of, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Plan
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token

_WITH = {"--with-editable": "--editable", "--with-requirements": "--requirements"}
_SPELLED_ELSE = {"--no-binary-package": "--no-binary", "--no-build-package": "--only-binary"}
_OWN = frozenset({*starting.STEERING, "--no-binary", "--help", "--isolated"})
_AS_THEY_ARE = {flag.name for flag in uv_flags_run.TOOL_RUN} & {flag.name for flag in uv_flags.PIP_INSTALL} - _OWN
_NOT_HERE = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_BREAK_SYSTEM_PACKAGES")
_SPECIFIERS = frozenset("!=<>~")


def separated(values: Sequence[str]) -> Iterator[str]:
    """Split what `--with` lists at its commas, as uv does: none inside brackets, none in front of a version."""
    for value in values:
        depth, start = 0, 0
        for place, letter in enumerate(value):
            depth += (letter == "[") - (letter == "]")
            if letter == "," and depth == 0 and value[place + 1 :].lstrip()[:1] not in _SPECIFIERS:
                yield value[start:place].strip()
                start = place + 1
        yield value[start:].strip()


def fill(
    target: Target,
    tokens: Sequence[Token],
    words: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    typed: tuple[str, ...],
    fetch: FetchOutside,
    more: Sequence[str] = (),
) -> Plan:
    """Return the plan that installs `words` and what `--with…` of `tokens` name into a new environment.

    `more` are options of ours. uv is silent when all is well unless `tokens` say otherwise. Errors: `uv.plan`.
    """
    options = [part for token in tokens for part in _spelled(token)]
    options += [] if has(tokens, "--verbose") or has(tokens, "--quiet") else ["--quiet"]
    for value in values_of(tokens, "--with-requirements"):
        if any(map(is_project, value.split(","))):
            raise UsageError(f"`--with-requirements {value}`: uv takes no project there", hint="--with-editable FOLDER")
    listed = [word for word in (*words, *separated(values_of(tokens, "--with"))) if word]
    uv_words.refuse_files(listed, os.path.join(cwd, last_of(tokens, "--directory") or ""), "--with-requirements")
    argv = (*options, *more, f"--python={target.python}", "--", *listed)
    variables = {name: value for name, value in environ.items() if name not in _NOT_HERE}
    command = Command(GATED, ("pip", "install"), argv)
    return replace(uv.plan(argv, variables, cwd, command=command, fetch=fetch), typed=typed, alone=True)


def _spelled(token: Token) -> tuple[str, ...]:
    """Return an option of `uv run` or a tool as `uv pip install` takes it, nothing for what it does not."""
    name = token.flag.name if token.flag is not None else ""
    if name in _AS_THEY_ARE:
        return token.canonical()
    if name == "--no-binary":
        return ("--no-binary=:all:",)
    if name in _SPELLED_ELSE:
        return (f"{_SPELLED_ELSE[name]}={token.value}",)
    if name in _WITH:
        return tuple(f"{_WITH[name]}={one}" for one in re.split(r",", token.value or "") if one)
    return ()
