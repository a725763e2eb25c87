"""Doing the same for several logs at the same time: most of it is waiting for their hosts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from openvet_install.errors import InvalidError, UndecidedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE = 8

Job = TypeVar("Job")
Found = TypeVar("Found")


def together(
    work: Callable[[Job], Found], jobs: Sequence[Job]
) -> tuple[list[tuple[Job, Found]], list[tuple[Job, InvalidError | UndecidedError]]]:
    """Do `work` for all jobs on a few threads; return what came of each and what failed, in the order of the jobs.

    Every job is done even if others are invalid or undecided; any other error is raised. An interruption is not kept
    waiting: what is under way is left alone.
    """
    if not jobs:
        return [], []
    pool = ThreadPoolExecutor(max_workers=min(AT_ONCE, len(jobs)), thread_name_prefix="openvet-together")
    found, failed = [], []
    try:
        for job, future in [(job, pool.submit(work, job)) for job in jobs]:
            try:
                found.append((job, future.result()))
            except (InvalidError, UndecidedError) as error:
                failed.append((job, error))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found, failed
