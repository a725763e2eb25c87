"""What uv's configuration makes of a lock: packages that uv builds, and parts and targets of its own (T05).

uv looks for it from the folder of the lock upwards, then at the user's and the machine's, and in the metadata of the
script that a lock is of. What it finds but cannot read it passes over, so where anything counts uv says which files it
read; where it says nothing, both readings do.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH119

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.errors import ConfigError
from openvet_install.installers import closed, uv_places
from openvet_install.installers.choice import find_uv
from openvet_install.installers.environment import TRUE
from openvet_install.installers.locks import select_for
from openvet_install.installers.locks_values import ByUv, OtherTargetError, Selection, Wanted, normal
from openvet_install.installers.projects import table_of
from openvet_install.installers.scripts import settings_in
from openvet_install.installers.uv_elsewhere import for_python
from openvet_install.installers.uv_probe import configurations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openvet_install.installers.locks_values import Lock
    from openvet_install.installers.target import Target

_ALL = ":all:"
_TOP = ("no-binary", "no-binary-package")
_PIP = ("no-binary", "extra", "all-extras", "no-extra", "group", "python-version", "python-platform")
_READING = ("UV_CONFIG_FILE", "UV_NO_CONFIG", "UV_NO_SYSTEM_CONFIG")
_SCRIPT = ".py.lock"
_VERSION = re.compile(r"3\.[0-9]+(?:\.[0-9]+)?", re.ASCII)
_MAX_BYTES = 65_536  # of a file of versions


class Beside(NamedTuple):
    """The settings that count for a lock, the nearest first; `sure`: uv has said so.

    `built`: what variables add; `pinned`: the Python that a variable or a file asks for in projects.
    """

    tables: tuple[Mapping[str, Any], ...]
    sure: bool
    built: frozenset[str] | bool
    pinned: str | None = None

    def of_sync(self) -> ByUv:
        """Return what `uv sync` makes of a `uv.lock`."""
        return ByUv(self._built(), self.sure, python=self.pinned)

    def of_pip(self, lock: Lock | None = None) -> ByUv:
        """Return what `uv pip` makes of a pylock, or of a file of requirements; pip itself takes its wheels."""
        names, top = self._of_pip("no-binary"), self._built()
        return ByUv(
            built=top is True or _ALL in names or frozenset(normal(names)) | (top or frozenset()),
            sure=False,
            wanted=None if lock is None else self._wanted(lock),
            python=self._said("python-version"),
            platform=self._said("python-platform"),
            adds=bool(self._of_pip("group")),
        )

    def _built(self) -> frozenset[str] | bool:
        said = next((one["no-binary"] for one in self.tables if isinstance(one.get("no-binary"), bool)), None)
        if self.built is True or said is not None:
            return self.built is True or said is True
        listed = [name for one in self.tables for name in _texts(one.get("no-binary-package"))]
        return (self.built or frozenset()) | frozenset(normal(listed))

    def _wanted(self, lock: Lock) -> Wanted | None:
        every = next((one["all-extras"] for one in self._pips() if isinstance(one.get("all-extras"), bool)), False)
        extras, without, groups = (set(normal(self._of_pip(key))) for key in ("extra", "no-extra", "group"))
        extras = (set(lock.extras) if every else extras) - without
        return Wanted(extras=frozenset(extras), groups=frozenset(groups) or None) if extras or groups else None

    def _pips(self) -> Iterator[dict[str, Any]]:
        return (table_of(one, "pip") for one in self.tables)

    def _of_pip(self, key: str) -> list[str]:
        return [text for one in self._pips() for text in _texts(one.get(key))]

    def _said(self, key: str) -> str | None:
        return next((one[key] for one in self._pips() if isinstance(one.get(key), str)), None)


def with_config(lock: Lock, environ: Mapping[str, str]) -> Lock:
    """Return a lock with what uv's configuration makes of it. Errors: `beside`."""
    found = beside(lock.path, environ)
    return replace(lock, by_uv=found.of_sync() if lock.kind == "uv" else found.of_pip(lock))


def taken(lock: Lock, target: Target) -> Selection:
    """Say what plain tools would install from a lock in its place, whichever of them and however uv is configured.

    Raises what `select_for` raises, and `UsageError` for a platform that is not known.
    """
    found, by_uv = select_for(lock, target), lock.by_uv
    here = ".".join(map(str, target.version))
    is_here = lock.kind == "uv" and by_uv.python is not None and f"{here}.".startswith(f"{by_uv.python}.")
    other = target if is_here else for_python(target, by_uv.python, by_uv.platform)
    if by_uv.wanted is None and other is target:
        return found
    try:
        more = select_for(lock, other, by_uv.wanted)
    except OtherTargetError:  # nor does uv take it
        return found
    return Selection(
        files=(*found.files, *(one for one in more.files if one not in found.files)),
        not_here=tuple(one for one in more.not_here if one in found.not_here),
        direct=(*found.direct, *(one for one in more.direct if one not in found.direct)),
    )


def environments(path: Path, target: Target, environ: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """Return the markers for which the lines of a file of requirements count, for one tool or the other.

    Raises `ConfigError` where uv is told to take more than the lines, and as `beside`.
    """
    by_uv = beside(path, environ).of_pip()
    if by_uv.adds:
        raise ConfigError(
            f"`pip.group` of uv's configuration is refused: uv would install more than the lines of `{path.name}`",
            hint="--group NAME    where it is wanted",
        )
    other = for_python(target, by_uv.python, by_uv.platform)
    return (target.environment,) if other is target else (target.environment, other.environment)


def beside(path: Path, environ: Mapping[str, str]) -> Beside:
    """Return the settings that uv finds from the folder of a lock or a file of requirements, and a user's variables.

    uv is started where a file says something that counts. Raises `ConfigError` for a file that cannot be read, and
    `UsageError` for such a script.
    """
    folder = os.path.abspath(path.parent)
    reach = uv_places.reach(folder, environ)
    found = {place: table for place, _project in reach.files if _counts(table := _table(place))}
    sure = True
    if found and reach.named is None:
        read = configurations(find_uv(environ, folder).path, (), (), _asking(environ), folder)
        sure = bool(read) and folder.isprintable()
        found = {place: table for place, table in found.items() if not sure or os.path.realpath(place) in read}
    names = frozenset(normal(environ.get("UV_NO_BINARY_PACKAGE", "").split()))
    built = environ.get("UV_NO_BINARY", "").lower() in TRUE or names
    return Beside((*_of_script(path), *found.values()), sure, built, _pinned(folder, environ, heeded=not reach.without))


def _asking(environ: Mapping[str, str]) -> dict[str, str]:
    kept = ("HOME", "PATH", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", *_READING)
    return {name: environ[name] for name in kept if environ.get(name)} | closed.uv_variables()


def _pinned(folder: str, environ: Mapping[str, str], *, heeded: bool) -> str | None:
    """Return the version of Python that is asked for where uv works for a project, None if there is none to read."""
    request = environ.get("UV_PYTHON") or (next(_requests(folder), "") if heeded else "")
    found = _VERSION.search(request)
    return found[0] if found is not None else None


def _requests(folder: str) -> Iterator[str]:
    """Yield what the nearest file of versions asks for, line by line."""
    above = (Path(folder), *Path(folder).parents)
    places = (one / name for one in above for name in (".python-version", ".python-versions"))
    if (nearest := next(filter(Path.is_file, places), None)) is not None:
        lines: list[str] = []
        with suppress(OSError), nearest.open("rb") as stream:
            lines = stream.read(_MAX_BYTES).decode(errors="replace").splitlines()
        yield from (line for line in lines if line.strip() and not line.strip().startswith("#"))


def _of_script(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the settings of the script that a lock is of."""
    script = path.with_name(path.name.removesuffix(".lock"))
    if path.name.endswith(_SCRIPT) and script.is_file():
        yield settings_in(script.read_bytes(), script.name)


def _table(place: str) -> Mapping[str, Any]:
    if not os.path.lexists(place) or closed.is_closed(place):
        return {}
    _text, table = uv_places.parse(place)
    return table_of(table_of(table, "tool"), "uv") if os.path.basename(place) == "pyproject.toml" else table


def _counts(table: Mapping[str, Any]) -> bool:
    return any(key in table for key in _TOP) or any(key in table_of(table, "pip") for key in _PIP)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else ()
