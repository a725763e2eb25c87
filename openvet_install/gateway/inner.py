"""What a gate inside this one gets, under a login that no installer is given.

It judges and renders pages itself, so it gets them as they came (and as this gate has judged them, too); files are
released as to anybody; and what the policies' logs serve it verifies as from any host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from openvet_install.errors import InstallError
from openvet_install.gateway import Refusal, replies

if TYPE_CHECKING:
    from openvet_install.gateway.addresses import Target
    from openvet_install.gateway.answers import Answers
    from openvet_install.gateway.grammar import Request
    from openvet_install.gateway.replies import Answer

INNER = "openvet-gate"
"""The user name of that login."""


class Logs(Protocol):
    """The logs of the policies."""

    def __contains__(self, url: str) -> bool:
        """Tell whether a canonical URL lies in one of them."""

    def get(self, url: str) -> bytes | None:
        """Return the bytes there, None for 404. Raises `InstallError`."""


class InnerAnswers:
    """Answers requests of gates inside."""

    def __init__(self, answers: Answers, logs: Logs) -> None:
        """Take what answers everybody else."""
        self._answers = answers
        self._logs = logs

    def answer(self, request: Request, target: Target) -> Answer:
        """Return the answer to a GET or HEAD for a canonical URL."""
        if target.url not in self._logs:
            return self._answers.answer_gate(request, target)
        try:
            body = self._logs.get(target.url)
        except InstallError as error:
            return replies.refusal(Refusal(502, "openvet-install: log trouble", error.what))
        if body is None:
            return replies.refusal(Refusal(404, "not found", "the log has nothing there"))
        return replies.metadata(body)
