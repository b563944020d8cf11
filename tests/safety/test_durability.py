"""What a kill cannot show, since the kernel survives it: bytes are synced before they are indexed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orthanclite.core.constants import StoreStatus
from orthanclite.core.model import InstanceRecord, StoreOutcome
from orthanclite.index import SqlIndex
from orthanclite.services.ingest import IngestOptions
from tests.support.lab import ORIGIN, Lab, lab
from tests.support.records import dicom_file

SMALL = dicom_file()
LARGE = dicom_file(instance="1.2.3.5", pixels=bytes(2 * 700 * 700), side=700)


class Watch:
    """Notes the size of each file at its sync, and compares when a record reaches the index."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: Lab) -> None:
        self.synced: dict[str, int] = {}
        self.seen: list[tuple[int, int | None]] = []
        sync, store = os.fsync, bench.index.ingest.store

        def watched_sync(descriptor: int) -> None:
            sync(descriptor)
            name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
            self.synced[name] = os.fstat(descriptor).st_size

        def watched_store(record: InstanceRecord) -> StoreOutcome:
            self.seen += [(one.stored_size, self.synced.get(one.uuid)) for one in record.attachments]
            return store(record)

        monkeypatch.setattr(os, "fsync", watched_sync)
        monkeypatch.setattr(bench.index.ingest, "store", watched_store)


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, IngestOptions(compress=request.param)) as made:
        made.blobs.sync = True
        yield made


def test_files_are_synced_whole_before_they_are_indexed(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch, bench)
    for data in (SMALL, LARGE):
        assert bench.ingest.store(data, ORIGIN).status is StoreStatus.SUCCESS
    reception = bench.ingest.receive()
    reception.write(dicom_file(instance="1.2.3.6"))
    assert reception.finish(ORIGIN).status is StoreStatus.SUCCESS
    assert len(watch.seen) == 3
    assert all(size == synced for size, synced in watch.seen)


def test_sync_storage_area_off_spares_the_sync(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.blobs.sync = False
    watch = Watch(monkeypatch, bench)
    assert bench.ingest.store(LARGE, ORIGIN).status is StoreStatus.SUCCESS
    assert [synced for _, synced in watch.seen] == [None]


def test_sqlite_commits_reach_the_disk(tmp_path: Path) -> None:
    index = SqlIndex(f"sqlite:///{tmp_path}/index.db")
    try:
        with index.database.engine().connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    finally:
        index.close()
