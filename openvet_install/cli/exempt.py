"""`exempt`: silence about one release is forgiven until a day, or, with `--audit`, the one no that is named.

What is forgiven stands in a policy that people read: the project's for silence, the user's for a no (threat T58).
"""

from __future__ import annotations

import configparser
import fcntl
import os
import re
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.cli import check
from openvet_install.cli.options import refuse_revision
from openvet_install.cli.policy import now, read_setting
from openvet_install.config import read_policy, user_folder
from openvet_install.config.reader import AUDIT_DIGITS, EXEMPT_LIMIT, INSTALL_TOML, LIFT_LIMIT, OPENVET_TOML, duration
from openvet_install.decide import Reason, ReasonClass
from openvet_install.errors import ConfigError, UsageError
from openvet_install.files import release_of
from openvet_install.gate import judge
from openvet_install.gate.browse import Place, browsing
from openvet_install.gate.opening import knowledge_of
from openvet_install.gate.state import usable_folders
from openvet_install.installers import pip
from openvet_install.installers.disk import replace_file
from openvet_install.installers.locks import read_lock
from openvet_install.openvet.language import Tri
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.decide import Decision
    from openvet_install.files import File
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting
    from openvet_install.openvet.verdict import Audit

OWNER = "OPENVET_INSTALL_OWNER"
_MACHINE = "machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What people said on the command line, read: who forgives which release until when, and why."""

    package: str
    version: str
    until: date
    owner: str
    reason: str
    sdist: bool


def exempt(
    what: str, options: WrapperOptions, *, until: str, reason: str, owner: str | None, sdist: bool, audit: str | None
) -> int:
    """Add an exemption for a release, bound to the sha256 of its files.

    Without `audit` it goes to the project's policy and forgives silence; with it to the user's, and lifts that no.
    Raises `UsageError` for what may not be forgiven.
    """
    name, version = _release(what)
    refuse_revision("exempt", options)
    chosen = read_setting(options)
    if not reason.strip():
        raise UsageError("`--reason` is empty")
    limit, ahead = (EXEMPT_LIMIT, "a year") if audit is None else (LIFT_LIMIT, "14 days")
    entry = Entry(
        package=name, version=version, until=end_of(until, chosen, limit, ahead), owner=owner_of(owner),
        reason=reason, sdist=sdist,
    )  # fmt: skip
    with ExitStack() as stack:
        release = _Release(entry, chosen, stack)
        if not release.decisions:
            raise UsageError(f"no lock here and no index has a file of {name} {version}")
        release.entry = replace(entry, version=release.decisions[0].file.version)
        return _forgive(release, options) if audit is None else _lift(release, options, audit)


class _Release:
    """The files of one release, from the locks if they have it, else from the index, and what is known of them."""

    def __init__(self, entry: Entry, chosen: Setting, stack: ExitStack) -> None:
        self.entry = entry
        self._release = release_of(entry.version)
        self.chosen = chosen
        self._stack = stack
        self._folders = stack.enter_context(usable_folders(os.environ, []))

    @cached_property
    def files(self) -> list[File]:
        """All files of the package that stand there."""
        found: list[File] = []
        for path in check.locks_in(folder_of(self.chosen)):
            if path.suffix != ".txt":
                found += [
                    file for one in read_lock(path).packages if self._is(one.name, one.version) for file in one.files
                ]
        if found:
            return found
        plan = pip.plan(["install", self.entry.package], os.environ, str(Path.cwd()))
        return self._stack.enter_context(browsing(plan, self.chosen.watch)).listed(self.entry.package)

    @cached_property
    def knowledge(self) -> Knowledge:
        """The logs of all policies."""
        return knowledge_of(self.chosen, os.environ, self._folders, self._stack)

    @cached_property
    def decisions(self) -> list[Decision]:
        """What the policies say of the release's files."""
        return self.by(self.chosen)

    def by(self, chosen: Setting) -> list[Decision]:
        """Return what other policies over the same logs say of the release's files."""
        deciding = Place(os.environ, self._folders, self._stack).deciding(self.knowledge, chosen)
        found = judge.judge_files(self.files, deciding, frozenset({self.entry.version}))
        return [one for one in found if self._is(one.file.name, one.file.version)]

    def hashes(self) -> list[str]:
        """Return the sha256 of the files that an entry covers. Raises `UsageError` if there is none."""
        files = [one.file for one in self.decisions if self.entry.sdist or not one.file.is_sdist]
        if hashes := sorted({one.sha256 for one in files if one.sha256}):
            return hashes
        what = f"{self.entry.package} {self.entry.version} has no wheel with a sha256"
        raise UsageError(what, hint="--sdist covers source distributions")

    def nos(self) -> Iterator[tuple[str, Audit]]:
        """Yield each audit that says no about the release, with the scope of the policy that heeds it."""
        for rules in self.chosen.rules:
            for one in self.decisions:
                told = self.knowledge.evidence(one.file).get(rules.scope)
                for audit in (*told.pinned, *told.newest, *told.elsewhere, *told.siblings) if told else ():
                    if any(rules.policy.value(name, audit) is Tri.FALSE for name in rules.names(one.file)):
                        yield rules.scope, audit

    def _is(self, name: str, version: str | None) -> bool:
        return name == self.entry.package and version is not None and release_of(version) == self._release


def _forgive(release: _Release, options: WrapperOptions) -> int:
    entry, chosen = release.entry, release.chosen
    policy = next((one for one in chosen.policies if one.scope == "project"), None)
    if policy is None:
        raise ConfigError("no policy of a project here", hint="openvet-install init --log URL")
    what = f"{entry.package} {entry.version}"
    bad = next((one for one in release.decisions if one.reason.klass in (ReasonClass.NO, ReasonClass.BROKEN)), None)
    if bad is not None:
        no = next((audit for _scope, audit in release.nos()), None)
        hint = f"--audit {no.hash[:AUDIT_DIGITS]} lifts this one no, for 14 days at most" if no is not None else None
        where = check.said(bad) or bad.detail
        raise UsageError(f"{what} is {bad.reason.code}: an exemption forgives silence only", where=where, hint=hint)
    if all(one.reason in (Reason.APPROVED, Reason.CARRIED) for one in release.decisions):
        raise UsageError(f"{what} is approved: there is nothing to forgive")
    hashes = release.hashes()
    install, openvet = policy.folder / INSTALL_TOML, policy.folder / OPENVET_TOML
    path = install if install.exists() or "[install" not in openvet.read_text("utf-8") else openvet
    line = _append("project", path, _text(entry, hashes))
    _tell(release, options, f"{path.name}:{line}", "exempt", len(hashes))
    return 0


def _lift(release: _Release, options: WrapperOptions, audit: str) -> int:
    what = f"{release.entry.package} {release.entry.version}"
    found = [(scope, one) for scope, one in release.nos() if len(audit) >= AUDIT_DIGITS and one.hash.startswith(audit)]
    named = {one.hash for _scope, one in found}
    if len(named) != 1:
        known = sorted({f"{one.log} {one.hash[:AUDIT_DIGITS]}" for _scope, one in release.nos()})
        raise UsageError(
            f"no audit `{plain(audit)}` says no about {what}", hint=f"those that do: {', '.join(known) or 'none'}"
        )
    if any(scope == _MACHINE for scope, _one in found):
        raise UsageError(f"the machine's policy heeds audit {audit[:AUDIT_DIGITS]}: only its own file lifts that no")
    hashes = release.hashes()
    folder = user_folder(os.environ)
    path = folder / INSTALL_TOML
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = _append("user", path, _text(release.entry, hashes, audit=named.pop()))
    _tell(release, options, f"{path}:{line}", f"exempt from the no of {found[0][1].log}", len(hashes))
    return 0


def _tell(release: _Release, options: WrapperOptions, place: str, done: str, count: int) -> None:
    """Say what was written, and what still stands in the way: every policy has to allow a file."""
    entry = release.entry
    terminal = Terminal.of(sys.stdout, os.environ)
    files = f"{count} file{'' if count == 1 else 's'}"
    told = f"{done} until {entry.until.isoformat()}, {files}, owner {plain(entry.owner)}"
    terminal.line(f"{plain(place, 1000)}: {entry.package} {entry.version} {told}")
    after = read_setting(options)
    left = [one for one in release.by(after) if not one.shown and (entry.sdist or not one.file.is_sdist)]
    for scope, reason in sorted({(one.scope, one.reason.code) for one in left}):
        terminal.line(f"! still {reason} by the {scope}'s policy")


def _text(entry: Entry, hashes: Sequence[str], *, audit: str | None = None) -> str:
    import tomlkit  # noqa: PLC0415 - only here

    listed = "".join(f'  "sha256:{one}",\n' for one in hashes)
    owner, reason = (tomlkit.item(value).as_string() for value in (entry.owner, entry.reason))
    return (
        f'\n[[install.exempt]]\npackage = "{entry.package}"\nversion = "{entry.version}"\n'
        + (f'audit = "{audit}"\n' if audit else "")
        + f"owner = {owner}\nreason = {reason}\nuntil = {entry.until.isoformat()}\n"
        + ("sdist = true\n" if entry.sdist else "")
        + f"hashes = [\n{listed}]\n"
    )


def _append(scope: str, path: Path, entry: str) -> int:
    """Add text to a policy's file, after reading the result as a policy; return the line of its first."""
    with ExitStack() as stack:
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)  # one at a time, or the entry of another would be lost
        before = path.read_bytes().decode() if path.exists() else ""
        end = "\r\n" if "\r\n" in before else "\n"
        entry = entry.replace("\n", end)
        if before and not before.endswith("\n"):
            before += end
        after = before + entry if before else entry.lstrip()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openvet-")))
        for one in (path.parent / INSTALL_TOML, path.parent / OPENVET_TOML):
            if one.exists() and one != path:
                (folder / one.name).write_bytes(one.read_bytes())
        (folder / path.name).write_bytes(after.encode())
        read_policy(scope, folder / path.name, now().date())
        put(path, after.encode())
    return before.count("\n") + 2 if before else 1


def put(path: Path, content: bytes) -> None:
    """Replace a file of a policy, where it is if it is a link. Raises `ConfigError` for one that cannot be written."""
    try:
        replace_file(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def folder_of(chosen: Setting) -> Path:
    """Return the folder of the project's policy, else the working folder."""
    policy: PolicyFile | None = next((one for one in chosen.policies if one.scope == "project"), None)
    return policy.folder if policy is not None else Path.cwd()


def _release(what: str) -> tuple[str, str]:
    try:
        asked = Requirement(what)
        (pin,) = asked.specifier
        version = str(Version(pin.version))
    except (InvalidRequirement, ValueError) as error:
        raise UsageError(f"`{plain(what)}` is not NAME==VERSION") from error
    if pin.operator != "==" or asked.url or asked.extras or asked.marker:
        raise UsageError(f"`{plain(what)}` is not NAME==VERSION")
    return str(canonicalize_name(asked.name)), version


def end_of(told: str, chosen: Setting, limit: timedelta = EXEMPT_LIMIT, ahead: str = "a year") -> date:
    """Read `14d` or a date; not yesterday, and at most `limit` ahead. Raises `UsageError`."""
    today = chosen.now.date()
    try:
        end = today + duration(told) if re.fullmatch(r"\d+[smhdwy]", told) else date.fromisoformat(told)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"`--until`: `{plain(told)}` is neither a date nor a time", hint="14d, or 2027-01-31"
        ) from error
    if not timedelta(0) <= end - today <= limit:
        raise UsageError(f"`--until`: {end.isoformat()} must lie ahead, by at most {ahead}")
    return end


def owner_of(told: str | None) -> str:
    """Return who answers for an entry: what was said, else the variable, else git's. Raises `UsageError`."""
    found = told if told is not None else os.environ.get(OWNER) or _git_email()
    if not found:
        raise UsageError("an owner is needed", hint="--owner platform@example.com, or git's user.email")
    return found


def _git_email() -> str:
    """Read user.email from git's file of the user; never from the repository's, which came with it."""
    home = Path(os.environ.get("HOME", "/"))
    base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    for path in (home / ".gitconfig", base / "git" / "config"):
        parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        try:
            parser.read_string(re.sub(r"(?m)^\s+", "", path.read_text("utf-8")))
        except (OSError, ValueError, configparser.Error):
            continue
        if email := parser.get("user", "email", fallback=None):
            return email.strip('"')
    return ""
