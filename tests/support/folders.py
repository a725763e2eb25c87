"""Folders of a user's own that are built by a backend of their own, which writes its name to the marker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.wheels import _BACKEND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.support.stage import Stage


def folder(
    stage: Stage, where: str, *, requires: Iterable[str] = (), build: Iterable[str] = (), more: str = "",
    files: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """Make a project below the stage's; it is called like its folder, and `files` are those of its wheel."""
    place = stage.project / where
    place.mkdir(parents=True, exist_ok=True)
    ours, name, needs = str(stage.marker), place.name, list(requires)
    source = (
        _BACKEND.format(
            name=name, version="1.0", marker="", requires=needs, build_requires=[], files=files or {f"{name}.py": ""}
        )
        + f"\nopen({ours!r}, 'a').write({name + ' '!r})\nbuild_editable = build_wheel\n"
    )
    (place / "local_backend.py").write_text(source)
    (place / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {json.dumps(list(build))}\nbuild-backend = "local_backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
        f"dependencies = {json.dumps(needs)}\n{more}"
    )
    return place


def sources(name: str, what: str) -> str:
    """Say where uv takes a package from."""
    return f"[tool.uv.sources]\n{name} = {{ {what} }}\n"


def workspace(stage: Stage, more: str = "", *, where: str = ".") -> None:
    """Make the folders in `packages` a workspace, whose root is no project."""
    place = stage.project / where
    place.mkdir(parents=True, exist_ok=True)
    (place / "pyproject.toml").write_text(f'[tool.uv.workspace]\nmembers = ["packages/*"]\n{more}')
