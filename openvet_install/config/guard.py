"""OpenVet's own user file, `config.toml`: only `[guard]` means something to us, and nothing is ever written there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openvet_install.config.reader import is_there, read_bytes
from openvet_install.config.toml import Document, Table

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_TOML = "config.toml"
TABLES = {
    "publish": ("log",),
    "identity": ("key",),
    "cache": ("compression_allowed",),
    "guard": ("strict", "exclude"),
}
ENCODINGS = ("zstd",)


class Guard(NamedTuple):
    """`[guard]`: in shells `strict` gates outside projects too; `exclude` names folders that are left alone."""

    strict: bool = False
    exclude: tuple[str, ...] = ()


def parse_guard(raw: bytes, name: str) -> Guard:
    """Read the file exactly as strictly as OpenVet does. Raises `ConfigError` or `FaultsError`."""
    document = Document.parse(raw, name)
    root = document.table()
    root.only(TABLES)
    for key, keys in TABLES.items():
        table = Table(document, (key,), root.get(key, dict, {}))
        table.only(keys)
        for known in keys:
            if known in ("log", "key"):
                table.get(known, str, "")
            elif known == "compression_allowed":
                for number, one in enumerate(table.strings(known)):
                    if one not in ENCODINGS:
                        document.fault((*table.at(known), number), f"unknown encoding `{one}`", "zstd")
    guard = Table(document, ("guard",), root.get("guard", dict, {}))
    found = Guard(guard.get("strict", bool, False), guard.strings("exclude"))
    document.finish()
    return found


def read_guard(folder: Path) -> Guard:
    """Read `config.toml` of OpenVet's configuration folder; the defaults where there is none."""
    path = folder / CONFIG_TOML
    return parse_guard(read_bytes(path), str(path)) if is_there(path) else Guard()
