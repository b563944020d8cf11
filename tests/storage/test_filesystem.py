"""Blobs as files."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from orthanclite.core.errors import CannotWriteFile, CorruptedFile
from orthanclite.storage import FileStorage
from orthanclite.storage.filesystem import BLOBS_PER_FOLDER


def test_a_blob_is_stored_with_its_md5(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    blob = storage.put_hashed(memoryview(b"content"), True)
    assert storage.read(blob.uuid) == b"content"
    assert blob.md5 == hashlib.md5(b"content").hexdigest()
    assert storage.put_hashed(memoryview(b"content"), False).md5 == ""


def test_only_what_is_in_memory_is_read_without_waiting(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    content = os.urandom(300_000)
    uuid = storage.put(content)
    if storage.read_cached(uuid, 1) is None:
        pytest.skip("this system cannot tell what is in memory")
    assert storage.read_cached(uuid, len(content)) == content
    assert storage.read_cached(uuid, len(content) + 1) is None
    with storage.path(uuid).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert storage.read_cached(uuid, len(content)) is None
    assert storage.read(uuid) == content
    assert storage.read_cached(uuid, len(content)) == content
    storage.delete(uuid)
    assert storage.read_cached(uuid, len(content)) is None


def test_the_system_may_give_less_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FileStorage(tmp_path)
    uuid = storage.put(bytes(range(100)))
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda file, length, start: whole(file, min(length, 7), start))
    assert storage.read(uuid) == bytes(range(100))
    assert storage.read(uuid, 10, 50) == bytes(range(10, 60))
    assert storage.read(uuid, 200) == b""
    with pytest.raises(CorruptedFile, match="shorter than the index says"):
        storage.read(uuid, 90, 11)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 300_000, 1 << 20])
def test_what_is_written_past_the_cache_is_the_same(tmp_path: Path, size: int) -> None:
    storage = FileStorage(tmp_path, direct=True)
    content = os.urandom(size)
    with mmap.mmap(-1, size + 1) as memory, memoryview(memory) as view:
        view[:size] = content
        with view[:size] as data:
            blob = storage.put_hashed(data, True)
    assert storage.path(blob.uuid).read_bytes() == content
    assert blob.md5 == hashlib.md5(content).hexdigest()


def test_data_that_begins_at_no_page_is_written_as_well(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, direct=True)
    content = memoryview(os.urandom(100_001))[1:]
    assert storage.path(storage.put_hashed(content, False).uuid).read_bytes() == content


def test_what_is_fetched_is_in_memory_soon(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, direct=True)
    content = os.urandom(1 << 20)
    with mmap.mmap(-1, len(content)) as memory, memoryview(memory) as data:
        data[:] = content
        uuid = storage.put_hashed(data, False).uuid
    storage.prefetch(uuid)
    deadline = time.monotonic() + 30
    while storage.read_cached(uuid, len(content)) is None:
        if storage.read_cached(uuid, 0) is None:
            pytest.skip("this system cannot tell what is in memory")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    storage.delete(uuid)
    storage.prefetch(uuid)  # no error


def folders(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_dir()]


def test_empty_folders_do_not_stay_behind(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, sync=False)
    for _ in range(3 * BLOBS_PER_FOLDER):  # each is deleted at once, while its folder is the one in use
        storage.delete(storage.put(b"content"))
    assert len(folders(tmp_path)) <= 2
    kept = [storage.put(b"content") for _ in range(2 * BLOBS_PER_FOLDER)]
    for uuid in kept:
        storage.delete(uuid)
    assert len(folders(tmp_path)) <= 2
    writer = storage.create()
    writer.abort()
    assert len(folders(tmp_path)) <= 2


def test_a_folder_with_something_else_in_it_stays(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, sync=False)
    uuid = storage.put(b"content")
    note = storage.path(uuid).parent / "note"
    note.write_text("by the administrator")
    for _ in range(2 * BLOBS_PER_FOLDER):
        storage.put(b"other")
    storage.delete(uuid)
    assert note.read_text() == "by the administrator"


def test_files_are_written_while_their_folders_are_removed(tmp_path: Path) -> None:
    """Processes share the storage area: what one of them empties is the folder that another is writing to."""
    storages = [FileStorage(tmp_path, sync=False) for _ in range(2)]
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            with suppress(OSError):
                for folder in sorted(folders(tmp_path), reverse=True):
                    with suppress(OSError):
                        folder.rmdir()

    with ThreadPoolExecutor(3) as pool:
        remover = pool.submit(remove)
        try:
            for number in range(300):
                storage = storages[number % 2]
                uuid = storage.put(b"content")
                assert storage.read(uuid) == b"content"
                storages[(number + 1) % 2].delete(uuid)
        finally:
            stop.set()
        remover.result()
    assert list(storages[0].scan()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        storage = FileStorage(tmp_path / "new", sync=False)
        path = storage.path(storage.put(b"content"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o027 == 0
    assert all(folder.stat().st_mode & 0o027 == 0 for folder in (path.parent, path.parent.parent))


def test_what_is_written_after_the_end_touches_no_other_file(tmp_path: Path) -> None:
    """The system gives the number of a closed file to the next one that is opened."""
    storage = FileStorage(tmp_path)
    writer = storage.create()
    writer.write(b"first")
    writer.abort()
    other = storage.create()
    for step in (lambda: writer.write(b"stray"), writer.start_sync, writer.commit):
        with pytest.raises(CannotWriteFile, match="closed"):
            step()
    with pytest.raises(CannotWriteFile, match="closed"):
        writer.write_direct(memoryview(b"stray"))
    other.write(b"second")
    other.commit()
    assert storage.read(other.uuid) == b"second"


def test_a_writer_is_not_closed_amid_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FileStorage(tmp_path).create()
    begun, go_on = threading.Event(), threading.Event()
    write = os.write

    def slow(descriptor: int, data: memoryview) -> int:
        begun.set()
        assert go_on.wait(30)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(writer.write, b"content")
        assert begun.wait(30)
        closing = pool.submit(writer.close)
        time.sleep(0.05)
        assert not closing.done()
        go_on.set()
        writing.result(30)
        closing.result(30)
