"""Stored instances as they are sent to others: what identifies them, and their data set without the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from orthanclite.core.constants import Metadata
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import View
from orthanclite.core.main_tags import SOP_CLASS_UID, SOP_INSTANCE_UID, tag_key
from orthanclite.core.model import Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.dicom.reading.header import read_header
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.scratch import ScratchFile

_BATCH = 256
"""Instances that are looked up together."""

_PIECE = 1 << 20
"""Bytes that are read at a time. What precedes a data set is within the first ones."""

_PARTS = Parts.ATTACHMENTS | Parts.PARENT


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """A stored instance, and what a C-STORE-RQ tells of it."""

    id: str
    series_id: str
    sop_class_uid: str
    sop_instance_uid: str
    file: StoredFile

    @property
    def transfer_syntax(self) -> str:
        """The one that it is stored in."""
        return self.file.transfer_syntax


class OutgoingInstances:
    """Looks up and reads what is to be sent. Thread-safe."""

    def __init__(self, resources: Resources, files: InstanceFiles, reader: BlobReader) -> None:
        self._resources = resources
        self._files = files
        self._reader = reader

    def find(self, ids: Sequence[str]) -> Iterator[OutgoingInstance | None]:
        """The instances of these Orthanc IDs in their order; None for one that is not stored (any more).

        They are looked up a batch at a time, as they are taken. An instance whose file is not kept (option
        ``StoreDicom``) counts as not stored.
        """
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            found = {one.id: one for one in self._resources.get_many(Level.INSTANCE, batch, _PARTS)}
            for id in batch:
                resource = found.get(id)
                yield None if resource is None or not resource.attachments else self._outgoing(resource)

    def data_set(self, instance: OutgoingInstance) -> Iterator[View]:
        """The data set as it is stored, in pieces that are read as they are taken.

        The first piece is read at once and the end of the file is looked at, so that little can fail later.

        :raises CorruptedFile: where the file is missing, or shorter than the index says; then, or while the
            pieces are taken
        :raises BadFileFormat: where no data set is found in it.
        """
        attachment = instance.file.attachment
        if attachment.size > _PIECE and not attachment.compressed:
            self._reader.read(attachment, attachment.size - 1)
        return data_set(self._reader.reader(attachment), attachment.size)

    def _outgoing(self, resource: Resource) -> OutgoingInstance:
        file = StoredFile.of(resource)
        sop_class = resource.system_metadata.get(Metadata.SOP_CLASS_UID, "")
        sop_instance = resource.tags.get(tag_key(SOP_INSTANCE_UID), "")
        if not (sop_class and sop_instance and file.transfer_syntax):
            parsed = self._files.parse(file)  # the index was written by a server that did not note them
            sop_class = sop_class or _uid(parsed.dataset.raw(SOP_CLASS_UID))
            sop_instance = sop_instance or _uid(parsed.dataset.raw(SOP_INSTANCE_UID))
            file = replace(file, transfer_syntax=parsed.transfer_syntax)
        return OutgoingInstance(resource.id, resource.parent_id or "", sop_class, sop_instance, file)


def data_set(read: Callable[[int, int], View], size: int) -> Iterator[View]:
    """The data set of a DICOM file of ``size`` bytes, in pieces; the first one is read at once.

    :param read: gives the bytes from a position, so many of them
    :raises BadFileFormat: where no data set is found in it.
    """
    head = bytes(read(0, min(size, _PIECE)))
    start = read_header(head).start
    return _pieces(memoryview(head)[start:], read, size)


def scratch_data_set(file: ScratchFile) -> Iterator[View]:
    """The data set of a temporary file, which lives until it is read."""
    return data_set(file.read, file.size)


def _pieces(first: View, read: Callable[[int, int], View], size: int) -> Iterator[View]:
    yield first
    for start in range(_PIECE, size, _PIECE):
        yield read(start, min(_PIECE, size - start))


def _uid(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "replace").strip("\0 ")
