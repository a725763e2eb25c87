"""Archives on this machine: judged like downloads before the tool starts, which then gets copies only (threat T04).

What a person named by path must be released, else nothing starts. A find-links folder is a page: what is not
approved is left out of the copy.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.decide import Reason, broken
from openvet_install.errors import UsageError
from openvet_install.files import File, FilenameError, parse_filename
from openvet_install.gate.outcome import Fit
from openvet_install.gate.resolving import Resolver, stand_in
from openvet_install.gateway import Blob
from openvet_install.gateway.blobs import CHUNK, MAX_FILE, private_folder
from openvet_install.installers.commands import links_of
from openvet_install.installers.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.decide import Decision
    from openvet_install.gate.keeper import Keeper
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.sources import Links

WORKERS = 4


def admit(plan: Plan, keeper: Keeper, folder: Path) -> bool:
    """Judge local archives of a command and copy what is released into `folder`, the run's own.

    Returned is whether everything that was named may be used. Raises `UsageError` for what cannot be read, and what
    the logs raise.
    """
    fits = Fit.of(plan.target)
    taken: set[str] = set()
    # a folder may be named twice: on the command line and in the lock
    links = {one.copy(folder): one for one in links_of(plan.argv) if one.path is not None}
    for one in links.values():
        taken |= _links(one, keeper, folder, fits)
    good = True
    for source in (one.source for one in plan.requested if one.source is not None):
        if source.path is not None:
            good = _named(source, keeper, folder) and good
        if source.sha256 is None:
            taken.add(source.filename)
    for name in sorted(taken):
        good = _kept(plan.output, name, keeper, folder) and good
    return good


def mismatch(file: File, written: str | None) -> Decision | None:
    """Refuse a file whose bytes have another sha256 than was written, if one was."""
    if written in (None, file.sha256):
        return None
    detail = f"its bytes have sha256:{(file.sha256 or '')[:12]}, written was sha256:{(written or '')[:12]}"
    return broken(file, Reason.HASH_MISMATCH, detail)


def _kept(output: str | None, filename: str, keeper: Keeper, folder: Path) -> bool:
    """Judge what lies in the output under the name of a file without a hash: pip takes it in place of that."""
    path = os.path.join(output or "", filename)  # noqa: PTH118 - as pip does
    if output is None or not os.path.lexists(path):
        return True
    if not os.path.isfile(path):  # noqa: PTH113 - as above
        raise UsageError(f"`{path}` is no file, and pip would take it for one")
    return _named(Source(filename, path=path), keeper, folder, detail=f"pip would take {path} for it")


def _named(source: Source, keeper: Keeper, folder: Path, detail: str | None = None) -> bool:
    path = source.path or ""
    copy = source.copy(folder)
    private_folder(copy.parent)
    if copy.exists():
        return True  # named twice, judged once
    blob = _copied(path, copy)
    file = _file(path, blob.sha256)
    if (other := mismatch(file, source.sha256)) is not None:
        keeper.refuse_local(other)
        return False
    (decision,) = keeper.judge(file.name, [file])
    if not decision.shown:
        keeper.refuse_local(decision._replace(detail=detail) if detail is not None else decision)
        return False
    if not keeper.take(decision, blob):
        return False
    keeper.sent(file.url)
    return True


def _links(links: Links, keeper: Keeper, folder: Path, fits: Fit) -> set[str]:
    """Copy the approved files of a folder and name them; all else stays out.

    A command that writes a lock gets the names of other platforms' files, too, but nothing of them.
    """
    copies = links.copy(folder)
    private_folder(copies)
    writes = isinstance(keeper, Resolver)
    projects: dict[str, list[File]] = defaultdict(list)
    with ThreadPoolExecutor(WORKERS) as pool:
        for file in pool.map(hashed, sorted(_archives(links.path or "", None if writes else fits))):
            projects[file.name].append(file)
        judged = {name: keeper.judge(name, files) for name, files in projects.items()}
        decisions = [one for some in judged.values() for one in some if one.shown]
        list(pool.map(lambda one: _take(one, keeper, links.path or "", copies), decisions))
    if isinstance(keeper, Resolver):
        for name, some in judged.items():
            for one, metadata in keeper.beside(name, some, partial(_blob, links.path or "")):
                stand_in(copies / one.file.filename, one.file, metadata)
    return {one.file.filename for one in decisions}


def _blob(folder: str, filename: str) -> Blob:
    return _read(str(Path(folder, filename)), None)


def _take(decision: Decision, keeper: Keeper, folder: str, copies: Path) -> None:
    copy = copies / decision.file.filename
    blob = _copied(str(Path(folder, decision.file.filename)), copy)
    if blob.sha256 != decision.file.sha256:
        keeper.refuse_local(broken(decision.file, Reason.HASH_MISMATCH, "the file was changed while it was judged"))
    elif keeper.take(decision, blob):
        return
    copy.unlink()


def _archives(folder: str, fits: Fit | None) -> Iterable[str]:
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except OSError as error:
        raise UsageError(f"`--find-links`: cannot read `{folder}`: {error.strerror}") from error
    for name in names:
        try:
            parse_filename(name)
        except FilenameError:
            continue
        if fits is None or fits(_file(str(Path(folder, name)), None)):
            yield str(Path(folder, name))


def _file(path: str, sha256: str | None) -> File:
    place = Path(path)
    name, version, _tags = parse_filename(place.name)
    return File(
        name=name, version=version, filename=place.name, url=place.as_uri(), index=str(place.parent), sha256=sha256
    )


def hashed(path: str) -> File:
    """Return a file of this machine by its bytes. Raises `UsageError` for what cannot be read."""
    return _file(path, _read(path, None).sha256)


def _copied(path: str, copy: Path) -> Blob:
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        return _read(path, handle, copy)
    finally:
        os.close(handle)


def _read(path: str, copy: int | None, place: Path | None = None) -> Blob:
    """Hash a file, and write the same bytes to a handle; the file is opened once."""
    engine, size = hashlib.sha256(), 0
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - a path as people write it
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > MAX_FILE:
                    raise UsageError(f"`{path}` has more than {MAX_FILE} bytes")
                engine.update(chunk)
                if copy is not None:
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(copy, view) :]
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}") from error
    return Blob(place or Path(path), engine.hexdigest(), size)
