"""T72: a host that sends a byte now and then is not waited for beyond the time of a request, wherever it crawls."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from openvet_install import http
from openvet_install.errors import UndecidedError
from openvet_install.http import Fetcher

LONG = 60
"""Seconds; a crawling host would keep us for much longer."""


@contextmanager
def crawling(first, drip):
    """A host that answers every connection with `first` and then with `drip`, a byte at a time, for ever."""
    stop = threading.Event()

    def crawl(connection):
        with connection, suppress(OSError):
            connection.sendall(first)
            while not stop.wait(0.05):
                for number in range(len(drip)):
                    connection.sendall(drip[number : number + 1])
                    if stop.wait(0.05):
                        return

    def serve():
        while not stop.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                threading.Thread(target=crawl, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join()


HOSTS = {
    "body": ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "body without a length": ("http", b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "size of a chunk": ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "headers": ("http", b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "status": ("http", b"", b"HTTP/1.1 200 "),
    "interim answers": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "error": ("http", b"HTTP/1.1 404 no\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "redirect": ("http", b"HTTP/1.1 302 no\r\nLocation: /b\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "handshake": ("https", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03", b"\x00"),
}


@pytest.mark.parametrize("where", HOSTS)
def test_a_host_that_crawls(where, monkeypatch):
    monkeypatch.setattr(http, "TOTAL_SECONDS", 1.0)
    scheme, first, drip = HOSTS[where]
    with crawling(first, drip) as port, Fetcher(environ={}) as fetcher:
        began = time.monotonic()
        with pytest.raises(UndecidedError, match="took more than 1 s"):
            fetcher.get(f"{scheme}://127.0.0.1:{port}/a", max_bytes=10_000, accept_zstd=True)
        assert time.monotonic() - began < LONG


def test_closing_ends_what_is_under_way():
    """An interrupted command does not wait for hosts."""
    told = []

    def ask(fetcher, port):
        try:
            fetcher.get(f"http://127.0.0.1:{port}/a", max_bytes=10_000, accept_zstd=True)
        except UndecidedError as error:
            told.append(error.what)

    with crawling(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as port:
        fetcher = Fetcher(environ={})
        threads = [threading.Thread(target=ask, args=(fetcher, port)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        fetcher.close()
        for thread in threads:
            thread.join(LONG)
        assert time.monotonic() - began < LONG / 2
        assert told == [f"http://127.0.0.1:{port}/a: interrupted"] * 4
