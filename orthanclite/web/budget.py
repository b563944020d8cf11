"""The bytes that clients make the server hold, bounded as a whole."""

from __future__ import annotations

import asyncio
from collections import deque

CAPACITY = 512 * 1024 * 1024
"""Bytes of everything: bodies that have come, heads that are not complete, answers that wait to be read."""
_PATIENCE = 10.0
"""Seconds for which a body waits for room: others may be complete by then."""


class Overloaded(Exception):
    """There was no room for a body, and none came free in time: 503."""


class MemoryBudget:
    """Counts bytes as they arrive, not as they are announced. Used on one event loop.

    What is in memory already is only noted (:meth:`hold`): the connection that brought it stops reading, and
    others make room. Who wants to keep more asks before (:meth:`acquire`).
    """

    def __init__(self, capacity: int = CAPACITY, patience: float = _PATIENCE) -> None:
        self.used = 0
        self._capacity = capacity
        self._patience = patience
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    def hold(self, size: int) -> None:
        """Note ``size`` bytes that are there."""
        self.used += size

    def release(self, size: int) -> None:
        """Note that ``size`` bytes are gone."""
        self.used -= size
        while self._waiting and self._fits(*self._waiting[0][:2]):
            wanted, _, future = self._waiting.popleft()
            if not future.done():
                self.used += wanted
                future.set_result(None)

    async def acquire(self, size: int, own: int = 0) -> None:
        """Hold ``size`` bytes more, as soon as they fit. A body larger than everything is let in alone.

        :param own: what the caller holds already
        :raises Overloaded: where they do not fit in time
        """
        if not self._waiting and self._fits(size, own):
            self.used += size
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, own, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._patience):
                await future
        except (TimeoutError, asyncio.CancelledError) as exc:
            if future.done() and not future.cancelled():
                self.release(size)
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self.release(0)  # those behind may fit
            if isinstance(exc, TimeoutError):
                raise Overloaded from exc
            raise

    def _fits(self, size: int, own: int) -> bool:
        return self.used <= own or self.used + size <= self._capacity


class Share:
    """What one request holds of a budget, until it is left (``with``)."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.size = 0

    def __enter__(self) -> Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.release(self.size)

    async def grow(self, size: int) -> None:
        """Hold ``size`` bytes more.

        :raises Overloaded: where they do not fit in time
        """
        await self._budget.acquire(size, self.size)
        self.size += size
