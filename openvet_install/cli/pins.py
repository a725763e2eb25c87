"""`init` and `update`: the only commands that see a log for the first time, and the only ones that move pins."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openvet_install.cli import check
from openvet_install.cli.policy import now
from openvet_install.config import LogSettings, discover, policies, read_policy
from openvet_install.errors import EXIT_INVALID, ConfigError, UsageError
from openvet_install.gate.model import LogStopsError, Outcome
from openvet_install.gate.setting import NO_POLICY
from openvet_install.gate.state import replace_file, usable_folders
from openvet_install.gate.update import move_pins
from openvet_install.http import Fetcher
from openvet_install.openvet.store import Store
from openvet_install.report import text
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.openvet.pins import Advance

WRITTEN = "openvet.lock, openvet-install.lock"
PROGRESS_EVERY = 500  # commits


def init(urls: list[str], options: WrapperOptions) -> int:
    """Verify the logs, then write the policy and its pins; an interrupted or refused one writes nothing."""
    folder = Path(options.project or ".").resolve()
    install, openvet = folder / "openvet-install.toml", folder / "openvet.toml"
    if install.exists():
        raise UsageError(f"`{install.name}` exists already", hint="openvet-install update")
    existing = read_policy("project", openvet, now().date()) if openvet.exists() else None
    logs = dict(existing.logs) if existing else {}
    if existing and existing.settings.said:
        raise UsageError(f"`{openvet.name}` has an `[install]` table already", hint="openvet-install update")
    added = {}
    for url in urls:
        name = _name_of(url)
        if name in logs and logs[name].url != url:
            raise UsageError(f"log `{name}` is {logs[name].url} in {openvet.name}")
        if name not in logs:
            added[name] = logs[name] = LogSettings(name=name, url=url, where="--log")
    found = _move(folder, logs, None)
    terminal = Terminal.of(sys.stdout, os.environ)
    _tell(terminal, found)
    target = install if existing else openvet
    mode = "block"
    _write(target, openvet, existing, added, mode)
    covered = _covered(folder, options)
    if any(outcome is not Outcome.ALLOWED for _line, outcome in covered):
        mode = "warn"
        _write(target, openvet, existing, added, mode)
    terminal.line(f'wrote {target.name} (mode = "{mode}"), {WRITTEN}')
    for line, _outcome in covered:
        terminal.line(line)
    if mode == "warn":
        terminal.line('hint: openvet-install check    then mode = "block"')
    return 0


def update(name: str | None, options: WrapperOptions) -> int:
    """Move the pins of the project's logs forward; a log that does not verify moves nothing."""
    project = Path(options.project) if options.project else None
    found = policies(Path.cwd(), os.environ, now().date(), project=project, owner=None)
    policy = next((one for one in found if one.scope == "project"), None)
    if policy is None:
        raise ConfigError(NO_POLICY, hint="openvet-install init --log URL")
    terminal = Terminal.of(sys.stdout, os.environ)
    moved = _move(policy.folder, dict(policy.logs), name)
    _tell(terminal, moved)
    if any(one.state in ("first", "moved") for one in moved):
        terminal.line(f"wrote {WRITTEN}")
    return 0


def _move(folder: Path, logs: dict[str, LogSettings], only: str | None) -> list[Advance]:
    terminal = Terminal.of(sys.stderr, os.environ)

    def progress(name: str, done: int, total: int) -> None:
        if sys.stderr.isatty() and done and done % PROGRESS_EVERY == 0:
            terminal.line(f"{plain(name)}: verified {done} of {total} commits")

    with ExitStack() as stack:
        fetcher = stack.enter_context(Fetcher(environ=os.environ))
        folders = stack.enter_context(usable_folders(os.environ, []))
        store = stack.enter_context(Store(folders.cache / "objects"))
        try:
            return move_pins(folder, logs, only=only, fetcher=fetcher, store=store, now=now(), progress=progress)
        except LogStopsError as error:
            outcome = Outcome.INVALID if error.exit_code == EXIT_INVALID else Outcome.UNDECIDED
            text.stopped(terminal, outcome, [error.trouble], "openvet.lock unchanged")
            raise SystemExit(error.exit_code) from error


def _tell(terminal: Terminal, found: list[Advance]) -> None:
    for one in found:
        name, verified = plain(one.name), one.verified
        for warning in one.warnings if one.state != "stale" else ():
            terminal.line(f"openvet: warning: {plain(warning, 300)}")
        if one.state == "first":
            terminal.line(f"{name}: first sight: verified {_commits(verified.commits)}; head {one.new[:12]}")
            for operator in verified.operators:
                terminal.line(f"{name}: operator {operator} (compare it with what {name} says)")
        elif one.state == "stale":
            behind = f"{_commits(one.behind)} before the pin" if one.behind else "older than the pin"
            terminal.line(f"{name}: stale; serves {one.served[:12]}, {behind}; kept {one.new[:12]}")
        elif one.state == "same":
            terminal.line(f"{name}: nothing new; head {one.new[:12]}")
        else:
            counts = f"{verified.keyset_changes} keyset / {verified.generation_roots} gen-root"
            old = one.old[:12] if one.old else "none"
            terminal.line(f"{name}: verified {verified.commits} new commit(s) ({counts}); head {old} -> {one.new[:12]}")


def _commits(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"


def _name_of(url: str) -> str:
    parts = urlsplit(url)
    name = parts.path.rstrip("/").rpartition("/")[2] or (parts.hostname or "")
    if not name or not parts.scheme:
        raise UsageError(f"`{plain(url)}` is no URL of a log", hint="--log https://logs.example/acme")
    return name


def _write(target: Path, openvet: Path, existing: PolicyFile | None, added: dict[str, LogSettings], mode: str) -> None:
    import tomlkit  # noqa: PLC0415 - only `init` edits files of people

    install = f"""\
[install]
mode = "{mode}"   # block | warn: what nobody audited is passed and told, a no never is
"""
    if existing is None:
        told = "# OpenVet: whose audits count, and what they must say of a file before it is installed.\n"
        told += "".join(_log_table(one) for one in added.values())
        told += '\n[requirement]\nbenign = "is-benign"\n\n' + install
        replace_file(target, told.encode())
        return
    if added:
        document = tomlkit.parse(openvet.read_text("utf-8"))
        for one in added.values():
            if one.name not in document.setdefault("log", tomlkit.table(is_super_table=True)):
                document["log"][one.name] = {"url": one.url}
        replace_file(openvet, tomlkit.dumps(document).encode())
    replace_file(target, install.encode())


def _log_table(one: LogSettings) -> str:
    import tomlkit  # noqa: PLC0415 - as above

    return "\n" + tomlkit.dumps({"log": {one.name: {"url": one.url}}})


def _covered(folder: Path, options: WrapperOptions) -> list[tuple[str, Outcome]]:
    """Say of each lock in the folder how much of it is approved."""
    if discover(folder, None) is None:
        return []
    return [
        (f"{path.name}: {check.coverage(result)}", result.outcome)
        for path in check.locks_in(folder)
        for result in [check.judged([path], options._replace(project=str(folder), reports=()), python=None)]
    ]
