"""A company's forward proxy on loopback: tunnels and plain requests, with a login if it wants one."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

HOP_BY_HOP = ("proxy-authorization", "proxy-connection", "connection", "transfer-encoding", "keep-alive")


class ForwardProxy:
    """`asked` are the request lines that it let through; `names` says where names that do not resolve live."""

    def __init__(self, *, login: tuple[str, str] | None = None, names: dict[str, str] | None = None) -> None:
        self.login = login
        self.names = names or {}
        self.asked: list[str] = []
        self.refused = 0

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        login = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self._server.server_address[1]}"

    def admits(self, given: str | None) -> bool:
        if self.login is None:
            return True
        return given == "Basic " + base64.b64encode(":".join(self.login).encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    proxy: ForwardProxy
    timeout = 60

    def log_message(self, *_: object) -> None:
        pass

    def _let_through(self) -> bool:
        if not self.proxy.admits(self.headers.get("Proxy-Authorization")):
            self.proxy.refused += 1
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        self.proxy.asked.append(f"{self.command} {self.path}")
        return True

    def do_CONNECT(self) -> None:
        if not self._let_through():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((self.proxy.names.get(host, host), int(port))) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while ready := select.select(list(ends), [], [], 30)[0]:
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    ends[one].sendall(data)

    def do_GET(self) -> None:
        if not self._let_through():
            return
        parts = urlsplit(self.path)
        host = parts.hostname or ""
        there = http.client.HTTPConnection(self.proxy.names.get(host, host), parts.port or 80, timeout=30)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
        there.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        answer = there.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in (*HOP_BY_HOP, "content-length", "date", "server"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        there.close()
