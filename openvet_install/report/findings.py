"""What a machine should point at: one finding per file, release or log that is not well, with its place."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from openvet_install.decide import Action, Reason, ReasonClass
from openvet_install.gate.model import Outcome, Spot
from openvet_install.openvet.language import Tri
from openvet_install.report.origin import PROVENANCE
from openvet_install.report.reasons import trouble_reason
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openvet_install.decide import Decision
    from openvet_install.gate.model import Judged, Run

_AT = re.compile(r"(?P<path>[^,:]+):(?P<line>[0-9]{1,9}), key ")
_LINE = re.compile(r"(?P<path>.+):(?P<line>[0-9]{1,9})")
MAX_TEXT = 500


class Finding(NamedTuple):
    """One thing to point at; `level` is error or warning, `path` relative to the repository where it lies in it.

    `rule` is a reason's code, or `baseline` and `exempt` for what ends soon. Texts are free of control characters.
    """

    level: str
    rule: str
    title: str
    text: str
    path: str | None = None
    line: int | None = None
    hint: str | None = None
    identity: str = ""


class Ground(NamedTuple):
    """Where a run took place: the working folder that typed paths are relative to, and the repository's root."""

    cwd: PurePath
    root: PurePath

    def relative(self, path: str) -> str:
        """Return a path as the repository knows it, with `/`; absolute where it lies outside."""
        whole = self.cwd / path
        parts: list[str] = []
        for part in whole.parts:
            if part == ".." and len(parts) > 1:
                parts.pop()
            elif part != ".":
                parts.append(part)
        whole = PurePath(*parts)
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else whole.as_posix()


def of(run: Run, ground: Ground) -> list[Finding]:
    """Return the findings, gravest first. Of a wrapper only what stood in the way, of `check` everything."""
    errors = [_judged(one, "error", ground) for one in _stopping(run)]
    warnings = [_judged(one, "warning", ground) for one in run.files if one.decision.action is Action.WARN]
    return [*_troubles(run, ground), *_strays(run, ground), *errors, *warnings, *_endings(run, ground)]


REQUIRE = '[requirement] benign = "is-benign"    in that policy, or an override that leaves one'
"""What a policy lacks under which no requirement applies to a file."""


def hint(decision: Decision) -> str:
    """Return the command that helps most, ready to be pasted."""
    file = decision.file
    if decision.reason in (Reason.UNAUDITED, Reason.NOT_ASSERTED):
        return f"openvet audit new {shlex.quote(plain(str(file.coordinate), 1000))}"
    if decision.reason is Reason.NO_REQUIREMENTS:
        return REQUIRE
    return f"openvet-install explain {shlex.quote(plain(f'{file.name}=={file.version}', 1000))}"


def uri(path: str) -> str:
    """Return a path as a URI reference: relative stays relative."""
    return ("file://" if path.startswith("/") else "") + quote(path, safe="/")


def _stopping(run: Run) -> list[Judged]:
    found = [one for one in run.withheld if run.tool is None or _in_the_way(run, one)]
    order = list(ReasonClass)
    return sorted(found, key=lambda one: -order.index(one.decision.reason.klass))


def _in_the_way(run: Run, judged: Judged) -> bool:
    file = judged.decision.file
    if judged.decision.reason.klass is ReasonClass.BROKEN:
        return True
    return run.outcome is Outcome.BLOCKED and file.version in run.in_the_way.get(file.name, ())


def _judged(judged: Judged, level: str, ground: Ground) -> Finding:
    decision = judged.decision
    file = decision.file
    spot = judged.spot or _typed(judged)
    return Finding(
        level=level,
        rule=decision.reason.code,
        title=plain(f"{file.name} {file.version}", 300),
        text=_clause(decision),
        path=plain(ground.relative(spot.path), 1000) if spot else None,
        line=spot.line if spot else None,
        hint=hint(decision),
        identity=plain(str(file.subject or file.coordinate), 1000),
    )


def _typed(judged: Judged) -> Spot | None:
    """Read the line of a requirements file off the beginning of a route."""
    found = _LINE.fullmatch(judged.route[0]) if judged.route else None
    return Spot(found["path"], int(found["line"])) if found else None


def _clause(decision: Decision) -> str:
    if decision.reason is Reason.CONTRADICTED:
        for one in decision.requirements:
            for audit, value in one.audits:
                if value is Tri.FALSE:
                    summary = f', "{plain(audit.summary)}"' if audit.summary else ""
                    return plain(f"{one.name} contradicted by {audit.log}, audit {audit.hash[:12]}{summary}", MAX_TEXT)
    if decision.detail:
        told = "provenance: " if decision.reason in PROVENANCE else ""
        return plain(told + decision.detail, MAX_TEXT)
    if decision.reason is Reason.UNAUDITED:
        return "no matching audit"
    return decision.reason.code


def _troubles(run: Run, ground: Ground) -> Iterator[Finding]:
    for one in run.troubles:
        spot = _AT.match(one.detail or "")
        yield Finding(
            level="error",
            rule=(one.reason.code if one.reason else trouble_reason(run)) or Reason.CONFIG_REFUSED.code,
            title=plain(one.name, 300),
            text=plain(f"{one.what} ({one.detail})" if one.detail else one.what, MAX_TEXT),
            path=plain(ground.relative(spot["path"]), 1000) if spot else None,
            line=int(spot["line"]) if spot else None,
            hint=plain(one.hint, MAX_TEXT) if one.hint else None,
            identity=plain(one.name, 300),
        )


def _strays(run: Run, ground: Ground) -> Iterator[Finding]:
    for one in run.strays:
        name = " ".join(part for part in (one.name, one.version) if part) or PurePath(one.path).name
        yield Finding(
            level="error",
            rule=one.reason,
            title=plain(name, 300),
            text=plain(one.text, MAX_TEXT),
            path=plain(ground.relative(one.path), 1000),
            identity=plain(f"{name} {one.path}", 1000),
        )


def _endings(run: Run, ground: Ground) -> Iterator[Finding]:
    for one in run.endings:
        days = f"{one.days} day{'' if one.days == 1 else 's'}"
        yield Finding(
            level="warning",
            rule=one.kind,
            title=plain(one.release, 300),
            text=f"ends on {one.until.isoformat()} ({days})",
            path=plain(ground.relative(one.spot.path), 1000),
            line=one.spot.line,
            identity=plain(f"{one.kind} {one.release}", 1000),
        )
