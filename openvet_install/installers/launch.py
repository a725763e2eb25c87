"""Becomes the tool: dies with us, and lives in a network of its own when wanted. Started as a script, with `-I -S`.

argv: the descriptor of a unix socket to our process, its pid, `namespace` or `plain`. For a namespace it says so when
it is in one, waits for one byte that says its ids are mapped, and sends a socket that listens on the namespace's own
127.0.0.1: whoever holds that socket serves inside; there is no other way out, and nothing to pump. Answers are JSON
objects: `error` alone means that nothing has changed, with `ended` that this launcher is of no use any more.
Then it reads one JSON object (argv, env, cwd, hide, streams) to the end of the stream and becomes that program; the
stream closes, or carries the reason why it could not.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` loads what can be interrupted itself

if __name__ == "__main__":
    if _signal.getsignal(_signal.SIGINT) is not _signal.SIG_IGN:  # a job in the background keeps it ignored
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])  # held off for as long as Python would answer it

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_MS_NOSUID_NODEV = 0x2 | 0x4
_MS_BIND = 0x1000
_BACKLOG = 128


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _die_with(libc: ctypes.CDLL, parent: int) -> None:
    """End when our process does, also if it has done so already."""
    if sys.platform == "linux":
        _check(libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")
        if os.getppid() != parent:
            os._exit(127)


def _own_network(libc: ctypes.CDLL, parent: socket.socket) -> None:
    """Say that we are in a network of our own, and send a socket that listens in it."""
    try:
        _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET), "unshare")
    except OSError as error:
        parent.sendall(json.dumps({"error": error.strerror or str(error)}).encode())
        return
    try:
        parent.sendall(b"{}")
        if parent.recv(1) != b"+":
            os._exit(127)
        with _listener() as listener:
            socket.send_fds(parent, [b"{}"], [listener.fileno()])
    except OSError as error:
        parent.sendall(json.dumps({"error": error.strerror or str(error), "ended": True}).encode())
        os._exit(127)


def _listener() -> socket.socket:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def _hide(libc: ctypes.CDLL, places: list[str]) -> None:
    """Lay an empty folder over each folder and nothing over each socket, for us and our children only."""
    if not places:
        return
    _check(libc.unshare(_CLONE_NEWNS), "unshare")
    for place in places:
        path = os.fsencode(place)
        if os.path.isdir(place):  # noqa: PTH112 - pathlib would double this script's start
            done = libc.mount(b"none", path, b"tmpfs", _MS_NOSUID_NODEV, b"size=1m,mode=0700")
        else:
            done = libc.mount(b"/dev/null", path, None, _MS_BIND, None)
        _check(done, f"hide {place}")


def _redirect(streams: dict[str, str]) -> None:
    """Put files in the place of standard streams."""
    if "stdin" in streams:
        os.dup2(os.open(streams["stdin"], os.O_RDONLY | os.O_NOFOLLOW), 0)
    if "stdout" in streams:
        os.dup2(os.open(streams["stdout"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), 1)


def main() -> None:
    """Run the steps above; ends with 127 when the program cannot be started."""
    parent = socket.socket(fileno=int(sys.argv[1]))
    parent.set_inheritable(False)
    libc = ctypes.CDLL(None, use_errno=True)
    _die_with(libc, int(sys.argv[2]))
    if sys.argv[3] == "namespace":
        _own_network(libc, parent)
        _die_with(libc, int(sys.argv[2]))  # new credentials may have cleared it
    with parent.makefile("rb") as stream:
        raw = stream.read()
    if not raw:
        os._exit(127)
    order = json.loads(raw)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        _hide(libc, order["hide"])
        _redirect(order.get("streams", {}))
        os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the tool itself, no shell
    except OSError as error:
        parent.sendall(json.dumps({"error": str(error)}).encode())
    os._exit(127)


if __name__ == "__main__":
    main()
