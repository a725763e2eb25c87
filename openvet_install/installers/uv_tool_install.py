"""`uv tool install` under the gate: into the environment that uv itself keeps for the tool (threats T19, T22, T30)."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.files import ARCHIVES
from openvet_install.installers import fresh, starting, uv_words
from openvet_install.installers.commands import (
    COMMAND_LINE,
    CONSTRAINTS,
    INPUT_FLAGS,
    OVERRIDES,
    WITH_REQUIREMENTS,
    Input,
    Plan,
    Requested,
    names_sdist,
    private_folder,
    requested_of,
    require_hashes,
    with_files,
    without_login,
)
from openvet_install.installers.lines import by_name, check_names, requested_by
from openvet_install.installers.passing import flag_table
from openvet_install.installers.projects import Project, name_of, read_project
from openvet_install.installers.requirements import Reader
from openvet_install.installers.sources import read_source
from openvet_install.installers.target import ToolStops, ask, find_python, inspect, still_missing, uv_version
from openvet_install.installers.tokens import Token, has, values_of
from openvet_install.installers.uv import named_by_variables
from openvet_install.installers.uv_around import handed_on, look_around
from openvet_install.installers.uv_sources import ignored_by
from openvet_install.installers.uv_tool import asked_for, outside_of_projects, python_of
from openvet_install.installers.uv_torch import with_torch
from openvet_install.installers.uv_workspace import led_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.passing import Command
    from openvet_install.installers.requirements import FetchOutside
    from openvet_install.installers.target import Target
    from openvet_install.installers.uv_around import Around


_JUDGED = ("--with-executables-from", "--python")


def plan(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str,
    *,
    command: Command,
    tokens: list[Token],
    fetch: FetchOutside,
) -> Plan:
    """Understand `uv tool install`: packages by name, folders, and archives of this machine. Errors: `uv.plan`."""
    words = [token.spelled for token in tokens if token.flag is None]
    if len(words) != 1:
        raise UsageError("`uv tool install` takes one package", hint="openvet-uv tool install PACKAGE")
    check_names(words if has(tokens, "--from") else [])
    added, more = (
        [one for one in fresh.separated(values_of(tokens, flag)) if one]
        for flag in ("--with", "--with-executables-from")
    )
    with private_folder() as folder:
        around = look_around(
            outside_of_projects(tokens, command.words, folder / "nowhere"), environ, cwd, command.words
        )
        around = with_torch(around, tokens)
        tokens = [*named_by_variables(flag_table("uv", command.words), tokens, around.judged), *tokens]
        uv_words.refuse_files((*added, *more), around.cwd, "--with-requirements")
        if any(one.path for one in around.links):
            raise UsageError("`uv tool install`: `--find-links` with a folder is not gated here yet")
        tool = _Asked(tokens, words, around.cwd)
        read = Reader(cwd, environ, partial(fetch, upstream=around.upstream), stdin=True).read
        inputs = tuple(part for kind, flag in INPUT_FLAGS["uv"].items() for part in read(values_of(tokens, flag), kind))
        beside = [_folder_or_name(one, around.cwd, "--with") for one in sorted(added, key=_has_no_name)]
        more_folders = (*_folders(beside), *_editable(tokens, around.cwd), *_listed(inputs))
        folders = uv_words.plain((*tool.folders, *more_folders))
        led, indexes = led_by(folders, around, ignored_by(tokens))
        quiet = around.quiet(folder)
        version = uv_version(around.helper.path, quiet, around.cwd)
        asked = python_of(asked_for(tokens, words), around.cwd)
        target, remade = _target(tool.name, tokens, around, quiet, asked)
    passed = [token for token in tokens if handed_on(token)]
    where = [one for one in around.where if one.flag is not None and one.flag.name != "--project"]
    judged = [token for token in tokens if token.flag is not None and token.flag.name in _JUDGED]
    if not has(tokens, "--python") and around.judged.get("UV_PYTHON"):
        judged.append(Token(flag_table("uv", command.words)["--python"], "UV_PYTHON", around.judged["UV_PYTHON"]))
    requested = (
        *tool.named,
        *(one for one in beside if isinstance(one, Requested)),
        *map(_named, more),
        *requested_of(inputs, WITH_REQUIREMENTS),
        *requested_by((*folders, *led), around.cwd),
    )
    return Plan(
        tool="uv",
        version=version,
        words=command.words,
        typed=tuple(map(without_login, argv)),
        program=(around.helper.path,),
        helper=around.helper,
        argv=(
            *command.words,
            *(part for token in (*passed, *where, *judged) for part in token.canonical()),
            *(part for one in beside if isinstance(one, Requested) for part in _behind("--with", one)),
            *folders[len(tool.folders) :],
            *led,
            *inputs,
            *around.links,
            *tool.words,
        ),
        cwd=around.cwd,
        target=target,
        requested=requested,
        limits=requested_of(inputs, CONSTRAINTS),
        overrides=requested_of(inputs, OVERRIDES),
        inputs=inputs,
        indexes=with_files(around.with_members(indexes), inputs),
        environment=around.child,
        upstream=around.upstream,
        dropped=around.dropped,
        selects=around.config.selects or names_sdist(requested),
        formats=around.config.formats,
        requires_hashes=require_hashes(inputs, listed=False),
        remade=remade,
    )


class _Asked:
    """What a tool is installed from: `named` or one of `folders`. `name` is that of its environment.

    Raises `UsageError` for a folder whose name is not known before a build.
    """

    def __init__(self, tokens: list[Token], words: list[str], cwd: str) -> None:
        """Read the package and `--from`."""
        text, told = asked_for(tokens, words), has(tokens, "--from")
        flag = "--from" if told else ""
        if has(tokens, "--editable"):
            found: Requested | Project | None = read_project(text, cwd, COMMAND_LINE, editable=True)
        else:
            found = _folder_or_name(text, cwd, flag)
        self.folders = (found._replace(flag=flag),) if isinstance(found, Project) else ()
        self.named = (found,) if isinstance(found, Requested) else ()
        own = [*map(name_of, self.folders), *(one.requirement.name for one in self.named)]
        name = next(filter(None, own), words[0] if told else None)
        if name is None:
            raise UsageError(
                f"`{text}` does not say by itself what it is called",
                hint=f"openvet-uv tool install NAME --from {text}    or a `name` in its [project] table",
            )
        if name.lower() == "python":
            raise UsageError("`uv tool install`: an interpreter is no tool", hint="openvet-uv tool run python")
        self.name = canonicalize_name(name)
        archives = tuple(one for one in self.named if one.source is not None)
        source = self.folders or (_behind("--from", archives[0]) if archives else (f"--from={text}",))
        self.words: tuple[str | Project | Requested, ...] = (
            (*source, "--", *words) if told else ("--", *(self.folders or archives or _as_read(words, text)))
        )


def _as_read(words: list[str], text: str) -> list[str]:
    """Return a package as it was understood: what is a version of it to us could be a path to uv."""
    return words if words[0].endswith("@latest") else [text]


def _folder_or_name(text: str, cwd: str, flag: str) -> Requested | Project:
    found = read_project(text, cwd, COMMAND_LINE)
    if found is not None:
        return found._replace(flag=flag)
    archive = read_source(text, cwd)
    if archive is None or archive[1].path is None:
        return _named(text)
    return Requested(archive[0], COMMAND_LINE, source=archive[1])


def _has_no_name(text: str) -> bool:
    """Tell whether a word is that of an archive alone: uv notes down those last."""
    return "@" not in text and text.partition("[")[0].lower().endswith(ARCHIVES)


def _behind(flag: str, one: Requested) -> tuple[str | Requested, ...]:
    """Return an option with a package; an archive gets its word when there is a copy of it."""
    return (f"{flag}={one.requirement}",) if one.source is None else (flag, one)


def _folders(found: list[Requested | Project]) -> Iterator[Project]:
    yield from (one for one in found if isinstance(one, Project))


def _editable(tokens: list[Token], cwd: str) -> Iterator[Project]:
    """Give the folders of `--with-editable`."""
    for value in chain.from_iterable(one.split(",") for one in values_of(tokens, "--with-editable")):
        found = read_project(value, cwd, COMMAND_LINE, editable=True) if value else None
        if found is not None:
            yield found._replace(flag="--with-editable")


def _listed(inputs: tuple[Input, ...]) -> Iterator[Project]:
    """Give the folders that files of requirements name: they are no lines of the copies."""
    for one in chain.from_iterable(source.projects for source in inputs):
        yield one._replace(flag="--with-editable" if one.editable else "--with")


def _named(text: str) -> Requested:
    return Requested(by_name(text), COMMAND_LINE)


def folder_of_tools(around: Around, quiet: Mapping[str, str]) -> Path:
    """Return where uv keeps the environments of tools. Raises `ToolStops` with uv's words."""
    told = ask([around.helper.path, "tool", "dir", "--color=never"], quiet, around.cwd)
    if told.returncode != 0:
        raise ToolStops(told.stderr.decode(errors="replace"), told.returncode)
    return Path(around.cwd, told.stdout.decode("utf-8", "surrogateescape").strip())


def _target(
    name: str, tokens: list[Token], around: Around, quiet: Mapping[str, str], asked: list[str]
) -> tuple[Target, bool]:
    """Return the environment that uv keeps for a tool, or would make, and whether in place of what is there.

    `asked` says which Python a new one is for, if nothing else does.
    """
    uv, cwd = around.helper.path, around.cwd
    prefix = folder_of_tools(around, quiet) / name
    there = prefix / "bin" / "python"
    flags = ["--system", *starting.request(tokens, around)]
    forced = has(tokens, "--force")  # then uv asks nothing of what is there
    if there.exists() and "--" not in flags and not forced:
        return inspect(str(there), quiet), False
    base = find_python(uv, flags if "--" in flags else [*flags, *asked], quiet, cwd)
    if not there.exists():
        return still_missing(inspect(base, quiet), prefix), True
    target, anew = replaced(there, base, quiet)
    return target, anew or forced


def replaced(there: Path, base: str, quiet: Mapping[str, str]) -> tuple[Target, bool]:
    """Return a tool's environment as it will be with the interpreter `base`, and whether uv makes it anew for that."""
    found = inspect(str(there), quiet)
    if there.samefile(base):  # as uv compares them
        return found, False
    target = inspect(base, quiet)
    return found if target.version == found.version else still_missing(target, found.prefix), True
