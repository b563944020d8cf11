"""Work that several ask for at the same time is done once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orthanclite.services.content.single_flight import SingleFlight


def test_one_works_for_all() -> None:
    flights = SingleFlight[int]()
    begun, may_end = threading.Event(), threading.Event()
    calls: list[int] = []

    def work() -> int:
        calls.append(1)
        begun.set()
        assert may_end.wait(30)
        return len(calls)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(flights.do, "key", work)
        assert begun.wait(30)
        others = [pool.submit(flights.do, "key", lambda: 99) for _ in range(5)]
        assert pool.submit(flights.do, "other", lambda: 7).result(30) == 7
        may_end.set()
        found = {one.result(30) for one in [first, *others]}
    # One that came only when the first had ended has worked itself.
    assert found <= {1, 99}
    assert first.result() == 1
    assert len(calls) == 1


def test_errors_are_those_of_the_work_and_do_not_stay() -> None:
    flights = SingleFlight[int]()

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        flights.do("key", fail)
    assert flights.do("key", lambda: 5) == 5
