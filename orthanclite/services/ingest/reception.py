"""Files that arrive in pieces and need not fit in memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from orthanclite.core.machine.buffers import View
from orthanclite.services.content.blobs import HashedWriter
from orthanclite.services.ingest.arrival import Arrival, IngestOrigin, StoreResult, WrittenBlob


class Reception:
    """A file that is written to the storage area as it arrives. End with ``finish`` or ``abort``.

    :param take: takes the arrival that the file becomes
    """

    def __init__(self, take: Callable[[Arrival], Future[StoreResult]], writer: HashedWriter) -> None:
        self._take = take
        self._writer = writer

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._writer.size

    def write(self, data: View) -> None:
        """Take the next bytes.

        :raises FullStorage: where the disk is full
        :raises CannotWriteFile: where it cannot be written otherwise
        """
        self._writer.write(memoryview(data))

    def finish(self, origin: IngestOrigin, sent_size: int | None = None) -> StoreResult:
        """Store what was written; see :meth:`.IngestService.store` for the errors."""
        return self.begin_finish(origin, sent_size).result()

    def begin_finish(self, origin: IngestOrigin, sent_size: int | None = None) -> Future[StoreResult]:
        """Begin to store what was written.

        :param sent_size: bytes that were sent for it, where it was compressed on its way
        """
        return self.begin_finish_as(Arrival(b"", origin, sent_size=sent_size))

    def begin_finish_as(self, arrival: Arrival) -> Future[StoreResult]:
        """Begin to store what was written, as the content of ``arrival``."""
        md5 = self._writer.commit()
        blob = WrittenBlob(self._writer.uuid, self.size, md5)
        return self._take(replace(arrival, content=blob))

    def abort(self) -> None:
        """Forget what was written."""
        self._writer.abort()
