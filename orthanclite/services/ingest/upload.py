"""Uploads: a DICOM file, or a ZIP archive of many, told apart by their first bytes."""

from __future__ import annotations

import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from tempfile import SpooledTemporaryFile
from typing import IO

from orthanclite.core.buffers import Buffer
from orthanclite.core.errors import BadFileFormat, BadRequest, InexistentTag
from orthanclite.services.ingest.arrival import IngestOrigin, StoreResult
from orthanclite.services.ingest.reception import Reception
from orthanclite.services.ingest.service import IngestService, Workload

MEMORY_LIMIT = 4 << 20
"""Bytes of a file that are kept in memory; a larger one goes to the disk as it arrives."""
_CHUNK = 1 << 20
_UNDER_WAY = 64
_UNDER_WAY_BYTES = 32 << 20
"""Members of one archive, and their bytes, that wait to be durable while the next ones are read."""
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a feature that zipfile does not know
    RuntimeError,  # an encrypted member
    UnicodeDecodeError,  # a name that is not in the encoding that it is marked with
)
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

    def workload(self, body: Buffer) -> Workload:
        """What :meth:`begin` does with a file."""
        return self._ingest.workload(body)

    def begin(self, body: Buffer, origin: IngestOrigin) -> Future[StoreResult]:
        """Begin to store a DICOM file that is in memory."""
        return self._ingest.begin(body, origin)

    def receive(self) -> Reception:
        """Begin a DICOM file that arrives in pieces."""
        return self._ingest.receive()

    def archive(self) -> IO[bytes]:
        """A temporary file for an archive that arrives; removed when closed."""
        return SpooledTemporaryFile(MEMORY_LIMIT, dir=self._temporary_folder)

    def store_archive(self, file: IO[bytes], origin: IngestOrigin) -> Iterator[StoreResult]:
        """Store the DICOM files of a ZIP archive, in its order; all else in it is skipped.

        :raises BadFileFormat: if the archive is damaged
        :raises BadRequest: for a member beyond the limit
        """
        try:
            file.seek(0)
            with zipfile.ZipFile(file) as archive:
                under_way: deque[tuple[int, Future[StoreResult]]] = deque()
                waiting = 0
                for member in _members(archive):
                    begun = self._begin_member(archive, member, origin)
                    if begun is not None:
                        under_way.append((member.file_size, begun))
                        waiting += member.file_size
                    while len(under_way) > _UNDER_WAY or waiting > _UNDER_WAY_BYTES:
                        size, future = under_way.popleft()
                        waiting -= size
                        yield future.result()
                yield from (future.result() for _, future in under_way)
        except _DAMAGED as exc:
            raise BadFileFormat(f"Cannot open ZIP archive: {exc}") from exc

    def _begin_member(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, origin: IngestOrigin
    ) -> Future[StoreResult] | None:
        """Begin to store a member; None for one that is no DICOM instance.

        The declared size is not believed: reading stops at the limit.
        """
        limit = self._member_limit
        if limit and member.file_size > limit:
            raise BadRequest(f"A file of the archive is larger than {limit} bytes")
        with archive.open(member) as stream:
            head = stream.read(MEMORY_LIMIT)
            if not may_be_dicom(head):
                return None
            try:
                if len(head) < MEMORY_LIMIT:
                    return self._ingest.begin(head, origin) if head else None
                return self._store_large(head, stream, limit, origin)
            except (BadFileFormat, InexistentTag):
                return None

    def _store_large(
        self, head: bytes, stream: IO[bytes], limit: int, origin: IngestOrigin
    ) -> Future[StoreResult]:
        reception = self._ingest.receive()
        try:
            chunk = head
            while chunk:
                if limit and reception.size + len(chunk) > limit:
                    raise BadRequest(f"A file of the archive is larger than {limit} bytes")
                reception.write(chunk)
                chunk = stream.read(_CHUNK)
        except BaseException:
            reception.abort()
            raise
        return reception.begin_finish(origin)


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive.

    :raises BadZipFile: for an empty archive, as the reference; for one that is made to explode: members that
        share their bytes, or are compressed by a method that shrinks zeros ten thousand times
    """
    members = archive.infolist()
    if not members:
        raise zipfile.BadZipFile("the archive is empty")
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise zipfile.BadZipFile("the members of the archive overlap")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("the archive has a member of an unsupported compression")
        end = member.header_offset + member.compress_size
    return [member for member in members if not member.is_dir() and member.file_size]


def is_zip(head: Buffer) -> bool:
    """Whether an upload that begins with ``head`` is a ZIP archive."""
    return head[:4] in _ZIP_SIGNATURES


def may_be_dicom(head: bytes) -> bool:
    """Whether a file that begins so can be DICOM; spares inflating the bulk of what cannot."""
    return head[128:132] == b"DICM" or head[:2] in _FIRST_GROUPS
