"""Writing, one transaction at a time: whoever comes first commits for all that came meanwhile.

Callers queue up. The first of the queue takes all that wait behind it, runs their operations in one
transaction and commits; then it wakes them, and the next in the queue does the same. There is no lingering:
a batch forms by itself while the previous commit syncs, and a lone caller pays for no change of threads.
When an operation fails, the batch is rolled back and each of its operations gets a transaction of its own, so
that the failing one takes nothing of its neighbours with it; its caller gets its exception. (Savepoints would
do that, too, at the price of two more statements for every operation.) A caller gets its result only after
the commit. On PostgreSQL the whole batch is tried again, with a random pause, when the server reports a
conflict with another orthanclite.

Where the answer to a COMMIT is lost, PostgreSQL is asked what became of the transaction. Nothing that may
have taken place is tried again: a second time it could overwrite what others have written in between.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, bindparam, func, select

from orthanclite.core.errors import CommitUncertain, DatabaseUnavailable
from orthanclite.index.database.engines import (
    DRIVER_ERRORS,
    PAUSE_TIMEOUT,
    Database,
    concerns_all,
    is_transient,
    may_be_committed,
    translate,
)
from orthanclite.index.database.session import Session
from orthanclite.index.database.transaction import Transaction

T = TypeVar("T")
Operation = Callable[[Transaction], T]

BATCH = 256
"""Operations in one transaction at most."""
QUEUE = 4096
"""Callers that may wait; beyond, they are refused rather than kept."""
ATTEMPTS = 8
FINDING_OUT = PAUSE_TIMEOUT + 5.0
"""Seconds in which to find out what became of a transaction whose connection was lost; by then PostgreSQL has
ended it."""
_STATUS = select(func.txid_status(bindparam("number", type_=BigInteger)))

log = logging.getLogger("orthanclite.sqlite")


@dataclass(slots=True)
class Work(Generic[T]):
    """An operation, and what became of it."""

    operation: Operation[T]
    order: str = ""  # sorts a batch, so that several servers lock rows in one order
    result: T | None = None
    error: Exception | None = None

    def outcome(self) -> T:
        """The result.

        :raises Exception: the one that the operation raised
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class _Call:
    """A caller that waits for its turn or for the end of its work."""

    __slots__ = ("done", "turn", "works")

    def __init__(self, works: Sequence[Work[Any]]) -> None:
        self.works = works
        self.turn = threading.Semaphore(0)  # released when the work is done, or is the first of the queue
        self.done = False


class Writer:
    """Runs operations, each in the thread of one of the callers. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Call] = deque()
        self._lock = threading.Lock()  # of the queue
        self._session: Session | None = None  # used by the first of the queue only
        self._number: int | None = None  # of the last transaction
        self._results: list[Any] | None = None  # of the last transaction, if it got as far as its commit
        self._closed = False

    def run(self, operation: Operation[T], order: str = "") -> T:
        """Run an operation and wait until it is committed.

        :param order: see :class:`Work`
        :raises DatabaseUnavailable: when the queue is full, or closed
        """
        work = Work(operation, order)
        self.run_all([work])
        return work.outcome()

    def run_all(self, works: Sequence[Work[Any]]) -> None:
        """Run several operations and wait until each is committed or has failed.

        :raises DatabaseUnavailable: when the queue is full, or closed
        """
        if self._closed:
            raise DatabaseUnavailable("The server is shutting down")
        self._wait(_Call(works))

    def close(self) -> None:
        """Finish what is queued, refuse what comes later, and close the connection."""
        self._closed = True
        self._wait(_Call([]))
        if self._session is not None:
            self._session.connection.close()
            self._session = None

    def _wait(self, call: _Call) -> None:
        with self._lock:
            if len(self._queue) >= QUEUE:
                raise DatabaseUnavailable("Too many write operations are waiting")
            self._queue.append(call)
            first = len(self._queue) == 1
        if not first:
            call.turn.acquire()
        if not call.done:
            self._commit_queue()

    def _commit_queue(self) -> None:
        """Commit what waits, for everyone; then pass the turn on."""
        with self._lock:
            batch = list(_up_to(self._queue, BATCH))
        try:
            works = [work for call in batch for work in call.works]
            if works:
                self._commit(sorted(works, key=lambda work: work.order))
        finally:
            with self._lock:
                for _ in batch:
                    self._queue.popleft()
                following = self._queue[0] if self._queue else None
            for call in batch:
                call.done = True
                call.turn.release()
            if following is not None:
                following.turn.release()

    def _commit(self, batch: list[Work[Any]]) -> None:
        """Commit a batch, or find out what of it fails."""
        for work in batch:
            work.error = DatabaseUnavailable("The transaction was interrupted")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                results = self._attempt(batch)
                break
            except Exception as exc:  # noqa: BLE001 - whatever it is, the callers must be told
                if self._results is not None and may_be_committed(exc):
                    took_place = self._took_place(self._number)
                    if took_place:
                        results = self._results
                        break
                    if took_place is None:
                        for work in batch:
                            work.error = CommitUncertain(str(exc).strip())
                        return
                if is_transient(exc) and attempt < ATTEMPTS:
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))
                    continue
                if len(batch) > 1 and not concerns_all(exc):
                    for work in batch:
                        self._commit([work])
                    return
                error = translate(exc) if isinstance(exc, DRIVER_ERRORS) else exc
                for work in batch:
                    work.error = error
                return
        for work, result in zip(batch, results, strict=True):
            work.result, work.error = result, None

    def _attempt(self, batch: list[Work[Any]]) -> list[Any]:
        """All operations in one transaction; their results."""
        self._results = None
        session = self._opened()
        try:
            self._number = session.begin()
            transaction = Transaction(session)
            results = [work.operation(transaction) for work in batch]
            transaction.finish()
            self._results = results
            session.command("COMMIT")
        except Exception as exc:
            self._roll_back(session, exc)
            raise
        return results

    def _opened(self) -> Session:
        if self._session is None:
            self._session = self._database.writer()
        return self._session

    def _took_place(self, number: int | None) -> bool | None:
        """Whether a transaction was committed; None where that cannot be found out.

        The server may be on the way back, or still at the commit.
        """
        until = time.monotonic() + FINDING_OUT
        pause = 0.01
        while number is not None:
            try:
                session = self._opened()
                try:
                    status = session.value(_STATUS, number=number)
                except Exception as exc:
                    self._roll_back(session, exc)
                    raise
                if status != "in progress":
                    return None if status is None else bool(status == "committed")
            except Exception as exc:  # noqa: BLE001 - that of the commit is what the callers are told
                log.warning("It cannot be asked yet whether a transaction was committed: %s", exc)
                if not is_transient(exc):
                    return None
            if time.monotonic() > until:
                return None
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        return None

    def _roll_back(self, session: Session, cause: Exception) -> None:
        try:
            if session.in_transaction:
                session.command("ROLLBACK")
        except Exception as exc:  # noqa: BLE001 - the connection is unusable: a new one replaces it
            log.warning("Lost the connection to the database (%s), after: %s", exc, cause)
            session.connection.invalidate()
            session.connection.close()
            self._session = None


def _up_to(queue: Iterable[_Call], limit: int) -> Iterator[_Call]:
    """Calls from the head of the queue: at least one, and no more than have ``limit`` operations."""
    count = 0
    for call in queue:
        count += len(call.works)
        if count > limit and count > len(call.works):
            return
        yield call
