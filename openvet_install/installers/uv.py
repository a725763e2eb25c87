"""uv under the gate: argv, variables and files become a `Plan`; everything else stops in words."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers import uv_elsewhere, uv_flags, uv_given, uv_isolation, uv_words
from openvet_install.installers.choice import find_uv, prefix_of
from openvet_install.installers.commands import (
    CONSTRAINTS,
    INPUT_FLAGS,
    OVERRIDES,
    REQUIREMENTS,
    Input,
    Plan,
    choose_files,
    names_sdist,
    private_folder,
    requested_of,
    require_hashes,
    with_files,
    without_login,
    words_of,
)
from openvet_install.installers.environment import TRUE
from openvet_install.installers.given_lock import Parts, given, names_lock
from openvet_install.installers.lines import editable_projects, read_words, requested_by
from openvet_install.installers.passing import GATED, Command, classify, flag_table
from openvet_install.installers.project_files import is_project, read_projects
from openvet_install.installers.requirements import Reader, no_way_out
from openvet_install.installers.target import guess, inspect, probe_uv
from openvet_install.installers.tokens import Token, Tokeniser, has, refuse, values_of
from openvet_install.installers.uv_around import handed_on, look_around
from openvet_install.installers.uv_sources import Member, ignored_by, said_by_variables
from openvet_install.installers.uv_torch import with_torch
from openvet_install.installers.uv_workspace import led_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.projects import Project
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Probe, Target
    from openvet_install.installers.tokens import Flag
    from openvet_install.installers.uv_around import Around


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command | None = None,
    fetch: FetchOutside = no_way_out,
) -> Plan:
    """Understand a gated command of uv; `argv` without our own options, `cwd` absolute.

    `fetch` gets the files that are named by a URL. Starts uv once (it looks for its target, without network) and the
    target's Python once. Raises `UsageError` (64)
    for arguments, `ConfigError` (78) for files and for a uv that we do not know, `FaultsError` of either, `ToolStops`
    when uv itself finds no target. Commands that pass (`classify`) have no plan: ValueError.
    """
    command = command or classify("uv", argv)
    if command.kind != GATED:
        raise ValueError(command.words)
    said = "uv " + " ".join(command.words)
    reader = Tokeniser(command.argv, tool=f"uv {uv_flags.VERSION}", equals_in_short=True)
    table = flag_table("uv", command.words)
    tokens = [*command.before, *reader.all(table)]
    for token in tokens:
        refuse(token, tool="uv", command=said)
    tokens += said_by_variables(tokens, table, environ)
    if command.words == ("sync",):
        return _plan_sync(argv, environ, cwd, command, tokens)
    if command.words in RESOLVING:
        return _plan_resolving(argv, environ, cwd, command=command, tokens=tokens, fetch=fetch)
    if command.words == ("pip", "compile"):
        from openvet_install.installers import uv_compile  # noqa: PLC0415 - it looks at us

        return uv_compile.plan(argv, environ, cwd, command=command, tokens=tokens, fetch=fetch)
    if command.words == ("tool", "install"):
        from openvet_install.installers import uv_tool_install  # noqa: PLC0415 - it looks at us

        return uv_tool_install.plan(argv, environ, cwd, command=command, tokens=tokens, fetch=fetch)
    around = look_around(tokens, environ, cwd, command.words)
    if command.words in _MAKING:
        return _plan_making(command.words, argv, environ, cwd, tokens=tokens, around=around, fetch=fetch)
    around = with_torch(around, tokens)
    cwd, child, where = around.cwd, around.child, around.where
    tokens = [*named_by_variables(flag_table("uv", command.words), tokens, around.judged), *tokens]
    words = [token.spelled for token in tokens if token.flag is None]
    files = _files(words) if command.words == _SYNC else []
    uv_words.refuse_files([] if files else words, cwd, "-r")
    typed, folders = read_words([] if files else words, cwd)
    read = Reader(cwd, environ, partial(fetch, upstream=around.upstream), stdin=True).read
    named = values_of(tokens, "--requirements")
    listed = [value for value in named if not names_lock(value) and not is_project(value)]
    inputs = tuple(
        part
        for kind, flag in INPUT_FLAGS["uv"].items()
        for part in read(listed if kind == REQUIREMENTS else values_of(tokens, flag), kind)
    )
    inputs += tuple(read([one for one in files if not names_lock(one)], REQUIREMENTS))
    parts = uv_given.parts_of(tokens) if any(map(names_lock, files or named)) else None
    asked = tokens if parts is None else uv_given.without_parts(tokens)
    of_projects = read_projects([value for value in named if is_project(value)], asked, around)
    groups, of_groups = _groups(asked, around)
    inputs += (*of_projects.inputs, *groups)
    links = around.links + tuple(one for source in inputs for one in source.links)
    helper = around.helper
    steering = [part for token in (*_steering(tokens, around.judged), *where) for part in token.canonical()]
    probe, found_target = _look(around, steering, tokens, environ)
    target, elsewhere = uv_elsewhere.placed(found_target, tokens, cwd)
    flag = "" if files else "--requirements"
    lock = given(files or named, tokens, target, cwd, flag=flag, parts=parts or Parts())
    inside = [str(found_target.prefix), str(target.prefix)]
    if not helper.ours and any(_inside(helper.path, Path(one)) for one in inside):
        helper = find_uv(environ, cwd, avoid=inside)
    options = [part for token in tokens if handed_on(token) for part in token.canonical()]
    options += [part for token in where for part in token.canonical()]
    projects = uv_words.plain(
        (
            *folders,
            *editable_projects(values_of(tokens, "--editable"), cwd),
            *(one for source in inputs for one in source.projects),
            *of_projects.built,
        )
    )
    led, more = led_by((*projects, *lock.folders), around, ignored_by(tokens))
    requested = (*typed, *requested_of(inputs, REQUIREMENTS), *lock.requested, *requested_by((*projects, *led), cwd))
    return Plan(
        tool="uv",
        version=probe.version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(helper.path,),
        helper=helper,
        argv=(
            *command.words,
            *options,
            *_break_system(tokens, around.judged),
            *elsewhere,
            f"--python={probe.python}",
            *lock.words,
            *links,
            *(in_a_file(projects) if files else projects),
            *lock.folders,
            *led,
            *uv_given.handed(inputs, asked, of_projects.built),
            *words_of(typed),
        ),
        cwd=cwd,
        target=target,
        requested=requested,
        limits=requested_of(inputs, CONSTRAINTS),
        overrides=requested_of(inputs, OVERRIDES),
        inputs=inputs,
        indexes=with_files(around.with_members((*more, *of_projects.indexes, *of_groups)), inputs),
        environment=child,
        upstream=around.upstream,
        dropped=around.dropped,
        trusted=(),
        dry_run=has(tokens, "--dry-run") or has(tokens, "--check"),
        selects=around.config.selects or choose_files(inputs) or names_sdist(requested),
        formats=around.config.formats,
        requires_hashes=has(tokens, "--require-hashes")
        or child.get("UV_REQUIRE_HASHES", "").lower() in TRUE
        or require_hashes(inputs, listed=False),
        bare_files=bool(files),
        locked=lock.locked,
        builds_in=found_target if uv_isolation.is_asked(tokens, around.unisolated) else None,
    )


def _look(
    around: Around, steering: Sequence[str], tokens: Sequence[Token], environ: Mapping[str, str]
) -> tuple[Probe, Target]:
    """Ask uv which Python it would work for, and that Python what it is."""
    cwd, child = around.cwd, around.child
    with private_folder() as folder:
        empty = folder / "requirements.txt"
        empty.touch()
        # any folder will do, and uv would make the one that was named
        named = [f"{name}={folder / 'elsewhere'}" for name in uv_elsewhere.FOLDERS if has(tokens, name)]
        with ThreadPoolExecutor(max_workers=1) as pool:
            # uv alone says where it installs; the likely answer is looked at meanwhile.
            likely = pool.submit(_likely, environ, cwd, child, steered=bool(steering))
            probe = probe_uv(around.helper.path, [*steering, *named[:1]], around.quiet(folder), cwd, empty)
            target = likely.result()
    if target is None or os.path.realpath(target.prefix) != prefix_of(probe.python):
        target = inspect(probe.python, child)
    return probe, target


RESOLVING = (("lock",), ("add",), ("remove",), ("version",), ("export",), ("tree",))
_MAKING = (("build",), ("venv",))


def _plan_resolving(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside,
) -> Plan:
    from openvet_install.installers import uv_resolve  # noqa: PLC0415 - for these commands only

    return uv_resolve.plan(argv, environ, cwd, command=command, tokens=tokens, fetch=fetch)


def _plan_making(
    words: tuple[str, ...],
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    tokens: list[Token],
    around: Around,
    fetch: FetchOutside,
) -> Plan:
    from openvet_install.installers import uv_make  # noqa: PLC0415 - for these commands only

    if words == ("build",):
        return uv_make.plan_build(argv, environ, tokens, around, fetch=fetch)
    return uv_make.plan_venv(argv, environ, cwd, tokens, around)


def _plan_sync(
    argv: Sequence[str], environ: Mapping[str, str], cwd: str, command: Command, tokens: list[Token]
) -> Plan:
    from openvet_install.installers import uv_sync  # noqa: PLC0415 - locks are read for this command only

    return uv_sync.plan(argv, environ, cwd, command=command, tokens=tokens)


_SYNC = ("pip", "sync")


def _files(words: Sequence[str]) -> list[str]:
    """Return the files that `uv pip sync` is given. Raises `UsageError` for a kind that is not gated yet."""
    if not words:
        raise UsageError("`uv pip sync` needs a file of requirements")
    for word in words:
        if (word.endswith(".toml") and not names_lock(word)) or is_project(word):
            raise UsageError(f"`{word}`: only files of requirements are gated here yet")
    return list(words)


def in_a_file(projects: Sequence[Project]) -> Iterator[Input | Member]:
    """Give folders to `uv pip sync`, which has no option for them."""
    yield from (Member(*one) for one in projects)
    if projects:
        lines = (f"{'-e ' if one.editable else ''}{one.line}" for one in projects)
        yield Input(projects[0].origin, tuple(lines))


_FILE_VARIABLES = {
    "UV_CONSTRAINT": "--constraints",
    "UV_BUILD_CONSTRAINT": "--build-constraints",
    "UV_OVERRIDE": "--overrides",
    "UV_EXCLUDE": "--excludes",
}


def named_by_variables(table: Mapping[str, Flag], tokens: Sequence[Token], judged: Mapping[str, str]) -> list[Token]:
    """Return the files that variables name, where no flag does, as options."""
    return [
        Token(table[flag], name, part)
        for name, flag in _FILE_VARIABLES.items()
        if flag in table and not has(tokens, flag)
        for part in judged.get(name, "").split()
    ]


def _likely(environ: Mapping[str, str], cwd: str, child: Mapping[str, str], *, steered: bool) -> Target | None:
    """Inspect the environment that uv will probably name; nothing is run where people name another one."""
    if steered:
        return None
    return guess(os.path.join(cwd, environ.get("VIRTUAL_ENV") or ".venv"), child)


_STEERING = (
    *("--python", "--system", "--no-system", "--break-system-packages", "--no-break-system-packages"),
    *("--managed-python", "--no-managed-python", "--python-preference"),
)


def _groups(tokens: Sequence[Token], around: Around) -> tuple[tuple[Input, ...], tuple[Index, ...]]:
    """Read the groups that are named; not those of the configuration, which uv would read by itself once more."""
    if around.config.pip.get("group"):
        raise ConfigError("`pip.group` of uv's configuration is refused: it is not gated here", hint="--group NAME")
    return uv_given.of_groups(values_of(tokens, "--group"), tokens, around)


def _steering(tokens: Sequence[Token], judged: Mapping[str, str]) -> list[Token]:
    """Return what makes uv choose its Python: flags, and the variables where no flag says otherwise."""
    table = flag_table("uv", ("pip", "install"))
    found = [token for token in tokens if token.flag is not None and token.flag.name in _STEERING]
    if not has(found, "--python") and judged.get("UV_PYTHON"):
        found.append(Token(table["--python"], "UV_PYTHON", judged["UV_PYTHON"]))
    for name, flag in (("UV_SYSTEM_PYTHON", "--system"), ("UV_BREAK_SYSTEM_PACKAGES", "--break-system-packages")):
        opposite = flag.replace("--", "--no-", 1)
        if judged.get(name, "").lower() in TRUE and not has(found, flag) and not has(found, opposite):
            found.append(Token(table[flag], name, None))
    return found


def _break_system(tokens: Sequence[Token], judged: Mapping[str, str]) -> list[str]:
    wanted = ("--break-system-packages", "--no-break-system-packages")
    found = [token.flag.name for token in _steering(tokens, judged) if token.flag is not None]
    return [name for name in found if name in wanted]


def _inside(path: str, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
