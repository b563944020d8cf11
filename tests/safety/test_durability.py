"""What a kill cannot show, since the kernel survives it: bytes are durable before they are acknowledged.

Larger blobs are synced before they are indexed; the content of small ones is committed with the index, and
their files are written anew from there after a crash of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orthanclite.core.constants import AttachmentType, StoreStatus
from orthanclite.core.errors import CannotWriteFile
from orthanclite.core.levels import Level
from orthanclite.core.model import InstanceRecord, StoreOutcome
from orthanclite.index import SqlIndex
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.service import IngestOptions
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

SMALL = dicom_file()
MEDIUM = dicom_file(instance="1.2.3.7", pixels=bytes(2 * 200 * 200), side=200)
LARGE = dicom_file(instance="1.2.3.5", pixels=bytes(2 * 700 * 700), side=700)


class Watch:
    """Notes the size of each file at its sync, and compares when a record reaches the index."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: Lab) -> None:
        self.synced: dict[str, int] = {}
        self.seen: list[tuple[int, int | None]] = []
        sync, store = os.fsync, bench.index.ingest.store_many

        def watched_sync(descriptor: int) -> None:
            sync(descriptor)
            name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
            self.synced[name] = os.fstat(descriptor).st_size

        def watched_store(records: Sequence[InstanceRecord]) -> list[StoreOutcome | Exception]:
            for record in records:
                for one in record.attachments:
                    kept = record.journal
                    durable = self.synced.get(one.uuid) if kept is None else len(kept[1])
                    self.seen.append((one.stored_size, durable))
            return store(records)

        monkeypatch.setattr(os, "fsync", watched_sync)
        monkeypatch.setattr(bench.index.ingest, "store_many", watched_store)


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, IngestOptions(compress=request.param)) as made:
        made.blobs.sync = True
        yield made


def test_files_are_durable_before_they_are_indexed(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, bench)
    for data in (SMALL, MEDIUM, LARGE):
        assert bench.ingest.store(data, ORIGIN).status is StoreStatus.SUCCESS
    reception = bench.ingest.receive()
    reception.write(dicom_file(instance="1.2.3.6"))
    assert reception.finish(ORIGIN).status is StoreStatus.SUCCESS
    assert len(watch.seen) == 4
    assert all(size == synced for size, synced in watch.seen)


def test_sync_storage_area_off_spares_the_sync(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.blobs.sync = False
    watch = Watch(monkeypatch, bench)
    assert bench.ingest.store(LARGE, ORIGIN).status is StoreStatus.SUCCESS
    assert [synced for _, synced in watch.seen] == [None]


def test_what_the_disk_lost_is_written_anew_from_the_journal(
    bench: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = [bench.ingest.store(dicom_file(instance=f"1.{n}"), ORIGIN) for n in range(4)]
    uuids = [_blob(bench, result.ids.instance) for result in stored]
    contents = [bench.blobs.read(uuid) for uuid in uuids]
    bench.blobs.path(uuids[0]).unlink()  # its folder did not reach the disk
    bench.blobs.path(uuids[1]).write_bytes(b"")  # its content did not
    bench.blobs.path(uuids[2]).write_bytes(bytes(len(contents[2])))
    assert JournalKeeper(bench.index.journal, bench.blobs).recover() == 4
    assert [bench.blobs.read(uuid) for uuid in uuids] == contents
    assert list(bench.index.journal.entries()) == []


def test_the_journal_forgets_what_is_on_the_disk_and_nothing_else(bench: Lab) -> None:
    bench.ingest.store(SMALL, ORIGIN)
    keeper = JournalKeeper(bench.index.journal, bench.blobs)
    known = [uuid for uuid, _ in bench.index.journal.entries()]
    assert len(known) == 1
    assert keeper.flush() == 0
    assert len(list(bench.index.journal.entries())) == 1
    keeper.note(known)
    assert keeper.flush() == 1
    assert list(bench.index.journal.entries()) == []


def test_a_failing_sync_leaves_the_journal_as_it_is(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ingest.store(SMALL, ORIGIN)
    keeper = JournalKeeper(bench.index.journal, bench.blobs)
    keeper.note(uuid for uuid, _ in bench.index.journal.entries())

    def fail(uuids: Sequence[str]) -> None:
        raise CannotWriteFile

    with monkeypatch.context() as patch:
        patch.setattr(bench.blobs, "make_durable", fail)
        with pytest.raises(CannotWriteFile):
            keeper.flush()
    assert len(list(bench.index.journal.entries())) == 1
    assert keeper.flush() == 1


def _blob(bench: Lab, instance: str) -> str:
    return bench.index.annotations.attachments(Level.INSTANCE, instance)[AttachmentType.DICOM].uuid


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    index = SqlIndex(f"sqlite:///{tmp_path}/index.db")
    try:
        with index.database.engine().connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    finally:
        index.close()
