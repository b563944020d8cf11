"""One connection: its requests, one after the other.

A request that was sent ahead stays as it came, unparsed, until the one before it is answered. Nothing more is
read meanwhile: what is held of such requests is at most one reading.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import MutableMapping
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from orthanclite.web.protocol import answers
from orthanclite.web.protocol.bodies import ChunkedBody, Framing, SizedBody
from orthanclite.web.protocol.direct import SMALLEST, DirectBody
from orthanclite.web.protocol.exchange import IS_GONE, WHOLE_ANSWER, Exchange, Sent
from orthanclite.web.protocol.head import (
    END_OF_HEAD,
    LARGEST_HEAD,
    Head,
    Header,
    Refused,
    check_beginning,
    read_head,
)
from orthanclite.web.protocol.patrol import LARGEST_READ, Meter, Patrol, address, unacknowledged, unread

_HEAD_READ = 16 * 1024
"""Bytes to read at once while a head is expected, of which few belong to a body."""
_HIGH_WATER = 64 * 1024
"""Bytes of a body that may wait for the application before reading pauses."""
_SECOND_LOOK = 1.0
"""Seconds until a wait ends after all whose client has sent something that is not read yet."""
_LINGER = 2.0
"""Seconds for which a client is listened to after the last answer: it may still be sending, and closing
at once would take the answer away from it (RFC 9112, 9.6)."""
_WITHOUT_CONTENT = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
"""Methods whose requests have no content by the standard (RFC 9110, 9.3): some clients announce one, and send
none."""

_logger = logging.getLogger("orthanclite.http")


class HttpConnection(asyncio.BufferedProtocol):
    """The protocol of one connection, made by uvicorn's ``Server``."""

    patrol: Patrol
    """Shared by all connections: see :func:`http_protocol`."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._asgi_version = config.asgi_version
        self._root_path = config.root_path
        self._keep_alive_timeout = config.timeout_keep_alive
        self._state = server_state
        self._app_state = app_state
        self._application = config.loaded_app
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._begun = bytearray()  # a head that is not complete
        self._ahead = b""  # what has come while a request is served
        self._exchange: Exchange | None = None
        self._body: Framing | None = None  # of the exchange's request, until it is complete
        self._direct: DirectBody | None = None  # the same, where it is read past this protocol
        self._held = 0  # bytes, in the budget
        self._reading_paused = False
        self.writing_paused = False
        self._writable: asyncio.Event | None = None
        self._closing = False  # nothing that comes is looked at any more
        self._deadline = math.inf
        self._incoming, self._outgoing = Meter(self.patrol.body_period), Meter(self.patrol.answer_period)
        self._received = self._written = 0  # bytes
        self._read = 0  # bytes of the answers that the client is known to have

    # -- the transport -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._state.connections.add(self)  # type: ignore[arg-type]
        if not self.patrol.add(self):
            _logger.warning("There are too many connections: a new one is refused")
            self._closing = True
            self._transport.abort()
            return
        self._deadline = self._loop.time() + self.patrol.head_timeout
        self._client, self._server = address(transport, "peername"), address(transport, "sockname")
        self._scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._state.connections.discard(self)
        self.patrol.remove(self)
        if self._exchange is not None:
            self._exchange.disconnect()
        self._body = self._direct = None
        self._begun.clear()
        self._ahead = b""
        self._hold(0)
        self.resume_writing()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._direct is not None:
            return self._direct.rest()
        return self.patrol.scratch[: _HEAD_READ if self._body is None else LARGEST_READ]

    def buffer_updated(self, nbytes: int) -> None:
        self._received += nbytes
        if self._closing:
            return
        if self._direct is not None:
            self._direct.received(nbytes)
            self._direct_has_come()
        else:
            self._receive(bytes(self.patrol.scratch[:nbytes]))

    def eof_received(self) -> None:
        """The client has gone: who only shuts its side down cannot be told from it. The transport closes."""

    def pause_writing(self) -> None:
        self.writing_paused = True
        if not self._transport.is_closing():
            self.patrol.is_unread(self, self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._outgoing.stop()
        self.patrol.is_read(self)
        if self._writable is not None:
            self._writable.set()

    def shutdown(self) -> None:
        """Close as soon as the request that is being served is answered (called by uvicorn)."""
        if self._exchange is None or self._exchange.complete:
            self._transport.close()
        else:
            self._exchange.keep_alive = False

    # -- reading -----------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        try:
            while data and not self._closing:
                if self._body is not None:
                    data = self._read_body(self._body, data)
                elif self._exchange is not None:
                    self._ahead += data
                    self._hold(len(self._ahead))
                    break
                else:
                    data = self._read_head(data)
        except Refused as refused:
            self._refuse(refused)
        self._pause_or_resume_reading()

    def _read_head(self, data: bytes) -> bytes:
        """Begin an exchange if the head is complete; what follows the head."""
        seen = len(self._begun)
        if seen:
            self._begun += data
            data = bytes(self._begun) if END_OF_HEAD in self._begun[max(0, seen - 3) :] else b""
        blank = 2 if data.startswith(b"\r\n") else 0  # an empty line before a request (RFC 9112, 2.2)
        end = data.find(END_OF_HEAD, blank) + len(END_OF_HEAD)
        if end < len(END_OF_HEAD):
            if not seen:
                self._begun += data
                self._deadline = self._loop.time() + self.patrol.head_timeout
            check_beginning(self._begun)
            self._hold(len(self._begun))
            return b""
        if end > LARGEST_HEAD:
            raise Refused(431, "The head of the request is too large.")
        if seen:
            self._begun.clear()
            self._hold(0)
        head = read_head(data[blank:end])
        self._begin(head, data[end:])
        return data[end:] if self._direct is None else b""

    def _begin(self, head: Head, first: bytes) -> None:
        """Begin to serve a request."""
        raw_path, path, query = head.location()
        root = self._root_path
        scope: MutableMapping[str, Any] = {
            "type": "http",
            "asgi": {"version": self._asgi_version, "spec_version": "2.3"},
            "http_version": head.version,
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "method": head.method,
            "root_path": root,
            "path": root + path,
            "raw_path": root.encode() + raw_path if root else raw_path,
            "query_string": query,
            "headers": head.headers,
            "state": self._app_state.copy(),
        }
        exchange = Exchange(self, head, scope)
        scope["extensions"] = {WHOLE_ANSWER: exchange.answer, IS_GONE: exchange.is_gone}
        self._exchange = exchange
        self._deadline = math.inf
        self.patrol.is_busy(self)
        if head.chunked:
            self._body = ChunkedBody()
        elif head.length >= SMALLEST and len(first) < head.length and self.patrol.memory.has(head.length):
            self._direct = DirectBody(self.patrol.memory, head.length, self._loop.time())
            if first:
                self._direct.copy(first)
        elif head.length:
            self._body = SizedBody(head.length)
        task = self._loop.create_task(exchange.run(self._application))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _read_body(self, body: Framing, data: bytes) -> bytes:
        """Take what belongs to the body; what follows it."""
        assert self._exchange is not None
        content, rest = body.feed(data)
        self._exchange.deliver(content, body.complete)
        self._hold(self._exchange.untaken)
        if body.complete:
            self._body = None
            self._body_has_come()
        return rest

    def _direct_has_come(self) -> None:
        direct, exchange = self._direct, self._exchange
        if direct is not None and exchange is not None and not direct.missing:
            self._direct = None
            exchange.deliver(direct.part(), True)
            self._body_has_come()

    def _body_has_come(self) -> None:
        self._incoming.stop()
        assert self._exchange is not None
        if self._exchange.complete:
            self._await_next()

    def _pause_or_resume_reading(self) -> None:
        waits = self._exchange is not None and self._body is not None and self._exchange.untaken > _HIGH_WATER
        pause = (waits or bool(self._ahead)) and not self._closing
        if pause != self._reading_paused:
            self._reading_paused = pause
            if pause:
                self._transport.pause_reading()
            elif not self._transport.is_closing():
                self._transport.resume_reading()

    def _hold(self, size: int) -> None:
        """Count ``size`` bytes of this connection's input in the budget."""
        if size > self._held:
            self.patrol.budget.hold(size - self._held)
        elif size < self._held:
            self.patrol.budget.release(self._held - size)
        self._held = size

    # -- answering: see exchange.Line --------------------------------------------------------------

    @property
    def default_headers(self) -> list[Header]:
        return self._state.default_headers

    def write(self, *data: Sent) -> None:
        self._written += sum(map(len, data))
        if len(data) == 1:
            self._transport.write(data[0])
        else:
            self._transport.writelines(data)

    async def drain(self) -> None:
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()
        while self.writing_paused and not self._transport.is_closing():
            await self._writable.wait()

    def taken(self, size: int) -> None:
        if not self._closing:
            self._hold(len(self._ahead))
            self._pause_or_resume_reading()

    def stays_in_step(self, exchange: Exchange) -> bool:
        # A client that waits to be told to send may send nothing now; one whose method has no content may
        # only have announced some. Neither could be told from the next request.
        if exchange.awaits_continue:
            return False
        begun = exchange.arrived or (self._direct is not None and self._direct.has_begun)
        return begun or exchange.head.method not in _WITHOUT_CONTENT

    def answered(self, exchange: Exchange) -> None:
        self._state.total_requests += 1
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._close()
        elif exchange.received_all:
            self._await_next()
        elif self._direct is not None:  # the rest of the body is dropped, like that of any other
            self._body, self._direct = SizedBody(self._direct.missing), None

    def _await_next(self) -> None:
        self._exchange = None
        self.patrol.is_idle(self)
        self._deadline = self._loop.time() + self._keep_alive_timeout
        data, self._ahead = self._ahead, b""
        self._hold(0)
        if data:
            self._receive(data)
        else:
            self._pause_or_resume_reading()

    # -- ending ------------------------------------------------------------------------------------

    def _refuse(self, refused: Refused) -> None:
        """Answer a message that nobody can serve, and close."""
        exchange = self._exchange
        if exchange is None or not exchange.started:
            self.write(answers.refusal(refused, self.default_headers))
        if exchange is not None:
            exchange.disconnect()
        self._linger()

    def abandon(self) -> None:
        self._closing = True
        self._transport.close()

    def _close(self) -> None:
        """Close after the answer: at once where the client sends nothing more of its request."""
        if self._body is None and self._direct is None:
            self._closing = True
            self._transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        self._closing = True
        self._body = self._direct = None
        self._begun.clear()
        self._ahead = b""
        self._hold(0)
        if self._transport.is_closing():
            return
        self._deadline = self._loop.time() + _LINGER
        self._pause_or_resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def abort(self) -> None:
        _logger.info("A client does not read its answers: the connection is closed")
        self._transport.abort()

    def retire(self) -> None:
        self._closing = True
        self._transport.abort()

    def check(self, now: float) -> None:
        """Do what is due (called by the patrol)."""
        if now >= self._deadline:
            self._deadline = math.inf
            self._give_up_waiting()
        if self._direct is not None and self._exchange is not None:
            part = self._direct.overdue(now, self.patrol.head_timeout)
            if part is not None:
                self._exchange.deliver(part, False)
        if self._awaits_body():
            if self._incoming.is_too_slow(now, self._received):
                self._refuse(Refused(408, "The body of the request comes too slowly."))
        else:
            self._incoming.stop()
        self._check_reader(now)

    def _check_reader(self, now: float) -> None:
        unsent = self._transport.get_write_buffer_size()
        if not unsent:
            self._outgoing.stop()
            return
        read = self._written - unsent - unacknowledged(self._transport)
        if read > self._read and self.writing_paused:
            self.patrol.is_unread(self, unsent)  # others have waited longer
        self._read = read
        if self._outgoing.is_too_slow(now, read):
            self.abort()

    def _give_up_waiting(self) -> None:
        """End a wait for a head, for a next request, or for a client that should have closed."""
        if not self._closing and unread(self._transport):  # it came in time: it is we who are late
            self._deadline = self._loop.time() + _SECOND_LOOK
        elif self._closing or not self._begun:
            if self.writing_paused and not self._closing:  # the client still reads the last answer
                self._deadline = self._loop.time() + self._keep_alive_timeout
            else:
                self._transport.close()
        else:
            self._refuse(Refused(408, "The head of the request was not complete in time."))

    def _awaits_body(self) -> bool:
        """Whether it is the client's turn to send more of a body."""
        if self._exchange is None or self._reading_paused or self._exchange.awaits_continue:
            return False
        return self._body is not None or self._direct is not None


def http_protocol(patrol: Patrol) -> type[asyncio.Protocol]:
    """The protocol with its parameters, in the form that uvicorn wants."""
    made = type("HttpConnection", (HttpConnection,), {"patrol": patrol})
    return cast(type[asyncio.Protocol], made)  # event loops take either kind
