"""Doubles of the ports, for tests: they keep the same contract, in memory."""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from orthanclite.core.errors import CanceledJob, ClaimLost, CorruptedFile
from orthanclite.core.jobs import ARCHIVE, Change, Claim, Failure, Job, Keep, Output, State, Submission, Wish
from orthanclite.core.machine.buffers import View
from orthanclite.core.ports.blobs import LocalBlobs


class MemoryBlobs:
    """The port ``core.ports.Blobs`` without files, as an object store is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._mark: str | None = None

    @property
    def local(self) -> LocalBlobs | None:
        return None

    def create(self) -> MemoryBlobWriter:
        return MemoryBlobWriter(self)

    def put(self, data: View) -> str:
        writer = self.create()
        writer.write(data)
        writer.commit()
        return writer.uuid

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        content = self._content(uuid)[start:]
        if length is None:
            return content
        if len(content) < length:
            raise CorruptedFile(f"The stored file {uuid} is shorter than the index says")
        return content[:length]

    def open(self, uuid: str) -> BinaryIO:
        return io.BytesIO(self._content(uuid))

    def delete(self, uuid: str) -> None:
        with self._lock:
            self._blobs.pop(uuid, None)

    def scan(self) -> Iterator[tuple[str, int, float]]:
        with self._lock:
            found = sorted(self._blobs.items())
        yield from ((uuid, len(content), moment) for uuid, (content, moment) in found)

    def now(self) -> float:
        return time.time()

    def touch(self, uuid: str) -> None:
        with self._lock:
            if uuid in self._blobs:
                self._blobs[uuid] = (self._blobs[uuid][0], self.now())

    def get_mark(self) -> str | None:
        return self._mark

    def set_mark(self, mark: str) -> None:
        self._mark = mark

    def add(self, uuid: str, content: bytes) -> None:
        """Make a blob visible."""
        with self._lock:
            self._blobs[uuid] = (content, self.now())

    def _content(self, uuid: str) -> bytes:
        with self._lock:
            found = self._blobs.get(uuid)
        if found is None:
            raise CorruptedFile(f"The stored file {uuid} cannot be opened")
        return found[0]


class MemoryBlobWriter:
    """The port ``core.ports.BlobWriter`` of :class:`MemoryBlobs`."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self.uuid = str(uuid.uuid4())
        self._blobs = blobs
        self._content = bytearray()

    def write(self, data: View) -> None:
        self._content += data

    def commit(self) -> None:
        self._blobs.add(self.uuid, bytes(self._content))

    def abort(self) -> None:
        self._blobs.delete(self.uuid)


class MemoryServers:
    """The port ``core.ports.Servers``: several of them share a dictionary as if it was the index.

    :param seen: when each server has shown last, by number and name
    :param clock: the present moment in seconds
    """

    is_sole = False

    def __init__(self, seen: dict[tuple[int, str], float], clock: Callable[[], float]) -> None:
        self._seen = seen
        self._clock = clock
        self._name = ""
        self.id = 0

    def join(self, name: str) -> None:
        for known in [known for known in self._seen if known[1] == name]:
            del self._seen[known]
        self._name = name
        self._enter()

    def others(self, silent_for: float) -> int:
        since = self._clock() - silent_for
        return sum(seen >= since and number != self.id for (number, _), seen in self._seen.items())

    def beat(self) -> bool:
        known = (self.id, self._name) in self._seen
        if known:
            self._seen[self.id, self._name] = self._clock()
        else:
            self._enter()
        return known

    def adopt(self, silent_for: float) -> list[str]:
        since = self._clock() - silent_for
        dead = [one for one, seen in self._seen.items() if seen < since and one[0] != self.id]
        for one in dead:
            del self._seen[one]
        return [name for _, name in dead]

    def adopt_ownerless(self) -> bool:
        return False  # there is no journal

    def leave(self) -> None:
        self._seen.pop((self.id, self._name), None)

    def _enter(self) -> None:
        self.id = 1 + max([self.id, *(number for number, _ in self._seen)])
        self._seen[self.id, self._name] = self._clock()


class MemoryLeases:
    """The port ``core.ports.Leases``.

    :param clock: the present moment in seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: dict[str, tuple[int, float]] = {}  # holder and end

    def take(self, holder: int, duties: Iterable[str], seconds: float) -> set[str]:
        now = self._clock()
        held = set()
        for duty in duties:
            known = self._leases.get(duty)
            if known is None or known[0] == holder or known[1] < now:
                self._leases[duty] = (holder, now + seconds)
                held.add(duty)
        return held

    def release(self, holder: int) -> None:
        self._leases = {duty: lease for duty, lease in self._leases.items() if lease[0] != holder}


class MemoryJobs:
    """The port ``core.ports.Jobs`` in memory.

    :param servers: the numbers of the servers at work; whoever makes the double changes it
    """

    def __init__(self, servers: Container[int]) -> None:
        self._servers = servers
        self._lock = threading.RLock()
        self._rows: dict[str, _Row] = {}
        self._outputs: dict[tuple[str, str], tuple[Output, float]] = {}

    def submit(self, submission: Submission) -> None:
        with self._lock:
            now = time.time()
            job = Job(
                submission.id,
                submission.kind,
                State.PENDING,
                submission.priority,
                0,
                now,
                None,
                0,
                submission.content,
                submission.user_data,
                None,
                now,
            )
            claim = Claim(
                submission.id,
                submission.kind,
                0,
                0,
                submission.parameters,
                None,
                0,
                submission.content,
                submission.permissive,
                0,
                0,
                Wish.NONE,
                submission.secrets,
            )
            self._rows[submission.id] = _Row(job, claim)

    def get(self, id: str) -> Job | None:
        row = self._rows.get(id)
        return None if row is None else replace(row.job, now=time.time())

    def all(self) -> list[Job]:
        return [job for id in self.ids() if (job := self.get(id)) is not None]

    def ids(self) -> list[str]:
        with self._lock:
            return sorted(self._rows)

    def endings(self) -> dict[str, float | None]:
        return {job.id: job.completed for job in self.all()}

    def counts(self) -> dict[State, int]:
        return dict(Counter(job.state for job in self.all()))

    def claim(self, server: int, kinds: Sequence[str]) -> Claim | None:
        with self._lock:
            free = [row for row in self._rows.values() if row.job.kind in kinds and self._is_free(row)]
            if not free:
                return None
            row = min(free, key=lambda one: (-one.job.priority, one.job.created))
            row.job = replace(row.job, state=State.RUNNING)
            row.claim = replace(row.claim, server=server, attempt=row.claim.attempt + 1)
            return row.claim

    def put_back(self, server: int, at_work: Sequence[str]) -> int:
        with self._lock:
            strays = [
                row
                for id, row in self._rows.items()
                if row.job.state is State.RUNNING and row.claim.server == server and id not in at_work
            ]
            for row in strays:
                row.job = replace(row.job, state=State.PENDING)
                row.claim = replace(row.claim, server=0)
            return len(strays)

    def _is_free(self, row: _Row) -> bool:
        state = row.job.state
        return (
            state is State.PENDING
            or (state is State.RETRY and row.due <= time.time())
            or (state is State.RUNNING and row.claim.server not in self._servers)
        )

    def next_due(self) -> float | None:
        with self._lock:
            due = [row.due for row in self._rows.values() if row.job.state is State.RETRY]
        return min(due) - time.time() if due else None

    def write(self, claim: Claim, change: Change, keep: Keep) -> tuple[Wish, list[str]]:
        with self._lock:
            row = self._rows.get(claim.id)
            mine = row is not None and (row.claim.server, row.claim.attempt) == (claim.server, claim.attempt)
            if row is None or not mine or row.job.state is not State.RUNNING:
                raise ClaimLost
            row.apply(change)
            if change.state is State.RUNNING:
                return row.claim.wish, []
            row.claim = replace(row.claim, server=0, wish=Wish.NONE)
            row.job = replace(row.job, state=change.state, failure=change.failure)
            row.due = time.time() + change.delay
            if not change.state.is_final:
                return Wish.NONE, []
            row.job = replace(row.job, completed=time.time())
            if change.state is State.SUCCESS:
                row.claim = replace(row.claim, secrets={})
            for output in change.outputs:
                self._outputs[claim.id, output.key] = output, time.time()
            return Wish.NONE, self.trim(keep)

    def pause(self, id: str) -> bool:
        with self._lock:
            row = self._rows.get(id)
            if row is not None and row.job.state in (State.PENDING, State.RETRY):
                row.job = replace(row.job, state=State.PAUSED)
            elif row is not None and row.job.state is State.RUNNING:
                row.claim = replace(row.claim, wish=Wish.PAUSE)
            return row is not None

    def resume(self, id: str) -> bool:
        with self._lock:
            row = self._rows.get(id)
            if row is None or row.job.state is not State.PAUSED:
                return False
            row.job = replace(row.job, state=State.PENDING)
            return True

    def cancel(self, id: str) -> bool:
        with self._lock:
            row = self._rows.get(id)
            if row is not None and row.job.state is State.RUNNING:
                row.claim = replace(row.claim, wish=Wish.CANCEL)
            elif row is not None and not row.job.state.is_final:
                failure = Failure(CanceledJob.code)
                row.job = replace(row.job, state=State.FAILURE, failure=failure, completed=time.time())
            return row is not None

    def resubmit(self, id: str) -> bool:
        with self._lock:
            row = self._rows.get(id)
            if row is None or row.job.state is not State.FAILURE:
                return False
            row.job = replace(
                row.job, state=State.PENDING, failure=None, completed=None, progress=0, runtime=0
            )
            before = row.claim.saved or row.claim.before
            row.claim = replace(row.claim, saved=None, before=before, retries=0, runtime=0, progress=0)
            return True

    def delete(self, id: str) -> list[str] | None:
        with self._lock:
            row = self._rows.get(id)
            if row is None or not row.job.state.is_final:
                return None
            del self._rows[id]
            return self._drop(key for key in self._outputs if key[0] == id)

    def trim(self, keep: Keep) -> list[str]:
        with self._lock:
            ended = sorted(
                (row.job for row in self._rows.values() if row.job.state.is_final),
                key=lambda job: job.completed or 0,
                reverse=True,
            )
            blobs = [blob for job in ended[keep.jobs :] for blob in self.delete(job.id) or ()]
            archives = sorted(
                (key for key in self._outputs if key[1] == ARCHIVE),
                key=lambda key: self._outputs[key][1],
                reverse=True,
            )
            return blobs + self._drop(archives[keep.archives :])

    def clear(self) -> list[str]:
        with self._lock:
            self._rows.clear()
            return self._drop(self._outputs)

    def output(self, id: str, key: str) -> Output | None:
        found = self._outputs.get((id, key))
        return None if found is None else found[0]

    def delete_output(self, id: str, key: str) -> str | None:
        found = self._outputs.pop((id, key), None)
        return None if found is None else found[0].uuid

    def _drop(self, keys: Iterable[tuple[str, str]]) -> list[str]:
        return [self._outputs.pop(key)[0].uuid for key in list(keys)]


@dataclass(slots=True)
class _Row:
    """A job of :class:`MemoryJobs`, as clients and as workers see it."""

    job: Job
    claim: Claim
    due: float = 0.0

    def apply(self, change: Change) -> None:
        given = {
            name: value
            for name in ("progress", "content", "saved", "runtime", "retries")
            if (value := getattr(change, name)) is not None
        }
        self.claim = replace(self.claim, **given)
        if change.saved is not None:
            self.claim = replace(self.claim, before=None)
        shown = {name: value for name, value in given.items() if name in ("progress", "content", "runtime")}
        self.job = replace(self.job, **shown)
