"""What one gated run or check came to: the only thing that reports see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime  # noqa: TC003 - a runtime annotation of dataclasses
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from openvet_install.decide import Decision, Reason
from openvet_install.errors import FaultsError, InstallError, UndecidedError

if TYPE_CHECKING:
    from collections.abc import Iterable

AT_HOME = " (a private address)"
"""Behind what a command was refused because of where it lives."""


class Outcome(Enum):
    """How it ended; `failed` is the tool's own failure, an interruption, or an error of ours."""

    ALLOWED = "allowed"
    WARNED = "warned"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"
    INVALID = "invalid"
    FAILED = "failed"


class LogSeen(NamedTuple):
    """A log as this run knew it: heads in hex, `checked` when its host was last asked."""

    scope: str
    name: str
    url: str
    head: str
    newest: str
    generation: int
    checked: datetime | None


class PolicySeen(NamedTuple):
    """A policy that took part."""

    scope: str
    file: str
    sha256: str
    mode: str
    mode_place: str | None


class ToolSeen(NamedTuple):
    """The tool that ran; `exit` is its own exit code, None if it was not started."""

    name: str
    path: str
    version: str
    sha256: str | None = None
    exit: int | None = None


class Spot(NamedTuple):
    """A line (from 1) of a file; the path is absolute, or as typed."""

    path: str
    line: int | None = None


class Judged(NamedTuple):
    """A file or release and the decision; `route` leads from what was asked to it.

    `place` is the line of the lock for people, `spot` the same for machines.
    """

    decision: Decision
    route: tuple[str, ...] = ()
    place: str | None = None
    spot: Spot | None = None


class Ending(NamedTuple):
    """An entry of the baseline (`baseline`) or an exemption (`exempt`) in use that ends soon."""

    kind: str
    release: str
    until: date
    days: int
    spot: Spot


class HeldBack(NamedTuple):
    """A package that was installed in an older release than the newest one that fits."""

    package: str
    chosen: str
    newest: str
    reason: str
    days: int | None


class Stray(NamedTuple):
    """Something in the target that does not equal what was released; `undone`: it is not there any more."""

    name: str
    version: str | None
    path: str
    reason: str
    text: str
    undone: bool = False


class Sbom(NamedTuple):
    """One SBOM inside a wheel: its path there, its kind such as `SPDX 2.3`, and how many packages it says it lists."""

    path: str
    kind: str
    packages: int | None


class Trouble(NamedTuple):
    """A log or host that was invalid or out of reach; `detail` stands below, `hint` is the next step.

    `reason` is what reports call it, None: what the outcome of the run says. `of_package`: `name` is a package's.
    """

    name: str
    what: str
    detail: str | None = None
    hint: str | None = None
    reason: Reason | None = None
    of_package: bool = False

    def __str__(self) -> str:
        named = self.what.startswith((self.name, f"http://{self.name}", f"https://{self.name}"))
        return self.what if named else f"{self.name}: {self.what}"


class LogStopsError(FaultsError):
    """Logs that do not verify or are out of reach, the gravest first; ends like that one."""

    def __init__(self, causes: Iterable[tuple[str, InstallError]]) -> None:
        """Keep the names of the logs beside what was wrong with them; there is at least one."""
        ordered = sorted(causes, key=lambda one: isinstance(one[1], UndecidedError))
        super().__init__([cause for _, cause in ordered])
        told = [
            Trouble(name=name, what=cause.what, detail=cause.where, hint=cause.hint, reason=_reason(cause))
            for name, cause in ordered
        ]
        self.troubles = tuple(dict.fromkeys(told))  # one bundle may stop several logs


def _reason(cause: InstallError) -> Reason:
    return Reason.LOG_UNREACHABLE if isinstance(cause, UndecidedError) else Reason.LOG_INVALID


@dataclass(slots=True, kw_only=True)
class Run:
    """One run; filled while it goes on, read by reports when it is over.

    `files` are what was used, `withheld` one entry per release that fits the target and was not shown;
    `stopping` are the packages whose withheld releases the tool needed, `in_the_way` those releases,
    `partly` those of the packages of which something was shown, `newest_approved` the newest approved
    release that fits, by name (None: there is none; without an entry no index was asked); `lock` and `locked` are the
    name of the lock and how many packages of it the target gets; `unfit`: the tool wrote a lock that needs what is not
    approved; `kept` names the files of the project that are as they were before; `sboms` are those inside of wheels, by
    sha256, of wheels that were looked into; `installed` and `nothing_changed` are measured on the target. `troubles`
    are logs and hosts that were invalid or out of reach. `said`: what the tool wrote to its standard output, where that
    had to wait until it was judged. `turned_away`: addresses of neither pages nor archives that a command asked for.
    """

    command: list[str]
    started: datetime
    mode: str = "block"
    target: str | None = None
    tool: ToolSeen | None = None
    exit_code: int = 0
    outcome: Outcome = Outcome.ALLOWED
    policies: tuple[PolicySeen, ...] = ()
    environment: tuple[str, ...] = ()
    isolation: tuple[str, str | None] = ("off", None)
    logs: tuple[LogSeen, ...] = ()
    files: list[Judged] = field(default_factory=list)
    withheld: list[Judged] = field(default_factory=list)
    held_back: list[HeldBack] = field(default_factory=list)
    stopping: tuple[str, ...] = ()
    in_the_way: dict[str, frozenset[str]] = field(default_factory=dict)
    partly: tuple[str, ...] = ()
    newest_approved: dict[str, str | None] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    installed: tuple[str, ...] = ()
    nothing_changed: bool = True
    preinstalled: int = 0
    lock: str | None = None
    locked: int = 0
    unfit: bool = False
    kept: tuple[str, ...] = ()
    exemptions_used: int = 0
    exemptions_unused: tuple[str, ...] = ()
    exemptions_ending: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    baseline_used: int = 0
    baseline_grown: int = 0
    sboms: dict[str, tuple[Sbom, ...]] = field(default_factory=dict)
    not_judged_here: tuple[str, ...] = ()
    skipped: int = 0
    interrupted: bool = False
    signal: int | None = None
    said: bytes = b""
    turned_away: tuple[str, ...] = ()
    child_seconds: float = 0.0
