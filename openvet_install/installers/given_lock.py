"""A `pylock.toml` given where requirement files are: read once, judged for this target, handed on as a copy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers.lines import requested_by
from openvet_install.installers.mirror import PrivateCopy
from openvet_install.installers.requirements import is_http
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_sources import folders_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.installers.commands import Requested
    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_sources import Member
    from openvet_install.installers.uv_sync import Locked

_NAMED = re.compile(r"(?P<path>(?:.*/)?pylock(?:\.[^./]+)?\.toml)(?P<extras>\[[^\]]*\])?")
ALL = ":all:"


class Given(NamedTuple):
    """What a command was given: a lock and its copy, or neither; `files` are the other values.

    `folders` are those that the lock names, as the tool finds them in the copy, `requested` archives of this machine.
    """

    files: list[str]
    copy: PrivateCopy | None = None
    locked: Locked | None = None
    folders: tuple[Member, ...] = ()
    requested: tuple[Requested, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[PrivateCopy | str, ...]:
        """The copy, and which parts of it are wanted, as words of the command."""
        return () if self.copy is None else (self.copy, *self.parts)


def names_lock(value: str) -> bool:
    """Tell whether a file is a lock by its name."""
    return _NAMED.fullmatch(value) is not None


class Parts(NamedTuple):
    """The parts of a lock that people want beside what is always installed; `groups` None: those of the lock."""

    extras: frozenset[str] = frozenset()
    all_extras: bool = False
    groups: frozenset[str] | None = None
    words: tuple[str, ...] = ()


def given(
    values: Sequence[str],
    tokens: Sequence[Token],
    target: Target,
    cwd: str,
    *,
    flag: str = "",
    parts: Parts = Parts(),  # noqa: B008 - it cannot be changed
) -> Given:
    """Read the lock among requirement files; `flag` is the one that the tool takes it with, empty for a bare word.

    Raises `UsageError` for more than one, for one by URL, for folders that ask for something by address, and for
    archives that are not there, `LockError` and `LockContentError`.
    """
    found = [(value, match) for value in values if (match := _NAMED.fullmatch(value)) is not None]
    files = [value for value in values if not names_lock(value)]
    if not found:
        return Given(files)
    from openvet_install.installers import lock_archives  # noqa: PLC0415 - rarely
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
    extras = frozenset(str(canonicalize_name(one)) for one in re.findall(r"[^\[\],\s]+", match["extras"] or ""))
    wanted = Wanted(
        extras=extras | parts.extras | frozenset(lock.extras if parts.all_extras else ()),
        groups=parts.groups,
        no_binary=_names(tokens, "--no-binary"),
        no_build=has(tokens, "--no-build") or _names(tokens, "--only-binary"),
    )
    selection = lock_archives.with_archives(lock, select_for(lock, target, wanted))
    folders = tuple(folders_named(lock, str(path.parent)))
    requested_by(folders, cwd)  # what they need stands in the lock; none of it may lead elsewhere
    copied = lock_archives.urls_here(lock)
    elsewhere = lock_archives.handed(text, path) if folders or copied else text
    copy = PrivateCopy(flag, path.name, elsewhere, match["extras"] or "")
    locked = Locked(lock=lock, selection=selection, copied=copied)
    return Given(files, copy, locked, folders, tuple(lock_archives.requested(lock, selection)), parts.words)


def _names(tokens: Sequence[Token], flag: str) -> frozenset[str] | bool:
    said = [name for value in values_of(tokens, flag) for name in value.split(",")]
    return ALL in said or frozenset(str(canonicalize_name(name)) for name in said if not name.startswith(":"))
