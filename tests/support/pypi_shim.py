"""A loopback index that answers just what `openvet audit new` asks: one release as JSON, and its files.

Point `OPENVET_REGISTRY_PYPI_BASE` at `.url`. It serves the files that it was given (as pip downloaded or a test
built them) under the very bytes; nothing else is there, and every request is noted in `.requests`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from openvet_install.files import parse_filename

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


class PypiShim:
    """Serves while it is entered; `add` may be called at any time."""

    def __init__(self, files: tuple[Path, ...] = ()) -> None:
        self.requests: list[str] = []
        self._releases: dict[tuple[str, Version], list[Path]] = {}
        self._files: dict[str, Path] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        for file in files:
            self.add(file)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, file: Path) -> None:
        """Offer a file under the name and version of its file name; it must exist and stay as it is."""
        if not file.is_file():
            raise FileNotFoundError(file)
        name, version, _ = parse_filename(file.name)
        known = self._releases.setdefault((name, Version(version)), [])
        if file not in known:
            known.append(file)
        self._files[file.name] = file

    def release(self, name: str, version: str) -> dict[str, Any] | None:
        """The JSON of one release, or None when no file of it was given."""
        try:
            files = self._releases.get((canonicalize_name(name), Version(version)))
        except InvalidVersion:
            return None
        if files is None:
            return None
        info = {"name": name, "version": version, "project_urls": None, "home_page": None, "yanked": False}
        return {"info": info, "urls": [self._entry(file) for file in files]}

    def answer(self, path: str) -> bytes | None:
        """The body for a path, None for 404."""
        parts = [unquote(part) for part in path.partition("?")[0].strip("/").split("/")]
        if len(parts) == 4 and (parts[0], parts[3]) == ("pypi", "json"):
            release = self.release(parts[1], parts[2])
            return None if release is None else json.dumps(release).encode()
        if len(parts) == 2 and parts[0] == "files" and parts[1] in self._files:
            return self._files[parts[1]].read_bytes()
        return None

    def _entry(self, file: Path) -> dict[str, Any]:
        raw = file.read_bytes()
        return {
            "filename": file.name,
            "packagetype": "bdist_wheel" if file.suffix == ".whl" else "sdist",
            "url": f"{self.url}/files/{quote(file.name)}",
            "size": len(raw),
            "digests": {"sha256": hashlib.sha256(raw).hexdigest()},
            "yanked": False,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(shim: PypiShim) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shim.requests.append(self.path)
            body = shim.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing: the requests are noted."""

    return Handler
