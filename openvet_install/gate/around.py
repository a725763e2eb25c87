"""A command that is neither pip nor uv, run behind the gate with all that it starts: `exec`.

One gateway holds whatever comes out of it. The wrappers that stand in for pip and uv are gates inside this one: each
judges its own arguments and compares its own target, asks this one for pages and files as for any proxy, and for the
logs under a login of its own. What they said is told once, by them.
"""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openvet_install.config import revision
from openvet_install.errors import (
    EXIT_BLOCKED,
    EXIT_BUG,
    EXIT_INVALID,
    EXIT_OK,
    EXIT_UNDECIDED,
    InstallError,
)
from openvet_install.files import FilenameError
from openvet_install.gate.forgiven import account
from openvet_install.gate.hosts import origin_of
from openvet_install.gate.keeper import Keeper
from openvet_install.gate.logins import Logins
from openvet_install.gate.model import AT_HOME, LogStopsError, Outcome, Run, ToolSeen
from openvet_install.gate.opening import (
    documents_of,
    knowledge_of,
    note_logs,
    originals_of,
    outside_of,
    seen_by,
    stopped,
)
from openvet_install.gate.remembered import Archives
from openvet_install.gate.state import usable_folders
from openvet_install.gateway.server import Gateway
from openvet_install.gateway.upstream import Upstream
from openvet_install.http import Fetcher, without_login
from openvet_install.installers import keyring
from openvet_install.installers.around import program, variables, write_stand_ins
from openvet_install.installers.commands import private_folder
from openvet_install.installers.environment import THROUGH, TOLD
from openvet_install.installers.sandbox import ON, REQUIRE, Bystander

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from openvet_install.files import File
    from openvet_install.gate.setting import Setting
    from openvet_install.gateway import Refusal
    from openvet_install.installers.around import Around

MAX_LOG_BYTES = 64 << 20
MAX_TOLD_BYTES = 64 << 20
MAX_TURNED_AWAY = 64
LOCKS = ("uv.lock", "pylock.toml")
GUARD_RAIL = "guard rail"


@dataclass(frozen=True, slots=True)
class Told:
    """What a gate inside said of its own run; `packages` are all that it spoke of."""

    command: str
    outcome: Outcome
    exit_code: int
    packages: frozenset[str]


class OpenKeeper(Keeper):
    """Admits any public host: nothing says beforehand where a command looks for packages (threat T34)."""

    def __init__(self, *, locks: Callable[[], Iterable[File]], **options: Any) -> None:
        """Take what a `Keeper` takes; `locks` reads the files that locks here name, when that is of interest."""
        super().__init__(**options)
        self.turned_away: dict[str, None] = {}
        self._locks = locks
        self._reading = threading.Lock()
        self._looked_for: set[tuple[str, str, int]] = set()

    def admits(self, scheme: str, host: str, port: int) -> bool:
        """Admit every host but those at home; of these configured indexes, and what they or locks of theirs link to."""
        at = (scheme, host, port)
        if super().admits(*at) or not self.hosts.is_near(host) or self._is_locked(at):
            return True
        self._turn_away(f"{scheme}://{host}{AT_HOME}")
        return False

    def refuse(self, url: str, file: File | None) -> Refusal | None:
        """Refuse before any download what a page has withheld; a host that is not at home may be asked for anything."""
        if self.ledger.of(url) is None and not self.hosts.is_near(origin_of(url)[1]):
            return None
        return super().refuse(url, file)

    def _is_locked(self, at: tuple[str, str, int]) -> bool:
        """Tell whether a lock says that an index which may be asked keeps an approved file there."""
        with self._reading:
            if at not in self._looked_for:
                self._looked_for.add(at)
                there = [one for one in self._locks() if origin_of(one.url) == at]
                files = [one for one in there if self.hosts.admits(*origin_of(one.index))]
                self._knowledge.prepare(one.name for one in files)
                for one in self._deciding(files):
                    self.hosts.link(one.file.index, [one.file.url] if one.shown else [])
        return super().admits(*at)

    def _unlisted(self, url: str) -> File:
        try:
            return super()._unlisted(url)
        except FilenameError:
            self._turn_away(without_login(url.partition("?")[0]))
            raise

    def _turn_away(self, what: str) -> None:
        if len(self.turned_away) < MAX_TURNED_AWAY:
            self.turned_away[what] = None


def run(around: Around, chosen: Setting, environ: Mapping[str, str], *, every: bool = False) -> tuple[Run, list[Told]]:
    """Run the command and say what it came to, with what the gates inside have told already; in the main thread.

    Raises `ConfigError` and `CommandError` before the command starts; everything later is in the `Run`.
    """
    result = Run(
        command=["exec", *around.typed],
        started=chosen.now,
        mode=chosen.mode.value,
        policies=chosen.seen(),
        environment=chosen.environment,
        warnings=list(chosen.warnings),
    )
    with ExitStack() as stack:
        sandbox = stack.enter_context(Bystander(chosen.isolation))
        folders = stack.enter_context(usable_folders(environ, result.warnings))
        upstream = Upstream(outside_of(around.upstream))
        stack.callback(upstream.close)
        try:
            knowledge = knowledge_of(chosen, environ, folders, stack)
        except LogStopsError as error:
            return stopped(result, error), []
        result.warnings += knowledge.warnings
        state, reason = sandbox.settle()
        result.isolation = (state, None if state == ON else f"{GUARD_RAIL}: {reason}")
        logins = Logins(environ, lambda: around.indexes, asks_keyring=keyring.is_on(around.environment))
        archives = Archives(folders)
        keeper = OpenKeeper(
            locks=lambda: _files_of_locks(Path(around.cwd)),
            knowledge=knowledge,
            rules=chosen.rules,
            now=chosen.now,
            hosts=[origin_of(one.url) for one in around.indexes],
            documents=documents_of(chosen, upstream, folders, logins),
            archives=archives,
            originals=originals_of(chosen, upstream, archives, [one.url for one in around.indexes], logins),
        )
        keeper.hears_login = logins.told
        folder = stack.enter_context(private_folder())
        gateway = Gateway(
            keeper,
            blobs=archives.blobs,
            upstream=upstream,
            folder=folder,
            inside=sandbox.listener,
            logs=_Logs(chosen, stack.enter_context(Fetcher(environ=environ, through=environ.get(THROUGH)))),
        )
        with gateway:
            write_stand_ins(folder)
            agents = chosen.isolation != REQUIRE
            env = variables(around, url=gateway.url, bundle=gateway.bundle, folder=folder, agents=agents)
            env |= {THROUGH: gateway.inner_url, TOLD: str(folder / "told.jsonl"), **_inherited(chosen)}
            path = program(around.argv, env, around.cwd)
            ended = sandbox.run((path, *around.argv[1:]), env=env, cwd=around.cwd)
        told = _told(folder / "told.jsonl")
        result.tool = ToolSeen(name=Path(path).name, path=path, version="", exit=ended.code)
        result.signal = ended.signal
        result.interrupted = ended.interrupted
        result.turned_away = tuple(keeper.turned_away)
        faults = list(gateway.faults)
        if every or TOLD in environ or told or faults or not keeper.ledger.untouched:
            faults += note_logs(result, knowledge)
            _conclude(result, keeper, faults, told, every=every)
        else:  # the command is all there is to tell; what reads logs and pages need not even be imported
            result.exit_code = ended.code
            result.outcome = Outcome.FAILED if ended.code else Outcome.ALLOWED
    account(result, chosen)
    return result, told


def _conclude(result: Run, keeper: Keeper, faults: list[BaseException], told: list[Told], *, every: bool) -> None:
    from openvet_install.gate.outcome import Fit, conclude  # noqa: PLC0415 - not before the command starts
    from openvet_install.gate.wanted import Needs, Wanted  # noqa: PLC0415 - as above

    failed = result.tool is not None and result.tool.exit != EXIT_OK
    every = every or failed  # what it wanted is not known: any of it may be why
    if every:
        keeper.read_all()
    needs = map(Needs.of, keeper.read())
    seen = seen_by(keeper, [one.decision for one in keeper.ledger.gone_out()], faults)
    conclude(result, seen, Wanted([], needs, None), Fit(None, None), {}, every=every)
    if result.exit_code == EXIT_BUG:
        return
    outcomes = {one.outcome for one in told}
    if Outcome.INVALID in outcomes:
        result.outcome, result.exit_code = Outcome.INVALID, EXIT_INVALID
    elif result.outcome is Outcome.FAILED and not result.interrupted:
        for outcome, code in ((Outcome.BLOCKED, EXIT_BLOCKED), (Outcome.UNDECIDED, EXIT_UNDECIDED)):
            if outcome in outcomes:
                result.outcome, result.exit_code = outcome, code
                break


def _files_of_locks(folder: Path) -> Iterator[File]:
    """Yield what the locks of a folder name; who reads one that cannot be read says so."""
    from openvet_install.installers.locks import read_lock  # noqa: PLC0415 - rarely

    for name in LOCKS:
        if (folder / name).is_file():
            with suppress(InstallError):
                yield from (one for package in read_lock(folder / name).packages for one in package.files)


def _inherited(chosen: Setting) -> dict[str, str]:
    """Say to the gates inside what this one was told: they judge by the same policies."""
    project = next((one.path.parent for one in chosen.policies if one.scope == "project"), None)
    found = {"OPENVET_INSTALL_PROJECT": str(project)} if project is not None else {}
    files = next((one.files for one in chosen.policies if one.files is not None), None)
    found |= {revision.VARIABLE: files.name} if files is not None else {}
    found |= {"OPENVET_INSTALL_MODE": chosen.said_mode} if chosen.said_mode else {}
    found |= {"OPENVET_INSTALL_BUNDLE": str(chosen.bundle)} if chosen.bundle is not None else {}
    return found | ({"OPENVET_INSTALL_OFFLINE": "1"} if chosen.offline else {})


class _Logs:
    """What the logs of the policies serve, and nothing else; see the gateway's `Logs`."""

    def __init__(self, chosen: Setting, fetcher: Fetcher) -> None:
        named = {url for policy in chosen.policies for one in policy.logs.values() for url in (one.url, *one.mirrors)}
        self._places = [(origin_of(url), urlsplit(url).path.rstrip("/") + "/") for url in named]
        self._fetcher = fetcher

    def __contains__(self, url: str) -> bool:
        path = urlsplit(url).path
        below = any(origin_of(url) == at and path.startswith(folder) for at, folder in self._places)
        return below and "/../" not in path

    def get(self, url: str) -> bytes | None:
        return self._fetcher.get(url, max_bytes=MAX_LOG_BYTES, accept_zstd=True)


def _told(path: Path) -> list[Told]:
    """Read what the gates inside wrote. It lies where the command can write: it adds a no, never a yes."""
    try:
        with path.open("rb") as stream:
            lines = stream.read(MAX_TOLD_BYTES).splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            said = json.loads(line)
            files = [one["purl"].rpartition("/")[2].partition("@")[0] for one in (*said["files"], *said["withheld"])]
            packages = frozenset([*files, *(one["package"] for one in said["held_back"])])
            command = " ".join(map(str, said["command"]))
            found.append(Told(command, Outcome(said["outcome"]), int(said["exit_code"]), packages))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return found
