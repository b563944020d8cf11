"""Fetching resources from a modality: ``DicomMoveScu`` and ``DicomGetScu``.

What is fetched already is saved, resource by resource. Of one that was interrupted, only what is missing is
asked for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import Any

from orthanclite.core.errors import DimseFailure, OrthancError
from orthanclite.core.jobs import RETRY, Claim, Failure, Progress, Submission
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.remotes.registry import RetrieveMethod
from orthanclite.services.retrieve.network import Retriever
from orthanclite.services.retrieve.retrieval import Fetching, RetrieveRequest, RetrieveService

RETRIEVE_JOB = "RetrieveJob"
_SAVE_AFTER = 1.0  # seconds: many small resources must not mean many writes
_PATIENCE = 3.0  # seconds for the final response of what was cancelled


class RetrieveKind:
    """Fetches resources by one method, one after the other over one association."""

    retries = 0

    def __init__(self, name: str, service: RetrieveService) -> None:
        self.name = name
        self._service = service

    def submission(
        self,
        request: RetrieveRequest,
        shown: Sequence[Mapping[str, str]],
        query: Sequence[Mapping[str, Any]],
        *,
        synchronous: bool,
        parameters: Mapping[str, Any],
        priority: int = 0,
        permissive: bool = False,
        user_data: Any = None,
    ) -> Submission:
        """The job that fetches resources.

        :param shown: how ``Details`` shows each of them
        :param query: how ``Query`` shows each of them
        :param synchronous: whether whoever asks waits for it, and is told of all resources if it fails
        :param parameters: what the engine reads
        :raises InexistentItem: for an unknown modality
        """
        local_aet, remote_aet = self._service.titles(request)
        content = {
            "Description": "REST API",
            "Details": [_details(one) for one in shown],
            "LocalAet": local_aet,
            "Query": list(query),
            "RemoteAet": remote_aet,
        }
        if request.method is RetrieveMethod.C_MOVE:
            content["TargetAet"] = request.destination
        given = {**parameters, **_parameters(request), "synchronous": synchronous}
        return Submission(self.name, given, content, priority, permissive, user_data)

    def begin(self, claim: Claim, is_stopping: Callable[[], bool]) -> _RetrieveRun:
        return _RetrieveRun(self._service, claim)


class _RetrieveRun:
    def __init__(self, service: RetrieveService, claim: Claim) -> None:
        self._service = service
        self._request = _request(claim.parameters)
        self._permissive = claim.permissive
        self._synchronous: bool = claim.parameters["synchronous"]
        self._tries_left: int = claim.parameters.get(RETRY, 0) - claim.retries
        self._all_tries: int = claim.parameters.get(RETRY, 0)
        self._content = {**claim.content}
        # The list of an earlier run may tell of a resource that is fetched again.
        done = list(claim.saved["details"]) if claim.saved else []
        self._details = [*done, *(_details(one["Query"]) for one in claim.content["Details"][len(done) :])]
        self._content["Details"] = self._details
        self._place = len(done)
        self._interrupted = self._place if claim.attempt > 1 else -1
        """The resource that an earlier run was at."""
        self._saved_place, self._saved_at = self._place, time.monotonic()
        self._association = ExitStack()
        self._retriever: Retriever | None = None
        self._fetching: Generator[None] | None = None
        self._state = Fetching()

    def step(self) -> Progress:
        if self._place == len(self._request.resources):
            return Progress(1, self._content, done=True)
        try:
            if self._fetch_more():
                return self._progress()
        except OrthancError as exc:
            return self._fail(exc)
        return self._next()

    def close(self) -> None:
        with suppress(OrthancError), self._association:
            fetching = self._fetching
            if fetching is None or self._retriever is None:
                return
            with closing(fetching):
                self._retriever.cancel()
                end = time.monotonic() + _PATIENCE
                while time.monotonic() < end and self._fetch_more():
                    pass

    def _fetch_more(self) -> bool:
        """Go on with the resource at hand; whether there is more to come of it."""
        if self._fetching is None:
            self._state = Fetching()
            resource = self._request.resources[self._place]
            self._fetching = self._service.fetch(
                self._request, resource, self._open, self._state, self._place == self._interrupted
            )
        try:
            next(self._fetching)
        except StopIteration:
            self._fetching = None
            return False
        finally:
            self._tell()
        return True

    def _open(self) -> Retriever:
        if self._retriever is None or not self._retriever.is_open:
            self._association.close()
            self._retriever = self._association.enter_context(self._service.open(self._request))
        return self._retriever

    def _tell(self) -> None:
        """Note in the content how far the resource at hand is."""
        state, details = self._state, self._details[self._place]
        details["DimseErrorStatus"] = state.status
        details["ReceivedInstancesIds"] = state.received
        if state.told is not None and state.told.failed:
            details["FailedInstancesCount"] = state.told.failed
            if state.told.failed_uids:
                details["FailedInstances"] = list(state.told.failed_uids)

    def _progress(self, saves: bool = False) -> Progress:
        told = self._state.told
        over = self._place + (0.0 if told is None else told.fraction)
        saved = None
        if saves and self._place > self._saved_place:
            self._saved_place, self._saved_at = self._place, time.monotonic()
            self._tries_left = self._all_tries
            saved = {"details": self._details[: self._place]}
        return Progress(over / len(self._request.resources), self._content, saved=saved)

    def _next(self) -> Progress:
        """The resource at hand is done with."""
        self._place += 1
        self._state = Fetching()
        return self._progress(saves=time.monotonic() - self._saved_at >= _SAVE_AFTER)

    def _fail(self, error: OrthancError) -> Progress:
        """What becomes of the job after a failure at the resource at hand."""
        self._fetching = None
        progress = self._progress(saves=True)
        if self._permissive and self._tries_left <= 0:
            self._details[self._place]["ErrorDetails"] = str(error)
            return self._next()
        payload = error.payload
        if self._synchronous:
            payload = {"Type": RETRIEVE_JOB, "Content": self._details}
        elif not isinstance(error, DimseFailure):
            payload = None
        failure = Failure(error.code, error.details, payload)
        return replace(progress, done=True, failure=failure, retry=failure)


def _details(query: Mapping[str, str]) -> dict[str, Any]:
    """How a resource is shown that nothing is known of yet."""
    return {"DimseErrorStatus": 0, "Query": dict(query), "ReceivedInstancesIds": []}


def _parameters(request: RetrieveRequest) -> dict[str, Any]:
    return {
        "modality": request.modality,
        "method": str(request.method),
        "level": int(request.level),
        "resources": [{tag_key(tag): text for tag, text in one.items()} for one in request.resources],
        "destination": request.destination,
        "local_aet": request.local_aet,
        "timeout": request.timeout,
    }


def _request(parameters: Mapping[str, Any]) -> RetrieveRequest:
    return RetrieveRequest(
        parameters["modality"],
        RetrieveMethod(parameters["method"]),
        Level(parameters["level"]),
        tuple({_tag(key): text for key, text in one.items()} for one in parameters["resources"]),
        parameters["destination"],
        parameters["local_aet"],
        parameters["timeout"],
    )


def _tag(key: str) -> int:
    """The tag ``gggg,eeee``."""
    return int(key[:4] + key[5:], 16)
