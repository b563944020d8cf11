"""Blobs as files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from orthanclite.storage import FileStorage


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
