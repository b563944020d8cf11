"""What PostgreSQL may take its time for, and what ends by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from orthanclite.core.constants import StoreStatus
from orthanclite.core.errors import DatabaseUnavailable
from orthanclite.index import SqlIndex
from orthanclite.index.database import engines as database
from orthanclite.index.database.session import Session
from orthanclite.index.database.transaction import Transaction
from tests.support.postgres import Cluster
from tests.support.records import record


@pytest.fixture
def url(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database whose patience ends after a second or two."""
    monkeypatch.setattr(database, "READ_TIMEOUT", 1)
    monkeypatch.setattr(database, "PAUSE_TIMEOUT", 1)
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 2)
    with postgres.database() as name:
        yield postgres.url(name)


@pytest.fixture
def index(url: str) -> Iterator[SqlIndex]:
    opened = SqlIndex(url)
    yield opened
    opened.close()


def test_a_search_that_takes_too_long_is_ended(index: SqlIndex) -> None:
    with (
        pytest.raises(DatabaseUnavailable, match="takes too long"),
        index.database.reader() as session,
    ):
        session.all(text("SELECT pg_sleep(20)"))
    with index.database.reader() as session:  # the connection is as good as before
        assert session.value(text("SELECT 1")) == 1


def test_statistics_may_take_long(index: SqlIndex) -> None:
    with index.database.patient_reader() as session:
        session.all(text("SELECT pg_sleep(1.5)"))
    for _ in range(database.READERS + 1):
        with index.database.reader() as session:
            assert session.value(text("SHOW statement_timeout")) == "1s"


def test_a_server_that_stops_in_a_transaction_holds_up_no_other(
    index: SqlIndex, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own transaction is tried again once it goes on."""
    other = SqlIndex(url)
    index.ingest.store(record())
    stopped, going_on = threading.Event(), threading.Event()
    command = Session.command

    def stopping(session: Session, sql: str) -> None:
        if sql == "COMMIT" and threading.current_thread().name.startswith("stopped") and not stopped.is_set():
            stopped.set()
            assert going_on.wait(60)
        command(session, sql)

    monkeypatch.setattr(Session, "command", stopping)
    try:
        with ThreadPoolExecutor(1, "stopped") as pool:
            first = pool.submit(index.ingest.store, record(instance="1.1"))
            assert stopped.wait(60)
            assert other.ingest.store(record(instance="1.2")).status is StoreStatus.SUCCESS
            going_on.set()
            assert first.result(60).status is StoreStatus.SUCCESS
        assert index.resources.counts().instances == 3
        numbers = [change.seq for change in index.changes.changes().changes]
        assert numbers == list(range(1, 7))
    finally:
        other.close()


def test_a_lock_that_is_not_released_is_not_waited_for_for_ever(index: SqlIndex, url: str) -> None:
    index.ingest.store(record())
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain) as holder:
        holder.execute("UPDATE totals SET patients = patients")
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(index.ingest.store, record(instance=f"2.{n}")) for n in range(4)]
            errors = [one.exception(60) for one in waiting]
        assert all(isinstance(error, DatabaseUnavailable) for error in errors)
    assert index.ingest.store(record(instance="3")).status is StoreStatus.SUCCESS
    assert index.resources.counts().instances == 2


def test_a_migration_waits_for_another_as_long_as_it_takes(index: SqlIndex) -> None:
    def settings(tx: Transaction) -> list[str]:
        return [str(tx.session.value(text(f"SHOW {name}"))) for name in ("lock_timeout", "statement_timeout")]

    assert index.properties._writer.run(settings) == ["2s", "0"]
