"""`direct_url.json` (PEP 610) of what a person named: it shall say what the person wrote, not where our copy lay."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from openvet_install.installers import disk
from openvet_install.installers.commands import projects_of, without_login

if TYPE_CHECKING:
    from openvet_install.installers.commands import Plan

NAME = "direct_url.json"
MAX_BYTES = 64 * 1024
_KEPT_BY_UV = "/!$&'()*+,:;=@[]^|"
"""What uv does not quote in the path of an archive, beside letters, digits and `-._~`."""


def typed_addresses(plan: Plan, folder: Path) -> dict[str, str]:
    """Return the addresses that the tool got for what was named, each as it would write what the person meant."""
    found = {one.url: one.url for one in projects_of(plan.argv)}
    for one in plan.requested:
        if one.source is not None:
            url = without_login(one.source.address(folder).partition("#")[0])
            path = one.source.path
            if path is None:
                found[url] = url
            else:
                found[url] = f"file://{quote(path, _KEPT_BY_UV)}" if plan.tool == "uv" else Path(path).as_uri()
    return found


def url_of(info: str) -> str | None:
    """Return the address in a `.dist-info` folder, without login and fragment; None when there is none to read.

    Tools quote more or fewer characters of a path; returned is the one spelling of `Path.as_uri`.
    """
    raw = disk.read(f"{info}/{NAME}", MAX_BYTES)
    try:
        url = without_login(json.loads(raw or b"")["url"].partition("#")[0])
        return Path(unquote(urlsplit(url).path)).as_uri() if url.startswith("file:///") else url
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def put_back(info: str, url: str) -> None:
    """Write what the person named, and the new hash into RECORD; an unreadable one is left alone."""
    path, record = Path(info, NAME), Path(info, "RECORD")
    said = json.loads(disk.read(str(path), MAX_BYTES) or b"{}")
    text = json.dumps({**said, "url": url}).encode()
    raw = disk.read(str(record), disk.RECORD_BYTES)
    if raw is None:
        return
    rows = list(csv.reader(raw.decode().splitlines()))
    ends = f"{path.parent.name}/{NAME}"
    digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(
        [row[0], f"sha256={digest}", str(len(text))] if row and row[0] == ends and row[1] else row for row in rows
    )
    disk.replace_file(path, text)
    disk.replace_file(record, written.getvalue().encode())
