"""Logins whose outcome is not known yet: no password is guessed fast, and guesses shut nobody out.

Each address has a line of its own, in which one login is verified after the other. Once an address has failed
a few times, its line goes on at a fixed pace, however many connections it has, and every failure is answered
late. A line serves the users that it is asked for in turn: guesses at one of them hold up nobody else behind
the same address, such as a reverse proxy. Among the lines, one login at a time is verified, since that is
expensive on purpose (argon2); each line has at most one there, so that no address holds up another for long.

A login that is right is answered as soon as it is verified, and wipes out no failure: otherwise somebody with
an account could go on guessing at the others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

FREE_FAILURES = 5
"""Failures of an address that cost it nothing."""
FORGIVEN_AFTER = 60.0
"""Seconds without a failure after which an address begins anew."""
PACE = 0.2
"""Seconds between two logins of an address that has failed too often."""
DELAY = 1.0
"""Seconds by which such an address is told of a failure."""

_WAITING_OF_ADDRESS = 100
_WAITING = 1000  # of all addresses
_WATCHED_ADDRESSES = 10_000
_PREFIX = 64  # bits of an IPv6 address that one host usually has to itself


class TooManyLogins(Exception):
    """More logins wait than are kept waiting."""


class Logins:
    """The lines of all addresses. Used on one event loop.

    :param clock: seconds, monotonic
    :param sleep: waits for some seconds
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lines: OrderedDict[str, _Line] = OrderedDict()  # the address that was heard of last comes last
        self._verifying = asyncio.Lock()
        self._waiting = 0

    async def attempt(
        self, address: str, user: str, verify: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        """Verify a login once it is its turn; the user, or None where it failed.

        :param user: who the login says to come from, whether that is true or not
        :param verify: tells the user of the login, or None
        :raises TooManyLogins: where too many wait already, of this address or of all
        """
        line = self._line(address)
        if line.waiting >= _WAITING_OF_ADDRESS or self._waiting >= _WAITING:
            raise TooManyLogins
        line.waiting += 1
        self._waiting += 1
        try:
            found, slow = await self._verify(line, user, verify)
        finally:
            line.waiting -= 1
            self._waiting -= 1
        if found is None and slow:
            await self._sleep(DELAY)
        return found

    async def _verify(
        self, line: _Line, user: str, verify: Callable[[], Awaitable[str | None]]
    ) -> tuple[str | None, bool]:
        """The user, and whether a failure is to be told late."""
        await line.enter(user)
        try:
            if line.is_slow(self._clock()):
                await self._sleep(max(0.0, line.last_turn + PACE - self._clock()))
            line.last_turn = self._clock()
            async with self._verifying:
                found = await verify()
            if found is None:
                line.fail(self._clock())
            return found, line.is_slow(self._clock())
        finally:
            line.leave()

    def _line(self, address: str) -> _Line:
        key = _network(address)
        line = self._lines.setdefault(key, _Line())
        self._lines.move_to_end(key)
        if len(self._lines) > _WATCHED_ADDRESSES:
            del self._lines[
                next(key for key, one in self._lines.items() if one is not line and not one.waiting)
            ]
        return line


@dataclass(slots=True)
class _Line:
    """The logins of one address."""

    failures: int = 0
    last_failure: float = -math.inf  # when
    last_turn: float = -math.inf  # when it began
    waiting: int = 0  # logins, with the one that has its turn
    _taken: bool = False
    _turns: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)  # by user

    def fail(self, now: float) -> None:
        self.failures = self.failures + 1 if now - self.last_failure < FORGIVEN_AFTER else 1
        self.last_failure = now

    def is_slow(self, now: float) -> bool:
        return self.failures > FREE_FAILURES and now - self.last_failure < FORGIVEN_AFTER

    async def enter(self, user: str) -> None:
        """Wait for a turn, to be followed by :meth:`leave`."""
        if not self._taken:
            self._taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.setdefault(user, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given at the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the next user."""
        while self._turns:
            user, turns = self._turns.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._turns[user] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


def _network(address: str) -> str:
    """What a client cannot change at will: an IPv4 address, the network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _PREFIX), strict=False))
