"""One gated run: from a plan of pip or uv to a `Run`.

Heads first, then the gateway, then the child; at the end the target is compared with what was released.
Ledger, check and verdict live in this process only (threat T14).
"""

from __future__ import annotations

import importlib
import threading
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

from openvet_install.errors import EXIT_INVALID
from openvet_install.gate import again, locked, still
from openvet_install.gate.before import may_start, with_environment
from openvet_install.gate.child import start, variables_of
from openvet_install.gate.foresight import Foresight
from openvet_install.gate.keepers import keeper_of, wanted_of
from openvet_install.gate.listed import pages_for
from openvet_install.gate.logins import logins_of
from openvet_install.gate.model import LogStopsError, Outcome, Run
from openvet_install.gate.opening import (
    documents_of,
    knowledge_of,
    note_end,
    note_logs,
    originals_of,
    outside_of,
    seen_by,
    stopped,
    tool_seen,
)
from openvet_install.gate.outputs import Output
from openvet_install.gate.places import UvCache, foresee, target_of
from openvet_install.gate.present import leading
from openvet_install.gate.projects import check_projects
from openvet_install.gate.remembered import Archives
from openvet_install.gate.rollback import Kept, away_folder, keep, roll_back
from openvet_install.gate.shelved import shelved_lock
from openvet_install.gate.state import Folders, usable_folders
from openvet_install.gateway.blobs import BlobStore
from openvet_install.gateway.upstream import Upstream
from openvet_install.installers import receipts
from openvet_install.installers.commands import private_folder, projects_of
from openvet_install.installers.installed import Places, Snapshot, snapshot
from openvet_install.installers.looker import Looker
from openvet_install.installers.projects import name_of
from openvet_install.installers.sandbox import Sandbox
from openvet_install.installers.target import made_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openvet_install.decide import Decision
    from openvet_install.gate.after import Changes
    from openvet_install.gate.journal import Journal
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.outcome import Fit
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.installed import Content
    from openvet_install.installers.mirror import Written

SELECTING = ("no-binary", "exclude-newer", "uploaded-prior-to")
"""Parts of the names of options and variables that choose among the files of a release."""


def run(plan: Plan, chosen: Setting, environ: Mapping[str, str], *, every: bool = False) -> Run:
    """Run the tool behind the gate and say what it came to; call it in the main thread.

    With `every` the report lists withheld releases of all packages. Raises `ConfigError` before the child
    starts; logs that are invalid or out of reach and everything later is in the `Run`.
    """
    chosen = chosen._replace(offline=chosen.offline or plan.upstream.offline)
    check_projects(plan, chosen.policies)
    leads = leading(plan)
    unseen: list[str] = []
    if plan.builds_in is not None:
        from openvet_install.gate.drift import require_clean  # noqa: PLC0415 - rarely

        unseen = require_clean(plan.builds_in, plan, chosen, environ)
    result = Run(
        command=[plan.tool, *plan.typed],
        started=chosen.now,
        mode=chosen.mode.value,
        target=str(plan.target.prefix),
        policies=chosen.seen(),
        environment=chosen.environment,
        warnings=[*chosen.warnings, *plan.warnings, *unseen],
        tool=tool_seen(plan),
    )
    with ExitStack() as stack:
        idle = plan.locked is not None and plan.locked.idle is not None
        looker = stack.enter_context(closing(Looker()))
        if not idle:
            again.stop()
            looker.start()  # before the sandbox, which ends what its tool leaves behind
        sandbox = stack.enter_context(Sandbox(chosen.isolation))
        folders = stack.enter_context(usable_folders(environ, result.warnings))
        # uv draws how far it is by itself, and redraws what it has drawn.
        watch = chosen.watch.fetched if chosen.watch is not None and plan.tool == "pip" else None
        upstream = Upstream(outside_of(plan.upstream), watch=watch)
        stack.callback(upstream.close)
        if not idle:
            _begin(plan, chosen, folders, looker, upstream)
        try:
            knowledge = knowledge_of(chosen, environ, folders, stack)
        except LogStopsError as error:
            return stopped(result, error)
        result.warnings += knowledge.warnings
        if not idle and (plan.upstream.ca_file or plan.upstream.client_cert):
            upstream.ready()  # a file that cannot be read is told before anything starts
        roots = () if plan.alone else Places.of(plan.target).roots
        journal = stack.enter_context(target_of(roots, folders.state / "targets", chosen.watch))
        if not _recovered(plan, result, journal, folders):
            return result
        result.isolation = sandbox.settle()
        archives = Archives(folders)
        if plan.houses:
            importlib.import_module("openvet_install.gate.houses").stock(plan, archives.blobs)
        # what the tool has written is judged when the gateway is gone, and that may ask for documents and originals
        later = stack.enter_context(closing(upstream.beside()))
        keeper = _keeper(plan, chosen, knowledge, archives, upstream=later, folders=folders, environ=environ)
        keeper.leads = leads
        if idle:
            still.run(plan, chosen, result, keeper=keeper, sandbox=sandbox, every=every)
            result.logs = knowledge.logs
            from openvet_install.gate import standing  # noqa: PLC0415 - only where a note may come of it

            standing.consider(plan, chosen, result, knowledge)
            return result
        _behind_the_gate(
            plan,
            chosen,
            result,
            folders=folders,
            knowledge=knowledge,
            keeper=keeper,
            archives=archives,
            sandbox=sandbox,
            looker=looker,
            upstream=upstream,
            journal=journal,
            beyond=stack,
            every=every,
        )
        journal.close()
        if plan.words in (("tool", "install"), ("tool", "upgrade")):
            receipts.put_back(plan.target.prefix)
    return result


def _begin(plan: Plan, chosen: Setting, folders: Folders, looker: Looker, upstream: Upstream) -> None:
    """Have that done on the other processor which will be waited for."""
    if plan.tool == "uv":
        foresee(folders.cache / "uv", _parts(plan, chosen), looker)
    threading.Thread(target=upstream.warm, name="openvet-warm", daemon=True).start()


def _recovered(plan: Plan, result: Run, journal: Journal, folders: Folders) -> bool:
    """Put in order what a killed run left in the target; tell whether this one may begin."""
    left = journal.left()
    if left is None:
        if journal.unread:
            said = (
                f"a run in {plan.target.prefix} was cut off, and its notes were not sealed here: nothing is put right"
            )
            result.warnings.append(f"{said}; look with: openvet-install check --environment")
        return True
    from openvet_install.gate import recovery  # noqa: PLC0415 - rarely

    strays = recovery.recover(left, Places.of(plan.target), BlobStore(folders.cache / "files"), folders.state)
    if strays:
        told = recovery.told(strays)
        result.warnings.append(f"a run in {plan.target.prefix} of {left.started} did not come to its end; {told}")
    result.strays = [one for one in strays if not one.undone]
    if result.strays:
        result.outcome, result.exit_code = Outcome.INVALID, EXIT_INVALID
        return False
    journal.close()
    return True


def _behind_the_gate(
    plan: Plan,
    chosen: Setting,
    result: Run,
    *,
    folders: Folders,
    knowledge: Knowledge,
    keeper: Keeper,
    archives: Archives,
    sandbox: Sandbox,
    looker: Looker,
    upstream: Upstream,
    journal: Journal,
    beyond: ExitStack,
    every: bool,
) -> None:
    from openvet_install.gateway.server import Gateway  # noqa: PLC0415 - not where nothing is to be done

    keeper.note = journal.note
    before = Snapshot(Places.of(plan.target), {}) if plan.anew else snapshot(Places.of(plan.target))
    made_of_before = made_of(plan.target)
    output = Output.of(plan.output)
    keeper.instead = output.instead if plan.output is not None else None
    lock_before = plan.resolution.read() if plan.resolution is not None else None
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        cache, pages = None, None
        if plan.tool == "uv":
            cache = beyond.enter_context(
                closing(UvCache(folders.cache / "uv", _parts(plan, chosen), knowledge.heads, folder / "uv", looker))
            )
            pages = pages_for(plan, folders, there=cache.comes_back)
        gateway = stack.enter_context(
            Gateway(
                keeper,
                blobs=archives.blobs,
                upstream=upstream,
                folder=folder,
                inside=sandbox.listener,
                pages=pages,
            )
        )
        ended, kept, mirrored = None, Kept({}, {}), None
        if may_start(plan, keeper, folder):
            before = with_environment(plan, before)
            if len(plan.indexes) == 1 and plan.locked is None:
                Foresight(plan, keeper, gateway, archives.blobs).start()
            path = cache.enter() if cache is not None else None
            variables = variables_of(plan, folder, url=gateway.url, bundle=gateway.bundle, cache=path)
            threading.Thread(target=_load, daemon=True).start()
            kept = keep(before)
            journaling = journal.open(
                before, kept, compiled=_compiles(plan), folder=folder, begun=lambda: sandbox.begun
            )
            with journaling, shelved_lock(plan, folder):
                ended = start(result, plan, sandbox, variables, folder)
            mirrored = plan.written_in(folder)
        stack.close()
        faults = list(gateway.faults)
    from openvet_install.gate.outcome import Fit, conclude  # noqa: PLC0415 - not before the tool starts

    note_end(result, plan, ended, turned_away=gateway.turned_away, digest=every)
    faults += note_logs(result, knowledge)
    fits = Fit.of_run(plan)
    if cache is not None and ended is not None:
        cache.look()
    found = _look(
        plan,
        result,
        keeper,
        archives,
        looker.content,
        before=before,
        made_of_before=made_of_before,
        kept=kept,
        fits=fits,
        folder=folder,
        state=folders.state,
    )
    result.strays += output.strays(keeper, filter(None, map(name_of, projects_of(plan.argv))))
    sent = [one.decision for one in keeper.ledger.gone_out()] + found.cached
    if every or ended is None or ended.code:
        keeper.read_all()
    else:
        keeper.read_above({**{one.file.name: one.file.version for one in sent}, **found.new})
    written = _written(result, plan, keeper, lock_before, mirrored)
    sent += written.values()
    seen = seen_by(keeper, sent, faults)._replace(kept=plan.resolution.kept if plan.resolution is not None else {})
    versions = {name: one.file.version for name, one in written.items()}
    conclude(result, seen, wanted_of(plan, keeper.read()), fits, {**found.new, **versions}, every=every)
    if cache is not None and result.outcome not in (Outcome.INVALID, Outcome.FAILED):
        cache.seal()
    _settle(result, plan, chosen, mirrored)


def _settle(result: Run, plan: Plan, chosen: Setting, mirrored: Written | None) -> None:
    """Add what is counted when all is judged, and let go of what had to wait for that."""
    from openvet_install.gate.forgiven import account  # noqa: PLC0415 - not before the tool starts

    locked.tell_places(result, plan)
    account(result, chosen)
    if mirrored is not None:
        from openvet_install.gate import compiled  # noqa: PLC0415 - for `uv pip compile`

        compiled.deliver(result, plan, mirrored)


def _keeper(
    plan: Plan,
    chosen: Setting,
    knowledge: Knowledge,
    archives: Archives,
    *,
    upstream: Upstream,
    folders: Folders,
    environ: Mapping[str, str],
) -> Keeper:
    logins = logins_of(plan, environ)
    documents = documents_of(chosen, upstream, folders, logins)
    originals = originals_of(chosen, upstream, archives, [one.url for one in plan.indexes], logins)
    keeper = keeper_of(plan, chosen, knowledge, archives, documents=documents, originals=originals)
    keeper.hears_login = logins.told
    upstream.bind(private=keeper.private, own_port=0)
    return keeper


def _look(
    plan: Plan,
    result: Run,
    keeper: Keeper,
    archives: Archives,
    content: Content,
    *,
    before: Snapshot,
    made_of_before: tuple[int, int] | None,
    kept: Kept,
    fits: Fit,
    folder: Path,
    state: Path,
) -> Changes:
    """Compare the target with what was released, and take out of it what does not belong."""
    # not before the tool starts
    from openvet_install.gate.after import changes, half_installed, made_anew, told_of  # noqa: PLC0415
    from openvet_install.installers.direct import typed_addresses  # noqa: PLC0415

    after = snapshot(before.places)
    if plan.remade and not before.same_environment(after):
        before, kept = Snapshot(before.places, {}), Kept({}, {})
    after = after.without(plan.written) if plan.written else after
    found = changes(
        before,
        after,
        keeper,
        archives,
        compiled=_compiles(plan),
        fits=fits,
        chooses=_chooses(plan),
        typed=typed_addresses(plan, folder),
        projects=projects_of(plan.argv),
        content=content,
    )
    away = away_folder(state)
    strays = roll_back(before, after, found.strays, kept, away)
    cut_off = result.tool is not None and result.tool.exit not in (None, 0)
    halves = half_installed(strays, keeper, after.places) if cut_off else []
    result.warnings += told_of(strays, halves, away)
    result.strays = [*(one for one in strays if one not in halves), *made_anew(plan.target, made_of_before)]
    result.installed = tuple(sorted(found.new.keys() - {one.name for one in strays if one.undone}))
    result.nothing_changed = not result.installed and all(one.undone for one in strays)
    result.preinstalled = found.untouched
    return found


def _written(
    result: Run, plan: Plan, keeper: Keeper, before: bytes | None, mirrored: Written | None
) -> dict[str, Decision]:
    if plan.resolution is None:
        return {}
    from openvet_install.gate import compiled, relocked  # noqa: PLC0415 - for commands that write a lock

    if plan.compiled is not None:
        return compiled.tell(result, plan, keeper, mirrored)
    return relocked.tell(result, plan, keeper, before)


def _load() -> None:
    """Import what the first page and the end of the run need, while the tool starts."""
    with suppress(ImportError):  # it shows again, and is told, where it is needed
        for name in (
            "h11",
            "openvet_install.openvet.log",
            "openvet_install.gate.after",
            "openvet_install.gate.outcome",
        ):
            importlib.import_module(name)


def _parts(plan: Plan, chosen: Setting) -> list[str]:
    """Return what uv's private cache is good for, with the heads: a new one when any of it changes (T29)."""
    return [plan.version, *(f"{one.scope} {one.sha256} {one.mode}" for one in chosen.seen())]


def _compiles(plan: Plan) -> bool:
    return plan.tool == "pip" or any(isinstance(word, str) and word == "--compile-bytecode" for word in plan.argv)


def _chooses(plan: Plan) -> bool:
    """Tell whether something could make the tool build an sdist although a wheel fits the target."""
    typed = (word for word in plan.argv if isinstance(word, str) and word.startswith("--"))
    said = (*typed, *(name.lower().replace("_", "-") for name in plan.environment if name.startswith(("PIP_", "UV_"))))
    return plan.requires_hashes or plan.selects or any(mark in one for one in said for mark in SELECTING)
