"""The process that stores large blobs: what it answers is on the disk, whatever becomes of it."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from orthanclite.core.errors import FullStorage, OrthancError
from orthanclite.core.model import StoredBlob
from orthanclite.storage import FileStorage
from orthanclite.storage.blob_process import BlobProcess
from orthanclite.storage.shared_memory import SharedMemory, SharedPiece

TIMEOUT = 60


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "blobs")


@contextmanager
def helper(storage: FileStorage) -> Iterator[tuple[BlobProcess, SharedMemory]]:
    memory = SharedMemory()
    with closing(BlobProcess(storage, memory)) as process:
        yield process, memory


def content(number: int, size: int = 300_000) -> bytes:
    return hashlib.shake_128(str(number).encode()).digest(size)


def piece_of(memory: SharedMemory, data: bytes) -> SharedPiece:
    piece = memory.take(len(data))
    piece[:] = data
    return piece


def begin(process: BlobProcess, memory: SharedMemory, data: bytes) -> Future[StoredBlob]:
    piece = piece_of(memory, data)
    assert process.takes(piece)
    return process.store(piece, True)


def check(storage: FileStorage, blob: StoredBlob, data: bytes) -> None:
    assert storage.read(blob.uuid) == data
    assert blob.md5 == hashlib.md5(data).hexdigest()


def stored_files(storage: FileStorage) -> set[str]:
    return {uuid for uuid, _, _ in storage.scan()}


def test_blobs_are_stored_at_once_and_the_memory_is_free_afterwards(storage: FileStorage) -> None:
    contents = [content(number) for number in range(40)]
    with helper(storage) as (process, memory):
        begun = [begin(process, memory, data) for data in contents]
        for future, data in zip(begun, contents, strict=True):
            check(storage, future.result(TIMEOUT), data)
        assert stored_files(storage) == {future.result().uuid for future in begun}
        deadline = time.monotonic() + TIMEOUT
        while not memory.has(4 << 20) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [memory.take(1 << 20) for _ in range(64)]


def test_without_the_md5(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        blob = process.store(piece_of(memory, content(1)), False).result(TIMEOUT)
        assert storage.read(blob.uuid) == content(1)
        assert blob.md5 == ""


def test_what_lies_elsewhere_is_not_taken(storage: FileStorage) -> None:
    with helper(storage) as (process, _):
        assert not process.takes(content(1))


def test_closing_waits_for_what_was_begun(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        pid = process.pid
        begun = [begin(process, memory, content(number, 2 << 20)) for number in range(8)]
    for number, future in enumerate(begun):
        assert future.done()
        check(storage, future.result(), content(number, 2 << 20))
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_after_the_end_blobs_are_stored_here(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        pass
    piece = piece_of(memory, content(1))
    assert not process.takes(piece)
    check(storage, process.store(piece, True).result(0), content(1))


def test_a_killed_process_loses_nothing_and_is_replaced(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        check(storage, begin(process, memory, content(0)).result(TIMEOUT), content(0))
        pids = {process.pid}
        for round_ in range(3):
            pid = process.pid
            assert pid is not None
            data = [content(100 * round_ + number, 1 << 20) for number in range(20)]
            begun = [begin(process, memory, one) for one in data]
            os.kill(pid, signal.SIGKILL)
            for future, one in zip(begun, data, strict=True):
                check(storage, future.result(TIMEOUT), one)
            deadline = time.monotonic() + TIMEOUT
            while not process.takes(probe := piece_of(memory, b"x")) and time.monotonic() < deadline:
                time.sleep(0.01)
            check(storage, process.store(probe, True).result(TIMEOUT), b"x")
            del probe
            pids.add(process.pid)
        assert len(pids) == 4


def test_a_process_that_cannot_work_is_not_started_again(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orthanclite.storage.blob_process.__name__", "orthanclite.no_such_module")
    with helper(storage) as (process, memory):
        begun = [process.store(piece_of(memory, content(number)), True) for number in range(3)]
        for number, future in enumerate(begun):
            check(storage, future.result(TIMEOUT), content(number))
        deadline = time.monotonic() + TIMEOUT
        while process.takes(piece_of(memory, b"x")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.pid is None


def test_signals_that_end_a_server_leave_it_at_work(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        check(storage, begin(process, memory, content(0)).result(TIMEOUT), content(0))
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
        check(storage, begin(process, memory, content(1)).result(TIMEOUT), content(1))
        assert process.pid == pid


def test_a_full_disk_is_reported_and_leaves_nothing(storage: FileStorage) -> None:
    memory = SharedMemory()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        process = BlobProcess(storage, memory)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with closing(process):
        with pytest.raises(FullStorage):
            begin(process, memory, content(1)).result(TIMEOUT)
        assert stored_files(storage) == set()
        check(storage, begin(process, memory, content(2, 150_000)).result(TIMEOUT), content(2, 150_000))


def test_a_storage_folder_that_cannot_be_written(storage: FileStorage) -> None:
    with helper(storage) as (process, memory):
        check(storage, begin(process, memory, content(0)).result(TIMEOUT), content(0))
        moved = storage.root.rename(storage.root.with_name("moved"))
        storage.root.write_text("in the way")
        with pytest.raises(OrthancError):
            begin(process, memory, content(1)).result(TIMEOUT)
        storage.root.unlink()
        moved.rename(storage.root)
        check(storage, begin(process, memory, content(2)).result(TIMEOUT), content(2))
