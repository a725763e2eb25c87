"""Where this machine keeps what it may lose: stores, and when a log's head was last looked at."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import platformdirs

from openvet_install.http import without_login
from openvet_install.installers.disk import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from openvet_install.errors import InvalidError

APP = "openvet-install"
TRIM_SECONDS = 86_400
LOOKS_AT_MOST = 4
"""Of one log, kept from different pins."""
_HEAD = re.compile(r"[0-9a-f]{64}", re.ASCII)


PROJECTS = "projects"
"""Below the state: what killed runs must not leave in projects."""


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
    """The last looks at each log, by URL; they can add a no or hide one as a stale host could, never approve.

    Projects share them, and one that has other pins must not make us forget what was seen from those of another.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first look is written."""
        self._path = folder / "looks.json"
        self._lock = threading.Lock()

    def of(self, url: str) -> tuple[Look, ...]:
        """Return the last look from each of a few pins, the latest first; what cannot be read is none."""
        entries = self._read().get(without_login(url))
        found = map(_look, entries if isinstance(entries, list) else ())
        return tuple(one for one in found if one is not None)[:LOOKS_AT_MOST]

    def put(self, url: str, *, pin: str, newest: str, checked: datetime) -> None:
        """Remember a look; a folder that cannot be written only costs the next run a look."""
        with self._lock:
            data = self._read()
            looks = [Look(pin, newest, checked), *(one for one in self.of(url) if one.pin != pin)]
            data[without_login(url)] = [
                one._asdict() | {"checked": one.checked.isoformat()} for one in looks[:LOOKS_AT_MOST]
            ]
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                replace_file(self._path, json.dumps(data, indent=1, sort_keys=True).encode())
            except OSError:
                return

    def forgettable(self, fork: InvalidError) -> InvalidError:
        """Say of a head that parts from what was seen here how to let go of that, if its owner says so."""
        fork.hint = f"{fork.hint}; if it is the served one: rm {shlex.quote(str(self._path))}"
        return fork

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}


def _look(entry: Any) -> Look | None:
    try:
        look = Look(entry["pin"], entry["newest"], datetime.fromisoformat(entry["checked"]))
        good = _HEAD.fullmatch(look.pin) and _HEAD.fullmatch(look.newest) and look.checked.tzinfo
    except (KeyError, TypeError, ValueError):
        return None
    return look if good else None
