"""What a policy says: values only, no reading and no deciding."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a runtime annotation of dataclasses
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from pathlib import Path  # noqa: TC003 - as above
from typing import TYPE_CHECKING, NamedTuple, Protocol

from openvet_install.openvet.verdict import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openvet_install.config.baseline import Known

DAY = timedelta(days=1)
_UNITS = (("y", 365 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def length(time: timedelta) -> str:
    """Write a length of time as policies do, in the largest unit without a rest."""
    seconds = int(time.total_seconds())
    if not seconds:
        return "0d"
    unit, size = next(one for one in _UNITS if seconds % one[1] == 0)
    return f"{seconds // size}{unit}"


class Mode(Enum):
    """What silence does: `block` stops it, `warn` passes and tells, `record` passes and tells reports only."""

    BLOCK = "block"
    WARN = "warn"
    RECORD = "record"


def strictest(modes: Iterable[Mode]) -> Mode:
    """Return the mode that forgives least; `block` when there is none at all."""
    order = list(Mode)
    return min(modes, key=order.index, default=Mode.BLOCK)


class LogSettings(NamedTuple):
    """`[log.NAME]` and `[install.log.NAME]`; `url` may end in `?gen=N`, a note to the client only."""

    name: str
    url: str
    where: str
    operators: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    expect: timedelta | None = None


class Lockfile(NamedTuple):
    """`[[lockfile]]`: a lock that `check` judges; the path is relative to the policy's folder.

    Kinds of other tools than pip and uv are OpenVet's own to judge, and `check` says that it left them.
    """

    kind: str
    path: str

    @property
    def readable(self) -> bool:
        """Whether pip or uv could install from it."""
        return self.kind in ("uv", "pylock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """`[[install.exempt]]`: silence about one release is forgiven until the end of a day (UTC).

    Bound to `hashes`, or to `version` and `index`. Without `sdist` it covers wheels only. With `audit`, the first
    digits of that audit's hash, it lifts this one no instead.
    """

    package: str
    version: str | None
    index: str | None
    hashes: frozenset[str]
    sdist: bool
    audit: str | None
    owner: str
    reason: str
    until: date
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """`[[install.publisher]]`: who may have built a package, by what a verified certificate must say.

    `package` is normalised and may hold `*`. None: nothing is asked of that part. Without `trust_root` the policies'
    own counts, else the one that `sigstore` brings.
    """

    package: str
    kind: str
    where: str
    required: bool = True
    index: str | None = None
    issuer: str | None = None
    identity: str | None = None
    repository: str | None = None
    workflow: str | None = None
    ref: str | None = None
    environment: str | None = None
    runner: str | None = None
    owner_id: str | None = None
    repository_id: str | None = None
    trust_root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[install]` with their defaults; `said` maps a key that was given to its place."""

    mode: Mode = Mode.BLOCK
    sdists: str = "audited"
    local_projects: tuple[str, ...] = (".",)
    heads: str = "locked"
    check_every: timedelta = timedelta(hours=1)
    stale_after: timedelta = 7 * DAY
    cooldown: timedelta = timedelta(0)
    max_lag: timedelta = 730 * DAY
    carry: str = "off"
    isolation: str = "auto"
    exemptions: tuple[Exemption, ...] = ()
    publishers: tuple[Publisher, ...] = ()
    trust_root: Path | None = None
    said: Mapping[str, str] = field(default_factory=dict)


class Files(Protocol):
    """Files of a project that do not lie in its folder; `name` is where they do."""

    name: str

    def read(self, path: Path, limit: int) -> bytes | None:
        """Return what stands for a path, None for nothing. Raises `ConfigError`, also beyond `limit` bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One policy, whole: of the machine, the user or the project.

    `path` is the file that people name, `folder` where its pins lie; `sha256` covers every file read. With `files` it
    is a revision's: policy, pins, baseline and bundle are read from there, whatever lies in `folder`.
    """

    scope: str
    path: Path
    logs: Mapping[str, LogSettings]
    lockfiles: tuple[Lockfile, ...]
    policy: Policy = field(default_factory=Policy)
    settings: Settings = field(default_factory=Settings)
    sha256: str = ""
    warnings: tuple[str, ...] = ()
    baseline: tuple[Known, ...] = ()
    files: Files | None = None

    @property
    def shown(self) -> str:
        """What people call it: `path`, or `REVISION:NAME`."""
        return str(self.path) if self.files is None else f"{self.files.name}:{self.path.name}"

    @property
    def judges(self) -> bool:
        """Whether it decides by itself: a file of the user or machine that only lifts single nos does not."""
        entries = self.settings.exemptions
        if self.scope == "project" or not entries or not all(one.audit for one in entries):
            return True
        more = (*self.logs, *self.lockfiles, *self.policy.requirements, *self.policy.overrides, *self.policy.aliases)
        return bool(more or self.baseline or set(self.settings.said) != {"exempt"})

    @property
    def folder(self) -> Path:
        """The folder of the policy file; `openvet.lock` and `openvet-install.lock` lie there."""
        return self.path.parent
