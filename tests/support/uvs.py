"""The uvs that are tried: the one that comes with us, and the oldest of our table, got once by pip."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import uv

from openvet_install.installers import uv_flags

VERSIONS = ("newest", "oldest")
_CACHE = Path("~/.cache/openvet-install-tests").expanduser()


def program(which: str) -> str:
    """Return the path of `newest` or `oldest`."""
    return uv.find_uv_bin() if which == "newest" else _oldest()


@cache
def _oldest() -> str:
    version = ".".join(map(str, uv_flags.OLDEST))
    folder = _CACHE / f"uv-{version}"
    if not os.access(folder / "bin" / "uv", os.X_OK):
        _CACHE.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(dir=_CACHE)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={made}", f"uv=={version}"]
        subprocess.run(command, check=True, timeout=300)
        Path(made).chmod(0o755)
        try:
            Path(made).rename(folder)
        except OSError:  # another process was faster
            assert os.access(folder / "bin" / "uv", os.X_OK)
    return str(folder / "bin" / "uv")
