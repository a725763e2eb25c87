"""Where this machine keeps what it may lose: stores, and when a log's head was last looked at."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import platformdirs

from openvet_install.installers.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

APP = "openvet-install"
TRIM_SECONDS = 86_400
_HEAD = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Folders(NamedTuple):
    """`cache` may be deleted at any time; `state` holds the looks at heads."""

    cache: Path
    state: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Folders:
        """Follow the XDG variables, else the platform's habit."""
        cache = environ.get("XDG_CACHE_HOME")
        state = environ.get("XDG_STATE_HOME")
        return cls(
            Path(cache) / APP if cache else Path(platformdirs.user_cache_dir(APP, appauthor=False)),
            Path(state) / APP if state else Path(platformdirs.user_state_dir(APP, appauthor=False)),
        )


class Look(NamedTuple):
    """One look at a log: which newest head was verified from which pin, and when."""

    pin: str
    newest: str
    checked: datetime


@contextmanager
def usable_folders(environ: Mapping[str, str], warnings: list[str]) -> Iterator[Folders]:
    """Yield this machine's folders; where the cache cannot be written, folders for this run only."""
    wanted = Folders.of(environ)
    try:
        wanted.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted.cache):
            pass
    except OSError as error:
        warnings.append(f"{wanted.cache} cannot be written ({error.strerror}); nothing is kept for the next run")
    else:
        _trim(wanted.cache)
        yield wanted
        return
    with tempfile.TemporaryDirectory(prefix="openvet-cache-") as folder:
        yield Folders(Path(folder), wanted.state)


def _trim(cache: Path) -> None:
    """Keep the stores bounded: looked at once a day, when a run begins."""
    stamp = cache / "trimmed"
    with suppress(OSError):
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > TRIM_SECONDS:
            from openvet_install.gate import stores  # noqa: PLC0415 - once a day

            stamp.touch(mode=0o600)
            stores.trim(cache)


class Looks:
    """The last look at each log, by URL; it can add a no or hide one as a stale host could, never approve."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first look is written."""
        self._path = folder / "looks.json"
        self._lock = threading.Lock()

    def get(self, url: str) -> Look | None:
        """Return the last look, None if there is none or it cannot be read."""
        try:
            entry = self._read()[url]
            pin, newest = entry["pin"], entry["newest"]
            if not _HEAD.fullmatch(pin) or not _HEAD.fullmatch(newest):
                return None
            return Look(pin, newest, datetime.fromisoformat(entry["checked"]))
        except (KeyError, TypeError, ValueError):
            return None

    def put(self, url: str, *, pin: str, newest: str, checked: datetime) -> None:
        """Remember a look; a folder that cannot be written only costs the next run a look."""
        with self._lock:
            data = self._read()
            data[url] = {"pin": pin, "newest": newest, "checked": checked.isoformat()}
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                replace_file(self._path, json.dumps(data, indent=1, sort_keys=True).encode())
            except OSError:
                return

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            data = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}
