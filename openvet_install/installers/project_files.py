"""`uv pip install -r pyproject.toml`: what a project says by itself that it needs, read once (T03, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH119, PTH120

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers.commands import Input, Requested, private_folder
from openvet_install.installers.projects import pyproject, strings_of, table_of
from openvet_install.installers.requirements import by_name
from openvet_install.installers.sources import local_path, shown
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_sources import Member, Sources, ignored_by
from openvet_install.installers.uv_workspace import around_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around

_FILE = "pyproject.toml"
_BUILT = frozenset({"dependencies", "optional-dependencies"})


def is_project(value: str) -> bool:
    """Tell whether a file of requirements is that of a project."""
    return os.path.basename(value) == _FILE


def read_projects(values: Sequence[str], tokens: Sequence[Token], around: Around) -> tuple[Input, ...]:
    """Return what the projects need, with the extras that `tokens` ask for.

    Raises `UsageError` for a project that would be built to know it, and for extras of none; else as `from_folders`.
    """
    extras = {str(canonicalize_name(one)): one for one in values_of(tokens, "--extra")}
    every = has(tokens, "--all-extras")
    if (extras or every) and not values:
        raise UsageError("`--extra` needs a project", hint="-r pyproject.toml    or NAME[EXTRA]")
    if values and any(key in around.config.pip for key in ("extra", "all-extras")):
        raise ConfigError("extras in uv's configuration are refused: they are not gated here", hint="--extra NAME")
    found: list[Input] = []
    known: set[str] = set()
    for value in values:
        one = _Declared(value, around.cwd)
        known |= one.extras.keys()
        lines = tuple(one.needs(set(one.extras) if every else set(extras)))
        found.append(Input(value, lines))
    unknown = next((typed for name, typed in extras.items() if name not in known), None)
    if unknown is not None:
        raise UsageError(f"`--extra {shown(unknown)}`: no project here has it")
    folders = [os.path.dirname(os.path.join(around.cwd, local_path(value))) for value in values]
    return from_folders(found, folders, tokens, around)


def from_folders(
    found: Sequence[Input], folders: Sequence[str], tokens: Sequence[Token], around: Around
) -> tuple[Input, ...]:
    """Return what projects in `folders` ask for, with the folders that `tool.uv.sources` take packages from.

    Raises as `Sources.place`.
    """
    if has(tokens, "--no-sources") or not found:
        return tuple(found)
    with private_folder() as folder:
        sources = Sources(around_folders(around, around.quiet(folder)), ignored_by(tokens))
        return tuple(_placed(one, place, sources) for one, place in zip(found, folders, strict=True))


def _placed(found: Input, folder: str, sources: Sources) -> Input:
    lines: list[Requested | str] = []
    members: list[Member] = []
    for one in found.lines:
        wanted = one.requirement if isinstance(one, Requested) else None
        member = sources.place(folder, canonicalize_name(wanted.name)) if wanted is not None else None
        if wanted is None or member is None:
            lines.append(one)
            continue
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        members.append(member._replace(extras=extras))
        marker = f" ; {wanted.marker}" if wanted.marker is not None else ""
        named = f"-e {member.url}{extras}" if member.editable else f"{wanted.name}{extras} @ {member.url}"
        lines.append(f"{named}{marker}")
    return replace(found, lines=tuple(lines), projects=tuple(members))


class _Declared:
    """A project that says by itself what it needs."""

    def __init__(self, typed: str, cwd: str) -> None:
        path = os.path.join(cwd, local_path(typed))
        if not os.path.isfile(path):  # noqa: PTH113 - a path as people write it
            raise UsageError(f"no file `{shown(typed)}`")
        text = pyproject(path, typed)
        project = table_of(text, "project")
        poetry = "dependencies" not in project and "poetry" in table_of(text, "tool")
        if not project.get("name") or poetry or _BUILT.intersection(strings_of(project.get("dynamic"))):
            raise UsageError(
                f"`{shown(typed)}` does not say by itself what the project needs: it would be built",
                where=typed,
                hint="openvet-uv pip install .    or a list of `dependencies` in its [project] table",
            )
        self._typed, self._name = typed, canonicalize_name(str(project["name"]))
        self._needed = strings_of(project.get("dependencies"))
        self.extras: Mapping[str, tuple[str, ...]] = {
            str(canonicalize_name(name)): strings_of(lines)
            for name, lines in table_of(project, "optional-dependencies").items()
        }

    def needs(self, extras: set[str]) -> Iterator[Requested]:
        """Yield what is needed; extras that the project asks itself for are put in their place."""
        yield from self._asked(self._needed, "", frozenset())
        for name, lines in self.extras.items():
            if name in extras:
                yield from self._asked(lines, "", frozenset({name}))

    def _asked(self, lines: Sequence[str], marker: str, inside: frozenset[str]) -> Iterator[Requested]:
        for line in lines:
            requirement = self._requirement(line)
            if canonicalize_name(requirement.name) != self._name:
                yield Requested(_under(requirement, marker), self._typed)
                continue
            for extra in sorted(map(canonicalize_name, requirement.extras)):
                if extra not in inside:
                    both = str(_under(requirement, marker).marker or "")
                    yield from self._asked(self.extras.get(extra, ()), both, inside | {extra})

    def _requirement(self, line: str) -> Requirement:
        try:
            return by_name(line)
        except UsageError as fault:
            fault.where = self._typed
            raise


def _under(requirement: Requirement, marker: str) -> Requirement:
    """Return a requirement that counts only under one more marker."""
    if not marker:
        return requirement
    own = f"({requirement.marker}) and ({marker})" if requirement.marker is not None else marker
    bare = str(requirement).partition(";")[0].strip()
    return Requirement(f"{bare} ; {own}")
