"""What was used last, bounded by count and by bytes: objects of a log may be large, and many."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(OrderedDict[bytes, Value], Generic[Value]):
    """Values by name, oldest first. `size` is what a value costs, in bytes of the object that it was read from."""

    def __init__(self, count: int, size: int) -> None:
        """Hold at most `count` values of `size` bytes together, and always the newest one."""
        super().__init__()
        self._count = count
        self._size = size
        self._sizes: dict[bytes, int] = {}
        self._held = 0

    def put(self, name: bytes, value: Value, size: int) -> list[tuple[bytes, Value]]:
        """Add a value as the newest; return those that had to go."""
        self.drop(name)
        self[name] = value
        self._sizes[name] = size
        self._held += size
        gone = []
        while len(self) > 1 and (len(self) > self._count or self._held > self._size):
            oldest = next(iter(self))
            gone.append((oldest, self[oldest]))
            self.drop(oldest)
        return gone

    def drop(self, name: bytes) -> None:
        """Forget a value, if it is there."""
        self.pop(name, None)
        self._held -= self._sizes.pop(name, 0)
