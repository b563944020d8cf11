"""Who gets in where many want to: bounds in all and for each host, so that none locks out the others."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Places:
    """A number of places. Thread-safe.

    :param total: how many may be taken at the same time
    :param per_host: how many of them one host may have
    """

    def __init__(self, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._lock = threading.Lock()
        self._taken: list[tuple[str, Callable[[], bool]]] = []

    def take(self, host: str, is_alive: Callable[[], bool]) -> bool:
        """Give ``host`` a place for as long as ``is_alive`` says so; False where there is none for it."""
        with self._lock:
            self._taken = [one for one in self._taken if one[1]()]
            of_host = sum(one[0] == host for one in self._taken)
            if len(self._taken) >= self._total or of_host >= self._per_host:
                return False
            self._taken.append((host, is_alive))
            return True
