"""Provenance in words, for `explain`: who built a file as its certificate says it, and what that does not prove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.decide import Reason
from openvet_install.publishers import State
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from openvet_install.decide import Decision

PROVENANCE = (Reason.PROVENANCE_MISSING, Reason.PROVENANCE_MISMATCH)
MAX_SAID = 600
PROVES = "proves which run signed these bytes; not what the source holds, nor that anybody read it"


def lines(decision: Decision) -> list[str]:
    """Return a branch of a tree that goes on below; empty where there is nothing to say."""
    origin = decision.origin
    if origin is None:
        if decision.reason in PROVENANCE:
            return [f"├─ provenance: ✘ {plain(decision.detail or '', MAX_SAID)}"]
        return ["├─ provenance: ? served, not looked at"] if decision.file.provenance else []
    unasked = origin.state is State.MISSING and not origin.required
    sign = "✓" if origin.state is State.VERIFIED else "?" if unasked else "✘"
    told = f"├─ provenance: {sign} {plain(origin.text, MAX_SAID)}"
    found = origin.attested
    if found is None:
        return [told]
    who = found.identity
    told += "".join(f", {plain(part)}" for part in (who.ref, found.logged.date().isoformat()) if part)
    parts = (f"commit {who.commit}" if who.commit else "", who.run, f"log entry {found.entry}")
    logged = found.logged.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [told, f"│  ├─ {plain(', '.join(filter(None, parts)), 300)} of {logged}", f"│  └─ {PROVES}"]
