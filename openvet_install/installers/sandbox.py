"""Runs pip or uv: streams untouched, signals as people expect, dead when we are dead, alone in its network if wanted.

A launcher (`launch.py`) is started at once and waits, so its start costs nothing of the tool's time; threads of ours
do not matter to it, as they would to code between fork and exec.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

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
_ENDING = (signal.SIGINT, *_FORWARDED)
_NEVER_FROM_A_TERMINAL = (signal.SIGUSR1, signal.SIGUSR2)
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_SECONDS = 5.0
_LISTENING = (
    *("/run/user", "/run/dbus", "/run/docker.sock", "/var/run/docker.sock", "/run/docker", "/run/containerd"),
    *("/run/podman", "/run/crio", "/tmp/.X11-unix"),  # noqa: S108 - hidden, not used
)


class Isolation(NamedTuple):
    """Whether the child has a network of its own: `state` is `on` or `off`, `reason` says why it is off."""

    state: str
    reason: str | None = None


class Ended(NamedTuple):
    """How the tool ended: `code` as a shell would say it (128 + n for signal n); `signal` that ended it, or None.

    `received`: the last signal that we got meanwhile (SIGINT, SIGTERM, SIGHUP), or None.
    """

    code: int
    signal: int | None
    received: int | None

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it; a tool that had already done its work was not interrupted."""
        return self.received in _ENDING and self.code != 0


class Sandbox:
    """One child. Make it early, in the main thread: the child dies when the thread that made it ends.

    `isolation`: `auto`, `require` or `off`. Call `settle` before `run`: with a network of its own, whoever serves
    the child accepts on `listener`, which listens inside.
    """

    def __init__(self, isolation: str = AUTO) -> None:
        """Start the launcher; `begun` is whether it was told to become the tool."""
        self.begun = False
        self.listener: socket.socket | None = None
        self._wanted = isolation
        self._others = _children()
        _adopt(orphans=True)
        _keep_to_ourselves()
        self._alone = isolation != OFF and sys.platform == "linux"
        self._forwarded: tuple[int, ...] = _FORWARDED
        self._parent, self._process = self._launch("namespace" if self._alone else "plain")

    @staticmethod
    def _launch(mode: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start a launcher without any descriptor of ours; return our end of the socket to it, and its process."""
        parent, child = socket.socketpair()
        with child, _held_off():
            process = subprocess.Popen(_launcher(child, mode), pass_fds=[child.fileno()], env={})  # noqa: S603 - ours
        return parent, process

    def settle(self) -> Isolation:
        """Wait (milliseconds) until it is known whether the child has a network of its own; once.

        Raises `ConfigError` (78) when `require` cannot be had, before anything of the tool has started.
        """
        found = Isolation(OFF, "switched off" if self._wanted == OFF else "only Linux has it")
        if self._alone:
            found = self._own_network()
        if self._wanted == REQUIRE and found.state != ON:
            raise ConfigError(f'isolation = "require" cannot be had here: {found.reason}', hint='isolation = "auto"')
        self._alone = found.state == ON
        return found

    def _own_network(self) -> Isolation:
        """Map the launcher's ids and take its listener; a launcher that stopped half way is replaced."""
        self._parent.settimeout(READY_SECONDS)
        try:
            answer, _ = self._answer()
            if "error" in answer:
                return Isolation(OFF, f"no user namespaces here: {answer['error']}")
            _map_ids(self._process.pid)
            self._parent.sendall(b"+")
            answer, listener = self._answer()
            if listener is not None:
                self.listener = listener
                return Isolation(ON)
            reason = str(answer["error"])
        except (OSError, EOFError) as error:
            reason = str(error)
        finally:
            self._parent.settimeout(None)
        self._end()
        self._parent, self._process = self._launch("plain")
        return Isolation(OFF, f"no network of its own here: {reason}")

    def _answer(self) -> tuple[dict[str, str], socket.socket | None]:
        raw, descriptors, _flags, _address = socket.recv_fds(self._parent, _MAX_ANSWER_BYTES, 1)
        if not raw:
            raise EOFError("the launcher ended")
        return json.loads(raw), socket.socket(fileno=descriptors[0]) if descriptors else None

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        streams: Mapping[str, str] = MappingProxyType({}),
    ) -> Ended:
        """Become the tool and wait for it; once. stdin, stdout and stderr are ours, but for files in `streams`.

        Ctrl-C reaches the tool by itself (same process group): we wait for it. SIGTERM and SIGHUP are handed on.
        With `require`, runtime folders and the sockets of agents and engines are hidden from it (threat T50).
        Raises `ConfigError` when the program cannot be started.
        """
        hide = _hidden(os.environ) if self._wanted == REQUIRE else []
        for place in hide:
            for path in (cwd, env.get("TMPDIR", ""), command[0]):
                if Path(os.path.realpath(path)).is_relative_to(place):
                    raise ConfigError(f'isolation = "require" hides {place}, and {path} is in it', hint="move it")
        order = {"argv": list(command), "env": dict(env), "cwd": cwd, "hide": hide, "streams": dict(streams)}
        with self._signals() as received:
            self.begun = True
            answer = b""
            # A signal may end the launcher before it becomes the tool; how it ended says the rest.
            with contextlib.suppress(ConnectionError):
                self._parent.sendall(json.dumps(order).encode())
                self._parent.shutdown(socket.SHUT_WR)
                answer = self._parent.recv(_MAX_ANSWER_BYTES)
            returned = self._wait()
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
            if number in self._forwarded:
                self._process.send_signal(number)

        if threading.current_thread() is not threading.main_thread():
            yield received
            return
        before = {number: signal.signal(number, note) for number in {signal.SIGINT, *self._forwarded}}
        try:
            yield received
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _wait(self) -> int:
        """Wait for the tool; return what `Popen.wait` would."""
        return self._process.wait()

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
        self._end()
        if self.listener is not None:
            self.listener.close()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._parent.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class Bystander(Sandbox):
    """A child that lives as if we were not there: its descriptors, its signals, its stops, and what it leaves running.

    `run` hands on every signal that a terminal does not send to the child by itself.
    """

    def __init__(self, isolation: str = AUTO) -> None:
        """Start the launcher."""
        super().__init__(isolation)
        _adopt(orphans=False)
        from_nowhere = () if _has_terminal() else (signal.SIGINT, signal.SIGQUIT)
        self._forwarded = (*_FORWARDED, *_NEVER_FROM_A_TERMINAL, *from_nowhere)

    @staticmethod
    def _launch(mode: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start a launcher that has what we were given; Python opens nothing for heirs, so nothing of ours is in it."""
        parent, child = socket.socketpair()
        with child:
            child.set_inheritable(True)
            with _held_off():
                process = subprocess.Popen(_launcher(child, mode), close_fds=False, env={})  # noqa: S603 - ours
        return parent, process

    def _wait(self) -> int:
        """Stop when the child stops by itself, so that a shell sees it; with us the child goes on."""
        while True:
            try:
                _pid, status = os.waitpid(self._process.pid, os.WUNTRACED)
            except ChildProcessError:  # a signal was handed on, which has found out that it ended
                return self._process.wait()
            if not os.WIFSTOPPED(status):
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return self._process.returncode
            os.kill(os.getpid(), signal.SIGSTOP)
            self._process.send_signal(signal.SIGCONT)

    def _end_orphans(self) -> None:
        """Leave them: they would live on without us, too."""


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _keep_to_ourselves() -> None:
    """Let no process of the same user read our memory, where the run's keys are, and leave no core file (T38)."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only where it is of use

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


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


@contextlib.contextmanager
def _held_off() -> Iterator[None]:
    """Let the child start with an interruption held off: it takes it when it can end without a word."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _launcher(child: socket.socket, mode: str) -> list[str]:
    """Return the command of a launcher: our own script, with our own Python."""
    script = Path(__file__).with_name("launch.py")
    return [sys.executable, "-I", "-S", str(script), str(child.fileno()), str(os.getpid()), mode]


def _map_ids(pid: int) -> None:
    """Give a process in a new user namespace the ids that we have ourselves: all of them if we may, else our own.

    Without a mapping of other people's files root could not write to them. Raises OSError.
    """
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        mapped = Path(f"/proc/{pid}/{kind}_map")
        ranges = [line.split() for line in Path(f"/proc/self/{kind}_map").read_text("ascii").splitlines()]
        try:
            mapped.write_text("".join(f"{first} {first} {count}\n" for first, _outside, count in ranges), "ascii")
        except PermissionError:
            if kind == "gid":
                Path(f"/proc/{pid}/setgroups").write_text("deny", "ascii")
            mapped.write_text(f"{own} {own} 1", "ascii")


def _hidden(environ: Mapping[str, str]) -> list[str]:
    """Return where other programs of the user listen: canonical paths that are there, without what lies in another."""
    told = [environ.get("XDG_RUNTIME_DIR", ""), environ.get("SSH_AUTH_SOCK", "")]
    told += [environ.get("DOCKER_HOST", "").removeprefix("unix://")]
    told += re.findall(r"unix:path=([^,;]+)", environ.get("DBUS_SESSION_BUS_ADDRESS", ""))
    found = {os.path.realpath(path) for path in (*told, *_LISTENING) if path.startswith("/") and Path(path).exists()}
    return sorted(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: str, isolation: str = OFF) -> Ended:
    """Run one command from start to end; see `Sandbox`."""
    with Sandbox(isolation) as sandbox:
        sandbox.settle()
        return sandbox.run(command, env=env, cwd=cwd)
