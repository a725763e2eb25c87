"""The files that keep a plain pip and a plain uv from installing anything, and say what to use instead (threat T80).

`openvet-install docker` writes them for images. Our own runs know them by their exact bytes, and look through them.
"""

from __future__ import annotations

from pathlib import Path

PIP = b"""\
# Written by openvet-install: a plain pip installs nothing here. Use openvet-pip, or a line below `exec`.
[global]
no-index = true
find-links = /opt/openvet/plain-pip-is-closed-here--use-openvet-pip
"""
UV = b"""\
# Written by openvet-install: a plain uv installs nothing here. Use openvet-uv, or a line below `exec`.
no-index = true
offline = true
find-links = ["/opt/openvet/plain-uv-is-closed-here--use-openvet-uv"]
"""
UV_PLACE = "/etc/uv/uv.toml"


def is_closed(uv_toml: str) -> bool:
    """Whether this file of uv's is the one above."""
    try:
        with Path(uv_toml).open("rb") as stream:
            return stream.read(len(UV) + 1) == UV
    except OSError:
        return False


def uv_variables() -> dict[str, str]:
    """Return what makes a uv of ours look through the file that closes it for others."""
    return {"UV_NO_SYSTEM_CONFIG": "1"} if is_closed(UV_PLACE) else {}
