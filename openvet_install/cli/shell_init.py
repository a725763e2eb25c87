"""`shell-init`: functions for a shell that send pip and uv through the wrappers, where the gate holds."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.config import read_guard, user_folder
from openvet_install.config.places import MACHINE_FOLDER
from openvet_install.config.reader import INSTALL_TOML, OPENVET_TOML
from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHELLS = ("bash", "zsh", "fish", "pwsh")
HOW = {
    "bash": 'eval "$(openvet-install shell-init bash)"    in ~/.bashrc',
    "zsh": 'eval "$(openvet-install shell-init zsh)"    in ~/.zshrc',
    "fish": "openvet-install shell-init fish | source    in ~/.config/fish/config.fish",
    "pwsh": "openvet-install shell-init pwsh | Out-String | Invoke-Expression    in $PROFILE",
}
_FILES = {"bash": "posix.sh", "zsh": "posix.sh", "fish": "fish.fish", "pwsh": "pwsh.ps1"}
_TRUTH = {"pwsh": {True: "$true", False: "$false"}}
_WHICH = {"bash": "type -P", "zsh": "whence -p"}


def run(shell: str) -> int:
    """Print the functions; to a person at a terminal also how they get into the shell, and out of it."""
    sys.stdout.write(script(shell, os.environ, Path(sys.executable).parent))
    if sys.stdout.isatty():
        sys.stderr.write(f"hint: {HOW[shell]}\nhint: openvet_undo    takes them out of a running shell\n")
    return 0


def script(shell: str, environ: Mapping[str, str], programs: Path) -> str:
    """Return the functions; `[guard]` of OpenVet's user file is read now. Raises `ConfigError` and `UsageError`."""
    quote = _QUOTES.get(shell, shlex.quote)
    guard = read_guard(user_folder(environ))
    excluded = [_folder(one, environ) for one in guard.exclude]
    policies = [MACHINE_FOLDER / OPENVET_TOML, MACHINE_FOLDER / INSTALL_TOML, user_folder(environ) / INSTALL_TOML]
    between = ", " if shell == "pwsh" else " "
    values = {
        "STRICT": _TRUTH.get(shell, {True: "true", False: "false"})[guard.strict],
        "EXCLUDE": between.join(map(quote, excluded)),
        "POLICIES": between.join(quote(str(one)) for one in policies),
        "PIP": quote(str(programs / "openvet-pip")),
        "UV": quote(str(programs / "openvet-uv")),
        "WHICH": _WHICH.get(shell, ""),
    }
    text = files("openvet_install.cli").joinpath("shells", _FILES[shell]).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _folder(text: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    whole = home + text[1:] if home and (text == "~" or text.startswith("~/")) else text
    if not whole.startswith("/") or any(char in whole for char in "\n\r\0"):
        raise UsageError(f"`guard.exclude`: `{text}` is no folder from the root or from `~/`")
    return whole.rstrip("/")


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _pwsh(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_QUOTES: dict[str, Callable[[str], str]] = {"fish": _fish, "pwsh": _pwsh}
