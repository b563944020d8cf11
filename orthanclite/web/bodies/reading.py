"""Reading the body of a request: bounded in size and in time, inflated where it is gzipped."""

from __future__ import annotations

import asyncio
import io
import math
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, BodyTooLarge
from orthanclite.core.machine.buffers import Buffer
from orthanclite.web.budget import Share

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_INFLATED_FLOOR = 64 * 1024 * 1024
_INFLATED_RATIO = 200
"""A body may grow to 200 times its compressed size (or 64 MB): real DICOM files stay below, bombs do not."""

_PIECE = 1024 * 1024
_SMALL = 64 * 1024
"""Bytes of a body that is not worth counting: small ones wait for nobody."""


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


async def read_whole(chunks: AsyncIterator[Buffer], largest: int = 0) -> bytes:
    """A body in one piece, of which there is one copy at any time.

    :param largest: bytes; 0 for no bound
    :raises BodyTooLarge: beyond
    """
    whole = io.BytesIO()
    async for chunk in chunks:
        if largest and whole.tell() + len(chunk) > largest:
            raise BodyTooLarge(f"The body of the request is larger than {largest >> 20} MB")
        whole.write(chunk)
    return whole.getvalue()


async def count(
    chunks: AsyncIterator[Buffer], share: Share, most: float = math.inf
) -> AsyncGenerator[Buffer]:
    """The same chunks, each of which has its place in the budget before it is handed on.

    :param most: bytes that the receiver keeps in memory; it puts away what is beyond
    :raises Overloaded: where there is no room
    """
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > _SMALL:
            kept = min(received, most)
            if kept > share.size:
                await share.grow(int(kept) - share.size)
        yield chunk
