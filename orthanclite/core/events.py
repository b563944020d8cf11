"""What has happened to resources, told to whoever listens in this process.

An event is published once what it tells of is committed; nobody's answer waits for it. It is not kept: a
listener that must miss nothing, or must learn what other servers do, reads the log of changes, for which an
event is a hint to look at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orthanclite.core.model import ResourceRef

log = logging.getLogger("orthanclite.generic")


class EventKind(StrEnum):
    """What can happen to a resource."""

    NEW = "new"
    OVERWRITTEN = "overwritten"  # an instance that was stored already (``OverwriteInstances``)
    DELETED = "deleted"  # on request, or to make room for others
    STABLE = "stable"  # nothing was added to it for a while (``StableAge``)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has happened."""

    kind: EventKind
    resource: ResourceRef


Listener = Callable[[Sequence[Event]], None]
"""Takes the events of one commit, in their order. It is called in the thread that commits, which has others
to serve: long work belongs elsewhere."""


class Events:
    """Hands events on to the listeners. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens; who asks first need not make events for nobody."""
        return bool(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called from now on; the function that ends it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def publish(self, events: Sequence[Event]) -> None:
        """Tell all listeners. One that fails is logged, and keeps nothing from the others."""
        if not events:
            return
        for listener in self._listeners:
            try:
                listener(events)
            except Exception:
                log.exception("A listener failed at %d events", len(events))
