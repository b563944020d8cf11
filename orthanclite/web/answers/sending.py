"""Sending an answer: common headers, and streams that stop when the client has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from orthanclite.core.errors import OrthancError
from orthanclite.core.machine.buffers import View
from orthanclite.web.answers.confinement import confined
from orthanclite.web.answers.errors import error_response
from orthanclite.web.answers.gathering import Gathered
from orthanclite.web.answers.responses import Header, Response, StreamResponse
from orthanclite.web.call import Runner
from orthanclite.web.policy import HttpPolicy
from orthanclite.web.protocol.exchange import WHOLE_ANSWER

_logger = logging.getLogger("orthanclite.http")

_NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
_CLOSE: Header = (b"connection", b"close")

_Source = AsyncIterator[View] | Gathered


class Sender:
    """Sends the answer to one request."""

    __slots__ = ("_headers", "_policy", "_receive", "_run", "_scope", "_send", "_shared", "_wants_close")

    def __init__(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        policy: HttpPolicy,
        run: Runner,
        shared: Sequence[Header] = (),
    ) -> None:
        """:param shared: headers of any answer to this request"""
        self._scope = scope
        self._headers = headers
        self._receive = receive
        self._send = send
        self._policy = policy
        self._run = run
        self._shared = shared
        self._wants_close = (
            not policy.keep_alive
            or scope["http_version"] == "1.0"
            or headers.get(b"connection", b"").lower() == b"close"
        )

    def close(self) -> None:
        """Close the connection after the answer."""
        self._wants_close = True

    async def send(self, response: Response) -> None:
        if isinstance(response, StreamResponse):
            await self._send_stream(response)
        else:
            await self._send_whole(response)

    async def _send_whole(self, response: Response) -> None:
        own = confined(response.headers) if response.body else response.headers
        headers = [*self._connection_headers(), *own]
        if response.status != 304:
            headers.append((b"content-length", b"%d" % len(response.body)))
        if not self._wants_close:
            answer = self._scope.get("extensions", {}).get(WHOLE_ANSWER)
            if answer is not None and answer(response.status, headers, response.body):
                return
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    def _connection_headers(self) -> list[Header]:
        if self._wants_close:
            return [_CLOSE, _NOSNIFF, *self._shared]
        timeout = b"timeout=%d" % self._policy.keep_alive_timeout
        return [(b"connection", b"keep-alive"), (b"keep-alive", timeout), _NOSNIFF, *self._shared]

    async def _send_stream(self, response: StreamResponse) -> None:
        """Send piece by piece. The first piece is made before the head is sent: it may fail with a status."""
        chunks = response.chunks
        source = chunks if isinstance(chunks, AsyncIterator) else Gathered(chunks)
        try:
            first = await self._next(source)
        except OrthancError as error:
            await self._fail(response, error)
            return
        except Exception:
            _logger.exception("%s failed unexpectedly", self._scope["path"])
            await self._fail(response, OrthancError())
            return
        watcher = asyncio.ensure_future(self._watch())
        try:
            await self._send(
                {"type": "http.response.start", "status": response.status, "headers": self._head(response)}
            )
            pieces = first
            while pieces and not watcher.done():
                for piece in pieces:
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                pieces = await self._next_unless_gone(source, watcher)
            if not watcher.done():
                await self._send({"type": "http.response.body", "body": b""})
            else:
                _logger.info("%s: the client went away during the answer", self._scope["path"])
        except OrthancError as error:
            # Its status is sent already: that the answer is not complete is all that the client can be told.
            _logger.error("%s: the answer is cut off: %s", self._scope["path"], error)
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            await self._close_chunks(response)

    async def _fail(self, response: StreamResponse, error: OrthancError) -> None:
        await self._close_chunks(response)
        method, uri = self._scope["method"], self._scope["path"]
        await self._send_whole(error_response(error, method, uri, self._policy.describe_errors))

    def _head(self, response: StreamResponse) -> list[Header]:
        headers = confined(response.headers)
        if response.length is None:
            return [_CLOSE, _NOSNIFF, *self._shared, *headers]
        return [*self._connection_headers(), *headers, (b"content-length", b"%d" % response.length)]

    async def _watch(self) -> None:
        """Return once the client has gone (or the answer is complete)."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next_unless_gone(self, source: _Source, watcher: asyncio.Future[None]) -> Sequence[View]:
        """The next pieces; none at the end, and as soon as the client has gone.

        What a thread makes is waited for: it cannot be called off.
        """
        if isinstance(source, Gathered):
            return await self._next(source)
        pieces = asyncio.ensure_future(self._next(source))
        either: set[asyncio.Future[Any]] = {pieces, watcher}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pieces.cancel()  # nothing, where they are there
            await asyncio.wait({pieces})
        return () if pieces.cancelled() else pieces.result()

    async def _next(self, source: _Source) -> Sequence[View]:
        """The next pieces that are not empty; none at the end."""
        if isinstance(source, Gathered):
            return await self._run(source.take)
        while True:
            piece = await anext(source, None)
            if piece is None:
                return ()
            if piece:
                return (piece,)

    async def _close_chunks(self, response: StreamResponse) -> None:
        chunks = response.chunks
        if isinstance(chunks, AsyncIterator):
            if hasattr(chunks, "aclose"):
                await chunks.aclose()
        elif isinstance(chunks, Iterator) and hasattr(chunks, "close"):
            await self._run(chunks.close)
