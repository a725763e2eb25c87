"""A package index on loopback for tests: serves pages and files, and lies where it is told to.

`with IndexSimulator() as index: index.add(path_or_bytes, filename=...)`, then `index.simple_url`. With
`tls=True` it speaks https under a CA of its own, whose PEM file is `index.ca`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import socket
import ssl
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

from openvet_install.files import parse_filename

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import Self

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
CHUNK = 64 * 1024


@dataclass
class Entry:
    """One file of the index; `served` replaces what is sent, while the page keeps telling the truth about `body`."""

    filename: str
    body: bytes
    project: str
    served: bytes | None = None
    metadata: bytes | None = None  # sent as `.metadata` and advertised on the page
    yanked: str | bool = False
    requires_python: str | None = None
    upload_time: str | None = "2024-01-02T03:04:05.678901Z"
    url: str | None = None  # instead of the real one: `file:///…`, another host
    provenance: bytes | None = None  # served at the integrity path, whose address is on the page
    extra: dict[str, Any] = field(default_factory=dict)  # further JSON keys, or other values for known ones


@dataclass(frozen=True)
class Recorded:
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Reply:
    """A whole answer, for what the switches below cannot say."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Lies:
    """What is not as it should be; all off at the start."""

    html: bool = False  # answer HTML whatever was asked for
    hashes: tuple[str, ...] = ("sha256",)  # which are on the pages: (), ("md5",) …
    content_type: str | None = None  # of pages
    base: str | None = None  # <base href>
    provenance: bool = True  # the addresses of provenance are on the pages
    gzip_pages: bool = False
    gzip_files: bool = False
    relative: bool = False  # relative links
    status: int | None = None  # for every request
    failures: int = 0  # answer the first n requests with 503
    retry_after: str | None = None
    delay: float = 0.0  # seconds before each answer
    slow: float = 0.0  # seconds between two pieces of a file
    cut: int | None = None  # bytes of a file after which the connection ends
    chunked: bool = False
    redirect: dict[str, str] = field(default_factory=dict)  # path -> Location
    redirect_status: int = 302
    login: tuple[str, str] | None = None  # basic auth
    raw_page: bytes | None = None
    at_request: Callable[[int, str], Reply | None] = lambda _number, _path: None  # the number counts per path, from 1


class IndexSimulator:
    def __init__(self, *, tls: bool = False, host: str = "127.0.0.1") -> None:
        self.tls = tls
        self.host = host
        self.lies = Lies()
        self.entries: dict[str, Entry] = {}
        self.requests: list[Recorded] = []
        self.counts: dict[str, int] = {}
        self.lock = threading.Lock()
        self.ca: Path | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"index": self})
        self._server = _Server6(("::1", 0), handler) if self.host == "[::1]" else _Server(("127.0.0.1", 0), handler)
        if self.tls:
            self._folder = tempfile.TemporaryDirectory()
            self._server.socket = self._context().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._folder is not None:
            self._folder.cleanup()

    def _context(self) -> ssl.SSLContext:
        import trustme

        assert self._folder is not None
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.ca = Path(self._folder.name) / "index-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = authority.issue_cert(self.host, key_type=trustme.KeyType.ECDSA)
        leaf.configure_cert(context)
        return context

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def simple_url(self) -> str:
        return f"{self.origin}/simple"

    def add(
        self, source: Path | bytes, *, filename: str | None = None, project: str | None = None, **options: Any
    ) -> Entry:
        """Offer a file; the project is taken from its name unless given."""
        body = source if isinstance(source, bytes) else source.read_bytes()
        if filename is None:
            assert isinstance(source, Path)
            filename = source.name
        stem = filename.split("-")[0] if filename.endswith(".whl") else filename.rpartition("-")[0]
        entry = Entry(filename, body, canonicalize_name(project or stem), **options)
        self.entries[filename] = entry
        return entry

    def file_url(self, filename: str) -> str:
        return f"{self.origin}/files/{quote(filename)}"

    def provenance_path(self, filename: str) -> str:
        name, version, _tags = parse_filename(filename)
        return f"/integrity/{name}/{quote(version, safe='')}/{quote(filename, safe='')}/provenance"

    def asked(self, path: str) -> list[Recorded]:
        return [one for one in self.requests if one.path == path]

    # Pages

    def json_page(self, project: str) -> bytes:
        files = []
        for entry in self._of(project):
            value: dict[str, Any] = {
                "filename": entry.filename,
                "url": self._link(entry),
                "hashes": self._hashes(entry),
                "size": len(entry.body),
                "yanked": entry.yanked,
            }
            if entry.requires_python is not None:
                value["requires-python"] = entry.requires_python
            if entry.upload_time is not None:
                value["upload-time"] = entry.upload_time
            if entry.metadata is not None:
                value["core-metadata"] = {"sha256": hashlib.sha256(entry.metadata).hexdigest()}
            if entry.provenance is not None and self.lies.provenance:
                value["provenance"] = self.origin + self.provenance_path(entry.filename)
            files.append(value | entry.extra)
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "versions": [], "files": files}).encode()

    def html_page(self, project: str) -> bytes:
        base = f'<base href="{escape(self.lies.base)}">' if self.lies.base is not None else ""
        lines = [f"<!DOCTYPE html><html><head>{base}<title>Links for {project}</title></head><body>"]
        for entry in self._of(project):
            fragments = "&".join(f"{name}={digest}" for name, digest in self._hashes(entry).items())
            attributes = f'href="{escape(self._link(entry) + ("#" + fragments if fragments else ""))}"'
            if entry.requires_python is not None:
                attributes += f' data-requires-python="{escape(entry.requires_python)}"'
            if entry.yanked is not False:
                attributes += f' data-yanked="{escape(entry.yanked) if isinstance(entry.yanked, str) else ""}"'
            if entry.metadata is not None:
                attributes += ' data-core-metadata="true"'
            if entry.provenance is not None and self.lies.provenance:
                attributes += f' data-provenance="{escape(self.origin + self.provenance_path(entry.filename))}"'
            lines.append(f"<a {attributes}>{escape(entry.filename)}</a><br/>")
        return "\n".join([*lines, "</body></html>"]).encode()

    def _of(self, project: str) -> Iterable[Entry]:
        return [entry for entry in self.entries.values() if entry.project == project]

    def _link(self, entry: Entry) -> str:
        if entry.url is not None:
            return entry.url
        return f"../../files/{quote(entry.filename)}" if self.lies.relative else self.file_url(entry.filename)

    def _hashes(self, entry: Entry) -> dict[str, str]:
        return {name: hashlib.new(name, entry.body).hexdigest() for name in self.lies.hashes}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the tests."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    index: IndexSimulator
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        with self.index.lock:
            self.index.requests.append(Recorded("POST", self.path, {k.lower(): v for k, v in self.headers.items()}))
        self._answer(Reply(200))
        self.close_connection = True

    def do_GET(self) -> None:
        index, lies, path = self.index, self.index.lies, urlsplit(self.path).path
        with index.lock:
            index.requests.append(Recorded(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            index.counts[path] = number = index.counts.get(path, 0) + 1
            failing = lies.failures > 0
            lies.failures -= failing
        if lies.delay:
            time.sleep(lies.delay)
        planned = lies.at_request(number, path)
        if planned is not None:
            self._answer(planned)
        elif failing or lies.status is not None:
            more = {"Retry-After": lies.retry_after} if lies.retry_after else {}
            self._answer(Reply(lies.status or 503, more, b"an error page"))
        elif lies.login is not None and not self._logged_in(*lies.login):
            self._answer(Reply(401, {"WWW-Authenticate": 'Basic realm="index"', "Set-Cookie": "a=b"}, b"who are you?"))
        elif path in lies.redirect:
            self._answer(
                Reply(lies.redirect_status, {"Location": lies.redirect[path], "Set-Cookie": "a=b"}, b"over there")
            )
        elif path.startswith("/simple/"):
            self._page(path.removeprefix("/simple/").strip("/"))
        elif path.startswith("/files/"):
            self._file(unquote(path.removeprefix("/files/")))
        elif path.startswith("/integrity/"):
            self._provenance(unquote(path.split("/")[-2]))
        else:
            self._answer(Reply(404))

    def _logged_in(self, user: str, password: str) -> bool:
        given = self.headers.get("Authorization", "")
        return given == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def _page(self, project: str) -> None:
        index, lies = self.index, self.index.lies
        if not list(index._of(project)) and lies.raw_page is None:
            self._answer(Reply(404))
            return
        html = lies.html or JSON not in self.headers.get("Accept", "")
        body = index.html_page(project) if html else index.json_page(project)
        body = lies.raw_page if lies.raw_page is not None else body
        headers = {
            "Content-Type": (HTML if html else JSON) if lies.content_type is None else lies.content_type,
            "Cache-Control": "max-age=600",
        }
        if lies.gzip_pages:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        self._answer(Reply(200, headers, body))

    def _file(self, name: str) -> None:
        index, lies = self.index, self.index.lies
        entry = index.entries.get(name)
        if entry is None:
            owner = index.entries.get(name.removesuffix(".metadata"))
            found = owner is not None and owner.metadata is not None and name.endswith(".metadata")
            self._answer(Reply(200, {}, owner.metadata) if found and owner and owner.metadata else Reply(404))
            return
        body = entry.served if entry.served is not None else entry.body
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "ETag": '"theirs"'}
        if lies.gzip_files:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        self._answer(Reply(200, headers, body), file=True)

    def _provenance(self, name: str) -> None:
        entry = self.index.entries.get(name)
        body = entry.provenance if entry is not None else None
        if body is None:
            self._answer(Reply(404))
        else:
            self._answer(Reply(200, {"Content-Type": "application/vnd.pypi.integrity.v1+json"}, body))

    def _answer(self, reply: Reply, *, file: bool = False) -> None:
        lies = self.index.lies
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        chunked = lies.chunked and file
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        body = reply.body if lies.cut is None or not file else reply.body[: lies.cut]
        pieces = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)] if file else [body]
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if lies.slow:
                self.wfile.flush()
                time.sleep(lies.slow)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        if file and lies.cut is not None:
            self.close_connection = True


def wheel(
    name: str = "demo", version: str = "1.0", *, requires: tuple[str, ...] = (), code: str = "ANSWER = 42\n"
) -> bytes:
    """Return a pure wheel with one module; the file name is `{name}-{version}-py3-none-any.whl`."""
    info = f"{name}-{version}.dist-info"
    lines = [f"Requires-Dist: {one}\n" for one in requires]
    members = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(lines)}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_record_hash(text)},{len(text.encode())}\n" for path, text in members.items())
    members[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
