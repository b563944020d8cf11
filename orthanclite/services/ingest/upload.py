"""Uploads: a DICOM file, or a ZIP archive of many, told apart by their first bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from os import SEEK_END
from tempfile import SpooledTemporaryFile
from typing import IO

from orthanclite.core.errors import BadFileFormat, BadRequest, InexistentTag
from orthanclite.core.machine.buffers import Buffer
from orthanclite.services.ingest.arrival import Arrival, IngestOrigin, StoreResult
from orthanclite.services.ingest.members import DamagedArchive, Member, Reader, members
from orthanclite.services.ingest.reception import Reception
from orthanclite.services.ingest.service import IngestService

MEMORY_LIMIT = 4 << 20
"""Bytes of a file that are kept in memory; a larger one goes to the disk as it arrives."""
_QUICK_SIZE = 32 * 1024
"""Bytes of a header, or of a whole file, that is parsed faster than another thread begins."""
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
"""The tag in little endian, with which a header ends."""
_UNDER_WAY = 64
_UNDER_WAY_BYTES = 32 << 20
"""Members of one archive, and their bytes, that wait to be durable while the next ones are read."""
_FREE_WASTE = 64 << 20
_WASTE_RATIO = 10
"""Bytes that an archive may inflate to without them being DICOM files: at least, and for each of its own."""
_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


class UploadService:
    """Stores what is uploaded.

    :param member_limit: bytes of one file inside an archive (``MaximumFileSizeInArchiveMB``); 0 for no limit
    :param temporary_folder: where archives wait while they are read; None for the system's
    """

    def __init__(self, ingest: IngestService, member_limit: int, temporary_folder: str | None = None) -> None:
        self._ingest = ingest
        self._member_limit = member_limit
        self._temporary_folder = temporary_folder

    def is_quick(self, body: Buffer) -> bool:
        """Whether an event loop itself should :meth:`begin` to store a file: it is done before another thread
        would begin."""
        work = self._ingest.workload(body)
        if work.works_on_content or work.asks_index or work.writes:
            return False
        if len(body) <= _QUICK_SIZE:
            return True
        return not work.reads and body.find(_PIXEL_DATA, 0, _QUICK_SIZE) >= 0

    def begin(self, body: Buffer, origin: IngestOrigin, sent_size: int | None = None) -> Future[StoreResult]:
        """Begin to store a DICOM file that is in memory.

        :param sent_size: bytes that were sent for it, where it was compressed on its way
        """
        return self._ingest.begin(body, origin, sent_size)

    def refuse_endless(self, head: Buffer, sent_size: int) -> None:
        """See :meth:`.IngestService.refuse_endless`."""
        self._ingest.refuse_endless(head, sent_size)

    def receive(self) -> Reception:
        """Begin a DICOM file that arrives in pieces."""
        return self._ingest.receive()

    def archive(self) -> IO[bytes]:
        """A temporary file for an archive that arrives; removed when closed."""
        return SpooledTemporaryFile(MEMORY_LIMIT, dir=self._temporary_folder)

    def store_archive(self, file: IO[bytes], origin: IngestOrigin) -> Iterator[StoreResult]:
        """Store the DICOM files of a ZIP archive, in its order; all else in it is skipped.

        :raises BadFileFormat: if the archive is damaged, or inflates to much that is no DICOM file
        :raises BadRequest: for a member beyond the limit
        """
        under_way: deque[tuple[int, Future[StoreResult]]] = deque()
        waiting = 0
        allowed = max(_FREE_WASTE, _WASTE_RATIO * file.seek(0, SEEK_END))
        try:
            for member in members(file):
                reading = _Reading(Reader(file, member), self._member_limit)
                begun = self._begin_member(member, reading, origin)
                if begun is None:
                    allowed -= reading.size
                    if allowed < 0:
                        raise DamagedArchive("most of what it inflates to is no DICOM file")
                else:
                    under_way.append((reading.size, begun))
                    waiting += reading.size
                while len(under_way) > _UNDER_WAY or waiting > _UNDER_WAY_BYTES:
                    size, future = under_way.popleft()
                    waiting -= size
                    yield future.result()
            yield from (future.result() for _, future in under_way)
        except DamagedArchive as exc:
            raise BadFileFormat(f"Cannot open ZIP archive: {exc}") from exc

    def _begin_member(
        self, member: Member, reading: _Reading, origin: IngestOrigin
    ) -> Future[StoreResult] | None:
        """Begin to store a member; None for one that is no DICOM instance."""
        reading.refuse_if_large(member.size)
        head, is_whole = reading.head()
        if not may_be_dicom(head):
            return None
        try:
            if is_whole:
                return self._ingest.take(Arrival(head, origin, sent_size=member.sent_size))
            self._ingest.refuse_endless(head, reading.taken_size)
            return self._store_large(head, member, reading, origin)
        except (BadFileFormat, InexistentTag):
            return None

    def _store_large(
        self, head: bytes, member: Member, reading: _Reading, origin: IngestOrigin
    ) -> Future[StoreResult]:
        reception = self._ingest.receive()
        try:
            reception.write(head)
            for piece in reading.rest():
                reception.write(piece)
        except BaseException:
            reception.abort()
            raise
        return reception.begin_finish(origin, member.sent_size)


class _Reading:
    """A member as it is read: its head, and then the rest. What it says of its size is not believed.

    :param limit: bytes that it may have; 0 for no limit
    """

    def __init__(self, reader: Reader, limit: int) -> None:
        self._reader = reader
        self._pieces = reader.pieces()
        self._limit = limit
        self.size = 0
        """Bytes that were read so far."""

    @property
    def taken_size(self) -> int:
        """Bytes of the archive that were read so far."""
        return self._reader.taken_size

    def refuse_if_large(self, size: int) -> None:
        """:raises BadRequest: for a size beyond the limit"""
        if self._limit and size > self._limit:
            raise BadRequest(f"A file of the archive is larger than {self._limit} bytes")

    def head(self) -> tuple[bytes, bool]:
        """The first bytes, and whether they are all of them."""
        pieces = []
        for piece in self.rest():
            pieces.append(piece)
            if self.size >= MEMORY_LIMIT:
                return b"".join(pieces), False
        return b"".join(pieces), True

    def rest(self) -> Iterator[bytes]:
        """What was not read yet."""
        for piece in self._pieces:
            self.size += len(piece)
            self.refuse_if_large(self.size)
            yield piece


def is_zip(head: Buffer) -> bool:
    """Whether an upload that begins with ``head`` is a ZIP archive."""
    return head[:4] in _ZIP_SIGNATURES


def may_be_dicom(head: bytes) -> bool:
    """Whether a file that begins so can be DICOM; spares inflating the bulk of what cannot."""
    return head[128:132] == b"DICM" or head[:2] in _FIRST_GROUPS
