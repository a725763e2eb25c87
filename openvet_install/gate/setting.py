"""What decides in one run, beside its plan: policies, the modes that hold, and the time."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a runtime annotation of dataclasses
from dataclasses import replace
from datetime import datetime  # noqa: TC003 - as above
from typing import TYPE_CHECKING, NamedTuple, Protocol

from openvet_install.config import Mode, PolicyFile, Publisher, strictest
from openvet_install.config.baseline import by_hash
from openvet_install.decide import Rules
from openvet_install.errors import ConfigError
from openvet_install.gate.model import PolicySeen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openvet_install.config import Exemption

SCOPES = ("machine", "user", "project")
MODE_VARIABLE = "OPENVET_INSTALL_MODE"
NO_POLICY = "no policy: no openvet.toml from here to the repository root, none for user or machine"


class Watch(Protocol):
    """Somebody who is told how far long things are, from any thread; at the end `done` equals `total`."""

    def __call__(self, log: str, done: int, total: int) -> None:
        """Hear how many commits of a log are verified, of how many; 0 while they are only read."""

    def fetched(self, what: str, done: int, total: int | None) -> None:
        """Hear how many bytes of a page or file are here, of how many if that is known."""

    def waits(self, where: str) -> None:
        """Hear that another run is at work in a folder, as long as it is."""

    def waited(self, where: str) -> None:
        """Hear that it is no more."""


class Setting(NamedTuple):
    """What decides, beside the plan: the policies with the modes that hold, and when this run is; who watches it.

    `bundle` is the one that a person named.
    """

    policies: tuple[PolicyFile, ...]
    modes: Mapping[str, Mode]
    mode_places: Mapping[str, str | None]
    environment: tuple[str, ...]
    now: datetime
    offline: bool = False
    watch: Watch | None = None
    said_mode: str | None = None
    bundle: Path | None = None

    @property
    def mode(self) -> Mode:
        """The strictest mode: what the whole run does with silence."""
        return strictest(self.modes.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should hear about the policies' files."""
        return tuple(warning for one in self.policies for warning in one.warnings)

    @property
    def isolation(self) -> str:
        """The strictest of the policies' `isolation`."""
        return min((one.settings.isolation for one in self.judging), key=("require", "auto", "off").index)

    @property
    def judging(self) -> tuple[PolicyFile, ...]:
        """The policies that decide; the others only lift single nos."""
        return tuple(one for one in self.policies if one.judges)

    @property
    def rules(self) -> tuple[Rules, ...]:
        """The policies as `decide` takes them."""
        return tuple(
            Rules(
                scope=one.scope,
                policy=one.policy,
                mode=self.modes[one.scope],
                sdists=one.settings.sdists,
                cooldown=one.settings.cooldown,
                max_lag=one.settings.max_lag,
                exemptions=tuple(entry for entry in one.settings.exemptions if entry.audit is None),
                lifts=self._lifts(one.scope),
                baseline=by_hash(one.baseline),
                publishers=tuple(_rooted(rule, self._trust_root(one.scope)) for rule in one.settings.publishers),
                carries=one.settings.carry == "content",
            )
            for one in self.judging
        )

    def _lifts(self, scope: str) -> tuple[Exemption, ...]:
        """Return the nos that are lifted for a policy: by itself or by one that stands above it, never by one below."""
        return tuple(
            entry
            for one in self.policies
            if SCOPES.index(one.scope) <= SCOPES.index(scope)
            for entry in one.settings.exemptions
            if entry.audit is not None
        )

    def _trust_root(self, scope: str) -> Path | None:
        """Return the root for rules that name none: the policy's own, else that of the nearest policy above it."""
        above = ("project", "user", "machine")
        roots = {one.scope: one.settings.trust_root for one in self.policies}
        return next((root for one in above[above.index(scope) :] if (root := roots.get(one)) is not None), None)

    def seen(self) -> tuple[PolicySeen, ...]:
        """Return the policies for reports."""
        return tuple(
            PolicySeen(
                scope=one.scope,
                file=one.shown,
                sha256=one.sha256,
                mode=self.modes[one.scope].value,
                mode_place=self.mode_places[one.scope],
            )
            for one in self.policies
        )


def _rooted(rule: Publisher, root: Path | None) -> Publisher:
    return rule if rule.trust_root is not None else replace(rule, trust_root=root)


def setting(
    policies: Sequence[PolicyFile],
    *,
    mode: str | None,
    variables: tuple[str, ...],
    now: datetime,
    offline: bool = False,
    watch: Watch | None = None,
    bundle: Path | None = None,
) -> Setting:
    """Join policies with `--openvet-mode` or its variable, which never touch the machine's (threat T17).

    Raises `ConfigError` without any policy that decides.
    """
    if not any(one.judges for one in policies):
        raise ConfigError(NO_POLICY, hint="openvet-install init --log URL")
    modes = {one.scope: one.settings.mode if one.judges else Mode.RECORD for one in policies}
    places = {one.scope: one.settings.said.get("mode") for one in policies}
    if mode is not None:
        said = MODE_VARIABLE if MODE_VARIABLE in variables else "--openvet-mode"
        for scope in modes:
            if scope != "machine":
                modes[scope], places[scope] = Mode(mode), said
    return Setting(
        policies=tuple(policies), modes=modes, mode_places=places, environment=variables, now=now, offline=offline,
        watch=watch, said_mode=mode, bundle=bundle,
    )  # fmt: skip
