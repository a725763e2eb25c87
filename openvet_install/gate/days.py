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


def came(file: File, notes: Days, indexes: Iterable[str], offered: Callable[[], Iterable[File]]) -> datetime | None:
    """Return when the bytes of a file came, None where nothing says.

    `notes` are looked through for `indexes` first, and remember what is said by what is `offered` beside the file.
    Raises what `offered` raises.
    """
    if file.sha256 is None:
        return None
    known = (notes.find(index, file) for index in indexes)
    if (day := next(filter(None, known), None)) is not None:
        return day
    found = next((one for one in offered() if one.sha256 == file.sha256), None)
    if found is None:
        return None
    notes.put(found)
    return found.uploaded
