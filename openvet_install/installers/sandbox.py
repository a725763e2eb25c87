"""Runs pip or uv: streams untouched, signals as people expect, dead when we are dead, alone in its network if wanted.

A launcher (`launch.py`) is started at once and waits, so its start costs nothing of the tool's time; threads of ours
do not matter to it, as they would to code between fork and exec.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType, TracebackType

    from typing_extensions import Self

AUTO, REQUIRE, OFF = "auto", "require", "off"
ON = "on"
READY_SECONDS = 30.0
_MAX_ANSWER_BYTES = 4096
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Isolation:
    """Whether the child has a network of its own: `state` is `on` or `off`, `reason` says why it is off."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the tool ended: `code` as a shell would say it (128 + n for signal n); `signal` that ended it, or None.

    `received`: the last signal that we got meanwhile (SIGINT, SIGTERM, SIGHUP), or None.
    """

    code: int
    signal: int | None
    received: int | None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it; a tool that had already done its work was not interrupted."""
        return self.received == signal.SIGINT and self.code != 0


class Sandbox:
    """One child. Make it early, in the main thread: the child dies when the thread that made it ends.

    `isolation`: `auto`, `require` or `off`. `serve_inside`: the caller can serve on `listener`, a socket that listens
    inside the child's network; without that no network of its own is tried. Raises `ConfigError` (78) when `require`
    cannot be had, before anything of the tool has started.
    """

    def __init__(self, isolation: str = AUTO, *, serve_inside: bool = False) -> None:
        """Start the launcher; with a network of its own also wait until that is ready (milliseconds)."""
        self.listener: socket.socket | None = None
        wanted = isolation != OFF and serve_inside and sys.platform == "linux"
        self._parent, child = socket.socketpair()
        self._others = _children()
        _adopt(orphans=True)
        with child:
            script = Path(__file__).with_name("launch.py")
            mode = "namespace" if wanted else "plain"
            self._process = subprocess.Popen(  # noqa: S603 - our own script, with our own Python
                [sys.executable, "-I", "-S", str(script), str(child.fileno()), str(os.getpid()), mode],
                pass_fds=[child.fileno()],
                env={},
            )
        self.isolation = Isolation(OFF, _why_not(isolation, serve_inside=serve_inside))
        if wanted:
            self.isolation = self._wait_for_network()
        if isolation == REQUIRE and self.isolation.state != ON:
            self.close()
            raise ConfigError(
                f'isolation = "require" cannot be had here: {self.isolation.reason}', hint='isolation = "auto"'
            )

    def _wait_for_network(self) -> Isolation:
        self._parent.settimeout(READY_SECONDS)
        try:
            raw, descriptors, _flags, _address = socket.recv_fds(self._parent, _MAX_ANSWER_BYTES, 1)
        except OSError as error:
            return Isolation(OFF, f"the launcher did not answer: {error}")
        finally:
            self._parent.settimeout(None)
        if not descriptors:
            return Isolation(OFF, str(json.loads(raw or b"{}").get("error", "the launcher ended")))
        self.listener = socket.socket(fileno=descriptors[0])
        return Isolation(ON, "")

    def run(self, command: Sequence[str], *, env: Mapping[str, str], cwd: str) -> Ended:
        """Become the tool and wait for it; once. stdin, stdout and stderr are ours.

        Ctrl-C reaches the tool by itself (same process group): we wait for it. SIGTERM and SIGHUP are handed on.
        Raises `ConfigError` when the program cannot be started.
        """
        order = {"argv": list(command), "env": dict(env), "cwd": cwd}
        with self._signals() as received:
            answer = b""
            # A signal may end the launcher before it becomes the tool; how it ended says the rest.
            with contextlib.suppress(ConnectionError):
                self._parent.sendall(json.dumps(order).encode())
                self._parent.shutdown(socket.SHUT_WR)
                answer = self._parent.recv(_MAX_ANSWER_BYTES)
            returned = self._process.wait()
            self._end_orphans()
        if answer:
            raise ConfigError(f"`{command[0]}` does not start: {json.loads(answer)['error']}")
        number = -returned if returned < 0 else None
        code = 128 + number if number is not None else returned
        return Ended(code, number, received[-1] if received else None)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[list[int]]:
        received: list[int] = []

        def note(number: int, _frame: FrameType | None) -> None:
            received.append(number)
            if number in _FORWARDED:
                self._process.send_signal(number)

        if threading.current_thread() is not threading.main_thread():
            yield received
            return
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, *_FORWARDED)}
        try:
            yield received
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end_orphans(self) -> None:
        """End what the tool's builds have left running: it could change the target after we have looked at it."""
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while (left := _children() - self._others) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        _adopt(orphans=False)

    def close(self) -> None:
        """End the launcher if it never became the tool, and close what is open; may be called twice."""
        _adopt(orphans=False)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._parent.close()
        if self.listener is not None:
            self.listener.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _adopt(*, orphans: bool) -> None:
    """Become the parent of processes whose own parent ends, or leave them to the system; Linux only."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only where it is of use

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


def _children() -> frozenset[int]:
    """Return the ids of our child processes; none where the system does not list them."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):
                found.update(map(int, (task / "children").read_text("ascii").split()))
    return frozenset(found)


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: str, isolation: str = AUTO) -> Ended:
    """Run one command from start to end, without a network of its own; see `Sandbox`."""
    with Sandbox(isolation) as sandbox:
        return sandbox.run(command, env=env, cwd=cwd)


def _why_not(isolation: str, *, serve_inside: bool) -> str:
    if isolation == OFF:
        return "switched off"
    if sys.platform != "linux":
        return "only Linux has it"
    return "" if serve_inside else "the gateway does not serve inside a network of the child's own yet"
