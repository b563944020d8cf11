"""What a kill cannot show, since the kernel survives it: bytes are durable before they are acknowledged.

Larger blobs are synced before they are indexed; the content of small ones is committed with the index, and
their files are written anew from there after a crash of the machine.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from orthanclite.core.constants import AttachmentType, StoreStatus
from orthanclite.core.errors import CannotWriteFile
from orthanclite.core.levels import Level
from orthanclite.core.model import InstanceRecord, StoreOutcome
from orthanclite.index import SqlIndex
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.service import IngestOptions
from orthanclite.storage import FileStorage
from orthanclite.storage.sync import sync_file_system
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
    keeper.note(known, 0)
    assert keeper.flush() == 1
    assert list(bench.index.journal.entries()) == []


def test_a_failing_sync_leaves_the_journal_as_it_is(bench: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ingest.store(SMALL, ORIGIN)
    keeper = JournalKeeper(bench.index.journal, bench.blobs)
    keeper.note([uuid for uuid, _ in bench.index.journal.entries()], 0)

    with monkeypatch.context() as patch:
        patch.setattr(bench.blobs, "make_durable", _fail)
        with pytest.raises(CannotWriteFile):
            keeper.flush()
    assert len(list(bench.index.journal.entries())) == 1
    assert keeper.flush() == 1


class FailingDisk:
    """A disk that loses what is written to it: the system tells once, and takes its cache for written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: Lab) -> None:
        self.is_broken = False
        self.synced: set[str] = set()  # names of files that were synced on their own
        self.forgotten: list[str] = []
        self._bench = bench
        real_sync, real_fsync = sync_file_system, os.fsync
        assert real_sync is not None

        def syncfs(descriptor: int) -> None:
            if self.is_broken:
                self.is_broken = False
                raise OSError(errno.EIO, "Input/output error")
            real_sync(descriptor)

        def fsync(descriptor: int) -> None:
            real_fsync(descriptor)
            self.synced.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

        forget = bench.index.journal.forget

        def watched_forget(uuids: Sequence[str]) -> None:
            self.forgotten += [uuid for uuid in uuids if uuid not in self.synced]
            forget(uuids)

        monkeypatch.setattr("orthanclite.storage.sync.sync_file_system", syncfs)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(bench.index.journal, "forget", watched_forget)


@pytest.mark.skipif(sync_file_system is None, reason="file systems cannot be synced as a whole here")
@pytest.mark.parametrize("moment", ["noted", "under way", "before a restart"])
def test_after_a_failed_sync_each_file_is_written_anew(
    bench: Lab, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A sync that fails is not made good by one that succeeds."""
    disk = FailingDisk(monkeypatch, bench)
    keeper = JournalKeeper(bench.index.journal, bench.blobs)
    result = bench.ingest.store(SMALL, ORIGIN)
    uuid = _blob(bench, result.ids.instance)
    content = bench.blobs.read(uuid)
    written = [uuid]
    if moment == "under way":  # another file fails, and this one is noted after it
        keeper.note([str(UUID(int=1))], 0)
    else:
        keeper.note(written, 0)
    disk.is_broken = True
    with pytest.raises(CannotWriteFile):
        keeper.flush()
    path = bench.blobs.path(uuid)
    path.write_bytes(bytes(len(content)))  # the disk's view, once the cache is gone
    assert not disk.forgotten
    if moment == "under way":
        keeper.note(written, 0)
    if moment == "before a restart":
        path.write_bytes(content)  # the cache has what the disk has not
        JournalKeeper(bench.index.journal, bench.blobs).recover()
    else:
        assert keeper.flush() == 1
    assert path.read_bytes() == content
    assert uuid in disk.synced
    assert disk.forgotten == []
    assert list(bench.index.journal.entries()) == []


def test_a_file_under_way_when_the_sync_fails_is_written_anew_later(
    bench: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted only after the others were written anew."""
    keeper = JournalKeeper(bench.index.journal, bench.blobs)
    failures = keeper.failures
    keeper.note([str(UUID(int=1))], failures)
    with monkeypatch.context() as patch:
        patch.setattr(bench.blobs, "make_durable", _fail)
        with pytest.raises(CannotWriteFile):
            keeper.flush()
    keeper.flush()
    result = bench.ingest.store(SMALL, ORIGIN)
    uuid = _blob(bench, result.ids.instance)
    content = bench.blobs.read(uuid)
    bench.blobs.path(uuid).write_bytes(b"")
    keeper.note([uuid], failures)
    assert keeper.flush() == 1
    assert bench.blobs.read(uuid) == content


@pytest.mark.skipif(sync_file_system is None, reason="file systems cannot be synced as a whole here")
def test_a_file_system_is_open_before_anything_is_written_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens it later is not told of the errors that another program has seen."""
    opened: list[str] = []
    real_open, real_write = os.open, os.write

    def watched_open(path: Any, *args: Any, **kw: Any) -> int:
        opened.append(f"open {Path(path).name}")
        return real_open(path, *args, **kw)

    def watched_write(descriptor: int, data: Any) -> int:
        opened.append("write")
        return real_write(descriptor, data)

    blobs = FileStorage(tmp_path)
    monkeypatch.setattr(os, "open", watched_open)
    monkeypatch.setattr(os, "write", watched_write)
    first = blobs.put_unsynced(b"first")
    folder = blobs.path(first).parent.name
    assert opened.index(f"open {folder}") < opened.index("write")
    opened.clear()
    synced: list[int] = []
    monkeypatch.setattr("orthanclite.storage.sync.sync_file_system", synced.append)
    second = blobs.put_unsynced(b"second")
    blobs.make_durable([first, second])
    blobs.make_durable([first, second])
    assert f"open {folder}" not in opened
    assert len(synced) == 2
    assert len(set(synced)) == 1


def _fail(uuids: Sequence[str]) -> None:
    raise CannotWriteFile


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
