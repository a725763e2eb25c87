"""`uv pip compile` under the gate: inputs read once and mirrored, so that the output is what plain uv would write.

uv works in a private copy of the user's folders; what it writes is judged for this target before the user gets it.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.errors import UsageError
from openvet_install.installers import headers, uv_elsewhere, uv_isolation
from openvet_install.installers.commands import (
    CONSTRAINTS,
    INPUT_FLAGS,
    OVERRIDES,
    REQUIREMENTS,
    Plan,
    choose_files,
    private_folder,
    requested_of,
    with_files,
    without_login,
)
from openvet_install.installers.lines import requested_by
from openvet_install.installers.mirror import PYLOCK, Compiled, Mirrored, check_depth
from openvet_install.installers.passing import flag_table
from openvet_install.installers.projects import strings_of
from openvet_install.installers.requirements import Reader
from openvet_install.installers.sources import mirrored
from openvet_install.installers.target import builds_with, inspect
from openvet_install.installers.tokens import Token, has, last_of, values_of
from openvet_install.installers.uv import named_by_variables
from openvet_install.installers.uv_around import handed_on, look_around
from openvet_install.installers.uv_compile_inputs import Inputs
from openvet_install.installers.uv_resolve import Resolution
from openvet_install.installers.uv_sources import ignored_by
from openvet_install.installers.uv_torch import with_torch
from openvet_install.installers.uv_workspace import led_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.passing import Command
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.sources import Links
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around

_STEERING = ("--python", "--system", "--no-system", "--managed-python", "--no-managed-python", "--python-preference")
_OURS = frozenset({*_STEERING, "--python-version"})


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside,
) -> Plan:
    """Understand `uv pip compile`; `tokens` are its options, none of them refused. Errors: `uv.plan`."""
    around = with_torch(look_around(tokens, environ, cwd, command.words), tokens)
    cwd, config = around.cwd, around.config.pip
    tokens = [*named_by_variables(flag_table("uv", command.words), tokens, around.judged), *tokens]
    output = last_of(tokens, "--output-file")
    if output is None and config.get("output-file"):
        raise UsageError("`pip.output-file` is not gated here: uv would write it before it was judged", hint="-o FILE")
    listed = [token.spelled for token in tokens if token.flag is None]
    groups = [*values_of(tokens, "--group"), *strings_of(config.get("group"))]
    if not listed and not groups:
        raise UsageError("`uv pip compile` needs a file", hint="openvet-uv pip compile requirements.in")
    reader = Reader(cwd, environ, partial(fetch, upstream=around.upstream), stdin=True)
    found = Inputs(reader, around.config.texts, sources=not has(tokens, "--no-sources"), extras=_extras(tokens, config))
    words = found.read(listed, REQUIREMENTS)
    flagged = [
        word
        for kind, flag in INPUT_FLAGS["uv"].items()
        if flag in flag_table("uv", command.words)
        for word in found.read(values_of(tokens, flag), kind, flag)
    ]
    flagged += [Mirrored("--group", one) for one in values_of(tokens, "--group")]
    asked = found.groups(groups, last_of(around.where, "--project"))
    inputs = tuple(found.inputs)
    links = tuple(one for source in inputs for one in source.links)
    pinned = found.output(output) if output is not None else {}
    led, more = led_by(found.built, around, ignored_by(tokens))
    built = (*found.built, *led)
    compiled = Compiled(
        mirror=found.mirror(output, built),
        kind=PYLOCK if (last_of(tokens, "--format") or output or "").endswith(".toml") else REQUIREMENTS,
        universal=_says("universal", tokens, config),
        output=os.path.abspath(os.path.join(cwd, output)) if output is not None else None,
        folders=frozenset(found.folders),
        spelled=frozenset(found.spelled),
        archives=frozenset(found.archives),
    )
    _check_links(links, compiled, tokens, config)
    asked_of = with_files(around.indexes, inputs)
    version = _version(tokens, around, config)
    uv, target = _look(tokens, around)
    return Plan(
        tool="uv",
        version=uv,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            *command.words,
            *(part for token in tokens if _is_for_uv(token) for part in token.canonical()),
            *_header(argv, tokens, around),
            *where_of(around),
            f"--python={target.python}",
            *([f"--python-version={version}"] if version else []),
            *([Mirrored("--output-file", output)] if output is not None else []),
            *mirrored(around.links, cwd),
            *links,
            *flagged,
            *built,
            "--",
            *words,
        ),
        cwd=cwd,
        target=_judged(target, tokens, version, cwd, universal=compiled.universal),
        requested=(*requested_of(inputs, REQUIREMENTS), *found.requested, *asked, *requested_by(built, cwd)),
        limits=requested_of(inputs, CONSTRAINTS),
        overrides=requested_of(inputs, OVERRIDES),
        inputs=inputs,
        indexes=(*asked_of, *((*found.indexes, *more) if asked_of else ())),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        selects=around.config.selects or choose_files(inputs),
        formats=around.config.formats,
        builds_in=target if uv_isolation.is_asked(tokens, around.unisolated) else None,
        resolution=Resolution(files=compiled.replaced, pinned=pinned),
        compiled=compiled,
    )


def _header(argv: Sequence[str], tokens: Sequence[Token], around: Around) -> list[str]:
    typed = last_of(tokens, "--custom-compile-command")
    if typed is not None:
        return [f"--custom-compile-command={typed}"]
    config = around.config.pip
    if "UV_CUSTOM_COMPILE_COMMAND" in around.child or "custom-compile-command" in config:
        return []
    indexes, links = (_says(name, tokens, config) for name in ("emit-index-url", "emit-find-links"))
    return [f"--custom-compile-command={headers.compiled(argv, indexes=indexes, links=links)}"]


def _is_for_uv(token: Token) -> bool:
    return handed_on(token) and token.flag is not None and token.flag.name not in _OURS


def where_of(around: Around) -> list[str | Mirrored]:
    """Return what says where uv finds its configuration: the project's lies in the mirror, too."""
    found: list[str | Mirrored] = []
    for token in around.where:
        if token.flag is not None and token.flag.name == "--project":
            check_depth(token.value or "", around.cwd)
            found.append(Mirrored("--project", token.value or ""))
        elif token.flag is not None and token.flag.name == "--config-file":
            found.append(f"--config-file={os.path.join(around.cwd, token.value or '')}")
        else:
            found += token.canonical()
    return found


def _says(name: str, tokens: Sequence[Token], config: Mapping[str, Any]) -> bool:
    """Tell whether a switch is on: the last flag decides, else the configuration."""
    said = [one.flag.name for one in tokens if one.flag and one.flag.name in (f"--{name}", f"--no-{name}")]
    return said[-1] == f"--{name}" if said else config.get(name) is True


def _extras(tokens: Sequence[Token], config: Mapping[str, Any]) -> frozenset[str] | None:
    if has(tokens, "--all-extras") or config.get("all-extras") is True:
        return None
    typed = [part for value in values_of(tokens, "--extra") for part in value.split(",")]
    return frozenset(str(canonicalize_name(one)) for one in (*typed, *strings_of(config.get("extra"))))


def _version(tokens: Sequence[Token], around: Around, config: Mapping[str, Any]) -> str | None:
    """Return the version of Python that is compiled for, if one is named: uv takes `--python 3.12` for that, too."""
    typed = last_of(tokens, "--python-version")
    if typed is not None:
        return typed
    asked = last_of(tokens, "--python") or around.judged.get("UV_PYTHON") or str(config.get("python") or "")
    try:
        Version(asked)
    except ValueError:
        return None
    return asked


def _look(tokens: Sequence[Token], around: Around) -> tuple[str, Target]:
    """Ask uv for its version, and which Python it would build with."""
    steering = [one for one in tokens if one.flag is not None and one.flag.name in _OURS]
    told = [part for token in (*steering, *around.where) for part in token.canonical()]
    if not has(tokens, "--python") and not has(tokens, "--python-version") and around.judged.get("UV_PYTHON"):
        told.append(f"--python={around.judged['UV_PYTHON']}")
    if around.says("UV_SYSTEM_PYTHON") and not has(tokens, "--no-system"):
        told.append("--system")
    with private_folder() as folder:
        (folder / "requirements.in").touch()
        version, python = builds_with(
            around.helper.path, told, around.quiet(folder), around.cwd, folder / "requirements.in"
        )
        return version, inspect(python, around.child)


def _judged(target: Target, tokens: Sequence[Token], version: str | None, cwd: str, *, universal: bool) -> Target:
    """Return what the output is judged for: one platform and Python, or for every platform this one."""
    if not universal:
        flag = flag_table("uv", ("pip", "compile"))["--python-version"]
        more = [Token(flag, "--python-version", version)] if version else []
        return uv_elsewhere.placed(target, [*tokens, *more], cwd)[0]
    later = version is not None and Version(version) > Version(".".join(map(str, target.version)))
    flags = [one for one in tokens if one.flag is not None and one.flag.name == "--python-version"]
    return uv_elsewhere.placed(target, flags, cwd)[0] if later else target


def _check_links(
    links: Sequence[Links], compiled: Compiled, tokens: Sequence[Token], config: Mapping[str, Any]
) -> None:
    """Raise `UsageError` where the output would name copies of ours."""
    if any(one.path for one in links) and (compiled.kind == PYLOCK or _says("emit-find-links", tokens, config)):
        raise UsageError(
            "`--find-links` with a folder in a file is not gated here: the output would name our copies",
            hint="--find-links FOLDER    on the command line",
        )
