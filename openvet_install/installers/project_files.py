"""`uv pip install -r pyproject.toml`: what a project says by itself that it needs, read once (T03, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH118, PTH119, PTH120

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError, UsageError
from openvet_install.installers.commands import Input, Requested
from openvet_install.installers.projects import pyproject, strings_of, table_of
from openvet_install.installers.requirements import by_name
from openvet_install.installers.sources import local_path, shown
from openvet_install.installers.tokens import has, values_of
from openvet_install.installers.uv_given import NAMELESS, Given, led

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openvet_install.installers.commands import Index
    from openvet_install.installers.tokens import Token
    from openvet_install.installers.uv_around import Around

_FILE = "pyproject.toml"
_BUILT = frozenset({"dependencies", "optional-dependencies"})


def is_project(value: str) -> bool:
    """Tell whether a file of requirements is that of a project."""
    return os.path.basename(value) == _FILE


def read_projects(
    values: Sequence[str], tokens: Sequence[Token], around: Around
) -> tuple[tuple[Input, ...], tuple[Index, ...]]:
    """Return what the projects need, and the indexes that this comes from, with the extras that `tokens` ask for.

    Raises `UsageError` for a project that would be built to know it, and for extras of none; else as `led`.
    """
    extras = {str(canonicalize_name(one)): one for one in values_of(tokens, "--extra")}
    every = has(tokens, "--all-extras")
    if (extras or every) and not values:
        raise UsageError("`--extra` needs a project", hint="-r pyproject.toml    or NAME[EXTRA]")
    if values and any(key in around.config.pip for key in ("extra", "all-extras")):
        raise ConfigError("extras in uv's configuration are refused: they are not gated here", hint="--extra NAME")
    found: list[Given] = []
    known: set[str] = set()
    for number, value in enumerate(values):
        one = _Declared(value, around.cwd)
        known |= one.extras.keys()
        lines = tuple(one.needs(set(one.extras) if every else set(extras)))
        folder = os.path.dirname(os.path.join(around.cwd, local_path(value)))
        found.append(Given(Input(value, lines), folder, one.table(), "--requirements", f"project-{number}", ""))
    unknown = next((typed for name, typed in extras.items() if name not in known), None)
    if unknown is not None:
        raise UsageError(f"`--extra {shown(unknown)}`: no project here has it")
    return led(found, tokens, around)


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
