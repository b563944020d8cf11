"""The lines in which logins wait."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.web.entrance import logins
from orthanclite.web.entrance.logins import DELAY, FORGIVEN_AFTER, FREE_FAILURES, PACE, Logins, TooManyLogins

Verify = Callable[[], Awaitable[str | None]]


class World:
    """Time that passes only while somebody sleeps, and what was verified in it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.logins = Logins(lambda: self.now, self.sleep)
        self.verified: list[tuple[str, str, float]] = []

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, end)

    def attempt(self, address: str, user: str, right: bool = False) -> Awaitable[str | None]:
        async def verify() -> str | None:
            await asyncio.sleep(0)
            self.verified.append((address, user, self.now))
            return user if right else None

        return self.logins.attempt(address, user, verify)


def test_a_few_failures_cost_nothing() -> None:
    async def main() -> None:
        world = World()
        for _ in range(FREE_FAILURES):
            assert await world.attempt("a", "alice") is None
        assert world.now == 1000
        await world.attempt("a", "alice")
        assert world.now == 1000 + DELAY
        await world.attempt("b", "alice")
        assert world.now == 1000 + DELAY
        world.now += FORGIVEN_AFTER
        before = world.now
        await world.attempt("a", "alice")
        assert world.now == before

    asyncio.run(main())


def test_failures_are_counted_by_address_and_not_by_connection() -> None:
    async def main() -> None:
        world = World()
        await asyncio.gather(*(world.attempt("a", "alice") for _ in range(50)))
        moments = [moment for _, _, moment in world.verified]
        assert len(moments) == 50
        slow = moments[FREE_FAILURES + 1 :]
        assert all(later - earlier >= PACE - 1e-6 for earlier, later in pairwise(slow))

    asyncio.run(main())


def test_a_right_login_wipes_out_no_failure() -> None:
    """Somebody with an account could go on guessing at the others."""

    async def main() -> None:
        world = World()
        for _ in range(FREE_FAILURES + 1):
            await world.attempt("a", "alice")
            assert await world.attempt("a", "mallory", right=True) == "mallory"
        before = world.now
        await world.attempt("a", "alice")
        assert world.now >= before + DELAY

    asyncio.run(main())


def test_the_users_of_an_address_take_turns() -> None:
    async def main() -> None:
        world = World()
        guesses = [asyncio.ensure_future(world.attempt("a", "alice")) for _ in range(50)]
        await asyncio.sleep(0)
        assert await world.attempt("a", "bob", right=True) == "bob"
        assert sum(guess.done() for guess in guesses) <= 3
        await asyncio.gather(*guesses)
        assert [user for _, user, _ in world.verified].index("bob") <= 2

    asyncio.run(main())


def test_the_addresses_take_turns() -> None:
    async def main() -> None:
        world = World()
        guesses = [asyncio.ensure_future(world.attempt("a", "alice")) for _ in range(50)]
        await asyncio.sleep(0)
        assert await world.attempt("b", "alice", right=True) == "alice"
        assert [address for address, _, _ in world.verified].index("b") <= 2
        await asyncio.gather(*guesses)

    asyncio.run(main())


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_WAITING", 250)

    async def main() -> None:
        world = World()
        many = [
            asyncio.ensure_future(world.attempt(address, "alice")) for address in "abc" for _ in range(110)
        ]
        answers = await asyncio.gather(*many, return_exceptions=True)
        refused = [isinstance(answer, TooManyLogins) for answer in answers]
        assert sum(refused) == 330 - 250
        assert all(sum(refused[start : start + 110]) <= 30 for start in (0, 110, 220)), "each has a third"
        assert await world.attempt("a", "alice", right=True) == "alice"

    asyncio.run(main())


def test_invented_names_do_not_fill_the_line_of_an_address_for_good() -> None:
    """Of as many users with one login each, one is refused by chance: the next one has a chance, too."""

    async def main() -> None:
        admitted = 0
        for _ in range(30):
            world = World()
            many = [asyncio.ensure_future(world.attempt("a", f"name{n}")) for n in range(100)]
            right = asyncio.ensure_future(world.attempt("a", "alice", right=True))
            answers = await asyncio.gather(*many, right, return_exceptions=True)
            assert sum(isinstance(answer, TooManyLogins) for answer in answers) == 1
            admitted += answers[-1] == "alice"
            assert world.logins._total.logins == 0
        assert admitted >= 25

    asyncio.run(main())


def test_who_has_most_logins_waiting_makes_room() -> None:
    async def main() -> None:
        world = World()
        many = [asyncio.ensure_future(world.attempt("a", "mallory")) for _ in range(100)]
        others = [asyncio.ensure_future(world.attempt("a", f"user{n}", right=True)) for n in range(5)]
        answers = await asyncio.gather(*many, *others, return_exceptions=True)
        assert answers[100:] == [f"user{n}" for n in range(5)]
        assert [isinstance(answer, TooManyLogins) for answer in answers[:100]] == [False] * 95 + [True] * 5

    asyncio.run(main())


def test_those_who_have_left_make_room_and_are_not_verified() -> None:
    async def main() -> None:
        world = World()
        left: set[str] = set()

        async def attempt(user: str) -> str | None:
            async def verify() -> str | None:
                await asyncio.sleep(0)
                world.verified.append(("a", user, world.now))
                return user

            return await world.logins.attempt("a", user, verify, lambda: user in left)

        async def come_late() -> str | None:
            left.update(f"name{n}" for n in range(1, 50))
            return await attempt("alice")

        many = [asyncio.ensure_future(attempt(f"name{n}")) for n in range(100)]
        late = asyncio.ensure_future(come_late())
        answers = await asyncio.gather(*many, late, return_exceptions=True)
        assert answers[-1] == "alice"
        assert [isinstance(one, TooManyLogins) for one in answers] == [False] + [True] * 49 + [False] * 51
        assert len(world.verified) == 52
        more = [asyncio.ensure_future(attempt(f"name{n}")) for n in (0, 1, 60)]  # the first waits for nobody
        answers = await asyncio.gather(*more, return_exceptions=True)
        assert [isinstance(one, TooManyLogins) for one in answers] == [False, True, False]

    asyncio.run(main())


def test_addresses_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_WATCHED_ADDRESSES", 100)

    async def main() -> None:
        world = World()
        for number in range(1000):
            await world.attempt(str(number), "alice")
        assert len(world.logins._lines) == 100

    asyncio.run(main())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=30))
def test_everybody_has_a_turn_whoever_goes_away(plan: list[tuple[str, bool, bool]]) -> None:
    async def main() -> None:
        world = World()
        waiting = []
        for user, right, leaves in plan:
            login = asyncio.ensure_future(world.attempt("a", user, right))
            waiting.append((login, user, right, leaves))
        for _ in range(3):
            await asyncio.sleep(0)
        for login, _, _, leaves in waiting:
            if leaves:
                login.cancel()
        for login, user, right, leaves in waiting:
            try:
                assert await login == (user if right else None)
            except asyncio.CancelledError:
                assert leaves
        assert await world.attempt("a", "last", right=True) == "last"
        assert world.logins._total.logins == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("first", "second", "one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "", True),
    ],
)
def test_what_counts_as_one_address(first: str, second: str, one: bool) -> None:
    assert (logins._network(first) == logins._network(second)) is one


@given(st.ip_addresses())
def test_every_address_has_a_line(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert logins._network(str(address))
