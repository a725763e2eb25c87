"""The HTTP side of the log simulator: one server on loopback, threads per connection."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.logsim import LogSimulator


class LogServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, sim: LogSimulator, port: int) -> None:
        self.sim = sim
        self.open: set[Any] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.shutdown()
        self.thread.join()
        for connection in list(self.open):
            self.shutdown_request(connection)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LogServer

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        sim = self.server.sim
        sim.requests.append(self.path)
        if sim.delay:
            time.sleep(sim.delay)
        name, _, inner = self.path.removeprefix("/").partition("/log/")
        log = sim.logs.get(name)
        if sim.meeting is not None and inner == "head":
            sim.meeting.come(name)
        if log is not None and log.down:
            self._send(log.down, b"down")
            return
        raw = log.answer(inner) if log is not None else None
        if raw is None:
            self._send(404, b"not found")
            return
        packs = sim.compress and "zstd" in self.headers.get("Accept-Encoding", "")
        self._send(200, packed_zstd(raw) if packs else raw, "zstd" if packs else None)

    def _send(self, status: int, body: bytes, encoding: str | None = None) -> None:
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n"
        if encoding:
            head += f"Content-Encoding: {encoding}\r\n"
        self.wfile.write(head.encode() + b"\r\n" + body)


def packed_zstd(raw: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(raw)
