"""`explain`: all evidence about a release for this target; ends as an install of it would."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.cli import check
from openvet_install.cli.exempt import folder_of
from openvet_install.cli.policy import read_setting
from openvet_install.decide import Action, Reason, ReasonClass
from openvet_install.errors import EXIT_BLOCKED, EXIT_INVALID, EXIT_OK, UsageError
from openvet_install.gate.askers import INSTALLED, ways_to
from openvet_install.gate.browse import Place, browsing
from openvet_install.gate.judge import judge_files
from openvet_install.gate.model import Judged
from openvet_install.gate.opening import knowledge_of
from openvet_install.gate.outcome import Fit
from openvet_install.gate.sbom import sboms_of
from openvet_install.gate.state import usable_folders
from openvet_install.installers import pip
from openvet_install.openvet.subject import PYPI, Coordinate, Subject, SubjectError
from openvet_install.report import findings, origin, text
from openvet_install.report.evidence import whole_evidence
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.decide import Decision, Evidence
    from openvet_install.files import File
    from openvet_install.gate.deciding import Deciding
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.model import LogSeen
    from openvet_install.gate.setting import Setting
    from openvet_install.gate.state import Folders

    Ways = list[tuple[tuple[str, ...], str]]


def run(what: str, options: WrapperOptions, *, python: str | None) -> int:
    """Print the tree of the release that an install would look at first, or of the file that is named."""
    asked = _asked(what)
    chosen = read_setting(options)
    argv = ["install", *(["--python", python] if python else []), asked.name]
    plan = pip.plan(argv, os.environ, str(Path.cwd()))
    terminal = Terminal.of(sys.stdout, os.environ)
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(os.environ, []))
        knowledge = knowledge_of(chosen, os.environ, folders, stack)
        browser, fits = stack.enter_context(browsing(plan, chosen.watch)), Fit.of(plan.target)
        exact = frozenset({asked.version}) if asked.version else frozenset[str]()
        looked = fits.__call__ if asked.variant is None else partial(_means, asked)
        indexes = [one.url for one in plan.indexes]
        place = Place(os.environ, folders, stack, looked)
        deciding = place.deciding(knowledge, chosen, browser, indexes)
        decisions = judge_files(browser.listed(asked.name), deciding, exact)
        meant = [one for one in decisions if _means(asked, one.file) and (asked.variant or fits(one.file))]
        found = _releases(meant, asked)
        if not found:
            raise UsageError(f"no index lists a file of {plain(what)} that fits this target")
        ways = ways_to(asked.name, check.locks_in(folder_of(chosen)), plan.target)
        known = _Known(chosen, knowledge, deciding, ways, folders)
        for decision in found:
            _tree(terminal, decision, known)
    return _code(found)


class _Asked(NamedTuple):
    """What was named: a package, maybe one release of it, maybe one file."""

    name: str
    version: str | None = None
    variant: str | None = None
    sha256: str | None = None


def _asked(what: str) -> _Asked:
    if what.startswith(f"{PYPI}:"):
        return _subject(what)
    try:
        requirement = Requirement(what)
        pins = [Version(one.version) for one in requirement.specifier if one.operator == "=="]
    except ValueError as error:
        raise _unreadable(what) from error
    if requirement.url or requirement.extras or requirement.marker or len(pins) != len(list(requirement.specifier)):
        raise _unreadable(what)
    return _Asked(str(canonicalize_name(requirement.name)), str(pins[0]) if pins else None)


def _subject(what: str) -> _Asked:
    try:
        at = Coordinate.parse(what.partition("#")[0])
        sha256 = Subject.parse(what).sha256 if "#" in what else None
        return _Asked(str(canonicalize_name(at.package)), str(Version(at.version)), at.variant, sha256)
    except (SubjectError, ValueError) as error:
        raise _unreadable(what) from error


def _unreadable(what: str) -> UsageError:
    return UsageError(f"`{plain(what, 300)}` is not NAME, NAME==VERSION, a coordinate or a subject")


def _means(asked: _Asked, file: File) -> bool:
    return asked.variant in (None, file.variant) and asked.sha256 in (None, file.sha256)


def _code(found: list[Decision]) -> int:
    """End as an install would: it takes what is shown, else it stops for what is not."""
    if any(one.shown for one in found):
        return EXIT_OK
    return EXIT_INVALID if all(one.reason.klass is ReasonClass.BROKEN for one in found) else EXIT_BLOCKED


def _releases(decisions: list[Decision], asked: _Asked) -> list[Decision]:
    """Return the files of the release asked for; without one, of the newest, and of the newest that is shown."""
    versions = sorted({Version(one.file.version) for one in decisions}, reverse=True)
    if asked.version is not None:
        wanted = {Version(asked.version)}
    else:
        shown = [Version(one.file.version) for one in decisions if one.shown]
        wanted = {*versions[:1], *([max(shown)] if shown else [])}
    found = [one for one in decisions if Version(one.file.version) in wanted]
    return sorted(found, key=lambda one: (Version(one.file.version), one.file.is_wheel), reverse=True)


class _Known(NamedTuple):
    """What a tree is drawn from, beside its decision."""

    chosen: Setting
    knowledge: Knowledge
    deciding: Deciding
    ways: Ways
    folders: Folders


def _tree(terminal: Terminal, decision: Decision, known: _Known) -> None:
    file, chosen, knowledge = decision.file, known.chosen, known.knowledge
    sign = {"allow": "✓", "warn": "!", "block": "✘"}[decision.action.value]
    digest = f"#sha256:{file.sha256[:12]}…" if file.sha256 else ""
    terminal.line(f"{sign} {text.subject_of(decision)}{digest}    {decision.reason.code}")
    day = f", {file.uploaded.date().isoformat()}" if file.uploaded else ""
    size = f", {text.size(file.size)}" if file.size is not None else ""
    terminal.line(f"├─ file: {plain(file.filename, 300)}{size}{day}, {plain(file.index, 300)}")
    for route in _routes(decision, known.ways):
        terminal.line(f"├─ requested by: {plain(route, 300)}")
    evidence = knowledge.evidence(file)
    each = [one for _scope, one in known.deciding.by_policy(file)]
    policies = {one.scope: one.policy for one in chosen.policies}
    for line in whole_evidence(decision, each, policies, knowledge.log_names):
        terminal.line(line)
    for line in origin.lines(decision):
        terminal.line(line)
    for one in sboms_of(file, known.folders):
        listed = "" if one.packages is None else f", {one.packages} package{'' if one.packages == 1 else 's'}"
        terminal.line(f"├─ sbom: {plain(one.path, 300)}, {plain(one.kind)}{listed}")
    if knowledge.logs:
        heads = dict.fromkeys(_head(log, evidence.get(log.scope)) for log in knowledge.logs)
        terminal.line(f"├─ logs: {'; '.join(heads)}")
    for line in _forgiven(decision):
        terminal.line(f"├─ {line}")
    signs = ", ".join(f"{one.scope} {'✓' if one.shown else '✘'}" for one in each)
    mode = f'; mode = "{chosen.mode.value}"' if decision.action is Action.WARN else ""
    baseline = "in the baseline" if decision.known is not None else "not in the baseline"
    exempt = "exempt" if decision.exemption is not None else "no exemption"
    terminal.line(f"└─ policies: {signs}{mode}; {baseline}, {exempt}")
    if (next_step := _change(decision)) is not None:
        terminal.line(f"hint: {next_step}")


def _routes(decision: Decision, ways: Ways) -> Iterator[str]:
    """Write each way to a package: names where a lock tells it, requirements where it is installed."""
    for way, place in ways:
        if place != INSTALLED:
            yield f"{' → '.join((*way, decision.file.name))}, {place}"
        elif len(way) > 1:
            yield f"{text.route_of(Judged(decision=decision, route=way))}, {place}"


def _head(log: LogSeen, evidence: Evidence | None) -> str:
    """Write which heads of a log were asked, and whether both say the same of the file."""
    if log.newest == log.head:
        return f"{plain(log.name)} {log.head[:12]}"
    before, after = (
        [one.hash for one in audits if one.log == log.name]
        for audits in ((evidence.pinned, evidence.newest) if evidence is not None else ((), ()))
    )
    said = "the same" if before == after else "otherwise"
    return f"{plain(log.name)} pinned {log.head[:12]}, newest {log.newest[:12]} says {said}"


def _forgiven(decision: Decision) -> list[str]:
    one, known = decision.exemption, decision.known
    if one is not None:
        lifted = f"lifts audit {one.audit[:12]} " if one.audit else ""
        return [f"exempt: {lifted}until {one.until}, {plain(one.owner)}: {plain(one.reason, 300)}, {plain(one.where)}"]
    if known is not None:
        return [f"baseline: until {known.until}, {plain(known.owner)}, {plain(known.where)}"]
    return []


def _change(decision: Decision) -> str | None:
    """Say what would change the answer; evidence comes before exemption."""
    if decision.reason.klass is ReasonClass.SILENCE or decision.reason in (Reason.BASELINE, Reason.EXEMPT):
        return findings.hint(decision) if decision.reason in _AUDITABLE else _audit(decision)
    if decision.reason is Reason.NO_REQUIREMENTS:
        return findings.hint(decision)
    if decision.reason.klass is ReasonClass.NO:
        return "ask who said no; an exemption does not lift it"
    return None


_AUDITABLE = (Reason.UNAUDITED, Reason.NOT_ASSERTED)


def _audit(decision: Decision) -> str:
    return f"openvet audit new {shlex.quote(text.subject_of(decision))}"
