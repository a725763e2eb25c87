"""Hashes of a file's bytes other than sha256, for what logs file under them (threat T68)."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

_CHUNK_BYTES = 2**20
_ENGINES: Mapping[str, Callable[[], Any]] = {
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "blake2b-256": partial(hashlib.blake2b, digest_size=32),
}
"""What can be computed here of the algorithms that OpenVet names (protocol, section 5); blake3 cannot."""


def shared(path: Path, digests: Collection[str]) -> tuple[str, ...]:
    """Return which of some digests (`alg:hex`) are those of a file's bytes. Raises OSError."""
    asked = {one.partition(":")[0] for one in digests}
    engines = {name: make() for name, make in _ENGINES.items() if name in asked}
    if not engines:
        return ()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            for engine in engines.values():
                engine.update(chunk)
    return tuple(text for name, engine in engines.items() if (text := f"{name}:{engine.hexdigest()}") in digests)
