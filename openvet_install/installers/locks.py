"""Lock files: what they hold, what one target would install from them, what OpenVet makes of them.

`read_lock` and the values know files; `select` and `all_files` are pure. The walk over a `uv.lock` does what
`uv sync` does: from the project, through its default groups, along the edges whose markers hold.
"""

from __future__ import annotations

import os
from itertools import groupby
from stat import S_ISREG
from typing import TYPE_CHECKING

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from openvet_install.installers.locks_subjects import LockSubjects, Skipped, subjects
from openvet_install.installers.locks_values import (
    MAX_LOCK_BYTES,
    Chosen,
    Dependency,
    Lock,
    LockContentError,
    LockedPackage,
    LockError,
    LockKind,
    NotHere,
    Selection,
    Source,
    Wanted,
)
from openvet_install.installers.locks_walk import reach
from openvet_install.installers.uv_lock import parse_uv_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from openvet_install.files import File
    from openvet_install.installers.target import Target

    Rating: TypeAlias = tuple[int | str, ...]
    Rate: TypeAlias = Callable[[str], Rating | None]

__all__ = [
    "Chosen",
    "Dependency",
    "Lock",
    "LockContentError",
    "LockError",
    "LockSubjects",
    "LockedPackage",
    "NotHere",
    "Selection",
    "Skipped",
    "Source",
    "Wanted",
    "all_files",
    "kind_of",
    "parse_lock",
    "read_lock",
    "read_text",
    "select",
    "subjects",
]


def kind_of(path: Path) -> LockKind | None:
    """Tell the kind by the file's name: `uv.lock`, `x.py.lock`, `pylock.toml`, `pylock.x.toml`; else None."""
    if path.name == "uv.lock" or path.name.endswith(".py.lock"):
        return "uv"
    from packaging.pylock import is_valid_pylock_path  # noqa: PLC0415 - a slow import, for its own locks

    return "pylock" if is_valid_pylock_path(path) else None


def read_lock(path: Path, kind: LockKind | None = None) -> Lock:
    """Read a lock file, and what is beside it for the default groups of a uv.lock.

    Raises `LockError` (64) for what cannot be read or is not supported, `LockContentError` (65) for an entry
    that contradicts itself, `ConfigError` (78) for a broken pyproject.toml.
    """
    kind = kind or kind_of(path)
    if kind is None:
        raise LockError(
            f"not the name of a lock file that we read: `{path.name}`",
            hint="uv.lock, pylock.toml, pylock.NAME.toml and .txt files with hashes are",
        )
    pyproject = path.with_name("pyproject.toml")
    beside = read_text(pyproject) if kind == "uv" and path.name == "uv.lock" and pyproject.is_file() else None
    return parse_lock(read_text(path), path, kind, pyproject=beside)


def parse_lock(text: str, path: Path, kind: LockKind, *, pyproject: str | None = None) -> Lock:
    """Read the text of a lock; `path` names it in messages and places relative paths. Errors: `read_lock`."""
    if kind == "uv":
        return parse_uv_lock(text, path, pyproject=pyproject)
    from openvet_install.installers.pylock import parse_pylock  # noqa: PLC0415 - as above

    return parse_pylock(text, path)


def read_text(path: Path) -> str:
    """Return the text of a lock. Raises `LockError` for what cannot be read or is too long."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is never waited for
        with os.fdopen(handle, "rb") as file:
            if not S_ISREG(os.fstat(handle).st_mode):
                raise LockError("no ordinary file", where=str(path))
            raw = file.read(MAX_LOCK_BYTES + 1)
        text = raw.decode()
    except OSError as error:
        raise LockError(f"cannot read it: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise LockError("not UTF-8", where=path.name) from error
    if len(raw) > MAX_LOCK_BYTES:
        raise LockError(f"longer than {MAX_LOCK_BYTES // 1_000_000} MB", where=path.name)
    return text


def all_files(lock: Lock) -> tuple[Chosen, ...]:
    """Return every file of every entry, for every platform (`--all-files`)."""
    return tuple(Chosen(file, package) for package in lock.packages for file in package.files)


def select_for(lock: Lock, target: Target, wanted: Wanted | None = None) -> Selection:
    """Say what the tool would install from this lock into an inspected target; else as `select`."""
    return select(lock, [Tag(*text.split("-")) for text in target.tags], target.environment, wanted)


def select(
    lock: Lock, target_tags: Sequence[Tag], marker_env: Mapping[str, str], wanted: Wanted | None = None
) -> Selection:
    """Say what the tool would install from this lock into one target.

    `target_tags` are the target's tags, best first; `marker_env` its complete PEP 508 environment. For each
    entry what uv takes, and of a pylock what pip takes as well: the best wheel, else the sdist. Raises `LockError`
    when the lock is not made for this target, as the tools do, or lacks an entry that it names.
    """
    wanted = wanted or Wanted()
    walked = reach(lock, marker_env, wanted)
    uv, pip = _rates_of_uv(target_tags), _rates_of_pip(target_tags)
    files: list[Chosen] = []
    direct: list[LockedPackage] = []
    unfit: list[NotHere] = []
    for package, via in walked.reached:
        if package.source.kind != "registry":
            direct.append(package)
            continue
        sdists = [one for one in package.files if not (one.is_wheel or wanted.never_builds(package.name))]
        wheels = [one for one in package.files if one.is_wheel and not wanted.must_build(package.name)]
        built = lock.by_uv.builds(package.name)
        best = [_best([*([] if built else wheels), *sdists], uv)]
        best += [_best([*wheels, *sdists], uv)] if built and not lock.by_uv.sure else []
        best += [_best([*wheels, *sdists], pip)] if lock.kind == "pylock" else []
        taken = [one for n, one in enumerate(best) if one is not None and one not in best[:n]]
        files += (Chosen(one, package, via) for one in taken)
        if not taken:
            unfit.append(NotHere(package.name, package.version, "no file fits"))
    return Selection(files=tuple(files), not_here=(*walked.not_here, *unfit), direct=tuple(direct))


def _best(files: Iterable[File], rate: Rate) -> File | None:
    """Return the wheel with the highest rate, of equals the first; without any the sdist."""
    best: tuple[Rating, File] | None = None
    sdist = None
    for file in files:
        if not file.is_wheel:
            sdist = sdist or file
        elif (rated := rate(file.filename)) is not None and (best is None or rated > best[0]):
            best = rated, file
    return best[1] if best is not None else sdist


def _rates_of_pip(target_tags: Sequence[Tag]) -> Rate:
    """Rate wheels as pip does those of a pylock: by their best tag alone."""
    ranks: dict[Tag, int] = {}
    for rank, tag in enumerate(target_tags):
        ranks.setdefault(tag, rank)

    def rate(filename: str) -> Rating | None:
        tags = parse_wheel_filename(filename)[3]
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        return None if rank is None else (-rank,)

    return rate


def _rates_of_uv(target_tags: Sequence[Tag]) -> Rate:
    """Rate wheels as uv does: bare `linux` comes last, then the build number counts; a tag in capitals fits nothing."""
    groups = groupby(target_tags, lambda tag: (tag.interpreter, tag.abi))
    by_tag = _rates_of_pip([tag for _, tags in groups for tag in sorted(tags, key=_is_bare)])

    def rate(filename: str) -> Rating | None:
        rated = by_tag(filename)
        small = not any(one.isupper() for one in "".join(filename[: -len(".whl")].rsplit("-", 3)[1:]))
        return (*rated, *parse_wheel_filename(filename)[2]) if rated is not None and small else None

    return rate


def _is_bare(tag: Tag) -> bool:
    return tag.platform.startswith("linux_")
