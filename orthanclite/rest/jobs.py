"""Jobs: ``/jobs``, what they have made, and the stream of what happens to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from orthanclite.core.error_codes import ERROR_MESSAGES
from orthanclite.core.errors import InexistentItem
from orthanclite.core.jobs import Job
from orthanclite.core.principal import Access
from orthanclite.core.text.styled_json import text_within
from orthanclite.jobs.engine import JobEngine
from orthanclite.jobs.events import JobEvent, JobEvents
from orthanclite.rest.resources.views import EXPAND_ARGUMENT
from orthanclite.web.answers.ranges import download_response
from orthanclite.web.answers.responses import (
    Response,
    StreamResponse,
    empty,
    json_bytes,
    json_response,
    literal_object,
)
from orthanclite.web.call import Call
from orthanclite.web.routing import Router

_HEARTBEAT = 15.0
"""Seconds after which a stream of events without news shows that it lives."""

_FEW = 100
"""Jobs that are rather read one by one than with all others."""


def job_routes(engine: JobEngine) -> Router:
    router, rendered = Router("Jobs"), RenderedJobs(engine)

    @router.get("/jobs", "List the jobs", query=(EXPAND_ARGUMENT,))
    def list_jobs(call: Call) -> Response:
        if call.flag("expand"):
            return json_bytes(rendered.all())
        return json_response(engine.ids())

    @router.get(
        "/jobs/events",
        "Follow the jobs of this server",
        description="Server-sent events: ID, Type, State and Progress of each job that something happens to.",
        answers="text/event-stream",
    )
    def follow(call: Call) -> Response:
        response = StreamResponse(_stream(engine.events), "text/event-stream")
        return response.with_header("Cache-Control", "no-store")

    @router.get("/jobs/{id}", "Get a job")
    def get_job(call: Call) -> Response | None:
        job = engine.get(call.params["id"])
        return None if job is None else json_response(describe(job))

    @router.delete("/jobs/{id}", "Forget a job that has ended", access=Access.ADMINISTER)
    def delete_job(call: Call) -> Response:
        if not engine.delete(call.params["id"]):
            raise InexistentItem(f"No job found with this id: {call.params['id']}")
        return empty()

    _add_actions(router, engine)
    _add_outputs(router, engine)
    return router


def _add_actions(router: Router, engine: JobEngine) -> None:
    for name, summary, action in (
        ("pause", "Pause a job", engine.pause),
        ("resume", "Resume a paused job", engine.resume),
        ("cancel", "Cancel a job", engine.cancel),
        ("resubmit", "Begin a failed job anew", engine.resubmit),
    ):

        def act(call: Call, action: Any = action) -> Response | None:
            return literal_object() if action(call.params["id"]) else None

        # Also of a read-only server, which makes archives and sends in jobs.
        router.post(f"/jobs/{{id}}/{name}", summary, answers="application/json", access=Access.ADMINISTER)(
            act
        )


def _add_outputs(router: Router, engine: JobEngine) -> None:
    @router.get("/jobs/{id}/{key}", "Get an output of a job", answers="application/octet-stream")
    def get_output(call: Call) -> Response:
        output = engine.output(call.params["id"], call.params["key"])
        if output is None:
            raise _no_output(call)
        pieces = partial(engine.read, output)
        return download_response(call, output.size, pieces, output.media_type, output.filename, output.uuid)

    @router.delete("/jobs/{id}/{key}", "Delete an output of a job", access=Access.ADMINISTER)
    def delete_output(call: Call) -> Response:
        if not engine.delete_output(call.params["id"], call.params["key"]):
            raise _no_output(call)
        return empty()


def _no_output(call: Call) -> InexistentItem:
    return InexistentItem(f"Job has no such output: {call.params['key']}")


class RenderedJobs:
    """All jobs as JSON text. One that has ended changes no more, and is rendered once. Thread-safe."""

    def __init__(self, engine: JobEngine) -> None:
        self._engine = engine
        self._ended: dict[str, tuple[float, str, str]] = {}
        """The moment of its end, and the text before and after the time of the answer, of each job."""

    def all(self) -> bytes:
        """Expanded, in the order of their identifiers."""
        endings, ended, now = self._engine.endings(), self._ended, _time(time.time())
        kept = {id: known for id, known in ended.items() if endings.get(id) == known[0]}
        missing = [id for id in endings if id not in kept]
        jobs = self._engine.all() if len(missing) > _FEW else map(self._engine.get, missing)
        parts = {id: (before, after) for id, (_, before, after) in kept.items()}
        for job in jobs:
            if job is None or job.id in kept:
                continue
            before, after = parts[job.id] = _around_time(job)
            if job.completed is not None:
                kept[job.id] = job.completed, before, after
        self._ended = kept
        texts = [f"{parts[id][0]}{now}{parts[id][1]}" for id in sorted(parts)]
        listed = ",\n   ".join(texts)
        return f"[\n   {listed}\n]".encode("ascii") if texts else b"[]"


def _around_time(job: Job) -> tuple[str, str]:
    """The text of a job in a list, before and after the time of the answer."""
    before, name, after = text_within(describe(job), 1).partition('\n      "Timestamp" : "')
    return before + name, after[after.index('"') :]


def describe(job: Job) -> dict[str, Any]:
    """A job as the reference shows it."""
    failure = job.failure
    code = 0 if failure is None else failure.code
    shown: dict[str, Any] = {
        "CompletionTime": None if job.completed is None else _time(job.completed),
        "Content": job.content,
        "CreationTime": _time(job.created),
        "EffectiveRuntime": round(job.runtime, 3),
        "ErrorCode": code,
        "ErrorDescription": ERROR_MESSAGES.get(code, ""),
        "ErrorDetails": "" if failure is None else failure.details,
        "ErrorPayload": None if failure is None else failure.payload,
        "EstimatedTimeOfArrival": None if job.remaining is None else _time(job.now + job.remaining),
        "ID": job.id,
        "Priority": job.priority,
        "Progress": _percent(job.progress),
        "State": job.state,
        "Timestamp": _time(job.now),
        "Type": job.kind,
        "UserData": job.user_data,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _percent(fraction: float) -> int:
    """The nearest whole number: release 1.13 shows 67 for two thirds."""
    return int(100 * fraction + 0.5)


def _time(moment: float) -> str:
    """``YYYYMMDDTHHMMSS.ffffff`` in UTC."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
    return text[:26].replace("-", "").replace(":", "")


async def _stream(events: JobEvents) -> AsyncIterator[bytes]:
    """Server-sent events (HTML Living Standard, section 9.2).

    :raises Busy: where there are too many listeners
    """
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    listener = events.listen(lambda: loop.call_soon_threadsafe(woken.set))
    try:
        yield b": jobs\n\n"
        while not listener.is_over:
            try:
                await asyncio.wait_for(woken.wait(), _HEARTBEAT)
            except TimeoutError:
                yield b":\n\n"
            woken.clear()
            if news := listener.take():
                yield b"".join(map(_event, news))
    finally:
        events.leave(listener)


def _event(event: JobEvent) -> bytes:
    told = {
        "ID": event.id,
        "Type": event.kind,
        "State": event.state,
        "Progress": _percent(event.progress),
    }
    return b"data: " + orjson.dumps(told) + b"\n\n"
