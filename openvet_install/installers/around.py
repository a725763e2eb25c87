"""A command that is neither pip nor uv, with all that it starts: its environment, and wrappers that stand in for both.

`pip`, `pip3`, `uv` and `uvx` come first on its PATH and are our wrappers, each a gated run of its own inside this one.
Everything else that it starts is led to the gateway by variables, and held to it only in a network of its own.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import tomli

from openvet_install.errors import InstallError
from openvet_install.installers import closed, pip_config, uv_config
from openvet_install.installers.choice import MARK_OF_STAND_INS
from openvet_install.installers.commands import Index, default_index, http_url, login_of, without_login
from openvet_install.installers.environment import column, gateway_variables, upstream_settings
from openvet_install.installers.tokens import NEVER, OURS, UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.environment import UpstreamSettings

STAND_INS = ("pip", "pip3", "uv", "uvx")
_AROUND = frozenset({"no_proxy", "all_proxy", "ssl_client_cert", "sslkeylogfile", "openvet_install_report"})
_AGENTS = ("SSH_AUTH_SOCK", "DBUS_", "DOCKER_HOST")
_FOLDERS = ("PIP_FIND_LINKS", "UV_FIND_LINKS")  # what lies there would be installed without a question to the gateway
_PIP_INDEXES = ("PIP_INDEX_URL", "PIP_PYPI_URL", "PIP_EXTRA_INDEX_URL")
_UV_INDEXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_MAX_PROJECT_BYTES = 4 * 1024 * 1024

_STAND_IN = """\
#!/bin/sh
exec {python} -I -c {code} {tool} {home} "$@"
"""
_CODE = (
    "import sys; tool, home = sys.argv[1:3]; del sys.argv[1:3]; "
    "home in sys.path or sys.path.append(home); "
    "from openvet_install.cli import entry; entry.stand_in(tool)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """A command, ready to run under the gate.

    `environment` is the user's without what leads around the gateway, before `variables`. `indexes` may live at
    private addresses. `dropped`: names of variables without effect here. `argv` and `environment` may hold logins:
    not in `repr()`.
    """

    argv: tuple[str, ...] = field(repr=False)
    cwd: str
    environment: Mapping[str, str] = field(repr=False)
    indexes: tuple[Index, ...]
    upstream: UpstreamSettings
    dropped: tuple[str, ...] = ()

    @property
    def typed(self) -> tuple[str, ...]:
        """The command without logins."""
        return tuple(map(without_login, self.argv))


def plan(argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> Around:
    """Read what the tools' own files and variables say about ways out. Raises `ConfigError`, or `FaultsError` of it."""
    pip = pip_config.read(environ, _prefix(environ))
    uv = uv_config.detours(cwd, environ)
    kept: dict[str, str] = {**pip.variables}
    dropped = []
    for name, value in environ.items():
        if name.lower() in _AROUND:
            continue
        found = column(name) if name.startswith(("PIP_", "UV_")) else ""
        if (found in (NEVER, None) or name in _FOLDERS) and value:
            dropped.append(name)
        elif found not in (NEVER, None, OURS, UPSTREAM) and name not in _FOLDERS:
            kept[name] = value
    urls = [(kept[name], name) for name in _PIP_INDEXES if name in kept]
    urls += [(kept[name], name) for name in _UV_INDEXES if name in kept]
    urls += list(_sources(cwd))
    named = [index for text, origin in urls for part in text.split() if (index := _index(part, origin)) is not None]
    return Around(
        argv=tuple(argv),
        cwd=cwd,
        environment=kept,
        indexes=(*named, *uv.indexes, default_index("pip")),
        upstream=upstream_settings(
            "pip", environ, cert=pip.cert, client_cert=pip.client_cert, proxy=pip.proxy,
            insecure_hosts=(*pip.trusted_hosts, *environ.get("UV_INSECURE_HOST", "").split()),
            system_certs=uv.system_certs,
        ),
        dropped=tuple(sorted(dropped)),
    )  # fmt: skip


def _index(text: str, origin: str) -> Index | None:
    """Read `URL` or `NAME=URL`; None when it is not http(s)."""
    name, equals, rest = text.partition("=")
    if not equals or "://" in name:
        name, rest = "", text
    url = http_url(rest)
    return Index(url=url, origin=origin, name=name or None, login=login_of(rest)) if url is not None else None


def _prefix(environ: Mapping[str, str]) -> str:
    python = shutil.which("python3", path=environ.get("PATH", os.defpath)) or "/usr/bin/python3"
    active = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    return active or os.path.dirname(os.path.dirname(python))


def _sources(cwd: str) -> Iterator[tuple[str, str]]:
    """Yield the indexes that poetry, pdm and pipenv read from the project's files."""
    for name, tables in (
        ("pyproject.toml", (("tool", "poetry", "source"), ("tool", "pdm", "source"))),
        ("Pipfile", (("source",),)),
    ):
        path = os.path.join(cwd, name)
        for keys in tables:
            for entry in _entries(_read(path), keys):
                url = entry.get("url") if isinstance(entry, dict) else None
                if isinstance(url, str):
                    yield url, path


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a string
            return tomli.loads(stream.read(_MAX_PROJECT_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return {}  # whose file it is will say so


def _entries(table: Any, keys: Sequence[str]) -> list[Any]:
    found = _at(table, keys)
    return found if isinstance(found, list) else []


def _text(table: Any, *keys: str) -> str | None:
    found = _at(table, keys)
    return found if isinstance(found, str) else None


def _at(table: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def variables(around: Around, *, url: str, bundle: Path, folder: Path, agents: bool) -> dict[str, str]:
    """Return the whole environment of the command. `folder` is the run's, 0700; without `agents` none is named.

    A pip of any version may run here, and one before 24.2 stops at `legacy-certs`: so that is not set (threat T08).
    """
    empty, cache = folder / "empty", folder / "uv-cache"
    for one in (empty, cache):
        one.mkdir(mode=0o700)
    found = {name: value for name, value in around.environment.items() if agents or not name.startswith(_AGENTS)}
    found |= gateway_variables("uv", url=url, bundle=bundle, empty_dir=empty, cache_dir=cache)
    found |= closed.uv_variables()
    found |= _caches(around, str(folder))
    del found["PIP_USE_DEPRECATED"]
    plain = dict.fromkeys(index.plain_http for index in around.indexes if index.plain_http)
    trusted = [host for host in plain if _is_trusted(host, around.upstream.insecure_hosts)]
    if trusted:
        found["PIP_TRUSTED_HOST"] = " ".join(trusted)
    found["PATH"] = os.pathsep.join([str(folder / "bin"), around.environment.get("PATH", os.defpath)])
    return found


def _caches(around: Around, folder: str) -> dict[str, str]:
    """Return what gives poetry and pdm empty caches: what lies in theirs is installed without a question (threat T29).

    poetry's environments may lie in its cache, and stay where they are.
    """
    said = around.environment
    user = said.get("POETRY_CONFIG_DIR") or platformdirs.user_config_dir("pypoetry", appauthor=False, roaming=True)
    here = Path(around.cwd)
    own = [_read(str(one / "poetry.toml")) for one in (here, *here.parents)]
    files = [*own, _read(os.path.join(user, "config.toml"))]
    cache = said.get("POETRY_CACHE_DIR") or next(filter(None, (_text(one, "cache-dir") for one in files)), None)
    cache = cache or platformdirs.user_cache_dir("pypoetry", appauthor=False)
    places = (_text(one, "virtualenvs", "path") for one in files)
    place = said.get("POETRY_VIRTUALENVS_PATH") or next(filter(None, places), "{cache-dir}/virtualenvs")
    return {
        "PDM_CACHE_DIR": os.path.join(folder, "pdm-cache"),
        "PDM_INSTALL_CACHE": "0",  # else links lead there
        "POETRY_CACHE_DIR": os.path.join(folder, "poetry-cache"),
        "POETRY_VIRTUALENVS_PATH": place.replace("{cache-dir}", cache),
    }


def _is_trusted(host: str, hosts: Sequence[str]) -> bool:
    return host in hosts or host.rpartition(":")[0] in hosts


def write_stand_ins(folder: Path) -> None:
    """Make `bin` in the run's folder, with the wrappers in it."""
    place = folder / "bin"
    place.mkdir(mode=0o700)
    (place / MARK_OF_STAND_INS).touch()
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100 - as above
    for tool in STAND_INS:
        text = _STAND_IN.format(
            python=shlex.quote(sys.executable), code=shlex.quote(_CODE), tool=tool, home=shlex.quote(home)
        )
        path = place / tool
        path.write_text(text, "utf-8")
        path.chmod(0o700)


class CommandError(InstallError):
    """A command that cannot be started: 127 if there is none, 126 if it may not be run, as shells say it."""

    def __init__(self, what: str, exit_code: int) -> None:
        """Keep both."""
        super().__init__(what)
        self.exit_code = exit_code  # type: ignore[misc]


def program(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> str:
    """Return the file that a shell would start. Raises `CommandError`."""
    name = argv[0]
    found = os.path.join(cwd, name) if "/" in name else shutil.which(name, path=environment["PATH"])
    if found is None or not os.path.exists(found):  # noqa: PTH110 - a string
        raise CommandError(f"`{name}`: no such command", 127)
    if os.path.isdir(found) or not os.access(found, os.X_OK):  # noqa: PTH112 - a string
        raise CommandError(f"`{name}` cannot be run: permission denied", 126)
    return found
