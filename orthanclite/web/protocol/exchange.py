"""One request and its answer, as an ASGI application sees them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping, Sequence
from typing import Any, Protocol

from starlette.types import ASGIApp

from orthanclite.core.machine.buffers import Buffer
from orthanclite.web.protocol import answers
from orthanclite.web.protocol.head import Head, Header, tokens

Sent = bytes | bytearray | memoryview
"""A part of an answer."""

WHOLE_ANSWER = "orthanclite.whole_answer"
"""The ASGI extension of a server that sends an answer in one piece, head and body: a callable of the status,
the headers and the body; False where it did not."""

IS_GONE = "orthanclite.is_gone"
"""The ASGI extension of a server that tells at any time whether the client has gone: a callable."""

_JOINED = 256 * 1024
"""Bytes of a body up to which copying it behind the head costs less than to send it from another place."""

_CONNECTION_HEADERS = frozenset({b"connection", b"keep-alive"})

_logger = logging.getLogger("orthanclite.http")


class Line(Protocol):
    """What an exchange needs of its connection."""

    writing_paused: bool

    @property
    def default_headers(self) -> list[Header]:
        """Headers of every answer."""
        ...

    def write(self, *data: Sent) -> None: ...

    async def drain(self) -> None:
        """Wait until the client has read most of what was written, or has gone."""
        ...

    def taken(self, size: int) -> None:
        """Note that the application has taken ``size`` bytes of the body."""
        ...

    def stays_in_step(self, exchange: Exchange) -> bool:
        """Whether a next request can be told from what may still come of this one's body."""
        ...

    def answered(self, exchange: Exchange) -> None:
        """Go on after a complete answer."""
        ...

    def abandon(self) -> None:
        """Close after an answer that cannot be completed."""
        ...


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_chunked",
        "_event",
        "_left",
        "_line",
        "_pieces",
        "_told_all",
        "arrived",
        "awaits_continue",
        "complete",
        "gone",
        "head",
        "keep_alive",
        "received_all",
        "scope",
        "started",
        "untaken",
    )

    def __init__(self, line: Line, head: Head, scope: MutableMapping[str, Any]) -> None:
        self.head = head
        self.scope = scope
        self.keep_alive = head.keep_alive
        self.awaits_continue = head.expects_continue
        self.arrived = False  # whether anything of the body has come
        self.untaken = 0  # bytes of the body that the application has not taken
        self.received_all = not head.has_body
        self.started = self.complete = False  # the answer
        self.gone = False  # the client
        self._line = line
        self._pieces: list[Buffer] = []
        self._told_all = False
        self._chunked = False
        self._left: int | None = None  # bytes of the answer that its length announces
        self._event: asyncio.Event | None = None

    # -- from the connection -----------------------------------------------------------------------

    def deliver(self, piece: Buffer, last: bool) -> None:
        """Take a part of the body."""
        if piece and not self.complete:
            self._pieces.append(piece)
            self.untaken += len(piece)
        self.arrived = True
        self.received_all = last
        self._wake()

    def disconnect(self) -> None:
        """The client has gone, or is not served any longer."""
        self.gone = True
        self._drop_body()
        self._wake()

    def is_gone(self) -> bool:
        """Whether the client has gone: nobody waits for the answer."""
        return self.gone

    async def run(self, application: ASGIApp) -> None:
        """Let ``application`` answer."""
        try:
            await application(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._line.abandon()
            raise
        except Exception:
            _logger.exception("%s %s failed in the application", self.head.method, self.scope["path"])
        if self.complete or self.gone:
            return
        if self.started:
            self._line.abandon()
            return
        self.keep_alive = False
        await self.send(
            {"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]}
        )
        await self.send({"type": "http.response.body"})

    # -- ASGI --------------------------------------------------------------------------------------

    async def receive(self) -> MutableMapping[str, Any]:
        """See ASGI."""
        while not (self.complete or self.gone):
            if self.awaits_continue:
                self.awaits_continue = False
                if not self.started:
                    self._line.write(answers.CONTINUE)
            if self._pieces or (self.received_all and not self._told_all):
                self._told_all = self.received_all
                return {"type": "http.request", "body": self._take(), "more_body": not self.received_all}
            if self._event is None:
                self._event = asyncio.Event()
            self._event.clear()
            await self._event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """See ASGI."""
        if self._line.writing_paused and not self.gone:
            await self._line.drain()
        if self.gone:
            return
        kind = message["type"]
        if not self.started and kind == "http.response.start":
            self._start(message["status"], list(message.get("headers", ())))
        elif self.started and not self.complete and kind == "http.response.body":
            self._continue(message.get("body", b""), message.get("more_body", False))
            if self._line.writing_paused and not self.complete:
                await self._line.drain()  # before the application makes the next part
        else:
            raise RuntimeError(f"ASGI message {kind!r} out of turn")

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Send an answer by one call of the system: for a small one, ASGI's two messages cost more than the
        rest of its request, and a client that waits for a large one is not woken up for its head alone.

        :param headers: valid, with the length of the body
        :return: False where nothing was done, and the answer must go the long way
        """
        line = self._line
        if line.writing_paused or self.gone or not self.keep_alive or self.head.method == "HEAD":
            return False
        if not (self.received_all or line.stays_in_step(self)):
            return False
        content = [answers.STATUS_LINES[status]]
        for name, value in (*line.default_headers, *headers):
            content += (name, b": ", value, b"\r\n")
        content.append(b"\r\n")
        self.started = True
        if len(body) > _JOINED:
            line.write(b"".join(content), body)
        else:
            line.write(b"".join((*content, body)))
        self._finish()
        return True

    def _start(self, status: int, headers: list[Header]) -> None:
        answers.check(headers)
        self.started = True
        closing = any(name.lower() == b"connection" and b"close" in tokens(value) for name, value in headers)
        if closing or not (self.received_all or self._line.stays_in_step(self)):
            self.keep_alive = False
        lengths = [value for name, value in headers if name.lower() == b"content-length"]
        if status in (204, 304) or self.head.method == "HEAD":
            self._left = 0
        elif lengths:
            self._left = int(lengths[0])
        elif self.head.version == "1.1":
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        else:
            self.keep_alive = False  # the end of the connection is the end of the answer
        if not self.keep_alive:
            headers = [header for header in headers if header[0].lower() not in _CONNECTION_HEADERS]
            headers.append((b"connection", b"close"))
        self._line.write(answers.head(status, [*self._line.default_headers, *headers]))

    def _continue(self, body: Sent, more: bool) -> None:
        if self.head.method == "HEAD":
            body = b""
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("The answer is not as long as its Content-Length")
        if self._chunked:
            end = b"" if more else b"0\r\n\r\n"
            sent = (b"%x\r\n" % len(body), body, b"\r\n" + end) if body else (end,)
            if len(body) <= _JOINED:
                sent = (b"".join(sent),)
            if sent[0]:
                self._line.write(*sent)
        elif body:
            self._line.write(body)
        if not more:
            self._finish()

    def _finish(self) -> None:
        self.complete = True
        self._drop_body()
        self._wake()
        self._line.answered(self)

    # -- the body of the request -------------------------------------------------------------------

    def _take(self) -> Buffer:
        pieces, self._pieces = self._pieces, []
        size, self.untaken = self.untaken, 0
        self._line.taken(size)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _drop_body(self) -> None:
        if self._pieces:
            self._take()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()
