"""Wheels (binary distribution format 1.0): four names that agree, a RECORD that lists exactly the members.

Steps, in this order: 1 layout (`zips`); 2 one `.dist-info`, called like the file; 3 METADATA; 4 WHEEL
and tags; 5 every member is read and hashed; 6 RECORD; 7 where each member would land; 8 commands.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.metadata
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import TYPE_CHECKING

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from openvet_install.archive import limits
from openvet_install.archive.contents import ArchiveError, Contents, shown
from openvet_install.archive.foreign import (
    METADATA_FOLDERS,
    METADATA_TEXT,
    SCHEMES,
    Scheme,
    foreign_command,
    foreign_place,
)
from openvet_install.archive.metadata import read_identity, same_version
from openvet_install.archive.paths import place
from openvet_install.archive.record import check_record
from openvet_install.archive.zips import StrictZip

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path
    from typing import NoReturn

    from packaging.tags import Tag

    from openvet_install.archive.zips import Entry

_INSTALLERS_OWN = frozenset({"direct_url.json", "uv_cache.json", "uv_build.json", "installer", "requested"})
_COMMAND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+ -]*", re.ASCII)
_TARGET = re.compile(r"([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_][\w.]*)\s*(?:\[[^\]]*\])?")
AT_ONCE = 4
_PLACEHOLDER = b"#!python"
_LOOSE = re.compile(r"[\s\[\]]")
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")


def open_wheel(path: Path, name: str, version: str, tags: frozenset[Tag]) -> Contents:
    """Read a wheel whose file name says `name`, `version` (normalised) and `tags`. Raises `ArchiveError`."""
    with StrictZip(path) as archive:  # 1
        files = {entry.name: entry for entry in archive.entries if not entry.folder}
        _check_total(archive.entries, path.stat().st_size)
        info = _dist_info(archive.entries, name, version)  # 2
        metadata = _text(archive, files, f"{info}/METADATA", limits.METADATA_BYTES)
        requires = read_identity(metadata, f"{info}/METADATA", name=name, version=version)  # 3
        texts = {
            name: _text(archive, files, f"{info}/{name}", limits.TEXT_BYTES)
            for name in ("WHEEL", "entry_points.txt")
            if name == "WHEEL" or f"{info}/{name}" in files
        }
        _check_wheel(texts["WHEEL"], f"{info}/WHEEL", tags)  # 4
        record = _text(archive, files, f"{info}/RECORD", limits.RECORD_BYTES)
        members: dict[str, str] = {}
        tails: dict[str, str] = {}
        scripts_folder = f"{info.removesuffix('.dist-info')}.data/scripts/"
        found = _hashes(archive, files.values(), scripts_folder)  # 5
        for member, (digest, tail) in zip(files, found, strict=True):
            members[member] = digest
            if tail is not None:
                tails[member] = tail
        check_record(record, info, archive, files, members)  # 6
        empty = _empty_folders(archive.entries)
        places = _places(files, info, name)  # 7
        _check_folders(empty, info)
        scripts = _scripts(texts.get("entry_points.txt"), f"{info}/entry_points.txt", name, places)  # 8
    return Contents(
        kind="wheel",
        name=name,
        version=version,
        members=members,
        metadata=metadata,
        requires=requires,
        scripts=scripts,
        script_tails=tails,
        tags=frozenset(str(tag) for tag in tags),
        pth=tuple(sorted(m for (scheme, at), m in places.items() if scheme == "site" and _is_pth(at))),
        executable=frozenset(entry.name for entry in files.values() if entry.executable),
        empty_folders=empty,
        texts=texts,
        unpacked_bytes=sum(entry.size for entry in files.values()),
    )


def _check_total(entries: Iterable[Entry], packed: int) -> None:
    total = sum(entry.size for entry in entries)
    if total > limits.unpacked_limit(packed):
        raise ArchiveError(f"it says that it unpacks to {total:,} bytes, far more than its size allows")


def _dist_info(entries: Iterable[Entry], name: str, version: str) -> str:
    tops = {entry.name.split("/", 1)[0] for entry in entries}
    found = sorted(top for top in tops if top.casefold().endswith(".dist-info"))
    if len(found) != 1:
        names = ", ".join(map(shown, found)) or "none"
        raise ArchiveError(f"it needs exactly one `.dist-info` folder and has: {names}")
    given_name, _, given_version = found[0].removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(given_name) != name or not same_version(given_version, version):
        raise ArchiveError(f"its folder {shown(found[0])} is not of `{name}` {version}, which the file name says")
    return found[0]


def _text(archive: StrictZip, files: dict[str, Entry], member: str, limit: int) -> bytes:
    entry = files.get(member)
    if entry is None:
        raise ArchiveError(f"it has no {shown(member)}")
    if entry.size > limit:
        raise ArchiveError(f"{shown(member)} is larger than {limit:,} bytes")
    return b"".join(archive.chunks(entry))


def _check_wheel(raw: bytes, what: str, tags: frozenset[Tag]) -> None:
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError as error:
        raise ArchiveError(f"{shown(what)} is not UTF-8") from error
    parts = (line.partition(":") for line in lines)
    fields = [(key.strip().lower(), value.strip()) for key, colon, value in parts if colon]
    versions = [value for key, value in fields if key == "wheel-version"]
    if len(set(versions)) != 1 or re.fullmatch(r"1\.[0-9]+", versions[0], re.ASCII) is None:
        raise ArchiveError(f"{shown(what)} does not say `Wheel-Version: 1.0`, or says two of them")
    pure = [value for key, value in fields if key == "root-is-purelib"]
    if len(set(pure)) != 1 or pure[0].lower() not in {"true", "false"}:
        raise ArchiveError(f"{shown(what)} does not say `Root-Is-Purelib`, or says two of them")
    values = [value for key, value in fields if key == "tag"]
    if sum(math.prod(part.count(".") + 1 for part in value.split("-")) for value in values) > limits.TAGS:
        raise ArchiveError(f"{shown(what)} has more than {limits.TAGS:,} tags")
    try:
        given = frozenset(tag for value in values for tag in parse_tag(value))
    except ValueError as error:
        raise ArchiveError(f"{shown(what)} has a tag that is none") from error
    # the platform may differ: real wheels are renamed from `linux` or `any` to the platform they are for
    if {(tag.interpreter, tag.abi) for tag in given} != {(tag.interpreter, tag.abi) for tag in tags}:
        said = ", ".join(sorted(map(str, given))) or "none"
        raise ArchiveError(f"{shown(what)} is for other Pythons than the file name says: {shown(said)}")


def _hashes(archive: StrictZip, entries: Collection[Entry], scripts_folder: str) -> Iterable[tuple[str, str | None]]:
    """Hash all members, in their order; of large archives several at a time. The first that is wrong is told."""

    def one(entry: Entry) -> tuple[str, str | None]:
        return _hash(archive, entry, script=entry.name.startswith(scripts_folder))

    if sum(entry.size for entry in entries) < limits.SEVERAL_FROM_BYTES:
        return map(one, entries)
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        found = [pool.submit(one, entry) for entry in entries]
        try:
            return [each.result() for each in found]
        finally:
            pool.shutdown(cancel_futures=True)


def _hash(archive: StrictZip, entry: Entry, *, script: bool) -> tuple[str, str | None]:
    """Return the sha256 of a member and, for a script with a placeholder, of all after its first line."""
    whole, tail = hashlib.sha256(), None
    for chunk in archive.chunks(entry):
        whole.update(chunk)
        if tail is not None:
            tail.update(chunk)
        elif script and chunk.startswith(_PLACEHOLDER):
            tail = hashlib.sha256(chunk.partition(b"\n")[2])
        script = False
    return whole.hexdigest(), tail.hexdigest() if tail is not None else None


def _places(files: dict[str, Entry], info: str, project: str) -> dict[tuple[Scheme, str], str]:
    """Return (scheme, installed path) -> member; two members may not land in one place."""
    data = f"{info.removesuffix('.dist-info')}.data"
    places: dict[tuple[Scheme, str], str] = {}
    folded: dict[tuple[Scheme, str], str] = {}
    for member in files:
        scheme, at = _landing(member, data)
        if (other := folded.setdefault((scheme, place(at)), member)) != member:
            raise ArchiveError(f"{shown(other)} and {shown(member)} would be installed in one place")
        if (wrong := foreign_place(scheme, at, project)) is not None:
            raise ArchiveError(f"the entry {shown(member)} {wrong}")
        top, _, rest = at.partition("/")
        # with `--target` the two are one folder
        is_metadata = scheme in {"site", "data"} and top.casefold().endswith(METADATA_FOLDERS)
        if is_metadata and (scheme, top) != ("site", info):
            raise ArchiveError(f"the entry {shown(member)} {METADATA_TEXT}")
        if scheme == "site" and top == info and rest.casefold() in _INSTALLERS_OWN:
            raise ArchiveError(f"the entry {shown(member)} is for installers to write")
        places[scheme, at] = member
    return places


def _empty_folders(entries: Iterable[Entry]) -> frozenset[str]:
    entries = list(entries)
    parents = {
        parent for entry in entries if not entry.folder for parent in accumulate(entry.name.split("/")[:-1], _joined)
    }
    return frozenset(entry.name for entry in entries if entry.folder) - parents


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}"


def _check_folders(empty: Iterable[str], info: str) -> None:
    """Refuse a folder without files that says that another project is installed."""
    for folder in sorted(empty):
        top, *below = folder.casefold().split("/")
        named = [top, *below] if top.endswith(".data") else [top]
        if not folder.startswith(f"{info}/") and any(one.endswith(METADATA_FOLDERS) for one in named):
            raise ArchiveError(f"the folder {shown(folder)} {METADATA_TEXT}")


def _landing(member: str, data: str) -> tuple[Scheme, str]:
    top, _, rest = member.partition("/")
    if not top.casefold().endswith(".data"):
        return "site", member
    if top != data:
        raise ArchiveError(f"the entry {shown(member)} is in a `.data` folder that is not called {shown(data)}")
    scheme, _, at = rest.partition("/")
    if scheme not in SCHEMES or not at:
        raise ArchiveError(f"the entry {shown(member)} is in no known folder of `.data`")
    if scheme == "scripts":
        return "scripts", at
    return ("headers" if scheme == "headers" else "data" if scheme == "data" else "site"), at


def _is_pth(path: str) -> bool:
    return "/" not in path and path.casefold().endswith((".pth", ".start"))


class _Said(importlib.metadata.Distribution):
    """A distribution that has nothing but entry points."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "entry_points.txt" else None

    def locate_file(self, path: object) -> NoReturn:
        raise NotImplementedError(path)


def _as_installers(raw: bytes, member: str) -> set[tuple[str, str, str]]:
    """Return (group, command, target) as the standard library reads them, by which pip writes commands.

    For Python 3.10 pip has a reader that is less exact about headings; what is one for it alone is refused.
    """
    text = raw.decode()
    for line in filter(None, map(str.strip, text.splitlines())):
        if line[0] == "[" and (group := _LOOSE.sub("", line)) in _SCRIPT_GROUPS and line != f"[{group}]":
            raise ArchiveError(f"{shown(member)} can be read in two ways")
    try:
        found = _Said(text).entry_points
    except Exception as error:  # it says nothing of what it raises
        raise ArchiveError(f"{shown(member)} cannot be read without doubt") from error
    return {(one.group, one.name, one.value) for one in found if one.group in _SCRIPT_GROUPS}


def _groups(raw: bytes, member: str, *, default: str) -> dict[str, list[tuple[str, str]]]:
    """Read the groups of commands; into each, uv takes what stands in the section that INI files call `default`."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True, default_section=default)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(raw.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ArchiveError(f"{shown(member)} cannot be read without doubt") from error
    return {section: parser.items(section) for section in _SCRIPT_GROUPS if parser.has_section(section)}


def _scripts(raw: bytes | None, member: str, project: str, places: dict[tuple[Scheme, str], str]) -> dict[str, str]:
    if raw is None:
        return {}
    said = _groups(raw, member, default="")
    if {(section, *item) for section, items in said.items() for item in items} != _as_installers(raw, member):
        raise ArchiveError(f"{shown(member)} can be read in two ways")
    if said != _groups(raw, member, default=configparser.DEFAULTSECT):
        raise ArchiveError(f"{shown(member)} has commands outside of the groups of commands, which few readers see")
    scripts: dict[str, str] = {}
    for items in said.values():
        for command, target in items:
            match = _TARGET.fullmatch(target.strip())
            if _COMMAND.fullmatch(command) is None or match is None:
                raise ArchiveError(f"{shown(member)} has a command that is not a plain one: {shown(command)}")
            if foreign_command(command, project):
                raise ArchiveError(
                    f"the command {shown(command)} in {shown(member)} takes the name of an interpreter or installer"
                )
            if command in scripts or ("scripts", command) in places:
                raise ArchiveError(f"two scripts are called {shown(command)}")
            scripts[command] = f"{match[1]}:{match[2]}"
    return scripts
