"""Folders of `--find-links` in `uv.lock`: uv works with private copies of them, and the lock says what it would (T04).

uv names such a folder, and each file in it, in the lock, and reads it there. While it runs the lock names our copies.
"""

# Paths stay strings, as uv reads and writes them.
# ruff: noqa: PTH117, PTH118, PTH119

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping  # noqa: TC003 - a runtime annotation
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import UsageError
from openvet_install.installers.commands import links_of
from openvet_install.installers.locks import parse_lock

if TYPE_CHECKING:
    from openvet_install.installers.commands import Plan

_PACKAGE = re.compile(r"\[\[\s*package\s*\]\]")
_VALUE = re.compile(r"""\b(registry|path) = ("(?:[^"\\]|\\.)*"|'[^']*')""")


class Shelves(NamedTuple):
    """The lock at `lock`, and the folders in it: what they are called there, and where their copies lie.

    `installs`: uv takes files from wherever the lock says.
    """

    lock: Path
    copies: Mapping[str, str]
    installs: bool

    def for_uv(self, text: str) -> str:
        """Return the lock with the names of the copies. Raises `UsageError` where it would still lead elsewhere."""
        found = _renamed(text, self.copies, absolute=True)
        folders = {Path(one).as_uri() for one in self.copies.values()}
        for package in parse_lock(found, self.lock, "uv").packages:
            for file in package.files if package.source.kind == "registry" else ():
                ours = not file.url.startswith("file:") or file.url.rpartition("/")[0] in folders
                if not ours and (self.installs or package.source.location in self.copies):
                    raise UsageError(f"`{package.name}`: its entry is not as uv writes one", where=str(self.lock))
        return found

    def for_people(self, text: str) -> str:
        """Return the lock that uv has written with the names that it would have without us."""
        found = text
        for name, copy in self.copies.items():
            found = _renamed(found, {copy: name}, absolute=os.path.isabs(name))
        return found


def shelves_of(plan: Plan, folder: Path) -> Shelves | None:
    """Return the folders that stand, or will stand, in the lock of a plan; `folder` is the run's own."""
    named = [one for one in links_of(plan.argv) if one.path is not None]
    if plan.resolution is not None:
        lock, named = plan.resolution.lock, [one for one in named if not one.told]
    else:
        lock, named = plan.locked.lock.path if plan.locked is not None else None, [one for one in named if one.told]
    if lock is None or not named or plan.compiled is not None:
        return None
    found = {}
    for one in named:
        path = one.path or ""
        relative = os.path.relpath(path, os.path.realpath(lock.parent))
        name = one.typed if one.told else path if one.absolute else relative
        found[name] = str(one.copy(folder))
    return Shelves(lock, found, installs=plan.resolution is None)


def _renamed(text: str, names: Mapping[str, str], *, absolute: bool) -> str:
    """Rename folders and the files of packages that come from them."""
    lines = []
    inside: str | None = None
    for line in text.split("\n"):
        if _PACKAGE.match(line):
            inside = None
        if line.startswith("source = "):
            told = _VALUE.search(line)
            inside = names.get(_read(told[2])) if told is not None and told[1] == "registry" else None
        to = inside

        def replaced(match: re.Match[str], to: str | None = to) -> str:
            value = _read(match[2])
            if match[1] == "registry":
                return f"registry = {_written(names[value])}" if value in names else match[0]
            if to is None:
                return match[0]
            name = os.path.basename(value)
            return f"path = {_written(os.path.join(to, name) if absolute else name)}"

        lines.append(_VALUE.sub(replaced, line))
    return "\n".join(lines)


def _read(quoted: str) -> str:
    try:
        return quoted[1:-1] if quoted[0] == "'" else str(json.loads(quoted))
    except ValueError:
        return quoted


def _written(text: str) -> str:
    return f"'{text}'" if ('"' in text or "\\" in text) and "'" not in text else json.dumps(text, ensure_ascii=False)
