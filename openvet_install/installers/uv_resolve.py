"""The commands of uv that resolve a project: `lock`, `add`, `remove`, `version`, `export`, `tree`, a `sync` that must.

They run in two steps. First uv resolves behind the gate and writes, but installs nothing; what it wrote is judged for
this target. Then a gated `uv sync --frozen` brings the environment in line. Nothing of it stays unless all went well.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import os
import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import DirectReferenceError, InstallError, UsageError
from openvet_install.installers import headers, uv_isolation, uv_sync, uv_words
from openvet_install.installers.commands import (
    COMMAND_LINE,
    CONSTRAINTS,
    REQUIREMENTS,
    Input,
    Plan,
    Requested,
    folders_in,
    private_folder,
    requested_of,
    without_login,
)
from openvet_install.installers.lines import by_name, check_names, read_words
from openvet_install.installers.locks import read_lock
from openvet_install.installers.passing import Command, flag_table
from openvet_install.installers.projects import read_project, strings_of
from openvet_install.installers.requirements import Reader, no_way_out
from openvet_install.installers.sources import shown
from openvet_install.installers.target import ToolStops, find_python, inspect, uv_version
from openvet_install.installers.tokens import Token, has, last_of, values_of
from openvet_install.installers.uv_around import handed_on, look_around, of_project
from openvet_install.installers.uv_probe import look
from openvet_install.installers.uv_sources import FILE, Member, ignored_by
from openvet_install.installers.uv_wanted import names_of
from openvet_install.installers.uv_workspace import as_it_stands, read_workspace, requested_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openvet_install.installers.locks import Lock, Selection
    from openvet_install.installers.projects import Project
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around
    from openvet_install.installers.uv_workspace import Workspace

RESOLVING = frozenset(
    {
        *("--upgrade", "--no-upgrade", "--upgrade-package", "--upgrade-group", "--resolution", "--prerelease", "--pre"),
        *("--prerelease-package", "--fork-strategy", "--exclude-newer", "--exclude-newer-package", "--no-sources"),
        *("--no-sources-package", "--refresh", "--no-refresh", "--refresh-package"),
    }
)
"""What the first step obeys."""
_OF_BUILDS = frozenset({"--no-sources", "--no-sources-package"})
"""What of it the second step obeys, too: sources say where the requirements of a build come from."""
_FROZEN = ("--frozen", "--check-exists")
_CUTS = re.compile(r"[;#$\r\n]|file:.*(?:\?|%23)|(?!file:)(?i:file:)")
"""In a word that names a folder: to uv its path may end there, go on with what a variable says, or be another one."""
_NOT_OURS = frozenset({"--no-sync", "--requirements", "--constraints", "--output-file", *_FROZEN, *uv_sync.STEERING})
_ONLY_SHOW = (("export",), ("tree",))
_OF_ADD = frozenset({"--extra", "--editable", "--no-editable", "--group", "--dev", "--optional", "--output-format"})


class Resolution(NamedTuple):
    """What a command resolves anew and writes.

    `lock`: where uv writes it, None when nothing is to be judged. `files`: what is put back unless all goes well,
    absolute paths. `folders`: the user's own, links resolved. `local`: what each of them needs, by name. `pinned`: what
    the lock names so far, `kept` what of it uv keeps because nobody asked for newer ones. `choose` says what of the
    written lock the target gets. `unchanged`: a lock that uv leaves as it is is judged too. `then` plans the second
    step; None when there is none. `header`: the command as it was typed, for the head of what is exported.
    """

    files: tuple[str, ...]
    pinned: Mapping[str, frozenset[str]]
    lock: Path | None = None
    folders: frozenset[str] = frozenset()
    local: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    choose: Callable[[Lock], Selection] | None = None
    unchanged: bool = True
    then: Callable[[], Plan] | None = None
    header: str | None = None
    kept: Mapping[str, frozenset[str]] = MappingProxyType({})

    def read(self) -> bytes | None:
        """Return the lock as it lies there now; None when there is none."""
        return self.lock.read_bytes() if self.lock is not None and self.lock.is_file() else None


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside = no_way_out,
) -> Plan:
    """Understand one of these commands; `tokens` are its options, none of them refused. Errors: `uv.plan`."""
    if has(tokens, "--script"):
        from openvet_install.installers import uv_script_lock  # noqa: PLC0415 - it looks at us

        return uv_script_lock.plan(argv, environ, cwd, command=command, tokens=tokens, fetch=fetch)
    around = of_project(look_around(tokens, environ, cwd, command.words))
    tokens = [*from_variables(tokens, around, command.words), *tokens]
    frozen = any(has(tokens, name) for name in _FROZEN)
    typed, folders, words = words_of_command(command, tokens, around)
    inputs = _inputs(tokens, around, environ, fetch)
    requested = (*typed, *requested_of(inputs, REQUIREMENTS))
    steering = uv_sync.steering(tokens, around.judged)
    with private_folder() as folder:
        quiet = around.quiet(folder)
        version = uv_version(around.helper.path, quiet, around.cwd)
        named = [Member(one.path, one.editable, one.extras, one.origin) for one in folders]
        read = partial(
            read_workspace,
            around,
            quiet,
            package=last_of(tokens, "--package"),
            ignored=ignored_by(tokens),
        )
        shown = frozen and command.words in _ONLY_SHOW
        workspace = as_it_stands(around, quiet) if shown else read(more=named)
        before = _lock_before(Path(workspace.lock), frozen=frozen)
        if before is not None and not frozen and (more := strangers(before, workspace)):
            workspace = read(more=[*named, *more])
        told = [part for token in (*steering, *around.where) for part in token.canonical()]
        target = _target(around, told, quiet, needed=not shown)
    second = _second(command.words, tokens)
    pinned = pinned_in(before) if before is not None else {}
    _check_emitted(tokens, around)
    resolution = Resolution(
        lock=None if frozen else Path(workspace.lock),
        files=(*workspace.files, *_written(tokens, around)),
        folders=frozenset(os.path.realpath(one.path) for one in workspace.folders),
        local=workspace.requires,
        pinned=pinned,
        kept=_kept(pinned, tokens),
        choose=partial(
            uv_sync.selected,
            tokens=second,
            child=_heeded(around.child, command.words),
            member=workspace.here.path if workspace.here is not None else workspace.root,
            target=target,
            frozen=True,  # so it is installed then
            reads=uv_sync.what_is_read(around, environ),
        ),
        unchanged=command.words not in _ONLY_SHOW,
        then=None
        if frozen or not _installs(command.words, tokens)
        else partial(_sync, argv, _heeded(environ, command.words), cwd, second),
        header=headers.exported(argv) if command.words == ("export",) else None,
    )
    first = ("lock",) if command.words == ("sync",) and resolution.then is not None else command.words
    table = flag_table("uv", first)
    handed = [*filter(is_for_uv, tokens), *steering, *around.where]
    options = [part for token in handed if token.flag and token.flag.name in table for part in token.canonical()]
    return Plan(
        tool="uv",
        version=version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            *first,
            *(("--no-sync",) if "--no-sync" in table and not frozen else ()),
            *(("--frozen",) if frozen else ()),
            *options,
            *uv_isolation.isolated(around.unisolated),
            *(f"--output-file={one}" for one in values_of(tokens, "--output-file")),
            *inputs,
            *around.links,
            *(one.member for one in workspace.folders),
            *(("--", *words) if words else ()),
        ),
        cwd=around.cwd,
        target=target,
        requested=requested if shown else (*requested, *_needed(workspace, second)),
        limits=(*requested_of(inputs, CONSTRAINTS), *_listed(workspace, "constraint-dependencies")),
        overrides=_listed(workspace, "override-dependencies"),
        inputs=inputs,
        indexes=around.with_members(workspace.indexes),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        dry_run=has(tokens, "--dry-run") or (command.words == ("sync",) and has(tokens, "--check")),
        selects=around.config.selects or any(has(tokens, name) for name in ("--no-binary", "--no-binary-package")),
        formats=around.config.formats,
        resolution=resolution,
    )


def _target(around: Around, told: Sequence[str], quiet: Mapping[str, str], *, needed: bool) -> Target:
    """Return the environment that would be brought in line; any Python where none is `needed` and uv finds none."""
    try:
        return look(around.helper.path, told, quiet, around.cwd)
    except ToolStops:
        if needed:
            raise
        return inspect(find_python(around.helper.path, ["--no-project", "--system"], quiet, around.cwd), quiet)


def from_variables(tokens: Sequence[Token], around: Around, words: tuple[str, ...]) -> list[Token]:
    """Return what variables say and no flag does, as tokens."""
    table = flag_table("uv", words)
    names = (("UV_FROZEN", "--frozen"), ("UV_LOCKED", "--locked"), ("UV_NO_SYNC", "--no-sync"))
    either = ("--frozen", "--locked", "--check", "--check-exists")
    return [
        Token(table[flag], name, None)
        for name, flag in names
        if flag in table
        and around.says(name)
        and not (any(has(tokens, one) for one in either) if flag in either else has(tokens, flag))
    ]


def words_of_command(
    command: Command, tokens: Sequence[Token], around: Around
) -> tuple[tuple[Requested, ...], tuple[Project, ...], list[str]]:
    """Read what stands without a flag. Raises `UsageError`, `DirectReferenceError` for archives."""
    words = [token.spelled for token in tokens if token.flag is None]
    if command.words == ("add",):
        uv_words.refuse_files(words, around.cwd, "-r")
        typed, folders = read_words(words, around.cwd)
        for word in words:
            _check_folder(word, around.cwd)
        for one in typed:
            if one.source is not None:
                raise DirectReferenceError(
                    f"`{one.source.filename}`: an archive as a source of a project is refused (direct-reference)",
                    hint="take a release from an index",
                )
        return typed, folders, words
    if command.words == ("remove",):
        check_names(words)
    elif len(words) > (command.words == ("version",)):
        raise UsageError(f"`uv {command.words[0]}` takes no word: `{without_login(words[-1])}`")
    return (), (), words


def _check_folder(word: str, cwd: str) -> None:
    """Raise `UsageError` for a folder that uv, which gets the word itself, could take for another one."""
    found = read_project(word, cwd, COMMAND_LINE)
    if found is not None and (_CUTS.search(word) or "\ufffd" in found.path):
        raise UsageError(f"`{shown(word)}`: uv could read more in it than a folder", hint=f"cd {shown(found.path)}")


def _inputs(
    tokens: Sequence[Token], around: Around, environ: Mapping[str, str], fetch: FetchOutside
) -> tuple[Input, ...]:
    read = Reader(around.cwd, environ, partial(fetch, upstream=around.upstream), stdin=True).read
    found = (
        *read(values_of(tokens, "--requirements"), REQUIREMENTS),
        *read(values_of(tokens, "--constraints"), CONSTRAINTS),
    )
    for one in found:
        other = next((line for line in one.lines if isinstance(line, str)), None)
        if other is not None or one.links or one.projects or any(line.source is not None for line in one.requested):
            raise UsageError(f"`{one.path}`: only requirements by name can be added to a project", hint=other)
    return found


def _written(tokens: Sequence[Token], around: Around) -> list[str]:
    return [os.path.join(around.cwd, one) for one in values_of(tokens, "--output-file")]


def is_for_uv(token: Token) -> bool:
    """Tell whether the step that resolves gets an option as it was typed."""
    flag = token.flag
    if flag is None or flag.name in _NOT_OURS:
        return False
    return handed_on(token) or flag.name in RESOLVING or flag.name == "--locked"


def _installs(words: tuple[str, ...], tokens: Sequence[Token]) -> bool:
    if any(has(tokens, name) for name in ("--no-sync", "--dry-run", "--check")):
        return False
    return words in (("add",), ("remove",), ("version",), ("sync",))


def _second(words: tuple[str, ...], tokens: Sequence[Token]) -> list[Token]:
    """Return the options of the sync that follows, as uv itself would sync."""
    table = flag_table("uv", ("sync",))
    out = (RESOLVING - _OF_BUILDS) | {"--locked"} | (_OF_ADD if words != ("sync",) else frozenset())
    found = [
        token
        for token in tokens
        if token.flag is not None and token.flag.name not in out and table.get(token.flag.name) == token.flag
    ]
    if words in (("add",), ("version",)):
        found.append(Token(table["--inexact"], "--inexact", None))
    if words == ("add",):
        groups = values_of(tokens, "--group")
        if has(tokens, "--dev") or not groups:
            flag = "--dev" if has(tokens, "--dev") else "--no-dev"
            found.append(Token(table[flag], flag, None))
        found += [Token(table["--extra"], "--optional", one) for one in values_of(tokens, "--optional")]
        found += [Token(table["--group"], "--group", one) for one in groups]
    return found


def _heeded(variables: Mapping[str, str], words: tuple[str, ...]) -> Mapping[str, str]:
    """Return the variables but for those of options that the command does not have, and `uv sync` does."""
    alone = flag_table("uv", ("sync",)).keys() - flag_table("uv", words).keys()
    unheeded = {f"UV_{flag.lstrip('-').replace('-', '_').upper()}" for flag in alone}
    return {name: value for name, value in variables.items() if name not in unheeded}


def _sync(argv: Sequence[str], environ: Mapping[str, str], cwd: str, tokens: list[Token]) -> Plan:
    table = flag_table("uv", ("sync",))
    frozen = [*tokens, Token(table["--frozen"], "--frozen", None)]
    return uv_sync.plan(argv, environ, cwd, command=Command("gated", ("sync",), ()), tokens=frozen)


def _lock_before(path: Path, *, frozen: bool) -> Lock | None:
    """Read the lock as it is so far. Raises as `read_lock` for one that uv may read where we cannot, and build by."""
    try:
        return read_lock(path) if os.path.lexists(path) else None
    except InstallError:
        if not frozen:
            raise
        return None


def refuse_entries(lock: Lock) -> None:
    """Raise `DirectReferenceError` for an entry that no index lists: uv would build it, to compare what it asks for."""
    for one in lock.packages:
        if one.source.kind != "registry" and not one.is_local:
            raise DirectReferenceError(
                f"`{one.name}`: {one.source.kind} `{one.source.location}` in the lock is refused (direct-reference)",
                where=lock.where(one),
                hint=f"mv {lock.path.name} {lock.path.name}.old    if the project asks for a release now",
            )


def strangers(lock: Lock, workspace: Workspace) -> tuple[Member, ...]:
    """Return the folders that only the lock names, and that are there: uv would build them, too."""
    refuse_entries(lock)
    known = {os.path.realpath(one.path) for one in workspace.folders}
    found = {}
    for one in lock.packages:
        place = os.path.join(workspace.root, one.source.location)
        for path in (os.path.abspath(place), os.path.realpath(place)) if one.is_local else ():
            if os.path.realpath(path) not in known and os.path.lexists(path):
                found[path] = Member(path, one.source.kind == "editable", "", lock.where(one))
    return tuple(found.values())


def _kept(pinned: Mapping[str, frozenset[str]], tokens: Sequence[Token]) -> Mapping[str, frozenset[str]]:
    if has(tokens, "--upgrade") or has(tokens, "--upgrade-group"):
        return {}
    newer = {str(canonicalize_name(by_name(one).name)) for one in values_of(tokens, "--upgrade-package")}
    return {name: versions for name, versions in pinned.items() if name not in newer}


def pinned_in(lock: Lock) -> dict[str, frozenset[str]]:
    """Return the versions that a lock names, by name."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in lock.packages:
        found[one.name].add(one.version)
    return {name: frozenset(versions) for name, versions in found.items()}


def _check_emitted(tokens: Sequence[Token], around: Around) -> None:
    """Raise `UsageError` where an export would name copies of ours."""
    named = (last_of(tokens, "--output-file") or "").endswith(".toml")
    named = named or last_of(tokens, "--format") not in (None, "requirements.txt")
    if named and folders_in(around.links) and not has(tokens, "--frozen"):
        raise UsageError(
            "`--find-links` with a folder is not gated for what would name files of it",
            hint="openvet-uv export --frozen    without --find-links",
        )


def _listed(workspace: Workspace, key: str) -> tuple[Requested, ...]:
    """Return what a list of uv says: it counts in the root of a workspace only."""
    root = next((one for one in workspace.members if one.path == workspace.root), None)
    return tuple(requested_in(strings_of(root.uv.get(key)), FILE)) if root is not None else ()


def _needed(workspace: Workspace, tokens: Sequence[Token]) -> tuple[Requested, ...]:
    """Return what the target is sure to need: of the project, its groups and extras that a sync takes."""
    roots = [workspace.here] if workspace.here is not None else list(workspace.members)
    found: list[Requested] = []
    for one in roots:
        wanted = names_of(tokens, "--group") | set(one.default_groups)
        extras = names_of(tokens, "--extra")
        lists = [one.dependencies]
        lists += [lines for name, lines in one.groups.items() if name in wanted]
        lists += [lines for name, lines in one.extras.items() if name in extras]
        origin = os.path.relpath(one.file, workspace.root)
        found += [each for lines in lists for each in requested_in(lines, origin)]
    return tuple(found)
