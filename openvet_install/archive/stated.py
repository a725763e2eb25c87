"""What an sdist says that a wheel of it will bring: top-level names, entry points, requirements; pure."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

import tomli
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from openvet_install.archive.metadata import promises, spelled, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from openvet_install.archive.contents import Contents


def said_in(place: str, name: str) -> bool:
    """Tell whether a path of an sdist is this file of the project's own `.egg-info`, at its top or in `src`."""
    folder, _, file = place.removeprefix("src/").rpartition("/")
    return file == name and "/" not in folder and folder.endswith(".egg-info")


def declared(sdist: Contents) -> frozenset[str]:
    """Return the top-level names that the project says are its own, by its metadata or by its name."""
    named = values_of(sdist.metadata, "PKG-INFO", "import-name")
    said = [value.partition(";")[0].strip().partition(".")[0] for value in named]
    for place, text in sdist.texts.items():
        if said_in(place, "top_level.txt"):
            said += text.decode(errors="replace").split()
    return frozenset(filter(None, said)) or frozenset({sdist.name.replace("-", "_")})


def points_of(raw: bytes | None) -> dict[str, dict[str, str]] | None:
    """Return entry points by group and name; None for what cannot be read, which equals nothing."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string((raw or b"").decode())
    except (configparser.Error, UnicodeDecodeError):
        return None
    found = {group: {name: "".join(at.split()) for name, at in parser.items(group)} for group in parser.sections()}
    return {group: points for group, points in found.items() if points}


def promised_points(sdist: Contents) -> dict[str, dict[str, str]] | str:
    """Return the entry points of an sdist as `points_of` does; text for what cannot be read."""
    written = [text for place, text in sdist.texts.items() if said_in(place, "entry_points.txt")]
    if written:
        points = points_of(written[0]) if len(written) == 1 else None
        return "unreadable" if points is None else points
    project = _project(sdist)
    groups = {"console_scripts": "scripts", "gui_scripts": "gui-scripts"}
    more = project.get("entry-points", {})
    said = {group: project.get(key, {}) for group, key in groups.items()} | (more if isinstance(more, dict) else {})
    return {
        group: {name: "".join(str(at).split()) for name, at in points.items()}
        for group, points in said.items()
        if isinstance(points, dict) and points
    }


def promised(sdist: Contents) -> dict[str, tuple[str, ...]] | None:
    """Return what a wheel of an sdist must say that installers act on, as `promises` does; None if it is unreadable.

    Many an sdist has its requirements beside PKG-INFO only: in `requires.txt`, or in pyproject.toml.
    """
    said = promises(sdist.metadata, "metadata")
    if said["Requires-Dist"]:
        return said
    written = [text for place, text in sdist.texts.items() if said_in(place, "requires.txt")]
    try:
        found = (
            [pair for text in written for pair in _sections(text)] if written else list(_of_project(_project(sdist)))
        )
        lines = tuple(sorted(_joined(line, condition) for line, condition, _ in found))
    except (ValueError, RecursionError):
        return None
    extras = {canonicalize_name(extra) for _, _, extra in found if extra} | set(said["Provides-Extra"])
    return None if len(written) > 1 else said | {"Requires-Dist": lines, "Provides-Extra": tuple(sorted(extras))}


def _sections(raw: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield (requirement, condition, extra) of an `.egg-info/requires.txt`, whose headings are `[extra:marker]`."""
    extra = condition = ""
    for line in filter(None, map(str.strip, raw.decode().splitlines())):
        if line.startswith("["):
            extra, _, marker = line.strip("[]").partition(":")
            parts = [f"({marker})" if marker else "", _extra(extra) if extra else ""]
            condition = " and ".join(filter(None, parts))
        elif not line.startswith("#"):
            yield line, condition, extra


def _of_project(project: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the same of the table `[project]`, whose lists were looked at when the sdist was opened."""
    yield from ((line, "", "") for line in project.get("dependencies", ()))
    for extra, lines in project.get("optional-dependencies", {}).items():
        yield from ((line, _extra(extra), extra) for line in lines)


def _extra(name: str) -> str:
    return f'extra == "{canonicalize_name(name)}"'


def _joined(line: str, condition: str) -> str:
    requirement = Requirement(line)
    if condition:
        own = f"({requirement.marker}) and " if requirement.marker else ""
        requirement.marker = Marker(own + condition)
    return spelled(str(requirement))


def _project(sdist: Contents) -> dict[str, Any]:
    found: dict[str, Any] = tomli.loads(sdist.texts.get("pyproject.toml", b"").decode()).get("project", {})
    return found
