"""When files came, as an index says: a lock's own word would let who edits it end a cooldown (threat T49)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from openvet_install.files import File
    from openvet_install.gate.remembered import Days


class Listed(Protocol):
    """Asks an index for the files of a project; raises `UndecidedError` and `InvalidError`."""

    def __call__(self, index: str, project: str) -> Sequence[File]:
        """Return them, none where the index does not know the project."""


def came(file: File, notes: Days, listed: Callable[[], Iterable[File]]) -> datetime | None:
    """Return when the bytes of a file came to its index, None where nothing says.

    `notes` remember what the index has `listed` beside it. Raises what `listed` raises.
    """
    if file.sha256 is None:
        return None
    if (known := notes.find(file)) is not None:
        return known
    found = next((one for one in listed() if one.sha256 == file.sha256), None)
    if found is None:
        return None
    notes.put(found)
    return found.uploaded
