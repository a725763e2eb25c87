"""Every way a run can end badly: what happened, where, what to do next, and the exit code.

Exit codes (the whole list; 0 and the tool's own codes are not errors of ours):

==  =========================================================================
64  usage: an argument or input that we do not take
65  invalid: a log, signature, archive or hash that is not what it claims
69  undecided: a log or an index is out of reach
70  a bug of ours
77  blocked: a file that the policy does not approve
78  configuration
==  =========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_OK = 0
EXIT_USAGE = 64
EXIT_INVALID = 65
EXIT_UNDECIDED = 69
EXIT_BUG = 70
EXIT_BLOCKED = 77
EXIT_CONFIG = 78

TMPDIR_HINT = "export TMPDIR=/a/folder/with/room"
_GRAVEST = (EXIT_INVALID, EXIT_BLOCKED, EXIT_UNDECIDED)


class InstallError(Exception):
    """The root: `main` catches this class only, prints it and ends with `exit_code`.

    `what` is one sentence without a full stop, values in backticks; `where` is a place such as
    `openvet.toml:12, key install.cooldwon`; `hint` is the next step, ready to be pasted.
    """

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Keep the three parts; `str()` is `what` alone."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint


class UsageError(InstallError):
    """An argument, flag or requirement line that we refuse (64)."""

    exit_code = EXIT_USAGE


class DirectReferenceError(UsageError):
    """Something that was named and that no audit can be about (77, in every mode)."""

    exit_code = EXIT_BLOCKED


class InvalidError(InstallError):
    """Bytes that are not what they claim to be (65)."""

    exit_code = EXIT_INVALID


class UndecidedError(InstallError):
    """Something that is needed for a decision is out of reach (69)."""

    exit_code = EXIT_UNDECIDED


class ConfigError(InstallError):
    """A policy, pin or tool configuration that cannot be taken (78)."""

    exit_code = EXIT_CONFIG


class FaultsError(InstallError):
    """Several faults of one input, told together; ends like the gravest of them."""

    def __init__(self, faults: list[InstallError]) -> None:
        """Take at least one fault."""
        super().__init__(faults[0].what, where=faults[0].where, hint=faults[0].hint)
        self.faults = faults
        self.exit_code = gravest(fault.exit_code for fault in faults)  # type: ignore[misc]


def both_sides(text: str) -> str | None:
    """Return the hint for a file in which git has left both sides of a merge; None for any other."""
    if not text.startswith("<<<<<<< ") and "\n<<<<<<< " not in text:
        return None
    return "git left both sides of a merge in it: keep one of them whole"


def gravest(codes: Iterable[int]) -> int:
    """Return the exit code of several: invalid, then blocked, then undecided, else the first; 0 without any."""
    found = list(codes)
    return next((code for code in _GRAVEST if code in found), found[0] if found else EXIT_OK)
