"""Archives and folders that people name beside index packages (T04): what was meant, and where its copy lies."""

# Paths stay strings, as the tools read and print them.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH117, PTH118, PTH119, PTH208

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from openvet_install.errors import DirectReferenceError, UsageError
from openvet_install.files import ARCHIVES, FilenameError, begins_address, filename_of, names_folder, parse_filename
from openvet_install.installers.mirror import check_depth, root, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_EXTRAS = re.compile(r"(.+)(\[[^\[\]/\\]+\])")
_NAMED = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*@\s*(\S.*)")
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")
_EGG = re.compile(r"(?:^|&)egg=([A-Za-z0-9._-]+)(?=&|$)")
_SHOWN = 100

WHY_NO_VCS = "version control as a source is refused (direct-reference): no audit can name what a repository holds"


@dataclass(frozen=True, slots=True)
class Source:
    """An archive that a person named: `path` (absolute) on this machine, or else the http(s) `url` as typed.

    `sha256` is what the person said that it has, lower-case hex. `mirrored`: the tool works in a mirror, and finds the
    copy of a file there. `meant`: how pip writes the place of a file down. A URL may hold a login: not in `repr()`.
    """

    filename: str
    path: str | None = None
    url: str = field(default="", repr=False)
    sha256: str | None = None
    mirrored: bool = False
    meant: str = field(default="", compare=False)

    def names(self, folder: Path) -> tuple[tuple[str, str], ...]:
        """Return the names of the private copy, each with that of the file of this machine."""
        copy = self.copy(folder)
        return ((copy.as_uri(), self.meant), (str(copy), self.path or ""))

    def copy(self, folder: Path) -> Path:
        """Say where the private copy lies in a run's folder."""
        if self.mirrored:
            return Path(f"{root(folder)}{self.path}")
        key = hashlib.sha256(os.fsencode(self.path or "")).hexdigest()[:16]
        return folder / "archives" / key / self.filename

    def address(self, folder: Path) -> str:
        """Return the URL that the tool gets, with the hash that the person gave."""
        if self.path is None:
            return self.url
        fragment = f"#sha256={self.sha256}" if self.sha256 else ""
        return self.copy(folder).as_uri() + fragment


class Archive(NamedTuple):
    """An archive of this machine as a bare word of the command."""

    source: Source

    def word(self, folder: Path) -> str:
        """Return the path of its private copy."""
        return str(self.source.copy(folder))


@dataclass(frozen=True, slots=True)
class Links:
    """`--find-links`: a folder (`path`, absolute), or the `url` of a page, as typed; `origin` says who named it.

    `typed` is what a folder was named by. `told`: it is no word of the command, as the tool reads it in a file.
    `mirrored`: the tool works in a mirror, and finds the copy of a folder there. `config`: uv's configuration names the
    folder, and this text, which does not, takes its place: that of all files, or of the one below `home`, the folder of
    the user's configurations.
    """

    origin: str
    path: str | None = None
    url: str = field(default="", repr=False)
    typed: str = ""
    told: bool = False
    mirrored: bool = False
    config: str | None = None
    home: str | None = None

    @property
    def absolute(self) -> bool:
        """Tell whether a folder was named by an absolute path: locks name it in the same way."""
        return os.path.isabs(local_path(self.typed))

    def copy(self, folder: Path) -> Path:
        """Say where the folder of released copies lies."""
        if self.mirrored:
            return Path(f"{root(folder)}{self.path}")
        key = hashlib.sha256(os.fsencode(self.path or "")).hexdigest()[:16]
        return folder / "links" / key

    def address(self, folder: Path) -> str:
        """Return what the tool gets."""
        if self.path is None:
            return self.url
        if not self.mirrored:
            return str(self.copy(folder))
        scheme = "file://" if self.typed[:5].lower() == "file:" else ""
        return f"{scheme}{self.copy(folder)}" if self.absolute else self.typed

    def names(self, folder: Path) -> tuple[tuple[str, str], ...]:
        """Return the names of the folder of copies, each with the one that people or the tool have for their own."""
        copy, own = self.copy(folder), self.path or ""
        exported = (f"--find-links {copy}\n", f"--find-links {self.typed}\n")
        return (exported, (f"{copy.as_uri()}/", f"{Path(own).as_uri()}/"), (str(copy), own))

    def words(self, folder: Path) -> tuple[str, ...]:
        """Return the words of the command; the first that files of configuration name bring these with them."""
        if self.told:
            return ()
        named = f"--find-links={self.address(folder)}"
        if self.config is None or self.home is not None:
            return (named,)
        place = folder / "uv.toml"
        if not place.exists():
            write_private(place, self.config)
            return f"--config-file={place}", named
        return (named,)

    def as_typed(self) -> tuple[str, ...]:
        """Return the words that a person would type."""
        told = self.told or self.config is not None
        return () if told else (f"--find-links={self.url if self.path is None else self.typed}",)


def mirrored(links: Iterable[Links], cwd: str) -> tuple[Links, ...]:
    """Return what a tool gets that works in a mirror of the folder `cwd`. Raises `UsageError` for what has no place."""
    found = []
    for one in links:
        if one.path is not None:
            check_depth(local_path(one.typed), cwd)
        found.append(one if one.path is None else replace(one, mirrored=True))
    return tuple(found)


def read_source(text: str, cwd: str) -> tuple[Requirement, Source] | None:
    """Read an archive that is named by path or URL, as pip does; None for a requirement by name.

    The requirement has the name and version of the file, and the extras and marker that were written. Raises
    `UsageError` (without a place) for folders and everything that is no archive, `DirectReferenceError` for version
    control.
    """
    named = _NAMED.fullmatch(text)
    name, extras, place = named.groups() if named is not None else (None, None, text)
    place, marker = _split_marker(place)
    if VCS.match(place):
        raise refused_vcs(text)
    url = SCHEME.match(place) is not None and not (len(place) > 1 and place[1] == ":")
    if named is None and not url and not _is_path(place):
        return None
    if extras is None and (match := _EXTRAS.fullmatch(place)):
        place, extras = match[1].rstrip(), match[2]
    place, _, fragment = place.partition("#") if url else (place, "", "")
    source = _from_url(place, text, fragment) if url else _from_path(place, text, cwd)
    if named is None and "../" in source.meant:
        source = replace(source, meant=Path(source.path or "").as_uri())  # so pip reads it, unless it has a name
    try:
        own, version, _tags = parse_filename(source.filename)
        found = Requirement(f"{name or own}{extras or ''}=={version}{f'; {marker}' if marker else ''}")
    except (FilenameError, InvalidRequirement) as error:
        raise UsageError(f"`{shown(text)}`: {error}") from error
    if any(canonicalize_name(name) != own for name in (found.name, *_EGG.findall(fragment))):
        raise UsageError(f"`{shown(text)}`: the file is one of {own}")
    return found, source


class NoFolderError(UsageError):
    """A place of `--find-links` where nothing is."""


def read_links(values: Sequence[str], cwd: str, origin: str, base: str | None = None) -> tuple[Links, ...]:
    """Read `--find-links`: folders and http(s) pages; `base` is the folder of the file that names them.

    Raises `UsageError` for everything else, `NoFolderError` where nothing is.
    """
    found: list[Links] = []
    for value in values:
        if value[:8].lower().startswith(("http://", "https://")):
            if not _is_web(value) or not value.startswith("http"):  # in capitals it is a folder to uv
                raise UsageError(f"`--find-links`: `{shown(value)}` is not an http or https URL")
            if names_folder(value):
                raise UsageError(f"`--find-links`: `{shown(value)}`: a folder inside an archive is not gated")
            found.append(Links(origin, url=value))
            continue
        path = local_path(value)
        inside = os.path.join(base, path) if base is not None else path
        path = os.path.abspath(os.path.join(cwd, inside if os.path.exists(os.path.join(cwd, inside)) else path))
        if not os.path.isdir(path):
            scheme = SCHEME.match(value)
            fault = NoFolderError if not os.path.exists(path) and (not scheme or value[:5] == "file:") else UsageError
            raise fault(f"`--find-links`: `{shown(value)}` is neither a folder nor an http or https page")
        found.append(Links(origin, path=path, typed=value))
    return tuple(found)


def refuse_lookalikes(cwd: str) -> None:
    """Raise `UsageError` where a name of the working folder begins an address: what is below it would be taken."""
    try:
        found = next(filter(begins_address, sorted(os.listdir(cwd))), None)
    except OSError as error:
        if not os.access(cwd, os.X_OK):
            return  # then no tool finds anything below it
        raise UsageError(f"cannot look through the working folder `{cwd}`: {error.strerror}") from error
    if found is not None:
        raise UsageError(
            f"{found!a} in the working folder is called as an address begins: packages would be taken from there",
            hint="rename it, or work in another folder",
        )


def local_path(text: str) -> str:
    """Return the path of a `file:` URL, and every other text as it is. Raises `UsageError` for another host's."""
    if text[:5].lower() != "file:":
        return text
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise UsageError(f"`{shown(text)}` is no address: {error}") from error
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"`{shown(text)}`: a `file:` URL of another host")
    return unquote(parts.path)


def _split_marker(text: str) -> tuple[str, str]:
    """Take the marker off: behind `; ` of a URL, behind `;` of a path."""
    place, _, marker = text.partition("; " if SCHEME.match(text) else ";")
    return place.strip(), marker.strip()


def _is_path(text: str) -> bool:
    return text.startswith((".", "~")) or "/" in text or "\\" in text or text.lower().endswith(ARCHIVES)


def _from_url(url: str, text: str, fragment: str) -> Source:
    sha256 = None
    if left := _EGG.sub("", fragment).removeprefix("&"):
        match = _SHA256.fullmatch(left)
        if match is None:
            raise UsageError(f"`{shown(text)}`: of a fragment only `#sha256=…` and `#egg=NAME` are understood")
        sha256 = match[1].lower()
    scheme = url.partition(":")[0].lower()
    if scheme == "file":
        return replace(on_disk(local_path(url), text, sha256), meant=urlunsplit(urlsplit(url)))
    if scheme not in ("http", "https") or not _is_web(url):
        raise UsageError(f"`{shown(text)}` is not an http, https or file URL")
    if names_folder(url):
        raise UsageError(f"`{shown(text)}`: a folder inside an archive is not gated")
    clean = urlunsplit((*urlsplit(url)[:4], ""))
    return Source(filename_of(url), url=clean + (f"#sha256={sha256}" if sha256 else ""), sha256=sha256)


def _is_web(url: str) -> bool:
    """Tell whether a URL has a proper host and port, and no characters that tools read in several ways."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and "\\" not in url
    except ValueError:
        return False


def _from_path(path: str, text: str, cwd: str) -> Source:
    return on_disk(os.path.join(cwd, path), text, None)


def on_disk(path: str, text: str, sha256: str | None) -> Source:
    """Return the archive at an absolute path that was named by a text. Raises `UsageError` if there is no file."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        raise UsageError(f"`{shown(text)}`: a folder has no place here")
    if not os.path.isfile(path):
        raise UsageError(f"`{shown(text)}`: no such file")
    return Source(os.path.basename(path), path=path, sha256=sha256, meant=Path(path).as_uri())


def refused_vcs(text: str, where: str | None = None) -> DirectReferenceError:
    """Say why nothing comes from a repository, in any mode: its code would run unread, and git obeys what it holds."""
    return DirectReferenceError(
        f"`{shown(text)}`: {WHY_NO_VCS}", where=where, hint="take a release, or an archive of it"
    )


def refused_direct(text: str, where: str, *, vcs: bool = False) -> DirectReferenceError:
    """Say why no project and no configuration may name an address."""
    if vcs or VCS.match(text.partition("@")[2].strip()):
        return refused_vcs(text, where)
    return DirectReferenceError(
        f"`{shown(text)}`: a direct reference is refused (direct-reference): no index lists it",
        where=where,
        hint="take a release from an index",
    )


def shown(text: str) -> str:
    """Return what a person wrote, without login and cut to length."""
    before, mark, after = text.partition("://")
    authority, slash, path = after.partition("/")
    text = before + mark + authority.rpartition("@")[2] + slash + path if mark else text
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
