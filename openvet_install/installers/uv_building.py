"""What `uv build` needs of the folders around: all that sources lead to, or where that is refused what a build names.

A build asks for what `build-system.requires` lists, and its backend may ask for more: uv is told to look at no source
of a name that nothing lists, so that such a one comes from an index, through the gate.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers import uv_config
from openvet_install.installers.commands import private_folder
from openvet_install.installers.lines import requested_by
from openvet_install.installers.projects import (
    Project,
    build_requirements,
    names_address,
    pyproject,
    strings_of,
    table_of,
)
from openvet_install.installers.sources import refused_direct
from openvet_install.installers.uv_sources import FILE, Ignored, Member, Sources, follow
from openvet_install.installers.uv_workspace import around_folders, as_it_stands, led_by, read_workspace, requested_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openvet_install.installers.commands import Index, Requested
    from openvet_install.installers.uv_around import Around


class Led(NamedTuple):
    """The folders that are built or may be on the way, what they need for it, and indexes that they name.

    `passed`: names whose sources uv must not look at.
    """

    folders: tuple[Project, ...]
    requested: tuple[Requested, ...]
    indexes: tuple[Index, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str | Project, ...]:
        """The words of the command."""
        return (*(f"--no-sources-package={name}" for name in self.passed), *self.folders)


def of_folder(place: str, origin: str, around: Around, ignored: Ignored) -> Led:
    """Return what a folder of the user's own needs to be built. Raises as `Sources.leads`."""
    project = Project(place, editable=False, extras="", origin=origin)
    try:
        led, indexes = led_by((project,), around, ignored)
    except UsageError:
        return _least((project,), around, ignored)
    return Led((project, *led), (*build_requirements(project, around.cwd), *requested_by(led, around.cwd)), indexes)


def of_members(name: str | None, around: Around, ignored: Ignored) -> Led:
    """Return what members of the workspace need to be built, all of them without a `name`. Raises as `read_workspace`.

    Raises `UsageError` where no member has that name.
    """
    with private_folder() as folder:
        members = as_it_stands(around, around.quiet(folder)).members
        built = tuple(one.member for one in members if name is None or one.name == canonicalize_name(name))
        if name is not None and not built:
            raise UsageError(f"`--package {name}`: the workspace has no such member")
        try:
            found = read_workspace(around, around.quiet(folder), package=name, ignored=ignored)
        except UsageError:
            return _least(built, around, ignored)
    requested = tuple(one for each in built for one in build_requirements(each, around.cwd))
    return Led(tuple(one.member for one in found.folders), requested, found.indexes)


def _least(built: Sequence[Project], around: Around, ignored: Ignored) -> Led:
    """Follow only the sources of what builds name, and of what is needed to run that."""
    asked = tuple(one for each in built for one in build_requirements(each, around.cwd))
    needed = frozenset(canonicalize_name(one.requirement.name) for one in asked)
    with private_folder() as folder:
        listing = around_folders(around, around.quiet(folder))
        while True:
            sources = Sources(listing, ignored, only=needed)
            members = tuple(follow(built, sources))
            more = {canonicalize_name(one.requirement.name) for each in members for one in _asked_by(each)}
            if more <= needed:
                break
            needed |= more
    found = (*built, *members)
    indexes = [index for one in found for index in uv_config.of_project(one.path).indexes]
    requested = (*asked, *requested_by(members, around.cwd))
    return Led(found, requested, (*indexes, *sources.indexes), tuple(sorted(sources.passed)))


def _asked_by(member: Member) -> Iterator[Requested]:
    """Give all that a folder could ask for, with any of its extras. Raises `UsageError` for direct references."""
    file = os.path.join(member.path, FILE)
    text = pyproject(file, member.origin)
    project = table_of(text, "project")
    lists = (table_of(text, "build-system").get("requires"), project.get("dependencies"))
    for lines in (*lists, *table_of(project, "optional-dependencies").values()):
        for line in strings_of(lines):
            if names_address(line):
                raise refused_direct(line, file)
        yield from requested_in(strings_of(lines), file)
