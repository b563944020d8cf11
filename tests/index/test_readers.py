"""The connection that the event loop reads through: it waits for nobody, and nobody waits for it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import text

from orthanclite.core.levels import Level
from orthanclite.index import SqlIndex
from orthanclite.index.database.engines import READERS
from tests.support.records import record


def test_it_waits_for_no_other_reader(tmp_path: Path) -> None:
    index = SqlIndex(f"sqlite:///{tmp_path}/index.db")
    stored = index.ingest.store(record())
    with ThreadPoolExecutor(1) as loop, ThreadPoolExecutor(1) as others, ExitStack() as stack:
        loop.submit(index.database.reserve_reader).result()
        for _ in range(READERS):
            stack.enter_context(index.database.reader())
        read = loop.submit(index.resources.get, Level.INSTANCE, stored.ids.instance)
        assert read.result(timeout=10) is not None
        waiting = others.submit(index.resources.get, Level.INSTANCE, stored.ids.instance)
        stack.close()
        assert waiting.result(timeout=10) is not None
    index.close()


def test_it_sees_what_was_committed_and_keeps_nothing_from_being_checkpointed(tmp_path: Path) -> None:
    index = SqlIndex(f"sqlite:///{tmp_path}/index.db")
    index.database.reserve_reader()
    for number in range(5):
        stored = index.ingest.store(record(instance=f"1.2.3.{number}"))
        assert index.resources.get(Level.INSTANCE, stored.ids.instance) is not None
        with index.database.engine().connect() as connection:
            busy, _, _ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        assert not busy
    index.close()
    with sqlite3.connect(tmp_path / "index.db") as connection:
        assert connection.execute("SELECT count(*) FROM instances").fetchone() == (5,)
