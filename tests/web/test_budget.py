"""The budget of what clients make the server hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from orthanclite.web.bodies.reading import count
from orthanclite.web.budget import MemoryBudget, Overloaded, Share


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_fits_is_let_in_and_the_rest_waits_in_order() -> None:
    async def test() -> None:
        budget = MemoryBudget(100)
        await budget.acquire(60)
        entered: list[int] = []

        async def enter(size: int) -> None:
            await budget.acquire(size)
            entered.append(size)

        waiting = [asyncio.ensure_future(enter(size)) for size in (50, 10)]
        await asyncio.sleep(0)
        assert entered == []  # the small one does not overtake
        budget.release(60)
        await asyncio.gather(*waiting)
        assert (entered, budget.used) == ([50, 10], 60)

    run(test())


def test_a_body_larger_than_everything_is_let_in_alone() -> None:
    async def test() -> None:
        budget = MemoryBudget(100, patience=0.01)
        with Share(budget) as share:
            for _ in range(10):
                await share.grow(50)
            with pytest.raises(Overloaded), Share(budget) as other:
                await other.grow(1)
            assert budget.used == 500
        assert budget.used == 0

    run(test())


def test_who_waits_in_vain_is_told_so_and_leaves_nothing() -> None:
    async def test() -> None:
        budget = MemoryBudget(100, patience=0.01)
        budget.hold(100)
        with pytest.raises(Overloaded):
            await budget.acquire(1)
        waiting = asyncio.ensure_future(MemoryBudget.acquire(budget, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        budget.release(100)
        await budget.acquire(100)
        assert budget.used == 100

    run(test())


def test_who_is_cancelled_when_it_is_let_in_gives_it_back() -> None:
    async def test() -> None:
        budget = MemoryBudget(100)
        budget.hold(100)
        waiting = asyncio.ensure_future(budget.acquire(50))
        await asyncio.sleep(0)
        budget.release(100)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert budget.used == 0

    run(test())


@pytest.mark.parametrize(("most", "held"), [(10**9, 400_000), (150_000, 150_000)])
def test_bodies_are_counted_as_they_come(most: int, held: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(100_000)

    async def test() -> None:
        budget = MemoryBudget()
        with Share(budget) as share:
            seen = [budget.used async for _ in count(chunks(), share, most)]
            assert seen == [min(number * 100_000, held) for number in range(1, 5)]
        assert budget.used == 0

    run(test())


def test_small_bodies_wait_for_nobody() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(1000)

    async def test() -> None:
        budget = MemoryBudget(100)
        budget.hold(100)
        with Share(budget) as share:
            assert [len(chunk) async for chunk in count(chunks(), share)] == [1000]

    run(test())


def test_who_waits_behind_one_that_gives_up_is_let_in() -> None:
    async def run() -> None:
        budget = MemoryBudget(100, patience=0.05)
        budget.hold(90)
        large = asyncio.ensure_future(budget.acquire(50, 1))
        await asyncio.sleep(0.03)
        small = asyncio.ensure_future(budget.acquire(5, 1))
        with pytest.raises(Overloaded):
            await large
        await small
        assert budget.used == 95

    asyncio.run(run())
