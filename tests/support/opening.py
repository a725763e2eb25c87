"""Opens made archives in the tests' folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openvet_install.archive import ArchiveError, Contents, open_archive

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "x-1.0-py3-none-any.whl"
SDIST = "x-1.0.tar.gz"


def opened(folder: Path, content: bytes, filename: str) -> Contents:
    """Write the archive under a name of the store, and open it as `filename`."""
    path = folder / "blob"
    path.write_bytes(content)
    return open_archive(path, filename)


def refused(folder: Path, content: bytes, filename: str, words: str) -> ArchiveError:
    """Open an archive that must be refused with these words; the text must name the file and be printable."""
    with pytest.raises(ArchiveError) as caught:
        opened(folder, content, filename)
    assert words in caught.value.what
    assert caught.value.what.startswith(f"`{filename}`")
    assert caught.value.what.isprintable()
    assert caught.value.exit_code == 65
    return caught.value
