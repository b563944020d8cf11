"""Duties that recur while the server runs, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from orthanclite.core.errors import OrthancError
from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.metrics import Metrics
from orthanclite.core.ports import Maintenance

_FIRST_PAUSE = 60.0
"""Seconds after which a duty that failed is tried again at the latest, for the first time."""
_LONGEST_PAUSE = 3600.0

log = logging.getLogger("orthanclite.generic")


def _always() -> bool:
    return True


class Periodic:
    """Calls a function again and again until stopped, whatever becomes of it.

    A failure is logged and counted in the metric ``orthanclite_duty_failures_{name}``, and the function is
    called again. The pauses between failures double, from the interval up to five times that.

    :param interval: seconds between two calls
    :param delay: seconds before the first one
    :param allowed: whether the duty is this server's at present; its turns pass without a call otherwise
    :param metrics: where failures are counted
    """

    def __init__(
        self,
        name: str,
        interval: float,
        function: Callable[[], object],
        delay: float = 0,
        *,
        allowed: Callable[[], bool] = _always,
        metrics: Metrics | None = None,
    ) -> None:
        self._interval = interval
        self._delay = delay
        self._function = function
        self._allowed = allowed
        self._metrics = metrics or Metrics()
        self._metric = f"orthanclite_duty_failures_{name.replace(' ', '_')}"
        self._metrics.declare(self._metric)
        self._failures = 0  # without a success since
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and wait for the call under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def stopping(self) -> bool:
        """Whether a long call should end early."""
        return self._stopping.is_set() or not self._allowed()

    def _loop(self) -> None:
        wait = self._delay
        while not self._stopping.wait(wait):
            if self._allowed():
                self._call()
            wait = self._pause()

    def _call(self) -> None:
        try:
            self._function()
        except BaseException as exc:
            self._failures += 1
            self._metrics.add(self._metric)
            log.error(
                "The duty %s failed and will be tried again: %s",
                self._thread.name,
                exc,
                exc_info=None if isinstance(exc, OrthancError) else exc,
            )
        else:
            self._failures = 0

    def _pause(self) -> float:
        """Seconds until the next call."""
        if not self._failures:
            return self._interval
        first = min(self._interval, _FIRST_PAUSE)
        longest = min(5 * self._interval, _LONGEST_PAUSE)
        return min(first * 2.0 ** min(self._failures - 1, 16), longest)


def settle(maintenance: Maintenance, stable_age: float, events: Events) -> Callable[[], None]:
    """A function that logs the stable events that are due, for :class:`Periodic`.

    :param stable_age: seconds without a new instance (``StableAge``)
    :param events: told of them, too
    """

    def run() -> None:
        stable = maintenance.mark_stable(time.time() - stable_age)
        events.publish([Event(EventKind.STABLE, resource) for resource in stable])

    return run
