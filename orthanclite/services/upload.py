"""Uploads: a DICOM file, or a ZIP archive of many, told apart by their first bytes."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from orthanclite.core.errors import BadFileFormat, BadRequest, InexistentTag
from orthanclite.services.ingest import IngestOrigin, IngestService, Reception, StoreResult

MEMORY_LIMIT = 4 << 20
"""Bytes of a file that are kept in memory; a larger one goes to the disk as it arrives."""
_CHUNK = 1 << 20
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

    def store(self, body: bytes, origin: IngestOrigin) -> StoreResult | list[StoreResult]:
        """Store an upload that is in memory: one result for a DICOM file, a list for an archive."""
        if not is_zip(body):
            return self._ingest.store(body, origin)
        with self.archive() as file:
            file.write(body)
            return list(self.store_archive(file, origin))

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
                for member in archive.infolist():
                    if member.is_dir() or member.file_size == 0:
                        continue
                    result = self._store_member(archive, member, origin)
                    if result is not None:
                        yield result
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
            # RuntimeError: an encrypted member; NotImplementedError: an unknown compression
            raise BadFileFormat(f"Cannot open ZIP archive: {exc}") from exc

    def _store_member(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, origin: IngestOrigin
    ) -> StoreResult | None:
        """Store a member; None for one that is no DICOM instance.

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
                    return self._ingest.store(head, origin) if head else None
                return self._store_large(head, stream, limit, origin)
            except (BadFileFormat, InexistentTag):
                return None

    def _store_large(self, head: bytes, stream: IO[bytes], limit: int, origin: IngestOrigin) -> StoreResult:
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
        return reception.finish(origin)


def is_zip(head: bytes) -> bool:
    """Whether an upload that begins with ``head`` is a ZIP archive."""
    return head[:4] in _ZIP_SIGNATURES


def may_be_dicom(head: bytes) -> bool:
    """Whether a file that begins so can be DICOM; spares inflating the bulk of what cannot."""
    return head[128:132] == b"DICM" or head[:2] in _FIRST_GROUPS
