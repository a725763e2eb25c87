"""How a command ends: every error in words and an exit code, every signal as the tool would end of it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from openvet_install.errors import EXIT_BUG, TMPDIR_HINT, ConfigError, InstallError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _EndedError(BaseException):
    """SIGTERM or SIGHUP, raised so that everything that was begun is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def die_of(number: int) -> NoReturn:
    """End of a signal as the tool did, so that shells and scripts see it."""
    with suppress(OSError):  # some cannot be caught, so they need no letting go
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


def leave(code: int) -> NoReturn:
    """End the process with everything written.

    Taking the interpreter apart would cost a twentieth of a second, and threads may still be importing.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _FULL and stream is sys.stdout:
                _tell(ConfigError(f"cannot be written: {error.strerror}", where="standard output"))
                code = code or ConfigError.exit_code
    os._exit(code)


def _no_place(error: OSError) -> ConfigError | None:
    """Give words to a full disk, or none to write to: met at every moment, nobody's bug, and no success."""
    if error.errno in _FULL:
        where = str(error.filename or "") or None
        hint = None if where else f"df -h . ~ {os.environ.get('TMPDIR') or '/tmp'}    says what is full"  # noqa: S108
        return ConfigError(f"cannot be written: {error.strerror}", where=where, hint=hint)
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith("No usable temporary directory"):
        return ConfigError(f"no folder for temporary files: {error.strerror}", hint=TMPDIR_HINT)
    return None


def _raise(number: int, frame: FrameType | None) -> None:
    """Raise what ends the run; in the middle of an import a moment later.

    There the exception could be lost, and a lock stay behind for which other threads then wait for ever.
    """
    number = _late.pop() if number == _AGAIN and _late else number
    if _AGAIN is not None and frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        _late.append(number)
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise _EndedError(number)


_AGAIN = getattr(signal, "SIGALRM", None)
_MOMENT = 0.005  # seconds
_late: list[int] = []


def guarded(command: Callable[[], int]) -> int:
    """Turn every error into words on stderr and an exit code; ended by a signal, clean up and die of it."""
    _fill_streams()
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, *((_AGAIN,) if _AGAIN is not None else ())):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, _raise)
        _stand_somewhere()
        return command()
    except InstallError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    except _EndedError as ended:
        die_of(ended.number)
    except BrokenPipeError:
        # Whoever read our output has gone; a second error at exit would only be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_BUG
    except OSError as error:
        told = _no_place(error)
        if told is None:
            return _bug(error)
        _tell(told)
        return told.exit_code
    except Exception as error:  # noqa: BLE001 - our bug must never look like the tool's success
        return _bug(error)


def _stand_somewhere() -> None:
    """Raise `UsageError` where the working folder has been removed."""
    try:
        os.getcwd()  # noqa: PTH109 - as it is, no object of it
    except FileNotFoundError as error:
        raise UsageError("the folder that this was started in is not there any more") from error


def _fill_streams() -> None:
    """Put the null device where a standard stream was closed: the next file that is opened must not take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def _tell(error: InstallError) -> None:
    from openvet_install.report import text  # noqa: PLC0415 - only on the way out
    from openvet_install.report.terminal import Terminal  # noqa: PLC0415 - as above

    text.error(Terminal.of(sys.stderr, os.environ), error)


def _bug(error: Exception) -> int:
    came = error.__cause__  # so Python up to 3.11 tells what is raised while it makes a class
    if isinstance(came, (KeyboardInterrupt, _EndedError)):
        die_of(came.number if isinstance(came, _EndedError) else signal.SIGINT)
    import traceback  # noqa: PLC0415 - only for a bug

    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write("error: this is a bug of openvet-install; nothing was approved because of it\n")
    return EXIT_BUG
