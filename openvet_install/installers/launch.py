"""Becomes the tool: dies with us, and lives in a network of its own when wanted. Started as a script, with `-I -S`.

argv: the descriptor of a unix socket to our process, its pid, `namespace` or `plain`. For a namespace it answers once,
with a JSON object and a socket that listens on the namespace's own 127.0.0.1: whoever holds that socket serves inside;
there is no other way out, and nothing to pump. Then it reads one JSON object (argv, env, cwd) to the end of
the stream and becomes that program; the stream closes, or carries the reason why it could not.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_BACKLOG = 128


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:  # noqa: PTH123 - pathlib would double this script's start
        stream.write(text)


def _own_network(libc: ctypes.CDLL) -> socket.socket:
    uid, gid = os.geteuid(), os.getegid()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def main() -> None:
    """Run the steps above; ends with 127 when the program cannot be started."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = socket.socket(fileno=int(sys.argv[1]))
    parent.set_inheritable(False)
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        _check(libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")
        if os.getppid() != int(sys.argv[2]):
            os._exit(127)
    if sys.argv[3] == "namespace":
        try:
            listener = _own_network(libc)
        except OSError as error:
            parent.sendall(json.dumps({"error": error.strerror or str(error)}).encode())
        else:
            socket.send_fds(parent, [b"{}"], [listener.fileno()])
            listener.close()
    with parent.makefile("rb") as stream:
        raw = stream.read()
    if not raw:
        os._exit(127)
    order = json.loads(raw)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.chdir(order["cwd"])
        os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - the tool itself, no shell
    except OSError as error:
        parent.sendall(json.dumps({"error": str(error)}).encode())
    os._exit(127)


if __name__ == "__main__":
    main()
