"""A summary in Markdown, for a step of CI or a comment; text of others can neither format nor link (threat T77)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openvet_install.decide import ReasonClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.model import Run
    from openvet_install.report.findings import Finding

MAX_ROWS = 200
_SPECIAL = re.compile(r"[\\`*_{}\[\]()#+!|~@-]")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_BREAKS = str.maketrans({"\n": " ", "\r": " "})
_AUTOLINK = re.compile(r"(?i)(:)(//)|(www)(\.)")


def render(run: Run, findings: Sequence[Finding]) -> str:
    """Return one sentence and, if anything is to be told, a table."""
    lines = [f"**openvet: {run.outcome.value}**, {_counted(run)}", ""]
    if findings:
        lines += ["| what | reason | where | next |", "| --- | --- | --- | --- |"]
        lines += [_row(one) for one in findings[:MAX_ROWS]]
        if len(findings) > MAX_ROWS:
            lines += ["", f"… and {len(findings) - MAX_ROWS} more"]
        lines.append("")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Return text that shows as it is: no markup, no HTML, no link, no mention."""
    shown = _SPECIAL.sub(lambda found: "\\" + found[0], text.translate(_BREAKS)).translate(_HTML)
    return _AUTOLINK.sub(lambda found: f"{found[1] or found[3]}<!-- -->{found[2] or found[4]}", shown)


def code(text: str) -> str:
    """Return a code span that text cannot end; plain text where it holds `|`, which no span keeps inside a table."""
    if "|" in text:
        return escape(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text.translate(_BREAKS)}{pad}{fence}"


def _row(one: Finding) -> str:
    place = "" if one.path is None else one.path + (f":{one.line}" if one.line is not None else "")
    text = one.title if one.text in ("no matching audit", one.rule) else f"{one.title}: {one.text}"
    return f"| {escape(text)} | {one.rule} | {escape(place)} | {code(one.hint) if one.hint else ''} |"


def _counted(run: Run) -> str:
    everything = [*run.files, *(run.withheld if run.tool is None else ())]
    bad = [one for one in everything if one.decision.reason.klass is not ReasonClass.FINE]
    if run.tool is not None:
        bad += [one for one in run.withheld if one.decision.file.name in run.stopping]
    total = len({one.decision.file.name for one in [*everything, *bad]})
    count = len({one.decision.file.name for one in bad})
    return f"{count} of {total} package{'' if total == 1 else 's'} {'is' if count == 1 else 'are'} not approved"
