"""Whose pip, whose uv, which Python (design, section 5), by looking at paths only: nothing is started here."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH116, PTH117, PTH118, PTH120

from __future__ import annotations

import os
import shlex
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_PROJECT_MARKS = (".git", "pyproject.toml", "uv.lock", "uv.toml", "openvet.toml", "openvet-install.toml")


MARK_OF_STAND_INS = ".openvet-stand-ins"
"""In a folder on PATH: the tools in it are our own wrappers, and whoever looks for a tool looks further."""


class Program(NamedTuple):
    """A tool on disk; `skipped` names what came first on PATH and why it was not taken."""

    path: str
    skipped: tuple[tuple[str, str], ...]
    ours: bool


def pip_program(python: str) -> tuple[str, ...]:
    """Return the command that runs our own pip inside `python`.

    It is the script with which `pip --python` starts itself a second time; going there at once saves the first
    start (a tenth of a second) and a process between us and the one that installs.
    """
    import importlib.util  # noqa: PLC0415 - pip only

    found = importlib.util.find_spec("pip")
    for folder in (found.submodule_search_locations or ()) if found else ():
        runner = os.path.join(folder, "__pip-runner__.py")
        if os.path.isfile(runner):
            return (python, runner)
    raise ConfigError("our own pip is missing", hint="install openvet-install again")


def target_python(typed: str | None, environ: Mapping[str, str], cwd: str) -> str:
    """Return the interpreter that pip works for: `--python`, VIRTUAL_ENV, CONDA_PREFIX, ./.venv, python3 on PATH.

    An empty variable counts as unset. Raises `UsageError` when the named one does not exist or is our own.
    """
    if typed is not None:
        return _not_ours(_named(os.path.join(cwd, typed), f"`--python {typed}`"))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        value = environ.get(name)
        if value:
            return _not_ours(_named(os.path.join(cwd, value), f"{name}={value}"))
    if os.path.isdir(os.path.join(cwd, ".venv")):
        return _not_ours(_named(os.path.join(cwd, ".venv"), "`.venv`"))
    for folder in _search_path(environ, cwd):
        candidate = os.path.join(folder, "python3")
        if _runnable(candidate) and not is_own(candidate):
            return candidate
    raise UsageError(
        "no Python to install into: no VIRTUAL_ENV, no `.venv`, no `python3` on PATH", hint="--python PATH"
    )


def _named(path: str, said: str) -> str:
    if os.path.isdir(path):
        for part in ("bin/python", "Scripts/python.exe"):
            if os.path.exists(os.path.join(path, part)):
                return os.path.abspath(os.path.join(path, part))
    elif os.path.exists(path):
        return os.path.abspath(path)
    raise UsageError(f"{said} is no Python and no environment with one")


def _not_ours(python: str) -> str:
    if is_own(python):
        raise own_environment(python)
    return python


def own_environment(python: str) -> UsageError:
    """Return the error for a target that is our own environment (T22, T33)."""
    return UsageError(f"`{python}` belongs to openvet-install itself, which installs into other environments only")


def is_own(python: str) -> bool:
    """Whether the environment of this interpreter, links resolved, is the one that we run in."""
    return prefix_of(python) == os.path.realpath(sys.prefix)


def is_inside_own(folder: str) -> bool:
    """Whether a folder, links resolved, lies in the environment that we run in."""
    own = os.path.realpath(sys.prefix)
    return os.path.commonpath([own, os.path.realpath(folder)]) == own


def prefix_of(python: str) -> str:
    """Return the real path of the virtual environment of an interpreter, else of its installation."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if os.path.isfile(os.path.join(folder, "pyvenv.cfg")):
        return os.path.realpath(folder)
    return os.path.dirname(os.path.dirname(os.path.realpath(python)))


def find_uv(environ: Mapping[str, str], cwd: str, avoid: Sequence[str] = ()) -> Program:
    """Return the user's uv, first on PATH, that passes T22; else the one of our `uv` package.

    `avoid`: folders inside which no helper may lie (the target, once it is known); the active environment and the
    project around `cwd` are avoided anyway. Raises `ConfigError` when there is none at all.
    """
    inside = [*avoid, *(environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name))]
    inside += [os.path.join(cwd, ".venv"), *_project(cwd)]
    inside = [os.path.realpath(os.path.join(cwd, folder)) for folder in inside]
    own = os.path.realpath(sys.prefix)
    skipped: list[tuple[str, str]] = []
    for folder in _search_path(environ, cwd):
        candidate = os.path.join(folder, "uv")
        if not _runnable(candidate):
            continue
        real = os.path.realpath(candidate)
        if _below(real, own) or _below(os.path.realpath(folder), own):
            continue
        reason = _untrusted(candidate, real, inside)
        if reason is None:
            return Program(candidate, tuple(skipped), ours=False)
        skipped.append((candidate, reason))
    return Program(_packaged_uv(), tuple(skipped), ours=True)


HELPERS = ("keyring", "git", "hg", "svn", "bzr", "nvidia-smi", "rocm_agent_enumerator", "lsb_release")
"""Programs that pip and uv start by themselves, by name."""
_COMPILER = "rustc"
"""pip asks it for its `--version`, to tell indexes; builds start it for more, wherever it lies."""


def good_helper(name: str, environ: Mapping[str, str], cwd: str, avoid: Sequence[str] = ()) -> str | None:
    """Return the first program of this name on PATH that passes T22, None if there is none."""
    inside = [*avoid, *(environ[one] for one in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(one))]
    inside = [os.path.realpath(one) for one in (*inside, os.path.join(cwd, ".venv"), *_project(cwd))]
    found = (path for one in _search_path(environ, cwd) if _runnable(path := os.path.join(one, name)))
    return next((path for path in found if _untrusted(path, os.path.realpath(path), inside) is None), None)


def helpers_path(folder: Path, environ: Mapping[str, str], cwd: str, avoid: Sequence[str]) -> dict[str, str]:
    """Return PATH for a gated tool: relative folders left out, `folder` in front (T22).

    In `folder` stands, for each helper whose first place is the target (`avoid`), the project, or writable by others,
    a link to the next good one, or a program that fails; for such a compiler one that does not tell its version. Empty
    if there is no PATH.
    """
    if "PATH" not in environ:
        return {}
    inside = [os.path.realpath(one) for one in (*avoid, os.path.join(cwd, ".venv"), *_project(cwd))]
    places = list(_search_path(environ, cwd))
    for name in HELPERS:
        found = [path for one in places if _runnable(path := os.path.join(one, name))]
        good = [path for path in found if _untrusted(path, os.path.realpath(path), inside) is None]
        if found and found[:1] != good[:1]:
            _stand_in(folder / name, next(iter(good), None))
    compiler = next((path for one in places if _runnable(path := os.path.join(one, _COMPILER))), None)
    if compiler is not None and _untrusted(compiler, os.path.realpath(compiler), inside) is not None:
        _program(folder / _COMPILER, f'[ "$*" = --version ] && exit 1\nexec {shlex.quote(compiler)} "$@"\n')
    return {"PATH": os.pathsep.join([str(folder), *places])}


def _stand_in(path: Path, good: str | None) -> None:
    if good is not None:
        path.symlink_to(good)
        return
    _program(path, "exit 1\n")


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o700)


def _packaged_uv() -> str:
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only when there is no other

        return os.fsdecode(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise ConfigError("no `uv` that may be used", hint="install uv into a folder of its own") from error


def _untrusted(candidate: str, real: str, inside: Sequence[str]) -> str | None:
    folder, name = os.path.split(candidate)
    for path in (os.path.join(os.path.realpath(folder), name), real):
        if any(_below(path, folder) for folder in inside):
            return "it lies in the target or in the project"
    for path in (real, os.path.dirname(real), os.path.realpath(os.path.dirname(candidate))):
        if others_can_write(path):
            return f"others can write to {path}"
    return None


def others_can_write(path: str) -> bool:
    """Whether somebody besides root and us owns or may write this file or folder."""
    found = os.stat(path)
    if found.st_uid not in (0, os.geteuid()):
        return True
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & _OTHERS) and found.st_gid not in (0, os.getegid())


def _project(cwd: str) -> list[str]:
    folder = os.path.abspath(cwd)
    while True:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _PROJECT_MARKS):
            return [folder]
        above = os.path.dirname(folder)
        if above == folder:
            return []
        folder = above


def _search_path(environ: Mapping[str, str], cwd: str) -> Iterator[str]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.exists(os.path.join(folder, MARK_OF_STAND_INS)):
            continue
        if os.path.isabs(folder) and os.path.abspath(folder) != os.path.abspath(cwd):
            yield folder


def _runnable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
