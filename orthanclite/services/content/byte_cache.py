"""A bounded memory of answers that are costly to make."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable


class ByteCache:
    """Keeps the most recently used values, up to a number of bytes. Thread-safe."""

    def __init__(self, capacity: int = 32 << 20) -> None:
        self._capacity = capacity
        self._used = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self._used

    def get(self, key: Hashable) -> bytes | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Remember ``value``, unless it would take more than a quarter of the capacity."""
        if len(value) * 4 > self._capacity:
            return
        with self._lock:
            self._used -= len(self._values.pop(key, b""))
            self._values[key] = value
            self._used += len(value)
            while self._used > self._capacity:
                _, dropped = self._values.popitem(last=False)
                self._used -= len(dropped)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._used = 0
