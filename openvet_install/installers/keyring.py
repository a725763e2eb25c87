"""The `keyring` program, asked as pip and uv ask it; one that could be anybody's is not started (threat T22)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from openvet_install.installers.choice import good_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECONDS = 30
_FLAG = "--keyring-provider=subprocess"
_VARIABLES = ("PIP_KEYRING_PROVIDER", "UV_KEYRING_PROVIDER")


def is_on(environ: Mapping[str, str], argv: Iterable[object] = ()) -> bool:
    """Tell whether the user wants passwords from the program; without a word about it nothing is started."""
    return _FLAG in argv or any(environ.get(name) == "subprocess" for name in _VARIABLES)


def password(service: str, user: str, environ: Mapping[str, str]) -> str | None:
    """Return the password of a user for a service, None if there is none or the program cannot be used."""
    program = good_helper("keyring", environ, os.getcwd())  # noqa: PTH109 - as a string
    if program is None or user.startswith("-") or service.startswith("-"):
        return None
    try:
        ended = subprocess.run(  # noqa: S603 - the user's own program, which pip and uv start too
            [program, "get", service, user],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**environ, "PYTHONIOENCODING": "utf-8"},
        )
        found = ended.stdout.decode().strip("\r\n")
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return found if ended.returncode == 0 and found else None
