"""What forgives silence about a file: an exemption or an entry of the baseline, by its bytes and day; pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openvet_install.config.baseline import Known
    from openvet_install.config.model import Exemption
    from openvet_install.files import File


def exempts(exemption: Exemption, file: File, now: datetime) -> bool:
    """Tell whether an entry covers a file today."""
    if exemption.package != file.name or now.astimezone(timezone.utc).date() > exemption.until:
        return False
    if file.is_sdist and not exemption.sdist:
        return False
    if exemption.hashes:
        return file.sha256 in exemption.hashes
    same_index = (exemption.index or "").rstrip("/") == file.index.rstrip("/")
    return (
        same_index
        and not file.claimed
        and exemption.version is not None
        and Version(exemption.version) == Version(file.version)
    )


def covers(baseline: Mapping[str, Known], file: File, now: datetime) -> Known | None:
    """Return the entry of the baseline that covers these bytes of this release today."""
    one = baseline.get(file.sha256 or "")
    if one is None or (one.package, one.version) != (file.name, file.version):
        return None
    ended = now.astimezone(timezone.utc).date() > one.until
    return None if ended or (file.is_sdist and not one.sdist) else one


def young(file: File, cooldown: timedelta, now: datetime) -> bool:
    """Tell whether `cooldown` holds a silent file back; no, future or unreadable time is young."""
    if not cooldown:
        return False
    return file.uploaded is None or now - file.uploaded < cooldown
