"""A `pylock.toml` given where requirement files are: read once, judged for this target, handed on as a copy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers.mirror import PrivateCopy
from openvet_install.installers.requirements import is_http, requested_by
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_sources import folders_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_sources import Member
    from openvet_install.installers.uv_sync import Locked

_NAMED = re.compile(r"(?P<path>(?:.*/)?pylock(?:\.[^./]+)?\.toml)(?P<extras>\[[^\]]*\])?")
ALL = ":all:"


class Given(NamedTuple):
    """What a command was given: a lock and its copy, or neither; `files` are the other values.

    `folders` are those that the lock names, as the tool finds them in the copy.
    """

    files: list[str]
    copy: PrivateCopy | None = None
    locked: Locked | None = None
    folders: tuple[Member, ...] = ()

    @property
    def words(self) -> tuple[PrivateCopy, ...]:
        """The copy as a word of the command."""
        return () if self.copy is None else (self.copy,)


def names_lock(value: str) -> bool:
    """Tell whether a file is a lock by its name."""
    return _NAMED.fullmatch(value) is not None


def given(values: Sequence[str], tokens: Sequence[Token], target: Target, cwd: str, *, flag: str = "") -> Given:
    """Read the lock among requirement files; `flag` is the one that the tool takes it with, empty for a bare word.

    Raises `UsageError` for more than one, for one by URL, and for folders that ask for something by address,
    `LockError` and `LockContentError`.
    """
    found = [(value, match) for value in values if (match := _NAMED.fullmatch(value)) is not None]
    files = [value for value in values if not names_lock(value)]
    if not found:
        return Given(files)
    from openvet_install.installers.locks import Wanted, parse_lock, read_text, select_for  # noqa: PLC0415 - rarely
    from openvet_install.installers.uv_sync import Locked  # noqa: PLC0415 - as above

    value, match = found[0]
    if len(found) > 1:
        raise UsageError(f"`{found[1][0]}`: only one lock can be given at a time")
    if is_http(value):
        raise UsageError(f"`{value}`: a lock by URL is not gated yet", hint="fetch it, and look at it")
    path = Path(os.path.abspath(Path(cwd, match["path"])))  # noqa: PTH100 - links stay as people wrote them
    text = read_text(path)
    lock = parse_lock(text, path, "pylock")
    wanted = Wanted(
        extras=frozenset(str(canonicalize_name(one)) for one in re.findall(r"[^\[\],\s]+", match["extras"] or "")),
        no_binary=_names(tokens, "--no-binary"),
        no_build=has(tokens, "--no-build") or _names(tokens, "--only-binary"),
    )
    selection = select_for(lock, target, wanted)
    folders = tuple(folders_named(lock, str(path.parent)))
    requested_by(folders, cwd)  # what they need stands in the lock; none of it may lead elsewhere
    copy = PrivateCopy(flag, path.name, _at_home(text, path) if folders else text, match["extras"] or "")
    return Given(files, copy, Locked(lock=lock, selection=selection), folders)


def _at_home(text: str, path: Path) -> str:
    """Return a lock whose folders are named as from everywhere: the copy lies elsewhere than the lock."""
    from openvet_install.installers.locks_values import load_toml  # noqa: PLC0415 - rarely
    from openvet_install.installers.toml_copy import written  # noqa: PLC0415 - as above

    table = load_toml(text, path)
    for package in table["packages"]:
        if "directory" in package:
            package["directory"]["path"] = os.path.abspath(path.parent / package["directory"]["path"])  # noqa: PTH100
    return written(table)


def _names(tokens: Sequence[Token], flag: str) -> frozenset[str] | bool:
    said = [name for value in values_of(tokens, flag) for name in value.split(",")]
    return ALL in said or frozenset(str(canonicalize_name(name)) for name in said if not name.startswith(":"))
