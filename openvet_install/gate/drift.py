"""`check --environment`: what is installed, held to the approved files of today, both ways (journey 13).

The RECORD on disk is never believed. Nothing is repaired or removed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from openvet_install.archive import ArchiveError, open_archive
from openvet_install.config import Mode
from openvet_install.decide import Action, Decision, Reason, ReasonClass, broken
from openvet_install.errors import EXIT_BLOCKED, EXIT_INVALID, EXIT_OK, EXIT_UNDECIDED, InstallError, UndecidedError
from openvet_install.files import File
from openvet_install.gate.after import foreign, release_of
from openvet_install.gate.browse import Place, browsing
from openvet_install.gate.forgiven import account
from openvet_install.gate.judge import conclude, judge_files
from openvet_install.gate.model import Judged, LogStopsError, Outcome, Run, Stray, Trouble
from openvet_install.gate.opening import knowledge_of, stopped
from openvet_install.gate.outcome import Fit
from openvet_install.gate.projects import opponents
from openvet_install.gate.state import usable_folders
from openvet_install.gateway.blobs import BlobStore
from openvet_install.installers import disk
from openvet_install.installers.bytecode import unfaithful
from openvet_install.installers.installed import Places, Release, compare, nothing, snapshot, source_of
from openvet_install.installers.projects import PROJECT_FILES, Project, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openvet_install.gate.browse import Browser
    from openvet_install.gate.deciding import Deciding
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.commands import Plan
    from openvet_install.installers.installed import Finding
    from openvet_install.installers.target import Target

AT_ONCE = 8
DIRECT_URL_BYTES = 64 * 1024
SHOWN = 8  # names in one line
_STARTUP = (".pth", ".start")
_UNSEEN = "is on the path of that Python as well, and was not looked at"


def check(plan: Plan, chosen: Setting, environ: Mapping[str, str]) -> Run:
    """Compare the plan's target with the approved files of what is installed there.

    Logs and indexes that are out of reach or invalid are in the `Run`.
    """
    target = plan.target
    result = Run(
        command=["check", "--environment"],
        started=chosen.now,
        mode=chosen.mode.value,
        target=str(target.prefix),
        policies=chosen.seen(),
        environment=chosen.environment,
        warnings=list(chosen.warnings),
    )
    places = Places.of(target)
    result.warnings += _beside(target.sites, places)
    after = snapshot(places)
    with ExitStack() as stack:
        try:
            folders = stack.enter_context(usable_folders(environ, result.warnings))
            knowledge = knowledge_of(chosen, environ, folders, stack)
        except LogStopsError as error:
            return stopped(result, error)
        result.logs = knowledge.logs
        result.warnings += [*knowledge.warnings, *knowledge.ahead(chosen.now)]
        infos = {after.identity(info): info for _root, info in after.infos()}
        local = _ours(infos, chosen)
        result.skipped = len(local)
        fits, browser = Fit.of(target), stack.enter_context(browsing(plan, chosen.watch))
        indexes = [one.url for one in plan.indexes]
        deciding = Place(environ, folders, stack, fits.__call__).deciding(knowledge, chosen, browser, indexes)
        judge = _Judge(browser, deciding, knowledge, BlobStore(folders.cache / "files"), fits)
        wanted = [found for found in infos if found not in local]
        knowledge.prepare(name for name, _version in wanted if name)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            judged = dict(zip(wanted, pool.map(lambda one: judge.release(*one), wanted), strict=True))
    result.troubles = judge.troubles
    result.warnings += _built(judged)
    findings = compare(
        nothing(after), after, {found: releases for found, (_decision, releases) in judged.items()},
        compiled=True, thorough=True, local={name for name, _version in local},
        unfaithful=partial(unfaithful, target.python),
    )  # fmt: skip
    _tell(result, judged, findings, places)
    result.strays += foreign(nothing(after), after, local)
    _end(result)
    account(result, chosen)
    return result


class UncleanError(InstallError):
    """What builds would use is not approved; ends as `check --environment` does."""

    def __init__(self, what: str, exit_code: int, hint: str) -> None:
        """Say what builds would use; `exit_code` is that of a check of it."""
        super().__init__(f"builds would use what {what}", hint=hint)
        self.exit_code = exit_code  # type: ignore[misc]


def require_clean(target: Target, plan: Plan, chosen: Setting, environ: Mapping[str, str]) -> list[str]:
    """Check the environment whose packages builds use (threat T31); return what else they find and nobody looked at.

    Raises `UncleanError` unless all is approved, and where that other code would need to be.
    """
    found = check(replace(plan, target=target), chosen, environ)
    if found.exit_code != EXIT_OK:
        wrong = [one.decision.file.name for one in found.withheld] + [one.name for one in found.strays]
        wrong += [one.name for one in found.troubles]
        names = ", ".join(wrong[:SHOWN])
        told = f"`{found.target}` holds, and not all of it is approved: {names}"
        hint = "openvet-install check --environment    says what is wrong with it"
        raise UncleanError(told, found.exit_code, hint)
    others = [one for one in _others(target.sites, Places.of(target)) if not _is_empty(one)]
    if others and chosen.mode is Mode.BLOCK:
        told = f"lies in {', '.join(others)}, which {_UNSEEN}"
        raise UncleanError(told, EXIT_BLOCKED, "an environment of its own, without the packages of the system")
    return list(map(_unseen, others))


class _Judge:
    """Decides about installed releases and fetches the files that they may have come from."""

    def __init__(self, browser: Browser, deciding: Deciding, knowledge: Knowledge, blobs: BlobStore, fits: Fit) -> None:
        self._browser, self._deciding, self._knowledge = browser, deciding, knowledge
        self._blobs, self._fits = blobs, fits
        self.troubles: list[Trouble] = []

    def release(self, name: str, version: str) -> tuple[Decision, list[Release]]:
        """Return the decision that speaks for a release, and the contents of its files that may be installed."""
        if not name or not version:
            return _unknown(name or "?", version or "0", "its METADATA cannot be read"), []
        try:
            listed = self._browser.listed(name)
            decisions = judge_files(listed, self._deciding, frozenset({version}))
            fitting = [one for one in decisions if one.file.version == version and self._fits(one.file)]
            if not fitting:
                return _unknown(name, version, "no index lists a file of it that fits"), []
            # `too-old` and the like steer a resolver; what is there is judged by what is known of it.
            shown = [one for one in fitting if one.shown]
            if not shown:
                order = list(ReasonClass)
                worst = max(fitting, key=lambda one: (order.index(one.reason.klass), one.file.is_wheel))
                return self._dated(worst), []
            wheels = [one for one in shown if one.file.is_wheel]
            best = min(wheels or shown, key=lambda one: one.action is not Action.ALLOW)
            return best, [self._contents(one.file) for one in wheels or shown]
        except ArchiveError as error:
            return broken(_file(name, version), Reason.ARCHIVE_INVALID, error.what), []
        except InstallError as error:
            self.troubles.append(Trouble(name=name, what=error.what, detail=error.where, hint=error.hint))
            undecided = isinstance(error, UndecidedError)
            reason = Reason.LOG_UNREACHABLE if undecided else Reason.HASH_MISMATCH
            return broken(_file(name, version), reason, error.what), []

    def _dated(self, decision: Decision) -> Decision:
        """Say of what was withdrawn which commit did it."""
        gone = self._knowledge.withdrawal(decision.file) if decision.reason is Reason.WITHDRAWN else None
        if gone is None:
            return decision
        log, commit, seconds = gone
        day = datetime.fromtimestamp(min(seconds, 32_503_680_000), timezone.utc).date()
        return decision._replace(detail=f"{log} {commit[:12]}, {day}")

    def _contents(self, file: File) -> Release:
        if not file.is_wheel:
            return Release(name=file.name, version=file.version, kind="sdist")
        return release_of(open_archive(Path(self._browser.fetch(file, self._blobs).path), file.filename))


def _tell(
    result: Run,
    judged: Mapping[tuple[str, str], tuple[Decision, Sequence[Release]]],
    findings: Sequence[Finding],
    places: Places,
) -> None:
    by_release: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in findings:
        by_release[one.name, one.version].append(one)
    owned: set[str] = set()
    for found, (first, releases) in judged.items():
        wrong = by_release.pop(found, [])
        owned |= {one.path for one in wrong}
        decision = _compared(first, releases, wrong) if releases and wrong else first
        (result.files if decision.shown else result.withheld).append(Judged(decision=decision))
    paths = {one.path for wrong in by_release.values() for one in wrong}
    for (name, version), wrong in by_release.items():
        told = [one for one in wrong if one.path not in owned and source_of(one.path) not in paths]
        result.strays += [_stray(name, version, one, places) for one in told]


def _compared(decision: Decision, releases: Sequence[Release], wrong: Sequence[Finding]) -> Decision:
    total = max(len(one.members) for one in releases)
    said = _about(wrong[0].text) + (f" ({len(wrong)} of {total})" if total else "")
    return broken(decision.file, Reason.HASH_MISMATCH, said)


def _about(text: str) -> str:
    """Say "approved" where a run says "released", and leave the quotes of messages."""
    return text.replace("`", "").replace("is not the released one", "is not the approved one").replace(
        "is not in the released file", "is not in the approved file"
    )  # fmt: skip


def _stray(name: str, version: str, one: Finding, places: Places) -> Stray:
    inside = next((f"{at}/" for at in places.roots if one.path.startswith(f"{at}/")), None)
    shown = one.path.removeprefix(inside) if inside else one.path
    reason, text = one.reason, one.text.replace("`", "")
    if one.reason == "unexpected-file" and not name:
        starts = inside is not None and "/" not in shown and shown.endswith((*_STARTUP, "customize.py"))
        text = "belongs to no package" + (", runs at every start of Python" if starts else "")
        return Stray(name=shown, version=None, path=one.path, reason=Reason.UNAUDITED.code, text=text)
    return Stray(name=name or shown, version=version or None, path=one.path, reason=reason, text=text)


def _end(result: Run) -> None:
    """Several outcomes: 65 before 77 before 69."""
    conclude(result)
    reasons = {one.decision.reason for one in result.withheld} - {Reason.LOG_UNREACHABLE}
    if any(one.klass is ReasonClass.BROKEN for one in reasons) or any(
        one.reason != Reason.UNAUDITED.code for one in result.strays
    ):
        result.outcome, result.exit_code = Outcome.INVALID, EXIT_INVALID
    elif reasons or result.strays:
        result.outcome, result.exit_code = Outcome.BLOCKED, EXIT_BLOCKED
    elif result.withheld:
        result.outcome, result.exit_code = Outcome.UNDECIDED, EXIT_UNDECIDED


def _ours(infos: Mapping[tuple[str, str], str], chosen: Setting) -> set[tuple[str, str]]:
    """Return the distributions of folders that every policy names in `local-projects`.

    `direct_url.json` is the suspect's own statement: one of each folder is believed, if the project there has its name.
    """
    found: dict[Path, list[tuple[str, str]]] = defaultdict(list)
    for one, info in infos.items():
        if (folder := _folder_of(info, chosen)) is not None:
            found[folder].append(one)
    return {ones[0] for folder, ones in found.items() if len(ones) == 1 and _is_project(folder, ones[0][0])}


def _is_project(folder: Path, name: str) -> bool:
    if not any((folder / one).is_file() for one in PROJECT_FILES):
        return False
    try:
        return name_of(Project(str(folder), editable=False, extras="", origin=str(folder))) in (None, name)
    except InstallError:
        return False


def _folder_of(info: str, chosen: Setting) -> Path | None:
    """Return the folder of ours that a distribution says it was installed from."""
    raw = disk.read(f"{info}/direct_url.json", DIRECT_URL_BYTES)
    try:
        said = json.loads(raw or b"{}")
        parts = urlsplit(said["url"])
        if "dir_info" not in said or parts.scheme != "file":
            return None
        folder = Path(unquote(parts.path)).resolve()
    except (ValueError, KeyError, TypeError, OSError, RuntimeError):  # the last one for loops of links
        return None
    return folder if opponents(folder, chosen.policies) == [] else None


def _built(judged: Mapping[tuple[str, str], tuple[Decision, Sequence[Release]]]) -> list[str]:
    """Name what could only come from an approved sdist: nothing says what its build should have made."""
    names = sorted(
        f"{name} {version}"
        for (name, version), (_decision, releases) in judged.items()
        if releases and all(one.kind == "sdist" for one in releases)
    )
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = ", ".join(names[:SHOWN])
    return [f"built from sdists, so nothing to compare their files with: {told}{more}"] if names else []


def _beside(sites: Sequence[str], places: Places) -> list[str]:
    """Name the folders of packages that the environment's Python looks in, and that are not its own."""
    return list(map(_unseen, _others(sites, places)))


def _others(sites: Sequence[str], places: Places) -> list[str]:
    return sorted(dict.fromkeys(map(os.path.realpath, sites)).keys() - set(places.roots))


def _is_empty(folder: str) -> bool:
    try:
        return not any(Path(folder).iterdir())
    except OSError:  # what cannot be listed can still be imported
        return False


def _unseen(folder: str) -> str:
    return f"{folder} {_UNSEEN}"


def _unknown(name: str, version: str, detail: str) -> Decision:
    return Decision(file=_file(name, version), action=Action.BLOCK, reason=Reason.UNAUDITED, detail=detail)


def _file(name: str, version: str) -> File:
    return File(name=name, version=str(Version(version)), filename="", url="", index="")
