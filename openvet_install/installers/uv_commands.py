"""The commands of uv, as data: gated with their options, passed on, or refused. Source: uv 0.13.9; a test compares."""

from __future__ import annotations

from importlib import import_module

from openvet_install.installers.tokens import CARRY, Flag
from openvet_install.installers.uv_flags import DOWNLOADS, GLOBAL

# Where the options of each gated command stand: most commands need none of these modules.
GATED: dict[tuple[str, ...], tuple[str, str]] = {
    ("pip", "install"): ("uv_flags", "PIP_INSTALL"),
    ("pip", "sync"): ("uv_flags", "PIP_SYNC"),
    ("pip", "compile"): ("uv_flags_compile", "COMPILE"),
    ("sync",): ("uv_flags", "SYNC"),
    ("build",): ("uv_flags_make", "BUILD"),
    ("venv",): ("uv_flags_make", "VENV"),
    ("run",): ("uv_flags_run", "RUN"),
    ("tool", "run"): ("uv_flags_run", "TOOL_RUN"),
    ("tool", "uvx"): ("uv_flags_run", "UVX"),
    ("lock",): ("uv_flags_project", "LOCK"),
    ("add",): ("uv_flags_project", "ADD"),
    ("remove",): ("uv_flags_project", "REMOVE"),
    ("version",): ("uv_flags_project", "VERSION"),
    ("export",): ("uv_flags_project", "EXPORT"),
    ("tree",): ("uv_flags_project", "TREE"),
    ("tool", "install"): ("uv_flags_run", "TOOL_INSTALL"),
    ("tool", "upgrade"): ("uv_flags_run", "TOOL_UPGRADE"),
    ("tool", "update"): ("uv_flags_run", "TOOL_UPGRADE"),
}


def options_of(words: tuple[str, ...]) -> tuple[Flag, ...]:
    """Return the options of a gated command."""
    module, table = GATED[words]
    found: tuple[Flag, ...] = getattr(import_module(f"openvet_install.installers.{module}"), table)
    return found


# Those that end in a program of the user's: its words, `--help` among them, are its own.
STARTING = frozenset({("run",), ("tool", "run"), ("tool", "uvx")})

# Those that are carried out in several runs.
IN_STEPS = STARTING | {("tool", "upgrade"), ("tool", "update")}

# Commands that pass without a gate (threats 3.1), by their words.
PASSING = frozenset(
    {
        ("help",),
        ("version",),
        ("init",),
        ("pip", "list"),
        ("pip", "ls"),
        ("pip", "tree"),
        ("pip", "show"),
        ("pip", "freeze"),
        ("pip", "check"),
        ("pip", "uninstall"),
        ("clean",),
        ("cache", "clean"),
        ("cache", "clear"),
        ("cache", "prune"),
        ("cache", "dir"),
        ("cache", "size"),
        ("python", "list"),
        ("python", "ls"),
        ("python", "find"),
        ("python", "dir"),
        ("python", "pin"),
        ("python", "uninstall"),
        ("python", "update-shell"),
        ("python", "ensurepath"),
        ("auth", "dir"),
        ("generate-shell-completion",),
        ("tool", "list"),
        ("tool", "ls"),
        ("tool", "dir"),
        ("tool", "uninstall"),
        ("tool", "update-shell"),
        ("tool", "ensurepath"),
        ("workspace", "dir"),
        ("workspace", "list"),
        ("self", "version"),
    }
)

# Words that stand in front of another word.
SPACES = frozenset({"pip", "cache", "python", "tool", "workspace", "self", "auth"})

# Options that a passing command may not have. uv knows no abbreviations, so the exact spelling is enough.
PASSING_REFUSED = {
    "--outdated": "it asks the index, which is not gated here",
    "--allow-python-downloads": DOWNLOADS,
    "--python-fetch": DOWNLOADS,
    "--python-downloads-json-url": DOWNLOADS,
}

# All that `uv version` may have to pass: with a value or more options it changes the project, and is gated.
VERSION_ONLY = (
    *GLOBAL,
    Flag(("--short",), False, CARRY),
    Flag(("--output-format",), True, CARRY),
    Flag(("--package",), True, CARRY),
)

# Known commands that are neither: the answer in words. Everything else is unknown.
NOT_YET = frozenset(
    {
        ("workspace", "metadata"),
    }
)
REFUSED = {
    ("publish",): "it uploads, and the gateway takes nothing out",
    ("auth", "login"): "it reaches past the gateway",
    ("auth", "logout"): "it reaches past the gateway",
    ("auth", "token"): "it reaches past the gateway",
    ("auth", "helper"): "it reaches past the gateway",
    ("self", "update"): "it replaces uv without an audit",
    ("python", "install"): DOWNLOADS,
    ("python", "upgrade"): DOWNLOADS,
    ("tool", "audit"): "it asks a service past the gateway",
    ("format",): "it downloads a program without an audit",
    ("check",): "it downloads a program without an audit",
    ("audit",): "it asks a service past the gateway",
    ("upgrade",): "it changes the project without a gate",
    ("build-backend",): "run uv itself for it",
    ("pip", "debug"): "uv does not have it",
}

# What to do instead, where there is something.
INSTEAD = {
    ("format",): "openvet-uv tool run ruff format",
    ("check",): "openvet-uv tool run ty check",
    ("audit",): "openvet-install check    judges what the lock names",
    ("upgrade",): "openvet-uv lock --upgrade",
    ("python", "install"): "an interpreter that is there is found: openvet-uv python list",
}
