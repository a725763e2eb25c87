"""`docker`: the folder from which an image is made that other images copy openvet-install from, and how to use it.

Wheels of ourselves and of all that we need are fetched with our own pip, in the versions that run here, and named with
their hashes; in an image nothing is fetched and nothing unlisted is taken.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install import __version__
from openvet_install.cli import own
from openvet_install.errors import ConfigError, UndecidedError, UsageError
from openvet_install.installers import closed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OURS = "openvet-install"
DOWNLOAD_SECONDS = 900.0
_LISTED = "wheels.txt"
_COPIED = ("setup.py", "Dockerfile", "recipe.Dockerfile")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_GLIBC = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_MUSL = ("musllinux_1_2", "musllinux_1_1")


def run(folder: Path, pythons: Sequence[str], wheels: Path | None) -> int:
    """Write the folder and print what it is for. Raises `UsageError` if it holds something else already."""
    if folder.exists() and not (folder / _LISTED).exists() and not (folder.is_dir() and not any(folder.iterdir())):
        hint = "openvet-install docker FOLDER    with a new name"
        raise UsageError(f"`{folder}` is there already, and not of this command's making", hint=hint)
    with tempfile.TemporaryDirectory(prefix="openvet-") as temporary:
        fetched = Path(temporary) / "wheels"
        fetched.mkdir()
        own_wheel(fetched)
        for python in pythons or [platform.python_version().rpartition(".")[0]]:
            _fetch(_needed(_environment(python)), python, fetched, wheels)
        try:
            lines = _write(folder, fetched)
        except OSError as error:
            raise ConfigError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
        size = sum(path.stat().st_size for path in fetched.iterdir()) / 1_000_000
    sys.stdout.write(f"wrote {folder}: {lines} wheels, {size:.0f} MB, {', '.join(_COPIED)}\n")
    sys.stdout.write(
        f"next: docker build --tag acme/openvet-install:1 {folder}    then {folder / 'recipe.Dockerfile'}\n"
    )
    return 0


def _write(folder: Path, fetched: Path) -> int:
    """Fill the folder and return how many wheels it has; the empty list first, which lets another try go on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _LISTED).write_bytes(b"")
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    shutil.copytree(fetched, folder / "wheels")
    for name in _COPIED:
        (folder / name).write_bytes(files("openvet_install.cli").joinpath("image", name).read_bytes())
    (folder / "pip.conf").write_bytes(closed.PIP)
    (folder / "uv.toml").write_bytes(closed.UV)
    found = sorted(fetched.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in found]
    (folder / _LISTED).write_text("".join(lines), "utf-8")
    return len(lines)


def own_wheel(folder: Path) -> Path:
    """Write a wheel of ourselves as we are installed here, the same bytes each time; return its path."""
    info = f"openvet_install-{__version__}.dist-info"
    installed = distribution(OURS)
    package = Path(str(files("openvet_install")))
    members = {
        f"openvet_install/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    members[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    members[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    members[f"{info}/WHEEL"] = own.PURE
    members[f"{info}/RECORD"] = own.record_of(dict(sorted(members.items())), info)
    path = folder / f"openvet_install-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(members.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def _environment(python: str) -> dict[str, str]:
    parts = python.split(".")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UsageError(f"`--python {python}`: a version such as 3.12")
    markers = {name: str(value) for name, value in default_environment().items()}
    return markers | {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}


def _needed(environment: Mapping[str, str]) -> list[str]:
    """Return what we need under that Python, in the versions that run here where there are some."""
    found: dict[str, str] = {}
    left = [OURS]
    while left:
        for text in distribution(left.pop()).requires or ():
            wanted = Requirement(text)
            name = canonicalize_name(wanted.name)
            if name in found or (wanted.marker and not wanted.marker.evaluate({**environment, "extra": ""})):
                continue
            try:
                found[name] = f"{name}=={version(name)}"
                left.append(name)
            except PackageNotFoundError:
                found[name] = f"{wanted.name}{wanted.specifier}"
    return sorted(found.values())


def _fetch(needed: Iterable[str], python: str, place: Path, wheels: Path | None) -> None:
    """Get wheels for images with glibc and with musl; what a package does not offer is told when it is missed."""
    machine = platform.machine()
    for tags in (_GLIBC, _MUSL):
        command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [f"--python-version={python}", "--implementation=cp", f"--dest={place}"]
        command += [f"--platform={tag}_{machine}" for tag in tags]
        command += ["--no-index", f"--find-links={wheels}"] if wheels is not None else []
        with tempfile.TemporaryDirectory(prefix="openvet-") as temporary:
            env = {**os.environ, "TMPDIR": temporary}
            ended = subprocess.run(  # noqa: S603 - our own pip
                [*command, *needed], check=False, timeout=DOWNLOAD_SECONDS, stdout=sys.stderr, env=env
            )
        if ended.returncode != 0 and tags is _GLIBC:
            raise UndecidedError(f"the wheels for Python {python} could not be had; pip says why above")
