"""Work that many clients want and that is done once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_T = TypeVar("_T")


@dataclass(slots=True)
class _Flight:
    """One piece of work that several clients may wait for."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: object = None
    fault: BaseException | None = None
    attempts: int = 0


class Flights:
    """Does each piece of work once: those who come meanwhile wait, those who come later get the result."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight] = {}

    def once(self, key: Hashable, work: Callable[[], _T], *, keep: Callable[[_T], bool]) -> _T:
        """Return the kept result for a key, or do the work; who waited for a fault gets the same fault."""
        with self._lock:
            flight = self._flights.setdefault(key, _Flight())
            seen = flight.attempts
        with flight.lock:
            if flight.attempts > seen:
                if flight.fault is not None:
                    raise flight.fault
                return cast("_T", flight.value)
            if flight.value is not None and keep(cast("_T", flight.value)):
                return cast("_T", flight.value)
            try:
                flight.value, flight.fault = work(), None
            except BaseException as error:
                flight.fault = error
                raise
            finally:
                flight.attempts += 1
            return flight.value

    def forget(self, key: Hashable) -> None:
        """Do the work for a key again when it is next asked for."""
        with self._lock:
            self._flights.pop(key, None)
