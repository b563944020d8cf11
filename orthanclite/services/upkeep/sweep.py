"""Removing what a crash left behind: blobs that no index row refers to.

Nothing is worse than removing an image, so the sweep touches a blob only if all of this holds: the storage
folder and the index belong together (each bears the same mark, written when they first met), the blob is
newer than that mark, nothing was written to it during the grace period, and the index does not know it. All
these times are the storage's own: another host may keep it, whose clock differs from ours. A folder from
another server, or an index that was lost or exchanged, is thus left alone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from itertools import islice

from orthanclite.core.constants import ORPHAN_GRACE
from orthanclite.core.ports import Blobs, Maintenance, Properties

_BATCH = 2000
_PROPERTY = "StorageMark"

log = logging.getLogger("orthanclite.generic")


class OrphanSweep:
    """Finds and removes orphaned blobs."""

    def __init__(
        self,
        blobs: Blobs,
        maintenance: Maintenance,
        properties: Properties,
        grace: float = ORPHAN_GRACE,
    ) -> None:
        self._blobs = blobs
        self._maintenance = maintenance
        self._properties = properties
        self._grace = grace

    def bind(self) -> bool:
        """Mark storage and index as belonging together, if both are new; whether they do."""
        in_index, in_storage = self._properties.get_property(_PROPERTY), self._blobs.get_mark()
        if in_index is None and in_storage is None:
            mark = f"{uuid.uuid4()} {self._blobs.now()}"
            if self._properties.add_property(_PROPERTY, mark) == mark:
                self._blobs.set_mark(mark)
            # Another server has just done the same: the marks will agree when the sweep begins.
            return True
        if in_index != in_storage:
            log.warning(
                "The storage area and the index do not belong together: orphaned files are not removed "
                "(`orthanclite verify` tells which files the index does not know)"
            )
            return False
        return True

    def run(self, is_over: Callable[[], bool] = lambda: False) -> int:
        """One pass over the storage area; the number of blobs removed.

        :param is_over: asked between batches whether to end early
        """
        if not self.bind():
            return 0
        since = float((self._blobs.get_mark() or "0 0").split()[1])
        removed = 0
        for uuids in self._old_blobs(since):
            for orphan in set(uuids) - self._maintenance.known_blobs(uuids):
                log.info("Removing the orphaned file %s", orphan)
                self._blobs.delete(orphan)
                removed += 1
            if is_over():
                break
        return removed

    def _old_blobs(self, since: float) -> Iterator[list[str]]:
        """The blobs that could be orphans, in batches."""
        until = self._blobs.now() - self._grace
        old = (name for name, _, modified in self._blobs.scan() if since <= modified <= until)
        while batch := list(islice(old, _BATCH)):
            yield batch
