"""`bundle`: one file with all that the logs say about this project's packages, for where no log is in reach."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import InvalidName, canonicalize_name

from openvet_install.cli import check
from openvet_install.cli.pins import refuse_offline
from openvet_install.cli.policy import read_setting
from openvet_install.errors import InstallError, UsageError
from openvet_install.gate import bundling
from openvet_install.gate.bundles import BUNDLE
from openvet_install.gate.hashed import read_hashed, release_of
from openvet_install.gate.judge import is_requirements
from openvet_install.installers.disk import replace_file
from openvet_install.installers.locks import read_lock
from openvet_install.installers.projects import build_requirements, read_project
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.files import File
    from openvet_install.gate.setting import Setting

_MB = 1_000_000


def run(names: Sequence[str], output: str | None, options: WrapperOptions) -> int:
    """Write the bundle of the project's locks, baseline and build requirements, and of packages that are named."""
    refuse_offline("bundle", options)
    chosen = read_setting(options)
    project = next((one for one in chosen.policies if one.scope == "project"), None)
    folder = project.folder if project is not None else Path.cwd()
    packages, files = _asked(names, folder, chosen)
    path = Path(output) if output is not None else folder / BUNDLE
    made = bundling.make(chosen, packages, files, os.environ)
    try:
        replace_file(path, made.raw)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror or error}") from error
    for warning in made.warnings:
        Terminal.of(sys.stderr, os.environ).line(f"openvet: warning: {plain(warning, 300)}")
    heads = ", ".join(f"{plain(name)} {head[:12]}" for name, head in made.logs) or "no log"
    count = f"{len(packages)} package{'' if len(packages) == 1 else 's'}"
    shown = output if output is not None else BUNDLE
    Terminal.of(sys.stdout, os.environ).line(f"wrote {plain(shown, 300)}: {heads}; {count}; {_size(len(made.raw))}")
    return 0


def _asked(names: Sequence[str], folder: Path, chosen: Setting) -> tuple[frozenset[str], list[File]]:
    """Return the packages that the bundle is to cover, and their files as far as locks list them."""
    found = {_name(one) for one in names}
    found |= {one.package for policy in chosen.policies for one in policy.baseline}
    files: list[File] = []
    try:
        paths = check.locks_of(chosen.policies)
    except UsageError:
        if not found:
            raise
        paths = []
    for path in paths:
        if is_requirements(path):
            found |= {release_of(one)[0] for one in read_hashed(path, os.environ)}
            continue
        for package in read_lock(path).packages:
            if package.source.kind == "registry":
                found.add(package.name)
                files += package.files
    return frozenset(found | _builds(folder)), files


def _builds(folder: Path) -> set[str]:
    """Return what building the project itself asks for; a project that cannot be read is told where it is built."""
    with suppress(InstallError):
        project = read_project(str(folder), str(folder), "command line")
        if project is not None:
            return {canonicalize_name(one.requirement.name) for one in build_requirements(project, str(folder))}
    return set()


def _name(text: str) -> str:
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName as error:
        raise UsageError(f"`{plain(text)}` is no name of a package", hint="openvet-install bundle NAME…") from error


def _size(count: int) -> str:
    return f"{count / _MB:.1f} MB" if count >= _MB // 10 else f"{max(count // 1000, 1)} kB"
