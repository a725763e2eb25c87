"""What a script asks for in its metadata, in an environment of this run alone, filled by `uv sync --script`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError
from openvet_install.installers import starting, uv_flags
from openvet_install.installers.commands import Plan
from openvet_install.installers.target import find_python, new_environment, uv_version
from openvet_install.installers.tokens import has
from openvet_install.installers.uv_around import handed_on

if TYPE_CHECKING:
    from openvet_install.installers.scripts import Script
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around


def plan(
    script: Script, path: str | None, tokens: list[Token], around: Around, room: Path, *, typed: tuple[str, ...]
) -> Plan:
    """Make an empty environment below `room`, and return the plan that fills it; `path` is None for standard input.

    uv gets a copy of the metadata alone. Raises `UsageError` for a script with a lock, else what `uv.plan` raises.
    """
    if path is not None and Path(around.cwd, f"{path}.lock").exists():
        raise UsageError(f"`{path}.lock`: the lock of a script is not gated yet", hint=f"uv run --no-project {path}")
    copy = script.copy_to(room)
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
        argv=("sync", f"--script={copy}", "--active", *options),
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
    )
    return starting.quiet(found, tokens)
