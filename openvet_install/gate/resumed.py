"""What a note of `again` comes to: uv is asked once more, then it is started, or the user's program in its place."""

# Paths stay strings, as in `again`.
# ruff: noqa: PTH102, PTH118, PTH123, PTH211

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes as long to import as uv to answer
import os

from openvet_install.gate.again import applied, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

PREFIX = "openvet-"
_HELD_OFF = (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM, _signal.SIGHUP)
_CHANGED = (
    b"openvet: invalid, `uv.lock` was changed while uv read it: nobody judged what is installed now\n"
    b"hint: openvet-install check --environment\n"
)
_NOT_ASKED = ("--quiet", "--verbose", "--no-progress", "--color", "--no-color", "--output-format")
"""Options of how uv talks, with values or without: uv takes each once."""
_ASKING = ("--dry-run", "--offline", "--no-build", "--color=never", "--output-format=json")


def go_on(note: Mapping[str, Any]) -> None:
    """Do what the noted run did, if uv says what it said then; return if it says something else.

    Nothing that a signal could leave behind is left behind.
    """
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _HELD_OFF)
    folder = made(note)
    try:
        holds = folder is not None and answer(note, folder) == note["answer"]
        from openvet_install.installers import wait  # noqa: PLC0415 - imported while uv worked

        if folder is not None and holds and note["program"] is None:
            _end(note, wait.stand_beside(folder, *_uv(note, folder)))
    finally:
        if folder is not None:
            remove(folder)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
    if holds:
        words, removed, added = note["program"]
        wait.become(words, applied(removed, added, wait.own_environment()))


def _end(note: Mapping[str, Any], code: int) -> NoReturn:
    """End as uv did, unless its lock has changed meanwhile: then it has read what nobody judged."""
    kept = all(look(*one) == before for one, before in note["seen"].items() if one[1].endswith("/uv.lock"))
    if not kept:
        from openvet_install.errors import EXIT_INVALID  # noqa: PLC0415 - only then

        os.write(2, _CHANGED)
        os._exit(EXIT_INVALID)
    os._exit(code)


def made(note: Mapping[str, Any]) -> str | None:
    """Make the private folder that the noted run had; None where that cannot be."""
    folder = os.path.join(note["base"], PREFIX + os.urandom(8).hex())
    try:
        os.mkdir(folder, 0o700)
        for kind, path, content in note["tree"]:
            place = os.path.join(folder, path)
            if kind == "folder":
                os.mkdir(place, 0o700)
            elif kind == "link":
                os.symlink(content, place)
            else:
                with open(place, "xb") as stream:
                    stream.write(content)
    except OSError:
        remove(folder)
        return None
    return folder


def remove(folder: str) -> None:
    """Remove what `made` has made."""
    from shutil import rmtree  # noqa: PLC0415 - late

    rmtree(folder, ignore_errors=True)


def answer(note: Mapping[str, Any], folder: str) -> bytes:
    """Return what uv says that it would do, as it says it; empty where it would rather not, or cannot be asked."""
    command, variables = _uv(note, folder)
    command = [one for one in command if one.partition("=")[0] not in _NOT_ASKED]
    command[2:2] = _ASKING  # behind `uv sync`
    try:
        return _told(command, variables)
    except OSError:
        return b""


def _told(command: list[str], variables: Mapping[bytes, bytes]) -> bytes:
    out, into = os.pipe()
    try:
        null = os.open(os.devnull, os.O_RDWR)
        streams = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, into, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
        try:
            process = os.posix_spawn(command[0], command, variables, file_actions=streams, setsigmask=[])
        finally:
            os.close(into)
            os.close(null)
        from openvet_install.installers import wait  # noqa: F401, PLC0415 - meanwhile

        with open(out, "rb", closefd=False) as stream:
            told = stream.read()
        return told if os.waitpid(process, 0)[1] == 0 else b""
    finally:
        os.close(out)


def _uv(note: Mapping[str, Any], folder: str) -> tuple[list[str], dict[bytes, bytes]]:
    command = [one.replace("\0", folder) for one in note["command"]]
    inside = os.fsencode(folder)
    added = {name: value.replace(b"\0", inside) for name, value in note["added"].items()}
    return command, applied(note["removed"], added, os.environb)
