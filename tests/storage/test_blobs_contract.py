"""What every storage must do, tried on the file system and on the double that tests use instead."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orthanclite.core.errors import CorruptedFile
from orthanclite.core.ports import Blobs
from orthanclite.core.ports.testing import MemoryBlobs
from orthanclite.storage import FileStorage


@pytest.fixture(params=["files", "files without sync", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs()
    return FileStorage(tmp_path, sync=request.param == "files")


def stored(blobs: Blobs) -> list[str]:
    return sorted(uuid for uuid, _, _ in blobs.scan())


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 500])
def test_what_is_put_is_read(blobs: Blobs, content: bytes) -> None:
    name = blobs.put(content)
    assert str(uuid.UUID(name)) == name
    assert blobs.read(name) == content
    with blobs.open(name) as file:
        assert file.read() == content


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_stored(blobs: Blobs, kind: type) -> None:
    data = kind(b"0123456789")
    name = blobs.put(data)
    writer = blobs.create()
    writer.write(data)
    writer.commit()
    assert blobs.read(name) == blobs.read(writer.uuid) == b"0123456789"


def test_ranges(blobs: Blobs) -> None:
    name = blobs.put(b"0123456789")
    assert blobs.read(name, 3) == b"3456789"
    assert blobs.read(name, 3, 4) == b"3456"
    assert blobs.read(name, 0, 0) == b""
    assert blobs.read(name, 10, 0) == b""
    with pytest.raises(CorruptedFile):
        blobs.read(name, 3, 8)
    with pytest.raises(CorruptedFile):
        blobs.read(name, 11, 1)
    with blobs.open(name) as file:
        assert file.seek(-2, 2) == 8
        assert file.read() == b"89"
        assert file.seek(4) == 4
        assert file.read(3) == b"456"


def test_a_blob_that_is_not_there(blobs: Blobs) -> None:
    name = str(uuid.uuid4())
    with pytest.raises(CorruptedFile):
        blobs.read(name)
    with pytest.raises(CorruptedFile):
        blobs.open(name)
    blobs.delete(name)


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "/etc/passwd", "a" * 36, "A" * 8])
def test_only_uuids_name_blobs(blobs: Blobs, name: str) -> None:
    with pytest.raises(CorruptedFile):
        blobs.read(name)


def test_deleting(blobs: Blobs) -> None:
    first, second = blobs.put(b"first"), blobs.put(b"second")
    blobs.delete(first)
    blobs.delete(first)
    assert stored(blobs) == [second]
    with pytest.raises(CorruptedFile):
        blobs.read(first)


def test_a_blob_in_pieces(blobs: Blobs) -> None:
    writer = blobs.create()
    for piece in (b"one ", b"", memoryview(b"two ")):
        writer.write(piece)
    writer.commit()
    assert blobs.read(writer.uuid) == b"one two "
    assert stored(blobs) == [writer.uuid]


def test_nothing_is_left_of_an_aborted_one(blobs: Blobs) -> None:
    for count in range(3):
        writer = blobs.create()
        for _ in range(count):
            writer.write(b"content")
        writer.abort()
    assert stored(blobs) == []


def test_the_list_tells_sizes_and_times(blobs: Blobs) -> None:
    before = time.time() - 1
    sizes = {blobs.put(bytes(size)): size for size in (0, 1, 1000)}
    found = {name: (size, moment) for name, size, moment in blobs.scan()}
    assert {name: size for name, (size, _) in found.items()} == sizes
    assert all(before <= moment <= time.time() + 1 for _, moment in found.values())


def test_the_mark(blobs: Blobs) -> None:
    assert blobs.get_mark() is None
    for mark in ("first mark", "second"):
        blobs.set_mark(mark)
        assert blobs.get_mark() == mark
    assert stored(blobs) == []  # it is no blob


def test_many_threads(blobs: Blobs) -> None:
    contents = [b"%d" % number * 100 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(blobs.put, contents))
        assert list(pool.map(blobs.read, names)) == contents
    assert stored(blobs) == sorted(names)


def test_what_is_local_is_the_same(blobs: Blobs) -> None:
    name = blobs.put(b"content")
    if (local := blobs.local) is None:
        assert isinstance(blobs, MemoryBlobs)
        return
    assert local.path(name).read_bytes() == b"content"
    with local.map(name) as data:
        assert data[:] == b"content"
    with local.map(local.put(b"")) as data:
        assert len(data) == 0
    names = local.put_many([b"1", b"", b"3"])
    assert [local.read(str(one)) for one in names] == [b"1", b"", b"3"]
    local.delete(name)
    local.restore({name: b"content"})
    local.make_durable([name, str(uuid.uuid4())])
    assert blobs.read(name) == b"content"
