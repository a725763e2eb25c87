"""`doctor`: what a run would find here, one line each: `✓` good, `!` worth knowing (0), `✘` ends a run.

A check is a function in `CHECKS`: it yields findings, and an `InstallError` that it raises is its `✘`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openvet_install import __version__
from openvet_install.cli import check, selftest
from openvet_install.cli.policy import now, read_setting
from openvet_install.errors import EXIT_BUG, ConfigError, InstallError, gravest
from openvet_install.gate import stores
from openvet_install.gate.browse import browsing
from openvet_install.gate.heads import ago
from openvet_install.gate.model import LogStopsError
from openvet_install.gate.opening import unopened
from openvet_install.gate.state import Folders, usable_folders
from openvet_install.installers import pip, uv
from openvet_install.installers.choice import find_uv
from openvet_install.installers.commands import without_login
from openvet_install.installers.environment import sort_environment
from openvet_install.installers.sandbox import OFF, ON, Sandbox
from openvet_install.installers.target import uv_version
from openvet_install.provenance import trust_root
from openvet_install.report.terminal import Terminal, day_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.files import File
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan

    Check = Callable[["Asked"], Iterator["Finding"]]

GOOD, NOTE, FAULT = "✓", "!", "✘"
PROBE = "pip"
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
_LINE_CHARACTERS = 400


class Finding(NamedTuple):
    """One line; `code` is what a run would end with, 0 unless the sign is `✘`."""

    sign: str
    text: str
    code: int = 0


@dataclass
class Asked:
    """What the checks look at; the policies are read once."""

    options: WrapperOptions
    python: str | None

    @cached_property
    def setting(self) -> Setting:
        """The policies that hold here. Raises what a run would raise."""
        return read_setting(self.options)

    def settled(self) -> Setting | None:
        """Return the policies, or None where `_policy` has told already why there are none."""
        try:
            return self.setting
        except InstallError:
            return None


def run(options: WrapperOptions, *, python: str | None) -> int:
    """Print a line for each finding; return 0, or the exit code of the first check that fails, as a run would."""
    terminal = Terminal.of(sys.stdout, os.environ)
    asked, code = Asked(options, python), 0
    for one in CHECKS:
        codes = []
        for found in _findings(one, asked):
            terminal.line(f"{found.sign} {plain(found.text, _LINE_CHARACTERS)}")
            codes.append(found.code)
        code = code or gravest(filter(None, codes))
    return code


def clean_store() -> int:
    """Empty the stores of what no running process uses, and say how much that was."""
    terminal = Terminal.of(sys.stdout, os.environ)
    cache = Folders.of(os.environ).cache
    try:
        cleaned = stores.empty(cache)
    except OSError as error:
        raise ConfigError(f"cannot be emptied: {error.strerror or error}", where=str(cache)) from error
    terminal.line(f"{GOOD} store: {_size(cleaned.freed)} freed")
    if cleaned.busy:
        terminal.line(f"{NOTE} package files stay: a running process uses them")
    return 0


def _findings(one: Check, asked: Asked) -> Iterator[Finding]:
    try:
        yield from one(asked)
    except LogStopsError as error:
        for trouble, fault in zip(error.troubles, error.faults, strict=True):
            yield Finding(FAULT, f"{trouble}{_aside(fault)}", fault.exit_code)
    except InstallError as error:
        for fault in getattr(error, "faults", [error]):
            yield Finding(FAULT, f"{fault.what}{_aside(fault)}", fault.exit_code)


def _aside(fault: InstallError) -> str:
    where = f" ({fault.where})" if fault.where else ""
    return where + (f"; hint: {fault.hint}" if fault.hint else "")


def _policy(asked: Asked) -> Iterator[Finding]:
    _ = asked.setting
    yield from ()


def _tools(asked: Asked) -> Iterator[Finding]:
    found = find_uv(os.environ, str(Path.cwd()))
    for path, reason in found.skipped:
        yield Finding(NOTE, f"uv at {path} is passed over: {reason}")
    told = uv_version(found.path, sort_environment("uv", os.environ).child, str(Path.cwd()))
    try:
        ours = version("pip")
    except PackageNotFoundError as error:
        raise ConfigError("our own pip is missing", hint="install openvet-install again") from error
    which = "ours" if found.ours else "first on PATH"
    tools = f"openvet-install {__version__}, pip {ours} (ours), uv {told} ({which})"
    try:
        target = check.target_of(asked.python)
    except InstallError:
        yield Finding(GOOD, tools)
        raise
    python = _IMPLEMENTATIONS.get(target.implementation, target.implementation)
    yield Finding(GOOD, f"{tools}; target {_shown(target.prefix)}, {python} {'.'.join(map(str, target.version))}")


def _isolation(asked: Asked) -> Iterator[Finding]:
    chosen = asked.settled()
    if chosen is None:
        return
    with Sandbox(chosen.isolation) as sandbox:
        found = sandbox.settle()
    if found.state == ON:
        yield Finding(GOOD, "isolation on: the tools have a network of their own")
    elif chosen.isolation == OFF:
        yield Finding(NOTE, 'isolation off: a policy says isolation = "off"')
    else:
        yield Finding(NOTE, f'isolation off: {found.reason}; isolation = "require" would stop')


def _logs(asked: Asked) -> Iterator[Finding]:
    chosen = asked.settled()
    if chosen is None:
        return
    if not any(policy.logs for policy in chosen.policies):
        yield Finding(NOTE, "no policy names a log: nothing can be approved by an audit")
        return
    with ExitStack() as stack:
        knowledge = unopened(chosen, os.environ, stack.enter_context(usable_folders(os.environ, [])), stack)
        try:
            knowledge.open()
        except LogStopsError:
            yield from _seen(knowledge)
            raise
        yield from _seen(knowledge)


def _seen(knowledge: Knowledge) -> Iterator[Finding]:
    """Tell of the logs whose heads verify."""
    logs = dict.fromkeys((one.name, one.head, one.newest) for one in knowledge.logs)
    if logs:
        heads = [f"{name} {head[:12]}" + (f" (newest {new[:12]})" if new != head else "") for name, head, new in logs]
        seen = [one.checked for one in knowledge.logs if one.checked is not None]
        looked = f", seen {ago((now() - min(seen)).total_seconds())} ago" if seen else ", never seen from here"
        newest = day_of(knowledge.newest_commit or 0)
        yield Finding(GOOD, f"logs: {', '.join(heads)}{looked}, newest commit {newest}")
    for warning in (*knowledge.warnings, *knowledge.ahead(now())):
        yield Finding(NOTE, warning)


def _store(_asked: Asked) -> Iterator[Finding]:
    warnings: list[str] = []
    with usable_folders(os.environ, warnings) as usable:
        try:
            found = stores.kept(Folders.of(os.environ).cache)
        except OSError:  # nobody may look there, as the warning says
            found = stores.kept(usable.cache)
    for warning in (*warnings, *_state_warnings()):
        yield Finding(NOTE, warning)
    used = "never used" if found.used is None else f"last used {ago(now().timestamp() - found.used)} ago"
    yield Finding(
        GOOD,
        f"store: {found.objects} objects of logs, {_size(found.object_bytes)}; {found.files} package files, "
        f"{_size(found.file_bytes)}; caches of uv, {_size(found.cache_bytes)}; {used}",
    )
    stores.check_owner(usable)


def _state_warnings() -> Iterator[str]:
    state = Folders.of(os.environ).state
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state):
            pass
    except OSError as error:
        yield f"{state} cannot be written ({error.strerror}); no look at a log is remembered, no killed run put right"


def _provenance(asked: Asked) -> Iterator[Finding]:
    if find_spec("sigstore") is None:
        yield Finding(NOTE, "provenance: extra not installed; what requires it is provenance-missing")
        return
    chosen = asked.settled()
    named = {one.trust_root for policy in chosen.rules for one in policy.publishers} if chosen is not None else set()
    for path in sorted(named, key=str) or [None]:
        root = trust_root(path)
        age = f"newest key of {root.newest.isoformat()}" if root.newest is not None else "no key says when it began"
        yield Finding(GOOD, f"provenance: trust root of {root.name}, {age}")


def _index(asked: Asked) -> Iterator[Finding]:
    """Say what the indexes of pip and uv tell, how they are reached, and whether a block blocks."""
    wrong = selftest.run()
    for one in wrong:
        yield Finding(FAULT, f"self-test: {one}", EXIT_BUG)
    tested = "" if wrong else "; self-test: a block blocks"
    more = ["--python", asked.python] if asked.python else []
    plans = [
        pip.plan(["install", *more, PROBE], os.environ, str(Path.cwd())),
        uv.plan(["pip", "install", *more, PROBE], os.environ, str(Path.cwd())),
    ]
    if asked.options.offline:
        yield Finding(GOOD, f"index: not asked, offline{tested}")
        return
    seen: set[str] = set()
    for plan in plans:
        with browsing(plan) as browser:
            for index in plan.indexes:
                if index.url not in seen:
                    seen.add(index.url)
                    yield _told(index.url, browser.page(index.url, PROBE), _way_out(plan) + tested)


def _told(url: str, files: tuple[File, ...] | None, rest: str) -> Finding:
    shown = f"index {without_login(url)}"
    if not files:
        return Finding(NOTE, f"{shown}: answers, but lists no {PROBE} to look at; {rest}")
    hashes, times = all(one.sha256 for one in files), any(one.uploaded for one in files)
    said = f"{'hashes' if hashes else 'files without sha256'}, {'upload times' if times else 'no upload times'}"
    if hashes and times:
        return Finding(GOOD, f"{shown}: {said}; {rest}")
    means = [] if hashes else ["what has no sha256 is unhashed"]
    means += [] if times else ["every file is young for cooldown, max-lag does not apply"]
    return Finding(NOTE, f"{shown}: {said}: {', '.join(means)}; {rest}")


def _way_out(plan: Plan) -> str:
    proxies = sorted({without_login(url) for url in plan.upstream.proxies.values()})
    told = f"proxy {', '.join(proxies)}" if proxies else "no proxy"
    bundle = plan.upstream.ca_file or plan.upstream.ca_dir
    told += f", trust {bundle}" if bundle else ""
    blind = ", ".join(plan.upstream.insecure_hosts)
    return told + (f", certificates of {blind} are not looked at" if blind else "")


CHECKS: tuple[Check, ...] = (_policy, _tools, _isolation, _logs, _provenance, _store, _index)


def _shown(prefix: Path) -> str:
    here = Path.cwd()
    return f"./{prefix.relative_to(here)}" if prefix.is_relative_to(here) else str(prefix)


def _size(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
