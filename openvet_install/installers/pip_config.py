"""pip.conf, read by us in pip's own places and order (T13); the child gets none of the files.

What is carried becomes `PIP_…` variables of the child, where flags and the user's own variables win over it, as
they do in pip. `[global]` may hold options of other commands: pip ignores those in an install, and so do we.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH110, PTH111, PTH118, PTH123

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import ConfigError, FaultsError, InstallError
from openvet_install.installers import closed, pip_flags
from openvet_install.installers.commands import http_url
from openvet_install.installers.tokens import CARRY, JUDGE, LATER, NEVER, OURS, UPSTREAM, index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MACHINE_FOLDER = "/etc"
MAX_FILE_BYTES = 1024 * 1024
_INDEXES = ("index-url", "extra-index-url", "pypi-url")
_NAME = "pip.conf"

# Where a key of a file has another column than the flag of that name.
_IN_FILES = {
    **dict.fromkeys(_INDEXES, CARRY),
    "proxy": UPSTREAM,
    "cache-dir": OURS,
    "use-deprecated": OURS,
    "config-settings": LATER,
    "isolated": NEVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PipConfig:
    """What the files say for a command: variables for the child, and what belongs to the way out.

    `origins`: for each variable the file that said it. `judged`: variables that are read, not handed on. `ignored`:
    places of keys without effect here. Values may hold
    logins and are kept out of `repr()`.
    """

    variables: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str]
    judged: Mapping[str, str] = field(default_factory=dict)
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = field(default=None, repr=False)
    trusted_hosts: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class _Entry(NamedTuple):
    file: str
    line: int
    section: str
    key: str
    value: str
    project: bool

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}, key `{self.key}`"


def files(environ: Mapping[str, str], prefix: str, *, isolated: bool = False) -> list[tuple[str, bool]]:
    """Return pip's configuration files in its order (later ones win), each with "is this the project's?".

    `prefix`: the target's; the file there counts as the project's, since whatever is installed can write it.
    `isolated`: without the user's.
    """
    own = environ.get("PIP_CONFIG_FILE") or None
    if own == os.devnull:
        return []
    home = environ.get("HOME") or os.path.expanduser("~")
    machine = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    found = [(os.path.join(folder, "pip", _NAME), False) for folder in machine]
    found.append((os.path.join(MACHINE_FOLDER, _NAME), False))
    if not isolated and not (own and os.path.exists(own)):
        user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        found += [(os.path.join(home, ".pip", _NAME), False), (os.path.join(user, "pip", _NAME), False)]
    found.append((os.path.join(prefix, _NAME), True))
    if own:
        found.append((own, False))
    return found


def read(environ: Mapping[str, str], prefix: str, command: str = "install", *, isolated: bool = False) -> PipConfig:
    """Read and judge all of them for a command; `isolated` as in `files`.

    Raises `ConfigError`, or `FaultsError` of them: file, line and key of each.
    """
    judge = _Judge(command)
    for path, project in files(environ, prefix, isolated=isolated):
        try:
            judge.entries += _read_file(path, project=project)
        except ConfigError as fault:
            judge.faults.append(fault)
    for section in ("global", command):
        for entry in judge.entries:
            if entry.section == section and entry.value:
                judge.judge(entry)
    if judge.faults:
        raise judge.faults[0] if len(judge.faults) == 1 else FaultsError(judge.faults)
    return PipConfig(
        variables=judge.variables,
        origins=judge.origins,
        judged=judge.judged,
        cert=judge.upstream.get("cert"),
        client_cert=judge.upstream.get("client-cert"),
        proxy=judge.upstream.get("proxy"),
        trusted_hosts=tuple(judge.upstream.get("trusted-host", "").split()),
        ignored=tuple(judge.ignored),
    )


class _Judge:
    """Collects what the entries say, section by section: later ones win, as in pip."""

    def __init__(self, command: str) -> None:
        self.entries: list[_Entry] = []
        self.faults: list[InstallError] = []
        self.variables: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        self.judged: dict[str, str] = {}
        self.upstream: dict[str, str] = {}
        self.ignored: list[str] = []
        self._table = index(pip_flags.GATED[command])

    def judge(self, entry: _Entry) -> None:
        flag = self._table.get(f"--{entry.key}")
        column = _IN_FILES.get(entry.key, flag.column if flag is not None else None)
        if column == CARRY:
            self._carry(entry)
        elif column == UPSTREAM and not entry.project:
            self.upstream[entry.key] = entry.value
        elif column == UPSTREAM:
            self.faults.append(_refused(entry, "the way out is not the project's to choose"))
        elif column == JUDGE and not entry.project and entry.key != "python":
            self._note(self.judged, entry)
        elif column in (NEVER, LATER, JUDGE):
            reason = "it would lead pip around the gateway" if column == NEVER else "it is not gated here"
            self.faults.append(_refused(entry, reason))
        elif column != OURS and entry.section != "global":
            self.faults.append(ConfigError(f"unknown key `{entry.key}`", where=entry.where))
        elif column != OURS:
            self.ignored.append(f"{entry.file}:{entry.line} {entry.key}")

    def _carry(self, entry: _Entry) -> None:
        if entry.key in _INDEXES and not all(map(http_url, entry.value.split())):
            self.faults.append(_refused(entry, "an index is an http or https URL"))
        self._note(self.variables, entry)

    def _note(self, variables: dict[str, str], entry: _Entry) -> None:
        name = "PIP_" + entry.key.replace("-", "_").upper()
        variables[name] = entry.value
        self.origins[name] = f"{entry.file}:{entry.line}"


def _refused(entry: _Entry, reason: str) -> ConfigError:
    hint = "a proxy of yours belongs in HTTPS_PROXY: the gateway uses it" if "proxy" in entry.key else None
    return ConfigError(f"`{entry.key}` is refused: {reason}", where=entry.where, hint=hint)


def _read_file(path: str, *, project: bool) -> Iterator[_Entry]:
    try:
        with open(path, "rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:
        raise ConfigError(f"cannot read `{path}`: {error.strerror}", where=path) from error
    if raw == closed.PIP and not project:
        return
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"larger than {MAX_FILE_BYTES} bytes", where=path)
    try:
        text = raw.decode("utf-8-sig")
        parser = configparser.RawConfigParser()
        parser.read_string(text)
    except (UnicodeDecodeError, configparser.Error) as error:
        what = str(error).replace("'<string>'", "the file").partition("\n")[0]
        raise ConfigError(f"not a pip configuration: {what}", where=path) from error
    numbers = _line_numbers(text.splitlines())
    for section in parser.sections():
        for name, value in parser.items(section):
            key = name.lower().replace("_", "-").removeprefix("--")
            yield _Entry(path, numbers.get((section, name), 1), section, key, value, project)


def _line_numbers(lines: Sequence[str]) -> dict[tuple[str, str], int]:
    """Find where each key stands, for messages only."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith("[") and "]" in text:
            section = text[1 : text.index("]")]
        elif text and line[:1] not in (" ", "\t", "#", ";"):
            found[section, min(text.split("=")[0], text.split(":")[0], key=len).strip().lower()] = number
    return found
