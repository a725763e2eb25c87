"""The receipt that uv keeps of a tool: it says what a person asked for, and nothing of how a gated run works."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from openvet_install.errors import UsageError
from openvet_install.installers import direct, disk, toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openvet_install.installers.sources import Source

NAME = "uv-receipt.toml"
MAX_BYTES = 1024 * 1024
_OURS = re.compile(rb'^link-mode = "copy"\n', re.MULTILINE)
_EMPTY = re.compile(rb"\n\[tool\.options\]\n(?=\[|\Z)")
_COPY = re.compile(rb'(?<= path = )"[^"\\\n]*/archives/([0-9a-f]{16})/([^"/\\\n]+)"')
"""How a receipt names our copy of an archive (`Source.copy`)."""


def put_back(prefix: Path) -> None:
    """Take out of the receipt in a tool's environment what our variables brought in."""
    raw = disk.read(str(prefix / NAME), MAX_BYTES)
    if raw is None:
        return
    text = of_people(_EMPTY.sub(b"", _OURS.sub(b"", raw)), prefix)
    if text != raw:
        disk.replace_file(prefix / NAME, text)


def of_people(raw: bytes, prefix: Path) -> bytes:
    """Return a receipt with the archives of people in place of copies of ours, as far as what is installed tells."""
    if not _COPY.search(raw):
        return raw
    places = dict(_archives(prefix))
    return _COPY.sub(lambda match: places.get((match[1], match[2]), match[0]), raw)


@contextmanager
def handed(prefix: Path, sources: Iterable[Source], folder: Path) -> Iterator[None]:
    """Let the receipt name the copies of archives in `folder` for the time of the block; afterwards it names none.

    Raises `UsageError` where it would still name one of the user's.
    """
    place = prefix / NAME
    raw = disk.read(str(place), MAX_BYTES) or b""
    names = [(_path(one.path or ""), _path(str(one.copy(folder)))) for one in sources]
    copied = of_people(raw, prefix)
    for own, copy in names:
        copied = copied.replace(own, copy)
    copies = {copy for _, copy in names}
    if any(_path(path) not in copies for path in paths_in(copied)):
        raise UsageError(f"cannot read `{place}`: it names archives in an unknown way", where=str(place))
    disk.replace_file(place, copied)
    try:
        yield
    finally:
        after = disk.read(str(place), MAX_BYTES) or b""
        named = raw if after == copied else after
        for own, copy in names if named is after else ():
            named = named.replace(copy, own)
        if named != after:
            disk.replace_file(place, named)


def paths_in(raw: bytes) -> Iterator[str]:
    """Give the archives that a receipt asks for."""
    entries = toml.loads(raw.decode()).get("tool", {}).get("requirements", [])
    yield from (one["path"] for one in entries if isinstance(one, dict) and "path" in one)


def _path(path: str) -> bytes:
    return b" path = " + json.dumps(path, ensure_ascii=False).encode()


def _archives(prefix: Path) -> Iterator[tuple[tuple[bytes, bytes], bytes]]:
    """Give the archives that were installed, by how their copies were called; what is installed says where they lie."""
    for info in prefix.glob("lib/python*/site-packages/*.dist-info"):
        url = direct.url_of(str(info)) or ""
        if url.startswith("file:///"):
            path = unquote(urlsplit(url).path)
            key = hashlib.sha256(os.fsencode(path)).hexdigest()[:16].encode()
            yield (key, os.fsencode(Path(path).name)), json.dumps(path, ensure_ascii=False).encode()
