"""Which policies hold for a command: files and options, read once; and the only place that reads the clock."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.config import policies
from openvet_install.gate.setting import setting

if TYPE_CHECKING:
    from openvet_install.cli.options import WrapperOptions
    from openvet_install.gate.setting import Setting


def now() -> datetime:
    """Return the time of this run, in UTC."""
    return datetime.now(timezone.utc)


def read_setting(project: Path | None, options: WrapperOptions) -> Setting:
    """Read the policies of machine, user and project and the options over them. Raises `ConfigError`."""
    moment = now()
    found = policies(Path.cwd(), os.environ, moment.date(), project=project, owner=None)
    return setting(found, mode=options.mode, variables=options.variables, now=moment, offline=options.offline)


__all__ = ["now", "read_setting"]
