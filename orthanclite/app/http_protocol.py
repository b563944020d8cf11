"""uvicorn's protocol with bounds on the head of a request, and with answers that go out in one piece.

uvicorn has no bounds for the parser used here, neither on the size of a head nor on its time. Bodies are
bounded by the dispatcher, which knows what to expect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from orthanclite.rest.sending import WHOLE_ANSWER

HEAD_LIMIT = 128 * 1024
"""Bytes of a request line with its headers. More is accepted where it comes in one piece with the end."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    head_timeout: float = 30.0
    """Seconds that a client has for the head of a request, from its first byte or from the connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = False
        self._head_size = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
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


def bounded_protocol(head_timeout: float) -> type[BoundedProtocol]:
    """The protocol with another timeout, in the form that uvicorn wants."""
    return type("BoundedProtocol", (BoundedProtocol,), {"head_timeout": head_timeout})
