"""Where the bytes of an archive come from: stored files, as they are or in another transfer syntax."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import FullStorage, OrthancError
from orthanclite.core.model import Attachment
from orthanclite.services.archive.plan import Member
from orthanclite.services.content.blobs import BlobReader

_LOG = logging.getLogger(__name__)

BLOCK = 4 * 1024 * 1024
"""Bytes that are read and deflated as one piece of work."""

_MAX_BLOCK = 1 << 28
"""Bytes that one block may have after transcoding."""

Load = Callable[[], bytes]

Report = Callable[[Member, OrthancError], None]
"""Is told, in any thread, of a member that is not in the archive as it was asked for, and why."""


class Transcoded(Protocol):
    """A file in another transfer syntax."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes: ...


class Transcoder(Protocol):
    """Changes the transfer syntax of a DICOM file."""

    def transcode(
        self, dicom: bytes | mmap.mmap, transfer_syntax: str, lossy_quality: int | None
    ) -> Transcoded:
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
    """Reads the members of archives from the storage.

    What it reads raises :class:`~orthanclite.core.errors.CorruptedFile` where a blob is missing or broken.
    """

    def __init__(
        self,
        blobs: BlobReader,
        transcoding: Transcoding | None = None,
        *,
        whole_transcoded: bool = False,
        report: Report | None = None,
    ) -> None:
        """
        :param whole_transcoded: whether transcoded files come as one block, whatever their size
        :param report: told of members that cannot be transcoded
        """
        self._blobs = blobs
        self._report = report
        self._transcoding = transcoding
        self._whole_transcoded = whole_transcoded

    def blocks(self, member: Member) -> Iterator[Load]:
        """The file of ``member`` as functions that give its consecutive blocks.

        The functions may be called in any order and by any thread; the iterator itself may read.
        """
        attachment = _attachment(member)
        if self.is_transcoded(member) and self.is_one_block(member):
            yield partial(self._transcode_small, member)
        elif self.is_transcoded(member):
            yield from self._transcode_large(member)
        elif member.size <= BLOCK:
            yield partial(self._blobs.read, attachment)
        else:
            yield from self._stored_blocks(member)

    @contextmanager
    def whole(self, member: Member) -> Iterator[bytes | mmap.mmap]:
        """The stored file of a member, mapped where it can be."""
        with self._blobs.whole(_attachment(member)) as data:
            yield data

    def is_one_block(self, member: Member) -> bool:
        """Whether :meth:`blocks` gives the whole file at once."""
        return member.size <= BLOCK or (self._whole_transcoded and self.is_transcoded(member))

    def is_transcoded(self, member: Member) -> bool:
        """Whether the file is to be transcoded; it may then be of another size."""
        return self._transcoding is not None and member.transfer_syntax != self._transcoding.transfer_syntax

    def _stored_blocks(self, member: Member) -> Iterator[Load]:
        attachment = _attachment(member)
        if not member.compressed:
            for start, length in _pieces(member.size):
                yield partial(self._blobs.read, attachment, start, length)
        else:
            # Inflating is sequential, but much faster than deflating.
            read = self._blobs.reader(attachment)
            for start, length in _pieces(member.size):
                yield partial(bytes, read(start, length))

    def _transcode_small(self, member: Member) -> bytes:
        with self.whole(member) as original:
            transcoded = self._transcode(member, original)
            if transcoded is None:
                return bytes(original)
            if transcoded.size > _MAX_BLOCK:
                _LOG.warning("Too large when transcoded, archived as it is: instance %s", member.instance)
                if self._report is not None:
                    self._report(member, FullStorage("It would be too large in that transfer syntax"))
                return bytes(original)
        return transcoded.read(0, transcoded.size)

    def _transcode_large(self, member: Member) -> Iterator[Load]:
        with self.whole(member) as original:
            transcoded = self._transcode(member, original)
        if transcoded is None:
            yield from self._stored_blocks(member)
        else:
            for start, length in _pieces(transcoded.size):
                yield partial(transcoded.read, start, length)

    def _transcode(self, member: Member, original: bytes | mmap.mmap) -> Transcoded | None:
        """The transcoded file; None for one that cannot be transcoded: it is archived as it is stored."""
        assert self._transcoding is not None
        try:
            return self._transcoding.transcoder.transcode(
                original, self._transcoding.transfer_syntax, self._transcoding.lossy_quality
            )
        except OrthancError as exc:
            _LOG.warning("Cannot transcode instance %s, archived as it is: %s", member.instance, exc)
            if self._report is not None:
                self._report(member, exc)
            return None


def _attachment(member: Member) -> Attachment:
    """What a reader of blobs needs to know of a member."""
    return Attachment(
        AttachmentType.DICOM, member.uuid, member.size, "", member.size, "", compressed=member.compressed
    )


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, BLOCK):
        yield start, min(BLOCK, size - start)
