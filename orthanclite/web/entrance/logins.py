"""Logins whose outcome is not known yet: no password is guessed fast, and guesses shut nobody out.

Each address has a line of its own, in which one login is verified after the other. Once an address has failed
a few times, its line goes on at a fixed pace, however many connections it has, and every failure is answered
late. A line serves the users that it is asked for in turn: guesses at one of them hold up nobody else behind
the same address, such as a reverse proxy. Among the lines, one login at a time is verified, since that is
expensive on purpose (argon2); each line has at most one there, so that no address holds up another for long.

As many wait as can be served soon. Beyond, one is refused of the user with the most waiting logins behind the
address (by chance, where several have as many), or of the address with the most. Those whose client has gone
make room first.

A login that is right is answered as soon as it is verified, and wipes out no failure: otherwise somebody with
an account could go on guessing at the others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import random
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

_WAITING_OF_ADDRESS = 100  # twenty seconds of its pace, where it has failed too often
_WAITING = 1000  # of all addresses
_WATCHED_ADDRESSES = 10_000
_PREFIX = 64  # bits of an IPv6 address that one host usually has to itself


class TooManyLogins(Exception):
    """More logins wait than are kept waiting."""


def _never() -> bool:
    return False


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
        self._total = _Total()

    async def attempt(
        self,
        address: str,
        user: str,
        verify: Callable[[], Awaitable[str | None]],
        is_gone: Callable[[], bool] = _never,
    ) -> str | None:
        """Verify a login once it is its turn; the user, or None where it failed.

        :param user: who the login says to come from, whether that is true or not
        :param verify: tells the user of the login, or None
        :param is_gone: whether the client has left
        :raises TooManyLogins: where too many wait, of this address or of all
        """
        line = self._line(address)
        self._make_room(line, user)
        waiter = _Waiter(user, is_gone)
        line.count(1)
        try:
            found, slow = await self._verify(line, waiter, verify)
        finally:
            if not waiter.is_refused:
                line.count(-1)
        if found is None and slow:
            await self._sleep(DELAY)
        return found

    def _make_room(self, line: _Line, user: str) -> None:
        if line.waiting >= _WAITING_OF_ADDRESS and not line.drop_departed() and not line.refuse_one(user):
            raise TooManyLogins
        lines = self._lines.values()
        if self._total.logins >= _WAITING and not sum(one.drop_departed() for one in lines):
            longest = max(lines, key=lambda one: one.waiting)
            if longest.waiting <= line.waiting + 1 or not longest.refuse_one():
                raise TooManyLogins

    async def _verify(
        self, line: _Line, waiter: _Waiter, verify: Callable[[], Awaitable[str | None]]
    ) -> tuple[str | None, bool]:
        """The user, and whether a failure is to be told late."""
        await line.enter(waiter)
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
        line = self._lines.setdefault(key, _Line(self._total))
        self._lines.move_to_end(key)
        if len(self._lines) > _WATCHED_ADDRESSES:
            del self._lines[
                next(key for key, one in self._lines.items() if one is not line and not one.waiting)
            ]
        return line


@dataclass(eq=False, slots=True)
class _Waiter:
    """A login that waits for its turn."""

    user: str
    is_gone: Callable[[], bool]
    turn: asyncio.Future[None] | None = None
    is_refused: bool = False


@dataclass(slots=True)
class _Total:
    """The logins that wait, of all addresses."""

    logins: int = 0


@dataclass(slots=True)
class _Line:
    """The logins of one address."""

    total: _Total
    failures: int = 0
    last_failure: float = -math.inf  # when
    last_turn: float = -math.inf  # when it began
    waiting: int = 0  # logins, with the one that has its turn
    _taken: bool = False
    _turns: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)  # by user

    def count(self, change: int) -> None:
        self.waiting += change
        self.total.logins += change

    def fail(self, now: float) -> None:
        self.failures = self.failures + 1 if now - self.last_failure < FORGIVEN_AFTER else 1
        self.last_failure = now

    def is_slow(self, now: float) -> bool:
        return self.failures > FREE_FAILURES and now - self.last_failure < FORGIVEN_AFTER

    async def enter(self, waiter: _Waiter) -> None:
        """Wait for a turn, to be followed by :meth:`leave`.

        :raises TooManyLogins: where it is refused after all
        """
        if not self._taken:
            self._taken = True
            return
        waiter.turn = asyncio.get_running_loop().create_future()
        self._turns.setdefault(waiter.user, deque()).append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._drop(waiter)
            if not waiter.turn.cancelled() and not waiter.is_refused:  # it was given at the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the next user."""
        while self._turns:
            waiter = self._take(next(iter(self._turns)))
            if waiter.is_gone():
                self._refuse(waiter)
            elif waiter.turn is not None and not waiter.turn.done():
                waiter.turn.set_result(None)
                return
        self._taken = False

    def drop_departed(self) -> bool:
        """Forget the logins whose clients have gone; whether there were any."""
        departed = [one for turns in self._turns.values() for one in turns if one.is_gone()]
        for waiter in departed:
            self._drop(waiter)
            self._refuse(waiter)
        return bool(departed)

    def _drop(self, waiter: _Waiter) -> None:
        turns = self._turns.get(waiter.user, deque())
        if waiter in turns:
            turns.remove(waiter)
            if not turns:
                del self._turns[waiter.user]

    def refuse_one(self, newcomer: str | None = None) -> bool:
        """Refuse the newest login of the user who has most of them; False where that is ``newcomer``."""
        counts = {user: len(turns) for user, turns in self._turns.items()}
        if newcomer is not None:
            counts[newcomer] = counts.get(newcomer, 0) + 1
        most = max(counts.values(), default=0)
        chosen = random.choice([user for user, count in counts.items() if count == most] or [newcomer])
        if chosen is None or chosen == newcomer:
            return False
        self._refuse(self._take(chosen, newest=True))
        return True

    def _take(self, user: str, newest: bool = False) -> _Waiter:
        """Take a login of a user out of the line; of those who wait, the user comes last then."""
        turns = self._turns.pop(user)
        waiter = turns.pop() if newest else turns.popleft()
        if turns:
            self._turns[user] = turns
        return waiter

    def _refuse(self, waiter: _Waiter) -> None:
        waiter.is_refused = True
        self.count(-1)
        if waiter.turn is not None and not waiter.turn.done():
            waiter.turn.set_exception(TooManyLogins())


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
