"""A gatekeeper for tests: lets everything through unless it is told otherwise, and notes every call."""

from __future__ import annotations

import threading
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openvet_install.gateway import Blob, Refusal, Released
from openvet_install.gateway.blobs import BlobStore
from openvet_install.gateway.outside import Outside
from openvet_install.gateway.server import Gateway
from openvet_install.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from openvet_install.files import File
    from openvet_install.gateway.pages import Page


class Permissive:
    """Releases every file; METADATA comes from the wheel as it is."""

    def __init__(self, *, hosts: set[str] | None = None, private: bool = True) -> None:
        self.hosts = hosts
        self.local = private
        self.approved: Callable[[File | None, Blob], Refusal | None] = lambda _file, _blob: None
        self.keep: Callable[[Page], Page] = lambda page: page
        self.known_no: Callable[[str, File | None], Refusal | None] = lambda _url, _file: None
        self.wants: frozenset[str] | None = None
        self.listed: dict[str, File] = {}
        self.pages: list[Page] = []
        self.released: list[tuple[str, str]] = []
        self.troubles: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def admits(self, scheme: str, host: str, port: int) -> bool:
        return self.hosts is None or host in self.hosts

    def follows(self, url: str, there: str) -> bool:
        return False

    def private(self, host: str) -> bool:
        return self.local

    def wanted(self, project: str) -> frozenset[str] | None:
        return self.wants

    def page(self, page: Page, login: str | None = None) -> Page:
        page = self.keep(page)
        with self._lock:
            self.pages.append(page)
            self.listed.update((file.url, file) for file in page.files)
        return page

    def expected(self, url: str) -> File | None:
        return self.listed.get(url)

    def refuse(self, url: str, file: File | None) -> Refusal | None:
        return self.known_no(url, file)

    def release(self, url: str, file: File | None, blob: Blob) -> Released | Refusal:
        if file is not None and file.sha256 not in (None, blob.sha256):
            return Refusal(403, "hash mismatch", "the bytes are not those of the page")
        no = self.approved(file, blob)
        with self._lock:
            self.released.append((url, blob.sha256))
        return no or Released(blob, metadata_of(blob.path) if url.endswith(".whl") else None)

    def metadata_of(self, url: str) -> str:
        return url

    def remembered(self, _url: str) -> None:
        return None

    def sent(self, url: str) -> None:
        """Nothing to note."""

    def kept(self, url: str) -> None:
        """Nothing to note."""

    def trouble(self, url: str, what: str) -> None:
        self.troubles.append((url, what))


def metadata_of(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            return archive.read(names[0]) if names else None
    except zipfile.BadZipFile:
        return None


@contextmanager
def gateway(keeper: Permissive, folder: Path, outside: Outside | None = None) -> Iterator[Gateway]:
    """Yield a running gateway with a store below `folder`."""
    run = folder / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Gateway(
        keeper, blobs=BlobStore(folder / "blobs"), upstream=Upstream(outside or Outside()), folder=run
    ) as running:
        yield running


def child_environment(running: Gateway, folder: Path, base: dict[str, str]) -> dict[str, str]:
    """Return the environment in which pip and uv see nothing but the gateway."""
    empty = folder / "no-certificates"
    empty.mkdir(parents=True, exist_ok=True)
    drop = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_")
    kept = {
        key: value for key, value in base.items() if not key.startswith(drop) and not key.lower().endswith("_proxy")
    }
    bundle = str(running.bundle)
    return kept | {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), running.url),
        **dict.fromkeys(
            ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"), bundle
        ),
        "SSL_CERT_DIR": str(empty),
        "PIP_USE_DEPRECATED": "legacy-certs",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DEFAULT_TIMEOUT": "300",
        "UV_HTTP_TIMEOUT": "300",
        "PIP_RETRIES": "1",
        "UV_HTTP_RETRIES": "1",
        "PIP_RESUME_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(folder / "uv-cache"),
    }
