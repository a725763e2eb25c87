"""Folders that people install as they are (`.`, `-e DIR`), and what their `pyproject.toml` asks for (T04, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH202

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import UsageError
from openvet_install.files import names_folder, names_path
from openvet_install.installers import toml
from openvet_install.installers.sources import SCHEME, VCS, local_path, refused_vcs, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openvet_install.installers.commands import Requested

MAX_BYTES = 4 * 1024 * 1024
PYPROJECT = "pyproject.toml"
PROJECT_FILES = (PYPROJECT, "setup.py", "setup.cfg")
"""Files that say of a folder that it is a project."""
_BUILT = frozenset({"dependencies", "optional-dependencies"})
_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\[\]]*\])?\s*@\s*(\S.*)")
_MARKED = re.compile(r"(\S+?)(?:\s+;|;\s)(.+)")
_EXTRAS = re.compile(r"(.+)(\[[^\[\]/\\]+\])")
_MORE = re.compile(r"[;\[\]$\r\n]|\s$")
"""In a path: tools read a marker behind it, extras between, the name of a variable, or only what stands before."""


class Project(NamedTuple):
    """A folder that a person named: `path` is absolute; `extras` as in `[a,b]`, or empty; `origin` says where.

    `flag` is the option that names it, empty for none; None: the one of `pip install`. `near` names it from the
    working folder, where its path has a `#`: there paths end for uv, in addresses too. `name` is the one that it was
    said to have, as in `NAME @ URL ; MARKER`: the tool compares.
    """

    path: str
    editable: bool
    extras: str
    origin: str
    flag: str | None = None
    near: str = ""
    name: str = ""
    marker: Marker | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What the tool gets among its options: an address where it would find more in a path than that."""
        flag = ("--editable" if self.editable else "") if self.flag is None else self.flag
        parted = flag.startswith("--with") and "," in self.path
        address = parted or _MORE.search(self.path) is not None
        place = self.line if address or self.name else f"{self.near or self.path}{self.extras}"
        return (f"{flag}={place}",) if flag else (place,)

    @property
    def line(self) -> str:
        """What stands for it in a file of requirements, but for `-e`."""
        marker = f" ; {self.marker}" if self.marker is not None else ""
        # behind a name pip takes addresses only
        return (
            f"{self.name}{self.extras} @ {self.url}{marker}" if self.name else f"{self.near or self.url}{self.extras}"
        )

    @property
    def url(self) -> str:
        """The address that the tool writes down."""
        return Path(self.path).as_uri()


def read_project(text: str, cwd: str, origin: str, *, editable: bool = False) -> Project | None:
    """Read a folder named by path or `file:` URL; None for everything that is none, unless it had to be `editable`.

    Raises `UsageError`.
    """
    place, extras, name, marker = text.strip(), "", "", None
    if (named := _NAMED.fullmatch(place)) is not None:
        name, extras, (place, marker) = named[1], named[2] or "", _without_marker(named[3], origin)
    if not place:
        raise UsageError("an empty name is that of no package and no folder", where=origin)
    if editable and VCS.match(place):
        raise refused_vcs(text, origin)
    if not extras and (match := _EXTRAS.fullmatch(place)) is not None:
        place, extras = match[1].rstrip(), match[2]
    if place[:5].lower() == "file:" and names_folder(place):
        raise UsageError(
            f"`{shown(text)}`: a folder inside of a folder is not gated", where=origin, hint="name it as a folder"
        )
    if not SCHEME.match(place) or place[:5].lower() == "file:":
        path = os.path.abspath(os.path.join(cwd, local_path(place)))
        path = f"/{path.lstrip('/')}"  # behind two of them pip finds a host
        looks = editable or os.sep in place or place.startswith(".") or place[:5].lower() == "file:"
        if looks and os.path.isdir(path):
            if extras and not editable and _MORE.search(path):
                raise UsageError(f"`{shown(text)}`: extras of a folder with such a name are not gated", where=origin)
            near = _near(path, cwd)
            return Project(path, editable, extras.replace(" ", ""), origin, near=near, name=name, marker=marker)
    if editable:
        raise UsageError(f"`{shown(text)}` is no folder: only folders can be installed as editable", where=origin)
    return None


def _without_marker(text: str, origin: str) -> tuple[str, Marker | None]:
    match = _MARKED.fullmatch(text) if text.isprintable() else None
    try:
        return (text, None) if match is None else (match[1], Marker(match[2]))
    except InvalidMarker as error:
        raise UsageError(f"`{shown(text)}` has no marker behind its `;`", where=origin) from error


def _near(path: str, cwd: str) -> str:
    """Return how a path with a `#` is named from a folder that has it too; empty if there is no need, or no way."""
    near = os.path.join(".", os.path.relpath(path, cwd)) if "#" in path else ""
    return "" if "#" in near or "," in near or _MORE.search(near) else near


def asked_by(project: Project) -> tuple[Requirement, ...]:
    """Return what a project's `pyproject.toml` says that it needs, to build and to run; what is dynamic is not known.

    Raises `UsageError` for requirements that lead past the gateway: the project itself is trusted, these are not.
    Of extras none may: any package may ask for them, and one extra for another.
    """
    path = os.path.join(project.path, PYPROJECT)
    text = pyproject(path, project.origin)
    asked = list(_lines(text, project.extras))
    extras = table_of(table_of(text, "project"), "optional-dependencies").values()
    every = [line for lines in extras for line in strings_of(lines)]
    for line in (*asked, *every):
        if names_address(line):
            raise UsageError(
                f"`{shown(line)}`: a direct reference of a local project is refused",
                where=path,
                hint="what only you need can stand in a dependency group",
            )
    return tuple(_requirements(asked if project.marker is None else _under(project.marker, asked)))


def _under(marker: Marker, lines: Iterable[str]) -> Iterator[str]:
    """Let what is asked for hang on a marker, too."""
    for one in _requirements(lines):
        one.marker = Marker(f"({marker}) and ({one.marker})" if one.marker is not None else str(marker))
        yield str(one)


def names_address(line: str) -> bool:
    """Tell whether a requirement could name an address or a path: tools read more as such than is specified."""
    if names_path(line):
        return True
    try:
        return Requirement(line).url is not None
    except (InvalidRequirement, RecursionError):
        return "@" in line or "/" in line


def build_requirements(project: Project, cwd: str) -> tuple[Requested, ...]:
    """Return what `pyproject.toml` says is needed to build a project. Raises `UsageError` for direct references."""
    from openvet_install.installers.commands import Requested  # noqa: PLC0415 - it imports us

    path = os.path.join(project.path, PYPROJECT)
    lines = strings_of(table_of(pyproject(path, project.origin), "build-system").get("requires"))
    for line in lines:
        if names_address(line):
            raise UsageError(f"`{shown(line)}`: a direct reference among build requirements is refused", where=path)
    return tuple(Requested(one, os.path.relpath(path, cwd)) for one in _requirements(lines))


def refuse_sources(text: dict[str, Any], path: str) -> None:
    """Raise `UsageError` when uv would take something from elsewhere than the indexes."""
    if table_of(table_of(text, "tool"), "uv").get("sources"):
        raise UsageError(
            "`tool.uv.sources` is not gated for a file or group of a project",
            where=path,
            hint="--no-sources    or name its folder: openvet-uv pip install .",
        )


def name_of(project: Project) -> str | None:
    """Return the normalised name that the project gives itself, None when that is not known before a build."""
    name = table_of(pyproject(os.path.join(project.path, PYPROJECT), project.origin), "project").get("name")
    return str(canonicalize_name(name)) if isinstance(name, str) else None


def pyproject(path: str, origin: str) -> dict[str, Any]:
    """Return a `pyproject.toml`, empty when there is none. Raises `UsageError` for one that cannot be read."""
    if not os.path.lexists(path):
        return {}
    if not os.path.isfile(path) or os.path.getsize(path) > MAX_BYTES:
        raise UsageError(f"`{path}` is no file of at most {MAX_BYTES} bytes", where=origin)
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a path as people write it
            return toml.loads(stream.read().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read `{path}`: {error}", where=origin) from error


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        with suppress(InvalidRequirement, RecursionError):  # the tool's to complain about
            yield Requirement(line)


def _lines(text: dict[str, Any], extras: str) -> Iterator[str]:
    project, build = table_of(text, "project"), table_of(text, "build-system")
    yield from strings_of(build.get("requires"))
    yield from strings_of(project.get("dependencies"))
    optional = table_of(project, "optional-dependencies")
    for name in filter(None, re.split(r"[\[\],\s]+", extras)):
        yield from strings_of(optional.get(name))


def says_its_needs(text: Mapping[str, Any]) -> bool:
    """Tell whether the `pyproject.toml` of a project says what it needs, so that nothing is built to know it."""
    project = table_of(text, "project")
    elsewhere = "dependencies" not in project and "poetry" in table_of(text, "tool")
    return bool(project.get("name")) and not elsewhere and not _BUILT.intersection(strings_of(project.get("dynamic")))


def table_of(text: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the table under a key; empty for none, and for what is no table."""
    found = text.get(key)
    return found if isinstance(found, dict) else {}


def strings_of(value: object) -> tuple[str, ...]:
    """Return the texts of a list; empty for what is no list."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
