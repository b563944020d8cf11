"""What the protocol relies on in uvicorn: a release that changes it fails here, and says what.

The seam is public: ``Config(http=...)`` takes a class, and ``Server`` makes one of it for each connection.
How it is made, and what the server looks at afterwards, is documented nowhere.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from orthanclite.web.budget import MemoryBudget
from orthanclite.web.protocol.connection import HttpConnection, http_protocol
from orthanclite.web.protocol.patrol import Patrol
from tests.web.protocol.rig import Application, Memory, Receive, Recorder, Scope, Send


@contextmanager
def serving(
    application: Application, **options: Any
) -> Iterator[tuple[httpx.Client, uvicorn.Server, list[HttpConnection]]]:
    """A client of ``application`` behind uvicorn and our protocol; and the connections that were made."""
    made: list[HttpConnection] = []
    protocol: Any = http_protocol(Patrol(Memory(), MemoryBudget(), 30.0))

    class Observed(protocol):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            assert set(arguments) == {"config", "server_state", "app_state", "_loop"}
            super().__init__(**arguments)
            made.append(self)

    config = uvicorn.Config(
        application,
        http=Observed,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="off",
        ws="none",
        **options,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client, server, made
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def test_the_server_makes_our_connection_and_counts_it() -> None:
    with serving(recorder := Recorder()) as (client, server, made):
        for _ in range(2):
            answer = client.post("/a?b", content=b"body")
            assert (answer.status_code, answer.content) == (200, b"ok")
        [connection] = made
        assert list(map(id, server.server_state.connections)) == [id(connection)]
        assert server.server_state.total_requests == 2
        deadline = time.monotonic() + 30
        while server.server_state.tasks:  # a task is struck off in the loop's next turn
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert [request.body for request in recorder.requests] == [b"body", b"body"]
    assert server.server_state.connections == set()


def test_answers_bear_the_headers_of_the_server() -> None:
    with serving(Recorder(), server_header=False) as (client, _, _):
        assert "date" in client.get("/").headers
        assert "server" not in client.get("/").headers


def test_the_end_waits_for_requests_and_closes_idle_connections() -> None:
    released = threading.Event()
    entered = threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            entered.set()
            await asyncio.to_thread(released.wait, 30)
        await Recorder()(scope, receive, send)

    with serving(slow, timeout_graceful_shutdown=20) as (client, server, made):
        assert client.get("/").status_code == 200
        answers: list[httpx.Response] = []
        with httpx.Client(base_url=client.base_url, timeout=30) as other:
            asking = threading.Thread(target=lambda: answers.append(other.get("/slow")))
            asking.start()
            assert entered.wait(30)
            assert len(made) == 2
            server.should_exit = True
            deadline = time.monotonic() + 30
            while len(server.server_state.connections) > 1:  # the idle one goes
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert list(map(id, server.server_state.connections)) == [id(made[1])]
            released.set()
            asking.join(30)
        assert answers[0].status_code == 200
        assert answers[0].headers["connection"] == "close"


def test_the_end_cancels_requests_that_take_too_long() -> None:
    cancelled = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with serving(endless, timeout_graceful_shutdown=1) as (client, server, _):
        failures: list[httpx.TransportError] = []

        def ask() -> None:
            try:
                client.get("/")
            except httpx.TransportError as exc:
                failures.append(exc)

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 30
        while not server.server_state.tasks:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.should_exit = True
        asking.join(30)
        assert len(failures) == 1
        assert cancelled.is_set()


@pytest.mark.parametrize(
    "name", ["connections", "tasks", "total_requests", "default_headers"], ids=lambda name: f"state.{name}"
)
def test_the_state_has_what_we_use(name: str) -> None:
    assert hasattr(ServerState(), name)


@pytest.mark.parametrize("name", ["asgi_version", "root_path", "timeout_keep_alive", "loaded_app"])
def test_the_configuration_has_what_we_use(name: str) -> None:
    config = uvicorn.Config(Recorder(), log_config=None, interface="asgi3")
    config.load()
    assert hasattr(config, name)


def test_the_configuration_takes_what_we_give() -> None:
    """See ``app/server.py``."""
    parameters = inspect.signature(uvicorn.Config).parameters
    given = {
        *("http", "access_log", "log_config", "lifespan", "server_header", "proxy_headers", "ws"),
        *("timeout_keep_alive", "timeout_graceful_shutdown", "backlog"),
    }
    assert given <= set(parameters)
    assert "sockets" in inspect.signature(uvicorn.Server.serve).parameters
    assert inspect.isgeneratorfunction(inspect.unwrap(uvicorn.Server.capture_signals))
