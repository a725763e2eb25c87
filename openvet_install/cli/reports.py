"""Where reports go: checked before anything starts, written whatever the outcome."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import ReportTo
    from openvet_install.gate.model import Run

STDOUT = "-"
WRITTEN = ("json",)


def check(reports: Sequence[ReportTo]) -> None:
    """Refuse formats that this version does not write, and places that cannot be written. Raises `UsageError`."""
    for one in reports:
        if one.format not in WRITTEN:
            raise UsageError(f"report format `{one.format}` is not written by this version", hint="json")
        if one.path == STDOUT:
            continue
        path = Path(one.path)
        if path.is_symlink():
            raise UsageError(f"report file `{one.path}` is a link", hint="name the file itself")
        if path.exists() and not path.is_file():
            raise UsageError(f"report file `{one.path}` is no ordinary file", hint="`-` is stdout")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise UsageError(f"report file `{one.path}` cannot be written")


def write(run: Run, reports: Sequence[ReportTo]) -> None:
    """Write every report; files are replaced atomically. Raises `UsageError` if one cannot be written."""
    if not reports:
        return
    from openvet_install.gate.state import replace_file  # noqa: PLC0415 - only with a report
    from openvet_install.report import document  # noqa: PLC0415 - as above

    text = document.render(run)
    for one in reports:
        try:
            if one.path == STDOUT:
                sys.stdout.write(text)
                sys.stdout.flush()
            else:
                replace_file(Path(one.path), text.encode())
        except OSError as error:
            raise UsageError(f"report `{one.path}` cannot be written: {error.strerror or error}") from error
