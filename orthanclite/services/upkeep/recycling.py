"""Recycling what is beyond the limits without anything new: they were lowered, or attachments were added."""

from __future__ import annotations

import logging
from collections.abc import Callable

from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.ports import Blobs, Maintenance
from orthanclite.services.content.blobs import remove_blobs

INTERVAL = 60.0
"""Seconds between two looks; the first one is at the start, as in the reference."""

log = logging.getLogger("orthanclite.generic")


class Recycling:
    """Removes the oldest unprotected patients while there is more than the limits allow.

    These are ``MaximumPatientCount`` and ``MaximumStorageSize``; the mode Reject removes nothing.
    """

    def __init__(self, maintenance: Maintenance, blobs: Blobs, events: Events) -> None:
        self._maintenance = maintenance
        self._blobs = blobs
        self._events = events

    def run(self, is_over: Callable[[], bool] = lambda: False) -> int:
        """Remove what is too much, one patient in each transaction; how many were removed.

        :param is_over: whether to stop early
        """
        count = 0
        while not is_over():
            outcome = self._maintenance.recycle()
            if outcome is None:
                break
            count += bool(outcome.deleted)
            remove_blobs(self._blobs, outcome.removed_blobs)
            self._events.publish([Event(EventKind.DELETED, resource) for resource in outcome.deleted])
        if count:
            log.warning("Recycled %d patients: the storage area was beyond its limits", count)
        return count
