"""Builders of wheels and sdists: right by default, wrong on request, the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Text = str | bytes

_BACKEND = '''\
"""A build backend that notes each of its hooks in a file, and builds a wheel of one module."""
import base64, hashlib, os, zipfile

NAME, VERSION, MARKER = {name!r}, {version!r}, {marker!r}
REQUIRES, BUILD_REQUIRES, FILES = {requires!r}, {build_requires!r}, {files!r}
STEM = NAME.replace("-", "_") + "-" + VERSION


def note(hook):
    if MARKER:
        with open(MARKER, "a") as file:
            file.write(NAME + " " + hook + "\\n")


note("import")


def get_requires_for_build_wheel(config_settings=None):
    note("get_requires_for_build_wheel")
    return BUILD_REQUIRES


def members():
    lines = ["Metadata-Version: 2.1", "Name: " + NAME, "Version: " + VERSION]
    info = STEM + ".dist-info/"
    found = dict(FILES)
    found[info + "METADATA"] = "\\n".join(lines + ["Requires-Dist: " + one for one in REQUIRES]) + "\\n"
    found[info + "WHEEL"] = "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    return found


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    note("prepare_metadata_for_build_wheel")
    info = STEM + ".dist-info/"
    os.makedirs(os.path.join(folder, info))
    for path, text in members().items():
        if path.startswith(info):
            with open(os.path.join(folder, path), "w") as file:
                file.write(text)
    return STEM + ".dist-info"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    note("build_wheel")
    name = STEM + "-py3-none-any.whl"
    rows = []
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in members().items():
            archive.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(path + ",sha256=" + digest + "," + str(len(text.encode())))
        record = STEM + ".dist-info/RECORD"
        archive.writestr(record, "\\n".join(rows + [record + ",,"]) + "\\n")
    return name
'''


def wheel_name(name: str, version: str, tag: str = "py3-none-any") -> str:
    """Return the file name of a wheel."""
    return f"{stem(name, version)}-{tag}.whl"


def sdist_name(name: str, version: str, ending: str = ".tar.gz") -> str:
    """Return the file name of an sdist."""
    return f"{stem(name, version)}{ending}"


def stem(name: str, version: str) -> str:
    """Return `name-version` as archives and `.dist-info` folders spell it."""
    return f"{canonicalize_name(name).replace('-', '_')}-{version}"


def raw(text: Text) -> bytes:
    return text.encode() if isinstance(text, str) else text


def make_wheel(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    files: Mapping[str, Text] | None = None,
    requires: Iterable[str] = (),
    entry_points: Text | Mapping[str, str] | None = None,
    record: Literal["right"] | bytes = "right",
    metadata: Text | None = None,
    wheel: Text | None = None,
    info: str | None = None,
    unlisted: Mapping[str, Text] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return a wheel.

    `files`: path -> content, by default one module; `entry_points`: the text, or command -> target;
    `metadata`, `wheel`, `record`: these bytes in place of right ones; `info`: another `.dist-info`
    folder; `unlisted`: members that RECORD does not list.
    """
    info = info or f"{stem(name, version)}.dist-info"
    module = canonicalize_name(name).replace("-", "_")
    members = {path: raw(text) for path, text in (files or {f"{module}.py": f"NAME = {name!r}\n"}).items()}
    members[f"{info}/METADATA"] = raw(metadata if metadata is not None else core_metadata(name, version, requires))
    members[f"{info}/WHEEL"] = raw(wheel if wheel is not None else wheel_text(tag))
    if isinstance(entry_points, dict):
        entry_points = "[console_scripts]\n" + "".join(f"{key} = {value}\n" for key, value in entry_points.items())
    if entry_points is not None:
        members[f"{info}/entry_points.txt"] = raw(entry_points)
    members[f"{info}/RECORD"] = record_of(members, info) if record == "right" else record
    return make_zip([*members.items(), *((path, raw(text)) for path, text in (unlisted or {}).items())], compression)


def core_metadata(name: str, version: str, requires: Iterable[str] = ()) -> str:
    """Return METADATA or PKG-INFO."""
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"Requires-Dist: {r}\n" for r in requires)]
    return "".join(lines) + "\nA description.\n"


def wheel_text(tag: str = "py3-none-any") -> str:
    """Return WHEEL with the tag expanded."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    tags = "".join(f"Tag: {py}-{abi}-{platform}\n" for py in pythons for abi in abis for platform in platforms)
    return f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n{tags}"


def record_of(members: Mapping[str, bytes], info: str) -> bytes:
    """Return the RECORD that lists these members and itself."""
    rows = [record_row(path, content) for path, content in members.items()]
    return ("".join(rows) + f"{info}/RECORD,,\n").encode()


def record_row(path: str, content: bytes, algorithm: str = "sha256") -> str:
    """Return one line of a RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    cell = '"' + path.replace('"', '""') + '"' if "," in path or '"' in path else path
    return f"{cell},{algorithm}={digest},{len(content)}\n"


def make_zip(members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these members in this order; a `ZipInfo` is taken as it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in members:
            archive.writestr(path if isinstance(path, zipfile.ZipInfo) else zip_info(path, compression), content)
    return buffer.getvalue()


def zip_info(path: str, compression: int = zipfile.ZIP_DEFLATED, mode: int = 0o100644) -> zipfile.ZipInfo:
    """Return an entry of 1980 with Unix permissions."""
    one = zipfile.ZipInfo(path)
    one.compress_type = compression
    one.create_system = 3
    one.external_attr = mode << 16
    return one


def make_sdist(
    name: str,
    version: str,
    *,
    build_requires: Iterable[str] = (),
    marker: Path | None = None,
    backend: str | None = None,
    wheel_requires: Iterable[str] = (),
    hook_requires: Iterable[str] = (),
    wheel_files: Mapping[str, str] | None = None,
    pyproject: Text | None = None,
    more_pyproject: str = "",
    pkg_info: Text | None = None,
    requires: Iterable[str] = (),
    files: Mapping[str, Text] | None = None,
    top: str | None = None,
    ending: Literal[".tar.gz", ".zip"] = ".tar.gz",
) -> bytes:
    """Return an sdist with a backend of its own, which notes each hook that runs as a line in the file `marker`.

    `wheel_requires`: what the wheel that it builds asks for; `hook_requires`: what its hook asks for
    at build time; `wheel_files`: that wheel's modules; `backend`: this source in its place;
    `pyproject`, `pkg_info`: these in place of right ones; `more_pyproject` follows `[project]`.
    """
    top = top or stem(name, version)
    module = canonicalize_name(name).replace("-", "_")
    if backend is None:
        backend = _BACKEND.format(
            name=canonicalize_name(name),
            version=version,
            marker=str(marker or ""),
            requires=list(wheel_requires),
            build_requires=list(hook_requires),
            files=dict(wheel_files or {f"{module}.py": f"NAME = {name!r}\n"}),
        )
    if pyproject is None:
        pyproject = (
            f"[build-system]\nrequires = {list(build_requires)!r}\n"
            'build-backend = "own_backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\n{more_pyproject}'
        )
    members = {
        "PKG-INFO": raw(pkg_info if pkg_info is not None else core_metadata(name, version, requires)),
        "pyproject.toml": raw(pyproject),
        "own_backend.py": raw(backend),
        **{path: raw(text) for path, text in (files or {}).items()},
    }
    placed = [(f"{top}/{path}", content) for path, content in members.items()]
    return make_zip(placed) if ending == ".zip" else make_tar(placed)


def make_tar(members: Iterable[tuple[str | tarfile.TarInfo, bytes]], layout: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a `.tar.gz` of these members in this order; a `TarInfo` is taken as it is, but for the size of a file."""
    return pack(plain_tar(members, layout))


def plain_tar(members: Iterable[tuple[str | tarfile.TarInfo, bytes]], layout: int = tarfile.PAX_FORMAT) -> bytes:
    """Return the tar before it is compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as archive:
        for path, content in members:
            one = path if isinstance(path, tarfile.TarInfo) else tarfile.TarInfo(path)
            one.size = len(content) if one.isreg() else one.size
            archive.addfile(one, io.BytesIO(content))
    return buffer.getvalue()


def pack(tar: bytes) -> bytes:
    """Return the tar as one gzip member."""
    return gzip.compress(tar, mtime=0)
