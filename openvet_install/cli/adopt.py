"""`baseline`, `exempt` and `suggest`: the way to green, with an owner and an end on every step."""

from __future__ import annotations

import configparser
import os
import re
import sys
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.cli import check, reports
from openvet_install.cli.policy import now, read_setting
from openvet_install.config import LogSettings, read_policy
from openvet_install.config.baseline import BASELINE_TOML, grown, render, shrunk
from openvet_install.config.reader import EXEMPT_LIMIT, INSTALL_TOML, OPENVET_TOML, duration
from openvet_install.decide import ReasonClass
from openvet_install.errors import ConfigError, UsageError
from openvet_install.gate import adopt, judge
from openvet_install.gate.browse import Place, browsing
from openvet_install.gate.session import knowledge_of
from openvet_install.gate.state import replace_file, usable_folders
from openvet_install.installers import pip
from openvet_install.installers.locks import read_lock
from openvet_install.report import text
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.config.baseline import Known
    from openvet_install.decide import Decision
    from openvet_install.files import File
    from openvet_install.gate.setting import Setting

OWNER = "OPENVET_INSTALL_OWNER"


def baseline(options: WrapperOptions, *, owner: str | None, until: str | None, grow: bool, python: str | None) -> int:
    """Write the baseline: at first of all that is silent, later smaller; with `grow` new releases come in too.

    Ends as `check` then would.
    """
    reports.check(options.reports)
    chosen, policy = _project(options)
    last = _end(until, chosen) if until else None
    paths, target = check.locks_of(chosen.policies), check.target_of(python)
    found = adopt.survey(paths, chosen, target, os.environ)
    silent = [one.cover for one in found if one.cover is not None]
    path = policy.folder / BASELINE_TOML
    first = not path.exists()
    left = shrunk(policy.baseline, silent)
    after: tuple[Known, ...] = left
    if first or grow:
        after = grown(left, silent, chosen.now.date(), _owner(owner) if _news(left, silent) else "", last)
    content = render(after).encode()
    if first or path.read_bytes() != content:
        _replace(path, content)
    terminal = Terminal.of(sys.stdout, os.environ)
    terminal.line(_wrote(after, policy.baseline))
    if waiting := len(silent) - len(after):
        terminal.line(f"{_count(waiting, 'release')} not in it: a baseline only shrinks, unless --grow")
    _refused(terminal, found)
    return _ended(options, python, len(after) - len(left))


def _news(left: Sequence[Known], silent: Sequence[object]) -> bool:
    return len(silent) > len(left)


def _wrote(after: Sequence[Known], before: Sequence[Known]) -> str:
    files = sum(len(one.hashes) for one in after)
    line = f"wrote {BASELINE_TOML}: {_count(len(after), 'release')}, {_count(files, 'file')}"
    if not after:
        return line
    ends = sorted(one.until for one in after)
    weekly = max(Counter((end.isocalendar()[0], end.isocalendar()[1]) for end in ends).values())
    line += f"; {weekly} end{'s' if weekly == 1 else ''} each week, {ends[0]} to {ends[-1]}"
    gone = len({(one.package, one.version) for one in before} - {(one.package, one.version) for one in after})
    return line + (f"; {gone} left it" if gone else "")


def _refused(terminal: Terminal, found: Sequence[adopt.Found]) -> None:
    bad = [one for one in found if one.cover is None]
    terminal.rows(
        [
            [f"✘ {text.subject_of(one.decision)}", one.decision.reason.code, "not taken, decide it by hand"]
            for one in bad
        ]
    )


def _ended(options: WrapperOptions, python: str | None, added: int) -> int:
    chosen, _policy = _project(options)
    result = judge.check(check.locks_of(chosen.policies), chosen, check.target_of(python), os.environ)
    result.command, result.baseline_grown = ["baseline"], added
    reports.write(result, options.reports)
    return result.exit_code


def exempt(
    what: str, options: WrapperOptions, *, until: str, reason: str, owner: str | None, sdist: bool, audit: str | None
) -> int:
    """Add an exemption for a release to the project's policy, bound to the sha256 of its files."""
    if audit is not None:
        raise UsageError("lifting a single audit is not possible in this version: a no stays a no")
    name, version = _release(what)
    chosen, policy = _project(options)
    if not reason.strip():
        raise UsageError("`--reason` is empty")
    end, person = _end(until, chosen), _owner(owner)
    decisions = _decisions(name, version, chosen, policy)
    if not decisions:
        raise UsageError(f"no lock here and no index has a file of {name} {version}")
    bad = next((one for one in decisions if one.reason.klass is not ReasonClass.SILENCE), None)
    if bad is not None and bad.reason.klass is not ReasonClass.FINE:
        where = check.said(bad) or bad.detail
        raise UsageError(f"{name} {version} is {bad.reason.code}: an exemption forgives silence only", where=where)
    files = [one.file for one in decisions if sdist or not one.file.is_sdist]
    hashes = sorted({one.sha256 for one in files if one.sha256})
    if not hashes:
        raise UsageError(f"{name} {version} has no wheel with a sha256", hint="--sdist covers source distributions")
    path, line = _append(policy, _entry(name, version, hashes, sdist=sdist, owner=person, reason=reason, end=end))
    terminal = Terminal.of(sys.stdout, os.environ)
    told = f"{name} {version} exempt until {end.isoformat()}, {_count(len(hashes), 'file')}, owner {plain(person)}"
    terminal.line(f"{path.name}:{line}: {told}")
    return 0


def _decisions(name: str, version: str, chosen: Setting, policy: PolicyFile) -> list[Decision]:
    """Judge all files of a release, from the locks if they have it, else from the index."""
    from contextlib import ExitStack  # noqa: PLC0415 - only here

    files: list[File] = []
    for path in check.locks_in(policy.folder):
        if path.suffix != ".txt":
            packages = [one for one in read_lock(path).packages if (one.name, one.version) == (name, version)]
            files += [file for one in packages for file in one.files]
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(os.environ, []))
        if not files:
            plan = pip.plan(["install", name], os.environ, str(Path.cwd()))
            files = stack.enter_context(browsing(plan)).listed(name)
        knowledge = knowledge_of(chosen, os.environ, folders, stack)
        deciding = Place(os.environ, folders, stack).deciding(knowledge, chosen)
        return [one for one in judge.judge_files(files, deciding, frozenset({version})) if one.file.version == version]


def _entry(name: str, version: str, hashes: Sequence[str], *, sdist: bool, owner: str, reason: str, end: date) -> str:
    import tomlkit  # noqa: PLC0415 - only here

    listed = "".join(f'  "sha256:{one}",\n' for one in hashes)
    quoted = {key: tomlkit.item(value).as_string() for key, value in (("owner", owner), ("reason", reason))}
    return (
        f'\n[[install.exempt]]\npackage = "{name}"\nversion = "{version}"\n'
        f"owner = {quoted['owner']}\nreason = {quoted['reason']}\nuntil = {end.isoformat()}\n"
        + ("sdist = true\n" if sdist else "")
        + f"hashes = [\n{listed}]\n"
    )


def _append(policy: PolicyFile, entry: str) -> tuple[Path, int]:
    """Add text to the file that holds `[install]`, after reading the result as a policy; return file and line."""
    install, openvet = policy.folder / INSTALL_TOML, policy.folder / OPENVET_TOML
    path = install if install.exists() or "[install" not in openvet.read_text("utf-8") else openvet
    before = path.read_text("utf-8") if path.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    after = before + entry
    with tempfile.TemporaryDirectory(prefix="openvet-") as folder:
        for one in (install, openvet):
            if one.exists() and one != path:
                (Path(folder) / one.name).write_bytes(one.read_bytes())
        (Path(folder) / path.name).write_text(after, "utf-8")
        read_policy("project", Path(folder) / path.name, now().date())
    _replace(path, after.encode())
    return path, before.count("\n") + 2


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def suggest(options: WrapperOptions, *, logs: Sequence[str], python: str | None) -> int:
    """Say what to audit next, and which candidate log would clear most."""
    from openvet_install.cli.pins import name_of  # noqa: PLC0415 - only with a log

    chosen, _policy = _project(options)
    paths, target = check.locks_of(chosen.policies), check.target_of(python)
    found = adopt.survey(paths, chosen, target, os.environ)
    terminal = Terminal.of(sys.stdout, os.environ)
    if not logs:
        terminal.rows([_suggested(one) for one in adopt.suggestions(found)])
        return 0
    silent = [one for one in found if one.cover is not None]
    told = []
    for url in logs:
        settings = LogSettings(name=name_of(url), url=url, where="--log")
        left = adopt.survey_by(settings, paths, chosen, target, os.environ)
        told.append((settings.name, adopt.Candidate.of(silent, left)))
    for name, one in sorted(told, key=lambda each: -each[1].approved):
        worse = f"contradicts {', '.join(one.contradicted)}" if one.contradicted else "contradicts none"
        cleared = f"{one.approved} of {len(silent)} ({one.runtime} runtime)"
        terminal.line(f"{plain(name)} would approve {cleared} and {plain(worse, 300)}")
    return 0


def _suggested(one: adopt.Suggestion) -> list[str]:
    command = f"openvet audit new '{plain(str(one.file.coordinate), 1000)}'"
    size = text.size(one.size) if one.size is not None else ""
    delta = f"diff to {one.delta}, audited" if one.delta else ""
    return [command, size, "runtime" if one.runtime else "dev", delta]


def _project(options: WrapperOptions) -> tuple[Setting, PolicyFile]:
    chosen = read_setting(Path(options.project) if options.project else None, options)
    policy = next((one for one in chosen.policies if one.scope == "project"), None)
    if policy is None:
        raise ConfigError("no policy of a project here", hint="openvet-install init --log URL")
    return chosen, policy


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


def _end(told: str, chosen: Setting) -> date:
    """Read `14d` or a date; at most a year ahead, and not yesterday."""
    today = chosen.now.date()
    try:
        end = today + duration(told) if re.fullmatch(r"\d+[smhdwy]", told) else date.fromisoformat(told)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"`--until`: `{plain(told)}` is neither a date nor a time", hint="14d, or 2027-01-31"
        ) from error
    if not timedelta(0) <= end - today <= EXEMPT_LIMIT:
        raise UsageError(f"`--until`: {end.isoformat()} must lie ahead, by at most a year")
    return end


def _owner(told: str | None) -> str:
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


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
