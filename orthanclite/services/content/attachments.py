"""The attachments of resources: reading, writing, compressing and verifying them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orthanclite.core.constants import AttachmentType
from orthanclite.core.errors import CorruptedFile, RevisionConflict, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.model import Attachment
from orthanclite.core.names import NameRegistry
from orthanclite.core.ports import Annotations, Blobs
from orthanclite.services.content.blobs import (
    BlobReader,
    HashedWriter,
    Reader,
    compress,
    discard_blobs,
    remove_blobs,
    write,
)

OCTET_STREAM = "application/octet-stream"
MISSING_IF_MATCH = 'HTTP header "If-Match" is missing, as "CheckRevisions" is "true"'

Revision = tuple[int, str]
"""A revision number and the MD5 of the content it had."""


@dataclass(frozen=True, slots=True)
class AttachmentOptions:
    """The settings that rule attachments."""

    check_revisions: bool = False  # CheckRevisions
    compress: bool = False  # StorageCompression
    store_md5: bool = True  # StoreMD5ForAttachments
    media_types: Mapping[int, str] = field(default_factory=dict)  # of user attachments (UserContentType)


class AttachmentService:
    """What the attachment routes do. Thread-safe."""

    def __init__(
        self,
        annotations: Annotations,
        blobs: Blobs,
        names: NameRegistry,
        options: AttachmentOptions,
    ) -> None:
        self._annotations = annotations
        self._blobs = blobs
        self._reader = BlobReader(blobs)
        self._options = options
        self.names = names

    def all(self, level: Level, id: str) -> dict[int, Attachment]:
        """The attachments of a resource, by type.

        :raises UnknownResource: for an unknown resource.
        """
        return self._annotations.attachments(level, id)

    def get(self, level: Level, id: str, type: int) -> Attachment:
        """One attachment.

        :raises UnknownResource: for an unknown resource, or one without such an attachment.
        """
        attachment = self.all(level, id).get(type)
        if attachment is None:
            raise UnknownResource
        return attachment

    def media_type(self, attachment: Attachment) -> str:
        """The media type of the content."""
        if attachment.type == AttachmentType.DICOM:
            return "application/dicom"
        if attachment.type == AttachmentType.DICOM_AS_JSON:
            return "application/json"
        return self._options.media_types.get(attachment.type, OCTET_STREAM)

    def reader(self, attachment: Attachment) -> Reader:
        """Reads the content, uncompressed."""
        return self._reader.reader(attachment)

    def stored_reader(self, attachment: Attachment) -> Reader:
        """Reads the content as it is stored."""
        return self._reader.stored_reader(attachment)

    def receive(self, level: Level, id: str, type: int, expected: Revision | None) -> AttachmentReception:
        """Begin to write an attachment that arrives in pieces.

        :param expected: the revision that the present one must have; None for no check
        :raises UnknownResource: for an unknown resource.
        :raises RevisionConflict: already, where it has another one.
        """
        present = self.all(level, id).get(type)
        if expected is not None and (present is None or expected != (present.revision, present.md5)):
            raise RevisionConflict
        if present is not None and expected is None and self._options.check_revisions:
            raise RevisionConflict(MISSING_IF_MATCH)
        return AttachmentReception(self, self._blobs, level, id, type, expected)

    def finish(
        self,
        level: Level,
        id: str,
        attachment: Attachment,
        expected: Revision | None,
    ) -> Revision:
        """Make a blob, written and durable, the attachment of its type; its revision."""
        if self._options.compress and not attachment.compressed:
            attachment = self._recompressed(attachment, True)
        try:
            revision, replaced = self._annotations.set_attachment(
                level, id, attachment, expected, must_match=self._options.check_revisions
            )
        except BaseException as exc:
            discard_blobs(self._blobs, [attachment.uuid], exc)
            raise
        if replaced is not None:
            remove_blobs(self._blobs, [replaced])
        return revision, attachment.md5

    @property
    def store_md5(self) -> bool:
        """The option ``StoreMD5ForAttachments``."""
        return self._options.store_md5

    def delete(self, level: Level, id: str, type: int, expected: Revision | None) -> None:
        """Remove an attachment.

        :raises RevisionConflict: where it has another revision, or none is given and the server wants one.
        :raises UnknownResource: where there is none.
        """
        if expected is None and self._options.check_revisions:
            raise RevisionConflict(MISSING_IF_MATCH)
        remove_blobs(self._blobs, [self._annotations.delete_attachment(level, id, type, expected)])

    def set_compression(self, level: Level, id: str, type: int, compressed: bool) -> None:
        """Compress or uncompress the blob of an attachment, unless it is so already.

        :raises UnknownResource: where there is no such attachment.
        :raises RevisionConflict: where it is replaced meanwhile.
        """
        attachment = self.get(level, id, type)
        if attachment.compressed is compressed:
            return
        new = self._recompressed(attachment, compressed, keep=True)
        try:
            is_replaced = self._annotations.replace_blob(attachment.uuid, new)
        except BaseException as exc:
            discard_blobs(self._blobs, [new.uuid], exc)
            raise
        if not is_replaced:
            remove_blobs(self._blobs, [new.uuid])
            raise RevisionConflict
        remove_blobs(self._blobs, [attachment.uuid])

    def is_intact(self, level: Level, id: str, type: int) -> bool:
        """Whether the blob has the MD5 that was stored with it; False also where none was stored.

        :raises UnknownResource: for an unknown resource.
        """
        attachment = self.all(level, id).get(type)
        if attachment is None or not attachment.md5:
            return False
        try:
            stored = _md5(self._reader.stored_chunks(attachment))
            content = _md5(self._reader.chunks(attachment)) if attachment.compressed else stored
        except CorruptedFile:
            return False
        return (content, stored) == (attachment.md5, attachment.stored_md5)

    def _recompressed(self, attachment: Attachment, compressed: bool, keep: bool = False) -> Attachment:
        """The same content in a new blob; the old one is removed unless ``keep``."""
        chunks, md5 = self._reader.chunks(attachment), self._options.store_md5
        try:
            if compressed:
                uuid, size, digest = compress(self._blobs, chunks, attachment.size, md5)
            else:
                uuid, size, digest = write(self._blobs, chunks, md5)
        finally:
            if not keep:
                remove_blobs(self._blobs, [attachment.uuid])
        return replace(attachment, uuid=uuid, stored_size=size, stored_md5=digest, compressed=compressed)


class AttachmentReception:
    """An attachment that arrives in pieces, hashed and written as they come: ``finish`` or ``abort`` it."""

    def __init__(
        self,
        service: AttachmentService,
        blobs: Blobs,
        level: Level,
        id: str,
        type: int,
        expected: Revision | None,
    ) -> None:
        self._service = service
        self._owner = (level, id)
        self._type = type
        self._expected = expected
        self._writer = HashedWriter(blobs, service.store_md5)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def finish(self) -> Revision:
        """Make the attachment visible; its revision.

        :raises RevisionConflict: where the present one is not the expected one any more.
        :raises UnknownResource: where the resource has gone.
        """
        md5, size = self._writer.commit(), self._writer.size
        attachment = Attachment(self._type, self._writer.uuid, size, md5, size, md5)
        return self._service.finish(*self._owner, attachment, self._expected)

    def abort(self) -> None:
        self._writer.abort()


def _md5(chunks: Iterable[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
