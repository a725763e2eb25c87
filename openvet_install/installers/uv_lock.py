"""Reads `uv.lock` (version 1, every revision) into values.

uv does not specify the format; what is read here was compared with what uv itself installs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from openvet_install.errors import ConfigError
from openvet_install.installers.locks_values import (
    Dependency,
    Entry,
    Lock,
    LockedPackage,
    LockError,
    Source,
    SourceKind,
    entry_lines,
    load_toml,
    locate,
    normal,
    without_login,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from packaging.markers import Marker

    from openvet_install.files import File

SUPPORTED_VERSION = 1

_KINDS: tuple[SourceKind, ...] = ("registry", "git", "url", "path", "directory", "editable", "virtual")
_OF_INDEXES = frozenset({"name", "specifier", "index", "conflict", "extras", "groups", "marker", "hashes"})
"""The keys of a requirement in a manifest that comes from an index."""


def parse_uv_lock(text: str, path: Path, *, pyproject: str | None) -> Lock:
    """Read the text of a uv.lock; `pyproject` is the text of the pyproject.toml beside it.

    Raises `LockError` (64), `LockContentError` (65), and `ConfigError` (78) for the pyproject.toml.
    """
    table = load_toml(text, path)
    top = Entry(table, path)
    version = top.get("version", int)
    if version != SUPPORTED_VERSION:
        found = "no version" if version is None else f"version {version}"
        raise LockError(f"{found}; uv.lock version {SUPPORTED_VERSION} can be read", where=path.name)
    key = _spelled(top, "package", "distribution")
    raw = top.tables(key)
    lines = entry_lines(text, key, len(raw))
    packages = tuple(_package(entry.table, path, line) for entry, line in zip(raw, lines, strict=True))
    manifest = Entry(top.get("manifest", dict) or {}, path)
    project, told = (None, default_groups(manifest)) if pyproject is None else _beside(pyproject, path)
    return Lock(
        path=path,
        kind="uv",
        packages=packages,
        requires_python=top.get("requires-python", str),
        environments=_markers(top, "supported-markers"),
        project=project,
        default_groups=told,
        revision=top.get("revision", int) or 0,
        members=normal(manifest.strings("members")),
        requirements=_dependencies(manifest.tables("requirements")),
        groups=_grouped(manifest, "dependency-groups"),
        build_constraints=tuple(_constraint(entry) for entry in manifest.tables("build-constraints")),
        conflicts=bool(top.get("conflicts", list)),
        loose=frozenset(url for entry, one in zip(raw, packages, strict=True) for url in _packed(entry, one)),
    )


def _spelled(entry: Entry, key: str, older: str) -> str:
    """Return the one of two keys that is there: uv takes the older for the other, and never both."""
    if key in entry.table and older in entry.table:
        entry.fail(f"`{key}` and `{older}`, which are the same to uv")
    return older if older in entry.table else key


def _package(table: Mapping[str, Any], path: Path, line: int | None) -> LockedPackage:
    name = canonicalize_name(Entry(table, path, line).text("name"))
    entry = Entry(table, path, line, name)
    version = entry.get("version", str) or ""
    source = _source(entry)
    groups = _grouped(entry, _spelled(entry, "dev-dependencies", "dependency-groups"))
    metadata = entry._replace(table=entry.get("metadata", dict) or {})
    said = metadata.get(_spelled(metadata, "requires-dev", "dependency-groups"), dict) or {}
    return LockedPackage(
        name=name,
        version=version,
        line=line,
        source=source,
        files=_files(entry, version, source),
        markers=_markers(entry, "resolution-markers"),
        dependencies=_dependencies(entry.tables("dependencies")),
        extras=_grouped(entry, "optional-dependencies"),
        groups=groups,
        own_groups=frozenset((*groups, *map(canonicalize_name, said))),
        default_groups=default_groups(entry),
    )


def _source(entry: Entry) -> Source:
    table = entry.get("source", dict)
    if table is None:
        entry.fail("`source` is missing")
    return _source_in(Entry(table, entry.path, entry.line, entry.name))


def _source_in(inner: Entry, kinds: tuple[SourceKind, ...] = _KINDS) -> Source:
    for kind in kinds:
        location = inner.get(kind, str)
        if location is not None:
            if "\0" in location:
                inner.fail(f"`{kind}` holds a NUL")
            return Source(kind, without_login(location, keep_fragment=kind == "git"))
    return Source("unknown")


def _constraint(entry: Entry) -> LockedPackage:
    """Read what limits builds: uv takes a build requirement of that name from its source."""
    inner = entry._replace(name=canonicalize_name(entry.text("name")))
    source = Source("registry") if entry.table.keys() <= _OF_INDEXES else _source_in(inner, _KINDS[1:])
    return LockedPackage(name=inner.name, version="", line=None, source=source)


def _files(entry: Entry, version: str, source: Source) -> tuple[File, ...]:
    artefacts = list(entry.tables("wheels"))
    sdist = entry.get("sdist", dict)
    if sdist is not None:
        artefacts.append(Entry(sdist, entry.path, entry.line, entry.name))
    files = (_file(artefact, version, source) for artefact in artefacts)
    return tuple(file for file in files if file is not None)


def _packed(entry: Entry, package: LockedPackage) -> Iterator[str]:
    """Yield the addresses of the wheels of an entry that names another packing of them, with a hash of its own."""
    if any("zstd" in wheel.table for wheel in entry.tables("wheels")):
        yield from (file.url for file in package.files if file.is_wheel)


def _file(entry: Entry, version: str, source: Source) -> File | None:
    base = source.location if source.kind == "registry" else ""
    beside = source.location if source.kind == "path" else None
    url = entry.get("url", str) or (source.location if source.kind == "url" else None)
    if "path" in entry.table and "url" in entry.table:
        entry.fail("a file with `url` and `path`, of which uv takes one or the other")
    if source.kind == "registry" and (url or "")[:5].lower() == "file:":
        entry.fail("a file with a `file:` address, as uv writes none")
    found = locate(entry.path.parent, base, url, entry.get("path", str) or beside)
    if found is None:
        return None
    tagged = entry.get("hash", str)
    digest = None
    if tagged is not None:
        algorithm, _, digits = tagged.partition(":")
        digest = digits if algorithm.lower() == "sha256" else None
    return entry.file(version=version, index=source.location, filename=found[1], url=found[0], digest=digest)


def _dependencies(entries: tuple[Entry, ...]) -> tuple[Dependency, ...]:
    return tuple(_dependency(entry) for entry in entries)


def _dependency(entry: Entry) -> Dependency:
    # `extra` stands in the graph, `extras` in the requirements of a manifest
    return Dependency(
        name=canonicalize_name(entry.text("name")),
        version=entry.get("version", str),
        source=_source(entry) if "source" in entry.table else None,
        extras=normal(entry.strings("extra") or entry.strings("extras")),
        marker=entry.marker(),
    )


def _grouped(entry: Entry, key: str) -> dict[str, tuple[Dependency, ...]]:
    return {canonicalize_name(name): _dependencies(values) for name, values in entry.lists(key).items()}


def _markers(entry: Entry, key: str) -> tuple[Marker, ...]:
    return tuple(entry.read_marker(text) for text in entry.strings(key))


def _beside(pyproject: str, lock: Path) -> tuple[str | None, tuple[str, ...] | None]:
    """Read the project's name and `[tool.uv] default-groups`."""
    path = lock.with_name("pyproject.toml")
    try:
        top = Entry(load_toml(pyproject, path), path)
        name = Entry(top.get("project", dict) or {}, path).get("name", str)
        uv = Entry(Entry(top.get("tool", dict) or {}, path).get("uv", dict) or {}, path)
        project = None if name is None else canonicalize_name(name)
        return project, default_groups(uv)
    except LockError as error:
        raise ConfigError(error.what, where=error.where) from error


def default_groups(entry: Entry) -> tuple[str, ...] | None:
    """Read `default-groups` of a `[tool.uv]` or an entry: None if not said, `("*",)` for "all"."""
    if entry.table.get("default-groups") == "all":
        return ("*",)
    return normal(entry.strings("default-groups")) if "default-groups" in entry.table else None
