"""Duties that recur while the server runs, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from orthanclite.core.errors import OrthancError
from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.ports import Maintenance

log = logging.getLogger("orthanclite.generic")


class Periodic:
    """Calls a function again and again until stopped. An error is logged, and the next call awaited.

    :param interval: seconds between two calls
    :param delay: seconds before the first one
    """

    def __init__(self, name: str, interval: float, function: Callable[[], object], delay: float = 0) -> None:
        self._interval = interval
        self._delay = delay
        self._function = function
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
        return self._stopping.is_set()

    def _loop(self) -> None:
        wait = self._delay
        while not self._stopping.wait(wait):
            try:
                self._function()
            except OrthancError as exc:
                log.warning("%s failed and will be tried again: %s", self._thread.name, exc)
            wait = self._interval


def settle(maintenance: Maintenance, stable_age: float, events: Events) -> Callable[[], None]:
    """A function that logs the stable events that are due, for :class:`Periodic`.

    :param stable_age: seconds without a new instance (``StableAge``)
    :param events: told of them, too
    """

    def run() -> None:
        stable = maintenance.mark_stable(time.time() - stable_age)
        events.publish([Event(EventKind.STABLE, resource) for resource in stable])

    return run
