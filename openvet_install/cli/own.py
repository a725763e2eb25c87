"""Our own programs as processes, and folders on loopback, for what `demo` and `doctor` show."""

from __future__ import annotations

import base64
import functools
import hashlib
import subprocess
import sys
import threading
import venv
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

RUN_SECONDS = 300
PURE = b"Wheel-Version: 1.0\nGenerator: openvet-install\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
"""WHEEL of a pure-Python wheel that we write ourselves."""

_ENTRY = "import sys; from openvet_install.cli.{module} import {name}; sys.argv[0] = '{program}'; {name}()"
_PROGRAMS = {
    "openvet-pip": ("wrap", "pip"),
    "openvet-uv": ("wrap", "uv"),
    "openvet-install": ("manage", "main"),
}


class _Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; says nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep the terminal for what is shown."""


def serve(folder: Path, stack: ExitStack) -> str:
    """Serve a folder on loopback until `stack` closes; return its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"


def record_of(members: Mapping[str, bytes], info: str) -> bytes:
    """Return RECORD of a wheel with these members, itself included; `info` is its `.dist-info` folder."""
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(raw).digest()) for name, raw in members.items()}
    rows = [f"{name},sha256={digests[name].rstrip(b'=').decode()},{len(raw)}\n" for name, raw in members.items()]
    return "".join([*rows, f"{info}/RECORD,,\n"]).encode()


def bare_environment(folder: Path) -> None:
    """Make an empty environment of our own Python."""
    venv.EnvBuilder(symlinks=True).create(folder)


def call(
    program: str, words: Sequence[str], variables: Mapping[str, str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """Run `openvet-pip`, `openvet-uv` or `openvet-install` to its end and return what it said."""
    module, name = _PROGRAMS[program]
    code = _ENTRY.format(module=module, name=name, program=program)
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", "-c", code, *words],
        env=dict(variables), cwd=cwd, capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
