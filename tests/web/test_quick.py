"""Answers that the event loop gives itself: only while they take no time, and the same as any other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.errors import BadRequest
from orthanclite.core.metrics import Metrics
from orthanclite.web import dispatch
from orthanclite.web.answers.responses import Response, text_response
from orthanclite.web.call import Call
from orthanclite.web.dispatch import Dispatcher
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.routing import Router, RouteTable
from tests.support.records import dicom_file
from tests.support.server import orthanclite, running


class Site:
    """One route, ``/x``, with a quick handler; asked without a network."""

    def __init__(self, quick: Callable[[Call], Response | None], policy: HttpPolicy) -> None:
        router = Router("Test")

        @router.get("/x", "Test", quick=quick)
        def in_a_thread(call: Call) -> Response:
            return text_response(threading.current_thread().name)

        self._pool = ThreadPoolExecutor(1, "pool")
        self._dispatcher = Dispatcher(RouteTable([router]), policy, self._pool, self._pool, Metrics(True))

    async def get(self) -> tuple[int, str]:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/x",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self._dispatcher(scope, receive, send)
        return sent[0]["status"], sent[1]["body"].decode()


def ask(handler: Callable[[Call], Response | None], count: int = 1, **policy: Any) -> list[tuple[int, str]]:
    site = Site(handler, HttpPolicy(**{"quick": True, **policy}))

    async def run() -> list[tuple[int, str]]:
        return [await site.get() for _ in range(count)]

    return asyncio.run(run())


def here(call: Call) -> Response:
    return text_response(threading.current_thread().name)


def test_the_loop_answers_where_it_may() -> None:
    assert ask(here) == [(200, "MainThread")]
    assert ask(here, quick=False) == [(200, "pool_0")]
    assert ask(here, compression=True) == [(200, "pool_0")]


def test_what_takes_longer_goes_to_a_thread() -> None:
    assert ask(lambda call: None) == [(200, "pool_0")]


def test_an_error_is_an_answer() -> None:
    def fails(call: Call) -> Response:
        raise BadRequest("no")

    def breaks(call: Call) -> Response:
        raise ValueError

    assert ask(fails)[0][0] == 400
    assert ask(breaks)[0][0] == 500


def test_after_a_slow_answer_threads_give_them_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(call: Call) -> Response:
        time.sleep(0.05)
        return here(call)

    assert ask(slow, 3) == [(200, "MainThread"), (200, "pool_0"), (200, "pool_0")]
    monkeypatch.setattr(dispatch, "_PAUSE", 0.0)
    assert ask(slow, 2) == [(200, "MainThread"), (200, "MainThread")]


def test_answers_of_the_loop_are_those_of_a_thread(tmp_path: Path) -> None:
    """HttpCompressionEnabled sends all to threads."""
    files = [dicom_file(instance=f"1.2.3.{number}") for number in range(3)]
    files.append(dicom_file(instance="1.2.3.9", pixels=bytes(2 * 900 * 900), side=900))  # larger than 1 MB
    with (
        running(orthanclite(tmp_path / "loop", {"StableAge": 3600})) as loop,
        running(
            orthanclite(tmp_path / "threads", {"StableAge": 3600, "HttpCompressionEnabled": True})
        ) as threads,
    ):
        ids = [loop.upload(file)["ID"] for file in files]
        assert [threads.upload(file)["ID"] for file in files] == ids
        uploaded = {loop.upload(files[0])["ParentStudy"], loop.upload(files[0])["ParentSeries"]}
        paths = ["/statistics", "/changes", "/changes?last", "/changes?limit=2", "/changes?limit=0"]
        paths += ["/instances/unknown", "/instances/unknown/file", "/instances/unknown/tags"]
        paths += [f"/studies/{one}" for one in uploaded] + [f"/series/{one}" for one in uploaded]
        for id in ids:
            paths += [
                f"/instances/{id}",
                f"/instances/{id}?short",
                f"/instances/{id}?requested-tags=Rows;PatientName",
                f"/instances/{id}?requested-tags=NoSuchTag",
                f"/instances/{id}?response-content=Nonsense",
                f"/instances/{id}/series",
                f"/instances/{id}/patient?full",
                f"/instances/{id}/tags",
                f"/instances/{id}/tags",  # now from the cache
                f"/instances/{id}/tags?simplify&whole",
                f"/instances/{id}/simplified-tags",
                f"/instances/{id}/file",
                f"/instances/{id}/file?filename=a.dcm",
                f"/instances/{id}/metadata/TransferSyntax",
                f"/instances/{id}/metadata/Nonsense",
            ]
        for path in paths:
            ours, theirs = (server.client.get(path) for server in (loop, threads))
            assert ours.status_code == theirs.status_code, path
            assert shown(ours) == shown(theirs), path


def shown(answer: Any) -> object:
    """An answer without what differs from server to server."""
    if "json" not in answer.headers.get("content-type", ""):
        return answer.headers.get("content-type"), answer.headers.get("content-disposition"), answer.content
    return without_differences(answer.json())


def without_differences(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without_differences(one)
            for key, one in value.items()
            if key not in {"FileUuid", "Date", "LastUpdate", "IsStable"}
        }
    return [without_differences(one) for one in value] if isinstance(value, list) else value
