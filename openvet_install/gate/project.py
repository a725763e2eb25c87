"""A command that writes a project: its steps one after the other, and the files put back unless all goes well.

What an interruption leaves is as it was, byte for byte.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import EXIT_OK, ConfigError, UsageError
from openvet_install.gate import session, unfinished
from openvet_install.gate.model import Outcome
from openvet_install.gate.state import Folders
from openvet_install.installers import disk
from openvet_install.installers.commands import folders_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from openvet_install.gate.model import Run
    from openvet_install.gate.setting import Setting, Watch
    from openvet_install.installers.commands import Plan

MAX_BYTES = 64_000_000


def run(plan: Plan, chosen: Setting, environ: Mapping[str, str], *, every: bool = False) -> Run:
    """Run a plan with all its steps, as `session.run` runs one. Raises what that raises, and what planning raises."""
    resolution = plan.resolution
    state = Folders.of(environ).state
    if resolution is None:
        lock = plan.locked.lock.path if plan.locked is not None and folders_in(plan.argv) else None
        if lock is None:
            return session.run(plan, chosen, environ, every=every)
        with kept([str(lock)], state, chosen.watch) as files:  # it names our copies meanwhile
            result = session.run(plan, chosen, environ, every=every)
        result.warnings += files.said
        return result
    with kept(resolution.files, state, chosen.watch) as files:
        result = session.run(plan, chosen, environ, every=every)
        if result.exit_code == EXIT_OK and resolution.then is not None:
            second = replace(resolution.then(), alone=plan.alone)
            done = session.run(second, chosen, environ, every=every)
            told = replace(result, held_back=done.held_back) if resolution.lock is None else result
            result = _joined(told, done, chosen)
        if result.exit_code == EXIT_OK:
            if resolution.header is not None:
                _head(resolution.files, resolution.header)
            files.stay()
    result.warnings += files.said
    result.kept = () if result.exit_code == EXIT_OK else files.names
    return result


def _head(paths: Sequence[str], header: str) -> None:
    """Let files say how they were asked for, not how we started the tool."""
    from openvet_install.gate.compiled import headed  # noqa: PLC0415 - for exports only

    for path in map(os.path.realpath, paths):
        raw = disk.read(path, MAX_BYTES)
        if raw is not None and (told := headed(raw, header)) != raw:
            disk.replace_file(Path(path), told)


def _joined(first: Run, second: Run, chosen: Setting) -> Run:
    """Tell two steps as one: the second with what only the first has seen."""
    listed = {one.decision.file.url for one in second.files}
    found = replace(
        second,
        command=first.command,
        started=first.started,
        files=[*second.files, *(one for one in first.files if one.decision.file.url not in listed)],
        withheld=[*second.withheld, *first.withheld],
        held_back=first.held_back,
        newest_approved={**first.newest_approved, **second.newest_approved},
        warnings=list(dict.fromkeys([*first.warnings, *second.warnings])),
        not_judged_here=first.not_judged_here,
        outcome=first.outcome if second.outcome is Outcome.ALLOWED else second.outcome,
        child_seconds=first.child_seconds + second.child_seconds,
    )
    from openvet_install.gate.forgiven import account  # noqa: PLC0415 - for commands that write a project

    account(found, chosen)
    return found


class _Copy(NamedTuple):
    """A file before the run: its bytes and mode, None for none; `place` is where they lie, links resolved.

    `shared`: it has other names or another owner, which a new file in its place would not have.
    """

    path: str
    place: str
    raw: bytes | None
    mode: int
    shared: bool = False


class Kept:
    """The files of a project before a run."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Read them. Raises `UsageError` for what is no file, `ConfigError` for what cannot be read.

        `said`: what was put back of a killed run before.
        """
        self._copies = [_copy(path) for path in paths]
        self._stay = False
        self.said: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Their names without folders, each once, in their order."""
        return tuple(dict.fromkeys(Path(one.path).name for one in self._copies))

    def noted(self, room: unfinished.Room, state: Path) -> AbstractContextManager[None]:
        """Have them put back by the next run if this one is killed."""
        self.said = () if room.said is None else (room.said,)
        return unfinished.noted(room, [unfinished.Before(one.place, one.raw, one.mode) for one in self._copies], state)

    def stay(self) -> None:
        """Leave them as the run has made them."""
        self._stay = True

    def put_back(self) -> None:
        """Make each what it was, if it is not; no signal comes between. Raises `ConfigError` for what cannot be."""
        if self._stay:
            return
        failed: list[tuple[str, OSError]] = []
        with _undisturbed():
            for one in self._copies:
                try:
                    _put_back(one)
                except OSError as error:
                    failed.append((one.path, error))
        for path, fault in failed:
            raise ConfigError(f"`{path}` cannot be put back: {fault.strerror}", where=path) from fault


@contextmanager
def kept(paths: Sequence[str], state: Path | None = None, watch: Watch | None = None) -> Iterator[Kept]:
    """Put the files back at the end, whatever ends it, unless `stay` was called.

    With our `state` the next run does that if this one is killed, and others wait, which they tell `watch`.
    """
    with ExitStack() as stack:
        room = stack.enter_context(unfinished.alone(paths, state, watch)) if state is not None and paths else None
        files = Kept(paths)
        if room is not None and state is not None:
            stack.enter_context(files.noted(room, state))
        try:
            yield files
        finally:
            files.put_back()


def _copy(path: str) -> _Copy:
    place = os.path.realpath(path)
    try:
        found = os.lstat(place)
    except FileNotFoundError:
        return _Copy(path, place, None, 0)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
        raise UsageError(f"`{path}` is no file that can be put back")
    try:
        shared = found.st_nlink > 1 or (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid())
        return _Copy(path, place, Path(place).read_bytes(), stat.S_IMODE(found.st_mode), shared)
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}") from error


def _put_back(one: _Copy) -> None:
    place = Path(one.place)
    if one.raw is None:
        place.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        if not place.is_symlink() and place.read_bytes() == one.raw:
            return
    if not one.shared:
        with suppress(OSError):  # a folder that is not ours to write, a file that is a mount of its own
            disk.replace_file(place, one.raw, mode=one.mode)
            return
    place.write_bytes(one.raw)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals that would end us wait for the end of the block."""
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    caught = {number: one for number, one in handlers.items() if callable(one)}
    if threading.current_thread() is not threading.main_thread():
        caught = {}
    for number in caught:
        signal.signal(number, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)
        if received:
            os.kill(os.getpid(), received[-1])
