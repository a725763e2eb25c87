"""Places that no wheel may write to: configuration of tools, interpreters, modules that Python starts by itself."""

from __future__ import annotations

import re
from typing import Literal

Scheme = Literal["site", "scripts", "data", "headers"]
SCHEMES = frozenset({"purelib", "platlib", "scripts", "data", "headers"})
"""Folders below `.data` (binary distribution format, "The .data directory")."""

METADATA_FOLDERS = (".dist-info", ".egg-info", ".egg-link", ".egg")
"""Endings of what says, at the top of a site folder, that a project is installed."""
METADATA_TEXT = "would be another project's metadata"

_OWNERS = {"pip": "pip", "uv": "uv", "openvet_install": "openvet-install"}
"""Top-level package -> the only project that may bring it."""
_STARTERS = frozenset({"sitecustomize", "usercustomize"})
_CONFIGURATION = frozenset({"pyvenv.cfg", "pip.conf", "pip.ini", "uv.toml", ".netrc", ".pypirc"})
_COMMANDS = (
    (re.compile(r"pythonw?|python[0-9][0-9.]*[a-z]{0,2}|pypy[0-9.]*|activate(\..*)?|activate_this\.py"), ""),
    (re.compile(r"pip[0-9.-]*"), "pip"),
    (re.compile(r"uvx?|uvw"), "uv"),
    (re.compile(r"openvet-(pip|uv|install)"), "openvet-install"),
)
_PROGRAM_ENDINGS = (".exe", ".bat", ".cmd", ".com", ".ps1")
_OURS = "openvet-install"  # so are our folders called, some of them below `~/.local`
_SITE_FOLDERS = frozenset({"site-packages", "dist-packages"})
_BIN_FOLDERS = frozenset({"bin", "scripts", "sbin"})
_COMMAND_TEXT = "takes the name of an interpreter or installer"


def foreign_command(command: str, project: str) -> bool:
    """Whether a script of this name stands for an interpreter or installer that is not the project's own."""
    plain = command.casefold()
    for ending in _PROGRAM_ENDINGS:
        plain = plain.removesuffix(ending)
    return any(pattern.fullmatch(plain) and project != owner for pattern, owner in _COMMANDS)


def foreign_place(scheme: Scheme, path: str, project: str) -> str | None:
    """Say what is wrong with installing `path` (relative to the scheme's folder), or None.

    `project` is the wheel's normalised name.
    """
    parts = path.casefold().split("/")
    first, last = parts[0], parts[-1]
    if scheme == "headers":
        return None
    if scheme == "scripts":
        return _COMMAND_TEXT if foreign_command(first, project) else None
    if scheme == "site":
        return _foreign_site(first, last, alone=len(parts) == 1, project=project)
    return _foreign_data(parts, project)


def _foreign_site(first: str, last: str, *, alone: bool, project: str) -> str | None:
    stem = first.split(".", 1)[0]
    if stem in _STARTERS:
        return "is run at every start of Python"
    if alone and last in _CONFIGURATION:
        return "is configuration of the environment"
    if stem in _OWNERS and _OWNERS[stem] != project and not first.endswith((".dist-info", ".data")):
        return f"belongs to the project `{_OWNERS[stem]}`"
    return None


def _foreign_data(parts: list[str], project: str) -> str | None:
    second = parts[1] if len(parts) > 1 else ""
    if parts[-1] in _CONFIGURATION:
        return "is configuration of the environment"
    if _OURS in parts and project != _OURS:
        return f"belongs to the project `{_OURS}`"
    if _SITE_FOLDERS & set(parts) or (parts[0] in {"lib", "lib64"} and _is_library(second)):
        return "reaches into Python's own folders"
    if parts[0] in _BIN_FOLDERS and foreign_command(second, project):
        return _COMMAND_TEXT
    # with `--target` both are one folder
    return _foreign_site(parts[0], parts[-1], alone=len(parts) == 1, project=project)


def _is_library(folder: str) -> bool:
    return re.fullmatch(r"(python|pypy)[0-9.]*t?(\.zip)?|lib(python|pypy).*", folder) is not None
