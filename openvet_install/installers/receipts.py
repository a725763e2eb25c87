"""The receipt that uv keeps of a tool: it says what a person asked for, and nothing of how a gated run works."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from openvet_install.installers import direct, disk

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    text = _EMPTY.sub(b"", _OURS.sub(b"", raw))
    if _COPY.search(text):
        places = dict(_archives(prefix))
        text = _COPY.sub(lambda match: places.get((match[1], match[2]), match[0]), text)
    if text != raw:
        disk.replace_file(prefix / NAME, text)


def _archives(prefix: Path) -> Iterator[tuple[tuple[bytes, bytes], bytes]]:
    """Give the archives that were installed, by how their copies were called; what is installed says where they lie."""
    for info in prefix.glob("lib/python*/site-packages/*.dist-info"):
        url = direct.url_of(str(info)) or ""
        if url.startswith("file:///"):
            path = unquote(urlsplit(url).path)
            key = hashlib.sha256(os.fsencode(path)).hexdigest()[:16].encode()
            yield (key, os.fsencode(Path(path).name)), json.dumps(path, ensure_ascii=False).encode()
