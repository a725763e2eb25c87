"""What `uv pip compile` reads: each file once, its copy for the tool, and what it asks for (threats T03, T05)."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH112, PTH207, PTH113, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.errors import DirectReferenceError, UsageError
from openvet_install.installers import disk, scripts, toml, uv_config
from openvet_install.installers.commands import REQUIREMENTS, Line, Nested, Requested, requested_of
from openvet_install.installers.groups import group_in
from openvet_install.installers.lines import pins_in
from openvet_install.installers.mirror import ROOT_MARK, Mirror, Mirrored, check_depth
from openvet_install.installers.projects import (
    PROJECT_FILES,
    PYPROJECT,
    names_address,
    pyproject,
    refuse_sources,
    says_its_needs,
    strings_of,
    table_of,
)
from openvet_install.installers.requirements import MAX_FILE_BYTES, Reader, is_http, names_script
from openvet_install.installers.sources import Source, local_path, shown
from openvet_install.installers.toml_copy import without_build
from openvet_install.installers.uv_sources import Member, place_of, ways_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.installers.commands import Index, Input, Part
    from openvet_install.installers.projects import Project

_FETCHED = "/openvet-fetched"
_MAX_OUTPUT = 64 * 1024 * 1024
_ABSOLUTE = re.compile(r"(?:^|[\s@])(?:file:(?://(?:localhost)?)?)?$", re.IGNORECASE)
"""What may stand in front of an absolute path."""
_ROOTED = re.compile(r"(?:^|[\s@])/")


class Inputs:
    """The files of one command; `requested` are what projects and scripts ask for, `inputs` files of requirements.

    `indexes` are those that projects name, `folders` those that were named, absolute, and `spelled` how sources name
    them; `archives` are those of this machine, and `built` the folders that must be.
    """

    def __init__(
        self, reader: Reader, texts: Mapping[str, str], *, sources: bool, extras: frozenset[str] | None
    ) -> None:
        """Read nothing yet; `texts` are files that were read and judged before, by absolute path.

        `sources`: `tool.uv.sources` count; `extras`: those that are asked for, None for all.
        """
        self._reader, self._sources, self._extras = reader, sources, extras
        self._raw = {path: text.encode() for path, text in texts.items()}
        self._files = dict(self._raw)
        self._called: dict[str, str] = {}
        self.folders: set[str] = set()
        self.spelled: set[str] = set()
        self.archives: set[str] = set()
        self.built: list[Member] = []
        self._read: dict[str, dict[str, Any]] = {}
        self._workspaces: dict[str, dict[str, str]] = {}
        self._stdin = b""
        self.requested: list[Requested] = []
        self.inputs: list[Input] = []
        self.indexes: list[Index] = []

    def read(self, typed: Sequence[str], kind: str, flag: str = "") -> list[Mirrored]:
        """Read files of a kind and return them as words, each behind `flag`.

        Raises `UsageError` for what is not understood, `DirectReferenceError` for archives and version control.
        """
        listed = []
        typed = self._reader.named(typed, kind)
        for value in typed:
            if kind == REQUIREMENTS and os.path.basename(value) in PROJECT_FILES:
                self._project(value)
            elif kind == REQUIREMENTS and names_script(value):
                self._script(value)
            else:
                listed.append(value)
        for source in self._reader.read(listed, kind):
            _check(source)
            self.inputs.append(replace(source, lines=tuple(map(_mirrored, source.lines))))
            for part in source.parts:
                self._part(part)
        return [Mirrored(flag, self._place(one) if is_http(one) else local_path(one)) for one in typed]

    def groups(self, values: Sequence[str], project: str | None = None) -> tuple[Requested, ...]:
        """Return what groups ask for, `NAME` (of the folder `project`) or `PATH:NAME`. Raises `UsageError`."""
        found: list[Requested] = []
        for value in values:
            path = value.rpartition(":")[0] or os.path.join(project or "", PYPROJECT)
            if os.path.basename(path) != PYPROJECT:
                raise UsageError(f"`--group {value}`: the file must be a {PYPROJECT}")
            text = self._toml(path)
            if self._sources:
                self._files[self._place(path)] = without_build(self._lead(text, os.path.dirname(self._place(path))))
            found += group_in(text, value, path, f"{path}, group {value.rpartition(':')[2]}")
        return tuple(found)

    def output(self, typed: str) -> dict[str, frozenset[str]]:
        """Read the file that is written again, for its versions; one that cannot be read has none.

        Raises `UsageError` for a folder.
        """
        path = self._place(typed)
        if not typed or os.path.isdir(path):
            raise UsageError(f"`--output-file {typed}`: a folder is no file")
        raw = disk.read(os.path.realpath(path), _MAX_OUTPUT)
        if raw is None:
            return {}
        text = raw.decode(errors="replace")
        if path.endswith(".toml"):
            self._files.setdefault(path, raw)
            return _pinned(_packages(text))
        pins = list(pins_in(text))
        # without their hashes: uv would write them again, whosever they are
        self._files.setdefault(path, "".join(f"{one}\n" for one in pins).encode())
        return _pinned((one.name, specifier.version) for one in pins for specifier in one.specifier)

    def mirror(self, output: str | None, built: Sequence[Project] = ()) -> Mirror:
        """Return the copies of all that was read, with the place of the output and the folders that are built."""
        outputs = (self._place(output),) if output is not None else ()
        whole = [os.path.join(one.path, PYPROJECT) for one in self.built]  # who builds it reads all of it
        files = self._files | {path: self._raw[path] for path in whole if path in self._raw}
        return Mirror(self._reader.cwd, files, self._stdin, outputs, self._called, tuple(one.path for one in built))

    def _place(self, path: str) -> str:
        """Say where the copy of a file lies below the mirror's root."""
        if not is_http(path):
            check_depth(local_path(path), self._reader.cwd)
            return os.path.abspath(os.path.join(self._reader.cwd, local_path(path)))
        known = {url: place for place, url in self._called.items()}
        place = known.get(path, f"{_FETCHED}/{len(known)}/{os.path.basename(path) or 'file'}")
        self._called[place] = path
        return place

    def _part(self, part: Part) -> None:
        lines = [
            self._nested(one, part.path)
            if isinstance(one, Nested)
            else self._named(one, part.path)
            if isinstance(one, Line)
            else one
            for one in part.lines
        ]
        raw = "".join(f"{line}\n" for line in lines).encode()
        if part.path == "-":
            self._stdin = raw
        else:
            self._files[self._place(part.path)] = raw

    def _nested(self, nested: Nested, inside: str) -> str:
        if re.search(r"\s", nested.path):
            raise UsageError(f"`{nested.flag} {nested.written}`: a name with a space is not gated here", where=inside)
        relative = not os.path.isabs(nested.written) and not any(":" in one[:6] for one in (nested.written, inside))
        if relative:
            check_depth(nested.written, os.path.dirname(self._place(inside)))
        return f"{nested.flag} {nested.written if relative else ROOT_MARK + self._place(nested.path)}"

    def _named(self, line: Line, inside: str) -> str:
        """Return a line that names a folder or archive as the copy has it, and take the copy of the folder's file."""
        path, written = line.named.path or "", line.text
        head, found, tail = written.partition(path)
        if found and _ABSOLUTE.search(head):
            written = f"{head}{ROOT_MARK}{path}{tail}"
        elif "file:" in written.lower() or _ROOTED.search(written):
            raise UsageError(f"`{shown(written)}`: name it by its path, as it is", where=inside)
        else:
            for one in re.split(r"[\s@]+", written):
                check_depth(one, self._reader.cwd)
        if isinstance(line.named, Source):
            self.archives.add(path)
        else:
            self._named_folder(line.named)
        return written

    def _named_folder(self, named: Project) -> None:
        """Take a folder that a file of requirements names; one that does not say what it needs is built to be read."""
        text = self._pyproject(named.path)
        project = table_of(text, "project")
        if isinstance(project.get("version"), str) and not project.get("dynamic") and says_its_needs(text):
            self._folder(named.path, named.origin, named.extras)
        else:
            self.folders.add(named.path)
            self.built.append(Member(named.path, named.editable, named.extras, named.origin))

    def _folder(self, folder: str, origin: str, extras: str = "") -> None:
        """Take a folder that says by itself what it needs: uv reads that, and has nothing to build."""
        path = os.path.join(folder, PYPROJECT)
        if folder in self.folders:
            return
        self.folders.add(folder)
        if not os.path.isfile(path):
            raise UsageError(f"`{folder}` has no {PYPROJECT}: it would be built, which is not gated here", where=origin)
        text = self._toml(path)
        project = table_of(text, "project")
        if not isinstance(project.get("version"), str) or project.get("dynamic"):
            raise _would_be_built(path)
        names = re.split(r"[\[\],\s]+", extras)
        self._static(text, path, frozenset(str(canonicalize_name(one)) for one in names))

    def _lead(self, text: Mapping[str, Any], folder: str) -> Mapping[str, Any]:
        """Follow `tool.uv.sources` to folders, and return the file with these where the copies lie.

        Raises `UsageError` for everything else that is no index.
        """
        path = os.path.join(folder, PYPROJECT)
        uv = table_of(table_of(text, "tool"), "uv")
        own = table_of(uv, "sources")
        listed = [one for entries in own.values() for one in (entries if isinstance(entries, list) else [entries])]
        self._around(folder, asked=any(isinstance(one, dict) and "workspace" in one for one in listed))
        self.indexes += uv_config.of_project(folder).indexes
        members = self._members(uv, folder)
        copied: dict[str, Any] = {}
        for name, entries in own.items():
            listed = entries if isinstance(entries, list) else [entries]
            copied[name] = list(map(_in_mirror, listed))
            for entry in listed:
                ways = ways_out(entry)
                place = place_of(folder, entry) if ways == {"path"} else ""
                check_depth(str(entry["path"]) if place else "", folder)
                if not ways and entry.get("workspace"):
                    place = members.get(str(canonicalize_name(name)), "")
                if place and os.path.isdir(place):
                    self._folder(place, path)
                    self.spelled.add(str(entry.get("path", "")))
                elif ways or entry.get("workspace"):
                    raise UsageError(f"`tool.uv.sources`: `{name}` is not gated here", where=path, hint="--no-sources")
        return {**text, "tool": {"uv": {**uv, "sources": copied}}} if copied else text

    def _members(self, uv: Mapping[str, Any], folder: str) -> Mapping[str, str]:
        """Return the folders of the workspace that a folder is the root of, or a member of one that was read, by name.

        What is copied of them is read anew: a member that nothing leads to has no copy, and uv finds none.
        """
        known = next((members for members in self._workspaces.values() if folder in members.values()), {})
        if "workspace" not in uv or known:
            return known
        found: dict[str, str] = {}
        for pattern in strings_of(table_of(uv, "workspace").get("members")):
            check_depth(pattern, folder)
            if os.path.isabs(pattern):
                raise UsageError(f"`{shown(pattern)}`: members by an absolute path are not gated here", where=folder)
            for place in sorted(glob.glob(os.path.join(glob.escape(folder), pattern))):
                text = pyproject(os.path.join(place, PYPROJECT), os.path.join(folder, PYPROJECT))
                name = str(canonicalize_name(str(table_of(text, "project").get("name"))))
                found.setdefault(name, os.path.abspath(place))
        self._workspaces[folder] = found
        return found

    def _around(self, folder: str, *, asked: bool) -> None:
        """Follow the sources of workspaces around a folder, one that is `asked` for its members without any, too."""
        as_named = list(Path(folder).parents)
        for above in dict.fromkeys((*as_named, *Path(os.path.realpath(folder)).parents)):
            path = str(above / PYPROJECT)
            around = pyproject(path, os.path.join(folder, PYPROJECT))
            uv = table_of(table_of(around, "tool"), "uv")
            if "workspace" not in uv or str(above) in self._workspaces:
                continue
            if above not in as_named:
                refuse_sources(around, path)  # the mirror has nothing of where a link leads
            elif asked or "sources" in uv:
                self._files[path] = without_build(self._lead(self._toml(path), str(above)))

    def _bytes(self, path: str) -> bytes:
        """Read a file once; what is read again is the same copy."""
        place = self._place(path)
        if place not in self._raw:
            try:
                with Path(place).open("rb") as stream:
                    raw = stream.read(MAX_FILE_BYTES + 1)
            except OSError as error:
                raise UsageError(f"cannot read `{shown(path)}`: {error.strerror}") from error
            if len(raw) > MAX_FILE_BYTES:
                raise UsageError(f"`{shown(path)}` is larger than {MAX_FILE_BYTES} bytes")
            self._raw[place] = self._files[place] = raw
        return self._raw[place]

    def _toml(self, path: str) -> dict[str, Any]:
        if is_http(path):
            raise UsageError(f"`{shown(path)}`: a project by URL is refused", hint="fetch it, and look at it")
        place = self._place(path)
        try:
            if place not in self._read:
                self._read[place] = toml.loads(self._bytes(path).decode())
            return self._read[place]
        except (ValueError, RecursionError) as error:
            raise UsageError(f"cannot read `{path}`: {error}", where=path) from error

    def _project(self, path: str) -> None:
        """Take the file of a project for what it says; one that does not say what it needs is built to be read."""
        if is_http(path):
            raise UsageError(f"`{shown(path)}`: a project by URL is refused", hint="fetch it, and look at it")
        self._bytes(path)
        folder = os.path.dirname(self._place(path))
        text = self._pyproject(folder)
        if os.path.basename(path) == PYPROJECT and says_its_needs(text):
            self._static(text, path, self._extras)
            return
        optional = table_of(table_of(text, "project"), "optional-dependencies")
        extras = ",".join(optional if self._extras is None else sorted(self._extras))
        self.built.append(Member(folder, editable=False, extras=f"[{extras}]", origin=path))

    def _pyproject(self, folder: str) -> dict[str, Any]:
        path = os.path.join(folder, PYPROJECT)
        return self._toml(path) if os.path.isfile(path) else {}

    def _static(self, text: Mapping[str, Any], path: str, extras: frozenset[str] | None) -> None:
        """Take a project for what its file says; `extras` are those that are asked for, None for all."""
        project = table_of(text, "project")
        if not says_its_needs(text):
            raise _would_be_built(path)
        # of a requirement that uv cannot read it would ask the backend
        led = self._lead(text, os.path.dirname(self._place(path))) if self._sources else text
        self._files[self._place(path)] = without_build(led)
        optional = {
            str(canonicalize_name(name)): strings_of(lines)
            for name, lines in table_of(project, "optional-dependencies").items()
        }
        wanted = optional if extras is None else extras
        lists = [(True, strings_of(project.get("dependencies")))]
        lists += [(name in wanted, lines) for name, lines in optional.items()]
        for asked, lines in lists:
            for line in lines:
                if names_address(line):
                    raise _direct(line, path)
                with suppress(InvalidRequirement, RecursionError):  # the tool's to complain about
                    self.requested += [Requested(Requirement(line), path)] if asked else []

    def _script(self, path: str) -> None:
        if is_http(path):
            raise UsageError(f"`{shown(path)}`: a script by URL is refused", hint="fetch it, and look at it")
        script = scripts.read_script(self._bytes(path), path)
        self._files[self._place(path)] = b"" if script is None else script.block.encode()
        self.requested += () if script is None else script.requirements


def _in_mirror(entry: Any) -> Any:
    """Return an entry of sources as the copy has it: an absolute path would lead out of the mirror."""
    path = entry.get("path") if isinstance(entry, dict) else None
    return {**entry, "path": ROOT_MARK + path} if isinstance(path, str) and os.path.isabs(path) else entry


def _would_be_built(path: str) -> UsageError:
    return UsageError(
        f"`{path}` does not say by itself what the project needs: it would be built, which is not gated here",
        hint="a list of `dependencies`, and a `version`, in its [project] table",
    )


def _check(source: Input) -> None:
    """Raise for what a compiled file could not name."""
    for one in requested_of([source], source.kind):
        if one.source is not None and (one.source.path is None or source.kind != REQUIREMENTS):
            raise _direct(one.source.filename, one.origin)


def _mirrored(line: Requested | str) -> Requested | str:
    """Return a line whose archive, once it is judged, lies in the mirror."""
    if isinstance(line, str) or line.source is None:
        return line
    return line._replace(source=replace(line.source, mirrored=True))


def _direct(text: str, where: str) -> DirectReferenceError:
    return DirectReferenceError(
        f"`{shown(text)}`: a direct reference is not compiled (direct-reference): no index lists it",
        where=where,
        hint="take a release from an index",
    )


def _packages(text: str) -> list[tuple[str, str]]:
    try:
        listed = toml.loads(text).get("packages")
    except (ValueError, RecursionError):
        return []
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [(str(one.get("name")), str(one.get("version"))) for one in found]


def _pinned(releases: Any) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, version in releases:
        with suppress(ValueError):
            found[str(canonicalize_name(name))].add(str(Version(version)))
    return {name: frozenset(versions) for name, versions in found.items()}
