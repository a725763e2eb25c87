"""The JSON report (design, section 9); its schema ships beside this file."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from openvet_install.openvet.verdict import Status
from openvet_install.publishers import facts
from openvet_install.report.reasons import trouble_reason
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from datetime import datetime

    from openvet_install.decide import Decision
    from openvet_install.gate.model import Judged, Run
    from openvet_install.publishers import Origin

SCHEMA = "openvet-install/report/1"
SCHEMA_FILE = "report.schema.json"
MAX_CHARACTERS = 4000  # of one string


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the report."""
    text = files("openvet_install.report").joinpath(SCHEMA_FILE).read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def render(run: Run) -> str:
    """Return the report as JSON, ASCII only, sorted where order means nothing."""
    return json.dumps(_clean(document(run)), indent=2) + "\n"


def line(run: Run) -> str:
    """Return the report as one line of JSON, for files that many runs append to."""
    return json.dumps(_clean(document(run)), separators=(",", ":")) + "\n"


def _clean(value: Any) -> Any:
    """Take what could steer a terminal or a log out of every string; reports are often printed as they are."""
    if isinstance(value, str):
        return plain(value, MAX_CHARACTERS)
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value


def document(run: Run) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "schema": SCHEMA,
        "started": _time(run.started),
        "command": run.command,
        "mode": run.mode,
        "target": run.target,
        "tool": None
        if run.tool is None
        else {
            "name": run.tool.name,
            "path": run.tool.path,
            "version": run.tool.version,
            "sha256": run.tool.sha256,
            "exit": run.tool.exit,
        },
        "exit_code": run.exit_code,
        "outcome": run.outcome.value,
        "policies": [{"file": one.file, "sha256": one.sha256, "mode": one.mode} for one in run.policies],
        "environment": sorted(run.environment),
        "isolation": {"state": run.isolation[0], "reason": run.isolation[1]},
        "preinstalled": run.preinstalled,
        "baseline": {"used": run.baseline_used, "grown": run.baseline_grown},
        "logs": [
            {
                "name": log.name,
                "url": log.url,
                "head": log.head,
                "newest": log.newest,
                "generation": log.generation,
                "checked": _time(log.checked),
            }
            for log in run.logs
        ],
        "files": [_judged(one, run) for one in run.files],
        "withheld": [_judged(one, run) for one in run.withheld],
        "held_back": [
            {
                "package": one.package,
                "chosen": one.chosen,
                "newest": one.newest,
                "reason": one.reason,
                "days": one.days,
            }
            for one in run.held_back
        ],
        "unexpected": [
            {
                "name": one.name,
                "version": one.version,
                "path": one.path,
                "reason": one.reason,
                "text": one.text,
                "undone": one.undone,
            }
            for one in run.strays
        ],
        "exemptions": {
            "used": run.exemptions_used,
            "unused": list(run.exemptions_unused),
            "ending": list(run.exemptions_ending),
        },
        "not_judged_here": list(run.not_judged_here),
        "troubles": [
            {"name": one.name, "reason": trouble_reason(run), "what": one.what, "where": one.detail, "hint": one.hint}
            for one in run.troubles
        ],
        "messages": [*run.warnings, *(str(one) for one in run.troubles)],
    }


def _judged(judged: Judged, run: Run) -> dict[str, Any]:
    decision = judged.decision
    file = decision.file
    sboms = run.sboms.get(file.sha256 or "")
    return {
        "subject": str(file.subject or file.coordinate),
        "purl": f"pkg:pypi/{file.name}@{file.version}",
        "filename": file.filename,
        "index": file.index,
        "decision": decision.action.value,
        "reason": decision.reason.code,
        "class": decision.reason.klass.value,
        "detail": decision.detail,
        "place": judged.place,
        "requested_by": list(judged.route),
        "requirements": _requirements(decision),
        "provenance": _provenance(decision.origin),
        "sboms": None if sboms is None else [one._asdict() for one in sboms],
    }


def _requirements(decision: Decision) -> list[dict[str, Any]]:
    words = {Status.PASS: "pass", Status.CONTRADICTED: "contradicted", Status.NOT_ASSERTED: "not-asserted"}
    carried = {one.subject for one in decision.same}
    return [
        {
            "name": one.name,
            "status": words[one.status],
            "audits": [
                {
                    "log": audit.log,
                    "value": value.value,
                    "signers": list(audit.signers),
                    "carried": str(audit.subject) if audit.subject in carried else None,
                }
                for audit, value in one.audits
            ],
        }
        for one in decision.requirements
    ]


def _provenance(origin: Origin | None) -> dict[str, Any] | None:
    """Write what verified and was compared with the policy; null where nobody asked or nothing was looked at."""
    if origin is None:
        return None
    found = origin.attested
    return {
        "status": origin.state.value,
        "detail": origin.text,
        "required": origin.required,
        "places": list(origin.places),
        "publisher": None
        if found is None
        else {
            **{key.replace("-", "_"): said or None for key, said in facts(found.identity).items()},
            "commit": found.identity.commit or None,
            "run": found.identity.run or None,
        },
        "predicate": found.predicate if found is not None else None,
        "logged": _time(found.logged) if found is not None else None,
        "log_entry": found.entry if found is not None else None,
        "trust_root": str(found.root) if found is not None and found.root is not None else None,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
