"""One gated run: from a plan of pip or uv to a `Run`.

Heads first, then the gateway, then the child; at the end the target is compared with what was released.
Ledger, check and verdict live in this process only (threat T14).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from openvet_install.errors import EXIT_INVALID, InstallError
from openvet_install.gate.after import changes
from openvet_install.gate.keeper import Keeper, origin_of
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.model import LogStopsError, Outcome, Run, ToolSeen, Trouble
from openvet_install.gate.outcome import Fit, Seen, conclude
from openvet_install.gate.state import Folders, Looks, usable_folders
from openvet_install.gate.wanted import Needs, Root, Wanted
from openvet_install.gateway.blobs import BlobStore
from openvet_install.gateway.outside import Outside
from openvet_install.gateway.server import Gateway
from openvet_install.gateway.upstream import Upstream
from openvet_install.http import Fetcher
from openvet_install.installers import disk
from openvet_install.installers.environment import gateway_variables
from openvet_install.installers.installed import Places, snapshot
from openvet_install.installers.sandbox import Sandbox
from openvet_install.openvet.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan, Requested
    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.sandbox import Ended

UV_CACHE_DAYS = 14
_DAY_SECONDS = 86_400


def knowledge_of(chosen: Setting, environ: Mapping[str, str], folders: Folders, stack: ExitStack) -> Knowledge:
    """Return the opened evidence of a run, closed with `stack`. Raises what `Knowledge.open` raises."""
    knowledge = Knowledge(
        chosen.policies,
        fetcher=stack.enter_context(Fetcher(environ=environ)),
        store=stack.enter_context(Store(folders.cache / "objects")),
        looks=Looks(folders.state),
        now=chosen.now,
        offline=chosen.offline,
    )
    knowledge.open()
    return knowledge


def run(plan: Plan, chosen: Setting, environ: Mapping[str, str], *, every: bool = False) -> Run:
    """Run the tool behind the gate and say what it came to; call it in the main thread.

    With `every` the report lists withheld releases of all packages. Raises `ConfigError` before the child
    starts; logs that are invalid or out of reach and everything later is in the `Run`.
    """
    result = Run(
        command=list(plan.typed),
        started=chosen.now,
        mode=chosen.mode.value,
        target=str(plan.target.prefix),
        policies=chosen.seen(),
        environment=chosen.environment,
        tool=_tool(plan),
    )
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(chosen.isolation))
        result.isolation = (sandbox.isolation.state, sandbox.isolation.reason or None)
        folders = stack.enter_context(usable_folders(environ, result.warnings))
        try:
            knowledge = knowledge_of(chosen, environ, folders, stack)
        except LogStopsError as error:
            return stopped(result, error)
        result.logs = knowledge.logs
        result.warnings += knowledge.warnings
        _behind_the_gate(plan, chosen, result, folders=folders, knowledge=knowledge, sandbox=sandbox, every=every)
    return result


def stopped(result: Run, error: LogStopsError) -> Run:
    """Say in the `Run` that logs stopped it before anything started."""
    result.outcome = Outcome.INVALID if error.exit_code == EXIT_INVALID else Outcome.UNDECIDED
    result.exit_code = error.exit_code
    result.troubles = [error.trouble]
    return result


def _behind_the_gate(
    plan: Plan,
    chosen: Setting,
    result: Run,
    *,
    folders: Folders,
    knowledge: Knowledge,
    sandbox: Sandbox,
    every: bool,
) -> None:
    keeper = Keeper(
        knowledge=knowledge,
        rules=chosen.rules,
        now=chosen.now,
        hosts=[origin_of(index.url) for index in plan.indexes],
        exact=_exact(plan.requested),
    )
    target = plan.target
    places = Places(
        site=(target.purelib, target.platlib), scripts=target.scripts, data=target.data, python=target.python
    )
    blobs = BlobStore(folders.cache / "files")
    before = snapshot(places)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="openvet-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = Upstream(outside_of(plan.upstream))
        gateway = stack.enter_context(Gateway(keeper, blobs=blobs, upstream=upstream, folder=folder))
        cache = _uv_cache(folders.cache / "uv", plan, chosen, knowledge) if plan.tool == "uv" else None
        variables = _variables(plan, gateway, folder, cache)
        began = time.perf_counter()
        ended = sandbox.run(plan.command(folder), env=variables, cwd=plan.cwd)
        result.child_seconds = time.perf_counter() - began
        stack.close()
        faults = [_words(fault) for fault in gateway.faults]
    result.tool = _tool(plan, ended)
    result.interrupted = ended.received is not None and ended.code != 0
    result.signal = ended.received if result.interrupted else None
    found = changes(before, snapshot(places), keeper, blobs, compiled=_compiles(plan))
    result.strays = list(found.strays)
    result.installed, result.nothing_changed = tuple(sorted(found.new)), found.nothing
    result.preinstalled = found.untouched
    seen = Seen(
        pages=keeper.decisions(),
        sent=[one.decision for one in keeper.served.values()] + found.cached,
        refused=list(keeper.refused.values()),
        broken=list(keeper.broken.values()),
        faults=keeper.faults + faults,
        troubles=keeper.troubles,
    )
    roots = [Root(one.requirement, one.origin) for one in plan.requested]
    wanted = Wanted(roots, _needs(keeper), target.environment)
    fits = Fit(frozenset(target.tags), ".".join(map(str, target.version)))
    conclude(result, seen, wanted, fits, found.new, every=every)
    _exemptions(result, chosen)


def _exact(requested: Iterable[Requested]) -> dict[str, frozenset[str]]:
    """Return the versions that people pinned with `==`, by normalised name."""
    found: dict[str, set[str]] = {}
    for one in requested:
        name = one.requirement.name.lower().replace("_", "-").replace(".", "-")
        for specifier in one.requirement.specifier:
            if specifier.operator in ("==", "===") and not specifier.version.endswith(".*"):
                with suppress(ValueError):
                    found.setdefault(name, set()).add(str(Version(specifier.version)))
    return {name: frozenset(versions) for name, versions in found.items()}


def outside_of(settings: UpstreamSettings) -> Outside:
    """Return the user's own way out, for the gateway's upstream side."""
    return Outside(
        bundle=settings.ca_file,
        folder=settings.ca_dir,
        client_certificate=settings.client_cert,
        proxies=settings.proxies,
        no_proxy=settings.no_proxy or "",
    )


def _variables(plan: Plan, gateway: Gateway, folder: Path, cache: Path | None) -> dict[str, str]:
    empty = folder / "empty"
    empty.mkdir(mode=0o700)
    ours = gateway_variables(
        plan.tool, url=gateway.url, bundle=gateway.bundle, empty_dir=empty, cache_dir=cache, trusted=plan.trusted
    )
    # Whatever a tool or a build leaves behind when it is interrupted goes with this run's folder.
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o700)
    return {**plan.environment, "TMPDIR": str(temporary), **ours}


def _uv_cache(folder: Path, plan: Plan, chosen: Setting, knowledge: Knowledge) -> Path:
    """Return uv's private cache: a new one when policies, modes, heads or the tool change (threat T29)."""
    parts = [plan.version]
    parts += [f"{one.scope} {one.sha256} {one.mode}" for one in chosen.seen()]
    parts += [f"{log.scope} {log.url} {log.head} {log.newest}" for log in knowledge.logs]
    mine = folder / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in folder.iterdir():
        with suppress(OSError):
            if other != mine and time.time() - other.stat().st_mtime > UV_CACHE_DAYS * _DAY_SECONDS:
                shutil.rmtree(other)
    mine.mkdir(mode=0o700, exist_ok=True)
    mine.touch()
    return mine


def _compiles(plan: Plan) -> bool:
    return plan.tool == "pip" or any(isinstance(word, str) and word == "--compile-bytecode" for word in plan.argv)


def _needs(keeper: Keeper) -> list[Needs]:
    found = []
    for one in list(keeper.released.values()):
        contents = one.contents
        found.append(Needs(contents.name, contents.version, contents.requires, contents.build_requires))
    return found


def _tool(plan: Plan, ended: Ended | None = None) -> ToolSeen:
    path = Path(plan.program[0])
    digest = None
    if plan.tool == "uv":
        with suppress(OSError):
            digest = disk.sha256(str(path.resolve())) if ended else None
    code = ended.code if ended is not None else None
    return ToolSeen(name=plan.tool, path=str(path), version=plan.version, sha256=digest, exit=code)


def _exemptions(result: Run, chosen: Setting) -> None:
    used = {one.decision.exemption.where for one in result.files if one.decision.exemption is not None}
    result.exemptions_used = len(used)
    every = [one for policy in chosen.policies for one in policy.settings.exemptions]
    result.exemptions_unused = tuple(one.where for one in every if one.where not in used)
    soon = chosen.now.date()
    result.exemptions_ending = tuple(one.where for one in every if one.where in used and (one.until - soon).days <= 14)


def _words(fault: BaseException) -> Trouble:
    if isinstance(fault, InstallError):
        return Trouble(name="log", what=fault.what, detail=fault.where, hint=fault.hint)
    return Trouble(name="openvet-install", what=f"internal error: {fault!r}")
