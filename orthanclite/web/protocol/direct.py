"""A body that fits in memory goes straight into the buffer in which it is used.

Handing it on in the pieces that the socket gives means four copies: by the event loop, by the parser, by the
protocol and by whoever joins them. A slice of CT is half a megabyte, and those copies are most of what its
upload costs the event loop.
"""

from __future__ import annotations

from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.ports.memory import BodyMemory

SMALLEST = 64 * 1024
"""Bytes from which on a body is read so. A smaller one comes in a piece or two; a larger one than fits into a
piece of the shared memory goes to the disk as it comes."""

_PATIENCE = 3.0
"""Seconds after which the part of a body that has come is handed on: the application watches its progress."""


class DirectBody:
    """A body of ``length`` bytes on its way into a piece of ``store``.

    The memory is provided once more of the body comes than came with the head: by then a request is refused
    that was not worth it.

    :param now: seconds of the event loop
    :raises MemoryError: where there is no room
    """

    __slots__ = ("_handed_on", "_handed_on_at", "_is_populated", "_memory", "_position", "_store")

    def __init__(self, store: BodyMemory, length: int, now: float) -> None:
        self._store = store
        self._memory = store.take(length)
        self._is_populated = False
        self._position = 0
        self._handed_on = 0
        self._handed_on_at = now

    @property
    def missing(self) -> int:
        return len(self._memory) - self._position

    @property
    def has_begun(self) -> bool:
        return self._position > 0

    def rest(self) -> memoryview:
        """Where the next bytes belong; to be asked for when they have come."""
        if not self._is_populated:
            self._is_populated = True
            self._store.populate(self._memory)
        return memoryview(self._memory)[self._position :]

    def copy(self, first: bytes) -> None:
        """Take the bytes that came together with the head."""
        self._memory[: len(first)] = first
        self._position = len(first)

    def received(self, count: int) -> None:
        """Note that ``count`` bytes were read into :meth:`rest`."""
        self._position += count

    def part(self) -> Buffer:
        """What has come and was not handed on; the memory itself where it is all of it."""
        if not self._handed_on and not self.missing:
            return self._memory
        part = self._memory[self._handed_on : self._position]
        self._handed_on = self._position
        return part

    def overdue(self, now: float, timeout: float) -> Buffer | None:
        """The part that must be handed on now, if any.

        :param timeout: seconds after which the application takes the client for silent
        """
        if now - self._handed_on_at < min(_PATIENCE, timeout / 4) or self._handed_on == self._position:
            return None
        self._handed_on_at = now
        return self.part()
