"""One job at work: its steps, and what is written of them.

An error of a step ends the job, or is tried again where the kind allows it. If the index cannot be written,
the worker waits for it: the job is neither lost nor done twice, as its row is either still this worker's when
the index comes back, or another server has the job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orthanclite.core.errors import CanceledJob, ClaimLost, DatabaseError, FullStorage, OrthancError
from orthanclite.core.jobs import RETRY, Change, Claim, Failure, Keep, Kind, Progress, Run, State, Wish
from orthanclite.core.ports import Jobs
from orthanclite.jobs.outputs import OutputBlobs

T = TypeVar("T")

POLL = 1.0
"""Seconds between two looks at what others may have changed."""
REPORT = 0.5
"""Seconds between two writes of the progress of a job."""
_LONGEST_DELAY = 60.0

log = logging.getLogger("orthanclite.jobs")


@dataclass(slots=True)
class Work:
    """A job that this server is at."""

    claim: Claim
    asked: threading.Event = field(default_factory=threading.Event)  # a client wants something of it
    written: float = 0.0  # when the row was written last (monotonic)
    unwritten: Change | None = None  # what steps have come to since then
    began: float = field(default_factory=time.monotonic)

    @property
    def runtime(self) -> float:
        return self.claim.runtime + time.monotonic() - self.began


class Worker:
    """Does jobs. Thread-safe.

    :param stopping: set when the server ends
    :param tell: told of each job's identifier, kind, state and progress
    :param ends: told of a job's last change, before it is written
    """

    def __init__(
        self,
        jobs: Jobs,
        outputs: OutputBlobs,
        kinds: Mapping[str, Kind],
        keep: Keep,
        stopping: threading.Event,
        tell: Callable[[str, str, State, float], None],
        ends: Callable[[Claim, Change], None],
    ) -> None:
        self._jobs = jobs
        self._outputs = outputs
        self._kinds = kinds
        self._keep = keep
        self._stopping = stopping
        self._tell = tell
        self._ends = ends

    def do(self, work: Work) -> None:
        """Do a job up to its end, or until it is to be let go.

        :raises ClaimLost: where the job is another worker's now
        :raises OrthancError: where the server ends before the index can be written
        """
        claim = work.claim
        log.info("The job %s (%s) begins", claim.id, claim.kind)
        self._tell(claim.id, claim.kind, State.RUNNING, claim.progress)
        if claim.wish is not Wish.NONE:  # asked of a server that has died
            self._follow(work, claim.wish)
            return
        run: Run | None = None
        try:
            run = self._kinds[claim.kind].begin(claim, self._stopping.is_set)
            while not self._stopping.is_set():
                if self._take(work, run.step()):
                    return
            self._let_go(work, Change(state=State.PENDING))
        except ClaimLost:
            raise
        except OrthancError as exc:
            if self._stopping.is_set():  # which may be why
                self._let_go(work, Change(state=State.PENDING))
            else:
                self._fail(work, Failure.of(exc))
        except Exception as exc:
            log.exception("The job %s (%s) failed unexpectedly", claim.id, claim.kind)
            self._fail(work, Failure(OrthancError.code, f"{type(exc).__name__}: {exc}"[:1000]), final=True)
        finally:
            if run is not None:
                run.close()

    def _take(self, work: Work, progress: Progress) -> bool:
        """Write what a step has come to, where it is due; whether that was the end of the run."""
        came_forward = progress.saved is not None
        retries = 0 if came_forward else None
        change = Change(progress.fraction, progress.content, progress.saved, work.runtime, retries)
        if came_forward:
            work.claim = replace(work.claim, retries=0)
        if progress.done:
            if progress.retry is not None and self._may_retry(work):
                self._try_again(work, progress.retry, change)
                return True
            state = State.SUCCESS if progress.failure is None else State.FAILURE
            fraction = 1.0 if progress.failure is None else progress.fraction
            done = replace(
                change,
                state=state,
                progress=fraction,
                failure=progress.failure,
                outputs=progress.outputs,
            )
            self._let_go(work, done)
            return True
        now = time.monotonic()
        can_wait = progress.saved is None or progress.may_wait
        if can_wait and not work.asked.is_set() and now - work.written < REPORT:
            work.unwritten = change
            return False
        work.written, work.unwritten = now, None
        work.asked.clear()
        wish, _ = self._persist(lambda: self._jobs.write(work.claim, change, self._keep))
        self._tell(work.claim.id, work.claim.kind, State.RUNNING, progress.fraction)
        if wish is Wish.NONE:
            return False
        self._follow(work, wish)
        return True

    def _follow(self, work: Work, wish: Wish) -> None:
        if wish is Wish.PAUSE:
            self._let_go(work, Change(state=State.PAUSED))
        else:
            self._let_go(work, Change(state=State.FAILURE, failure=Failure(CanceledJob.code)))

    def _fail(self, work: Work, failure: Failure, final: bool = False) -> None:
        change = Change(runtime=work.runtime)
        if final or not self._may_retry(work):
            self._let_go(work, replace(change, state=State.FAILURE, failure=failure))
        else:
            self._try_again(work, failure, change)

    def _may_retry(self, work: Work) -> bool:
        claim = work.claim
        allowed: int = claim.parameters.get(RETRY, self._kinds[claim.kind].retries)
        return claim.retries < allowed

    def _try_again(self, work: Work, failure: Failure, change: Change) -> None:
        """Put the job off. ``change`` has what is to be written beside that."""
        retries = work.claim.retries
        delay = min(2.0**retries, _LONGEST_DELAY)
        log.warning("The job %s is tried again in %d seconds: %s", work.claim.id, delay, failure.details)
        self._let_go(
            work, replace(change, state=State.RETRY, delay=delay, retries=retries + 1, failure=failure)
        )

    def _let_go(self, work: Work, change: Change) -> None:
        """Write the end of a run, and what its last steps have come to."""
        claim = work.claim
        if (before := work.unwritten) is not None:
            change = replace(
                change,
                progress=before.progress if change.progress is None else change.progress,
                content=before.content if change.content is None else change.content,
                saved=before.saved if change.saved is None else change.saved,
                runtime=work.runtime,
            )
        if change.state.is_final:
            self._ends(claim, change)
        outputs = [output.uuid for output in change.outputs]
        _, blobs = self._persist(lambda: self._jobs.write(claim, change, self._keep), outputs)
        if change.state is State.FAILURE and change.failure is not None:
            log.error("The job %s (%s) failed: %s", claim.id, claim.kind, change.failure.details)
        fraction = change.progress if change.progress is not None else claim.progress
        self._tell(claim.id, claim.kind, change.state, fraction)
        self._outputs.delete(blobs)

    def _persist(self, write: Callable[[], T], outputs: Sequence[str] = ()) -> T:
        """Write to the index, waiting for it where it is away or full.

        :param outputs: blobs that the index is to refer to: kept young, or the sweep takes them for orphans
        :raises ClaimLost: where the job is not this worker's any more
        :raises OrthancError: where the server ends before the index can be written
        """
        while True:
            try:
                return write()
            except ClaimLost:
                raise
            except (DatabaseError, FullStorage) as exc:
                if self._stopping.wait(POLL):
                    raise
                log.warning("A job cannot be written, which will be tried again: %s", exc)
                self._outputs.touch(outputs)
