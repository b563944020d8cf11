"""The port ``Jobs``: what the index and the double in memory have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import bindparam, select

from orthanclite.core.errors import ClaimLost
from orthanclite.core.jobs import ARCHIVE, Change, Claim, Failure, Keep, Output, State, Submission, Wish
from orthanclite.core.ports import Jobs
from orthanclite.core.ports.testing import MemoryJobs
from orthanclite.index import SqlIndex
from orthanclite.index.database.engines import Database
from orthanclite.index.schema import jobs as jobs_table
from orthanclite.index.servers.jobs import SqlJobs
from tests.support.postgres import Cluster

KEEP = Keep(jobs=10, archives=2)
KINDS = ("Test", "Other")
_SECRETS = select(jobs_table.c.secrets).where(jobs_table.c.id == bindparam("job"))


@dataclass
class Queue:
    """A queue, and servers on it that can die."""

    jobs: Jobs
    start: Callable[[], int]
    die: Callable[[int], None]
    numbers: Iterator[int] = field(default_factory=count)

    def submit(self, priority: int = 0, kind: str = "Test", **details: object) -> str:
        submission = replace(Submission(kind, {"n": 1}, {"C": 2}, priority), **details)  # type: ignore[arg-type]
        self.jobs.submit(submission)
        return submission.id

    def claim(self, server: int) -> Claim:
        claim = self.jobs.claim(server, KINDS)
        assert claim is not None
        return claim

    def state(self, id: str) -> State:
        job = self.jobs.get(id)
        assert job is not None
        return job.state

    def secrets(self, id: str) -> str | None:
        """What is kept of the secrets of a job."""
        if isinstance(self.jobs, MemoryJobs):
            return str(secrets) if (secrets := self.jobs._rows[id].claim.secrets) else None
        assert isinstance(self.jobs, SqlJobs)
        with self.jobs._database.reader() as session:
            text: str | None = session.value(_SECRETS, job=id)
        return text

    def end(self, claim: Claim, state: State = State.SUCCESS, output: str = "") -> list[str]:
        outputs = (Output(output, f"blob-{next(self.numbers)}", 5, "application/zip", "a.zip"),)
        failure = Failure(20, "why", {"a": 1}) if state is State.FAILURE else None
        change = Change(
            progress=1, state=state, failure=failure, outputs=outputs if output else (), runtime=2.5
        )
        wish, blobs = self.jobs.write(claim, change, KEEP)
        assert wish is Wish.NONE
        return blobs


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    if request.param == "memory":
        alive: set[int] = set()
        numbers = count(1)

        def start() -> int:
            alive.add(number := next(numbers))
            return number

        yield Queue(MemoryJobs(alive), start, alive.discard)
        return
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/index"
        if request.param == "postgresql":
            postgres: Cluster = request.getfixturevalue("postgres")
            url = postgres.url(stack.enter_context(postgres.database()))
        index = SqlIndex(url)
        stack.callback(index.close)
        other = Database(url)
        stack.callback(other.close)
        names = count()

        def enter() -> int:
            with other.engine().connect() as connection:
                values = f"('{next(names)}', 0, 0)"
                sql = f"INSERT INTO servers (name, started, last_seen) VALUES {values} RETURNING id"
                return int(connection.exec_driver_sql(sql).scalar() or 0)

        def leave(number: int) -> None:
            with other.engine().connect() as connection:
                connection.exec_driver_sql(f"DELETE FROM servers WHERE id = {number}")

        yield Queue(index.jobs, enter, leave)


def test_a_job_is_shown_as_it_was_submitted(queue: Queue) -> None:
    id = queue.submit(-7, user_data=[1, None], permissive=True)
    job = queue.jobs.get(id)
    assert job is not None
    assert (job.id, job.kind, job.state, job.priority, job.progress) == (id, "Test", State.PENDING, -7, 0)
    assert (job.content, job.user_data, job.failure, job.completed) == ({"C": 2}, [1, None], None, None)
    assert job.runtime == 0
    assert abs(job.created - time.time()) < 5
    assert 0 <= job.now - job.created < 5
    assert queue.jobs.get("nope") is None


def test_lists_are_sorted_by_identifier(queue: Queue) -> None:
    ids = sorted(queue.submit() for _ in range(5))
    assert queue.jobs.ids() == ids
    assert list(queue.jobs.endings().items()) == [(id, None) for id in ids]
    assert [job.id for job in queue.jobs.all()] == ids
    assert queue.jobs.counts() == {State.PENDING: 5}


def test_jobs_that_nobody_is_at_are_put_back(queue: Queue) -> None:
    server, other = queue.start(), queue.start()
    stray, at_work, others, waiting = (queue.submit(priority) for priority in (3, 2, 1, 0))
    lost, kept, foreign = queue.claim(server), queue.claim(server), queue.claim(other)
    assert [lost.id, kept.id, foreign.id] == [stray, at_work, others]
    assert queue.jobs.put_back(server, [at_work]) == 1
    assert queue.jobs.put_back(server, [at_work]) == 0
    states = [queue.state(id) for id in (stray, at_work, others, waiting)]
    assert states == [State.PENDING, State.RUNNING, State.RUNNING, State.PENDING]
    assert queue.claim(server).id == stray
    with pytest.raises(ClaimLost):
        queue.end(lost)
    assert queue.jobs.put_back(other, []) == 1
    queue.end(kept)


def test_the_highest_priority_goes_first_and_then_the_oldest(queue: Queue) -> None:
    server = queue.start()
    first, low, high, second = (queue.submit(priority) for priority in (0, -1, 9, 0))
    assert [queue.claim(server).id for _ in range(4)] == [high, first, second, low]
    assert queue.jobs.claim(server, KINDS) is None


def test_only_known_kinds_are_claimed(queue: Queue) -> None:
    queue.submit(kind="Foreign")
    assert queue.jobs.claim(queue.start(), KINDS) is None


def test_a_claim_has_what_the_worker_needs(queue: Queue) -> None:
    server = queue.start()
    id = queue.submit(permissive=True)
    claim = queue.claim(server)
    assert claim == Claim(id, "Test", server, 1, {"n": 1}, None, 0, {"C": 2}, True, 0, 0, Wish.NONE)
    assert queue.state(id) is State.RUNNING


def test_secrets_are_for_the_workers_until_the_job_has_succeeded(queue: Queue) -> None:
    server = queue.start()
    id = queue.submit(secrets={"Authorization": "Bearer s3cr3t"})
    claim = queue.claim(server)
    assert claim.secrets == {"Authorization": "Bearer s3cr3t"}
    assert "s3cr3t" not in f"{claim} {queue.jobs.get(id)}"
    queue.end(claim, State.FAILURE)
    assert queue.jobs.resubmit(id)
    again = queue.claim(server)
    assert again.secrets == claim.secrets
    queue.end(again)
    assert queue.secrets(id) is None


def test_what_is_not_written_stays(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    claim = queue.claim(server)
    queue.jobs.write(claim, Change(progress=0.25, content={"a": 1}, saved={"s": 1}, runtime=1.5), KEEP)
    queue.jobs.write(claim, Change(progress=0.5), KEEP)
    job = queue.jobs.get(id)
    assert job is not None
    assert (job.progress, job.content, job.runtime) == (0.5, {"a": 1}, 1.5)
    queue.die(server)
    again = queue.claim(queue.start())
    assert (again.saved, again.progress, again.runtime, again.attempt) == ({"s": 1}, 0.5, 1.5, 2)


def test_the_jobs_of_a_dead_server_are_taken_over_and_its_writes_refused(queue: Queue) -> None:
    dead, other = queue.start(), queue.start()
    id = queue.submit()
    claim = queue.claim(dead)
    assert queue.jobs.claim(other, KINDS) is None
    queue.die(dead)
    taken = queue.claim(other)
    assert taken.id == id
    for change in (Change(progress=0.9), Change(state=State.SUCCESS)):
        with pytest.raises(ClaimLost):
            queue.jobs.write(claim, change, KEEP)
    assert queue.state(id) is State.RUNNING
    queue.end(taken)
    with pytest.raises(ClaimLost):
        queue.jobs.write(taken, Change(state=State.FAILURE), KEEP)
    assert queue.state(id) is State.SUCCESS


def test_the_end_of_a_job(queue: Queue) -> None:
    id = queue.submit()
    queue.end(queue.claim(queue.start()), State.FAILURE)
    job = queue.jobs.get(id)
    assert job is not None
    assert job.state is State.FAILURE
    assert job.failure == Failure(20, "why", {"a": 1})
    assert job.completed is not None
    assert job.created <= job.completed <= job.now
    assert job.runtime == 2.5


def test_a_waiting_job_is_paused_resumed_and_cancelled_at_once(queue: Queue) -> None:
    id = queue.submit()
    assert not queue.jobs.resume(id)
    assert queue.jobs.pause(id)
    assert queue.jobs.pause(id)
    assert queue.state(id) is State.PAUSED
    assert queue.jobs.claim(queue.start(), KINDS) is None
    assert queue.jobs.resume(id)
    assert queue.state(id) is State.PENDING
    assert queue.jobs.cancel(id)
    job = queue.jobs.get(id)
    assert job is not None
    assert job.failure == Failure(37)
    assert job.completed is not None
    assert queue.jobs.cancel(id)
    assert queue.jobs.pause(id)
    assert not queue.jobs.resume(id)


def test_a_running_job_is_told_what_is_wanted(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    claim = queue.claim(server)
    assert queue.jobs.pause(id)
    assert queue.jobs.write(claim, Change(progress=0.1), KEEP) == (Wish.PAUSE, [])
    assert queue.jobs.cancel(id)
    assert queue.jobs.write(claim, Change(progress=0.2), KEEP) == (Wish.CANCEL, [])
    assert not queue.jobs.resubmit(id)
    assert queue.jobs.delete(id) is None
    queue.die(server)
    assert queue.claim(queue.start()).wish is Wish.CANCEL


def test_a_wish_ends_with_the_claim(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    claim = queue.claim(server)
    queue.jobs.pause(id)
    queue.jobs.write(claim, Change(state=State.PAUSED), KEEP)
    assert queue.state(id) is State.PAUSED
    queue.jobs.resume(id)
    assert queue.claim(server).wish is Wish.NONE


def test_a_retry_waits_for_its_time(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    assert queue.jobs.next_due() is None
    queue.jobs.write(queue.claim(server), Change(state=State.RETRY, delay=60, retries=1), KEEP)
    due = queue.jobs.next_due()
    assert due is not None
    assert 50 < due <= 60
    assert queue.jobs.claim(server, KINDS) is None
    assert queue.jobs.pause(id)
    assert queue.jobs.resume(id)
    claim = queue.claim(server)
    assert claim.retries == 1
    queue.jobs.write(claim, Change(state=State.RETRY, delay=0, retries=2), KEEP)
    assert queue.claim(server).retries == 2


def test_a_failed_job_begins_anew(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    claim = queue.claim(server)
    queue.jobs.write(claim, Change(saved={"x": 1}, progress=0.5), KEEP)
    queue.end(claim, State.FAILURE)
    assert queue.jobs.resubmit(id)
    assert not queue.jobs.resubmit(id)
    job = queue.jobs.get(id)
    assert job is not None
    assert (job.state, job.failure, job.completed, job.progress) == (State.PENDING, None, None, 0)
    claim = queue.claim(server)
    assert (claim.saved, claim.before, claim.attempt) == (None, {"x": 1}, 2)
    queue.end(claim)
    assert not queue.jobs.resubmit(id)


def test_what_was_saved_before_a_failure_is_known_until_something_is_saved_anew(queue: Queue) -> None:
    id = queue.submit()
    server = queue.start()
    claim = queue.claim(server)
    assert claim.before is None
    queue.end(claim, State.FAILURE)
    assert queue.jobs.resubmit(id)
    claim = queue.claim(server)
    assert claim.before is None
    queue.jobs.write(claim, Change(saved={"x": "}"}), KEEP)
    for _ in range(2):  # the second time, nothing has been saved in between
        queue.end(claim, State.FAILURE)
        assert queue.jobs.resubmit(id)
        claim = queue.claim(server)
        assert (claim.saved, claim.before) == (None, {"x": "}"})
    queue.jobs.write(claim, Change(saved={"x": 2}, state=State.RETRY, delay=0), KEEP)
    claim = queue.claim(server)
    assert (claim.saved, claim.before) == ({"x": 2}, None)


def test_jobs_that_have_ended_are_forgotten_from_the_oldest_on(queue: Queue) -> None:
    server = queue.start()
    waiting = queue.submit(-1)
    ids = []
    for _ in range(12):
        ids.append(queue.submit())
        queue.end(queue.claim(server))
        time.sleep(0.005)
    assert set(queue.jobs.ids()) == {waiting, *ids[2:]}
    assert queue.jobs.trim(Keep(jobs=0, archives=1)) == []
    assert queue.jobs.ids() == [waiting]


def test_archives_are_forgotten_from_the_oldest_on(queue: Queue) -> None:
    server = queue.start()
    ids, dropped = [], []
    for key in (ARCHIVE, "log", ARCHIVE, ARCHIVE):
        ids.append(queue.submit())
        dropped += queue.end(queue.claim(server), output=key)
        time.sleep(0.005)
    assert dropped == ["blob-0"]
    assert queue.jobs.output(ids[0], ARCHIVE) is None
    assert queue.jobs.output(ids[1], "log") == Output("log", "blob-1", 5, "application/zip", "a.zip")
    assert queue.jobs.output(ids[2], "log") is None
    assert queue.jobs.delete_output(ids[2], ARCHIVE) == "blob-2"
    assert queue.jobs.delete_output(ids[2], ARCHIVE) is None
    assert queue.jobs.delete(ids[3]) == ["blob-3"]
    assert queue.jobs.delete(ids[3]) is None
    assert queue.jobs.output(ids[3], ARCHIVE) is None
    assert queue.jobs.clear() == ["blob-1"]
    assert queue.jobs.ids() == []


@pytest.mark.parametrize("method", ["pause", "resume", "cancel", "resubmit", "delete"])
def test_unknown_jobs(queue: Queue, method: str) -> None:
    assert not getattr(queue.jobs, method)("nope")
