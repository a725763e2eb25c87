"""Where `uv pip` puts things with `--target` and `--prefix`, and what it takes for another Python or platform (T22)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.version import Version

from openvet_install.errors import UsageError
from openvet_install.installers.choice import is_inside_own, own_environment
from openvet_install.installers.tokens import last_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.installers.target import Target
    from openvet_install.installers.tokens import Token

FOLDERS = ("--target", "--prefix")
_BYTE = 255


class Platform(NamedTuple):
    """A system of `--python-platform`: the variables of markers that it sets, and its wheel tags, best first."""

    sys_platform: str
    platform_system: str
    os_name: str
    platform_machine: str
    tags: tuple[str, ...]


def _manylinux(machine: str, newest: int) -> Platform:
    oldest = 5 if machine == "x86_64" else 17
    older = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    tags: list[str] = []
    for minor in range(newest, oldest - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in older:
            tags.append(f"{older[minor]}_{machine}")
    return Platform("linux", "Linux", "posix", machine, (*tags, f"linux_{machine}"))


def _musllinux(machine: str) -> Platform:
    tags = (f"musllinux_1_{minor}_{machine}" for minor in (2, 1, 0))
    return Platform("linux", "Linux", "posix", machine, (*tags, f"linux_{machine}"))


def _macos(machine: str) -> Platform:
    return Platform("darwin", "Darwin", "posix", machine, tuple(mac_platforms((13, 0), machine)))


def _windows(machine: str, tag: str) -> Platform:
    return Platform("win32", "Windows", "nt", machine, (tag,))


# Source: `TargetTriple` of uv 0.13.9. What is missing here is refused.
_PLATFORMS = {
    "windows": lambda: _windows("AMD64", "win_amd64"),
    "x86_64-pc-windows-msvc": lambda: _windows("AMD64", "win_amd64"),
    "aarch64-pc-windows-msvc": lambda: _windows("ARM64", "win_arm64"),
    "i686-pc-windows-msvc": lambda: _windows("x86", "win32"),
    "linux": lambda: _manylinux("x86_64", 28),
    "x86_64-unknown-linux-gnu": lambda: _manylinux("x86_64", 28),
    "aarch64-unknown-linux-gnu": lambda: _manylinux("aarch64", 28),
    "x86_64-unknown-linux-musl": lambda: _musllinux("x86_64"),
    "aarch64-unknown-linux-musl": lambda: _musllinux("aarch64"),
    "x86_64-manylinux2014": lambda: _manylinux("x86_64", 17),
    "aarch64-manylinux2014": lambda: _manylinux("aarch64", 17),
    "macos": lambda: _macos("arm64"),
    "aarch64-apple-darwin": lambda: _macos("arm64"),
    "x86_64-apple-darwin": lambda: _macos("x86_64"),
}
_MANYLINUX = re.compile(r"(x86_64|aarch64)-manylinux_2_(\d+)", re.ASCII)


def placed(target: Target, tokens: Sequence[Token], cwd: str) -> tuple[Target, tuple[str, ...]]:
    """Return the target with the folders, tags and markers that uv would use, and the folders as options.

    Raises `UsageError` for our own environment, for an empty name, and for platforms and versions that are not in the
    table.
    """
    if any(last_of(tokens, one) == "" for one in FOLDERS):
        raise UsageError("`--target` and `--prefix` need a folder")
    target = for_python(target, last_of(tokens, "--python-version"), last_of(tokens, "--python-platform"))
    name = next((name for name in FOLDERS if last_of(tokens, name)), None)
    if name is None:
        return target, ()
    if all(last_of(tokens, one) for one in FOLDERS):
        raise UsageError("`--target` and `--prefix` cannot be used together")
    folder = Path(os.path.abspath(os.path.join(cwd, last_of(tokens, name) or "")))
    if is_inside_own(str(folder)):
        raise own_environment(str(folder))
    site = folder
    if name == "--prefix":
        site = folder / target.purelib.relative_to(target.prefix)
    option = (f"{name}={folder}",)
    return replace(
        target, prefix=folder, data=folder, scripts=folder / "bin", purelib=site, platlib=site, virtual=True
    ), option


def for_python(target: Target, version: str | None, platform: str | None) -> Target:
    """Return the target with the tags and markers of another Python or platform. Raises `UsageError`."""
    if version is None and platform is None:
        return target
    three = target.version if version is None else _version(version)
    found = None if platform is None else _platform(platform)
    own = tuple(dict.fromkeys(tag.split("-", 2)[2] for tag in target.tags))
    platforms = [one for one in (own if found is None else found.tags) if one != "any"]
    two = three[:2]
    tags = [*cpython_tags(two, platforms=platforms), *compatible_tags(two, "cp{}{}".format(*two), platforms)]
    environment = dict(target.environment)
    if version is not None:
        environment["python_version"] = "{}.{}".format(*two)
        environment["python_full_version"] = "{}.{}.{}".format(*three)
    if found is not None:
        environment |= {key: value for key, value in found._asdict().items() if key != "tags"}
    return replace(target, version=three, tags=tuple(map(str, tags)), environment=environment)


def _version(text: str) -> tuple[int, int, int]:
    """Read a version as uv does: of one before a release the release counts, markers included."""
    try:
        found = Version(text)
    except ValueError:
        found = None
    if found is None or found.is_devrelease or found.local or found.epoch or max(found.release[:2]) > _BYTE:
        raise UsageError(f"`--python-version={text}` is no version like 3.12 or 3.12.1")
    return found.major, found.minor, found.micro


def _platform(text: str) -> Platform:
    if (match := _MANYLINUX.fullmatch(text)) is not None:
        return _manylinux(match[1], int(match[2]))
    if text not in _PLATFORMS:
        raise UsageError(f"`--python-platform={text}` is not gated yet", hint="linux, macos and windows are")
    return _PLATFORMS[text]()
