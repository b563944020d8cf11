"""All connections of a server: what they share, and the clients that are too slow for it.

Every connection is looked at twice a second: that costs less than a timer for each of its waits. A client may
be slow, but not slower than ``LEAST_RATE`` while it is its turn: neither a body that drips nor an answer that
nobody reads is kept for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import Protocol

from orthanclite.core.ports.memory import BodyMemory
from orthanclite.web.budget import MemoryBudget

LEAST_RATE = 1000
"""Bytes per second, over the period of a :class:`Meter`."""
LARGEST_READ = 256 * 1024
"""Bytes that are read at once."""
MOST_UNREAD = 128 * 1024 * 1024
"""Bytes of answers that wait to be read, on all connections together. Beyond, the one whose client has read
nothing for the longest time is closed."""
MOST_CONNECTIONS = 4096
"""Connections of HTTP that may be open, unless the system allows fewer files."""
_ROUND = 0.5
"""Seconds."""
_SHORTEST_PERIOD = 5.0
"""Seconds over which a rate is measured, at least: networks pause."""


class Watched(Protocol):
    """A connection."""

    def check(self, now: float) -> None:
        """Do what is due at ``now`` (seconds of the event loop)."""
        ...

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        ...

    def retire(self) -> None:
        """Close, for another one needs the place; only asked of one that is idle."""
        ...


class Meter:
    """Measures whether bytes move at the least rate while a client is waited for."""

    __slots__ = ("_count", "_period", "_since")

    def __init__(self, period: float) -> None:
        self._period = period
        self._since: float | None = None
        self._count = 0

    def stop(self) -> None:
        """Nobody waits for the client."""
        self._since = None

    def is_too_slow(self, now: float, count: int) -> bool:
        """Whether too little has moved in a period that ends now.

        :param count: bytes moved since the connection was made
        """
        if self._since is None:
            self._since, self._count = now, count
            return False
        elapsed = now - self._since
        if elapsed < self._period:
            return False
        slow = count - self._count < LEAST_RATE * elapsed
        self._since, self._count = now, count
        return slow


@dataclass(slots=True)
class Patrol:
    """What the connections of one event loop share.

    :param memory: for bodies that are read past the protocol
    :param budget: of everything else that clients make the server hold
    :param head_timeout: seconds that a client has for the head of a request
    :param most: connections that may be open
    """

    memory: BodyMemory
    budget: MemoryBudget
    head_timeout: float
    most: int = MOST_CONNECTIONS
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(LARGEST_READ)))
    """Memory into which all connections can read: what they read is copied at once."""
    _connections: set[Watched] = field(default_factory=set)
    _idle: dict[Watched, None] = field(
        default_factory=dict
    )  # those that serve no request; the one that has served none for the longest time comes first
    _unread: dict[Watched, int] = field(
        default_factory=dict
    )  # bytes; who has read nothing for the longest time comes first
    _unread_bytes: int = 0
    _timer: asyncio.TimerHandle | None = None

    @property
    def body_period(self) -> float:
        """Seconds over which the rate of a body is measured."""
        return max(self.head_timeout, _SHORTEST_PERIOD)

    @property
    def answer_period(self) -> float:
        """The same for an answer: what the other side has read becomes known in steps."""
        return 2 * self.body_period

    def add(self, connection: Watched) -> bool:
        """Begin to watch a connection, which is idle; False where there are too many and none can go."""
        if len(self._connections) >= self.most:
            if not self._idle:
                return False
            longest = next(iter(self._idle))
            self.remove(longest)
            longest.retire()
        self._connections.add(connection)
        self._idle[connection] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ROUND, self._look)
        return True

    def is_busy(self, connection: Watched) -> None:
        """Note that a request is served."""
        self._idle.pop(connection, None)

    def is_idle(self, connection: Watched) -> None:
        """Note that no request is served any more."""
        if connection in self._connections:
            self._idle[connection] = None

    def remove(self, connection: Watched) -> None:
        """Forget a connection that is closed."""
        self._connections.discard(connection)
        self._idle.pop(connection, None)
        self.is_read(connection)

    def is_unread(self, connection: Watched, size: int) -> None:
        """Note that ``size`` bytes wait for the client; others that have waited longer may have to go.

        To be called again when the client has read some of it.
        """
        self.is_read(connection)
        self._unread[connection] = size
        self._unread_bytes += size
        self.budget.hold(size)
        while self._unread_bytes > MOST_UNREAD and len(self._unread) > 1:
            longest = next(iter(self._unread))
            self.is_read(longest)
            longest.abort()

    def is_read(self, connection: Watched) -> None:
        """Note that nothing waits any more."""
        size = self._unread.pop(connection, 0)
        self._unread_bytes -= size
        self.budget.release(size)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections):
            connection.check(now)
        if self._connections:
            self._timer = loop.call_later(_ROUND, self._look)


def address(transport: asyncio.BaseTransport, name: str) -> tuple[str, int] | None:
    """The host and the port of one side (``peername``, ``sockname``); None for a local socket."""
    found = transport.get_extra_info(name)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the system holds for a client, who has not acknowledged them; 0 where it does not tell."""
    return _held(transport, termios.TIOCOUTQ)


def unread(transport: asyncio.Transport) -> int:
    """Bytes that have come from a client and are not read yet; 0 where the system does not tell."""
    return _held(transport, termios.FIONREAD)


def _held(transport: asyncio.Transport, question: int) -> int:
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        answer = fcntl.ioctl(connection.fileno(), question, bytes(4))
    except (OSError, ValueError):  # closed
        return 0
    return int(struct.unpack("i", answer)[0])
