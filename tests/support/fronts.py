"""What stands before the host of a log: TLS with a private authority, a corporate proxy, or whatever a test says."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tests.support.logsim import LogSimulator


class Asked(NamedTuple):
    """A request; `honest` is what the host would answer, None for 404."""

    path: str
    headers: dict[str, str]
    honest: bytes | None


class Answer(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


def honest(asked: Asked) -> Answer:
    return Answer(404) if asked.honest is None else Answer(200, asked.honest)


@contextmanager
def front(
    sim: LogSimulator, script: Callable[[Asked], Answer] = honest, context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Answer for the logs of a simulator as `script` says; yield the port on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, _, inner = self.path.removeprefix("/").partition("/log/")
            log = sim.logs.get(name)
            raw = log.answer(inner) if log is not None else None
            said = script(Asked(self.path, {key.lower(): value for key, value in self.headers.items()}, raw))
            self.send_response(said.status)
            for key, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(said.body)
            self.close_connection = said.headers.get("Content-Length") not in (None, str(len(said.body)))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that go away, or do not trust us, are part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def proxy(port: int, login: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """A proxy that leads every CONNECT to `port` on loopback; yield its port and the places that were asked for.

    With `login`, the value of `Proxy-Authorization`, nobody passes without.
    """
    seen: list[str] = []
    stop = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            lines = head.decode().split("\r\n")
            seen.append(lines[0].split()[1])
            if login is not None and f"Proxy-Authorization: {login}" not in lines:
                client.sendall(b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", port)) as host:
                client.sendall(b"HTTP/1.1 200 ok\r\n\r\n")
                _both_ways(client, host, stop)

    def listen() -> None:
        while not stop.is_set():
            with suppress(OSError):
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], seen
        finally:
            stop.set()
            thread.join()


def _both_ways(one: socket.socket, two: socket.socket, stop: Any) -> None:
    other = {one: two, two: one}
    while not stop.is_set():
        for ready in select.select([one, two], [], [], 0.05)[0]:
            if not (data := ready.recv(65536)):
                return
            other[ready].sendall(data)
