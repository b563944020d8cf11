"""Small blobs become durable twice: at once in the index, a little later in the storage area.

To sync a new file costs more than all the rest of a small upload. The content of a small blob is therefore
committed to the index together with its instance, which is one sync for both, while its file is written
without waiting for the disk. From time to time the file systems are synced as a whole, and the journal
forgets what is then in its files. After a crash of the machine the files that the journal still knows are
written anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from orthanclite.core.ports import BlobJournal, LocalBlobs

LIMIT = 32 * 1024
"""Bytes of a blob above which its file is synced at once: to write it twice would cost more."""

log = logging.getLogger("orthanclite.generic")


class JournalKeeper:
    """Moves what this server has put into the journal to the disk. Thread-safe."""

    def __init__(self, journal: BlobJournal, blobs: LocalBlobs) -> None:
        self._journal = journal
        self._blobs = blobs
        self._lock = threading.Lock()
        self._written: list[str] = []
        self._has_adopted = False

    @property
    def limit(self) -> int:
        """Bytes up to which a blob goes through the journal; 0 where nothing is synced."""
        return LIMIT if self._blobs.sync else 0

    def recover(self) -> int:
        """Write the files anew that a crash may have cost; to be called before anything is served.

        :return: how many there were
        """
        restored = [self._restored(uuid, content) for uuid, content in self._journal.entries()]
        if restored:
            log.warning("Recovered %d files from the journal", len(restored))
            self._blobs.make_durable(restored)
            self._journal.forget(restored)
        return len(restored)

    def adopt(self) -> None:
        """Have the next flush write the files anew that have come from the journal of a dead server."""
        self._has_adopted = True

    def note(self, uuids: Iterable[str]) -> None:
        """Remember blobs that were written, and whose content is committed to the journal."""
        with self._lock:
            self._written.extend(uuids)

    def flush(self) -> int:
        """Sync what was noted and have the journal forget it; how many blobs there were."""
        if self._has_adopted:
            self._has_adopted = False
            try:
                self.recover()
            except BaseException:
                self._has_adopted = True
                raise
        with self._lock:
            uuids, self._written = self._written, []
        if not uuids:
            return 0
        try:
            self._blobs.make_durable(uuids)
            self._journal.forget(uuids)
        except BaseException:
            self.note(uuids)
            raise
        return len(uuids)

    def _restored(self, uuid: str, content: bytes) -> str:
        self._blobs.restore(uuid, content)
        return uuid
