"""What was made of stored files, kept beside them."""

from __future__ import annotations

import logging

from orthanclite.core.errors import OrthancError, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.core.ports import Annotations, Blobs
from orthanclite.services.content.blobs import BlobReader, discard_blobs, remove_blobs, write

_LOG = logging.getLogger("orthanclite.generic")


_LARGEST = 256 << 20
"""Bytes of a content that is read into memory."""


class KeptAttachments:
    """Contents that can be made anew at any time, kept as attachments of one type. Thread-safe.

    They go away with their resource, and no change tells of them. Whoever keeps one writes into it what it
    was made of: nothing else says that it is out of date.

    :param type: of the attachments
    :param writes: whether any are added; else those that are there are read
    """

    def __init__(self, annotations: Annotations, blobs: Blobs, type: int, writes: bool = True) -> None:
        self._annotations = annotations
        self._blobs = blobs
        self._reader = BlobReader(blobs)
        self._type = type
        self._writes = writes

    def read(self, level: Level, id: str) -> bytes | None:
        """What is kept of a resource, or what somebody else has put there; None where nothing can be read.

        What is too large to be read is empty.

        :raises UnknownResource: for an unknown resource.
        """
        attachment = self._annotations.attachments(level, id).get(self._type)
        if attachment is None:
            return None
        if attachment.size > _LARGEST:
            return b""
        try:
            return self._reader.read(attachment)
        except OrthancError as exc:
            _LOG.warning("The attachment %d of %s cannot be read, and is made anew: %s", self._type, id, exc)
            return None

    def write(self, level: Level, id: str, content: bytes) -> None:
        """Keep a content, if that is possible: nobody has to know if it is not."""
        if not self._writes:
            return
        try:
            uuid, size, md5 = write(self._blobs, [content], md5=True)
            attachment = Attachment(self._type, uuid, size, md5, size, md5)
            try:
                _, replaced = self._annotations.set_attachment(level, id, attachment, log_change=False)
            except BaseException as exc:
                discard_blobs(self._blobs, [uuid], exc)
                raise
        except UnknownResource:
            return  # deleted meanwhile
        except OrthancError as exc:
            _LOG.warning("The attachment %d of %s cannot be kept: %s", self._type, id, exc)
            return
        if replaced is not None:
            remove_blobs(self._blobs, [replaced])
