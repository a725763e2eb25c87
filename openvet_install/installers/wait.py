"""Stands beside the user's program as uv would, and removes its environment at the end. A script, with `-I -S`.

argv: the folder to remove, the descriptor of the lock that holds it, the command. Environment and streams are the
program's; of ours it gets nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

EXIT_UV = 2
_TERMINALS = (signal.SIGINT, signal.SIGQUIT)
_FORWARDED = (*_TERMINALS, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def own_environment() -> dict[bytes, bytes]:
    """Return what this process was started with: in the C locale Python adds to it before anything of ours runs."""
    found = dict(os.environb)
    with suppress(OSError), open("/proc/self/environ", "rb") as stream:  # noqa: PTH123 - no imports
        started = {entry.partition(b"=")[0] for entry in stream.read().split(b"\0")}
        if b"LC_CTYPE" not in started:
            found.pop(b"LC_CTYPE", None)
    return found


def become(command: tuple[str, ...] | list[str], environment: Mapping[bytes, bytes]) -> NoReturn:
    """Become a program; where that cannot be, say so as uv does and end with its code."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - the user's own program, no shell
    except (OSError, ValueError) as error:
        code = getattr(error, "errno", None)
        reason = f"{os.strerror(code)} (os error {code})" if code else str(error)
        os.write(2, f"error: Failed to spawn: {command[0]}\n  cause: {reason}\n".encode(errors="backslashreplace"))
    os._exit(EXIT_UV)


def main() -> None:
    """Start the program and stand beside it, with its environment's folder."""
    folder, lock, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(lock, False)
    os._exit(stand_beside(folder, command, own_environment()))


def stand_beside(folder: str, command: list[str], environment: Mapping[bytes, bytes]) -> int:
    """Start the program, hand signals on, wait, remove the folder, and return the code to end with."""
    program = 0

    def hand_on(number: int, _frame: FrameType | None) -> None:
        if number not in _TERMINALS or not _in_front():
            with suppress(ProcessLookupError):
                os.kill(program, number)

    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    program = os.fork()
    if program == 0:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        become(command, environment)
    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    _, status = os.waitpid(program, 0)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        os.unlink(f"{folder}.lock")  # noqa: PTH108 - no imports
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _in_front() -> bool:
    """Tell whether a terminal sends its signals to the program too: it is in our group, the one in front."""
    for stream in range(3):
        with suppress(OSError):
            return os.tcgetpgrp(stream) == os.getpgrp()
    return False


if __name__ == "__main__":
    main()
