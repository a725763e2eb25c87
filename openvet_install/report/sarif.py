"""SARIF 2.1.0, as code scanning takes it: one result a finding, one rule a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from openvet_install import __version__
from openvet_install.decide import Reason
from openvet_install.report.findings import uri
from openvet_install.report.reasons import MEANING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openvet_install.gate.model import Run
    from openvet_install.report.findings import Finding

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
_ENDING = {"baseline": "an entry of the baseline ends soon", "exempt": "an exemption ends soon"}


def render(run: Run, findings: Sequence[Finding]) -> str:
    """Return the whole log, ASCII only."""
    return json.dumps(document(run, findings), indent=2) + "\n"


def document(run: Run, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the log as plain values."""
    rules = {one.code: MEANING[one] for one in Reason} | _ENDING
    used = sorted({one.rule for one in findings})
    return {
        "version": VERSION,
        "$schema": SCHEMA,
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "openvet-install",
                        "version": __version__,
                        "rules": [{"id": rule, "shortDescription": {"text": rules[rule]}} for rule in used],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": run.outcome.value not in ("failed", "undecided"),
                        "exitCode": run.exit_code,
                    }
                ],
                "results": [_result(one, used.index(one.rule)) for one in findings],
            }
        ],
    }


def _result(one: Finding, rule: int) -> dict[str, Any]:
    text = f"{one.title}: {one.text}" + (f"\n{one.hint}" if one.hint else "")
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": rule,
        "level": one.level,
        "message": {"text": text},
        "partialFingerprints": {"subject/v1": one.identity},
    }
    if one.path is not None:
        artifact: dict[str, Any] = {"uri": uri(one.path)}
        if not one.path.startswith("/"):
            artifact["uriBaseId"] = ROOT
        place: dict[str, Any] = {"artifactLocation": artifact}
        if one.line is not None:
            place["region"] = {"startLine": max(1, one.line)}
        result["locations"] = [{"physicalLocation": place}]
    return result
