"""Reading a connection: a body that fits in memory goes straight into the buffer in which it is used.

uvicorn hands a body on in the pieces that the socket gives, each copied by the event loop, by the parser, by
uvicorn and by whoever joins them. A slice of CT is half a megabyte, and those copies are most of what its
upload costs the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orthanclite.core.buffers import Buffer
from orthanclite.storage.shared_memory import SharedMemory, SharedPiece

SMALLEST = 64 * 1024
"""Bytes from which on a body is read so. A smaller one comes in a piece or two; a larger one than fits into a
piece of the shared memory goes to the disk as it comes."""

_HEAD = 16 * 1024
_PIECE = 256 * 1024
"""Bytes to read at once while a head is expected, of which few belong to a body, and of any other body."""
PATIENCE = 3.0
"""Seconds after which what is there of a body is handed on, at most: who waits is to see that it comes."""

Deliver = Callable[[Buffer, bool], None]
"""Called with a part of a body, and whether it is the last."""


def scratch() -> memoryview:
    """Memory into which all connections of an event loop can read: what they read is copied at once."""
    return memoryview(bytearray(_PIECE))


class ConnectionReader(asyncio.BufferedProtocol):
    """Reads for the protocol of a connection, which hears of all else as well.

    :param scratch: of :func:`scratch`
    :param memory: for the bodies of all connections
    """

    def __init__(self, http: asyncio.Protocol, scratch: memoryview, memory: SharedMemory) -> None:
        self._http = http
        self._memory = memory
        self._scratch = scratch
        self._body: _Body | None = None
        self.in_head = True

    def read_body(self, length: int, first: bytes, deliver: Deliver, patience: float) -> None:
        """Read the rest of a body that begins with ``first``; its memory is taken as it arrives."""
        self._body = _Body(self._memory.take(length), first, deliver, patience)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._body is not None:
            return self._body.rest()
        return self._scratch[:_HEAD] if self.in_head else self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._body is None:
            self._http.data_received(bytes(self._scratch[:nbytes]))
            return
        body = self._body
        if body.missing == nbytes:
            self._body = None
        body.received(nbytes)

    def eof_received(self) -> bool | None:
        return self._http.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._body is not None:
            self._body.give_up()
            self._body = None
        self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()


class _Body:
    def __init__(self, memory: SharedPiece, first: bytes, deliver: Deliver, patience: float) -> None:
        self._memory = memory
        self._memory[: len(first)] = first
        self._position = len(first)
        self._delivered = 0
        self._deliver = deliver
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(patience, self._hand_on)

    @property
    def missing(self) -> int:
        return len(self._memory) - self._position

    def rest(self) -> memoryview:
        """Where the next bytes belong."""
        return memoryview(self._memory)[self._position :]

    def received(self, count: int) -> None:
        self._position += count
        if not self.missing:
            self._timer.cancel()
            self._deliver(self._memory[self._delivered :] if self._delivered else self._memory, True)

    def give_up(self) -> None:
        self._timer.cancel()

    def _hand_on(self) -> None:
        if self._delivered < self._position:
            self._deliver(self._memory[self._delivered : self._position], False)
            self._delivered = self._position
        self._timer = self._loop.call_later(self._patience, self._hand_on)
