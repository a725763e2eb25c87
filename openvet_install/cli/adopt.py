"""`baseline` and `suggest`: the way to green, with an owner and an end on every step."""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from openvet_install.cli import check, reports
from openvet_install.cli.exempt import end_of, owner_of, put
from openvet_install.cli.options import refuse_revision
from openvet_install.cli.policy import read_setting
from openvet_install.config import LogSettings
from openvet_install.config.baseline import BASELINE_TOML, grown, render, shrunk
from openvet_install.errors import ConfigError
from openvet_install.gate import adopt, judge
from openvet_install.gate.together import together
from openvet_install.report import text
from openvet_install.report.terminal import Terminal, number_of, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.cli.options import WrapperOptions
    from openvet_install.config import PolicyFile
    from openvet_install.config.baseline import Known
    from openvet_install.gate.setting import Setting

UNKNOWN = "could approve more: files to compare are out of reach"


def baseline(options: WrapperOptions, *, owner: str | None, until: str | None, grow: bool, python: str | None) -> int:
    """Write the baseline: at first of all that is silent, later smaller; with `grow` new releases come in too.

    Ends as `check` then would.
    """
    reports.check(options.reports)
    refuse_revision("baseline", options)
    chosen, policy = _project(options)
    last = end_of(until, chosen) if until else None
    paths, target = check.locks_of(chosen.policies), check.target_of(python)
    found = adopt.survey(paths, chosen, target, os.environ)
    silent = [one.cover for one in found if one.cover is not None]
    path = policy.folder / BASELINE_TOML
    first = not path.exists()
    left = shrunk(policy.baseline, silent)
    after: tuple[Known, ...] = left
    if first or grow:
        after = grown(left, silent, chosen.now.date(), owner_of(owner) if _news(left, silent) else "", last)
    content = render(after).encode()
    if first or path.read_bytes() != content:
        put(path, content)
    terminal = Terminal.of(sys.stdout, os.environ)
    terminal.line(_wrote(after, policy.baseline))
    if waiting := len(silent) - len(after):
        terminal.line(f"{number_of(waiting, 'release')} not in it: a baseline only shrinks, unless --grow")
    _refused(terminal, found)
    return _ended(options, python, len(after) - len(left))


def _news(left: Sequence[Known], silent: Sequence[object]) -> bool:
    return len(silent) > len(left)


def _wrote(after: Sequence[Known], before: Sequence[Known]) -> str:
    files = sum(len(one.hashes) for one in after)
    line = f"wrote {BASELINE_TOML}: {number_of(len(after), 'release')}, {number_of(files, 'file')}"
    if not after:
        return line
    ends = sorted(one.until for one in after)
    weekly = max(Counter((end.isocalendar()[0], end.isocalendar()[1]) for end in ends).values())
    many = f"{weekly} end{'s' if weekly == 1 else ''} each week, {ends[0]} to {ends[-1]}"
    line += f"; {many}" if len(ends) > 1 else f"; it ends on {ends[0]}"
    gone = len({(one.package, one.version) for one in before} - {(one.package, one.version) for one in after})
    return line + (f"; {gone} left it" if gone else "")


def _refused(terminal: Terminal, found: Sequence[adopt.Found]) -> None:
    bad = [one for one in found if one.cover is None]
    terminal.rows(
        [
            [f"✘ {text.subject_of(one.decision)}", one.decision.reason.code, "not taken, decide it by hand"]
            for one in bad
        ]
    )


def _ended(options: WrapperOptions, python: str | None, added: int) -> int:
    chosen, _policy = _project(options)
    result = judge.check(check.locks_of(chosen.policies), chosen, check.target_of(python), os.environ)
    result.command, result.baseline_grown = ["baseline"], added
    reports.write(result, options.reports)
    return result.exit_code


def suggest(options: WrapperOptions, *, logs: Sequence[str], python: str | None) -> int:
    """Say what to audit next, and which candidate log would clear most."""
    from openvet_install.cli.pins import name_of  # noqa: PLC0415 - only with a log

    chosen, _policy = _project(options)
    paths, target = check.locks_of(chosen.policies), check.target_of(python)
    found = adopt.survey(paths, chosen, target, os.environ)
    terminal = Terminal.of(sys.stdout, os.environ)
    silent = [one for one in found if one.cover is not None]
    terminal.rows([_suggested(one) for one in adopt.suggestions(found)])
    if not logs:
        carried = adopt.covered(silent, paths, chosen, target, os.environ)
        if carried is None or carried.approved:
            words = f"would approve {_cleared(carried, silent)}" if carried is not None else UNKNOWN
            terminal.line(f'carry = "content" {words}')
        return 0
    settings = [LogSettings(name=name_of(url), url=url, where="--log") for url in logs]
    walk = partial(adopt.candidate, found=silent, paths=paths, chosen=chosen, target=target, environ=os.environ)
    told, failed = together(walk, settings)
    for log, (one, carrying) in sorted(told, key=lambda each: -each[1][0].approved):
        worse = f"contradicts {', '.join(one.contradicted)}" if one.contradicted else "contradicts none"
        more = f"{carrying.approved - one.approved} more" if carrying is not None else UNKNOWN
        by_content = f', carry = "content" {more},' if carrying is None or carrying.approved > one.approved else ""
        terminal.line(f"{plain(log.name)} would approve {_cleared(one, silent)}{by_content} and {plain(worse, 300)}")
    for _log, error in sorted(failed, key=lambda each: each[1].exit_code):
        raise error
    return 0


def _cleared(one: adopt.Candidate, silent: Sequence[adopt.Found]) -> str:
    return f"{one.approved} of {len(silent)} ({one.runtime} runtime)"


def _suggested(one: adopt.Suggestion) -> list[str]:
    command = f"openvet audit new '{plain(str(one.file.coordinate), 1000)}'"
    size = text.size(one.size) if one.size is not None else ""
    delta = f"diff to {one.delta}, audited" if one.delta else ""
    return [command, size, "runtime" if one.runtime else "dev", delta]


def _project(options: WrapperOptions) -> tuple[Setting, PolicyFile]:
    chosen = read_setting(options)
    policy = next((one for one in chosen.policies if one.scope == "project"), None)
    if policy is None:
        raise ConfigError("no policy of a project here", hint="openvet-install init --log URL")
    return chosen, policy
