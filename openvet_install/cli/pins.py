"""`init` and `update`: the only commands that see a log for the first time, and the only ones that move pins."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.cli import check
from openvet_install.cli.options import refuse_revision
from openvet_install.cli.policy import now
from openvet_install.cli.progress import Progress
from openvet_install.config import LogSettings, discover, policies, read_policy
from openvet_install.errors import EXIT_INVALID, ConfigError, InstallError, UndecidedError, UsageError
from openvet_install.gate.brought import brought
from openvet_install.gate.heads import OPENVET_LOCK
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.model import LogStopsError, Outcome
from openvet_install.gate.setting import NO_POLICY, setting
from openvet_install.gate.state import Looks, usable_folders
from openvet_install.gate.update import move_pins
from openvet_install.http import Fetcher, without_login
from openvet_install.http.addresses import checked
from openvet_install.installers.disk import replace_file
from openvet_install.installers.locks_values import OtherTargetError
from openvet_install.openvet.pins import read_pins
from openvet_install.openvet.sshsig import parse_fingerprint
from openvet_install.openvet.store import Store
from openvet_install.report import text
from openvet_install.report.terminal import Terminal, day_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.gate.brought import Brought, Lost
    from openvet_install.gate.model import Run
    from openvet_install.gate.state import Folders
    from openvet_install.openvet.pins import Advance

WRITTEN = "openvet.lock, openvet-install.lock"


def init(urls: list[str], operators: list[str], options: WrapperOptions) -> int:
    """Verify the logs, then write the policy and its pins; a refused one writes nothing.

    `operators` are the first keys of the log's generations, if people know them; only with a single log.
    """
    refuse_offline("init", options)
    refuse_revision("init", options)
    _check_operators(urls, operators)
    folder = Path(options.project or ".").resolve()
    install, openvet = folder / "openvet-install.toml", folder / "openvet.toml"
    if install.exists():
        raise UsageError(f"`{install.name}` exists already", hint="openvet-install update")
    existing = read_policy("project", openvet, now().date()) if openvet.exists() else None
    logs = dict(existing.logs) if existing else {}
    if existing and existing.settings.said:
        raise UsageError(f"`{openvet.name}` has an `[install]` table already", hint="openvet-install update")
    for url in urls:
        name = name_of(url)
        if name in logs and logs[name].url.rstrip("/") != url.rstrip("/"):
            where = f"in {openvet.name}" if existing and name in existing.logs else "too"
            hint = f"[log.OTHER-NAME] with its url in {openvet.name}, then openvet-install update"
            raise UsageError(f"log `{name}` is {without_login(logs[name].url)} {where}", hint=hint)
        if name not in logs:
            logs[name] = LogSettings(name=name, url=url, where="--log")
        logs[name] = logs[name]._replace(operators=tuple(operators))
    found = _move(folder, logs, None)
    terminal = Terminal.of(sys.stdout, os.environ)
    _tell(terminal, found)
    target = install if existing else openvet
    mode = "block"
    _write(target, openvet, existing, logs, mode)
    covered = _covered(folder, options)
    if any(result is None or check.is_silent(result) for _line, result in covered):
        mode = "warn"
        _write(target, openvet, existing, logs, mode)
    terminal.line(f'wrote {target.name} (mode = "{mode}"), {WRITTEN}')
    _tell_covered(terminal, covered, folder, mode)
    return 0


def _tell_covered(terminal: Terminal, covered: list[tuple[str, Run | None]], folder: Path, mode: str) -> None:
    for line, _result in covered:
        terminal.line(line)
    if not covered and (locking := check.how_to_lock(folder)) is not None:
        terminal.line("nothing here is locked with hashes yet, so nothing can be said of it")
        terminal.line(f"hint: {locking}    then openvet-install baseline")
    if any(result is None for _line, result in covered):
        terminal.line("hint: openvet-install check --python PATH    for a target that it is made for")
    if any(result is not None and result.outcome is not Outcome.ALLOWED for _line, result in covered):
        hint = 'openvet-install baseline    then mode = "block"' if mode == "warn" else "openvet-install check"
        terminal.line(f"hint: {hint}")


def refuse_offline(command: str, options: WrapperOptions) -> None:
    """Raise `UsageError` for a command that must ask the logs."""
    if options.offline:
        raise UsageError(f"`{command}` asks the logs, it cannot be offline", hint="without --offline")


def _check_operators(urls: list[str], operators: list[str]) -> None:
    if operators and len(urls) > 1:
        raise UsageError("`--operator` goes with a single `--log`")
    for one in operators:
        if parse_fingerprint(one) is None:
            raise UsageError(f"not a key's fingerprint: `{plain(one)}`", hint="--operator SHA256:… (ssh-keygen -lf)")


def update(name: str | None, options: WrapperOptions, scope: str = "project") -> int:
    """Move the pins of a policy's logs forward; a log that does not verify moves nothing."""
    refuse_offline("update", options)
    refuse_revision("update", options)
    project = Path(options.project) if options.project else None
    found = policies(Path.cwd(), os.environ, now().date(), project=project, owner=None)
    policy = next((one for one in found if one.scope == scope), None)
    if policy is None and found and scope == "project":
        raise ConfigError("no policy of a project here", hint=f"openvet-install update --{found[-1].scope}")
    if policy is None and scope != "project":
        raise ConfigError(f"the {scope} has no policy of its own", hint="openvet-install config")
    if policy is None:
        raise ConfigError(NO_POLICY, hint="openvet-install init --log URL")
    terminal = Terminal.of(sys.stdout, os.environ)
    with _outside() as outside:
        moved = _moved(policy.folder, dict(policy.logs), name, outside)
        _tell(terminal, moved)
        if any(one.learned or one.state in ("first", "moved") for one in moved):
            make = partial(_knowledge, policy, *outside)
            brings = _brought(policy, moved, make) if scope == "project" else None
            where = "" if scope == "project" else f" in {plain(str(policy.folder), 300)}"
            terminal.line(f"wrote {WRITTEN}{where}{_counted(brings)}")
            terminal.rows([_lost(one) for one in brings.lost] if brings else [])
    return 0


def _written_in(folder: Path) -> str:
    """Say in what state a command that ends early leaves the pins of a folder."""
    return f"{OPENVET_LOCK} unchanged" if (folder / OPENVET_LOCK).exists() else "nothing written"


def _move(folder: Path, logs: dict[str, LogSettings], only: str | None) -> list[Advance]:
    with _outside() as outside:
        return _moved(folder, logs, only, outside)


@contextmanager
def _outside() -> Iterator[tuple[Fetcher, Store, Folders]]:
    with ExitStack() as stack:
        fetcher = stack.enter_context(Fetcher(environ=os.environ))
        folders = stack.enter_context(usable_folders(os.environ, []))
        yield fetcher, stack.enter_context(Store(folders.cache / "objects")), folders


def _moved(
    folder: Path, logs: dict[str, LogSettings], only: str | None, outside: tuple[Fetcher, Store, Folders]
) -> list[Advance]:
    fetcher, store, folders = outside
    looks = Looks(folders.state)
    with Progress(sys.stderr, Terminal.of(sys.stderr, os.environ)) as progress:
        try:
            return move_pins(
                folder, logs, only=only, fetcher=fetcher, store=store, looks=looks, now=now(), progress=progress
            )
        except LogStopsError as error:
            progress.clear()
            outcome = Outcome.INVALID if error.exit_code == EXIT_INVALID else Outcome.UNDECIDED
            terminal = Terminal.of(sys.stderr, os.environ)
            text.stopped(terminal, outcome, error.troubles, _written_in(folder))
            raise SystemExit(error.exit_code) from error


def _knowledge(policy: PolicyFile, fetcher: Fetcher, store: Store, folders: Folders) -> Knowledge:
    looks = Looks(folders.state)
    return Knowledge([policy], fetcher=fetcher, store=store, looks=looks, now=now(), offline=False)


def _brought(policy: PolicyFile, moved: list[Advance], make: Callable[[], Knowledge]) -> Brought | None:
    """Judge the project's locks before and after; None without locks or without a target to judge them for."""
    after = {name: pin.head for name, pin in read_pins(policy.folder / OPENVET_LOCK).items()}
    before = {**after, **{one.name: one.old or "" for one in moved}}
    heads = {name: head for name, head in before.items() if head}, after
    chosen = setting([policy], mode=None, variables=(), now=now())
    try:
        return brought(check.locks_of([policy]), chosen, check.target_of(None), os.environ, heads=heads, make=make)
    except InstallError:
        return None  # the pins have moved all the same; `check` says what is wrong with the locks


def _counted(brings: Brought | None) -> str:
    if brings is None:
        return ""
    counts = Counter(one.decision.reason.code for one in brings.lost)
    told = [f"{brings.approved} newly approved"]
    told += [f"{brings.leaving} can leave the baseline"] if brings.leaving else []
    return f"; this project: {', '.join([*told, *(f'{count} {reason}' for reason, count in sorted(counts.items()))])}"


def _lost(one: Lost) -> list[str]:
    told = f"{plain(one.log)} {one.commit[:12]}, {day_of(one.timestamp)}" if one.commit else ""
    return [f"✘ {text.subject_of(one.decision)}", one.decision.reason.code, told]


def _tell(terminal: Terminal, found: list[Advance]) -> None:
    for one in found:
        name, verified = plain(one.name), one.verified
        for warning in one.warnings[1:] if one.state == "stale" else one.warnings:
            terminal.line(f"openvet: warning: {plain(warning, 300)}")
        if one.state == "first":
            terminal.line(f"{name}: first sight: verified {_commits(verified.commits)}; head {one.new[:12]}")
        elif one.state == "stale":
            behind = f"{_commits(one.behind)} before the pin" if one.behind else "older than the pin"
            terminal.line(f"{name}: stale; serves {one.served[:12]}, {behind}; kept {one.new[:12]}")
        elif one.state == "same":
            terminal.line(f"{name}: nothing new; head {one.new[:12]}")
        else:
            counts = f"{verified.keyset_changes} keyset / {verified.generation_roots} gen-root"
            old = one.old[:12] if one.old else "none"
            terminal.line(f"{name}: verified {verified.commits} new commit(s) ({counts}); head {old} -> {one.new[:12]}")
        for operator in one.learned:
            terminal.line(f"{name}: operator {operator} (compare it with what {name} says)")


def _commits(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"


def name_of(url: str) -> str:
    """Return the name that a log gets from its URL: the last part. Raises `UsageError` for what is never asked."""
    try:
        parts = checked(url, None)
    except UndecidedError as error:
        hint = "--log https://logs.example/acme    (http on this machine only)"
        raise UsageError(f"`{plain(url)}` is no URL of a log", hint=hint) from error
    return parts.path.rstrip("/").rpartition("/")[2] or (parts.hostname or "")


def _write(
    target: Path, openvet: Path, existing: PolicyFile | None, logs: Mapping[str, LogSettings], mode: str
) -> None:
    import tomlkit  # noqa: PLC0415 - only `init` edits files of people

    added = {name: one for name, one in logs.items() if existing is None or name not in existing.logs}
    install = f"""\
[install]
mode = "{mode}"   # block | warn: what nobody audited is passed and told, a no never is
"""
    for one in logs.values():
        if one.operators:
            install += "\n" + tomlkit.dumps({"install": {"log": {one.name: {"operators": list(one.operators)}}}})
    if existing is None:
        told = "# OpenVet: whose audits count, and what they must say of a file before it is installed.\n"
        told += "".join(_log_table(one) for one in added.values())
        told += '\n[requirement]\nbenign = "is-benign"\n\n' + install
        replace_file(target, told.encode())
        return
    if added:
        text = openvet.read_bytes().decode()
        mark = text[: text.startswith("\ufeff")]
        document = tomlkit.parse(text.removeprefix(mark))
        for one in added.values():
            if one.name not in document.setdefault("log", tomlkit.table(is_super_table=True)):
                document["log"][one.name] = {"url": one.url}
        replace_file(openvet, (mark + tomlkit.dumps(document)).encode())
    replace_file(target, install.encode())


def _log_table(one: LogSettings) -> str:
    import tomlkit  # noqa: PLC0415 - as above

    return "\n" + tomlkit.dumps({"log": {one.name: {"url": one.url}}})


def _covered(folder: Path, options: WrapperOptions) -> list[tuple[str, Run | None]]:
    """Say of each lock in the folder how much of it is approved, or, with None, why that is not known here."""
    if discover(folder, None) is None:
        return []
    found: list[tuple[str, Run | None]] = []
    for path in check.locks_in(folder):
        try:
            result = check.judged([path], options._replace(project=str(folder), reports=()), python=None)
        except OtherTargetError as fault:
            found.append((f"{path.name}: {plain(fault.what, 300)}", None))
        else:
            found.append((f"{path.name}: {check.coverage(result)}", result))
    return found
