"""Which bundle stands in for the logs of a policy where these are out of reach.

Each policy has its own, beside its file, as it has its pins: a project's bundle says nothing about how fresh the logs
of the machine's policy are. A person may name another one, for all policies but the machine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import UndecidedError
from openvet_install.gate.once import Once

if TYPE_CHECKING:
    from pathlib import Path

    from openvet_install.config import PolicyFile
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


class Bundles:
    """The bundles of one run, each read when it is first asked for. Safe for threads."""

    def __init__(self, named: Path | None = None) -> None:
        """Take the one that a person named."""
        self._named = named
        self._read: Once[Bundle] = Once()

    def of(self, policy: PolicyFile) -> Bundle | None:
        """Return the bundle of a policy, None if it has none. Raises `InvalidError` and `UndecidedError`."""
        path = policy.folder / BUNDLE
        if self._named is not None and policy.scope != "machine":
            path = self._named
        elif not path.exists():
            return None
        from openvet_install.openvet.bundle import read_bundle  # noqa: PLC0415 - only where there is one

        return self._read.get(path, lambda: read_bundle(path))
