"""SBOMs that a wheel brings (PEP 770), read for people: nothing is decided by them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.gateway.blobs import BlobStore

if TYPE_CHECKING:
    from openvet_install.files import File
    from openvet_install.gate.state import Folders

MAX_SBOM_BYTES = 16 * 2**20
FOLDER = ".dist-info/sboms/"


class Sbom(NamedTuple):
    """One SBOM inside a wheel: its path there, its kind such as `SPDX 2.3`, and how many packages it lists."""

    path: str
    kind: str
    packages: int | None


def sboms_of(file: File, folders: Folders) -> list[Sbom]:
    """Return the SBOMs of a wheel if our store has it and it is what it claims to be; nothing is fetched."""
    blobs = BlobStore(folders.cache / "files")
    blob = blobs.find(file.sha256) if file.is_wheel and file.sha256 else None
    if blob is None:
        return []
    try:
        open_archive(Path(blob.path), file.filename)
    except ArchiveError:
        return []
    return sboms(Path(blob.path))


def sboms(wheel: Path) -> list[Sbom]:
    """Return the SBOMs of a wheel that was opened and found right before; an unreadable one has the kind `unknown`."""
    with zipfile.ZipFile(wheel) as archive:
        found = [one for one in archive.infolist() if FOLDER in one.filename and not one.is_dir()]
        return [
            _read(one.filename, archive.read(one) if one.file_size <= MAX_SBOM_BYTES else b"")
            for one in sorted(found, key=lambda one: one.filename)
        ]


def _read(path: str, raw: bytes) -> Sbom:
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and isinstance(data.get("spdxVersion"), str):
        return Sbom(path, data["spdxVersion"].replace("-", " "), _count(data.get("packages")))
    if isinstance(data, dict) and data.get("bomFormat") == "CycloneDX":
        return Sbom(path, f"CycloneDX {data.get('specVersion')}", _count(data.get("components")))
    return Sbom(path, "unknown", None)


def _count(listed: object) -> int | None:
    return len(listed) if isinstance(listed, list) else None
