"""What the server counts and measures, as ``/tools/metrics-prometheus`` shows it.

Lines are ``name value timestamp`` without types and comments, and counts are written as integers: that is
what scrapers of the reference parse.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WINDOW_MS = 10_000
"""What varies shows the largest, or smallest, value of the last ten seconds."""


class Metrics:
    """Named numbers with the time of their last change. Thread-safe."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, int]] = {}
        self._watched: list[Callable[[], None]] = []

    def set(self, name: str, value: float) -> None:
        if self.enabled:
            with self._lock:
                self._values[name] = (value, _now_ms())

    def add(self, name: str, amount: float = 1) -> None:
        """Add to a counter that starts at 0."""
        if self.enabled:
            with self._lock:
                self._values[name] = (self._values.get(name, (0, 0))[0] + amount, _now_ms())

    def declare(self, *names: str) -> None:
        """Show these counters from the start, with the value 0."""
        now = _now_ms()
        with self._lock:
            for name in names:
                self._values.setdefault(name, (0, now))

    def observe(self, name: str, value: float) -> None:
        """Keep the maximum of the last ten seconds."""
        if not self.enabled:
            return
        now = _now_ms()
        with self._lock:
            known = self._values.get(name)
            if known is None or value >= known[0] or now - known[1] > _WINDOW_MS:
                self._values[name] = (value, now)

    def observe_lowest(self, name: str, value: float) -> None:
        """Keep the minimum of the last ten seconds."""
        if not self.enabled:
            return
        now = _now_ms()
        with self._lock:
            known = self._values.get(name)
            if known is None or value <= known[0] or now - known[1] > _WINDOW_MS:
                self._values[name] = (value, now)

    def watch(self, observe: Callable[[], None]) -> None:
        """Have ``observe`` called before the metrics are shown: for what stays as it is without an event."""
        self._watched.append(observe)

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        """Observe the milliseconds that a block takes, also where it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.observe(name, round((time.perf_counter() - start) * 1000))

    def get(self, name: str) -> float:
        """The present value; 0 for a name that was never used."""
        with self._lock:
            return self._values.get(name, (0.0, 0))[0]

    def render(self) -> str:
        """The text of ``/tools/metrics-prometheus``, sorted by name."""
        for observe in self._watched:
            observe()
        with self._lock:
            values = sorted(self._values.items())
        return "".join(f"{name} {_number(value)} {timestamp}\n" for name, (value, timestamp) in values)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.9g}"
