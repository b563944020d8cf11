"""What happens to jobs on this server, told to whoever listens: for user interfaces, which need not poll.

A listener is told the latest of each job. One that is slow misses what was in between, and no memory is taken
by what it misses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from orthanclite.core.errors import Busy
from orthanclite.core.jobs import State

MOST_LISTENERS = 64
_MOST_JOBS = 1000
"""Jobs of which a listener is told that has not taken anything; the oldest news are dropped."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The latest of a job."""

    id: str
    kind: str
    state: State
    progress: float  # 0 to 1


class JobListener:
    """What one listener has not taken yet.

    :param wake: called, in any thread, when there is something to take
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._news: dict[str, JobEvent] = {}
        self.is_over = False
        """Whether nothing will come any more, as the server stops."""

    def end(self) -> None:
        self.is_over = True
        self._wake()

    def add(self, event: JobEvent) -> None:
        with self._lock:
            self._news.pop(event.id, None)
            self._news[event.id] = event
            if len(self._news) > _MOST_JOBS:
                del self._news[next(iter(self._news))]
        self._wake()

    def take(self) -> list[JobEvent]:
        """What has happened since the last call."""
        with self._lock:
            taken, self._news = list(self._news.values()), {}
        return taken


class JobEvents:
    """Hands events on to the listeners. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[JobListener, ...] = ()
        self._is_closed = False

    def listen(self, wake: Callable[[], object]) -> JobListener:
        """A new listener, until :meth:`leave`.

        :raises Busy: where there are too many
        """
        listener = JobListener(wake)
        with self._lock:
            if len(self._listeners) >= MOST_LISTENERS:
                raise Busy(f"There are {MOST_LISTENERS} listeners already")
            if self._is_closed:
                listener.is_over = True
            self._listeners = (*self._listeners, listener)
        return listener

    def leave(self, listener: JobListener) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

    def close(self) -> None:
        """Tell the listeners that nothing will come any more."""
        with self._lock:
            self._is_closed = True
        for listener in self._listeners:
            listener.end()

    def publish(self, id: str, kind: str, state: State, progress: float) -> None:
        for listener in self._listeners:
            listener.add(JobEvent(id, kind, state, progress))
