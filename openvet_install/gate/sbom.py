"""SBOMs that a wheel brings (PEP 770), read for people and reports: nothing is decided by them, nothing is fetched."""

from __future__ import annotations

import json
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.errors import ConfigError
from openvet_install.gate.model import Sbom
from openvet_install.gateway.blobs import BlobStore

if TYPE_CHECKING:
    from openvet_install.files import File
    from openvet_install.gate.model import Run
    from openvet_install.gate.state import Folders

MAX_SBOMS = 32  # of one wheel
MAX_SBOM_BYTES = 4 << 20  # of one that is read
MAX_READ_BYTES = 16 << 20  # of all that are read of one wheel
_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}", re.ASCII)


def tell(run: Run, folders: Folders) -> None:
    """Note in a `Run` the SBOMs of the wheels that it used and whose bytes our store has."""
    with suppress(ConfigError, OSError):
        blobs = BlobStore(folders.cache / "files")
        for judged in run.files:
            file = judged.decision.file
            if (found := _of(file, blobs)) is not None:
                run.sboms[file.sha256 or ""] = found


def sboms_of(file: File, folders: Folders) -> tuple[Sbom, ...]:
    """Return the SBOMs of a wheel if our store has it and it is what it claims to be."""
    return _of(file, BlobStore(folders.cache / "files")) or ()


def _of(file: File, blobs: BlobStore) -> tuple[Sbom, ...] | None:
    blob = blobs.find(file.sha256) if file.is_wheel and file.sha256 else None
    if blob is None:
        return None
    try:
        if not _named(Path(blob.path)):
            return ()
        open_archive(Path(blob.path), file.filename)
    except (ArchiveError, zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return None
    return sboms(Path(blob.path))


def sboms(wheel: Path) -> tuple[Sbom, ...]:
    """Return the SBOMs of a wheel that was opened and found right before; an unreadable one has the kind `unknown`."""
    found, left = [], MAX_READ_BYTES
    with zipfile.ZipFile(wheel) as archive:
        for one in _named(wheel)[:MAX_SBOMS]:
            reads = one.file_size <= min(left, MAX_SBOM_BYTES)
            left -= one.file_size if reads else 0
            found.append(_read(one.filename, archive.read(one) if reads else b""))
    return tuple(found)


def _named(wheel: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(wheel) as archive:
        found = [one for one in archive.infolist() if _is_sbom(one.filename) and not one.is_dir()]
    return sorted(found, key=lambda one: one.filename)


def _is_sbom(path: str) -> bool:
    top, _, rest = path.partition("/")
    return top.endswith(".dist-info") and rest.startswith("sboms/")


def _read(path: str, raw: bytes) -> Sbom:
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and isinstance(data.get("spdxVersion"), str):
        return Sbom(path, _kind("SPDX", data["spdxVersion"].removeprefix("SPDX-")), _count(data.get("packages")))
    if isinstance(data, dict) and data.get("bomFormat") == "CycloneDX":
        return Sbom(path, _kind("CycloneDX", data.get("specVersion")), _count(data.get("components")))
    return Sbom(path, "unknown", None)


def _kind(name: str, version: object) -> str:
    stated = isinstance(version, str) and _VERSION.fullmatch(version) is not None
    return f"{name} {version}" if stated else f"{name} of an unknown version"


def _count(listed: object) -> int | None:
    return len(listed) if isinstance(listed, list) else None
