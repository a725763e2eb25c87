"""A process of ours that looks at files while this one does something else (`look.py`)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.installers import look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ANSWER_SECONDS = 120.0
WORTH_IT = 256
"""Files; fewer are quicker looked at than asked for."""


class Looker:
    """Two pairs of eyes, for the main thread; to be closed.

    Whatever becomes of the other process (a build may end it), answers are the same: this one looks then.
    """

    def __init__(self) -> None:
        """Nothing is started yet, and need not be: this process looks then."""
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0
        self._told: list[list[str]] = []
        self._ahead: dict[str, Callable[[], str]] = {}

    def start(self) -> None:
        """Start the other process; once, before anything of others runs."""
        self._socket, child = socket.socketpair()
        self._socket.settimeout(ANSWER_SECONDS)
        self._answers = self._socket.makefile("rb")
        script = Path(__file__).with_name("look.py")
        command = [sys.executable, "-I", "-S", str(script), str(child.fileno()), str(os.getpid())]
        nothing = subprocess.DEVNULL
        with child, suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603 - ours
                command,
                pass_fds=[child.fileno()],
                env={},
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                start_new_session=True,  # Ctrl-C is not for it
            )

    def foresee(self, folder: str) -> None:
        """Begin to look at a folder that will probably be asked for."""
        self._ahead[folder] = self.stamps(folder)

    def foreseen(self, folder: str) -> Callable[[], str]:
        """Return what waits for the digest of a folder, as it was when it was foreseen, or is now."""
        return self._ahead.pop(folder, None) or self.stamps(folder)

    def stamps(self, folder: str) -> Callable[[], str]:
        """Begin to look at a folder, and return what waits for its digest (`look.stamps_digest`)."""
        number = self._ask("stamps", [folder])

        def answer() -> str:
            told = self._answer(number, 1)
            return told[0] if told is not None else look.stamps_digest(folder)

        return answer

    def content(self, paths: Sequence[str]) -> Mapping[str, str | None]:
        """Return the digests of files (`look.sha256`), or nothing where they are too few to be worth it."""
        if len(paths) < WORTH_IT:
            return {}
        ours, theirs = paths[::2], paths[1::2]
        number = self._ask("content", theirs)
        found = {path: look.sha256(path) for path in ours}
        told = self._answer(number, len(theirs))
        digests = [one or None for one in told] if told is not None else [look.sha256(path) for path in theirs]
        return found | dict(zip(theirs, digests, strict=True))

    def _ask(self, what: str, paths: Sequence[str]) -> int:
        """Ask; a long answer has to be waited for before the next question, or both would wait to be read."""
        self._asked += 1
        if self._process is not None:
            try:
                self._process.send_signal(signal.SIGCONT)  # a build may have stopped it
                self._socket.sendall(look.frame(what.encode(), *map(os.fsencode, paths)))
            except OSError:
                self.close()
        return self._asked

    def _answer(self, number: int, count: int) -> list[str] | None:
        """Return the `count` answers to a question; None where there is nobody to give them."""
        try:
            while self._process is not None and len(self._told) < number:
                answer = look.next_frame(self._answers)
                if answer is None:
                    self.close()
                else:
                    self._told.append(answer.decode("ascii").split("\n"))
        except (OSError, ValueError):
            self.close()
        told = self._told[number - 1] if len(self._told) >= number else []
        return told if len(told) == count else None

    def close(self) -> None:
        """End the other process; may be called twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._answers.close()
            self._socket.close()
