"""Doubles of the ports, for tests: they keep the same contract, in memory."""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from orthanclite.core.buffers import View
from orthanclite.core.errors import CorruptedFile
from orthanclite.core.ports.blobs import LocalBlobs


class MemoryBlobs:
    """The port ``core.ports.Blobs`` without files, as an object store is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._mark: str | None = None

    @property
    def local(self) -> LocalBlobs | None:
        return None

    def create(self) -> MemoryBlobWriter:
        return MemoryBlobWriter(self)

    def put(self, data: View) -> str:
        writer = self.create()
        writer.write(data)
        writer.commit()
        return writer.uuid

    def read(self, uuid: str, start: int = 0, length: int | None = None) -> bytes:
        content = self._content(uuid)[start:]
        if length is None:
            return content
        if len(content) < length:
            raise CorruptedFile(f"The stored file {uuid} is shorter than the index says")
        return content[:length]

    def open(self, uuid: str) -> BinaryIO:
        return io.BytesIO(self._content(uuid))

    def delete(self, uuid: str) -> None:
        with self._lock:
            self._blobs.pop(uuid, None)

    def scan(self) -> Iterator[tuple[str, int, float]]:
        with self._lock:
            found = sorted(self._blobs.items())
        yield from ((uuid, len(content), moment) for uuid, (content, moment) in found)

    def get_mark(self) -> str | None:
        return self._mark

    def set_mark(self, mark: str) -> None:
        self._mark = mark

    def add(self, uuid: str, content: bytes) -> None:
        """Make a blob visible."""
        with self._lock:
            self._blobs[uuid] = (content, time.time())

    def _content(self, uuid: str) -> bytes:
        with self._lock:
            found = self._blobs.get(uuid)
        if found is None:
            raise CorruptedFile(f"The stored file {uuid} cannot be opened")
        return found[0]


class MemoryBlobWriter:
    """The port ``core.ports.BlobWriter`` of :class:`MemoryBlobs`."""

    def __init__(self, blobs: MemoryBlobs) -> None:
        self.uuid = str(uuid.uuid4())
        self._blobs = blobs
        self._content = bytearray()

    def write(self, data: View) -> None:
        self._content += data

    def commit(self) -> None:
        self._blobs.add(self.uuid, bytes(self._content))

    def abort(self) -> None:
        self._blobs.delete(self.uuid)
