"""Metadata made before somebody asks: once a series is stable."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from orthanclite.core.errors import OrthancError, UnknownResource
from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.levels import Level
from orthanclite.services.dicomweb.metadata import MetadataService

log = logging.getLogger("orthanclite.generic")

_WAITING = 10_000
"""Series that wait; of more, the metadata are made when they are asked for."""


class MetadataWarming:
    """Makes the metadata of series that have become stable, one after the other, in a thread of its own."""

    def __init__(self, metadata: MetadataService, events: Events) -> None:
        self._metadata = metadata
        self._events = events
        self._queue: queue.Queue[str | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listen from now on."""
        self._unsubscribe = self._events.subscribe(self._listen)
        self._thread = threading.Thread(target=self._work, name="dicomweb metadata", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make no more, and wait for the one under way."""
        if self._unsubscribe is None or self._thread is None:
            return
        self._unsubscribe()
        self._stopping.set()
        with suppress(queue.Full):  # whoever takes the next one then sees that this is the end
            self._queue.put_nowait(None)
        self._thread.join()

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.kind is EventKind.STABLE and event.resource.level is Level.SERIES:
                try:
                    self._queue.put_nowait(event.resource.id)
                except queue.Full:
                    log.info("Too many series are new: those of %s wait until asked for", event.resource.id)

    def _work(self) -> None:
        while (series := self._queue.get()) is not None and not self._stopping.is_set():
            try:
                self._metadata.series(series)
            except UnknownResource:
                continue  # deleted meanwhile
            except OrthancError as exc:
                log.warning("The metadata of the series %s cannot be made: %s", series, exc)
            except Exception:
                log.exception("The metadata of the series %s cannot be made", series)
