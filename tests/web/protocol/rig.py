"""A connection without a network: bytes go in by hand, and everything that happens can be seen."""

from __future__ import annotations

import asyncio
import math
import mmap
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from orthanclite.web.budget import MemoryBudget
from orthanclite.web.protocol.connection import HttpConnection, http_protocol
from orthanclite.web.protocol.patrol import Patrol

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class Request:
    """A request as an application sees it."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False


class Recorder:
    """An application that takes down each request, reads its body and says yes."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        request = Request(scope["method"], target, scope["headers"])
        self.requests.append(request)
        while not request.complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            request.body += bytes(message["body"])
            request.complete = not message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Memory:
    """Memory for bodies that are read directly."""

    def __init__(self, capacity: int = 1 << 30) -> None:
        self.capacity = capacity
        self.populated = 0  # bytes

    def has(self, size: int) -> bool:
        return size <= self.capacity

    def take(self, size: int) -> mmap.mmap:
        return mmap.mmap(-1, size)

    def populate(self, piece: mmap.mmap) -> None:
        self.populated += len(piece)


class Wire(asyncio.Transport):
    """The side of the network: what was sent, and whether reading is paused.

    :param room: bytes that the client's side takes before it must be read
    """

    def __init__(self, room: float = math.inf) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.2", 8042)})
        self.sent = bytearray()
        self.room = room
        self.reading = True
        self.closed = self.aborted = self.ended = False
        self.protocol: HttpConnection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended
        self.sent += data
        assert self.protocol is not None
        if self.get_write_buffer_size() > 1 << 16 and not self.protocol.writing_paused:
            self.protocol.pause_writing()

    def read(self, size: float) -> None:
        """Let the client read ``size`` bytes more."""
        self.room += size
        assert self.protocol is not None
        if self.protocol.writing_paused and self.get_write_buffer_size() <= 1 << 14:
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return int(max(0, len(self.sent) - self.room))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Rig:
    """A connection to ``application``, within a running event loop."""

    def __init__(
        self,
        application: Application | None = None,
        memory: Memory | None = None,
        budget: MemoryBudget | None = None,
        room: float = math.inf,
        patrol: Patrol | None = None,
    ) -> None:
        self.application = application or Recorder()
        self.patrol = patrol or Patrol(memory or Memory(), budget or MemoryBudget(), 30.0)
        config = uvicorn.Config(self.application, lifespan="off", log_config=None, interface="asgi3")
        config.load()
        self.state = ServerState()
        self.wire = Wire(room)
        protocol: Any = http_protocol(self.patrol)
        self.connection: HttpConnection = protocol(config=config, server_state=self.state, app_state={})
        self.wire.protocol = self.connection
        self.connection.connection_made(self.wire)

    @property
    def sent(self) -> bytes:
        """All answers."""
        return bytes(self.wire.sent)

    @property
    def open(self) -> bool:
        """Whether requests are still served."""
        return not (self.wire.closed or self.wire.ended)

    async def feed(self, data: bytes) -> bytes:
        """Let ``data`` arrive; what is left of it where reading is paused or the connection is closed."""
        while data and self.wire.reading and not self.wire.closed:
            buffer = self.connection.get_buffer(-1)
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            self.connection.buffer_updated(size)
            data = data[size:]
            await self.settle()
        return data

    async def settle(self) -> None:
        """Let the application do what it can do now."""
        before = None
        while before != (before := (len(self.wire.sent), len(self.state.tasks), self.state.total_requests)):
            for _ in range(4):
                await asyncio.sleep(0)

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let the patrol look as often as in ``seconds`` from now."""
        now = asyncio.get_running_loop().time()
        for number in range(1, int(seconds / step) + 2):
            if self.wire.closed:
                return
            self.connection.check(now + number * step)

    async def close(self) -> None:
        """Let the client go, and all tasks end."""
        self.connection.connection_lost(None)
        for task in list(self.state.tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self.patrol._timer is not None:
            self.patrol._timer.cancel()
            self.patrol._timer = None


def exchange(pieces: Iterable[bytes], **options: Any) -> tuple[list[Request], bytes, bool]:
    """The requests that come out of ``pieces``, all answers, and whether the connection is still open."""

    async def run() -> tuple[list[Request], bytes, bool]:
        rig = Rig(recorder := Recorder(), **options)
        try:
            for piece in pieces:
                await rig.feed(piece)
            return recorder.requests, rig.sent, rig.open
        finally:
            await rig.close()

    return _loop().run_until_complete(run())


_LOOPS: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    if not _LOOPS:
        _LOOPS.append(asyncio.new_event_loop())
    return _LOOPS[0]


def run(work: Awaitable[None]) -> None:
    """Run a test on the event loop of this module."""
    _loop().run_until_complete(work)
