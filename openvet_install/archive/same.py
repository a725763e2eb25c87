"""Whether a wheel brings the content of an audited file of the same release (design, section 8); pure.

A wheel of a wheel: every member of both, byte for byte and as executable, but for what a builder writes about the
build; what METADATA makes installers do is the same. A pure-Python wheel of an sdist: every module stands in the sdist
under its import path, below names that the project declares, none of theirs is missing, and nothing else is brought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from openvet_install.archive.contents import Contents, shown
from openvet_install.archive.metadata import promises, values_of
from openvet_install.archive.stated import declared, points_of, promised, promised_points, said_in
from openvet_install.files import release_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OF_THE_BUILD = frozenset({"METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED"})
_FOLDERS_OF_THE_BUILD = ("licenses/", "sboms/")
_SITE, _INFO, _DATA = "site", "info", "data"
_NO_SOURCE = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib")
_Member = tuple[str, str]


class Comparison(NamedTuple):
    """How many members of a wheel equal those of the original, and what is not the same; None: nothing."""

    members: int
    difference: str | None = None


def compare(wheel: Contents, original: Contents) -> Comparison:
    """Compare a wheel with an audited wheel or sdist."""
    if wheel.kind != "wheel" or _release(wheel) != _release(original):
        return Comparison(0, "it is of another release")
    differences = _of_wheel(wheel, original) if original.kind == "wheel" else _of_sdist(wheel, original)
    difference = next(differences, None) or next(_promised(wheel, original), None)
    return Comparison(len(_members(wheel)) if difference is None else 0, difference)


def _release(contents: Contents) -> tuple[str, str]:
    return contents.name, release_of(Version(contents.version).public)


def _promised(wheel: Contents, original: Contents) -> Iterator[str]:
    """Yield fields of the metadata that make installers do something else."""
    open_ended = {value.lower() for value in values_of(original.metadata, "metadata", "dynamic")}
    theirs = promises(original.metadata, "metadata") if original.kind == "wheel" else promised(original)
    if theirs is None:
        yield "what it requires cannot be read from the audited sdist"
        return
    for field, said in promises(wheel.metadata, "metadata").items():
        if said != theirs[field]:
            yield f"`{field}` is not the same"
        elif original.kind == "sdist" and field.lower() in open_ended:
            yield f"`{field}` is decided when the sdist is built"


# -- a wheel of a wheel


def _of_wheel(wheel: Contents, original: Contents) -> Iterator[str]:
    ours, theirs = _members(wheel), _members(original)
    for member in sorted(ours.keys() - theirs.keys()):
        yield f"{_named(member)} is not in the audited file"
    for member in sorted(theirs.keys() - ours.keys()):
        yield f"{_named(member)} of the audited file is missing"
    for member in sorted(ours):
        if ours[member] != theirs[member]:
            yield f"{_named(member)} differs"
    folders_ours, folders_theirs = _folders(wheel), _folders(original)
    for member in sorted(folders_ours - folders_theirs):
        yield f"{_named(member)} is an empty folder, not in the audited file"
    for member in sorted(folders_theirs - folders_ours):
        yield f"{_named(member)}, an empty folder of the audited file, is missing"
    run_ours, run_theirs = _executable(wheel), _executable(original)
    for member in sorted((run_ours ^ run_theirs) & ours.keys()):
        yield f"{_named(member)} is executable in one of them only"


def _members(contents: Contents) -> dict[_Member, str]:
    """Return the members to compare, with the folders named after the version under one name."""
    placed = {_placed(path): digest for path, digest in contents.members.items()}
    return {member: digest for member, digest in placed.items() if not _is_of_the_build(member)}


def _folders(contents: Contents) -> set[_Member]:
    placed = {_placed(f"{path}/") for path in contents.empty_folders}
    return {(kind, path) for kind, path in placed if path and not _is_of_the_build((kind, path))}


def _executable(contents: Contents) -> set[_Member]:
    return {_placed(path) for path in contents.executable}


def _placed(path: str) -> _Member:
    top, slash, rest = path.partition("/")
    if slash and top.endswith(".dist-info"):  # an opened wheel has one such folder, and one of `.data` at most
        return _INFO, rest
    return (_DATA, rest) if slash and top.endswith(".data") else (_SITE, path)


def _is_of_the_build(member: _Member) -> bool:
    kind, path = member
    return kind == _INFO and (path in _OF_THE_BUILD or path.startswith(_FOLDERS_OF_THE_BUILD))


def _named(member: _Member) -> str:
    kind, path = member
    return shown(path if kind == _SITE else f"*.{'dist-info' if kind == _INFO else 'data'}/{path}")


# -- a wheel of an sdist


def _of_sdist(wheel: Contents, sdist: Contents) -> Iterator[str]:
    top = next(iter(sdist.members)).partition("/")[0]
    inside = {path.removeprefix(f"{top}/"): digest for path, digest in sdist.members.items()}
    if not _is_pure(wheel):
        yield "it is not a pure-Python wheel"
    for path in wheel.pth:
        yield f"{shown(path)} is run at every start of Python"
    for path in sorted(wheel.executable):
        yield f"{shown(path)} is executable"
    for member in sorted(_folders(wheel)):
        yield f"{_named(member)} is an empty folder"
    brought = {}
    for member, digest in sorted(_members(wheel).items()):
        kind, path = member
        if kind == _DATA:
            yield f"{_named(member)} is installed outside of the package"
        elif kind == _SITE:
            brought[path] = digest
        elif path != "entry_points.txt" and not _stands_in(path, digest, inside):
            yield f"{_named(member)} is not in the audited sdist"
    yield from _modules(brought, inside, declared(sdist))
    if points_of(wheel.texts.get("entry_points.txt")) != promised_points(sdist):
        yield "its entry points are not those of the sdist"


def _is_pure(wheel: Contents) -> bool:
    lines = wheel.texts["WHEEL"].decode().lower().splitlines()
    purelib = any([part.strip() for part in line.split(":", 1)] == ["root-is-purelib", "true"] for line in lines)
    return purelib and all(tag.endswith("-none-any") for tag in wheel.tags)


def _stands_in(path: str, digest: str, inside: Mapping[str, str]) -> bool:
    """Tell whether a file about the project stands at the top of the sdist or in its `.egg-info`."""
    if "/" in path:
        return False
    return inside.get(path) == digest or any(said_in(at, path) and one == digest for at, one in inside.items())


def _modules(brought: Mapping[str, str], inside: Mapping[str, str], names: frozenset[str]) -> Iterator[str]:
    """Yield what is at no import path of a declared name, or another file than the sdist's there, or left out."""
    found = {name: [root for root in ("", "src/") if _modules_of(root + name, inside)] for name in sorted(names)}
    for name, at in found.items():
        if len(at) > 1:
            yield f"the sdist has {shown(name)} in two places"
    roots = {name: at[0] for name, at in found.items() if at}
    for path, digest in sorted(brought.items()):
        if path.casefold().endswith(_NO_SOURCE):
            yield f"{shown(path)} is code that was not compiled from the sdist"
        root = roots.get(_top_of(path))
        if root is None:
            yield f"{shown(path)} is of no name that the project declares"
        elif inside.get(root + path) != digest:
            yield f"{shown(path)} {'differs' if root + path in inside else 'is not in the audited sdist'}"
    for name, root in roots.items():
        for path in _modules_of(root + name, inside):
            if path.removeprefix(root) not in brought:
                yield f"{shown(path)} of the audited sdist is missing"


def _modules_of(name: str, inside: Iterable[str]) -> list[str]:
    """Return the modules of a top-level name: its own, and all inside the package of this name."""
    return sorted(
        path
        for path in inside
        if path == f"{name}.py" or (path.startswith(f"{name}/") and path.casefold().endswith(".py"))
    )


def _top_of(path: str) -> str:
    top, slash, _ = path.partition("/")
    return top if slash or not top.endswith(".py") else top.removesuffix(".py")
