"""What each reason means, in one sentence: for SARIF rules, `docs/reference.md` and whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.decide import Reason
from openvet_install.errors import EXIT_CONFIG, EXIT_USAGE
from openvet_install.gate.model import Outcome

if TYPE_CHECKING:
    from openvet_install.gate.model import Run

MEANING: dict[Reason, str] = {
    Reason.APPROVED: "every requirement has an audit that says yes",
    Reason.CARRIED: "an audited file of the same release has the same content",
    Reason.EXEMPT: "an exemption with an owner, a reason and an end covers it",
    Reason.BASELINE: "it was in use before the policy was, and its time has not run out",
    Reason.LOCAL_PROJECT: "a project of your own, installed as it is",
    Reason.UNAUDITED: "no auditor whom the policy trusts has said anything about this file",
    Reason.NOT_ASSERTED: "there is an audit, but it does not say what the policy asks",
    Reason.PROVENANCE_MISSING: "the policy asks for provenance and there is no verified attestation",
    Reason.UNHASHED: "its index or lock states no sha256, so no audit can be about it",
    Reason.DIRECT_REFERENCE: "it comes from an address, a repository or a path, not from an index",
    Reason.SDIST_NOT_ALLOWED: "the policy takes no source distributions",
    Reason.TOO_YOUNG: "nobody audited it and it is younger than the policy's cooldown",
    Reason.TOO_OLD: "approved, but so much older than the newest release that falling back to it would be silent",
    Reason.CONTRADICTED: "an audit says that a requirement does not hold",
    Reason.WITHDRAWN: "an audit that approved it is gone from the log or says something else now",
    Reason.PROVENANCE_MISMATCH: "it was built by somebody else than the policy names",
    Reason.NO_REQUIREMENTS: "no requirement applies to it, and nothing approves by default",
    Reason.HASH_MISMATCH: "the bytes are not those that were promised or approved",
    Reason.ARCHIVE_INVALID: "the archive is ambiguous, reaches beyond itself or is not what its name says",
    Reason.UNEXPECTED_FILE: "it appeared in the target without having been released",
    Reason.LOG_INVALID: "a log does not verify",
    Reason.LOG_UNREACHABLE: "a log that is needed for the decision is out of reach",
    Reason.CONFIG_REFUSED: "a configuration would lead the tool around the gate or cannot be read",
}


def trouble_reason(run: Run) -> str | None:
    """Return the reason that the troubles of a run stand for; None for a bug of ours and the like."""
    if run.outcome is Outcome.FAILED and run.exit_code not in (EXIT_CONFIG, EXIT_USAGE):
        return None
    known = {Outcome.INVALID: Reason.LOG_INVALID, Outcome.UNDECIDED: Reason.LOG_UNREACHABLE}
    return known.get(run.outcome, Reason.CONFIG_REFUSED).code
