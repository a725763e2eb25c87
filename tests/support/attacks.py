"""What the attacks on whole commands share: both tools, an evil neighbour, and whether the target is as it was."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.stage import PROGRAMS, WARN, Ended, Stage
from tests.support.wheels import _BACKEND, make_sdist, sdist_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PIP = ("openvet-pip", "install")
UV = ("openvet-uv", "pip", "install")
BOTH = pytest.mark.parametrize("tool", [PIP, UV], ids=["pip", "uv"])
EVERY_RUN = WARN + 'check-every = "0s"\n'
AGENT = "openvet-install"


def again(tool: tuple[str, ...]) -> str:
    """The flag that installs once more what is there."""
    return "--force-reinstall" if tool is PIP else "--reinstall"


def everything(stage: Stage) -> dict[str, bytes]:
    """Every file of the environment but what uv locks it with, with its bytes."""
    paths = (path for path in stage.environment.rglob("*") if path.is_symlink() or path.is_file())
    return {
        str(path.relative_to(stage.environment)): str(path.readlink()).encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in paths
        if path.name != ".lock"
    }


def site(stage: Stage) -> Path:
    return next(stage.environment.glob("lib/python*/site-packages"))


def stopped(stage: Stage, ended: Ended, *codes: int, before: Mapping[str, bytes]) -> None:
    """It ended with one of these codes, nothing was installed, no package code ran, nothing was left behind."""
    assert ended.code in codes, f"{ended.code}\n{ended.out}\n{ended.err}"
    assert "Traceback" not in ended.err
    assert everything(stage) == before
    assert not stage.marker.exists()
    assert stage.leftovers == []


def evil_sdist(stage: Stage, folder: Path | None = None) -> Path:
    """An sdist on disk whose backend would write the marker; return its path."""
    folder = folder or stage.folder / "d"
    folder.mkdir(exist_ok=True)
    path = folder / sdist_name("evil", "1.0")
    path.write_bytes(make_sdist("evil", "1.0", marker=stage.marker))
    return path


def direct_source(stage: Stage, kind: str) -> str:
    """A source of `evil` that no index lists, as `tool.uv.sources` says it: of the kind path, url or git."""
    return {
        "path": f'path = "{evil_sdist(stage)}"',
        "url": f'url = "{stage.index.simple_url}evil-1.0.tar.gz"',
        "git": 'git = "https://example.invalid/evil"',
    }[kind]


def plain(stage: Stage, tool: tuple[str, ...], *words: str, env: Mapping[str, str] | None = None) -> int:
    """Run the same command without the gate, to see that the attack is one; return its exit code."""
    python = str(stage.environment / "bin/python")
    command = (
        [sys.executable, "-m", "pip", "--python", python, "install", "--no-cache-dir"]
        if tool is PIP
        else [str(PROGRAMS / "uv"), "pip", "install", "--no-cache"]
    )
    ended = subprocess.run(
        [*command, *words], env=stage.variables | dict(env or {}), cwd=stage.project, capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    return ended.returncode


def backend(
    stage: Stage, name: str, version: str, code: str, *, requires: tuple[str, ...] = (),
    files: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """The source of a backend that runs `code` before it builds the wheel; `TARGET`, `SITE` and `FOLDER` are set."""
    source = _BACKEND.format(
        name=name, version=version, marker="", requires=list(requires), build_requires=[],
        files=dict(files or {f"{name}.py": ""}),
    )  # fmt: skip
    names = f"TARGET, SITE, FOLDER = {str(stage.environment)!r}, {str(site(stage))!r}, {str(stage.folder)!r}\n"
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    hook = "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
    assert hook in source
    return names + source.replace(hook, hook + lines)


def fetching(url: str) -> str:
    """Code of a backend that asks the gateway for a URL, as anything in a build may."""
    return (
        "import os, urllib.request\n"
        "handler = urllib.request.ProxyHandler({'http': os.environ['http_proxy']})\n"
        f"urllib.request.build_opener(handler).open({url!r}).read()\n"
    )
