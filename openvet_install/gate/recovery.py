"""What a run that was killed has left in a target, dealt with before the next one begins (threat T33).

Compared as that run would have: what was released to it and lies there whole stays, everything else goes.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.gate.after import foreign, release_of, strays_of
from openvet_install.gate.rollback import away_folder, roll_back
from openvet_install.installers.bytecode import unfaithful
from openvet_install.installers.installed import Release, compare, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.journal import Left
    from openvet_install.gate.model import Stray
    from openvet_install.gateway.blobs import BlobStore
    from openvet_install.installers.disk import Places

FOLDER = "openvet-"
MAX_NAMED = 8


def recover(left: Left, places: Places, blobs: BlobStore, state: Path) -> list[Stray]:
    """Bring a target in order after a killed run; return what did not belong, with what became of it."""
    after = snapshot(places)
    before = left.before(after)
    released: dict[tuple[str, str], list[Release]] = {}
    for sha256, filename in dict.fromkeys(left.released):
        if (found := _opened(sha256, filename, blobs)) is not None:
            released.setdefault((found.name, found.version), []).append(found)
    for found_as, releases in released.items():
        # an sdist says nothing of what should lie there
        released[found_as] = [one for one in releases if one.kind == "wheel"] or releases
    built = {found_as for found_as, releases in released.items() if releases[0].kind == "sdist"}
    findings = compare(
        before, after, released, compiled=left.compiled, unfaithful=partial(unfaithful, places.python)
    )  # fmt: skip
    strays = [*strays_of(findings), *foreign(before, after, built)]
    _remove_folder(left.folder)
    return roll_back(before, after, strays, left.kept, away_folder(state))


def told(strays: Sequence[Stray]) -> str:
    """Say in one clause what became of what was left."""
    gone = sorted({one.name or Path(one.path).name for one in strays if one.undone})
    if not gone:
        return "it left what does not belong"
    more = f" and {len(gone) - MAX_NAMED} more" if len(gone) > MAX_NAMED else ""
    return f"moved away was what it had half done: {', '.join(gone[:MAX_NAMED])}{more}"


def _opened(sha256: str, filename: str, blobs: BlobStore) -> Release | None:
    blob = blobs.find(sha256)
    try:
        return release_of(open_archive(blob.path, filename)) if blob is not None else None
    except ArchiveError:
        return None


def _remove_folder(folder: Path) -> None:
    """Remove the folder of the killed run, if that is what it is."""
    try:
        found = folder.lstat()
    except OSError:
        return
    if folder.name.startswith(FOLDER) and found.st_uid == os.geteuid() and found.st_mode == 0o40700:
        shutil.rmtree(folder, ignore_errors=True)
