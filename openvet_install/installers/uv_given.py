"""What uv gets in place of a project's file or group: lines, or a copy where no line could say its sources (T03).

`tool.uv.sources` with indexes or markers are uv's to understand: no file of requirements can name an index for one
package. The copy holds what was read and judged, and nothing else.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.installers.commands import Input, Requested, private_folder
from openvet_install.installers.given_lock import Parts
from openvet_install.installers.groups import read_groups
from openvet_install.installers.mirror import PrivateCopy
from openvet_install.installers.projects import table_of
from openvet_install.installers.sources import shown
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.toml_copy import written
from openvet_install.installers.uv_sources import FILE, Member, Said, Sources, ignored_by
from openvet_install.installers.uv_words import plain
from openvet_install.installers.uv_workspace import around_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.projects import Project
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around

NAMELESS = {"name": "openvet-given", "version": "0"}
_OF_PROJECTS = ("--extra", "--all-extras")
_OF_LOCKS = (*_OF_PROJECTS, "--group")


class Given(NamedTuple):
    """What the project in a `folder` asks for, flattened, and the `table` that says it to uv.

    A copy of that lies in a folder called `name`, behind `flag` and before `tail`.
    """

    flat: Input
    folder: str
    table: Mapping[str, Any]
    flag: str
    name: str
    tail: str

    def has(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether the table has the extra or group that an entry of sources is for: uv wants it there."""
        extras = table_of(table_of(self.table, "project"), "optional-dependencies")
        groups = map(canonicalize_name, table_of(self.table, "dependency-groups"))
        return entry.get("extra") in (None, *extras) and entry.get("group") in (None, *groups)


def led(found: Sequence[Given], tokens: Sequence[Token], around: Around) -> tuple[tuple[Input, ...], tuple[Index, ...]]:
    """Return what projects ask for, with the folders and indexes that `tool.uv.sources` take packages from.

    Raises as `Sources.said`. All of them are copied if one must be: together they have the extras.
    """
    if has(tokens, "--no-sources") or not found:
        return tuple(one.flat for one in found), ()
    with private_folder() as folder:
        sources = Sources(around_folders(around, around.quiet(folder)), ignored_by(tokens))
        said = [dict(_said(one, sources)) for one in found]
        if all(each.whole for some in said for each in some.values()):
            return tuple(_flat(one, some) for one, some in zip(found, said, strict=True)), ()
        copied = tuple(_copied(one, some, sources) for one, some in zip(found, said, strict=True))
        return copied, tuple(sources.indexes)


def of_groups(
    values: Sequence[str], tokens: Sequence[Token], around: Around
) -> tuple[tuple[Input, ...], tuple[Index, ...]]:
    """Return what groups ask for, `NAME` or `PATH:NAME`, and the indexes that this comes from, as `led`."""
    found = []
    for number, (value, flat) in enumerate(zip(values, read_groups(values, around.cwd), strict=True)):
        path, _, name = value.rpartition(":")
        needed = [str(one.requirement) for one in flat.requested]
        table = {"project": NAMELESS, "dependency-groups": {name: needed}}
        folder = os.path.dirname(os.path.join(around.cwd, path or FILE))
        found.append(Given(flat, folder, table, "--group", f"group-{number}", f":{name}"))
    return led(found, tokens, around)


def parts_of(tokens: Sequence[Token]) -> Parts:
    """Return the parts of a lock that options ask for; as for uv, no name has to be there.

    Raises `UsageError` for a group of a file.
    """
    groups = values_of(tokens, "--group")
    if of_file := next((one for one in groups if ":" in one), None):
        raise UsageError(f"`--group {shown(of_file)}`: beside a lock groups are those of the lock", hint="--group NAME")
    extras = [part for value in values_of(tokens, "--extra") for part in value.split(",")]
    return Parts(
        frozenset(map(canonicalize_name, extras)),
        has(tokens, "--all-extras"),
        frozenset(map(canonicalize_name, groups)) if groups else None,
        tuple(part for one in tokens if one.flag and one.flag.name in _OF_LOCKS for part in one.canonical()),
    )


def without_parts(tokens: Sequence[Token]) -> list[Token]:
    """Return options but for those that name parts of a lock."""
    return [one for one in tokens if one.flag is None or one.flag.name not in _OF_LOCKS]


def handed(
    inputs: Sequence[Input], tokens: Sequence[Token], built: Sequence[Project]
) -> Iterator[str | Input | PrivateCopy]:
    """Give inputs as words of the command, with the extras of projects that are copies or built."""
    copies = [one.given for one in inputs if one.given is not None]
    if built or any(one.flag == "--requirements" for one in copies):
        yield from (part for one in tokens if one.flag and one.flag.name in _OF_PROJECTS for part in one.canonical())
    yield from (one if one.given is None else one.given for one in inputs)


def _said(given: Given, sources: Sources) -> Iterator[tuple[str, Said]]:
    for one in given.flat.requested:
        name = canonicalize_name(one.requirement.name)
        found = sources.said(given.folder, name)
        if found is not None:
            yield name, found


def _flat(given: Given, said: Mapping[str, Said]) -> Input:
    lines: list[Requested | str] = []
    members: list[Member] = []
    for one in given.flat.requested:
        wanted = one.requirement
        found = said.get(canonicalize_name(wanted.name))
        member = found.whole if found is not None else None
        if member is None:
            lines.append(one)
            continue
        extras = _extras(one)
        members.append(member._replace(extras=extras))
        marker = f" ; {wanted.marker}" if wanted.marker is not None else ""
        plain((member,) if member.editable else ())
        named = f"-e {member.url}{extras}" if member.editable else f"{wanted.name}{extras} @ {member.url}"
        lines.append(f"{named}{marker}")
    return replace(given.flat, lines=tuple(lines), projects=tuple(members))


def _copied(given: Given, said: Mapping[str, Said], sources: Sources) -> Input:
    listed = {name: [one for one in found.entries if given.has(one)] for name, found in said.items()}
    uv = {
        "sources": {name: entries for name, entries in listed.items() if entries},
        "index": sources.tables_of(given.folder),
    }
    text = written({**given.table, "tool": {"uv": uv}})
    members = tuple(member for one in given.flat.requested for member in _members(one, said))
    copy = PrivateCopy(given.flag, f"{given.name}/pyproject.toml", text, given.tail)
    return replace(given.flat, projects=members, given=copy)


def _members(one: Requested, said: Mapping[str, Said]) -> Iterator[Member]:
    found = said.get(canonicalize_name(one.requirement.name))
    for member in found.folders if found is not None else ():
        yield member._replace(extras=_extras(one))


def _extras(one: Requested) -> str:
    extras = one.requirement.extras
    return f"[{','.join(sorted(extras))}]" if extras else ""
