"""Reading the body of a request: bounded in size and in time, inflated where it is gzipped."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from orthanclite.core.buffers import Buffer
from orthanclite.core.errors import BadFileFormat, BadRequest, BodyTooLarge
from orthanclite.core.numbers import natural

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_INFLATED_FLOOR = 64 * 1024 * 1024
_INFLATED_RATIO = 200
"""A body may grow to 200 times its compressed size (or 64 MB): real DICOM files stay below, bombs do not."""

_PIECE = 1024 * 1024


class ClientDisconnected(Exception):
    """The client went away before its request was complete; nobody waits for an answer."""


class RequestTimeout(Exception):
    """The client stopped sending in the middle of its request."""


async def read_chunks(receive: Receive, limit: int, timeout: float) -> AsyncGenerator[Buffer]:
    """The body as it arrives.

    :param limit: bytes; 0 for none.
    :param timeout: seconds to wait for the next piece.
    :raises BodyTooLarge: beyond ``limit``.
    :raises ClientDisconnected: if the client goes away.
    :raises RequestTimeout: if it falls silent.
    """
    bounded = bounded_receive(receive, limit, timeout)
    while True:
        message = await bounded()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk = message.get("body", b"")
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def bounded_receive(receive: Receive, limit: int, timeout: float) -> Receive:
    """``receive`` of ASGI with the bounds of :func:`read_chunks`, and its errors."""
    total = 0
    complete = False

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal total, complete
        if complete:
            return await receive()  # only the end of the connection can follow, whenever that is
        try:
            async with asyncio.timeout(timeout):
                message = await receive()
        except TimeoutError as exc:
            raise RequestTimeout from exc
        total += len(message.get("body", b""))
        if limit and total > limit:
            raise BodyTooLarge("The body of the request is larger than MaximumRequestBodySizeMB")
        complete = not message.get("more_body", False)
        return message

    return bounded


async def inflate(chunks: AsyncIterator[Buffer], limit: int) -> AsyncGenerator[bytes]:
    """The content of a gzipped body.

    :param limit: bytes of content; 0 for none but the one on the ratio.
    :raises BodyTooLarge: beyond ``limit``, or when the body is a decompression bomb.
    :raises BadFileFormat: where it is no complete gzip stream.
    """
    inflater = zlib.decompressobj(wbits=31)
    received = produced = 0
    async for chunk in chunks:
        received += len(chunk)
        pending: Buffer = chunk
        while pending:
            try:
                piece = inflater.decompress(pending, _PIECE)
            except zlib.error as exc:
                raise BadFileFormat("The body is not in the gzip format that it announces") from exc
            produced += len(piece)
            bound = max(_INFLATED_FLOOR, received * _INFLATED_RATIO)
            if produced > (min(bound, limit) if limit else bound):
                raise BodyTooLarge("The body of the request is too large once uncompressed")
            if piece:
                yield piece
            pending = inflater.unconsumed_tail
            if inflater.eof:
                break
    if not inflater.eof:
        raise BadFileFormat("The body is not in the gzip format that it announces")


def declared_length(value: bytes | None) -> int | None:
    """The value of ``Content-Length``.

    :raises BadRequest: where it is no number.
    """
    if value is None:
        return None
    length = natural(value.decode("latin-1"))
    if length is None:
        raise BadRequest("Bad Content-Length")
    return length


class ByteBudget:
    """Bounds the bytes of bodies that are in memory at the same time. Used on one event loop."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def acquire(self, size: int) -> None:
        """Wait until ``size`` bytes fit. One body larger than everything is let in alone."""
        if not self._waiting and self._fits(size):
            self._used += size
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, future)
        self._waiting.append(entry)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(size)
            else:
                self._waiting.remove(entry)
            raise

    def extend(self, size: int) -> None:
        """Take ``size`` bytes more for a body that turns out to be larger than announced, without waiting.

        :raises BodyTooLarge: where they do not fit: who holds some bytes must not wait for more.
        """
        if not self._fits(size):
            raise BodyTooLarge("Too many bodies of unknown length arrive at the same time")
        self._used += size

    def release(self, size: int) -> None:
        self._used -= size
        while self._waiting and self._fits(self._waiting[0][0]):
            waiting_size, future = self._waiting.popleft()
            if not future.done():
                self._used += waiting_size
                future.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._capacity
