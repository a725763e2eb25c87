"""What a script asks for in its metadata, in an environment of this run alone, filled by `uv sync --script`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.installers import starting, uv_flags, uv_isolation
from openvet_install.installers.commands import Plan
from openvet_install.installers.target import find_python, new_environment, uv_version
from openvet_install.installers.tokens import has
from openvet_install.installers.uv_around import handed_on
from openvet_install.installers.uv_torch import with_torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from openvet_install.installers.scripts import Script
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around


def plan(
    script: Script, path: str | None, tokens: list[Token], around: Around, room: Path, *, typed: tuple[str, ...]
) -> Plan:
    """Make an empty environment below `room`, and return the plan that fills it; `path` is None for standard input.

    uv gets a copy of the metadata alone. Errors: `uv.plan`.
    """
    copy, around = script.copy_to(room), with_torch(around, script=script)
    uv = around.helper.path
    flags = starting.request(tokens, around)
    choosing = "--no-project" if "--" in flags else f"--script={path or copy}"
    base = find_python(uv, [choosing, *flags], around.child, around.cwd)
    target = new_environment(uv, base, room / "script", around.child, around.cwd)
    known = set(uv_flags.SYNC)
    passed = [
        token
        for token in tokens
        if token.flag in known and token.flag.name not in starting.STEERING and handed_on(token)
    ]
    options = [part for token in (*passed, *around.where) for part in token.canonical()]
    found = Plan(
        tool="uv",
        version=uv_version(uv, around.child, around.cwd),
        words=("run",),
        typed=typed,
        program=(uv,),
        helper=around.helper,
        argv=(
            "sync",
            f"--script={copy}",
            "--active",
            *options,
            *uv_isolation.isolated(around.unisolated),
            *around.links,
            *script.settings.links,
        ),
        cwd=around.cwd,
        target=target,
        requested=script.requirements,
        inputs=(),
        indexes=() if has(tokens, "--no-index") else (*script.settings.indexes, *around.indexes),
        environment={**around.child, "VIRTUAL_ENV": str(target.prefix)},
        upstream=around.upstream,
        dropped=around.dropped,
        selects=around.config.selects or script.settings.selects,
        alone=True,
        warnings=_warnings(script, around),
    )
    return starting.quiet(found, tokens)


def _warnings(script: Script, around: Around) -> tuple[str, ...]:
    """Say what `uv run` heeds and `uv sync --script` does not: packages of PyTorch come from people's own index."""
    named = [one.requirement.name for one in script.requirements if one.requirement.name.lower().startswith("torch")]
    if not around.child.get("UV_TORCH_BACKEND") or around.config.torch or script.settings.torch or not named:
        return ()
    names = ", ".join(named)
    return (f"UV_TORCH_BACKEND has no effect on a script: {names} as the index has it ({script.origin})",)


def has_lock(path: str | None, around: Around) -> bool:
    """Tell whether a lock lies beside a script."""
    return path is not None and Path(around.cwd, f"{path}.lock").exists()


def plans_by_lock(
    script: Script,
    path: str,
    tokens: list[Token],
    around: Around,
    room: Path,
    *,
    environ: Mapping[str, str],
    cwd: str,
    typed: tuple[str, ...],
) -> Iterator[Plan]:
    """Yield the plan that writes the lock of a script anew, if it must be, and the one that fills an environment by it.

    The environment is a new one below `room`. Errors: `uv.plan`.
    """
    from openvet_install.installers import uv_script_lock  # noqa: PLC0415 - it looks at us

    def read() -> uv_script_lock.Scripted:
        return uv_script_lock.read(path, around.cwd)._replace(script=script)

    uv = around.helper.path
    flags = starting.request(tokens, around)
    choosing = "--no-project" if "--" in flags else f"--script={Path(around.cwd, path)}"
    base = find_python(uv, [choosing, *flags], around.child, around.cwd)
    if uv_script_lock.must_lock(read(), tokens, around, base):
        first = uv_script_lock.locking((), environ, cwd, tokens, path)
        yield starting.quiet(replace(first, typed=typed), tokens)
    target = new_environment(uv, base, room / "script", around.child, around.cwd)
    version = uv_version(uv, around.child, around.cwd)
    python = str(target.python)
    found = uv_script_lock.filling(read(), target, tokens, around, python=python, version=version, typed=typed)
    yield starting.quiet(replace(found, words=("run",), alone=True), tokens)
