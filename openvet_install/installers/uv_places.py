"""Where uv looks for configuration: the files in their order, each with whether it is the project's (T07)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH116, PTH117, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.errors import ConfigError, both_sides
from openvet_install.installers import toml
from openvet_install.installers.environment import TRUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MACHINE_FOLDER = "/etc"
MAX_FILE_BYTES = 4 * 1024 * 1024


def files_of(
    start: str, environ: Mapping[str, str], *, config_file: str | None, no_config: bool
) -> Iterator[tuple[str, bool]]:
    """Yield each path that uv would look at from the project folder `start`, and whether it is the project's."""
    if config_file is not None:
        yield config_file, False
        return
    if no_config:
        return
    yield from ((path, True) for path in _project_files(start))
    yield of_user(environ), False
    if environ.get("UV_NO_SYSTEM_CONFIG", "").lower() not in TRUE:
        for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
            yield os.path.join(folder, "uv", "uv.toml"), False
        yield os.path.join(MACHINE_FOLDER, "uv", "uv.toml"), False


def of_user(environ: Mapping[str, str]) -> str:
    """Return where the user's own configuration would lie."""
    home = environ.get("HOME") or _home()
    named = environ.get("XDG_CONFIG_HOME") or ""
    return os.path.join(named if os.path.isabs(named) else os.path.join(home, ".config"), "uv", "uv.toml")


def _home() -> str:
    """Return the home of the account, to which uv goes also where the variable is there and empty."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # no account: then uv has none, either
        return "/"


def _project_files(start: str) -> Iterator[str]:
    """Yield the files of each folder in which a search could end: uv searches from the folder, or from a project's."""
    folder = os.path.abspath(start)
    searching = True
    while True:
        own, project = os.path.join(folder, "uv.toml"), os.path.join(folder, "pyproject.toml")
        has_project = os.path.lexists(project)
        if searching or has_project:
            if os.path.lexists(own):
                yield own
            if has_project:
                yield project
            searching = not (os.path.lexists(own) or (has_project and _has_table(project)))
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def behind(start: str, *, config_file: str | None, no_config: bool) -> Iterator[str]:
    """Yield each `uv.toml` above that counts only where uv cannot read a nearer `[tool.uv]`: it passes that over."""
    if config_file is not None or no_config:
        return
    nearer = set(_project_files(start))
    folder = os.path.abspath(start)
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        place = os.path.join(folder, "uv.toml")
        if place not in nearer and os.path.lexists(place):
            yield place


class Reach(NamedTuple):
    """What a user's variables let uv go by: `files` as in `files_of`, with what is `behind`.

    `named`: the one file that a variable names; `without`: one says that there are none.
    """

    files: tuple[tuple[str, bool], ...]
    named: str | None
    without: bool


def reach(start: str, environ: Mapping[str, str]) -> Reach:
    """Return all that uv may go by from the project folder `start` where only variables steer it."""
    named = environ.get("UV_CONFIG_FILE") or None
    without = environ.get("UV_NO_CONFIG", "").lower() in TRUE
    files = (
        *files_of(start, environ, config_file=named, no_config=without),
        *((one, True) for one in behind(start, config_file=named, no_config=without)),
    )
    return Reach(files, named, without)


def _has_table(path: str) -> bool:
    try:
        return isinstance(parse(path)[1].get("tool", {}).get("uv"), dict)
    except (ConfigError, AttributeError):
        return False


def parse(path: str) -> tuple[str, dict[str, Any]]:
    """Read a file once; return its text and its tables. Raises `ConfigError`."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            raise ConfigError(f"`{path}` is a pipe: it can be read only once", where=path)
        with open(path, "rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}", where=path) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", where=path)
    text = ""
    try:
        text = raw.decode("utf-8-sig")
        return text, toml.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}", where=path, hint=both_sides(text)) from error
