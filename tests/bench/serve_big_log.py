"""Serves the databases of `make_big_log.py` on loopback, as `/NAME/log/…`; prints its port.

    python tests/bench/serve_big_log.py FOLDER

Small on purpose, so that the bench measures clients: one process, one loop, kept connections, no compression.
`/NAME/HEAD/log/…` serves another head of the same log, and `GET /count` what was asked since the last count.
"""

import asyncio
import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path

CODES = {"commit": 1, "node": 2, "audit": 3, "keystate": 4}


class Server:
    def __init__(self, folder):
        self.databases = {
            path.stem: sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
            for path in folder.glob("*.db")
        }
        self.counts = Counter()

    def answer(self, path):
        if path == "/count":
            told = json.dumps(self.counts).encode()
            self.counts.clear()
            return told
        name, _, inner = path.strip("/").partition("/log/")
        name, _, head = name.partition("/")
        kind, _, digits = inner.partition("/")
        self.counts[kind] += 1
        if kind == "head" and head:
            return bytes.fromhex(head)
        key = (CODES.get(kind, 0), bytes.fromhex(digits))
        row = self.databases[name].execute("SELECT raw FROM objects WHERE kind = ? AND name = ?", key).fetchone()
        return row and row[0]


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.waiting = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.waiting += data
        while b"\r\n\r\n" in self.waiting:
            request, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            body = self.server.answer(request.split(b" ", 2)[1].decode())
            status = b"404 Not Found" if body is None else b"200 OK"
            size = b"%d" % len(body or b"")
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: " + size + b"\r\n\r\n" + (body or b""))


async def main():
    server = Server(Path(sys.argv[1]))
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
