"""The last steps of every ingest, taken together for all instances that arrive at the same time.

One thread stores the files of a batch that are to be stored together, has the index commit all records, and
only then tells the callers. A batch is whatever arrived while the one before was being synced, so that a lone
instance waits for nobody, and many share the costs of the disk and of the database. It is one thread because
between two system calls each needs the interpreter for a few microseconds, and waiting for it costs more than
the steps themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from orthanclite.core.constants import ORPHAN_GRACE, StoreStatus
from orthanclite.core.errors import DatabaseUnavailable, OrthancError
from orthanclite.core.events import Event, EventKind, Events
from orthanclite.core.levels import Level
from orthanclite.core.model import InstanceRecord, ResourceRef, StoreOutcome
from orthanclite.core.ports import Blobs, Ingest
from orthanclite.services.content.blobs import discard_blobs, remove_blobs
from orthanclite.services.ingest.arrival import StoreResult
from orthanclite.services.ingest.storing import File, Strategy

_BATCH = 64
_BATCH_BYTES = 32 << 20
_WAITING_BYTES = 512 << 20
"""Bytes of instances that may wait in memory; beyond, callers are refused."""

_PATIENCE = ORPHAN_GRACE / 2
"""Seconds that an instance may wait; then it is refused: the sweep would soon take its file for an orphan."""

log = logging.getLogger("orthanclite.generic")


def _running() -> Future[StoreResult]:
    future: Future[StoreResult] = Future()
    future.set_running_or_notify_cancel()  # nobody can take it back
    return future


@dataclass(slots=True)
class Submission:
    """An instance that is to be committed.

    :param record: without its attachment
    :param file: its file; None where none is kept
    :param strategy: how the file is stored
    """

    record: InstanceRecord
    file: File | None = None
    strategy: Strategy | None = None
    done: Future[StoreResult] = field(default_factory=_running)
    began: float = field(default_factory=time.monotonic)

    @property
    def waiting_size(self) -> int:
        """Bytes that are held in memory until the batch is written."""
        return 0 if self.file is None else self.file.waiting_size

    @property
    def blobs(self) -> list[str]:
        """The blob that was written for it."""
        attachment = None if self.file is None else self.file.attachment
        return [attachment.uuid] if attachment is not None and attachment.uuid else []

    def whole_record(self) -> InstanceRecord:
        """The record with its attachment."""
        if self.file is None or self.file.attachment is None:
            return self.record
        return replace(self.record, attachments=(self.file.attachment,), journal=self.file.journal)


class Committer:
    """Commits instances in batches. Thread-safe; to be closed."""

    def __init__(self, index: Ingest, blobs: Blobs, events: Events) -> None:
        self._index = index
        self._blobs = blobs
        self._events = events
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> Future[StoreResult]:
        """Queue an instance; its future is done once the instance is durable, or refused.

        :raises DatabaseUnavailable: when too much waits already, or the server is shutting down; a blob that
            was written for the instance is removed
        """
        size = submission.waiting_size
        with self._lock:
            if self._closed:
                problem = "The server is shutting down"
            elif self._waiting_bytes and self._waiting_bytes + size > _WAITING_BYTES:
                problem = "Too many instances are waiting to be stored"
            else:
                self._waiting_bytes += size
                self._queue.put(submission)
                return submission.done
        remove_blobs(self._blobs, submission.blobs)
        raise DatabaseUnavailable(problem)

    def close(self) -> None:
        """Store what is queued, refuse what comes later."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[Submission] | None = None
        while batch is None or batch:
            batch = self._next_batch()
            try:
                self._commit(batch)
            except Exception as exc:
                log.exception("Instances could not be stored")
                for submission in batch:
                    if not submission.done.done():
                        submission.done.set_exception(exc)

    def _next_batch(self) -> list[Submission]:
        """What waits, within limits; empty when the server is shutting down."""
        batch: list[Submission] = []
        size = 0
        submission = self._queue.get()
        while submission is not None:
            batch.append(submission)
            size += submission.waiting_size
            if len(batch) >= _BATCH or size >= _BATCH_BYTES:
                break
            try:
                submission = self._queue.get_nowait()
            except Empty:
                break
        else:
            if batch:
                self._queue.put(None)  # for the next call
        with self._lock:
            self._waiting_bytes -= size
        return batch

    def _commit(self, batch: list[Submission]) -> None:
        durable = self._finish_storing(batch)
        outcomes = self._index_all(durable)
        for submission, outcome in zip(durable, outcomes, strict=True):
            if isinstance(outcome, Exception):
                discard_blobs(self._blobs, submission.blobs, outcome)
                submission.done.set_exception(outcome)
                continue
            self._settle(submission, outcome)
            submission.done.set_result(StoreResult(outcome.status, outcome.ids))
        if self._events.is_heard:
            self._events.publish([event for outcome in outcomes for event in _events_of(outcome)])

    def _finish_storing(self, batch: list[Submission]) -> list[Submission]:
        """Store what is stored by batches; the instances whose file is durable, or will be by the journal."""
        files: dict[Strategy, list[File]] = {}
        for submission in batch:
            if submission.strategy is not None and submission.file is not None:
                files.setdefault(submission.strategy, []).append(submission.file)
        for strategy, together in files.items():
            strategy.finish(together)
        durable = []
        for submission in batch:
            if time.monotonic() - submission.began > _PATIENCE:
                problem = DatabaseUnavailable("The instance has waited too long to be stored")
                remove_blobs(self._blobs, submission.blobs)
                submission.done.set_exception(problem)
            elif submission.file is not None and submission.file.error is not None:
                submission.done.set_exception(submission.file.error)
            else:
                durable.append(submission)
        return durable

    def _index_all(self, batch: list[Submission]) -> Sequence[StoreOutcome | Exception]:
        try:
            records = [submission.whole_record() for submission in batch]
            return self._index.store_many(records) if records else ()
        except OrthancError as exc:
            return [exc] * len(batch)

    def _settle(self, submission: Submission, outcome: StoreOutcome) -> None:
        """Remove the files that the commit has made superfluous."""
        if outcome.status is not StoreStatus.SUCCESS:
            remove_blobs(self._blobs, submission.blobs)
        elif submission.strategy is not None and submission.file is not None:
            submission.strategy.committed(submission.file)
        remove_blobs(self._blobs, outcome.removed_blobs)


def _events_of(outcome: StoreOutcome | Exception) -> Iterator[Event]:
    if isinstance(outcome, Exception):
        return
    for recycled in outcome.recycled:
        yield Event(EventKind.DELETED, recycled)
    for level in outcome.created:
        kind = EventKind.OVERWRITTEN if level is Level.INSTANCE and outcome.overwritten else EventKind.NEW
        yield Event(kind, ResourceRef(level, outcome.ids.at(level)))
