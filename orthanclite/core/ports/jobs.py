"""The queue of jobs, and what has become of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orthanclite.core.jobs import Change, Claim, Job, Keep, Output, State, Submission, Wish


class Jobs(Protocol):
    """The jobs of all servers on the index. Blobs that methods return are the caller's to delete."""

    def submit(self, submission: Submission) -> None:
        """Add a job, Pending."""
        ...

    def get(self, id: str) -> Job | None: ...

    def all(self) -> list[Job]:
        """All jobs, sorted by their identifiers."""
        ...

    def ids(self) -> list[str]: ...

    def endings(self) -> dict[str, float | None]:
        """When each job has ended, by identifier, in the order of these; None for one that has not."""
        ...

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state; those with none are left out."""
        ...

    def claim(self, server: int, kinds: Sequence[str]) -> Claim | None:
        """Take on the next job: the highest priority, then the oldest; None where there is nothing to do.

        A running job whose server is not at work any more is one that is waiting.
        """
        ...

    def put_back(self, server: int, at_work: Sequence[str]) -> int:
        """Have the jobs that a server has claimed, and is not at, wait again; how many there were."""
        ...

    def next_due(self) -> float | None:
        """Seconds until a job is to be tried again, 0 or less where one is due; None without one."""
        ...

    def write(self, claim: Claim, change: Change, keep: Keep) -> tuple[Wish, list[str]]:
        """Write what a worker has to tell; what a client wants of the job, and blobs that nobody needs now.

        With the end of a job, jobs and outputs that are beyond ``keep`` are forgotten.

        :raises ClaimLost: where another worker has the job now, or it was forgotten: nothing is written
        """
        ...

    def pause(self, id: str) -> bool:
        """Pause a job that waits, or ask that of a running one; whether there is such a job."""
        ...

    def resume(self, id: str) -> bool:
        """Have a paused job wait for a worker; False for any other, and without one."""
        ...

    def cancel(self, id: str) -> bool:
        """End a job that waits or is paused, or ask that of a running one; whether there is such a job."""
        ...

    def resubmit(self, id: str) -> bool:
        """Have a failed job begin anew; False for any other, and without one."""
        ...

    def delete(self, id: str) -> list[str] | None:
        """Forget a job that has ended; its blobs, or None where there is no such job."""
        ...

    def trim(self, keep: Keep) -> list[str]:
        """Forget the oldest jobs that have ended, and the oldest archives, beyond ``keep``; their blobs."""
        ...

    def clear(self) -> list[str]:
        """Forget all jobs; their blobs."""
        ...

    def output(self, id: str, key: str) -> Output | None: ...

    def delete_output(self, id: str, key: str) -> str | None:
        """Forget an output; its blob, or None where there is no such output."""
        ...
