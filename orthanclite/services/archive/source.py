"""Where the bytes of an archive come from: stored files, as they are or in another transfer syntax."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from isal import isal_zlib

from orthanclite.core.errors import CorruptedFile, OrthancError
from orthanclite.core.ports import BlobStore
from orthanclite.services.archive.plan import Member

_LOG = logging.getLogger(__name__)

BLOCK = 4 * 1024 * 1024
"""Bytes that are read and deflated as one piece of work."""

_ZLIB_HEAD = 8  # bytes: the size, before the zlib stream of a compressed blob

Load = Callable[[], bytes]


class Transcoder(Protocol):
    """Changes the transfer syntax of a DICOM file."""

    def transcode(self, dicom: bytes, transfer_syntax: str, lossy_quality: int | None) -> bytes:
        """``dicom`` in another transfer syntax.

        :raises OrthancError: where it cannot be expressed in it, or not be decoded.
        """
        ...


@dataclass(frozen=True, slots=True)
class Transcoding:
    """What the members of an archive are turned into."""

    transcoder: Transcoder
    transfer_syntax: str
    lossy_quality: int | None = None  # 1 to 100; None for the configured one


class MemberSource:
    """Reads the members of archives from the storage."""

    def __init__(self, blobs: BlobStore, transcoding: Transcoding | None = None) -> None:
        self._blobs = blobs
        self._transcoding = transcoding

    def blocks(self, member: Member) -> Iterator[Load]:
        """The file of ``member`` as functions that give its consecutive blocks.

        The functions may be called in any order and by any thread; the iterator itself may read.
        """
        if self._is_transcoded(member):
            yield partial(self._transcode, member)
        elif not member.compressed:
            for start in range(0, max(member.size, 1), BLOCK):
                yield partial(self._read, member, start, min(BLOCK, member.size - start))
        elif member.size <= BLOCK:
            yield partial(self._whole, member)
        else:
            # Inflating is sequential, but much faster than deflating.
            for block in self._inflate(member):
                yield partial(bytes, block)

    def header(self, member: Member) -> bytes | mmap.mmap:
        """The stored file of a member, mapped where it can be."""
        if member.compressed:
            return self._whole(member)
        with self._blobs.path(member.uuid).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def is_one_block(self, member: Member) -> bool:
        """Whether :meth:`blocks` gives the whole file at once."""
        return member.size <= BLOCK or self._is_transcoded(member)

    def _is_transcoded(self, member: Member) -> bool:
        return self._transcoding is not None and member.transfer_syntax != self._transcoding.transfer_syntax

    def _read(self, member: Member, start: int, length: int) -> bytes:
        return self._blobs.read(member.uuid, start, length)

    def _whole(self, member: Member) -> bytes:
        if not member.compressed:
            return self._blobs.read(member.uuid)
        return b"".join(self._inflate(member))

    def _transcode(self, member: Member) -> bytes:
        """The transcoded file; one that cannot be transcoded goes into the archive as it is stored."""
        original = self._whole(member)
        assert self._transcoding is not None
        try:
            return self._transcoding.transcoder.transcode(
                original, self._transcoding.transfer_syntax, self._transcoding.lossy_quality
            )
        except OrthancError as exc:
            _LOG.warning("Cannot transcode instance %s, archived as it is: %s", member.instance, exc)
            return original

    def _inflate(self, member: Member) -> Iterator[bytes]:
        """A compressed blob, inflated block by block.

        :raises CorruptedFile: where it is broken or has another size than the index says.
        """
        total = 0
        inflater = isal_zlib.decompressobj()
        with self._blobs.open(member.uuid) as file:
            file.seek(_ZLIB_HEAD)
            while not inflater.eof:
                data = inflater.unconsumed_tail or file.read(BLOCK)
                if not data:
                    break
                try:
                    block = inflater.decompress(data, BLOCK)
                except isal_zlib.IsalError as exc:
                    raise CorruptedFile(f"Broken attachment of instance {member.instance}") from exc
                total += len(block)
                if block:
                    yield block
        if total != member.size:
            raise CorruptedFile(f"Broken attachment of instance {member.instance}")
