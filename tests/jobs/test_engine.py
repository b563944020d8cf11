"""The engine, with a queue in memory and kinds of jobs that do as they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from orthanclite.core.errors import (
    BadRequest,
    BodyTooLarge,
    CommitUncertain,
    DatabaseUnavailable,
    NetworkProtocol,
)
from orthanclite.core.jobs import (
    RETRY,
    Change,
    Claim,
    Failure,
    Job,
    Keep,
    Output,
    Progress,
    State,
    Submission,
    Wish,
)
from orthanclite.core.metrics import Metrics
from orthanclite.core.ports.testing import MemoryBlobs, MemoryJobs, MemoryServers
from orthanclite.jobs.engine import MOST_USER_DATA, JobEngine
from orthanclite.jobs.events import JobEvents


@dataclass
class Script:
    """A kind whose steps are functions; each saves how many have been done."""

    steps: list[Callable[[], object]]
    name: str = "Test"
    retries: int = 0
    runs: list[Claim] = field(default_factory=list)
    closed: int = 0
    output: Output | None = None

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> ScriptRun:
        self.runs.append(claim)
        return ScriptRun(self, (claim.saved or {"done": 0})["done"])


@dataclass
class ScriptRun:
    script: Script
    done: int

    def step(self) -> Progress:
        self.script.steps[self.done]()
        self.done += 1
        total = len(self.script.steps)
        return Progress(
            self.done / total,
            {"Done": self.done},
            done=self.done == total,
            saved={"done": self.done},
            outputs=() if self.script.output is None or self.done < total else (self.script.output,),
        )

    def close(self) -> None:
        self.script.closed += 1


class Bench:
    """An engine, and what it stands on."""

    def __init__(
        self,
        *kinds: Any,
        workers: int = 2,
        jobs: MemoryJobs | None = None,
        keep: Keep = Keep(5, 1),  # noqa: B008
    ) -> None:
        self.alive: set[int] = set()
        self.seen: dict[tuple[int, str], float] = {}
        self.servers = MemoryServers(self.seen, time.monotonic)
        self.servers.join("a")
        self.alive.add(self.servers.id)
        self.jobs = jobs or MemoryJobs(self.alive)
        self.blobs = MemoryBlobs()
        self.metrics = Metrics()
        self.engine = JobEngine(self.jobs, self.servers, self.blobs, workers, keep, JobEvents(), self.metrics)
        self.engine.register(*kinds)

    def submit(self, **details: Any) -> str:
        return self.engine.submit(Submission("Test", {}, **details))

    def end(self, id: str) -> Job:
        job = self.engine.wait(id)
        assert job is not None
        return job

    def until(self, id: str, state: State) -> Job:
        deadline = time.monotonic() + 20
        while True:
            job = self.engine.get(id)
            assert job is not None
            if job.state is state:
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.005)


@contextmanager
def at_work(bench: Bench) -> Iterator[Bench]:
    bench.engine.start()
    try:
        yield bench
    finally:
        bench.engine.stop()


def nothing() -> None:
    pass


def fail() -> None:
    raise BadRequest("no\0 good")


def test_a_job_is_done_to_its_end() -> None:
    script = Script([nothing] * 3)
    with at_work(Bench(script)) as bench:
        job = bench.end(bench.submit())
    assert (job.state, job.progress, job.content, job.failure) == (State.SUCCESS, 1, {"Done": 3}, None)
    assert script.closed == 1


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (BadRequest("why"), 8, "why"),
        (ValueError("odd"), -1, "ValueError: odd"),
        (MemoryError(), -1, "MemoryError: "),
    ],
)
def test_an_error_fails_the_job_and_not_the_engine(error: Exception, code: int, details: str) -> None:
    def raises() -> None:
        raise error

    script = Script([nothing, raises])
    with at_work(Bench(script, workers=1)) as bench:
        for _ in range(3):
            job = bench.end(bench.submit())
            assert job.state is State.FAILURE
            assert job.failure == Failure(code, details)
            assert job.content == {"Done": 1}
        script.steps = [nothing]
        assert bench.end(bench.submit()).state is State.SUCCESS
    assert script.closed == 4


def test_a_step_is_tried_again_where_the_kind_allows_it() -> None:
    failures = iter([True, True])

    def flaky() -> None:
        if next(failures, False):
            raise BadRequest("not now")

    script = Script([nothing, flaky, nothing], retries=2)
    with at_work(Bench(script)) as bench:
        id = bench.submit()
        waiting = bench.until(id, State.RETRY)
        assert waiting.failure == Failure(8, "not now")
        job = bench.end(id)
    assert (job.state, job.failure) == (State.SUCCESS, None)
    assert [(claim.retries, claim.saved) for claim in script.runs] == [
        (0, None),
        (1, {"done": 1}),
        (2, {"done": 1}),
    ]


def test_retries_come_to_an_end() -> None:
    script = Script([fail], retries=1)
    with at_work(Bench(script)) as bench:
        assert bench.end(bench.submit()).state is State.FAILURE
    assert len(script.runs) == 2


def test_no_more_jobs_run_than_there_are_workers() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1

    with at_work(Bench(Script([work]), workers=3)) as bench:
        ids = [bench.submit() for _ in range(9)]
        for id in ids:
            bench.engine.wait(id)
    assert most == 3


def test_a_running_job_is_paused_and_goes_on_at_its_last_step() -> None:
    begun, go = threading.Event(), threading.Event()

    def held() -> None:
        begun.set()
        assert go.wait(20)

    script = Script([held, nothing, nothing])
    with at_work(Bench(script)) as bench:
        id = bench.submit()
        assert begun.wait(20)
        assert bench.engine.pause(id)
        go.set()
        assert bench.until(id, State.PAUSED).progress == pytest.approx(1 / 3)
        assert bench.engine.resume(id)
        assert bench.end(id).state is State.SUCCESS
    assert [claim.saved for claim in script.runs] == [None, {"done": 1}]
    assert script.closed == 2


def test_a_running_job_is_cancelled_at_its_next_step() -> None:
    begun, go = threading.Event(), threading.Event()

    def held() -> None:
        begun.set()
        assert go.wait(20)

    script = Script([held, nothing])
    with at_work(Bench(script)) as bench:
        id = bench.submit()
        assert begun.wait(20)
        assert bench.engine.cancel(id)
        go.set()
        job = bench.end(id)
        assert (job.state, job.failure) == (State.FAILURE, Failure(37))
        assert bench.engine.resubmit(id)
        assert bench.end(id).state is State.SUCCESS
    assert script.closed == 2


def test_what_a_dead_server_was_at_goes_on_after_its_last_saved_step() -> None:
    dead = Bench()
    submission = Submission("Test", {})
    dead.jobs.submit(submission)
    claim = dead.jobs.claim(dead.servers.id, ["Test"])
    assert claim is not None
    dead.jobs.write(claim, Change(saved={"done": 2}, progress=0.5), Keep(5, 1))
    script = Script([fail, fail, nothing, nothing])
    with at_work(Bench(script, jobs=dead.jobs)) as bench:
        dead.alive.clear()
        assert bench.end(submission.id).state is State.SUCCESS


def test_an_end_that_was_asked_of_a_dead_server_is_carried_out() -> None:
    dead = Bench()
    submission = Submission("Test", {})
    dead.jobs.submit(submission)
    assert dead.jobs.claim(dead.servers.id, ["Test"]) is not None
    dead.jobs.cancel(submission.id)
    script = Script([fail])
    with at_work(Bench(script, jobs=dead.jobs)) as bench:
        dead.alive.clear()
        job = bench.end(submission.id)
    assert (job.failure, script.runs) == (Failure(37), [])


def test_the_jobs_of_a_server_that_stops_wait_for_the_next() -> None:
    begun = threading.Event()

    def slow() -> None:
        begun.set()
        time.sleep(0.05)

    script = Script([slow] * 1000)
    bench = Bench(script)
    with at_work(bench):
        id = bench.submit()
        assert begun.wait(20)
    job = bench.engine.get(id)
    assert job is not None
    assert job.state is State.PENDING
    assert script.closed == 1
    claim = bench.jobs.claim(99, ["Test"])
    assert claim is not None
    assert (claim.saved or {"done": 0})["done"] >= 1


class Away(MemoryJobs):
    """A queue that cannot be written for a while."""

    failures = 2

    def write(self, claim: Claim, change: Change, keep: Keep) -> tuple[Wish, list[str]]:
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("away")
        return super().write(claim, change, keep)


def test_a_worker_waits_for_an_index_that_is_away() -> None:
    script = Script([nothing, nothing])
    alive: set[int] = set()
    bench = Bench(script, jobs=Away(alive))
    alive.add(bench.servers.id)
    with at_work(bench):
        assert bench.end(bench.submit()).state is State.SUCCESS
    assert len(script.runs) == 1


def test_what_a_client_has_kept_with_a_job_is_bounded() -> None:
    bench = Bench(Script([nothing]))
    assert bench.submit(user_data="x" * (MOST_USER_DATA - 2))
    with pytest.raises(BodyTooLarge):
        bench.submit(user_data=["x" * MOST_USER_DATA])
    assert len(bench.jobs.ids()) == 1


def test_an_output_that_waits_for_the_index_is_kept_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep removes what is old and not known to the index."""
    script = Script([nothing])
    alive: set[int] = set()
    bench = Bench(script, jobs=Away(alive))
    alive.add(bench.servers.id)
    script.output = Output("archive", bench.blobs.put(b"archive"), 7, "application/zip", "a.zip")
    touched: list[str] = []
    monkeypatch.setattr(bench.blobs, "touch", touched.append)
    with at_work(bench):
        assert bench.end(bench.submit()).state is State.SUCCESS
    assert touched == [script.output.uuid] * 2


class Unanswered(MemoryJobs):
    """A queue that takes a claim, and does not say so."""

    losses = 2

    def claim(self, server: int, kinds: Sequence[str]) -> Claim | None:
        claim = super().claim(server, kinds)
        if claim is not None and self.losses:
            self.losses -= 1
            raise CommitUncertain("the connection is closed")
        return claim


def test_a_claim_that_nobody_has_heard_of_is_not_lost() -> None:
    script = Script([nothing])
    alive: set[int] = set()
    bench = Bench(script, jobs=Unanswered(alive))
    alive.add(bench.servers.id)
    with at_work(bench):
        ids = [bench.submit() for _ in range(3)]
        assert [bench.end(id).state for id in ids] == [State.SUCCESS] * 3
    assert len(script.runs) == 3


def test_outputs_that_are_not_kept_are_deleted() -> None:
    script = Script([nothing])
    with at_work(Bench(script)) as bench:
        uuids = []
        for _ in range(2):
            uuids.append(bench.blobs.put(b"archive"))
            script.output = Output("archive", uuids[-1], 7, "application/zip", "a.zip")
            bench.end(bench.submit())
        deadline = time.monotonic() + 20
        while [uuid for uuid, _, _ in bench.blobs.scan()] != uuids[1:]:
            assert time.monotonic() < deadline
        kept = script.output
        assert b"".join(bench.engine.read(kept, 2, 5)) == b"chi"
        [last] = [job.id for job in bench.engine.all() if bench.engine.output(job.id, "archive")]
        assert bench.engine.delete(last)
        assert list(bench.blobs.scan()) == []


def test_waiting_ends_with_the_server() -> None:
    bench = Bench()  # which knows no kind
    with at_work(bench):
        id = bench.submit()
        threading.Timer(0.05, bench.engine._stopping.set).start()
        with pytest.raises(Exception, match="The server stops"):
            bench.engine.wait(id)


def test_an_idle_engine_is_still() -> None:
    bench = Bench(Script([nothing]))
    bench.servers.is_sole = True
    looks = []
    claim = bench.jobs.claim
    bench.jobs.claim = lambda *a: looks.append(1) or claim(*a)  # type: ignore[func-returns-value,method-assign]
    with at_work(bench):
        time.sleep(1.5)
        assert len(looks) == 1


def test_nobody_listens_to_a_server_that_has_ended() -> None:
    events = JobEvents()
    woken: list[str] = []
    early = events.listen(lambda: woken.append("early"))
    events.close()
    late = events.listen(lambda: woken.append("late"))
    assert early.is_over
    assert late.is_over
    assert woken == ["early"]


def test_events_tell_the_latest_of_each_job() -> None:
    woken = threading.Event()
    with at_work(Bench(Script([nothing] * 5))) as bench:
        listener = bench.engine.events.listen(woken.set)
        id = bench.submit()
        bench.engine.wait(id)
        deadline = time.monotonic() + 20
        news = listener.take()
        while not news or news[-1].state is not State.SUCCESS:
            assert time.monotonic() < deadline
            news += listener.take()
        assert {event.id for event in news} == {id}
        assert news[-1].progress == 1
        bench.engine.events.leave(listener)
        bench.engine.wait(bench.submit())
        assert listener.take() == []


def test_a_job_may_have_retries_of_its_own() -> None:
    script = Script([fail], retries=0)
    with at_work(Bench(script)) as bench:
        job = bench.end(bench.engine.submit(Submission("Test", {RETRY: 1})))
    assert (job.state, len(script.runs)) == (State.FAILURE, 2)


def test_whoever_waits_is_told_what_a_job_has_come_to_although_none_is_kept() -> None:
    script = Script([nothing])
    with at_work(Bench(script, keep=Keep(0, 0))) as bench:
        assert bench.engine.perform(Submission("Test", {})) == {"Done": 1}
        script.steps = [fail]
        with pytest.raises(BadRequest, match="no\0 good"):
            bench.engine.perform(Submission("Test", {}))
        assert bench.engine.all() == []


def test_the_payload_of_an_error_comes_with_it() -> None:
    def refused() -> None:
        raise NetworkProtocol("refused", {"Type": "Dimse", "Content": {"DimseErrorStatus": 1}})

    with at_work(Bench(Script([refused]))) as bench, pytest.raises(NetworkProtocol) as caught:
        bench.engine.perform(Submission("Test", {}))
    assert caught.value.payload == {"Type": "Dimse", "Content": {"DimseErrorStatus": 1}}
