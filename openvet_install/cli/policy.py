"""Which policies hold for a command: files and options, read once; and the only place that reads the clock."""

from __future__ import annotations

import hashlib
import os
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli.progress import Progress
from openvet_install.config import policies
from openvet_install.errors import UsageError
from openvet_install.gate.heads import pinned
from openvet_install.gate.setting import setting
from openvet_install.gate.state import Folders
from openvet_install.installers.commands import without_login
from openvet_install.installers.disk import replace_file
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.gate.setting import Setting

MAX_INTRODUCED = 500
MAX_SHOWN = 300


def now() -> datetime:
    """Return the time of this run, in UTC."""
    return datetime.now(timezone.utc)


def read_setting(options: WrapperOptions) -> Setting:
    """Read the policies of machine, user and project and the options over them. Raises `ConfigError`, `UsageError`."""
    moment = now()
    bundle = Path(options.bundle).absolute() if options.bundle else None
    if bundle is not None and not bundle.is_file():
        raise UsageError(f"no bundle `{plain(options.bundle or '', MAX_SHOWN)}`", hint="openvet-install bundle")
    project = Path(options.project) if options.project else None
    found = policies(Path.cwd(), os.environ, moment.date(), project=project, owner=None, revision=options.policy_ref)
    return setting(
        found, mode=options.mode, variables=options.variables, now=moment, offline=options.offline,
        watch=Progress(sys.stderr, Terminal.of(sys.stderr, os.environ)) if sys.stderr.isatty() else None,
        bundle=bundle,
    )  # fmt: skip


def introduce(chosen: Setting, environ: Mapping[str, str]) -> list[str]:
    """Return the lines that name a project's policy at its first use here, if it is the only one (threat T52).

    Again whenever its logs or operators change. Where nothing can be remembered it is told each time.
    """
    if [one.scope for one in chosen.judging] != ["project"]:
        return []
    (policy,) = chosen.judging
    told = [f"openvet: note: first use of {plain(policy.shown, 1000)}, the only policy here"]
    for settings, _pin, walked in pinned(policy):
        operators = ", ".join(walked.operators if walked is not None else settings.operators) or "not yet known"
        where = plain(without_login(settings.url), 300)
        told.append(f"openvet: note: log {plain(settings.name)}, {where}, operator {plain(operators, 500)}")
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()
    path = Folders.of(environ).state / "introduced"
    try:
        known = path.read_text("utf-8").splitlines() if path.exists() else []
        if digest in known:
            return []
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, "".join(f"{one}\n" for one in [*known[-MAX_INTRODUCED:], digest]).encode())
    except (OSError, UnicodeDecodeError):
        pass
    return told


__all__ = ["introduce", "now", "read_setting"]
