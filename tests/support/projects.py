"""What the attacks on uv projects share: a project that uv reads, plain uv beside it, and what must stay as it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.stage import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stage import Ended, Stage

HEAD = '[project]\nname = "mine"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
EDITABLE = """
import os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "mine-1.0-py3-none-any.whl", "mine-1.0.dist-info/"
    rows = [info + one + ",," for one in ("METADATA", "WHEEL", "RECORD")] + ["mine.pth,,"]
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        archive.writestr("mine.pth", os.path.abspath("src") + "\\n")
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", "\\n".join(rows) + "\\n")
    return name
build_wheel = build_editable
"""
"""The backend of a project `mine`, in its own folder."""
WINDOWS = "sys_platform == 'win32'"
PYTHON, LATER = (f"3.{minor}" for minor in (sys.version_info.minor, sys.version_info.minor + 2))
_ABI, NEXT_ABI = (f"cp3{minor}-cp3{minor}" for minor in (sys.version_info.minor, sys.version_info.minor + 1))
HERE, ELSEWHERE = f"{_ABI}-manylinux_2_17_x86_64", (f"{_ABI}-win_amd64", f"{_ABI}-macosx_11_0_arm64")


def in_project(stage: Stage) -> Stage:
    """Work in the environment of the project, which uv makes."""
    stage.environment = stage.project / ".venv"
    del stage.variables["VIRTUAL_ENV"]
    return stage


def write(stage: Stage, *needs: str, more: str = "", folder: str = ".", name: str = "mine") -> None:
    """Write a pyproject.toml of a project that is no package."""
    listed = ", ".join(f'"{one}"' for one in needs)
    place = stage.project / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "pyproject.toml").write_text(f"{HEAD.replace('mine', name)}dependencies = [{listed}]\n{more}")


def plain_uv(stage: Stage, *words: str) -> str:
    """Run uv without the gate."""
    return subprocess.run(
        [str(PROGRAMS / "uv"), "--no-cache", *words], env=stage.variables, cwd=stage.project, check=True,
        capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip


def uv_itself(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """Run uv without the gate, with a cache of its own, however that ends."""
    own = {"UV_CACHE_DIR": str(stage.folder / "plain-cache"), "TMPDIR": str(stage.folder)}
    return subprocess.run(
        [str(PROGRAMS / "uv"), *words], env=stage.variables | own, cwd=stage.project,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def state(stage: Stage) -> dict[str, bytes]:
    """Every file of the project and its environment, with its bytes; links are what they lead to."""
    found = {}
    for path in stage.project.rglob("*"):
        if path.is_symlink():
            found[str(path)] = str(path.readlink()).encode()
        elif path.is_file() and path.name != ".lock":
            found[str(path)] = path.read_bytes()
    return found


def unchanged(stage: Stage, ended: Ended, before: dict[str, bytes], *codes: int) -> None:
    """It ended with one of these codes, and nothing of the project or its environment is another than before."""
    assert ended.code in codes, f"{ended.code}\n{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err
    assert state(stage) == before
    assert not stage.marker.exists()
    assert stage.leftovers == []


def lock_of(stage: Stage) -> bytes:
    path: Path = stage.project / "uv.lock"
    return path.read_bytes()
