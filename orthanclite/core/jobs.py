"""Jobs: long work that is a row in the index, done step by step, by whichever server claims it.

A job is made of a :class:`Submission`, which names a :class:`Kind`. A worker that claims the job has the kind
make a :class:`Run` and calls its ``step`` until it is done. Each step tells its :class:`Progress`; what it
wants to find again after a crash is in ``Progress.saved``, and is committed before the next step begins.

A step may be repeated: a server can die, or be given up by the others, after the effect of a step and before
what it has saved is committed. So a repeated step must have the same effect. An instance that is stored
again with the same identifiers is stored once; identifiers are therefore drawn and saved in a step before the
first one that uses them. What a job brings forth otherwise is an :class:`Output`, which exists once it is
committed with the end of the job.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from orthanclite.core.errors import OrthancError, error_with

RETRY = "Retry"
"""The parameter of a job that says how many times in a row a failed step is tried again. Without it, its kind
says so."""


class State(StrEnum):
    """The states that clients see."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILURE = "Failure"
    PAUSED = "Paused"
    RETRY = "Retry"  # a step has failed, and will be tried again in a while

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (State.SUCCESS, State.FAILURE)


class Wish(StrEnum):
    """What a client wants of a running job; its worker follows between two steps."""

    NONE = ""
    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be done."""

    kind: str
    parameters: Mapping[str, Any]
    """JSON that the kind reads. No passwords in it: they are :attr:`secrets`. See also :data:`RETRY`."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What ``Content`` shows before the first step."""
    priority: int = 0
    """The highest goes first; may be negative."""
    permissive: bool = False
    """Whether the job goes on, and succeeds, when it fails at some of its instances."""
    user_data: Any = None
    """Any JSON; None for none."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a client has given that nobody may read again, such as a header with a password. It is kept until
    the job has succeeded, or is forgotten."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a job has made."""

    key: str  # its name in the URI
    uuid: str  # of the blob
    size: int  # bytes
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has failed."""

    code: int
    details: str = ""
    payload: Any = None
    """JSON with more of it, such as a DIMSE status; None for none."""

    @classmethod
    def of(cls, error: OrthancError) -> Failure:
        """That of an error; its details are quoted."""
        return cls(error.code, error.details, error.payload)

    @property
    def error(self) -> OrthancError:
        """The error that whoever waits for the job is told."""
        return error_with(self.code, self.details, self.payload)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as clients see it. Moments are seconds since the epoch by the clock of the index."""

    id: str
    kind: str
    state: State
    priority: int
    progress: float  # 0 to 1
    created: float
    completed: float | None
    runtime: float  # seconds of work so far
    content: Mapping[str, Any]
    user_data: Any
    failure: Failure | None
    now: float  # when this was read

    @property
    def remaining(self) -> float | None:
        """Seconds until the end, estimated from the progress; None where that tells nothing."""
        if self.state is not State.RUNNING or self.progress <= 0:
            return None
        return self.runtime * (1 - self.progress) / self.progress


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a server has taken on. Server and attempt are checked at every write of its worker."""

    id: str
    kind: str
    server: int
    attempt: int
    parameters: Mapping[str, Any]
    saved: Mapping[str, Any] | None
    """What the last step has saved; None where none has."""
    progress: float
    content: Mapping[str, Any]
    permissive: bool
    retries: int  # how often in a row a step has failed and was tried again
    runtime: float
    wish: Wish
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    before: Mapping[str, Any] | None = None
    """What was saved before the job failed and was submitted again, until it saves anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a worker writes of its job. What is None stays as it is."""

    progress: float | None = None
    content: Mapping[str, Any] | None = None
    saved: Mapping[str, Any] | None = None
    runtime: float | None = None
    retries: int | None = None
    state: State = State.RUNNING
    """Any other state ends the claim."""
    delay: float = 0.0
    """Seconds until the next try, with :attr:`State.RETRY`."""
    failure: Failure | None = None
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of what has ended is kept."""

    jobs: int  # JobsHistorySize
    archives: int  # MediaArchiveSize, outputs with the key "archive"


ARCHIVE = "archive"
"""The key of outputs whose number is limited."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step has come to."""

    fraction: float  # of all the work, 0 to 1
    content: Mapping[str, Any]  # what ``Content`` shows from now on
    done: bool = False
    saved: Mapping[str, Any] | None = None
    """JSON to begin the next run with; committed before the next step. None leaves what was saved before."""
    may_wait: bool = False
    """Whether ``saved`` may be committed later, within half a second and with the end of the run: a step that
    is repeated costs less than its commit."""
    outputs: tuple[Output, ...] = ()  # with ``done``; the blobs are durable
    failure: Failure | None = None
    """With ``done``: the job has failed, and ``content`` tells how far it came."""
    retry: Failure | None = None
    """With ``done``: why the step is tried again, if retries are left; otherwise the job ends as told."""


class Run(Protocol):
    """A job at work in one thread."""

    def step(self) -> Progress:
        """Do a piece of the work, of a second at most: a job is paused and cancelled between steps.

        A step that saves something has come forward: only those in a row that do not count as retries.

        :raises OrthancError: fails the job, or has the step tried again where the kind allows it
        """
        ...

    def close(self) -> None:
        """Give up what is unfinished. Called once, at the end of the run, whatever becomes of the job."""
        ...


class Kind(Protocol):
    """A type of jobs. A module in ``orthanclite/jobs/kinds`` and a line in the wiring add one."""

    @property
    def name(self) -> str:
        """``Type`` of its jobs."""
        ...

    @property
    def retries(self) -> int:
        """How many times in a row a step that has failed is tried again, after 1, 2, 4... up to 60 s.

        A job may have a number of its own, see :data:`RETRY`.
        """
        ...

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> Run:
        """Begin anew where nothing is saved, or go on after the step that has saved last.

        :param is_stopping: whether a long step should end early, as the server does
        :raises OrthancError: as :meth:`Run.step`
        """
        ...
