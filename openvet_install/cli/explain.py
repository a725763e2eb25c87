"""`explain`: all evidence about a release for this target; ends as an install of it would."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from openvet_install.cli.policy import read_setting
from openvet_install.errors import EXIT_BLOCKED, EXIT_OK, UndecidedError, UsageError
from openvet_install.gate.browse import browsing
from openvet_install.gate.judge import judge_files
from openvet_install.gate.outcome import Fit
from openvet_install.gate.session import knowledge_of
from openvet_install.gate.state import usable_folders
from openvet_install.installers import pip
from openvet_install.report import text
from openvet_install.report.terminal import Terminal, plain

if TYPE_CHECKING:
    from openvet_install.cli.options import WrapperOptions
    from openvet_install.decide import Decision
    from openvet_install.gate.knowledge import Knowledge
    from openvet_install.gate.setting import Setting


def run(what: str, options: WrapperOptions, *, python: str | None) -> int:
    """Print the tree of the release that an install would look at first."""
    name, version = _asked(what)
    chosen = read_setting(Path(options.project) if options.project else None, options)
    argv = ["install", *(["--python", python] if python else []), name]
    plan = pip.plan(argv, os.environ, str(Path.cwd()))
    terminal = Terminal.of(sys.stdout, os.environ)
    with ExitStack() as stack:
        folders = stack.enter_context(usable_folders(os.environ, []))
        knowledge = knowledge_of(chosen, os.environ, folders, stack)
        files = stack.enter_context(browsing(plan)).listed(name)
        exact = frozenset({version}) if version else frozenset[str]()
        decisions = judge_files(files, knowledge, chosen, exact)
        fits = Fit(frozenset(plan.target.tags), ".".join(map(str, plan.target.version)))
        found = _releases([one for one in decisions if fits(one.file)], version)
        if not found:
            raise UndecidedError(f"no index lists a file of {plain(what)} that fits this target")
        for decision in found:
            _tree(terminal, decision, chosen, knowledge)
    return EXIT_OK if any(one.shown for one in found) else EXIT_BLOCKED


def _asked(what: str) -> tuple[str, str | None]:
    try:
        requirement = Requirement(what)
    except InvalidRequirement as error:
        raise UsageError(f"`{plain(what)}` is not NAME or NAME==VERSION") from error
    pins = [one.version for one in requirement.specifier if one.operator == "=="]
    if requirement.url or requirement.extras or requirement.marker or len(pins) != len(list(requirement.specifier)):
        raise UsageError(f"`{plain(what)}` is not NAME or NAME==VERSION")
    return canonicalize_name(requirement.name), str(Version(pins[0])) if pins else None


def _releases(decisions: list[Decision], version: str | None) -> list[Decision]:
    """Return the files of the release asked for; without one, of the newest, and of the newest that is shown."""
    versions = sorted({Version(one.file.version) for one in decisions}, reverse=True)
    if version is not None:
        wanted = {Version(version)}
    else:
        shown = [Version(one.file.version) for one in decisions if one.shown]
        wanted = {*versions[:1], *([max(shown)] if shown else [])}
    found = [one for one in decisions if Version(one.file.version) in wanted]
    return sorted(found, key=lambda one: (Version(one.file.version), one.file.is_wheel), reverse=True)


def _tree(terminal: Terminal, decision: Decision, chosen: Setting, knowledge: Knowledge) -> None:
    file = decision.file
    sign = {"allow": "✓", "warn": "!", "block": "✘"}[decision.action.value]
    digest = f"#sha256:{file.sha256[:12]}…" if file.sha256 else ""
    terminal.line(f"{sign} {text.subject_of(decision)}{digest}    {decision.reason.code}")
    day = f", {file.uploaded.date().isoformat()}" if file.uploaded else ""
    size = f", {text.size(file.size)}" if file.size is not None else ""
    terminal.line(f"├─ file: {plain(file.filename, 300)}{size}{day}, {plain(file.index, 300)}")
    policies = {one.scope: one.policy for one in chosen.policies}
    for line in text.evidence(decision, policies, knowledge.log_names):
        terminal.line(line.replace("└─", "├─", 1) if line.startswith("└─") else _continued(line))
    for log in knowledge.logs:
        said = "the newest too" if log.newest == log.head else f"newest {log.newest[:12]}"
        terminal.line(f"├─ log: {plain(log.name)} pinned {log.head[:12]}, {said}")
    signs = ", ".join(f"{one.scope} {plain(str(one.path.name))}" for one in chosen.policies)
    terminal.line(f'└─ policies: {signs}; mode = "{chosen.mode.value}"')


def _continued(line: str) -> str:
    return "│" + line[1:] if line.startswith(" ") else line
