"""Small blobs become durable twice: at once in the index, a little later in the storage area.

To sync a new file costs more than all the rest of a small upload. The content of a small blob is therefore
committed to the index together with its instance, which is one sync for both, while its file is written
without waiting for the disk. From time to time the file systems are synced as a whole, and the journal
forgets what is then in its files. After a crash of the machine, and after a sync that has failed, the files
that the journal still knows are written anew and synced one by one, whatever the system takes them to hold.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from itertools import islice

from orthanclite.core.ports import BlobJournal, LocalBlobs

LIMIT = 32 * 1024
"""Bytes of a blob above which its file is synced at once: to write it twice would cost more."""

log = logging.getLogger("orthanclite.generic")


_PAGE = 200
"""Blobs that are written anew together."""


class JournalKeeper:
    """Moves what this server has put into the journal to the disk. Thread-safe."""

    def __init__(self, journal: BlobJournal, blobs: LocalBlobs) -> None:
        self._journal = journal
        self._blobs = blobs
        self._lock = threading.Lock()
        self._written: list[str] = []
        self._must_rewrite = False  # what is in the journal, whatever the files seem to hold
        self._failures = 0

    @property
    def limit(self) -> int:
        """Bytes up to which a blob goes through the journal; 0 where nothing is synced."""
        return LIMIT if self._blobs.sync else 0

    @property
    def failures(self) -> int:
        """How often a sync has failed; a blob that was written before the last time may be lost by it."""
        return self._failures

    def recover(self) -> int:
        """Write all files anew that the journal has: a crash, or a failed sync, may have cost them.

        :return: how many there were
        """
        count = 0
        entries = self._journal.entries()
        while page := dict(islice(entries, _PAGE)):
            self._blobs.restore(page)
            self._journal.forget(list(page))
            count += len(page)
        if count:
            log.warning("Recovered %d files from the journal", count)
        return count

    def adopt(self) -> None:
        """Have the next flush write the files anew that have come from the journal of a dead server."""
        self._must_rewrite = True

    def note(self, uuids: Iterable[str], failures: int) -> None:
        """Remember blobs that were written, and whose content is committed to the journal.

        :param failures: as :attr:`failures` was before they were written
        """
        with self._lock:
            self._written.extend(uuids)
            if failures != self._failures:
                self._must_rewrite = True

    def flush(self) -> int:
        """Sync what was noted and have the journal forget it; how many blobs there were."""
        with self._lock:
            uuids, self._written = self._written, []
            must_rewrite, self._must_rewrite = self._must_rewrite, False
        try:
            if must_rewrite:
                return self.recover()
            if uuids:
                self._sync(uuids)
                self._journal.forget(uuids)
        except BaseException:
            with self._lock:
                self._written.extend(uuids)
                self._must_rewrite = self._must_rewrite or must_rewrite
            raise
        return len(uuids)

    def _sync(self, uuids: list[str]) -> None:
        try:
            self._blobs.make_durable(uuids)
        except BaseException:
            # The next sync would succeed, but the system does not try again to write what it has failed to
            # write: bytes of these blobs, or of others whose commit is under way.
            with self._lock:
                self._failures += 1
                self._must_rewrite = True
            raise
