"""PostgreSQL's statistics follow the growth of the tables."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from orthanclite.index import SqlIndex
from orthanclite.index.database import statistics
from tests.support.records import record


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are many."""
    monkeypatch.setattr(statistics, "SMALL", 10)


def store(index: SqlIndex, first: int, count: int) -> None:
    for number in range(first, first + count):
        index.ingest.store(record("p", "1", "1.1", f"1.1.{number}"))


def known_rows(index: SqlIndex, table: str) -> int:
    """The number of rows that the planner reckons with; negative where it knows nothing."""
    known = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
    with index.database.reader() as session:
        return int(session.value(known, name=table))


def test_tables_are_analysed_when_they_have_doubled(index: SqlIndex) -> None:
    store(index, 0, 10)
    assert not index.statistics.refresh()  # few rows
    store(index, 10, 5)
    if index.database.is_sqlite:
        assert not index.statistics.refresh()
        return
    assert index.statistics.refresh()
    assert known_rows(index, "instances") == known_rows(index, "attachments") == 15
    assert known_rows(index, "studies") == 1
    store(index, 15, 15)
    assert not index.statistics.refresh()
    store(index, 30, 1)
    assert index.statistics.refresh()
    assert known_rows(index, "instances") == 31
