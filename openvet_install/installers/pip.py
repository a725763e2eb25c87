"""pip's gated commands: argv, variables and files of pip become a `Plan`; everything else stops in words."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import elsewhere, pip_config, pip_flags
from openvet_install.installers.choice import is_inside_own, own_environment, pip_program, target_python
from openvet_install.installers.commands import (
    COMMAND_LINE,
    CONSTRAINTS,
    INPUT_FLAGS,
    REQUIREMENTS,
    Index,
    Plan,
    choose_files,
    default_index,
    http_url,
    login_of,
    names_sdist,
    not_web,
    requested_of,
    require_hashes,
    with_files,
    without_login,
    words_of,
)
from openvet_install.installers.environment import sort_environment, upstream_settings
from openvet_install.installers.given_lock import given
from openvet_install.installers.groups import read_groups
from openvet_install.installers.lines import check_names, editable_projects, read_words, requested_by
from openvet_install.installers.mirror import PrivateCopy
from openvet_install.installers.passing import GATED, Command, classify, flag_table
from openvet_install.installers.requirements import MAX_FILE_BYTES, Reader, no_way_out
from openvet_install.installers.sources import refuse_lookalikes
from openvet_install.installers.target import inspect
from openvet_install.installers.tokens import CARRY, Token, Tokeniser, has, last_of, refuse, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.commands import Requested
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.sources import Links
    from openvet_install.installers.tokens import Flag

_OLDEST_PYTHON = (3, 10)  # the oldest that pip 26.3 itself runs on
_FALSE = frozenset({"", "0", "false", "no", "off", "n", "f"})


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command | None = None,
    fetch: FetchOutside = no_way_out,
) -> Plan:
    """Understand a gated command of pip; `argv` without our own options, `cwd` absolute.

    `fetch` gets the files that are named by a URL. Starts one process, the target's Python. Raises `UsageError` (64)
    for arguments, `ConfigError` (78) for files, `FaultsError` of either. Commands that pass have no plan: ValueError.
    """
    command = command or classify("pip", argv)
    if command.kind != GATED:
        raise ValueError(command.words)
    refuse_lookalikes(cwd)
    reader = Tokeniser(command.argv, tool=f"pip {pip_flags.VERSION}", equals_in_short=False)
    table = flag_table("pip", command.words)
    tokens = [*command.before, *reader.all(table)]
    for token in tokens:
        refuse(token, tool="pip", command=f"pip {command.words[0]}")
    words, plain = _command(command.words, [token.spelled for token in tokens if token.flag is None])
    typed, folders = read_words(plain, cwd)
    isolated = has(tokens, "--isolated")
    if isolated:  # pip gets none of it: it would forget its way to the gateway as well
        environ = {name: value for name, value in environ.items() if not name.startswith("PIP_") or name == _FILE}
    found = sort_environment("pip", environ)
    python = last_of(tokens, "--python")
    target = inspect(target_python(python or found.judged.get("PIP_PYTHON"), environ, cwd), found.child)
    if target.version[:2] < _OLDEST_PYTHON:
        raise ConfigError(f"pip {pip_flags.VERSION} does not support Python {'.'.join(map(str, target.version))}")
    config = pip_config.read(environ, str(target.prefix), command.words[0], isolated=isolated)
    tokens = [*_judged(table, {**config.judged, **found.judged}), *tokens]
    _check_features(values_of(tokens, "--use-feature"))
    child, unusable = _usable({**config.variables, **found.child}, tokens)
    program = pip_program(str(target.python))
    own = target
    sources, options = str(Path(program[-1]).parents[1]), tuple[str, ...]()
    if words == ("install",):
        target, options = elsewhere.placed(target, tokens, child, cwd, sources)
    else:
        target = elsewhere.for_python(target, tokens, child, sources)
    origins = {
        name: place for name, place in config.origins.items() if name not in found.child and name not in found.judged
    }
    indexes = _indexes(tokens, child, origins)
    hosts = (*values_of(tokens, "--trusted-host"), *config.trusted_hosts)
    upstream = upstream_settings(
        "pip",
        environ,
        cert=last_of(tokens, "--cert") or (None if environ.get("PIP_CERT") else config.cert),
        client_cert=last_of(tokens, "--client-cert")
        or (None if environ.get("PIP_CLIENT_CERT") else config.client_cert),
        proxy=None if environ.get("PIP_PROXY") else config.proxy,
        insecure_hosts=hosts,
    )
    files = Reader(cwd, environ, partial(fetch, upstream=upstream))
    lock = given(values_of(tokens, "--requirement"), tokens, target, cwd, flag="--requirement")
    inputs = tuple(
        part
        for kind, flag in INPUT_FLAGS["pip"].items()
        for part in files.read(lock.files if kind == REQUIREMENTS else values_of(tokens, flag), kind)
    )
    inputs += read_groups(values_of(tokens, "--group"), cwd)
    scripts, asked = _scripts(values_of(tokens, _SCRIPT), cwd)
    indexes = with_files(indexes, inputs)
    output = _output(words, tokens, cwd)
    links = _links(tokens, files, origins)
    links += tuple(one for source in inputs for one in source.links)
    projects = (
        *folders,
        *editable_projects(values_of(tokens, "--editable"), cwd),
        *(one for source in inputs for one in source.projects),
    )
    requested = (*typed, *requested_of(inputs, REQUIREMENTS), *lock.requested, *asked, *requested_by(projects, cwd))
    here = any(one.path for one in links) or any(one.source and one.source.path for one in requested)
    return Plan(
        tool="pip",
        version=pip_flags.VERSION,
        words=words,
        typed=tuple(map(without_login, argv)),
        program=program,
        helper=None,
        argv=(
            *_argv(command.words, tokens, output),
            *options,
            *lock.words,
            *scripts,
            *links,
            *projects,
            *lock.folders,
            *inputs,
            *words_of(typed, words[1:]),
        ),
        cwd=cwd,
        target=target,
        requested=requested,
        limits=requested_of(inputs, CONSTRAINTS),
        inputs=inputs,
        indexes=indexes,
        environment=child,
        upstream=upstream,
        dropped=(*found.dropped, *unusable, *config.ignored),
        trusted=_trusted(indexes, upstream.insecure_hosts),
        dry_run=has(tokens, "--dry-run") or _true(child, "PIP_DRY_RUN"),
        requires_hashes=has(tokens, "--require-hashes") or _true(child, "PIP_REQUIRE_HASHES") or require_hashes(inputs),
        output=output,
        locked=lock.locked,
        builds_in=own if has(tokens, "--no-build-isolation") else None,
        written=tuple(os.path.realpath(Path(cwd, value)) for name in _WRITTEN for value in values_of(tokens, name)),
        selects=choose_files(inputs) or names_sdist(requested),
        warnings=tuple(dict.fromkeys(files.passed_over)),
        names_sources=_lock(tokens, child, cwd) if here and words == ("lock",) else None,
        heeds_installed=words == ("install",) and not any(_on(tokens, child, name) for name in _HEEDS_NOTHING),
    )


def _judged(table: Mapping[str, Flag], variables: Mapping[str, str]) -> list[Token]:
    """Return what variables and files say as options in front of those that were typed, as pip reads them."""
    found: list[Token] = []
    for name, value in variables.items():
        flag = table.get("--" + name.removeprefix("PIP_").lower().replace("_", "-"))
        if flag is not None and flag.name in _LISTS:
            found += [Token(flag, name, part) for part in value.split()]
        elif flag is not None and flag.name in (*pip_flags.OUTPUTS.values(), *_SINGLE):
            found.append(Token(flag, name, value))
        elif flag is not None and flag.name in elsewhere.USER:
            on = (value.lower() not in _FALSE) == (flag.name == "--user")
            found.append(Token(table["--user" if on else "--no-user"], name, None))
        elif flag is not None and flag.name == "--no-build-isolation" and value.lower() in _FALSE:
            found.append(Token(flag, name, None))  # to pip the value is that of the isolation: false switches it off
    return found


def _scripts(values: Sequence[str], cwd: str) -> tuple[tuple[PrivateCopy, ...], tuple[Requested, ...]]:
    """Read the script whose metadata names requirements; pip gets a copy of the metadata alone."""
    if len(values) > 1:
        raise UsageError(f"`{_SCRIPT}` can be given once")
    if not values:
        return (), ()
    from openvet_install.installers.scripts import read_for_pip  # noqa: PLC0415 - rarely

    try:
        with Path(cwd, values[0]).open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"could not open the script `{values[0]}`: {error}") from error
    block, requested = read_for_pip(raw, values[0])
    return (PrivateCopy(_SCRIPT, "script.py", block, ""),), requested


_HEEDS_NOTHING = ("--no-deps", "--force-reinstall", "--ignore-installed", "--target")
_FILE = "PIP_CONFIG_FILE"
_SCRIPT = "--requirements-from-script"
_LISTS = (*INPUT_FLAGS["pip"].values(), "--find-links", "--editable", "--group", "--use-feature", _SCRIPT)
_SINGLE = (*elsewhere.FOLDERS, "--src", "--config-settings")


def _check_features(names: Sequence[str]) -> None:
    """Raise `UsageError` for a feature that the table does not know."""
    unknown = next((name for name in names if name not in pip_flags.FEATURES), None)
    if unknown is not None:
        raise UsageError(f"`--use-feature={without_login(unknown)}` is not known for pip {pip_flags.VERSION}")


def _command(words: tuple[str, ...], typed: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Split the second word off where pip's command has one."""
    if words != ("index",):
        return words, typed
    if typed[:1] != ["versions"]:
        raise UsageError(f"`pip index {' '.join(typed[:1])}` is not a command of pip {pip_flags.VERSION}")
    check_names(typed[1:])
    return ("index", "versions"), typed[1:]


def _output(words: tuple[str, ...], tokens: Sequence[Token], cwd: str) -> str | None:
    """Return the folder that gets archives. Raises `UsageError` when it is in our own environment."""
    flag = pip_flags.OUTPUTS.get(words[0])
    if flag is None:
        return None
    folder = os.path.abspath(os.path.join(cwd, last_of(tokens, flag) or "."))  # noqa: PTH100, PTH118 - as pip does
    if is_inside_own(folder):
        raise own_environment(folder)
    return folder


def _lock(tokens: Sequence[Token], child: Mapping[str, str], cwd: str) -> str:
    """Return the file that `pip lock` writes. Raises `UsageError` for what is none: we write names into it."""
    named = os.path.expanduser(last_of(tokens, "--output") or child.get("PIP_OUTPUT") or "pylock.toml")  # noqa: PTH111 - as pip does
    place = os.path.realpath(Path(cwd, named))
    if named != "-" and os.path.exists(place) and not os.path.isfile(place):  # noqa: PTH110, PTH113 - as named
        raise UsageError(f"`--output`: `{named}` is no file", hint="write the lock to a file, or with `-o -`")
    return named if named == "-" else place


def _argv(words: tuple[str, ...], tokens: Sequence[Token], output: str | None) -> tuple[str, ...]:
    options = [f"{pip_flags.OUTPUTS[words[0]]}={output}"] if output is not None else []
    for token in tokens:
        if token.flag is not None and (token.flag.column == CARRY or token.flag.name in _HANDED_ON):
            options += token.canonical()
    return (*words, *options)


_WRITTEN = ("--log", "--report")
_HANDED_ON = ("--index-url", "--extra-index-url", "--use-feature", "--no-build-isolation")


def _usable(variables: Mapping[str, str], tokens: Sequence[Token]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Drop index variables with anything but http(s) URLs in them where they have no say.

    Elsewhere pip would ask the public index in place of what people meant: raises `ConfigError`.
    """
    wrong = {
        name: next((part for part in variables[name].split() if http_url(part) is None), None)
        for name in ("PIP_INDEX_URL", "PIP_PYPI_URL", "PIP_EXTRA_INDEX_URL")
        if name in variables
    }
    silent = has(tokens, "--no-index") or _true(variables, "PIP_NO_INDEX")
    for name, part in wrong.items():
        if part is not None and not silent and (name == "PIP_EXTRA_INDEX_URL" or not has(tokens, "--index-url")):
            raise not_web(name, part)
    dropped = tuple(name for name, part in wrong.items() if part is not None)
    return {name: value for name, value in variables.items() if name not in dropped}, dropped


def _indexes(tokens: Sequence[Token], child: Mapping[str, str], origins: Mapping[str, str]) -> tuple[Index, ...]:
    if has(tokens, "--no-index") or _true(child, "PIP_NO_INDEX"):
        return ()
    found: list[Index] = []
    main = values_of(tokens, "--index-url")
    if main:
        found.append(_typed(main[-1], "--index-url", default=True))
    else:
        name = next((name for name in ("PIP_INDEX_URL", "PIP_PYPI_URL") if child.get(name)), None)
        if name is None:
            found.append(default_index("pip"))
        else:
            url = http_url(child[name].strip()) or ""
            found.append(Index(url=url, origin=origins.get(name, name), default=True, login=login_of(child[name])))
    extra = "PIP_EXTRA_INDEX_URL"
    found += [
        Index(url=http_url(url) or "", origin=origins.get(extra, extra), login=login_of(url))
        for url in child.get(extra, "").split()
    ]
    found += [_typed(url, "--extra-index-url", default=False) for url in values_of(tokens, "--extra-index-url")]
    return tuple(found)


def _links(tokens: Sequence[Token], files: Reader, origins: Mapping[str, str]) -> tuple[Links, ...]:
    """Return what `--find-links` names; a home folder at its start is put in if that leads somewhere, as by pip."""
    found: list[Links] = []
    for token in tokens:
        if token.flag is None or token.flag.name != "--find-links":
            continue
        value = token.value or ""
        home = os.path.expanduser(value)  # noqa: PTH111 - as pip does
        typed = token.spelled.startswith("-")
        origin = COMMAND_LINE if typed else origins.get(token.spelled, token.spelled)
        try:
            found += files.links([home if os.path.exists(home) else value], origin)  # noqa: PTH110 - as pip does
        except UsageError as fault:
            fault.where = None if typed else origin
            raise
    return tuple(found)


def _typed(text: str, flag: str, *, default: bool) -> Index:
    url = http_url(text)
    if url is None:
        shown = without_login(text)
        raise UsageError(f"`{flag}`: `{shown}` is not an http or https URL", hint="folders are not gated yet")
    return Index(url=url, origin=COMMAND_LINE, default=default, login=login_of(text))


def _trusted(indexes: Sequence[Index], hosts: Sequence[str]) -> tuple[str, ...]:
    """Return `host:port` of the plain-http indexes that the user trusts by host, or by host and port."""
    plain = [index.plain_http for index in indexes if index.plain_http]
    return tuple(dict.fromkeys(host for host in plain if host in hosts or host.rpartition(":")[0] in hosts))


def _on(tokens: Sequence[Token], child: Mapping[str, str], name: str) -> bool:
    return has(tokens, name) or _true(child, "PIP_" + name[2:].upper().replace("-", "_"))


def _true(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").lower() not in _FALSE
