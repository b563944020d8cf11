"""Two servers that remove and annotate the same resources at the same time, on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from sqlalchemy import func, select

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment, OverwriteMode, ResourceRef
from orthanclite.index import Limits, SqlIndex
from orthanclite.index.database.engines import Database
from orthanclite.index.database.transaction import Transaction
from orthanclite.index.schema import TABLES, attachments, labels, totals, user_metadata
from tests.support.postgres import Cluster
from tests.support.records import record


class Pair(NamedTuple):
    first: SqlIndex
    second: SqlIndex

    def both(self, first: Callable[[], object], second: Callable[[], object]) -> list[Any]:
        """What two calls come to, of which the second begins before the first one is committed."""
        paused, go_on = threading.Event(), threading.Event()
        finish = Transaction.finish

        def slow_finish(tx: Transaction) -> None:
            if threading.current_thread().name.startswith("first"):
                paused.set()
                assert go_on.wait(30)
            finish(tx)

        with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1, "first") as one:
            patch.setattr(Transaction, "finish", slow_finish)
            with ThreadPoolExecutor(1, "second") as other:
                ahead = one.submit(first)
                assert paused.wait(30)
                behind = other.submit(second)
                time.sleep(0.3)  # it waits for the first one by now, or has done what it can
                go_on.set()
                return [_result(ahead), _result(behind)]

    def check(self) -> None:
        """The totals are what is there, and nothing is without its owner or its children."""
        with self.first.database.reader() as session:
            row = session.one(select(totals))
            assert row is not None
            counted = [session.value(select(func.count()).select_from(TABLES[level])) for level in Level]
            sizes = session.one(
                select(
                    func.coalesce(func.sum(attachments.c.stored_size), 0),
                    func.coalesce(func.sum(attachments.c.size), 0),
                )
            )
            assert list(row[1:5]) == counted
            assert tuple(row[5:7]) == sizes
            for level in (Level.PATIENT, Level.STUDY, Level.SERIES):
                child = TABLES[Level(level + 1)]
                childless = TABLES[level].c.id.not_in(select(child.c.parent))
                assert session.all(select(TABLES[level].c.id).where(childless)) == []
            for table in (attachments, user_metadata, labels):
                for level in Level:
                    gone = table.c.resource.not_in(select(TABLES[level].c.id))
                    assert session.all(select(table).where(table.c.level == int(level), gone)) == []


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(60)
    except Exception as exc:
        return exc


@contextmanager
def two_servers(postgres: Cluster, limits: Limits | None = None) -> Iterator[Pair]:
    with postgres.database() as name:
        first = SqlIndex(postgres.url(name), limits)
        second = SqlIndex(postgres.url(name), limits)
        try:
            yield Pair(first, second)
        finally:
            first.close()
            second.close()


@pytest.fixture
def pair(postgres: Cluster) -> Iterator[Pair]:
    with two_servers(postgres) as made:
        for number in range(3):
            made.first.ingest.store(record(series="1.2.3", instance=f"1.2.3.{number}"))
        made.first.ingest.store(record(series="1.2.4", instance="1.2.4.1"))
        made.second.ingest.store(record("other", "1.3", "1.3.1", "1.3.1.1"))  # its signatures are known
        yield made


def ids(pair: Pair, level: Level, instance: str = "1.2.3.0") -> str:
    return record(instance=instance).ids.at(level)


@pytest.mark.parametrize("level", Level)
def test_what_both_delete_is_counted_once(pair: Pair, level: Level) -> None:
    id = ids(pair, level)
    first, second = pair.both(
        lambda: pair.first.resources.delete(level, id), lambda: pair.second.resources.delete(level, id)
    )
    assert first.deleted[0] == ResourceRef(level, id)
    assert isinstance(second, UnknownResource)
    pair.check()


@pytest.mark.parametrize("ahead", Level)
@pytest.mark.parametrize("behind", Level)
def test_what_one_deletes_above_the_other_is_counted_once(pair: Pair, ahead: Level, behind: Level) -> None:
    outcomes = pair.both(
        lambda: pair.first.resources.delete(ahead, ids(pair, ahead)),
        lambda: pair.second.resources.delete(behind, ids(pair, behind)),
    )
    removed = [blob for one in outcomes if not isinstance(one, Exception) for blob in one.removed_blobs]
    assert len(removed) == len(set(removed))
    assert all(not isinstance(one, Exception) or isinstance(one, UnknownResource) for one in outcomes)
    pair.check()


def test_no_series_is_left_empty(pair: Pair) -> None:
    """Each server removes one of the last two instances."""
    pair.first.resources.delete(Level.INSTANCE, ids(pair, Level.INSTANCE, "1.2.3.2"))
    pair.both(
        lambda: pair.first.resources.delete(Level.INSTANCE, ids(pair, Level.INSTANCE, "1.2.3.0")),
        lambda: pair.second.resources.delete(Level.INSTANCE, ids(pair, Level.INSTANCE, "1.2.3.1")),
    )
    pair.check()
    assert pair.first.resources.get(Level.SERIES, ids(pair, Level.SERIES)) is None


def test_a_new_instance_is_not_lost_with_its_series(pair: Pair) -> None:
    series = ids(pair, Level.SERIES)
    _, stored = pair.both(
        lambda: pair.first.resources.delete(Level.SERIES, series),
        lambda: pair.second.ingest.store(record(instance="1.2.3.9")),
    )
    assert stored.created
    pair.check()
    assert pair.first.resources.exists(Level.INSTANCE, ids(pair, Level.INSTANCE, "1.2.3.9"))


def test_nothing_is_attached_to_what_is_gone(pair: Pair) -> None:
    id = ids(pair, Level.INSTANCE)
    note = Attachment(1024, "00000000-0000-0000-0000-000000000001", 3, "m", 3, "m")
    annotations = pair.second.annotations
    for write in (
        lambda: annotations.set_attachment(Level.INSTANCE, id, note),
        lambda: annotations.set_metadata(Level.INSTANCE, id, 1024, "value"),
        lambda: annotations.add_label(Level.INSTANCE, id, "label"),
    ):
        _, written = pair.both(lambda: pair.first.resources.delete(Level.INSTANCE, id), write)
        assert isinstance(written, UnknownResource)
        pair.check()
        pair.first.ingest.store(record(series="1.2.3", instance="1.2.3.0"))


def test_revisions_count_each_write(pair: Pair) -> None:
    id = ids(pair, Level.STUDY)
    pair.first.annotations.set_metadata(Level.STUDY, id, 1024, "zero")
    revisions = pair.both(
        lambda: pair.first.annotations.set_metadata(Level.STUDY, id, 1024, "one"),
        lambda: pair.second.annotations.set_metadata(Level.STUDY, id, 1024, "two"),
    )
    assert revisions == [1, 2]
    notes = [Attachment(1024, f"00000000-0000-0000-0000-00000000000{n}", 3, "m", 3, "m") for n in range(2)]
    written = pair.both(
        lambda: pair.first.annotations.set_attachment(Level.STUDY, id, notes[0]),
        lambda: pair.second.annotations.set_attachment(Level.STUDY, id, notes[1]),
    )
    assert written == [(0, None), (1, notes[0].uuid)]
    pair.check()


def test_both_overwrite_an_instance(pair: Pair) -> None:
    new = [record(overwrite=OverwriteMode.ALWAYS, instance="1.2.3.0", size=size) for size in (7, 8)]
    first, second = pair.both(
        lambda: pair.first.ingest.store(new[0]), lambda: pair.second.ingest.store(new[1])
    )
    assert second.removed_blobs == (new[0].attachments[0].uuid,)
    assert len(first.removed_blobs) == 1
    files = pair.first.annotations.attachments(Level.INSTANCE, new[0].ids.instance)
    assert files[AttachmentType.DICOM].uuid == new[1].attachments[0].uuid
    pair.check()


def test_both_add_a_sop_class_to_a_series(pair: Pair) -> None:
    uids = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7")
    new = [replace(record(instance=f"1.9.{uid[-1]}"), sop_class_uid=uid) for uid in uids]
    pair.both(lambda: pair.first.ingest.store(new[0]), lambda: pair.second.ingest.store(new[1]))
    study = ids(pair, Level.STUDY)
    assert set(uids) < set(pair.first.resources.sop_classes_in_study(study))


def test_no_more_is_recycled_than_makes_room(postgres: Cluster) -> None:
    """Both see one patient too many, and one of them removes it."""
    with two_servers(postgres, Limits(max_patients=3)) as pair:
        for number in range(3):
            pair.first.ingest.store(record(f"p{number}", f"1.{number}", f"1.{number}.1", f"1.{number}.1.1"))
        database = Database(pair.first.database.url)
        with database.engine().connect() as connection:
            connection.exec_driver_sql("UPDATE totals SET patients = 4")  # as if there was one more
        database.close()
        recycled = pair.both(pair.first.maintenance.recycle, pair.second.maintenance.recycle)
        removed = [one for outcome in recycled if outcome is not None for one in outcome.deleted]
        assert len(removed) == 1
        assert pair.first.resources.counts().patients == 3
        assert len(pair.first.resources.list_ids(Level.PATIENT)) == 2


def test_two_servers_recycle_down_to_a_lowered_limit_and_no_further(postgres: Cluster) -> None:
    with two_servers(postgres, Limits(max_patients=2)) as pair:
        filling = SqlIndex(pair.first.database.url)
        new = [record(f"p{n}", f"1.{n}", f"1.{n}.1", f"1.{n}.1.1") for n in range(12)]
        stored = [filling.ingest.store(one) for one in new]
        filling.close()

        def recycle_all(index: SqlIndex) -> list[ResourceRef]:
            outcomes = iter(index.maintenance.recycle, None)
            return [one for outcome in outcomes if outcome is not None for one in outcome.deleted]

        with ThreadPoolExecutor(2) as pool:
            removed = [one for found in pool.map(recycle_all, pair) for one in found]
        assert {one.id for one in removed} == {one.ids.patient for one in stored[:10]}
        assert len(removed) == 10
        pair.check()
