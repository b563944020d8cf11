"""What the server counts."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from orthanclite.core import metrics
from orthanclite.core.metrics import Metrics


def test_the_text_that_scrapers_read() -> None:
    counted = Metrics()
    counted.set("b", 1.5)
    counted.add("a", 2)
    counted.declare("c", "a")
    lines = counted.render().splitlines()
    assert [line.rpartition(" ")[0] for line in lines] == ["a 2", "b 1.5", "c 0"]
    assert all(re.fullmatch(r"\w+ [0-9.]+ [0-9]{13}", line) for line in lines)


def test_durations_show_the_largest_of_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    monkeypatch.setattr(metrics, "_now_ms", lambda: now)
    counted = Metrics()
    seen = []
    for now, value in ((0, 5), (1000, 9), (2000, 3), (11_000, 4), (11_001, 4), (11_002, 2)):  # noqa: B007
        counted.observe("d", value)
        seen.append(counted.get("d"))
    assert seen == [5, 9, 9, 9, 4, 4]


def test_a_block_that_fails_is_timed_too() -> None:
    counted = Metrics()
    with pytest.raises(ValueError, match="x"), counted.timer("t"):
        raise ValueError("x")
    assert "t " in counted.render()


def test_nothing_is_counted_where_metrics_are_off() -> None:
    counted = Metrics(enabled=False)
    counted.set("a", 1)
    counted.add("b")
    counted.observe("c", 1)
    assert counted.render() == ""


def test_no_count_is_lost_between_threads() -> None:
    counted = Metrics()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counted.add("n"), range(5000)))
    assert counted.get("n") == 5000
