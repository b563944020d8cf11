"""Sending stored instances to a modality (``DicomModalityStore``).

What is saved is how far it has come: where a server dies, some instances may be sent again, which a modality
answers as it answers any duplicate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, Protocol

from orthanclite.core.errors import OrthancError, UnknownResource
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.jobs import RETRY, Claim, Failure, Progress, Submission
from orthanclite.services.content.outgoing import OutgoingInstance
from orthanclite.services.remotes.client import (
    Call,
    ModalityClient,
    MoveOriginator,
    SopReference,
    StorageSession,
)
from orthanclite.services.remotes.selection import Selection

_BATCH = 256
"""Instances that are looked up together, and for which one association is negotiated where it can be."""
_AHEAD = 2
"""Instances that each of several associations has before it."""
_MOST_REASONS = 1000
"""Failed instances that are shown; all of them are counted."""


class Instances(Protocol):
    """The part of ``services.content.outgoing.OutgoingInstances`` that is used here."""

    def find(self, ids: Sequence[str]) -> Iterator[OutgoingInstance | None]: ...


class Commitments(Protocol):
    """The part of ``services.remotes.requested_commitments.RequestedCommitments`` that is used here."""

    def request(self, call: Call, transaction_uid: str, instances: Sequence[SopReference]) -> None: ...


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What is to be sent, and to whom."""

    call: Call
    selection: Selection
    originator: MoveOriginator | None = None
    description: str = "REST API"
    wants_commitment: bool = False
    """Whether the modality is asked to keep all of it, once it is sent."""


class ModalityStoreKind:
    """Sends instances, over as many associations as the modality takes (``ParallelAssociations``)."""

    name = "DicomModalityStore"
    retries = 0

    def __init__(self, instances: Instances, client: ModalityClient, commitments: Commitments) -> None:
        self._instances = instances
        self._client = client
        self._commitments = commitments

    def submission(
        self,
        request: StoreRequest,
        *,
        parameters: Mapping[str, Any] | None = None,
        priority: int = 0,
        permissive: bool = False,
        user_data: Any = None,
    ) -> Submission:
        """The job that sends what a request asks for.

        :param parameters: further ones, that the engine reads
        """
        originator = request.originator
        own: dict[str, Any] = {
            "call": request.call.to_json(),
            "instances": list(request.selection.instances),
            "originator": None if originator is None else [originator.aet, originator.message_id],
        }
        content = self._content(request)
        if request.wants_commitment:
            own["commitment"] = content["StorageCommitmentTransactionUID"] = generate_uid()
        return Submission(self.name, {**own, **(parameters or {})}, content, priority, permissive, user_data)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _StoreRun:
        return _StoreRun(claim, self._instances, self._client, self._commitments, is_stopping)

    def _content(self, request: StoreRequest) -> dict[str, Any]:
        content: dict[str, Any] = {
            "Description": request.description,
            "FailedInstancesCount": 0,
            "InstancesCount": len(request.selection.instances),
            "LocalAet": self._client.local_aet(request.call),
            "RemoteAet": request.call.modality.aet,
        }
        if request.originator is not None:
            content["MoveOriginatorAET"] = request.originator.aet
            content["MoveOriginatorID"] = request.originator.message_id
        content |= request.selection.content
        return content


@dataclass(slots=True)
class _Failed:
    """The instances that the modality has not taken."""

    count: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, id: str, error: OrthancError) -> None:
        self.count += 1
        if len(self.shown) < _MOST_REASONS:
            self.shown.append({"ID": id, "ErrorCode": error.code, "Reason": str(error)})


class _StoreRun:
    def __init__(
        self,
        claim: Claim,
        instances: Instances,
        client: ModalityClient,
        commitments: Commitments,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._instances = instances
        self._commitments = commitments
        self._is_stopping = is_stopping
        parameters, saved = claim.parameters, claim.saved or {}
        self._ids: Sequence[str] = parameters["instances"]
        self._position: int = saved.get("position", 0)  # of the first one that is not dealt with
        self._failed = _Failed(saved.get("failed", 0), list(saved.get("reasons", ())))
        self._content = claim.content
        self._permissive = claim.permissive
        self._tries: int = parameters.get(RETRY, 0)  # that are granted in a row
        self._tries_left = self._tries - claim.retries
        call = self._call = Call.of_json(parameters["call"])
        self._commitment: str | None = parameters.get("commitment")  # the transaction
        originator = parameters["originator"]
        made = None if originator is None else MoveOriginator(*originator)
        sessions = [client.store(call, made) for _ in range(call.modality.parallel_associations)]
        self._line = _Line(instances, self._ids, self._position, sessions)

    def step(self) -> Progress:
        if self._position < len(self._ids):
            sent = self._line.next()
            if sent.error is None:
                self._tries_left = self._tries
                self._position += 1
            elif (ending := self._fail(sent.fate, sent.error)) is not None:
                return ending
        if self._position < len(self._ids):
            return self._progress()
        self._line.close()
        if self._commitment is not None and (failure := self._ask_for_commitment(self._commitment)):
            return replace(self._progress(done=True), saved=None, failure=failure, retry=failure)
        return self._progress(done=True)

    def close(self) -> None:
        self._line.close()

    def _ask_for_commitment(self, transaction_uid: str) -> Failure | None:
        """Have the modality promise to keep what was sent; why it does not take that on."""
        found = (one for one in self._instances.find(self._ids) if one is not None)
        references = dict.fromkeys(SopReference(one.sop_class_uid, one.sop_instance_uid) for one in found)
        try:
            self._commitments.request(self._call, transaction_uid, list(references))
        except OrthancError as exc:
            if self._is_stopping():  # which may be why
                raise
            return Failure.of(exc)
        return None

    def _fail(self, fate: _Fate, error: OrthancError) -> Progress | None:
        """Note that the next instance was not sent; how the run ends for it, if it does."""
        if self._is_stopping():  # which may be why
            raise error
        failure = Failure.of(error)
        # What a modality refuses is not offered again where a job may go on without it.
        if self._tries_left > 0 and not (self._permissive and fate is _Fate.REFUSED):
            self._line.close()
            return replace(self._progress(done=True), saved=None, failure=failure, retry=failure)
        if not self._permissive:
            self._failed.add(self._ids[self._position], error)
            self._line.close()
            return replace(self._progress(done=True), failure=failure)
        is_last_word = fate is _Fate.UNREACHABLE
        for id in self._ids[self._position :] if is_last_word else [self._ids[self._position]]:
            self._failed.add(id, error)
            self._position += 1
        return None

    def _progress(self, done: bool = False) -> Progress:
        failed = self._failed
        content = {**self._content, "FailedInstancesCount": failed.count}
        if failed.count:
            content["FailedInstances"] = failed.shown
        saved = {"position": self._position, "failed": failed.count, "reasons": failed.shown}
        fraction = self._position / len(self._ids) if self._ids else 1.0
        return Progress(fraction, content, done, saved, may_wait=True)


class _Fate(Enum):
    """What became of an instance."""

    TAKEN = auto()
    REFUSED = auto()  # this instance
    BROKEN = auto()  # the association, while it was sent
    UNREACHABLE = auto()  # there is no association to be had


@dataclass(frozen=True, slots=True)
class _Sent:
    fate: _Fate
    error: OrthancError | None = None


class _Line:
    """Instances on their way, from a position on. With several sessions, some are sent at the same time."""

    def __init__(
        self, instances: Instances, ids: Sequence[str], position: int, sessions: Sequence[StorageSession]
    ) -> None:
        self._instances = instances
        self._ids = ids
        self._next = position  # the next one to take
        self._found: deque[OutgoingInstance | None] = deque()
        self._sessions = sessions
        self._free: SimpleQueue[StorageSession] = SimpleQueue()
        for session in sessions:
            self._free.put(session)
        self._threads = ThreadPoolExecutor(len(sessions), "store") if len(sessions) > 1 else None
        self._under_way: deque[Future[_Sent]] = deque()

    def next(self) -> _Sent:
        """What became of the next instance, in their order."""
        if self._threads is None:
            instance = self._take()
            return self._send(instance, self._found[0] if self._found else None)
        while self._next < len(self._ids) and len(self._under_way) < _AHEAD * len(self._sessions):
            self._under_way.append(self._threads.submit(self._send, self._take()))
        return self._under_way.popleft().result()

    def close(self) -> None:
        """Let what is being sent come to its end, and release the associations. May be called again."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for session in self._sessions:
            session.close()

    def _take(self) -> OutgoingInstance | None:
        if not self._found:
            self._found.extend(self._instances.find(self._ids[self._next : self._next + _BATCH]))
            for session in self._sessions:
                session.expect(one for one in self._found if one is not None)
        self._next += 1
        return self._found.popleft()

    def _send(self, instance: OutgoingInstance | None, following: OutgoingInstance | None = None) -> _Sent:
        if instance is None:
            return _Sent(_Fate.REFUSED, UnknownResource("It was deleted before it could be sent"))
        session = self._free.get()
        try:
            session.prepare(instance)
        except OrthancError as exc:
            return _Sent(_Fate.UNREACHABLE, exc)
        else:
            return self._send_over(session, instance, following)
        finally:
            self._free.put(session)

    @staticmethod
    def _send_over(
        session: StorageSession, instance: OutgoingInstance, following: OutgoingInstance | None
    ) -> _Sent:
        try:
            error = session.send(instance, following)
        except OrthancError as exc:
            return _Sent(_Fate.BROKEN, exc)
        return _Sent(_Fate.TAKEN if error is None else _Fate.REFUSED, error)
