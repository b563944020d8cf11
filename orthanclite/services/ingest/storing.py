"""The last steps of every ingest, taken together for all instances that arrive at the same time.

One thread writes the blobs of a batch, syncs them, has the index commit their records, and only then tells
the callers. A batch is whatever arrived while the one before was being synced, so that a lone instance waits
for nobody, and many share the costs of the disk and of the database. It is one thread because between two
system calls each needs the interpreter for a few microseconds, and waiting for it costs more than the steps
themselves. Large blobs are written by the threads that bring them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import DatabaseUnavailable, OrthancError
from orthanclite.core.identifiers import Hierarchy
from orthanclite.core.model import Attachment, InstanceRecord, StoreOutcome
from orthanclite.core.ports import BlobStore, Ingest
from orthanclite.services.content.blobs import discard_blobs, remove_blobs
from orthanclite.services.ingest.journal import JournalKeeper

_BATCH = 64
_BATCH_BYTES = 32 << 20
_WAITING_BYTES = 512 << 20
"""Bytes of instances that may wait in memory; beyond, callers are refused."""

log = logging.getLogger("orthanclite.generic")


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of an instance."""

    status: StoreStatus
    ids: Hierarchy

    def to_json(self) -> dict[str, str]:
        """The answer to an upload."""
        return {
            "ID": self.ids.instance,
            "ParentPatient": self.ids.patient,
            "ParentStudy": self.ids.study,
            "ParentSeries": self.ids.series,
            "Path": f"/instances/{self.ids.instance}",
            "Status": self.status.value,
        }


def _running() -> Future[StoreResult]:
    future: Future[StoreResult] = Future()
    future.set_running_or_notify_cancel()  # nobody can take it back
    return future


@dataclass(slots=True)
class Pending:
    """An instance that is ready to be stored.

    :param record: without its attachment
    :param attachment: its file; without UUID where ``content`` is to be written
    :param content: what is to be written; None where nothing is, or is durable already
    """

    record: InstanceRecord
    attachment: Attachment | None = None
    content: bytes | None = None
    stored: Future[StoreResult] = field(default_factory=_running)

    def complete(self, uuid: str | None, in_journal: bool) -> None:
        """Put the attachment into the record, with the UUID of the blob that was written."""
        if self.attachment is None:
            return
        journal = None
        if uuid is not None:
            self.attachment = replace(self.attachment, uuid=uuid)
            if in_journal and self.content is not None:
                journal = (uuid, self.content)
        self.record = replace(self.record, attachments=(self.attachment,), journal=journal)


class Intake:
    """Stores pending instances. Thread-safe; to be closed."""

    def __init__(self, index: Ingest, blobs: BlobStore, journal: JournalKeeper) -> None:
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()

    def submit(self, pending: Pending) -> Future[StoreResult]:
        """Queue an instance; its future is done once the instance is durable, or refused.

        :raises DatabaseUnavailable: when too much waits already, or the server is shutting down
        """
        size = len(pending.content or b"")
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("The server is shutting down")
            if self._waiting_bytes and self._waiting_bytes + size > _WAITING_BYTES:
                raise DatabaseUnavailable("Too many instances are waiting to be stored")
            self._waiting_bytes += size
            self._queue.put(pending)
        return pending.stored

    def close(self) -> None:
        """Store what is queued, refuse what comes later."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[Pending] | None = None
        while batch is None or batch:
            batch = self._next_batch()
            try:
                self._store(batch)
            except Exception as exc:
                log.exception("Instances could not be stored")
                for pending in batch:
                    if not pending.stored.done():
                        pending.stored.set_exception(exc)

    def _next_batch(self) -> list[Pending]:
        """What waits, within limits; empty when the server is shutting down."""
        batch: list[Pending] = []
        size = 0
        pending = self._queue.get()
        while pending is not None:
            batch.append(pending)
            size += len(pending.content or b"")
            if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                break
            try:
                pending = self._queue.get_nowait()
            except Empty:
                break
        else:
            if batch:
                self._queue.put(None)  # for the next call
        with self._lock:
            self._waiting_bytes -= size
        return batch

    def _store(self, batch: list[Pending]) -> None:
        durable = self._write(batch)
        outcomes = self._index_all(durable)
        for pending, outcome in zip(durable, outcomes, strict=True):
            written = [file.uuid for file in pending.record.attachments]
            if isinstance(outcome, Exception):
                discard_blobs(self._blobs, written, outcome)
                pending.stored.set_exception(outcome)
                continue
            if outcome.status is not StoreStatus.SUCCESS:
                remove_blobs(self._blobs, written)
            remove_blobs(self._blobs, outcome.removed_blobs)
            if pending.record.journal is not None:
                self._journal.note([pending.record.journal[0]])
            pending.stored.set_result(StoreResult(outcome.status, outcome.ids))

    def _write(self, batch: list[Pending]) -> list[Pending]:
        """Write the blobs; those whose blob is durable, or will be by the journal."""
        limit = self._journal.limit
        larger = [one.content for one in batch if one.content is not None and len(one.content) > limit]
        synced = iter(self._blobs.put_many(larger) if larger else ())
        durable = []
        for pending in batch:
            result: str | OrthancError | None = None
            in_journal = False
            if pending.content is not None:
                in_journal = len(pending.content) <= limit
                result = self._put_small(pending.content) if in_journal else next(synced)
            if isinstance(result, OrthancError):
                pending.stored.set_exception(result)
            else:
                pending.complete(result, in_journal)
                durable.append(pending)
        return durable

    def _put_small(self, content: bytes) -> str | OrthancError:
        try:
            return self._blobs.put_unsynced(content)
        except OrthancError as exc:
            return exc

    def _index_all(self, batch: list[Pending]) -> Sequence[StoreOutcome | Exception]:
        try:
            return self._index.store_many([pending.record for pending in batch]) if batch else ()
        except OrthancError as exc:
            return [exc] * len(batch)
