"""Words that uv reads in its own way: names of files, after which it asks in a terminal, and of folders (T03, T04)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH113, PTH118

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError
from openvet_install.installers.projects import PROJECT_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.installers.projects import Project

_LISTS = re.compile(r".*\.(?:txt|in)|pylock(?:\.[^./]+)?\.toml", re.IGNORECASE | re.DOTALL)


def refuse_files(words: Iterable[str], cwd: str, flag: str) -> None:
    """Raise `UsageError` for a word that is a file of requirements or a project; `flag` takes the former."""
    for word in words:
        listed = _LISTS.fullmatch(word) is not None
        if (listed or word.lower() in PROJECT_FILES) and os.path.isfile(os.path.join(cwd, word)):
            raise UsageError(
                f"`{word}` is the name of a file here, no package",
                hint=f"{flag} {word}" if listed else "./    for the project itself",
            )


def plain(folders: Iterable[Project]) -> tuple[Project, ...]:
    """Return folders. Raises `UsageError` for one that uv would read as another: by its path, and by its address."""
    found = tuple(folders)
    for one in found:
        if "#" in one.path and not one.near:
            raise UsageError(
                f"`{one.path}`: uv reads the name of a folder up to its `#`",
                where=one.origin,
                hint="go there, and name `.`",
            )
    return found
