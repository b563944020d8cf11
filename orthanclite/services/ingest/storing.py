"""How the file of an instance becomes durable: five strategies of one interface.

Each file goes through the first strategy that takes it, in two steps: ``begin`` is called by the thread that
brings the file, ``finish`` by the one that commits, for all files of a batch together and right before their
records are committed. A strategy does its work in one of the two.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import ClassVar

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import OrthancError
from orthanclite.core.machine.buffers import Buffer, View
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.model import Attachment, StoredBlob
from orthanclite.core.ports import BlobHelper, Blobs, LocalBlobs
from orthanclite.services.content.blobs import CHUNK, SIZE_HEAD, compress
from orthanclite.services.ingest.arrival import WrittenBlob
from orthanclite.services.ingest.journal import JournalKeeper

LARGE = 128 * 1024
"""Bytes from which on a file is written and synced apart from all others, while its MD5 is computed."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The settings that rule how files are kept."""

    compress: bool = False  # StorageCompression
    store_md5: bool = True  # StoreMD5ForAttachments


@dataclass(slots=True)
class File:
    """The file of an instance on its way to the storage area."""

    source: Buffer | WrittenBlob
    content: bytes | None = None
    """What the batch is to write."""
    attachment: Attachment | None = None
    """What the index is told; its ``uuid`` is empty until a blob is written."""
    journal: tuple[str, bytes] | None = None
    """UUID and content of a blob that is not synced: kept in the index until it is."""
    sync_failures: int = 0
    """How often a sync had failed before the blob was written."""
    error: OrthancError | None = None
    """Why the file could not be stored."""

    @property
    def size(self) -> int:
        """Bytes of the file as it came."""
        return self.source.size if isinstance(self.source, WrittenBlob) else len(self.source)

    @property
    def waiting_size(self) -> int:
        """Bytes that are held in memory until the batch is written."""
        return 0 if self.content is None else len(self.content)

    def written(self, uuid: str) -> None:
        """Note the blob that was written."""
        old = self.attachment
        assert old is not None
        self.attachment = Attachment(
            old.type, uuid, old.size, old.md5, old.stored_size, old.stored_md5, old.compressed
        )

    def stored_plain(self, blob: StoredBlob) -> None:
        """Note the blob that holds the file as it came."""
        self.attachment = _plain(self.size, *blob)


class Strategy(ABC):
    """One way to make files durable."""

    reads: ClassVar[bool] = True
    """Whether :meth:`begin` reads all bytes of the file."""
    writes: ClassVar[bool] = False
    """Whether :meth:`begin` waits for the disk."""

    @abstractmethod
    def takes(self, source: Buffer | WrittenBlob) -> bool:
        """Whether the strategy is one for such a file."""

    @abstractmethod
    def begin(self, file: File) -> Future[StoredBlob] | None:
        """Do what is done by the thread that brings the file.

        :return: the blob to wait for, where it is written elsewhere
        :raises OrthancError: where the file cannot be stored
        """

    def finish(self, files: Sequence[File]) -> None:  # noqa: B027 - most have nothing left to do
        """Do what is done for a batch, before its commit. What fails is noted in the file."""

    def committed(self, file: File) -> None:  # noqa: B027 - most have nothing left to do
        """Learn that the record of a file is committed."""


class InPlace(Strategy):
    """What was written while it arrived stays where it is."""

    reads = False

    def takes(self, source: Buffer | WrittenBlob) -> bool:
        return isinstance(source, WrittenBlob)

    def begin(self, file: File) -> None:
        assert isinstance(file.source, WrittenBlob)
        file.stored_plain(StoredBlob(file.source.uuid, file.source.md5))


class BySecondProcess(Strategy):
    """A helper hashes and writes large files that lie in its memory."""

    reads = False

    def __init__(self, helper: BlobHelper, options: FileOptions) -> None:
        self._helper = helper
        self._md5 = options.store_md5

    def takes(self, source: Buffer | WrittenBlob) -> bool:
        return not isinstance(source, WrittenBlob) and len(source) >= LARGE and self._helper.takes(source)

    def begin(self, file: File) -> Future[StoredBlob]:
        assert not isinstance(file.source, WrittenBlob)
        return self._helper.store(file.source, self._md5)


class ByBringer(Strategy):
    """The thread that brings a file writes it. Takes whatever comes.

    :param smallest: bytes below which another strategy is the better one
    """

    writes = True

    def __init__(self, blobs: Blobs, options: FileOptions, smallest: int = 0) -> None:
        self._blobs = blobs
        self._options = options
        self._smallest = smallest

    def takes(self, source: Buffer | WrittenBlob) -> bool:
        return isinstance(source, WrittenBlob) or len(source) >= self._smallest

    def begin(self, file: File) -> None:
        source, options = file.source, self._options
        if options.compress:
            file.attachment = self._compress(source)
        elif not isinstance(source, WrittenBlob):
            file.stored_plain(self._put(source))

    def _put(self, data: Buffer) -> StoredBlob:
        local = self._blobs.local
        if local is not None:
            return local.put_hashed(memoryview(data), self._options.store_md5)
        return StoredBlob(self._blobs.put(data), md5_of(data) if self._options.store_md5 else "")

    def _compress(self, source: Buffer | WrittenBlob) -> Attachment:
        if isinstance(source, WrittenBlob):
            size, md5 = source.size, source.md5
        else:
            size, md5 = len(source), md5_of(source) if self._options.store_md5 else ""
        uuid, stored, digest = compress(self._blobs, self._pieces(source), size, self._options.store_md5)
        return Attachment(AttachmentType.DICOM, uuid, size, md5, stored, digest, compressed=True)

    def _pieces(self, source: Buffer | WrittenBlob) -> Iterator[View]:
        # A blob is read, not mapped: all of a mapped one would stay in memory.
        size = source.size if isinstance(source, WrittenBlob) else len(source)
        for start in range(0, size, CHUNK):
            length = min(CHUNK, size - start)
            if isinstance(source, WrittenBlob):
                yield self._blobs.read(source.uuid, start, length)
            else:
                yield memoryview(source)[start : start + length]


class Together(Strategy):
    """Files that come at the same time are written and synced together by the thread that commits."""

    def __init__(self, blobs: LocalBlobs, options: FileOptions) -> None:
        self._blobs = blobs
        self._options = options

    def takes(self, source: Buffer | WrittenBlob) -> bool:
        return not isinstance(source, WrittenBlob) and len(source) < LARGE

    def begin(self, file: File) -> None:
        assert not isinstance(file.source, WrittenBlob)
        file.attachment, file.content = _packed(file.source, self._options)

    def finish(self, files: Sequence[File]) -> None:
        contents = [file.content for file in files if file.content is not None]
        for file, result in zip(files, self._blobs.put_many(contents), strict=True):
            if isinstance(result, OrthancError):
                file.error = result
            else:
                file.written(result)


class ThroughJournal(Together):
    """Small files are committed to the journal of the index, and synced later: see :mod:`.journal`."""

    def __init__(self, blobs: LocalBlobs, options: FileOptions, keeper: JournalKeeper) -> None:
        super().__init__(blobs, options)
        self._keeper = keeper

    def takes(self, source: Buffer | WrittenBlob) -> bool:
        return not isinstance(source, WrittenBlob) and len(source) <= self._keeper.limit

    def finish(self, files: Sequence[File]) -> None:
        for file in files:
            assert file.content is not None
            file.sync_failures = self._keeper.failures
            try:
                uuid = self._blobs.put_unsynced(file.content)
            except OrthancError as exc:
                file.error = exc
                continue
            file.written(uuid)
            file.journal = (uuid, file.content)

    def committed(self, file: File) -> None:
        if file.journal is not None:
            self._keeper.note([file.journal[0]], file.sync_failures)


def strategies(
    blobs: Blobs, keeper: JournalKeeper | None, options: FileOptions, helper: BlobHelper | None = None
) -> tuple[Strategy, ...]:
    """What there is for these blobs and options, the best first; one of them takes it, whatever comes."""
    found: list[Strategy] = []
    if not options.compress:
        found.append(InPlace())
        if helper is not None:
            found.append(BySecondProcess(helper, options))
    if blobs.local is None:
        return (*found, ByBringer(blobs, options))
    found.append(ByBringer(blobs, options, smallest=LARGE))
    if keeper is not None:
        found.append(ThroughJournal(blobs.local, options, keeper))
    return (*found, Together(blobs.local, options))


def _plain(size: int, uuid: str, md5: str) -> Attachment:
    return Attachment(AttachmentType.DICOM, uuid, size, md5, size, md5)


def _packed(data: Buffer, options: FileOptions) -> tuple[Attachment, bytes]:
    """A small file as it is stored, and the attachment that describes it but for its blob."""
    md5: Callable[[Buffer], str] = md5_of if options.store_md5 else lambda _: ""
    if not options.compress:
        return _plain(len(data), "", md5(data)), bytes(data)
    content = len(data).to_bytes(SIZE_HEAD, "little") + zlib.compress(data)
    attachment = Attachment(
        AttachmentType.DICOM, "", len(data), md5(data), len(content), md5(content), compressed=True
    )
    return attachment, content
