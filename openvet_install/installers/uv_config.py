"""Everything that uv would read as configuration, judged before uv starts (T07, T10, T11, T15).

uv reads these files again by itself: nothing is rewritten, so what it may not say stops the run with file, line and
key. Where uv's search for a project could end in one of several folders, all of them are judged.
"""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from openvet_install.errors import ConfigError, FaultsError, InstallError, UsageError
from openvet_install.installers import closed, uv_build_needs, uv_config_copy, uv_isolation, uv_keys, uv_places
from openvet_install.installers.commands import Index, http_url, login_of
from openvet_install.installers.projects import names_address
from openvet_install.installers.sources import Links, read_links, refused_direct
from openvet_install.installers.tokens import JUDGE, LATER, NEVER, UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_PLACES = ("index", "index-url", "extra-index-url", "find-links")
_FORMATS = ("no-build", "no-build-package", "no-binary", "no-binary-package")
_SELECTING = ("no-binary", "exclude-newer", "require-hashes")
_LEADS = re.compile(
    r"[^\w\s.+,:;=-]|[;,][\s-]|;.*\s|\s.*;"
    r"|launch|wrapper|plugin|specs|_compil|_linker|executable|program|command|emulator|_rule|create_|_archive_"
    r"|cppcheck|cpplint|_tidy|_what_you_use|use-ld|ccbin|bindir|toolchain|rustc|runner|--eval",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
"""In what a build is told: what is more than words, and what names a place on this machine, a program, or commands."""
_BUILDS = ("extra-build-variables", "config-settings", "config-settings-package")
_BY_PACKAGE = ("extra-build-variables", "config-settings-package")
_OF_USERS = "it may stand in a uv.toml of yours, or of the machine"
_WAYS_OUT = {
    "proxy": "a proxy of yours belongs in HTTPS_PROXY: the gateway uses it",
    "host": "a host of yours belongs in UV_INSECURE_HOST: the gateway heeds it",
}


class UvConfig(NamedTuple):
    """What the files say: `files` that were read, `indexes` in their order, whether indexes are switched off.

    `system_certs`: the user's or the machine's file asks for the system's trust store (for the way out only).
    `selects`: some key says which files of a release to take, `formats` what the keys about wheels and sdists say, as
    options and their values. `pip`: the table of that name, each key from the file
    that is nearest. `texts`: the files of the project by path, as they were judged, those too that say nothing.
    `links`: the pages and folders of `find-links`, `pip_links` those that count for `uv pip` alone. `torch`: a backend
    of PyTorch is named. `unisolated`: what is built without isolation, `build_needs` what builds
    need more than they say themselves.
    """

    files: tuple[str, ...]
    indexes: tuple[Index, ...]
    no_index: bool = False
    system_certs: bool = False
    selects: bool = False
    formats: tuple[tuple[str, str], ...] = ()
    pip: Mapping[str, Any] = MappingProxyType({})
    texts: Mapping[str, str] = MappingProxyType({})
    links: tuple[Links, ...] = ()
    pip_links: tuple[Links, ...] = ()
    torch: bool = False
    unisolated: tuple[uv_isolation.Unisolated, ...] = ()
    build_needs: tuple[uv_build_needs.BuildNeeds, ...] = ()


@dataclass(slots=True)
class _Reader:
    path: str
    text: str
    project: bool
    top: str
    faults: list[InstallError]
    indexes: list[Index]
    no_index: bool = False
    system_certs: bool = False
    selects: bool = False
    formats: list[tuple[str, str]] = field(default_factory=list)
    torch: bool = False
    pip: Mapping[str, Any] = field(default_factory=dict)
    links: list[Links] = field(default_factory=list)
    pip_links: list[Links] = field(default_factory=list)
    unisolated: list[uv_isolation.Unisolated] = field(default_factory=list)
    build_needs: list[uv_build_needs.BuildNeeds] = field(default_factory=list)
    table: Mapping[str, Any] = field(default_factory=dict)
    folders: bool = False

    def judge(self, table: Mapping[str, Any]) -> None:
        self._table(table, uv_keys.TOP, ())
        try:
            self.build_needs += uv_build_needs.said(table, self._where((uv_build_needs.KEY,)))
        except ConfigError as fault:
            self.faults.append(fault)

    def look(self, table: Mapping[str, Any]) -> None:
        """Judge what names a way out, and nothing else."""
        never = {key: column for key, column in uv_keys.TOP.items() if column == NEVER}
        ways = {key: table[key] for key in table if key in never or key in ("index", "index-url", "extra-index-url")}
        self._table(ways, {**dict.fromkeys(ways, JUDGE), **never}, ())

    def _table(self, table: Mapping[str, Any], columns: Mapping[str, str], above: tuple[str, ...]) -> None:
        for key, value in table.items():
            column = columns.get(key)
            self.selects = self.selects or key.startswith(_SELECTING)
            if key in _FORMATS and not above:
                self.formats.append((key, " ".join(map(str, value)) if isinstance(value, list) else str(value)))
            self.torch = self.torch or key == "torch-backend"
            if column is None:
                from difflib import get_close_matches  # noqa: PLC0415 - for an error only

                near = get_close_matches(key, columns, n=1)
                self.faults.append(
                    ConfigError(
                        f"unknown key `{key}`",
                        where=self._where((*above, key)),
                        hint=f"did you mean `{near[0]}`?" if near else None,
                    )
                )
            elif column == NEVER:
                hint = _WAYS_OUT.get(key.rpartition("-")[2])
                self._fault(key, above, "it would lead uv around the gateway", hint)
            elif column == LATER and value not in (False, [], ""):
                self._fault(key, above, "it is not gated yet")
            elif column == JUDGE:
                self._value(key, value, above)
            elif column == UPSTREAM and not self.project:
                self.system_certs = self.system_certs or value is True
            elif key == "no-index":
                self.no_index = self.no_index or value is True

    def _value(self, key: str, value: Any, above: tuple[str, ...]) -> None:
        entries = value if isinstance(value, list) else [value]
        if key == "pip" and isinstance(value, dict):
            self.pip = value
            self._table(value, uv_keys.PIP, ("pip",))
        elif key.startswith("preview"):
            self._preview(key, value, above)
        elif key == "verify-hashes" and value is not True:
            self._fault(key, above, "hashes are always compared")
        elif key in uv_isolation.KEYS:
            try:
                self.unisolated += uv_isolation.said(key, value, self._where((*above, key)), below_pip=bool(above))
            except ConfigError as fault:
                self.faults.append(fault)
        elif key in _PLACES:
            for entry in entries:
                self._place(key, entry, (*above, key))
        elif key in _BUILDS:
            self._builds(key, value, above)
        else:
            references = filter(_is_reference, _strings(value))
            self.faults += [refused_direct(text, self._where((*above, key))) for text in references]

    def _preview(self, key: str, value: Any, above: tuple[str, ...]) -> None:
        """Refuse features that change more than words; a list names them, `true` stands for all."""
        named = value if isinstance(value, list) else ["all of them"] if value else []
        if wrong := [str(one) for one in named if str(one) not in uv_keys.PREVIEW]:
            self._fault(
                key,
                above,
                f"`{wrong[0]}` could change what is resolved or installed, or where",
                'preview-features = ["pylock"]    and others that change nothing of it are taken',
            )

    def _builds(self, key: str, value: Any, above: tuple[str, ...]) -> None:
        """Refuse what steers builds, and what would lead the build of a package to something of the project."""
        for name in _names(value) if key == "extra-build-variables" else ():
            if _steers_builds(name, uv_keys.BUILD_VARIABLES_NEVER):
                self._fault(key, above, f"it sets `{name}` for builds")
            elif self.project and _steers_builds(name, uv_keys.BUILD_VARIABLES_OF_USERS):
                self._fault(key, above, f"it sets `{name}` for builds", _OF_USERS)
        told = value.values() if key in _BY_PACKAGE and isinstance(value, dict) else [value]
        texts = (text for one in told for text in (*_keys(one), *_strings(one)))
        for text in filter(_LEADS.search, texts if self.project else ()):
            self._fault(key, above, f"`{text}` would lead builds to something of the project", _OF_USERS)

    def _index(self, entry: Any, path: tuple[str, ...]) -> None:
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            self._fault(path[-1], path[:-1], "an index needs a `url`")
            return
        for key in entry.keys() - uv_keys.INDEX:
            reason = "approvals are judged anew in each run" if key == "cache-control" else "the key is unknown"
            self._fault(key, path, reason)
        url = http_url(entry["url"])
        place = (*path, "url") if path[-1] == "index" else path
        if url is None:
            self._fault(place[-1], place[:-1], "an index is an http or https URL")
            return
        name = entry.get("name")
        self.indexes.append(
            Index(
                url=url,
                origin=f"{self.path}:{self._line(place)}",
                name=name if isinstance(name, str) else None,
                default=entry.get("default") is True,
                explicit=entry.get("explicit") is True,
                login=login_of(entry["url"]),
            )
        )

    def _place(self, key: str, entry: Any, path: tuple[str, ...]) -> None:
        if key == "find-links":
            self._links(entry, path)
        else:
            self._index(entry if key == "index" else {"url": entry, "default": key == "index-url"}, path)

    def _links(self, place: Any, path: tuple[str, ...]) -> None:
        found = self.pip_links if path[0] == "pip" else self.links
        origin = f"{self.path}:{self._line(path)}"
        if isinstance(place, str) and http_url(place) is not None:
            found.append(Links(origin, url=place, told=True))
        elif isinstance(place, str) and self.folders and "://" not in place.replace("file://", ""):
            folder = os.path.dirname(os.path.abspath(self.path))
            try:
                (one,) = read_links([place], folder, origin)
            except UsageError as fault:
                self._fault(path[-1], path[:-1], fault.what)
            else:
                found.append(replace(one, config=uv_config_copy.without_links(self.table)))
        else:
            hint = f"--find-links {place}"
            self._fault(path[-1], path[:-1], "here it is gated for http and https pages only", hint)

    def _fault(self, key: str, above: tuple[str, ...], reason: str, hint: str | None = None) -> None:
        self.faults.append(ConfigError(f"`{key}` is refused: {reason}", where=self._where((*above, key)), hint=hint))

    def _where(self, path: tuple[str, ...]) -> str:
        dotted = ".".join((self.top, *path) if self.top else path)
        return f"{self.path}:{self._line(path)}, key `{dotted}`"

    def _line(self, path: tuple[str, ...]) -> int:
        """Find the key's line, for messages only: its own table first, else anywhere, else 1."""
        table = ".".join((self.top, *path[:-1]) if self.top else path[:-1])
        key = re.compile(rf"\s*(?:[\w\"'-]+\s*\.\s*)*[\"']?{re.escape(path[-1])}[\"']?\s*[=.]")
        inside = re.compile(rf"[\s{{,.\[\"'](?:{re.escape(path[-1])})[\"']?\s*[=\]]")
        current, loose = "", 0
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.lstrip().startswith("["):
                current = line.strip().strip("[]").replace('"', "").replace(" ", "")
                if current == f"{table}.{path[-1]}".lstrip("."):
                    return number
            elif current == table and key.match(line):
                return number
            loose = loose or (number if inside.search(f" {line}") else 0)
        return loose or 1


def read(
    start: str,
    environ: Mapping[str, str],
    *,
    config_file: str | None = None,
    no_config: bool = False,
    told: Callable[[], frozenset[str]] = frozenset,
    ways_only: bool = False,
) -> UvConfig:
    """Judge every file that uv would read from the project folder `start`, with `ways_only` for ways out alone.

    `config_file`: `--config-file` or UV_CONFIG_FILE, read instead of all others. `told` gets from uv which files it
    reads. Raises `ConfigError`, `DirectReferenceError`, or `FaultsError` of them: all faults of all files, each with
    file, line and key.
    """
    files = list(uv_places.files_of(start, environ, config_file=config_file, no_config=no_config))
    behind = list(uv_places.behind(start, config_file=config_file, no_config=no_config))
    read = told() if behind else frozenset()
    # a name that uv cannot say as it is counts as one that it has read
    if found := next((one for one in behind if os.path.realpath(one) in read or not one.isprintable()), None):
        nearer = (path for path, project in files if project and os.path.realpath(path) not in read)
        raise ConfigError(
            f"uv cannot read the `[tool.uv]` here, and goes by {found} in its place",
            where=next(nearer, None),
            hint="uv workspace dir    says what is wrong with it",
        )
    judge = _Reader.look if ways_only else _Reader.judge
    return _judged(files, judge, required=config_file, user=uv_places.of_user(environ), told=told)


def of_project(folder: str) -> UvConfig:
    """Judge what uv reads in a project's pyproject.toml whatever configuration it was told to use; raises as `read`."""
    faults: list[InstallError] = []
    reader, table = _open(os.path.join(folder, "pyproject.toml"), project=True, faults=faults, required=False)
    reader.judge({key: value for key, value in (table or {}).items() if key in uv_keys.PROJECT})
    return _told([reader], faults)


def detours(start: str, environ: Mapping[str, str]) -> UvConfig:
    """Judge only what would lead uv around the gateway, for commands that may never start uv; raises as `read`."""
    reach = uv_places.reach(start, environ)
    return _judged(reach.files, _Reader.look, required=reach.named, user=uv_places.of_user(environ))


def _judged(
    files: Iterable[tuple[str, bool]],
    judge: Callable[[_Reader, Mapping[str, Any]], None],
    *,
    required: str | None,
    user: str,
    told: Callable[[], frozenset[str]] = frozenset,
) -> UvConfig:
    faults: list[InstallError] = []
    readers: list[_Reader] = []
    texts: dict[str, str] = {}
    for path, project in files:
        try:
            reader, table = _open(path, project=project, faults=faults, required=path == required)
        except ConfigError as fault:
            faults.append(fault)
            continue
        if project:
            texts[os.path.abspath(path)] = reader.text
        if table is not None:
            reader.table, reader.folders = table, required is None
            judge(reader, table)
            readers.append(reader)
    counting = uv_config_copy.settle(readers, faults, user, told)
    return _told([one for one in readers if one.path in counting], faults)._replace(texts=texts)


def read_table(path: str, text: str, table: Mapping[str, Any], *, top: str = "tool.uv") -> UvConfig:
    """Judge the `[tool.uv]` of a script, whose metadata `text` is, or the options of a receipt. Errors: `read`."""
    faults: list[InstallError] = []
    reader = _Reader(path, text, project=True, top=top, faults=faults, indexes=[])
    reader.judge(table)
    faults += [one.fault for one in reader.unisolated]
    uv_build_needs.check(reader.build_needs, (), ())
    return _told([reader], faults)


def _told(readers: Sequence[_Reader], faults: list[InstallError]) -> UvConfig:
    if faults:
        raise faults[0] if len(faults) == 1 else FaultsError(faults)
    return UvConfig(
        files=tuple(reader.path for reader in readers),
        indexes=tuple(index for reader in readers for index in reader.indexes),
        no_index=any(reader.no_index for reader in readers),
        system_certs=any(reader.system_certs for reader in readers),
        selects=any(reader.selects for reader in readers),
        formats=tuple(one for reader in reversed(readers) for one in reader.formats),
        pip={key: value for reader in reversed(readers) for key, value in reader.pip.items()},
        links=tuple(one for reader in readers for one in reader.links),
        pip_links=tuple(one for reader in readers for one in reader.pip_links),
        torch=any(reader.torch for reader in readers),
        unisolated=tuple(one for reader in readers for one in reader.unisolated),
        build_needs=tuple(one for reader in readers for one in reader.build_needs),
    )


def _open(
    path: str, *, project: bool, faults: list[InstallError], required: bool
) -> tuple[_Reader, Mapping[str, Any] | None]:
    in_project = os.path.basename(path) == "pyproject.toml"
    reader = _Reader(path, "", project, "tool.uv" if in_project else "", faults, [])
    if not required and not os.path.lexists(path):
        return reader, None
    if not project and closed.is_closed(path):
        return reader, None
    reader.text, table = uv_places.parse(path)
    if in_project:
        tool = table.get("tool", {})
        found = tool.get("uv") if isinstance(tool, dict) else None
        return reader, found if isinstance(found, dict) else None
    return reader, table


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value


def _names(value: Any) -> Iterator[str]:
    """Yield the names set for any package: `{ package = { NAME = "value" } }`."""
    for variables in value.values() if isinstance(value, dict) else ():
        yield from variables if isinstance(variables, dict) else ()


def _steers_builds(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.upper(), pattern) for pattern in patterns)


def _is_reference(text: str) -> bool:
    return "://" in text or text.startswith(("file:", "git+")) or names_address(text)
