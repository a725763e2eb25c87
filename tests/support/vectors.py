"""The test vectors of OpenVet 0.6, and a fetcher that reads their folders.

They are `$OPENVET_VECTORS`, else `<checkout>/../shared/vectors`, else the archive in `tests/data`,
unpacked for this process.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[2]
_ARCHIVE = _CHECKOUT / "tests" / "data" / "vectors.tar.xz"


def _find() -> Path:
    if named := os.environ.get("OPENVET_VECTORS"):
        return Path(named)
    beside = _CHECKOUT.parent / "shared" / "vectors"
    if beside.is_dir():
        return beside
    folder = tempfile.mkdtemp(prefix="openvet-vectors-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return Path(folder) / "vectors"


VECTORS = _find()


@cache
def _document() -> dict[str, Any]:
    with (VECTORS / "vectors.json").open(encoding="utf-8") as file:
        return json.load(file)


def load(section: str) -> Any:
    """Return one section of vectors.json."""
    return _document()[section]


def sections() -> dict[str, Any]:
    """Return the whole of vectors.json."""
    return dict(_document())


def named(section: str) -> dict[str, Any]:
    """Return the entries of a section by their name."""
    return {one["name"]: one for one in load(section)}


class FolderFetcher:
    """Answers like `openvet_install.http.Fetcher`, from folders: `https://vectors.test/logs/simple/log/head`.

    `heads` replaces what a log serves as head: {"logs/simple": hex}. `asked` lists the paths.
    """

    base = "https://vectors.test"

    def __init__(self, root: Path = VECTORS, heads: dict[str, str] | None = None) -> None:
        self.root = root
        self.heads = heads or {}
        self.asked: list[str] = []

    def get(self, url: str, *, max_bytes: int, accept_zstd: bool) -> bytes | None:
        assert isinstance(accept_zstd, bool)
        path = url.removeprefix(f"{self.base}/")
        assert path != url
        self.asked.append(path)
        log, _, inner = path.partition("/log/")
        if inner == "head" and log in self.heads:
            return bytes.fromhex(self.heads[log])
        try:
            raw = (self.root / path).read_bytes()
        except FileNotFoundError:
            return None
        assert len(raw) <= max_bytes
        return raw
