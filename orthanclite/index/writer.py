"""Writing, one transaction at a time: whoever comes first commits for all that came meanwhile.

Callers queue up. The first of the queue takes all that wait behind it, runs their operations in one
transaction and commits; then it wakes them, and the next in the queue does the same. There is no lingering:
a batch forms by itself while the previous commit syncs, and a lone caller pays for no change of threads.
Each operation runs under a savepoint, so that a failing one takes nothing of its neighbours with it; its
caller gets its exception. A caller gets its result only after the commit. On PostgreSQL the whole batch is
tried again, with a random pause, when the server reports a conflict with another orthanclite.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.index.database import Database, is_connection_lost, is_retryable, translate
from orthanclite.index.session import Session
from orthanclite.index.transaction import Transaction

T = TypeVar("T")
Operation = Callable[[Transaction], T]

BATCH = 256
"""Operations in one transaction at most."""
QUEUE = 4096
"""Operations that may wait; beyond, callers are refused rather than kept."""
ATTEMPTS = 8

log = logging.getLogger("orthanclite.sqlite")


class _Job(Generic[T]):
    """An operation that waits for its turn or its result."""

    __slots__ = ("done", "error", "operation", "order", "result", "turn")

    def __init__(self, operation: Operation[T], order: str) -> None:
        self.operation = operation
        self.order = order
        self.turn = threading.Semaphore(0)  # released when the job is done, or is the first of the queue
        self.done = False
        self.result: T | None = None
        self.error: Exception | None = DatabaseUnavailable("The transaction was interrupted")


class Writer:
    """Runs operations, each in the thread of one of the callers. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Job[Any]] = deque()
        self._lock = threading.Lock()  # of the queue
        self._session: Session | None = None  # used by the first of the queue only
        self._closed = False

    def run(self, operation: Operation[T], order: str = "") -> T:
        """Run an operation and wait until it is committed.

        :param order: sorts a batch, so that several servers lock rows in one order
        :raises DatabaseUnavailable: when the queue is full, or closed
        """
        if self._closed:
            raise DatabaseUnavailable("The server is shutting down")
        return self._run_job(_Job(operation, order))

    def close(self) -> None:
        """Finish what is queued, refuse what comes later, and close the connection."""
        self._closed = True
        self._run_job(_Job(lambda tx: None, ""))
        if self._session is not None:
            self._session.connection.close()
            self._session = None

    def _run_job(self, job: _Job[T]) -> T:
        with self._lock:
            if len(self._queue) >= QUEUE:
                raise DatabaseUnavailable("Too many write operations are waiting")
            self._queue.append(job)
            first = len(self._queue) == 1
        if not first:
            job.turn.acquire()
        if not job.done:
            self._commit_queue()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _commit_queue(self) -> None:
        """Commit what waits, for everyone; then pass the turn on."""
        with self._lock:
            batch = [job for job, _ in zip(self._queue, range(BATCH), strict=False)]
        try:
            self._commit(sorted(batch, key=lambda job: job.order))
        finally:
            with self._lock:
                for _ in batch:
                    self._queue.popleft()
                following = self._queue[0] if self._queue else None
            for job in batch:
                job.done = True
                job.turn.release()
            if following is not None:
                following.turn.release()

    def _commit(self, batch: list[_Job[Any]]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcomes = self._attempt(batch)
                break
            except Exception as exc:  # noqa: BLE001 - whatever it is, the callers must be told
                retry = is_retryable(exc) or is_connection_lost(exc)
                if retry and attempt < ATTEMPTS:
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))
                    continue
                if len(batch) > 1:
                    # One operation spoils the commit of all: find it by committing each on its own.
                    for job in batch:
                        self._commit([job])
                else:
                    batch[0].error = translate(exc)
                return
        for job, (result, error) in zip(batch, outcomes, strict=True):
            job.result, job.error = result, error

    def _attempt(self, batch: list[_Job[Any]]) -> list[tuple[Any, Exception | None]]:
        """One transaction; the result or the error of each operation."""
        if self._session is None:
            self._session = self._database.writer()
        session = self._session
        try:
            session.command("BEGIN IMMEDIATE" if session.is_sqlite else "BEGIN")
            transaction = Transaction(session)
            outcomes = [self._run(transaction, job) for job in batch]
            transaction.finish()
            session.command("COMMIT")
        except Exception as exc:
            self._roll_back(session, exc)
            raise
        return outcomes

    def _run(self, transaction: Transaction, job: _Job[Any]) -> tuple[Any, Exception | None]:
        """Run one operation, undoing what it did if it fails."""
        session = transaction.session
        mark = transaction.mark()
        session.command("SAVEPOINT operation")
        try:
            result = job.operation(transaction)
        except Exception as exc:
            if is_retryable(exc) or is_connection_lost(exc):
                raise
            session.command("ROLLBACK TO SAVEPOINT operation")
            session.command("RELEASE SAVEPOINT operation")
            transaction.back_to(mark)
            return None, exc
        session.command("RELEASE SAVEPOINT operation")
        return result, None

    def _roll_back(self, session: Session, cause: Exception) -> None:
        try:
            session.command("ROLLBACK")
        except Exception as exc:  # noqa: BLE001 - the connection is unusable: a new one replaces it
            log.warning("Lost the connection to the database (%s), after: %s", exc, cause)
            session.connection.invalidate()
            session.connection.close()
            self._session = None
