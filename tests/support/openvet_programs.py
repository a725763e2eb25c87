"""Finds the real `openvet` and `openvet-server` 0.6; never skips in silence.

Looked for in this order: the folder `$OPENVET_BIN`, PATH, `~/.cache/openvet-install-tests/bin` (where CI's
cargo puts them). `$OPENVET_INTEROP=0` is the one way to say that interop tests are not wanted here; even
then `CI=true` does not accept it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VERSION = "0.6.0"
CACHE = Path("~/.cache/openvet-install-tests").expanduser()
HOW = (
    f"build them with `cargo install --locked --root {CACHE} openvet@{VERSION} openvet-server@{VERSION}` "
    "or name their folder in OPENVET_BIN"
)


class ProgramsMissingError(RuntimeError):
    """The programs are not here, or are another version; says how to get them."""


@dataclass(frozen=True)
class Programs:
    openvet: Path
    server: Path


def not_wanted() -> bool:
    """Whether the person in front of this machine said that interop tests are to be left out."""
    return os.environ.get("OPENVET_INTEROP") == "0" and os.environ.get("CI") != "true"


@cache
def programs() -> Programs:
    """Return both programs; raises `ProgramsMissingError`."""
    found = Programs(openvet=_find("openvet"), server=_find("openvet-server"))
    told = subprocess.run([found.openvet, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if told != f"openvet {VERSION}":
        raise ProgramsMissingError(f"{found.openvet} is `{told}`, wanted is {VERSION}: {HOW}")
    return found


def _find(name: str) -> Path:
    folder = os.environ.get("OPENVET_BIN")
    if folder:
        path = Path(folder) / name
        if os.access(path, os.X_OK):
            return path
        raise ProgramsMissingError(f"OPENVET_BIN is {folder}, where no {name} is: {HOW}")
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path)
    cached = CACHE / "bin" / name
    if os.access(cached, os.X_OK):
        return cached
    raise ProgramsMissingError(f"{name} is neither on PATH nor in {cached.parent}: {HOW}")
