"""Which bundle stands in for the logs of a policy where these are out of reach.

Each policy has its own, beside its file, as it has its pins: a project's bundle says nothing about how fresh the logs
of the machine's policy are. A person may name another one, for all policies but the machine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import InvalidError, UndecidedError
from openvet_install.gate.once import Once

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.config import PolicyFile
    from openvet_install.config.model import Files
    from openvet_install.openvet.bundle import Bundle

BUNDLE = "openvet.bundle"


class NotHeldError(UndecidedError):
    """A package about which a bundle says nothing, neither for nor against (69)."""

    def __init__(self, bundle: str, package: str) -> None:
        """Keep the package's normalised name."""
        super().__init__(f"{bundle} holds nothing about this name, for or against", where=package)
        self.package = package


class BundleOldError(UndecidedError):
    """A bundle that cannot be used for its age (69)."""

    def __init__(self, bundle: str, what: str) -> None:
        """Keep the name that people know it by."""
        super().__init__(f"{bundle} {what}")
        self.bundle = bundle


class BundleBehindError(InvalidError):
    """A bundle that was made before the pin, as far as anybody can tell: offline it is not what it should be (65)."""


class Bundles:
    """The bundles of one run, each read when it is first asked for. Safe for threads."""

    def __init__(self, named: Path | None = None) -> None:
        """Take the one that a person named."""
        self._named = named
        self._read: Once[Bundle] = Once()
        self._kept: Once[Bundle | None] = Once()

    def of(self, policy: PolicyFile) -> Bundle | None:
        """Return the bundle of a policy, None if it has none. Raises `InvalidError` and `UndecidedError`."""
        path = policy.folder / BUNDLE
        if self._named is not None and policy.scope != "machine":
            path = self._named
        elif policy.files is not None:
            return self._kept.get(path, lambda: _of(policy.files, path))
        elif not path.exists():
            return None
        from openvet_install.openvet.bundle import read_bundle  # noqa: PLC0415 - only where there is one

        return self._read.get(path, lambda: read_bundle(path))


def _of(files: Files | None, path: Path) -> Bundle | None:
    """Read the bundle that a revision holds beside its policy: it goes with the pins of that day."""
    from openvet_install.openvet.bundle import MAX_BYTES, parse_bundle  # noqa: PLC0415 - only where it is needed

    raw = None if files is None else files.read(path, MAX_BYTES)
    return None if raw is None else parse_bundle(path.name, raw)
