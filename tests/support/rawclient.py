"""Raw bytes against a gateway: what no well-behaved client would send."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.gateway.server import Gateway

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Heard:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    closed: bool

    @property
    def json(self):
        return json.loads(self.body)


def token(running: Gateway) -> str:
    return "Proxy-Authorization: Basic " + base64.b64encode(f"openvet:{running.token}".encode()).decode() + "\r\n"


@contextmanager
def connected(running: Gateway) -> Iterator[socket.socket]:
    with socket.create_connection((running.host, running.port), timeout=10) as sock:
        yield sock


@contextmanager
def tunnel(
    running: Gateway, authority: str, *, sni: str | None = "", alpn: list[str] | None = None
) -> Iterator[ssl.SSLSocket]:
    """Yield TLS inside a CONNECT; `sni=""` means the host of the authority."""
    context = ssl.create_default_context(cafile=str(running.bundle))
    name = authority.rpartition(":")[0].strip("[]") if sni == "" else sni
    if name is None or name != authority.rpartition(":")[0].strip("[]"):
        context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(alpn)
    with connected(running) as sock:
        sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{token(running)}\r\n".encode())
        assert hear(sock).status == 200
        with context.wrap_socket(sock, server_hostname=name) as tls:
            yield tls


def hear(sock: socket.socket, *, head: bool = False) -> Heard:
    """Read one answer; `closed` says whether the connection ended after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return Heard(0, "", {}, received, closed=True)
        received += piece
    top, _, body = received.partition(b"\r\n\r\n")
    lines = top.decode("ascii").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    wanted = 0 if head or lines[0].split()[1] == "304" else int(headers.get("content-length", 0))
    while len(body) < wanted:
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    _, status, reason = (lines[0] + " ").split(" ", 2)
    return Heard(int(status), reason.strip(), headers, body, closed=headers.get("connection") == "close")


def ask(running: Gateway, url: str, *, method: str = "GET", accept: str = "*/*", more: str = "") -> Heard:
    """Send one good plain request through the proxy."""
    host = url.split("/")[2]
    with connected(running) as sock:
        head = f"{method} {url} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n{token(running)}{more}\r\n"
        sock.sendall(head.encode("latin-1"))
        return hear(sock, head=method == "HEAD")


def send(running: Gateway, raw: bytes) -> Heard:
    """Send bytes as they are and read what comes."""
    with connected(running) as sock:
        sock.sendall(raw)
        return hear(sock)
