"""The folders of a uv project before anything is resolved: whose they are, what they need, where they lead (T05).

uv reads them again by itself, so what would lead past the gateway stops the run; nothing is rewritten.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH113, PTH118, PTH120

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers import uv_config
from openvet_install.installers.commands import Requested, private_folder
from openvet_install.installers.locks_values import DEFAULT_GROUPS
from openvet_install.installers.projects import names_address, pyproject, strings_of, table_of
from openvet_install.installers.sources import refused_direct
from openvet_install.installers.target import ToolStops, ask
from openvet_install.installers.tokens import last_of
from openvet_install.installers.uv_sources import FILE, NONE_IGNORED, Ignored, Member, Sources, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.projects import Project
    from openvet_install.installers.uv_around import Around


class Folder(NamedTuple):
    """A folder with a pyproject.toml, read once: the tables that matter."""

    member: Member
    project: Mapping[str, Any]
    uv: Mapping[str, Any]
    builds: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def path(self) -> str:
        """The folder, absolute."""
        return self.member.path

    @property
    def file(self) -> str:
        """Its pyproject.toml."""
        return os.path.join(self.path, FILE)

    @property
    def name(self) -> str:
        """The normalised name, empty where the project has none."""
        name = self.project.get("name")
        return str(canonicalize_name(name)) if isinstance(name, str) else ""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """What it needs to run."""
        return strings_of(self.project.get("dependencies"))

    @property
    def extras(self) -> dict[str, tuple[str, ...]]:
        """What its extras need."""
        extras = table_of(self.project, "optional-dependencies")
        return {str(canonicalize_name(name)): strings_of(lines) for name, lines in extras.items()}

    @property
    def default_groups(self) -> tuple[str, ...]:
        """The groups that a sync takes unless it is told otherwise."""
        told = self.uv.get("default-groups")
        if told == "all":
            return tuple(self.groups)
        return DEFAULT_GROUPS if told is None else tuple(str(canonicalize_name(one)) for one in strings_of(told))


class Workspace(NamedTuple):
    """A uv project or workspace. `folders` are its members and the folders that `tool.uv.sources` names.

    `here` is the folder of the project that the command is about; None in a workspace whose root is no project.
    `indexes` are those that any of the folders names.
    """

    root: str
    folders: tuple[Folder, ...]
    members: tuple[Folder, ...]
    here: Folder | None
    indexes: tuple[Index, ...]

    @property
    def lock(self) -> str:
        """Where uv keeps the lock."""
        return os.path.join(self.root, "uv.lock")

    @property
    def files(self) -> tuple[str, ...]:
        """What a command that resolves may write."""
        found = [os.path.join(self.root, FILE), *(one.file for one in self.members), self.lock]
        return tuple(dict.fromkeys(found))

    @property
    def requires(self) -> dict[str, tuple[str, ...]]:
        """What each folder needs to run and to be built, by normalised name."""
        return {one.name: (*one.dependencies, *one.builds) for one in self.folders if one.name}


def read_workspace(
    around: Around,
    environ: Mapping[str, str],
    *,
    package: str | None = None,
    more: Sequence[Member] = (),
    ignored: Ignored = NONE_IGNORED,
) -> Workspace:
    """Ask uv for the workspace and read it; `more` are folders that the command adds, `package` is `--package`.

    At what is `ignored` uv does not look.

    Raises `ToolStops` where uv finds no project, `DirectReferenceError` for what no index lists, `UsageError` for files
    that cannot be read.
    """
    root, members = _members(around, environ)
    start = [*members, *map(_read, more)]
    sources = Sources(around_folders(around, environ), ignored, own=root)
    found = [*start, *map(_read, follow([one.member for one in start], sources))]
    folders: dict[str, Folder] = {}
    for one in found:
        _check(one)
        folders.setdefault(one.path, one)
    indexes = [index for path in folders for index in uv_config.of_project(path).indexes]
    return Workspace(
        root=root,
        folders=tuple(folders.values()),
        members=members,
        here=_here(members, around, root, package),
        indexes=(*indexes, *sources.indexes),
    )


def as_it_stands(around: Around, environ: Mapping[str, str]) -> Workspace:
    """Return the workspace for a command that only shows what its lock says: uv asks for nothing and builds nothing.

    Raises as `read_workspace` but for what its folders ask for.
    """
    root, members = _members(around, environ)
    return Workspace(root=root, folders=(), members=members, here=None, indexes=())


def _members(around: Around, environ: Mapping[str, str]) -> tuple[str, tuple[Folder, ...]]:
    where = [part for token in around.where for part in token.canonical()]
    root = _without_project(around)
    paths = [root] if root is not None else members_of(around, environ, *where)
    if root is None:
        root = _told(around, environ, "dir", *where)[0]
    return root, tuple(map(_member, dict.fromkeys((root, *paths))))


def members_of(around: Around, environ: Mapping[str, str], *where: str) -> list[str]:
    """Ask uv for the folders of a workspace. Raises `ToolStops` where it finds none, `UsageError` for odd names."""
    paths = _told(around, environ, "list", "--paths", *where)
    if len(paths) != len(_told(around, environ, "list", *where)):
        raise UsageError("a folder of the workspace has a line break in its name", where=around.cwd)
    return paths


def around_folders(around: Around, environ: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Return what lists the folders of the workspace that a folder lies in, as `members_of`."""
    return lambda folder: members_of(around, environ, "--no-config", f"--project={folder}")


def led_by(
    folders: Sequence[Project], around: Around, ignored: Ignored
) -> tuple[tuple[Member, ...], tuple[Index, ...]]:
    """Return where `tool.uv.sources` of folders lead: to other folders, and to indexes. Raises as `read_workspace`."""
    if ignored.every or not folders:
        return (), ()
    with private_folder() as folder:
        sources = Sources(around_folders(around, around.quiet(folder)), ignored)
        members = tuple(follow(folders, sources))
    own = [index for one in (*folders, *members) for index in uv_config.of_project(one.path).indexes]
    return members, (*own, *sources.indexes)


def _told(around: Around, environ: Mapping[str, str], *words: str) -> list[str]:
    ended = ask([around.helper.path, "workspace", *words, "--color=never"], environ, around.cwd)
    if ended.returncode != 0:
        raise ToolStops(ended.stderr.decode(errors="replace"), ended.returncode)
    return ended.stdout.decode(errors="surrogateescape").rstrip("\n").split("\n")


def _without_project(around: Around) -> str | None:
    """Return the next folder with a pyproject.toml where that is of no project or workspace: uv locks its groups."""
    folder = os.path.abspath(os.path.join(around.cwd, last_of(around.where, "--project") or ""))
    while not os.path.isfile(os.path.join(folder, FILE)):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    text = pyproject(os.path.join(folder, FILE), FILE)
    return None if "project" in text or "workspace" in table_of(table_of(text, "tool"), "uv") else folder


def _here(members: Sequence[Folder], around: Around, root: str, package: str | None) -> Folder | None:
    if package is not None:
        return next((one for one in members if one.name == canonicalize_name(package)), None)
    folder = os.path.realpath(os.path.join(around.cwd, last_of(around.where, "--project") or ""))
    by_path = {os.path.realpath(one.path): one for one in members}
    while folder not in by_path and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    found = by_path.get(folder, by_path[os.path.realpath(root)])
    return found if found.name else None


def _member(path: str) -> Folder:
    """Read a folder that uv named: if its file is not there, we did not understand the name."""
    if not os.path.isfile(os.path.join(path, FILE)):
        raise UsageError(f"no `{FILE}` in `{path}`, which uv names as a folder of the workspace")
    return _read(Member(path, editable=True, extras="", origin=FILE))


def _read(member: Member) -> Folder:
    text = pyproject(os.path.join(member.path, FILE), member.origin)
    tool, build, project = (table_of(text, key) for key in ("tool", "build-system", "project"))
    uv = table_of(tool, "uv")
    groups = _groups(text)
    dev = strings_of(uv.get("dev-dependencies"))
    if dev:
        groups["dev"] = (*groups.get("dev", ()), *dev)
    return Folder(member, project, uv, strings_of(build.get("requires")), groups)


def _groups(text: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    table = table_of(text, "dependency-groups")
    found = {}
    for name in table:
        try:
            lines = tuple(resolve_dependency_groups(table, name))
        except Exception:  # noqa: BLE001 - uv's to complain about; what it holds is looked at as it stands
            lines = strings_of(table[name])
        found[str(canonicalize_name(name))] = lines
    return found


def _check(folder: Folder) -> None:
    """Raise for a requirement by address: nothing of it would pass the gateway, or no audit could be about it."""
    lists = (folder.dependencies, folder.builds, *folder.extras.values(), *folder.groups.values())
    for line in (one for lines in lists for one in lines):
        if names_address(line):
            raise refused_direct(line, folder.file)


def requested_in(lines: Iterable[str], origin: str) -> Iterator[Requested]:
    """Give the requirements of a list; what cannot be read is uv's to complain about."""
    for line in lines:
        try:
            yield Requested(Requirement(line), origin)
        except InvalidRequirement:
            continue
