"""What uv says of the environment of a project, asked without network or cache, and so that it builds nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError
from openvet_install.installers.target import ToolStops, ask, inspect, still_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token

_BASE = re.compile(r"^Using .* interpreter at: (.+)$", re.MULTILINE)
_READ = re.compile(r"^DEBUG Found \w+ configuration (?:at|in:) `?(.+?)`?$", re.MULTILINE)
_ENVIRONMENT = re.compile(r"^Would (use|create|replace) .*environment at: (.+)$", re.MULTILINE)


def look(uv: str, steering: Sequence[str], environ: Mapping[str, str], cwd: str) -> Target:
    """Return the environment that `uv sync` would bring in line, there or not, whatever the lock is like.

    Raises `ToolStops` with uv's words when it finds no Python.
    """
    command = [uv, "sync", "--dry-run", "--offline", "--no-build", "--no-cache", "--color=never"]
    ended = ask([*command, "--no-install-workspace", "--no-install-local", *steering], environ, cwd)
    said = ended.stderr.decode(errors="replace")
    found = _ENVIRONMENT.search(said)
    if found is None:
        raise ToolStops(said, ended.returncode or 2)
    prefix = Path(cwd, found[2].strip())
    if found[1] == "use":
        return inspect(str(prefix / "bin" / "python"), environ)
    return to_be_made(uv, said, prefix, environ, cwd)[1]


def look_script(
    uv: str, script: str, steering: Sequence[str], environ: Mapping[str, str], cwd: str
) -> tuple[str, Path]:
    """Return what `uv sync --script` would do (`use`, `create` or `replace`) with which environment: uv's to keep.

    Raises `ToolStops` with uv's words when it does not say.
    """
    command = [uv, "sync", f"--script={script}", "--dry-run", "--offline", "--no-build", "--color=never"]
    ended = ask([*command, *steering], environ, cwd)
    said = ended.stderr.decode(errors="replace")
    found = _ENVIRONMENT.search(said)
    if found is None:
        raise ToolStops(said, ended.returncode or 2)
    return found[1], Path(cwd, found[2].strip())


def configurations(
    uv: str, words: tuple[str, ...], where: Sequence[Token], environ: Mapping[str, str], cwd: str
) -> frozenset[str]:
    """Return the files of configuration that uv reads for a command, links resolved; it is asked for a folder."""
    quiet = {**environ, "UV_PYTHON_DOWNLOADS": "never", "PYTHONHOME": os.devnull}
    place = [part for token in where for part in token.canonical()]
    kind = "tool" if words[:1] == ("tool",) else "workspace"
    ended = ask([uv, kind, "dir", "--verbose", "--offline", "--color=never", *place], quiet, cwd)
    return frozenset(os.path.realpath(Path(cwd, one)) for one in _READ.findall(os.fsdecode(ended.stderr)))


def to_be_made(uv: str, said: str, prefix: Path, environ: Mapping[str, str], cwd: str) -> tuple[str, Target]:
    """Return the interpreter that uv says it would make an environment of, and that environment."""
    base = _BASE.search(said)
    if base is None:
        raise ConfigError(f"`{uv}` does not say of which Python it would make `{prefix}`")
    python = base[1].strip()
    return python, still_missing(inspect(str(Path(cwd, python)), environ), prefix)
