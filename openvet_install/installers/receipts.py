"""The receipt that uv keeps of a tool: it says what a person asked for, and nothing of how a gated run works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openvet_install.installers import disk

if TYPE_CHECKING:
    from pathlib import Path

NAME = "uv-receipt.toml"
MAX_BYTES = 1024 * 1024
_OURS = re.compile(rb'^link-mode = "copy"\n', re.MULTILINE)
_EMPTY = re.compile(rb"\n\[tool\.options\]\n(?=\[|\Z)")


def put_back(prefix: Path) -> None:
    """Take out of the receipt in a tool's environment what our variables brought in."""
    raw = disk.read(str(prefix / NAME), MAX_BYTES)
    if raw is None:
        return
    text = _EMPTY.sub(b"", _OURS.sub(b"", raw))
    if text != raw:
        disk.replace_file(prefix / NAME, text)
