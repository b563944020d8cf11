"""uvicorn's protocol with bounds on the head of a request, and with answers that go out in one piece.

uvicorn has no bounds for the parser used here, neither on the size of a head nor on its time. Bodies are
bounded by the dispatcher, which knows what to expect.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from orthanclite.app.http_reader import PATIENCE, SMALLEST, ConnectionReader, scratch
from orthanclite.core.buffers import Buffer
from orthanclite.core.numbers import natural
from orthanclite.storage.shared_memory import SharedMemory
from orthanclite.web.answers.sending import WHOLE_ANSWER

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line with its headers. More is accepted where it comes in one piece with the end."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    head_timeout: float = 30.0
    """Seconds that a client has for the head of a request, from its first byte or from the connection."""
    scratch: memoryview
    """See :class:`ConnectionReader`."""
    memory: SharedMemory
    """For the bodies of all connections."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = False
        self._head_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reader = ConnectionReader(self, self.scratch, self.memory)
        self._direct: list[bytes] | None = None  # the first pieces of a body that will be read directly
        self._length = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_protocol(self._reader)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reader.in_head:
            data = _without_upgrade(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._direct is not None:
            self._read_body(b"".join(self._direct))
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self.send_400_response("The head of the request is too large.")
                return
        elif not self._is_idle():
            return
        if self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()
        extensions: dict[str, Any] = {WHOLE_ANSWER: partial(_answer, self.cycle)}
        self.scope["extensions"] = extensions
        self._reader.in_head = False
        self._length = self._body_length()
        if self._length >= SMALLEST and not self.pipeline and self.memory.has(self._length):
            self._direct = []

    def on_body(self, body: bytes) -> None:
        if self._direct is None:
            super().on_body(body)
        else:
            self._direct.append(body)

    def on_message_complete(self) -> None:
        self._reader.in_head = True
        if self._direct is not None:
            super().on_body(b"".join(self._direct))
            self._direct = None
        super().on_message_complete()

    def _body_length(self) -> int:
        for name, value in self.headers:
            if name == b"content-length":
                return natural(value.decode("latin-1")) or 0
        return 0

    def _read_body(self, first: bytes) -> None:
        """Read the rest of a body past the parser, which is replaced when the body is complete."""
        self._direct = None
        pieces = _Pieces(self.cycle)
        # The task of the request has not begun yet: it will ask here.
        setattr(self.cycle, "receive", pieces.receive)  # noqa: B010

        def deliver(piece: Buffer, last: bool) -> None:
            self._unset_keepalive_if_required()
            if last:
                self.parser = HttpRequestParser(self)
                self._reader.in_head = True
                if self._is_idle():
                    self._start_timer()
            pieces.add(piece, last)

        # Before the dispatcher takes the client for silent.
        patience = min(PATIENCE, self.head_timeout / 2)
        self._reader.read_body(self._length, first, deliver, patience)

    def _is_idle(self) -> bool:
        """Whether no request is being served. Bytes that begin none must not keep the connection open."""
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_timeout, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._in_head or self._is_idle():
            self.transport.close()


_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)


def _without_upgrade(data: bytes) -> bytes:
    """The begin of a request, with the header ``Upgrade`` under another name.

    A server may ignore it (RFC 9110, 7.8), but the parser then takes the body for another protocol: the first
    upload of each client that asks for HTTP/2, as curl and Java can, would come without its body.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nX-Upgrade:", head) + end + rest if _UPGRADE.search(head) else data


class _Pieces:
    """A body that comes past the parser, as a request receives it."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._receive = cycle.receive
        self._pieces: list[Buffer] = []

    def add(self, piece: Buffer, last: bool) -> None:
        if self._cycle.response_complete:
            self._pieces.clear()
        else:
            self._pieces.append(piece)
            self._cycle.more_body = not last
            self._cycle.message_event.set()

    async def receive(self) -> Any:
        """See ASGI."""
        message: dict[str, Any] = {**await self._receive()}
        if self._pieces:
            message["body"] = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
        return message


def _answer(
    cycle: RequestResponseCycle, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> bool:
    """Send an answer in one piece: for a small one, ASGI's two cost more than the rest of its request.

    :param headers: valid, with the length of the body
    :return: False where nothing was done, and the answer must go the long way
    """
    if cycle.flow.write_paused or cycle.disconnected or cycle.scope["method"] == "HEAD":
        return False
    content = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        content += (name, b": ", value, b"\r\n")
    content += (b"\r\n", body)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join(content))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


def bounded_protocol(head_timeout: float, memory: SharedMemory) -> type[BoundedProtocol]:
    """The protocol with its parameters, in the form that uvicorn wants."""
    attributes = {"head_timeout": head_timeout, "scratch": scratch(), "memory": memory}
    return type("BoundedProtocol", (BoundedProtocol,), attributes)
