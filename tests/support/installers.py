"""A throw-away target environment and a user's environment with nothing of this machine in it."""

import os
import subprocess
from pathlib import Path

import pytest
import uv

from openvet_install.installers import pip_config, uv_places

UV = os.fsdecode(uv.find_uv_bin())


@pytest.fixture(scope="session")
def target_prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("target") / "env"
    subprocess.run([UV, "venv", "-q", "--no-config", str(prefix)], check=True, env={**os.environ, "UV_OFFLINE": "1"})
    return prefix


@pytest.fixture
def user(tmp_path, target_prefix, monkeypatch):
    """The user's variables: an active target, an empty home, no machine configuration."""
    for module in (pip_config, uv_places):
        monkeypatch.setattr(module, "MACHINE_FOLDER", str(tmp_path / "etc"))
    home = tmp_path / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "VIRTUAL_ENV": str(target_prefix),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
    }


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def write(project):
    def _write(name: str, text: str) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return _write
