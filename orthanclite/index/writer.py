"""The one thread that writes: takes an operation, drains what else is queued, commits them together.

No lingering: a batch forms by itself while the previous commit syncs. Each operation runs under a savepoint,
so that a failing one takes nothing of its neighbours with it; its caller gets its exception. A caller gets
its result only after the commit. On PostgreSQL the whole batch is tried again, with a random pause, when the
server reports a conflict with another orthanclite.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
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
    __slots__ = ("future", "operation", "order")

    def __init__(self, operation: Operation[T], order: str) -> None:
        self.operation = operation
        self.order = order
        self.future: Future[T] = Future()


class Writer:
    """Runs operations in the writer thread.

    :param database: where to write
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[_Job[Any] | None] = queue.Queue(QUEUE)
        self._session: Session | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="index-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[T], order: str = "") -> Future[T]:
        """Queue an operation. ``order`` sorts a batch, so that several servers lock rows in one order.

        :raises DatabaseUnavailable: when the queue is full, or closed.
        """
        job = _Job(operation, order)
        if self._closed:
            raise DatabaseUnavailable("The server is shutting down")
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise DatabaseUnavailable("Too many write operations are waiting") from None
        return job.future

    def run(self, operation: Operation[T], order: str = "") -> T:
        """Queue an operation and wait until it is committed."""
        return self.submit(operation, order).result()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _loop(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            if first is None:
                break
            batch = [first]
            while len(batch) < BATCH:
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stopping = True
                    break
                batch.append(job)
            batch.sort(key=lambda job: job.order)
            self._commit(batch)
        if self._session is not None:
            self._session.connection.close()

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
                    batch[0].future.set_exception(translate(exc))
                return
        for job, (result, error) in zip(batch, outcomes, strict=True):
            if error is not None:
                job.future.set_exception(error)
            else:
                job.future.set_result(result)

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
