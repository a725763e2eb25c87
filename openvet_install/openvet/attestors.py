"""Signatures of a long walk, checked by processes beside this one (protocol, sections 6 and 7, steps 5 and 6).

They read the same store, by hashes, and answer with nothing but success: whoever gets another answer walks again
alone, commit by commit, and learns there what is wrong.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import connection
from typing import TYPE_CHECKING

from openvet_install.openvet import chain
from openvet_install.openvet.store import Store
from openvet_install.openvet.wire import AuditChange, AuditEnvelope, decode_audit_envelope, decode_commit_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from openvet_install.openvet.faults import Kind
    from openvet_install.openvet.keyset import Keyset
    from openvet_install.openvet.wire import CommitEnvelope

Unable = (OSError, ImportError, BrokenExecutor)
"""What the use of `Attestors` raises where there can be no processes, or where they end before their time."""

_BATCH = 256
_MOST = 8
_kept: Store


class Attestors:
    """Processes that check commits by name, as `chain.attest` does; to be used as a context, in one thread.

    `folder` is that of the store; `bring` sees that the audits of a batch, and the commits, stand in it.
    """

    def __init__(self, folder: Path, bring: Callable[[Sequence[bytes]], None]) -> None:
        """Start as many processes as there are processors."""
        self._bring = bring
        self._authority: Keyset = {}
        self._names: list[bytes] = []
        self._audits: list[bytes] = []
        self._answers: list[tuple[int, Future[int]]] = []
        # Not forked: other threads of ours may hold locks just now.
        self._pool = ProcessPoolExecutor(
            max(1, min(_MOST, os.cpu_count() or 1)),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(folder,),
        )

    def __enter__(self) -> Self:
        """Return the attestors themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what was not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def attest(self, authority: Keyset, name: bytes, envelope: CommitEnvelope) -> None:
        """Have a commit checked against the keyset that has the authority; the answer comes with `settled`."""
        if authority is not self._authority:
            self._send()
            self._authority = authority
        self._names.append(name)
        operation = envelope.commit.operation
        if isinstance(operation, AuditChange) and operation.audit:
            self._audits.append(operation.audit)
        if len(self._names) == _BATCH:
            self._send()

    def settled(self) -> bool:
        """Wait for all answers; tell whether every commit so far was found good."""
        self._send()
        return all(future.exception() is None and future.result() == count for count, future in self._answers)

    def _send(self) -> None:
        if self._names:
            self._bring(self._audits)
            self._answers.append((len(self._names), self._pool.submit(_attest, self._authority, self._names)))
            self._names, self._audits = [], []


def _start(folder: Path) -> None:
    """Prepare a process: an interruption is for the one that waits for us."""
    global _kept  # noqa: PLW0603 - one store in each process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _kept = Store(folder)


def _end_with_parent() -> None:
    """Watch the parent: one that is killed cannot tell its pool."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _attest(authority: Keyset, names: Sequence[bytes]) -> int:
    """Return how many commits were checked: all of them, or this raises."""
    for name in names:
        chain.attest(authority, name, decode_commit_envelope(_raw("commit", name)), _audit)
    return len(names)


def _audit(name: bytes) -> AuditEnvelope:
    return decode_audit_envelope(_raw("audit", name))


def _raw(kind: Kind, name: bytes) -> bytes:
    found = _kept.get(kind, name)
    if found is None:
        raise LookupError(kind)
    return found
