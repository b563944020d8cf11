"""Memory that strangers cause to be held, counted."""

from __future__ import annotations

import threading


class MemoryBudget:
    """Bytes that messages on their way in may hold in memory together."""

    def __init__(self, total: int) -> None:
        self._lock = threading.Lock()
        self._left = total

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes, or nothing where they are not left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Return what was reserved."""
        with self._lock:
            self._left += size
