"""What every gated command of uv starts from: its folder, variables, configuration, indexes, and uv itself."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH112, PTH118

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import uv_build_needs, uv_config, uv_isolation
from openvet_install.installers.choice import find_uv
from openvet_install.installers.commands import (
    COMMAND_LINE,
    Index,
    default_index,
    http_url,
    login_of,
    not_web,
    without_login,
)
from openvet_install.installers.environment import TRUE, sort_environment, upstream_settings
from openvet_install.installers.lines import check_names
from openvet_install.installers.passing import flag_table
from openvet_install.installers.sources import local_path, read_links, refuse_lookalikes
from openvet_install.installers.tokens import CARRY, Token, has, last_of, values_of
from openvet_install.installers.uv_probe import configurations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from openvet_install.installers.choice import Program
    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.sources import Links
    from openvet_install.installers.uv_config import UvConfig

_INDEX_FLAGS = ("--index", "--default-index", "--index-url", "--extra-index-url")
_INDEX_VARIABLES = {
    "UV_INDEX": (True, False),
    "UV_DEFAULT_INDEX": (True, True),
    "UV_INDEX_URL": (False, True),
    "UV_EXTRA_INDEX_URL": (False, False),
}
_WITH_FOLDERS = frozenset(
    {
        *(("pip", "install"), ("pip", "sync"), ("pip", "compile"), ("tool", "run")),
        *((one,) for one in ("sync", "lock", "add", "remove", "version", "export", "tree", "run", "build")),
    }
)
"""Commands whose options name our copies of folders that uv's configuration names."""
_SHOWING = frozenset({("export",), ("tree",)})
_NAME_OF_INDEX = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Where a command of uv works and what steers it.

    `cwd` is absolute. `child`: variables that go over, `judged` those that we hand on as flags; both may hold logins.
    `dropped`: names without effect. `where`: `--config-file`, `--no-config`, `--project`, from flags or variables.
    `links`: what `--find-links` names, its variable or a file. `unisolated`: what files say is built without
    isolation.
    """

    cwd: str
    child: dict[str, str] = field(repr=False)
    judged: Mapping[str, str] = field(repr=False)
    dropped: tuple[str, ...]
    where: tuple[Token, ...]
    config: UvConfig
    indexes: tuple[Index, ...]
    links: tuple[Links, ...]
    unisolated: tuple[uv_isolation.Unisolated, ...]
    upstream: UpstreamSettings
    helper: Program

    def says(self, name: str) -> bool:
        """Tell whether a variable of ours to judge is switched on."""
        return self.judged.get(name, "").lower() in TRUE

    def with_members(self, indexes: Sequence[Index]) -> tuple[Index, ...]:
        """Return the indexes of the command with those that only folders of the project name; none if it has none."""
        known = {one.url for one in self.indexes}
        more = {one.url: one for one in indexes if one.url not in known}
        return (*self.indexes, *more.values()) if self.indexes else ()

    def quiet(self, folder: Path) -> dict[str, str]:
        """Return the variables for asking uv something before the run; `folder` takes what it leaves.

        No build can start: uv asks interpreters with `-I`, which do not look at PYTHONHOME, and builds without. Nor
        does a program that says which graphics card this is.
        """
        ours = {"UV_PYTHON_DOWNLOADS": "never", "UV_TORCH_BACKEND": "cpu", "PYTHONHOME": os.devnull}
        return {**self.child, **ours, "TMPDIR": str(folder)}


def look_around(tokens: Sequence[Token], environ: Mapping[str, str], cwd: str, words: tuple[str, ...]) -> Around:
    """Read all that is not the command itself; nothing is started, but uv where only it knows which files it reads.

    Raises `UsageError` for folders that are not there or are named as an index, and for what is to be upgraded unless
    it is a requirement by name: it limits what is installed; `ConfigError` for files and variables.
    """
    check_names(values_of(tokens, "--upgrade-package"))
    found = sort_environment("uv", environ)
    cwd = working_folder(tokens, found.judged, cwd)
    refuse_lookalikes(cwd)
    where = _configuration(tokens, found.judged, words)
    config_file = last_of(where, "--config-file")
    config = uv_config.read(
        os.path.join(cwd, last_of(where, "--project") or ""),
        environ,
        config_file=os.path.join(cwd, config_file) if config_file else None,
        no_config=has(where, "--no-config"),
        told=lambda: configurations(find_uv(environ, cwd).path, words, where, found.child, cwd),
        ways_only=_only_shows(tokens, found.judged, words),
    )
    uv_build_needs.check(config.build_needs, tokens, words)
    known = _known_by_name(config, cwd)
    typed = _typed_indexes(tokens, known)
    child, unusable = _usable(found.child, tokens, known, silent=has(tokens, "--no-index") or config.no_index)
    system_certs = config.system_certs or has(tokens, "--system-certs") or has(tokens, "--native-tls")
    return Around(
        cwd=cwd,
        child=child,
        judged=found.judged,
        dropped=(*found.dropped, *unusable),
        where=tuple(where),
        config=config,
        indexes=_indexes_of(tokens, typed, child, config, known),
        unisolated=uv_isolation.heeded(config.unisolated, tokens, words),
        links=(*_typed_links(tokens, found.judged, cwd), *_configured_links(config, words, cwd)),
        upstream=upstream_settings(
            "uv",
            environ,
            cert=last_of(tokens, "--cert"),
            system_certs=system_certs,
            offline=is_offline(tokens),
            insecure_hosts=tuple(" ".join(values_of(tokens, "--allow-insecure-host")).split()),
        ),
        helper=find_uv(environ, cwd),
    )


def _only_shows(tokens: Sequence[Token], judged: Mapping[str, str], words: tuple[str, ...]) -> bool:
    """Tell whether a command shows what the lock of a project says: uv neither resolves nor builds."""
    frozen = has(tokens, "--frozen") or judged.get("UV_FROZEN", "").lower() in TRUE
    return words in _SHOWING and frozen and not has(tokens, "--outdated") and not has(tokens, "--script")


def of_project(around: Around) -> Around:
    """Return it for a command about a project: there a variable says where its environment lies."""
    named = around.judged.get("UV_PROJECT_ENVIRONMENT")
    return replace(around, child={**around.child, "UV_PROJECT_ENVIRONMENT": named}) if named else around


def working_folder(tokens: Sequence[Token], judged: Mapping[str, str], cwd: str) -> str:
    """Return the folder that uv goes to, without links. Raises `UsageError` if there is none."""
    if last_of(tokens, "--directory") == "":
        raise UsageError("`--directory` needs a folder")
    # as uv goes there: the system follows links before `..`
    named = judged.get("UV_WORKING_DIR") or judged.get("UV_WORKING_DIRECTORY") or ""
    found = os.path.realpath(os.path.join(cwd, last_of(tokens, "--directory") or named))
    if not os.path.isdir(found):
        raise UsageError(f"`--directory`: no folder `{found}`")
    return found


def is_offline(tokens: Sequence[Token]) -> bool:
    """Tell whether `--offline` was typed; it is for our way out: uv itself has the gateway only."""
    named = [token.flag.name for token in tokens if token.flag and token.flag.name in ("--offline", "--no-offline")]
    return named[-1:] == ["--offline"]


def handed_on(token: Token) -> bool:
    """Tell whether uv gets an option as it was typed."""
    flag = token.flag
    return flag is not None and (flag.column == CARRY or flag.name in (*_INDEX_FLAGS, "--upgrade-package"))


def _configuration(tokens: Sequence[Token], judged: Mapping[str, str], words: tuple[str, ...]) -> list[Token]:
    """Return `--config-file`, `--no-config`, `--project` as typed, else from the variables, as tokens."""
    table = flag_table("uv", words)
    names = ("--config-file", "--no-config", "--project")
    found = [token for token in tokens if token.flag is not None and token.flag.name in names]
    if not has(found, "--config-file") and not has(found, "--no-config"):
        if judged.get("UV_CONFIG_FILE"):
            found.append(Token(table["--config-file"], "UV_CONFIG_FILE", judged["UV_CONFIG_FILE"]))
        if judged.get("UV_NO_CONFIG", "").lower() in TRUE:
            found.append(Token(table["--no-config"], "UV_NO_CONFIG", None))
    if not has(found, "--project") and judged.get("UV_PROJECT"):
        found.append(Token(table["--project"], "UV_PROJECT", judged["UV_PROJECT"]))
    return found


def _known_by_name(config: UvConfig, cwd: str) -> dict[str, Index]:
    """Return the configured indexes that may be named in place of a URL; uv takes a folder that is called so before."""
    found: dict[str, Index] = {}
    for one in config.indexes:
        if one.name and not os.path.lexists(os.path.join(cwd, one.name)):
            found.setdefault(one.name, one)
    return found


def _usable(
    variables: Mapping[str, str], tokens: Sequence[Token], known: Mapping[str, Index], *, silent: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Drop index variables with anything but http(s) URLs in them where they have no say; `silent`: none of them has.

    Elsewhere uv would ask the public index in place of what people meant: raises `ConfigError`.
    """
    typed = has(tokens, "--default-index") or has(tokens, "--index-url")
    dropped: list[str] = []
    for name, (named, default) in _INDEX_VARIABLES.items():
        parts = variables.get(name, "").split()
        read = partial(_index, origin=name, known=known if named else None, default=default)
        wrong = next((part for part in parts if read(part) is None), None)
        if wrong is not None and not silent and not (default and typed):
            raise not_web(name, wrong)
        dropped += [name] if wrong is not None else []
    return {name: value for name, value in variables.items() if name not in dropped}, tuple(dropped)


def _indexes_of(
    tokens: Sequence[Token],
    typed: Sequence[Index],
    child: Mapping[str, str],
    config: UvConfig,
    known: Mapping[str, Index],
) -> tuple[Index, ...]:
    """Return every index that uv would ask, in its order."""
    if has(tokens, "--no-index") or config.no_index:
        return ()
    found = list(typed)
    for name, (named, default) in _INDEX_VARIABLES.items():
        read = partial(_index, origin=name, known=known if named else None, default=default)
        found += [index for part in child.get(name, "").split() if (index := read(part)) is not None]
    found += config.indexes
    if not any(index.default for index in found):
        found.append(default_index("uv"))
    return tuple(found)


def _configured_links(config: UvConfig, words: tuple[str, ...], cwd: str) -> tuple[Links, ...]:
    """Return what `find-links` of uv's configuration names, folders as they would be typed in `cwd`.

    Raises `ConfigError` for a folder where no option could take its place.
    """
    found = []
    for one in (*config.links, *(config.pip_links if words[:1] == ("pip",) else ())):
        if one.path is not None and words not in _WITH_FOLDERS:
            raise ConfigError(
                f"`find-links` with a folder is not gated for `uv {' '.join(words)}`",
                where=one.origin,
                hint="--no-config    where its packages come from an index",
            )
        here = one.path is None or os.path.abspath(os.path.join(cwd, local_path(one.typed))) == one.path
        found.append(one if here else replace(one, typed=os.path.relpath(one.path or "", cwd)))
    return tuple(found)


def _typed_links(tokens: Sequence[Token], judged: Mapping[str, str], cwd: str) -> tuple[Links, ...]:
    """Return what `--find-links` names, else its variable. Raises `UsageError`."""
    listed = values_of(tokens, "--find-links")
    if not listed:
        listed = [one for one in re.split(r"[,\s]+", judged.get("UV_FIND_LINKS", "")) if one]
    return read_links(listed, cwd, COMMAND_LINE)


def _typed_indexes(tokens: Sequence[Token], known: Mapping[str, Index]) -> list[Index]:
    """Return the indexes among options. Raises `UsageError` for folders."""
    found: list[Index] = []
    for token in tokens:
        if token.flag is None or token.flag.name not in _INDEX_FLAGS:
            continue
        name = token.flag.name
        default, named = name in ("--default-index", "--index-url"), name in ("--index", "--default-index")
        # uv reads several URLs in one value
        for part in (token.value or "").split() or [""]:
            index = _index(part, COMMAND_LINE, known=known if named else None, default=default)
            if index is None:
                shown = without_login(part)
                raise UsageError(
                    f"`{token.spelled}`: `{shown}` is not an http or https URL", hint="folders are not gated yet"
                )
            found.append(index)
    return found


def _index(text: str, origin: str, *, known: Mapping[str, Index] | None, default: bool) -> Index | None:
    """Read `URL`; or `NAME=URL`, or one of those `known` by name, where uv takes names. None for everything else."""
    if known is not None and text in known:
        return known[text]._replace(origin=origin, default=default, explicit=False)
    name, equals, rest = text.partition("=")
    if not (known is not None and equals and name and set(name) <= _NAME_OF_INDEX):
        name, rest = "", text
    url = http_url(rest)
    if url is None:
        return None
    return Index(url=url, origin=origin, name=name or None, default=default, login=login_of(rest))
