"""What every run opens, whatever it is for: evidence, provenance, originals, the way out; and what was noted in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openvet_install.errors import EXIT_INVALID, InstallError, InvalidError, UndecidedError
from openvet_install.gate.bundles import Bundles, NotHeldError
from openvet_install.gate.knowledge import Knowledge
from openvet_install.gate.model import Outcome, ToolSeen, Trouble
from openvet_install.gate.state import Looks
from openvet_install.gateway.outside import Outside, check_proxy
from openvet_install.http import Fetcher, Nowhere
from openvet_install.installers import look
from openvet_install.installers.environment import THROUGH
from openvet_install.openvet.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from openvet_install.decide import Decision
    from openvet_install.gate.documents import Documents
    from openvet_install.gate.keeper import Keeper
    from openvet_install.gate.logins import Logins
    from openvet_install.gate.model import LogStopsError, Run
    from openvet_install.gate.originals import Originals
    from openvet_install.gate.outcome import Seen
    from openvet_install.gate.remembered import Archives
    from openvet_install.gate.setting import Setting
    from openvet_install.gate.state import Folders
    from openvet_install.gateway.upstream import Upstream
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.environment import UpstreamSettings
    from openvet_install.installers.sandbox import Ended


def knowledge_of(chosen: Setting, environ: Mapping[str, str], folders: Folders, stack: ExitStack) -> Knowledge:
    """Return the opened evidence of a run, closed with `stack`. Raises what `Knowledge.open` raises."""
    knowledge = unopened(chosen, environ, folders, stack)
    knowledge.open()
    return knowledge


def unopened(chosen: Setting, environ: Mapping[str, str], folders: Folders, stack: ExitStack) -> Knowledge:
    """Return the evidence of a run before its heads are looked at, closed with `stack`."""
    fetcher = Nowhere(environ={}) if chosen.offline else Fetcher(environ=environ, through=environ.get(THROUGH))
    return Knowledge(
        chosen.policies,
        fetcher=stack.enter_context(fetcher),
        store=stack.enter_context(Store(folders.cache / "objects")),
        looks=Looks(folders.state),
        now=chosen.now,
        offline=chosen.offline,
        watch=chosen.watch,
        bundles=Bundles(chosen.bundle),
    )


def tool_seen(plan: Plan, ended: Ended | None = None, *, digest: bool = False) -> ToolSeen:
    """Name the tool; the digest of a large program takes a while, so only reports get it."""
    path = Path(plan.program[0])
    sha256 = look.sha256(str(path.resolve())) if digest and plan.tool == "uv" else None
    code = ended.code if ended is not None else None
    return ToolSeen(name=plan.tool, path=str(path), version=plan.version, sha256=sha256, exit=code)


def note_end(result: Run, plan: Plan, ended: Ended | None, *, turned_away: Mapping[str, int], digest: bool) -> None:
    """Note how the tool ended, None if it was not started, and which origins refused it pages by what status."""
    if ended is not None and ended.code:
        result.warnings += [f"{origin} answered with the status {status}" for origin, status in turned_away.items()]
    result.tool = tool_seen(plan, ended, digest=digest)
    result.interrupted = ended is not None and ended.received is not None and ended.code != 0
    result.signal = ended.received if ended is not None and result.interrupted else None


def note_logs(result: Run, knowledge: Knowledge) -> list[UndecidedError]:
    """Note which logs took part; return the fault where no host has the commit of a pin, none was asked for before."""
    try:
        result.logs = knowledge.logs
        result.warnings += knowledge.ahead(result.started)
    except UndecidedError as error:
        return [error]
    return []


def documents_of(chosen: Setting, upstream: Upstream, folders: Folders, logins: Logins) -> Documents | None:
    """Return what gets provenance, None if no policy asks for any."""
    if not any(one.publishers for one in chosen.rules):
        return None
    from openvet_install.gate.documents import Documents  # noqa: PLC0415 - only where a rule asks

    return Documents(upstream, folders.cache, logins)


def originals_of(
    chosen: Setting, upstream: Upstream, archives: Archives, indexes: Sequence[str], logins: Logins
) -> Originals | None:
    """Return what gets audited files to compare with, None if no policy carries."""
    if not any(one.carries for one in chosen.rules):
        return None
    from openvet_install.gate.originals import Originals  # noqa: PLC0415 - only where a policy asks

    return Originals(upstream, archives, indexes, logins)


def stopped(result: Run, error: LogStopsError) -> Run:
    """Say in the `Run` that logs stopped it before anything started."""
    result.outcome = Outcome.INVALID if error.exit_code == EXIT_INVALID else Outcome.UNDECIDED
    result.exit_code = error.exit_code
    result.troubles = list(error.troubles)
    return result


def seen_by(keeper: Keeper, sent: Sequence[Decision], faults: Sequence[BaseException]) -> Seen:
    """Return what a keeper and its gateway noted, as `conclude` takes it."""
    from openvet_install.gate.outcome import Seen  # noqa: PLC0415 - not before the tool starts

    return Seen(
        pages=keeper.ledger.decisions(),
        sent=sent,
        refused=keeper.ledger.refused,
        broken=keeper.ledger.broken,
        faults=keeper.ledger.faults + [_told(one) for one in faults if isinstance(one, InvalidError)],
        bugs=[_told(one) for one in faults if not isinstance(one, (InvalidError, UndecidedError))],
        troubles=list(
            dict.fromkeys(keeper.ledger.troubles + [_told(one) for one in faults if isinstance(one, UndecidedError)])
        ),
        elsewhere=keeper.elsewhere(),
        asked=keeper.ledger.asked,
    )


def outside_of(settings: UpstreamSettings) -> Outside:
    """Return the user's own way out, for the gateway's upstream side."""
    return Outside(
        bundle=settings.ca_file,
        folder=settings.ca_dir,
        client_certificate=settings.client_cert,
        proxies={scheme: check_proxy(url) for scheme, url in settings.proxies.items()},
        no_proxy=settings.no_proxy or "",
        unchecked=settings.insecure_hosts,
        offline=settings.offline,
    )


def _told(fault: BaseException) -> Trouble:
    if isinstance(fault, NotHeldError):
        from openvet_install.decide import Reason  # noqa: PLC0415 - only on the way out

        return Trouble(name=fault.package, what=fault.what, reason=Reason.LOG_UNREACHABLE, of_package=True)
    if isinstance(fault, InstallError):
        return Trouble(name="log", what=fault.what, detail=fault.where, hint=fault.hint)
    return Trouble(name="openvet-install", what=f"internal error: {fault!r}")
