"""The content of attachments, whether their blobs are compressed or not."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from orthanclite.core.errors import CommitUncertain, CorruptedFile, OrthancError
from orthanclite.core.machine.buffers import SMALL_SIZE, Buffer, View
from orthanclite.core.model import Attachment
from orthanclite.core.ports import Blobs

_LOG = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes that are copied at a time."""

SIZE_HEAD = 8
"""Bytes of a compressed blob before its zlib stream: the uncompressed size, little endian."""

Reader = Callable[[int, int], bytes]
"""Reads ``(start, length)`` of a content."""


class BlobReader:
    """Reads attachments as they are served. Thread-safe.

    All methods raise :class:`CorruptedFile` where a blob is missing, broken or shorter than the index says.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def read(self, attachment: Attachment, start: int = 0, length: int | None = None) -> bytes:
        """``length`` bytes (all that follow where it is None) of the content from ``start``."""
        length = attachment.size - start if length is None else length
        if not attachment.compressed:
            return self._blobs.read(attachment.uuid, start, length)
        with self._blobs.open(attachment.uuid) as file:
            return _Inflater(file).read(start, length)

    def cached(self, attachment: Attachment) -> bytearray | None:
        """The whole content where it is small, and in memory; else None."""
        if attachment.compressed or attachment.size > SMALL_SIZE:
            return None
        local = self._blobs.local
        return None if local is None else local.read_cached(attachment.uuid, attachment.size)

    def reader(self, attachment: Attachment) -> Reader:
        """A function that reads pieces of the content; cheap where they follow each other.

        Not thread-safe: one reader serves one answer. A compressed blob stays open as long as the reader
        lives, and is inflated anew only when a piece lies before the last one.
        """
        if not attachment.compressed:
            uuid = attachment.uuid
            return lambda start, length: self._blobs.read(uuid, start, length)
        return _InflatingReader(self._blobs, attachment.uuid).read

    def stored_reader(self, attachment: Attachment) -> Reader:
        """A function that reads pieces of the blob as it is stored."""
        uuid = attachment.uuid
        return lambda start, length: self._blobs.read(uuid, start, length)

    def chunks(self, attachment: Attachment) -> Iterator[bytes]:
        """The whole content, piece by piece."""
        read = self.reader(attachment)
        for start in range(0, attachment.size, CHUNK):
            yield read(start, min(CHUNK, attachment.size - start))

    def stored_chunks(self, attachment: Attachment) -> Iterator[bytes]:
        """The whole blob as it is stored, piece by piece."""
        for start in range(0, attachment.stored_size, CHUNK):
            yield self._blobs.read(attachment.uuid, start, min(CHUNK, attachment.stored_size - start))

    def local(self, attachment: Attachment) -> Path | bytes:
        """The content for another process: its file where it is stored as it is, else the bytes."""
        local = self._blobs.local
        if attachment.compressed or local is None:
            return self.read(attachment)
        path = local.path(attachment.uuid)
        try:
            size = path.stat().st_size
        except OSError as exc:
            raise CorruptedFile(f"The stored file {attachment.uuid} is missing") from exc
        if size != attachment.size:
            raise CorruptedFile(f"The stored file {attachment.uuid} is not as long as the index says")
        return path

    @contextmanager
    def whole(self, attachment: Attachment) -> Iterator[Buffer]:
        """The whole content as a buffer: mapped where it is large and stored as it is, else in memory."""
        local = self._blobs.local
        if attachment.compressed or attachment.size <= SMALL_SIZE or local is None:
            yield self.read(attachment)
            return
        with local.map(attachment.uuid) as data:
            if len(data) != attachment.size:
                raise CorruptedFile(f"The stored file {attachment.uuid} is not as long as the index says")
            yield data


class _Inflater:
    """A compressed blob as a stream that goes forward only."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj()
        self.position = 0
        file.seek(SIZE_HEAD)

    def read(self, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``, which is not before the current position."""
        while self.position < start:
            self._next(min(CHUNK, start - self.position))
        pieces = []
        end = start + length
        while self.position < end:
            pieces.append(self._next(end - self.position))
        return b"".join(pieces)

    def _next(self, limit: int) -> bytes:
        while True:
            data = self._inflater.unconsumed_tail or self._file.read(CHUNK)
            if not data:
                raise CorruptedFile("A compressed attachment is shorter than the index says")
            try:
                piece = self._inflater.decompress(data, limit)
            except zlib.error as exc:
                raise CorruptedFile("A compressed attachment is broken") from exc
            if piece:
                self.position += len(piece)
                return piece
            if self._inflater.eof:
                raise CorruptedFile("A compressed attachment is shorter than the index says")


class _InflatingReader:
    """Random access to a compressed blob that is fast for one who reads it in order."""

    def __init__(self, blobs: Blobs, uuid: str) -> None:
        self._blobs = blobs
        self._uuid = uuid
        self._file: BinaryIO | None = None
        self._inflater: _Inflater | None = None

    def read(self, start: int, length: int) -> bytes:
        if self._inflater is None or start < self._inflater.position:
            self._close()
            self._file = self._blobs.open(self._uuid)
            self._inflater = _Inflater(self._file)
        return self._inflater.read(start, length)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self._close()


class HashedWriter:
    """Writes a blob piece by piece and computes its MD5 on the way. End with ``commit`` or ``abort``."""

    def __init__(self, blobs: Blobs, md5: bool) -> None:
        self._writer = blobs.create()
        self._digest: Any = hashlib.md5(usedforsecurity=False) if md5 else None
        self.uuid = self._writer.uuid
        self.size = 0

    def write(self, data: View) -> None:
        if self._digest is not None:
            self._digest.update(data)
        self._writer.write(data)
        self.size += len(data)

    def commit(self) -> str:
        """Make the blob durable; its MD5, empty unless wanted. A blob that cannot be is removed."""
        try:
            self._writer.commit()
        except BaseException:
            self._writer.abort()
            raise
        return "" if self._digest is None else str(self._digest.hexdigest())

    def abort(self) -> None:
        """Forget what was written."""
        self._writer.abort()


def compress(blobs: Blobs, content: Iterable[View], size: int, md5: bool) -> tuple[str, int, str]:
    """Write ``content`` of ``size`` bytes as a compressed blob.

    :return: its UUID, its size and its MD5 (empty unless ``md5``)
    """

    def pieces() -> Iterator[bytes]:
        compressor = zlib.compressobj()
        yield size.to_bytes(SIZE_HEAD, "little")
        for chunk in content:
            yield compressor.compress(chunk)
        yield compressor.flush()

    return write(blobs, pieces(), md5)


def write(blobs: Blobs, content: Iterable[bytes], md5: bool) -> tuple[str, int, str]:
    """Write ``content`` as a blob: its UUID, its size and its MD5 (empty unless ``md5``)."""
    writer = HashedWriter(blobs, md5)
    try:
        for piece in content:
            writer.write(piece)
    except BaseException:
        writer.abort()
        raise
    digest = writer.commit()
    return writer.uuid, writer.size, digest


def remove_blobs(blobs: Blobs, uuids: Iterable[str]) -> None:
    """Remove blobs that nothing refers to any more.

    Call it after the commit: a blob without a row is swept later, a row without its blob is data lost. For
    the same reason a blob that cannot be removed now is only worth a warning.
    """
    for uuid in uuids:
        try:
            blobs.delete(uuid)
        except OrthancError as exc:
            _LOG.warning("Cannot remove the file %s: %s", uuid, exc)


def discard_blobs(blobs: Blobs, uuids: Iterable[str], error: BaseException) -> None:
    """Remove the blobs that a transaction would have referred to, had it not failed with ``error``."""
    if not isinstance(error, CommitUncertain):
        remove_blobs(blobs, uuids)
