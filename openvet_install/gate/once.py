"""Compute a value once per key, also when many threads ask for it at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Once(Generic[T]):
    """A memo whose first asker computes while the others wait; a failure is remembered too."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._found: dict[Hashable, Future[T]] = {}
        self._values: dict[Hashable, T] = {}

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the value of `key`; raises again what `compute` raised the first time."""
        if key in self._values:  # without the lock: many ask for the same tens of thousands of times
            return self._values[key]
        with self._lock:
            future = self._found.get(key)
            mine = future is None
            if future is None:
                future = self._found[key] = Future()
        if mine:
            try:
                self._values[key] = value = compute()
                future.set_result(value)
            except BaseException as error:  # noqa: BLE001 - the other askers must see it too
                future.set_exception(error)
        return future.result()
