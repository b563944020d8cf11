"""Memory that strangers cause to be held, counted."""

from __future__ import annotations

import threading


class MemoryBudget:
    """Bytes that may be held in memory together. Thread-safe."""

    def __init__(self, total: int) -> None:
        self._returned = threading.Condition(threading.Lock())
        self._left = total

    def take(self, size: int, patience: float = 0.0) -> bool:
        """Reserve ``size`` bytes, or nothing where they are not left.

        :param patience: seconds to wait for others to return theirs
        """
        with self._returned:
            if size > self._left and not (
                patience and self._returned.wait_for(lambda: size <= self._left, patience)
            ):
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Return what was reserved."""
        with self._returned:
            self._left += size
            self._returned.notify_all()
