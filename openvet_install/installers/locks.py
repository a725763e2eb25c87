"""Lock files: what they hold, what one target would install from them, what OpenVet makes of them.

`read_lock` and the values know files; `select` and `all_files` are pure. The walk over a `uv.lock` does what
`uv sync` does: from the project, through its default groups, along the edges whose markers hold.
"""

from __future__ import annotations

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
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from openvet_install.files import File
    from openvet_install.installers.target import Target

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
    """Read a lock file, and the pyproject.toml beside a uv.lock for its default groups.

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
        with path.open("rb") as file:
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
    entry the best wheel by tag, then by build number, else the sdist. Raises `LockError` when the lock is not
    made for this target, as the tools do, or lacks an entry that it names.
    """
    wanted = wanted or Wanted()
    walked = reach(lock, marker_env, wanted)
    ranks: dict[Tag, int] = {}
    for rank, tag in enumerate(target_tags):
        ranks.setdefault(tag, rank)
    files: list[Chosen] = []
    direct: list[LockedPackage] = []
    unfit: list[NotHere] = []
    for package, via in walked.reached:
        if package.source.kind != "registry":
            direct.append(package)
            continue
        file = _best(package.files, ranks, wanted)
        if file is None:
            unfit.append(NotHere(package.name, package.version, "no file fits"))
        else:
            files.append(Chosen(file, package, via))
    return Selection(files=tuple(files), not_here=(*walked.not_here, *unfit), direct=tuple(direct))


def _best(files: Iterable[File], ranks: Mapping[Tag, int], wanted: Wanted) -> File | None:
    best: tuple[tuple[int, tuple[int, str] | tuple[()]], File] | None = None
    sdist = None
    for file in files:
        if not file.is_wheel:
            sdist = sdist or file
            continue
        _, _, build, tags = parse_wheel_filename(file.filename)
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is None or wanted.must_build(file.name):
            continue
        if best is None or (-rank, build) > best[0]:
            best = ((-rank, build), file)
    if best is not None:
        return best[1]
    return sdist if sdist is not None and wanted.may_build(sdist.name) else None
