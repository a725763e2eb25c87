"""`uv build`, whose build requirements are gated, and `uv venv --seed`, whose packages are."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH112, PTH118, PTH120

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import UsageError
from openvet_install.installers import fresh, starting, uv_building, uv_flags_make, uv_isolation
from openvet_install.installers.choice import is_inside_own, own_environment
from openvet_install.installers.commands import (
    BUILD_CONSTRAINTS,
    COMMAND_LINE,
    Plan,
    Requested,
    choose_files,
    without_login,
)
from openvet_install.installers.requirements import Reader, no_way_out
from openvet_install.installers.sources import Archive, read_source
from openvet_install.installers.target import ToolStops, ask, find_python, inspect, still_missing, uv_version
from openvet_install.installers.tokens import has, last_of, values_of
from openvet_install.installers.uv_around import handed_on
from openvet_install.installers.uv_sources import ignored_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.commands import Index, Input
    from openvet_install.installers.projects import Project
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.sources import Links
    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around
    from openvet_install.installers.uv_building import Led

ENVIRONMENT = ".venv"
_WITHOUT_SETUPTOOLS = (3, 12)
"""From this Python on uv seeds with pip alone."""
_OF_VENV = frozenset(
    flag
    for flag in uv_flags_make.VENV
    if flag.name in ("--prompt", "--system-site-packages", "--relocatable", "--no-relocatable")
)


def plan_build(
    argv: Sequence[str], environ: Mapping[str, str], tokens: list[Token], around: Around, *, fetch: FetchOutside
) -> Plan:
    """Understand `uv build`: folders of the user's own, or an sdist; what they need for that comes through the gate.

    Raises `UsageError` for what leads past the gateway, else what `uv.plan` raises.
    """
    typed = _word(tokens, "build")
    place = os.path.abspath(os.path.join(around.cwd, typed or ""))
    folder = place if os.path.isdir(place) else around.cwd
    what = _members(tokens, around, typed) or (
        _built(uv_building.of_folder(place, COMMAND_LINE, around, ignored_by(tokens)))
        if folder == place
        else _sdist(place)
    )
    read = Reader(around.cwd, environ, partial(fetch, upstream=around.upstream)).read
    inputs = tuple(read(values_of(tokens, "--build-constraints"), BUILD_CONSTRAINTS))
    target = inspect(_python(tokens, around, folder), around.child)
    beside = what.beside if not has(tokens, "--out-dir") else None
    return _plan(
        argv,
        tokens,
        around,
        target,
        command="build",
        words=(
            f"--python={target.python}",
            *([f"--out-dir={beside}"] if beside is not None else []),
            *around.links,
            *inputs,
            *what.words,
        ),
        requested=what.requested,
        builds_in=target if uv_isolation.is_asked(tokens, around.unisolated) else None,
        chooses=choose_files(inputs) or what.beside is not None,
        indexes=what.indexes,
    )


class _Built(NamedTuple):
    """What is built: words of the command, and what that needs; `beside`: where the output goes unless told.

    `indexes` are those that folders name.
    """

    words: tuple[str | Archive | Project, ...]
    requested: tuple[Requested, ...]
    beside: str | None = None
    indexes: tuple[Index, ...] = ()


def _sdist(place: str) -> _Built:
    """Understand an sdist on this machine: it is judged like one that is downloaded, and uv gets the copy."""
    found = read_source(place, os.path.dirname(place))
    if found is None or found[1].path is None or found[1].filename.endswith(".whl"):
        raise UsageError(f"`{without_login(place)}` is neither a folder nor an sdist")
    wanted = Requested(found[0], COMMAND_LINE, (), found[1])
    return _Built((Archive(found[1]),), (wanted,), os.path.dirname(place))


def _members(tokens: Sequence[Token], around: Around, typed: str | None) -> _Built | None:
    """Return the members of a workspace that `--package` and `--all-packages` name, None without either."""
    name, every = last_of(tokens, "--package"), has(tokens, "--all-packages")
    if name is None and not every:
        return None
    if typed is not None or has(around.where, "--project"):
        raise UsageError("`--package` and `--all-packages` of another folder are not gated yet", hint="--directory DIR")
    return _built(uv_building.of_members(None if every else name, around, ignored_by(tokens)))


def _built(led: Led) -> _Built:
    return _Built(led.words, led.requested, indexes=led.indexes)


def plan_venv(argv: Sequence[str], environ: Mapping[str, str], cwd: str, tokens: list[Token], around: Around) -> Plan:
    """Understand `uv venv --seed`: what it puts into the environment is gated. Raises as above.

    One that is there (`--allow-existing`) is renewed at once; then what uv would seed it with is installed.
    """
    typed = _word(tokens, "venv")
    if typed is None and around.judged.get("UV_PROJECT_ENVIRONMENT"):
        raise UsageError("`UV_PROJECT_ENVIRONMENT` is not gated yet for `uv venv --seed`", hint="name the folder")
    place = typed or ENVIRONMENT
    prefix = os.path.abspath(os.path.join(around.cwd, place))
    if is_inside_own(prefix):
        raise own_environment(prefix)
    base = inspect(_python(tokens, around, around.cwd, "--system"), around.child)
    if has(tokens, "--allow-existing") and os.path.lexists(os.path.join(prefix, "bin", "python")):
        target = _into(Path(prefix), base, tokens, around)
        words = ("pip",) if target.version[:2] >= _WITHOUT_SETUPTOOLS else ("pip", "setuptools", "wheel")
        typed_words = tuple(map(without_login, argv))
        return replace(
            fresh.fill(target, tokens, words, environ, cwd, typed=typed_words, fetch=no_way_out), alone=False
        )
    return _plan(
        argv,
        tokens,
        around,
        still_missing(base, Path(prefix)),
        command="venv",
        words=("--seed", f"--python={base.python}", place),
        anew=has(tokens, "--clear"),
    )


def _into(prefix: Path, base: Target, tokens: list[Token], around: Around) -> Target:
    """Let uv renew an environment that is there, without seeds and without network, and return it.

    Raises `UsageError` for one with another Python, `ToolStops` with uv's words.
    """
    found = inspect(str(prefix / "bin" / "python"), around.child)
    if found.prefix.resolve() != prefix.resolve() or found.version[:2] != base.version[:2]:
        raise UsageError(f"`{prefix}` has another Python than uv would take", hint="--clear    or another folder")
    options = [part for token in tokens if token.flag in _OF_VENV for part in token.canonical()]
    command = [around.helper.path, "venv", "--quiet", "--offline", "--no-project", "--no-config", *options]
    command += ["--allow-existing", f"--python={base.python}", "--", str(prefix)]
    ended = ask(command, around.child, around.cwd)
    if ended.returncode != 0:
        raise ToolStops(ended.stderr.decode(errors="replace"), ended.returncode)
    return inspect(str(prefix / "bin" / "python"), around.child)


def _word(tokens: Sequence[Token], command: str) -> str | None:
    words = [token.spelled for token in tokens if token.flag is None]
    if len(words) > 1:
        raise UsageError(f"`uv {command}` takes one word: `{without_login(words[1])}`")
    return words[0] if words else None


def _python(tokens: list[Token], around: Around, folder: str, *more: str) -> str:
    return find_python(around.helper.path, [*more, *starting.request(tokens, around)], around.child, folder)


def _plan(
    argv: Sequence[str],
    tokens: Sequence[Token],
    around: Around,
    target: Target,
    *,
    command: str,
    words: tuple[str | Archive | Input | Links | Project, ...],
    requested: tuple[Requested, ...] = (),
    chooses: bool = False,
    builds_in: Target | None = None,
    anew: bool = False,
    indexes: tuple[Index, ...] = (),
) -> Plan:
    kept = [token for token in tokens if token.flag and token.flag.name not in starting.STEERING and handed_on(token)]
    options = [part for token in (*kept, *around.where) for part in token.canonical()]
    return Plan(
        tool="uv",
        version=uv_version(around.helper.path, around.child, around.cwd),
        words=(command,),
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(command, *options, *words),
        cwd=around.cwd,
        target=target,
        requested=requested,
        inputs=(),
        indexes=around.with_members(indexes),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        selects=around.config.selects or chooses,
        formats=around.config.formats,
        builds_in=builds_in,
        anew=anew,
    )
