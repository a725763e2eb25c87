"""`uv pip install -r pyproject.toml`: what a project says by itself that it needs, read once (T03, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118, PTH119, PTH120

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers.commands import Input, Requested
from openvet_install.installers.lines import by_name
from openvet_install.installers.projects import (
    PROJECT_FILES,
    PYPROJECT,
    Project,
    pyproject,
    says_its_needs,
    strings_of,
    table_of,
)
from openvet_install.installers.sources import local_path, shown
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_given import NAMELESS, Given, led

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around


class ToBuild(Project):
    """A project that says what it needs only when it is built: `origin` is the file of it that the tool gets."""

    __slots__ = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The file as a word of the command."""
        return (f"--requirements={local_path(self.origin)}",)


class Read(NamedTuple):
    """What projects need, and the indexes that this comes from; or the projects that must be built to know it."""

    inputs: tuple[Input, ...] = ()
    indexes: tuple[Index, ...] = ()
    built: tuple[ToBuild, ...] = ()


def is_project(value: str) -> bool:
    """Tell whether a file of requirements is that of a project."""
    return os.path.basename(value) in PROJECT_FILES


def read_projects(values: Sequence[str], tokens: Sequence[Token], around: Around) -> Read:
    """Return what the projects need with the extras that `tokens` ask for; all are built if one must be.

    Raises `UsageError` for a file that is not there, and for extras of no project; else as `led`.
    """
    extras = {str(canonicalize_name(one)): one for one in values_of(tokens, "--extra")}
    every = has(tokens, "--all-extras")
    if (extras or every) and not values:
        raise UsageError("`--extra` needs a project", hint="-r pyproject.toml    or NAME[EXTRA]")
    if values and any(key in around.config.pip for key in ("extra", "all-extras")):
        raise ConfigError("extras in uv's configuration are refused: they are not gated here", hint="--extra NAME")
    texts = [_text(value, around.cwd) for value in values]
    if not all(map(says_its_needs, texts)):
        places = (os.path.abspath(os.path.join(around.cwd, local_path(one))) for one in values)
        asked = f"[{','.join(extras)}]"
        folders = zip(values, map(os.path.dirname, places), strict=True)
        return Read(built=tuple(ToBuild(folder, editable=False, extras=asked, origin=one) for one, folder in folders))
    found: list[Given] = []
    known: set[str] = set()
    for number, (value, text) in enumerate(zip(values, texts, strict=True)):
        one = _Declared(value, text)
        known |= one.extras.keys()
        lines = tuple(one.needs(set(one.extras) if every else set(extras)))
        folder = os.path.dirname(os.path.join(around.cwd, local_path(value)))
        found.append(Given(Input(value, lines), folder, one.table(), "--requirements", f"project-{number}", ""))
    unknown = next((typed for name, typed in extras.items() if name not in known), None)
    if unknown is not None:
        raise UsageError(f"`--extra {shown(unknown)}`: no project here has it")
    return Read(*led(found, tokens, around))


def _text(typed: str, cwd: str) -> dict[str, Any]:
    """Return what the file of a project says; nothing for one that only a build can read."""
    path = os.path.join(cwd, local_path(typed))
    if not os.path.isfile(path):  # noqa: PTH113 - a path as people write it
        raise UsageError(f"no file `{shown(typed)}`")
    return pyproject(path, typed) if os.path.basename(path) == PYPROJECT else {}


class _Declared:
    """A project that says by itself what it needs."""

    def __init__(self, typed: str, text: Mapping[str, Any]) -> None:
        project = table_of(text, "project")
        self._typed, self._name = typed, canonicalize_name(str(project["name"]))
        self._needed = strings_of(project.get("dependencies"))
        self._read: set[str] = set()
        self.extras: Mapping[str, tuple[str, ...]] = {
            str(canonicalize_name(name)): strings_of(lines)
            for name, lines in table_of(project, "optional-dependencies").items()
        }

    def needs(self, extras: set[str]) -> Iterator[Requested]:
        """Yield what is needed; extras that the project asks itself for are put in their place."""
        yield from self._asked(self._needed, "", frozenset())
        for name, lines in self.extras.items():
            if name in extras:
                self._read.add(name)
                yield from self._asked(lines, "", frozenset({name}))

    def table(self) -> dict[str, Any]:
        """Return what was read of it, for uv."""
        optional = {name: self._written(lines) for name, lines in self.extras.items() if name in self._read}
        needed = {"dependencies": self._written(self._needed), "optional-dependencies": optional}
        return {"project": {**NAMELESS, "name": self._name, **needed}}

    def _written(self, lines: Sequence[str]) -> list[str]:
        return [str(self._requirement(line)) for line in lines]

    def _asked(self, lines: Sequence[str], marker: str, inside: frozenset[str]) -> Iterator[Requested]:
        for line in lines:
            requirement = self._requirement(line)
            if canonicalize_name(requirement.name) != self._name:
                yield Requested(_under(requirement, marker), self._typed)
                continue
            for extra in sorted(map(canonicalize_name, requirement.extras)):
                if extra not in inside:
                    self._read.add(extra)
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
