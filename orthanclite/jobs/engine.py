"""Runs jobs: claims them, has their steps done by a bounded number of workers, and writes what they come to.

One thread claims jobs while a worker is free. It looks when it is woken, by whatever this server does to the
queue. Where other servers use the queue, too, it also looks every second: a wake-up is a hint, the index the
truth.

Nothing that happens to a job ends the engine; what happens to one at work is in ``work.py``.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orthanclite.core.errors import (
    BodyTooLarge,
    ClaimLost,
    DatabaseError,
    InexistentItem,
    OrthancError,
)
from orthanclite.core.jobs import (
    Change,
    Claim,
    Failure,
    Job,
    Keep,
    Kind,
    Output,
    State,
    Submission,
)
from orthanclite.core.metrics import Metrics
from orthanclite.core.ports import Blobs, Jobs, Servers
from orthanclite.jobs.events import JobEvents
from orthanclite.jobs.outputs import OutputBlobs
from orthanclite.jobs.work import POLL, REPORT, Work, Worker

MOST_USER_DATA = 64 << 10
"""Characters of the JSON that a client may have kept with a job."""
_PATIENCE = 5.0
"""Seconds that steps under way may take at the end of the server; the jobs go on at the next start."""

log = logging.getLogger("orthanclite.jobs")


class JobEngine:
    """The workers of one server. Between :meth:`start` and :meth:`stop` it does jobs.

    :param workers: how many jobs run at the same time
    """

    def __init__(
        self,
        jobs: Jobs,
        servers: Servers,
        blobs: Blobs,
        workers: int,
        keep: Keep,
        events: JobEvents,
        metrics: Metrics,
    ) -> None:
        self._jobs = jobs
        self._servers = servers
        self._outputs = OutputBlobs(blobs)
        self._kinds: dict[str, Kind] = {}
        self._keep = keep
        self.events = events
        self._metrics = metrics
        self._free = threading.Semaphore(workers)
        self._pool = ThreadPoolExecutor(workers, "job")
        self._at_work: dict[str, Work] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Condition()
        self._awaited: dict[str, tuple[Mapping[str, Any], Failure | None] | None] = {}
        """What the jobs that somebody waits for have come to: their rows may be trimmed with their end."""
        self._endings = 0  # of runs, on this server; guarded by the condition
        self._has_strays = False  # whether a job may be claimed that no worker is at
        self._worker = Worker(
            jobs, self._outputs, self._kinds, keep, self._stopping, self._tell, self._note_result
        )
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)

    def register(self, *kinds: Kind) -> None:
        """Have this server do jobs of these kinds; before :meth:`start`."""
        for kind in kinds:
            self._kinds[kind.name] = kind

    # -- life --------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the jobs under way go at their next step; they go on where a server claims them next."""
        self._stopping.set()
        self._wake.set()
        self._note_ending()
        if self._thread.is_alive():
            self._thread.join()
        deadline = time.monotonic() + _PATIENCE
        with self._ended:
            while self._at_work and (left := deadline - time.monotonic()) > 0:
                self._ended.wait(left)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- what clients want -------------------------------------------------------------------------

    def submit(self, submission: Submission) -> str:
        """Add a job to the queue; its identifier.

        :raises BodyTooLarge: where a client wants too much kept with it: a list of jobs shows all of it
        """
        if len(json.dumps(submission.user_data)) > MOST_USER_DATA:
            raise BodyTooLarge(f"UserData may have {MOST_USER_DATA >> 10} KB of JSON")
        self._jobs.submit(submission)
        self._tell(submission.id, submission.kind, State.PENDING, 0)
        self._wake.set()
        return submission.id

    def wait(self, id: str) -> Job | None:
        """The job once it has ended, wherever it was done; None where it was forgotten meanwhile.

        :raises DatabaseError: where the server stops before; the job goes on
        """
        while not self._stopping.is_set():
            seen = self._endings
            job = self._jobs.get(id)
            if job is None or job.state.is_final:
                return job
            with self._ended:
                self._ended.wait_for(lambda before=seen: self._endings != before, REPORT)  # type: ignore[misc]
        raise DatabaseError(f"The server stops; the job goes on after its next start: {id}")

    def perform(self, submission: Submission) -> Mapping[str, Any]:
        """Add a job to the queue and wait for its end; its content.

        :raises OrthancError: that for which it has failed
        :raises InexistentItem: where it was forgotten before its end was seen
        """
        id = submission.id
        self._awaited[id] = None
        try:
            self.submit(submission)
            job = self.wait(id)
            ended = self._awaited[id]
        finally:
            del self._awaited[id]
        if job is not None:
            ended = job.content, job.failure
        if ended is None:
            raise InexistentItem(f"The job was forgotten before its end: {id}")
        content, failure = ended
        if failure is not None:
            raise failure.error
        return content

    def pause(self, id: str) -> bool:
        """As :meth:`core.ports.Jobs.pause`, like the three below."""
        return self._ask(id, self._jobs.pause)

    def resume(self, id: str) -> bool:
        return self._ask(id, self._jobs.resume)

    def cancel(self, id: str) -> bool:
        found = self._ask(id, self._jobs.cancel)
        if found:
            self._outputs.delete(self._jobs.trim(self._keep))
        return found

    def resubmit(self, id: str) -> bool:
        return self._ask(id, self._jobs.resubmit)

    def delete(self, id: str) -> bool:
        """Forget a job that has ended, and its outputs; whether there is such a job."""
        blobs = self._jobs.delete(id)
        self._outputs.delete(blobs or ())
        return blobs is not None

    def get(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        return self._jobs.all()

    def ids(self) -> list[str]:
        return self._jobs.ids()

    def endings(self) -> dict[str, float | None]:
        """As :meth:`core.ports.Jobs.endings`."""
        return self._jobs.endings()

    def forget_all(self) -> None:
        """Forget all jobs, whatever their state, and their outputs (``SaveJobs``). Before :meth:`start`."""
        self._outputs.delete(self._jobs.clear())

    def output(self, id: str, key: str) -> Output | None:
        return self._jobs.output(id, key)

    def read(self, output: Output, start: int, end: int) -> Iterator[bytes]:
        """As :meth:`OutputBlobs.read`."""
        return self._outputs.read(output, start, end)

    def delete_output(self, id: str, key: str) -> bool:
        """Remove an output; whether there is such a one."""
        blob = self._jobs.delete_output(id, key)
        if blob is not None:
            self._outputs.delete([blob])
        return blob is not None

    def measure(self) -> None:
        """Bring the metrics of the queue up to date."""
        counts = self._jobs.counts()
        failed, success = counts.get(State.FAILURE, 0), counts.get(State.SUCCESS, 0)
        self._metrics.set("orthanc_jobs_pending", counts.get(State.PENDING, 0))
        self._metrics.set("orthanc_jobs_running", counts.get(State.RUNNING, 0))
        self._metrics.set("orthanc_jobs_success", success)
        self._metrics.set("orthanc_jobs_failed", failed)
        self._metrics.set("orthanc_jobs_completed", success + failed)

    def _ask(self, id: str, what: Callable[[str], bool]) -> bool:
        found = what(id)
        if found:
            work = self._at_work.get(id)
            if work is not None:
                work.asked.set()
            elif (job := self._jobs.get(id)) is not None:
                self._tell(id, job.kind, job.state, job.progress)
            self._wake.set()
            self._note_ending()
        return found

    def _note_result(self, claim: Claim, change: Change) -> None:
        """Keep what a job has come to, where somebody waits for it."""
        if claim.id in self._awaited:
            content = claim.content if change.content is None else change.content
            self._awaited[claim.id] = content, change.failure

    def _note_ending(self) -> None:
        """Have those look who wait for the end of a job."""
        with self._ended:
            self._endings += 1
            self._ended.notify_all()

    # -- the thread that claims --------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            pause: float | None = POLL
            try:
                self._put_back()
                while not self._stopping.is_set() and self._begin_next():
                    pass
                pause = self._pause()
            except OrthancError as exc:
                log.warning("The queue of jobs cannot be read, which will be tried again: %s", exc)
            except Exception:
                log.exception("The queue of jobs cannot be read, which will be tried again")
            self._wake.wait(pause)

    def _put_back(self) -> None:
        """Have the jobs wait again that may be this server's without a worker at them."""
        if not self._has_strays:
            return
        self._has_strays = False
        try:
            count = self._jobs.put_back(self._servers.id, tuple(self._at_work))
        except BaseException:
            self._has_strays = True
            raise
        if count:
            log.warning("%d jobs that nobody was at wait for a worker again", count)

    def _pause(self) -> float | None:
        """Seconds until the next look; None to wait until something happens here."""
        due = self._jobs.next_due()
        pauses = [] if due is None else [max(due, 0.01)]
        if not self._servers.is_sole:
            pauses.append(POLL)
        return min(pauses, default=None)

    def _begin_next(self) -> bool:
        """Claim a job where a worker is free; whether there was one."""
        if not self._free.acquire(blocking=False):
            return False  # a worker that becomes free wakes this thread
        claim = None
        try:
            claim = self._claim()
            if claim is not None:
                work = Work(claim)
                self._at_work[claim.id] = work
                self._pool.submit(self._work, work)
        finally:
            if claim is None:
                self._free.release()
        return claim is not None

    def _claim(self) -> Claim | None:
        try:
            return self._jobs.claim(self._servers.id, tuple(self._kinds))
        except BaseException:
            self._has_strays = True  # if the claim is written, and only the answer to its commit is lost
            raise

    # -- the workers -------------------------------------------------------------------------------

    def _work(self, work: Work) -> None:
        try:
            self._worker.do(work)
        except ClaimLost:
            log.warning("The job %s is another worker's now", work.claim.id)
        except Exception:
            log.exception("The job %s is left as it is", work.claim.id)
        finally:
            if self._at_work.get(work.claim.id) is work:
                del self._at_work[work.claim.id]
            self._free.release()
            self._wake.set()
            self._note_ending()

    def _tell(self, id: str, kind: str, state: State, fraction: float) -> None:
        self.events.publish(id, kind, state, fraction)
