"""The DICOM files of stored instances, parsed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.errors import UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.core.metrics import Metrics
from orthanclite.core.model import Attachment, Parts, Resource
from orthanclite.core.ports import Resources
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import encoding_of
from orthanclite.dicom.reading.dataset import DicomFile, dataset_charset
from orthanclite.dicom.reading.parser import parse
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.server.runtime import RuntimeOptions

CACHE_HITS = "orthanc_storage_cache_hit_count"
CACHE_MISSES = "orthanc_storage_cache_miss_count"
"""Counters of how often what was asked of a stored file was in memory, or the file had to be read. Clients
watch them to see that a request did not touch the storage."""
PARSER_HITS = "orthanc_dicom_parser_cache_hit_count"
PARSER_MISSES = "orthanc_dicom_parser_cache_miss_count"
"""Counters of how often what a file says was in memory, or the file had to be parsed."""

_SMALL = 64 * 1024
"""Bytes of a file up to which it is read whole: cheaper than to think about its pixels."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Where the DICOM file of an instance is, and what the index knows of its layout."""

    id: str
    attachment: Attachment
    transfer_syntax: str
    pixel_data_offset: int | None  # bytes from the start of the file to the pixel data, where known

    @staticmethod
    def of(instance: Resource) -> StoredFile:
        """The file of an instance that was read with ``Parts.ATTACHMENTS``.

        :raises UnknownResource: where no file is kept (option ``StoreDicom``).
        """
        attachment = instance.attachments.get(AttachmentType.DICOM)
        if attachment is None:
            raise UnknownResource
        metadata = instance.system_metadata
        offset = metadata.get(Metadata.PIXEL_DATA_OFFSET, "")
        return StoredFile(
            instance.id,
            attachment,
            metadata.get(Metadata.TRANSFER_SYNTAX, ""),
            int(offset) if offset.isdecimal() else None,
        )


class InstanceFiles:
    """Reads and parses the files of instances. Thread-safe."""

    def __init__(
        self,
        resources: Resources,
        reader: BlobReader,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        metrics: Metrics,
    ) -> None:
        self._resources = resources
        self._reader = reader
        self._dictionary = dictionary
        self._runtime = runtime
        self._metrics = metrics
        metrics.declare(CACHE_HITS, CACHE_MISSES, PARSER_HITS, PARSER_MISSES)

    def locate(self, id: str) -> StoredFile:
        """The file of an instance.

        :raises UnknownResource: for an unknown instance, or one whose file is not kept.
        """
        instance = self._resources.get(Level.INSTANCE, id, Parts.ATTACHMENTS)
        if instance is None:
            raise UnknownResource
        return StoredFile.of(instance)

    def locate_below(self, level: Level, id: str) -> list[StoredFile]:
        """The files of all instances below (or at) a resource, in the order of their IDs.

        :raises UnknownResource: for an unknown resource.
        """
        if level is Level.INSTANCE:
            return [self.locate(id)]
        ids = self._resources.descendant_ids(level, id, Level.INSTANCE)
        if not ids and not self._resources.exists(level, id):
            raise UnknownResource
        instances = self._resources.get_many(Level.INSTANCE, ids, Parts.ATTACHMENTS)
        return [StoredFile.of(instance) for instance in instances if instance.attachments]

    def locate_one_below(self, level: Level, id: str) -> StoredFile:
        """The file of one instance below (or at) a resource: what tells of the resource itself.

        :raises UnknownResource: for an unknown resource.
        """
        if level is Level.INSTANCE:
            return self.locate(id)
        first = self._resources.first_below(level, id, Level.INSTANCE)
        if first is None:
            raise UnknownResource
        return self.locate(first)

    def parse(self, file: StoredFile, whole: bool = False) -> DicomFile:
        """The file up to its pixel data, included by name but not by value; ``whole`` parses to the end."""
        self._metrics.add(CACHE_MISSES)
        self._metrics.add(PARSER_MISSES)
        return parse(self._head(file, whole), self._dictionary, whole=whole)

    @contextmanager
    def parsed(self, file: StoredFile) -> Iterator[DicomFile]:
        """The whole file, pixel data included, as long as the context lasts."""
        self._metrics.add(CACHE_MISSES)
        self._metrics.add(PARSER_MISSES)
        with self._reader.whole(file.attachment) as data:
            yield parse(data, self._dictionary, whole=True)

    @contextmanager
    def content(self, file: StoredFile) -> Iterator[bytes | mmap.mmap]:
        """The bytes of the file, as long as the context lasts."""
        self._metrics.add(CACHE_MISSES)
        with self._reader.whole(file.attachment) as data:
            yield data

    def local(self, id: str) -> Path | bytes:
        """The file of an instance for another process, see :meth:`BlobReader.local`.

        :raises UnknownResource: for an unknown instance, or one whose file is not kept.
        """
        attachment = self.locate(id).attachment
        self._metrics.add(CACHE_MISSES)
        return self._reader.local(attachment)

    def local_many(self, ids: Sequence[str]) -> list[Path | bytes]:
        """The same for many instances, in their order; the index is asked once.

        :raises UnknownResource: where one is unknown, or its file is not kept.
        """
        instances = self._resources.get_many(Level.INSTANCE, ids, Parts.ATTACHMENTS)
        if len(instances) != len(ids):
            raise UnknownResource
        self._metrics.add(CACHE_MISSES, len(ids))
        return [self._reader.local(StoredFile.of(instance).attachment) for instance in instances]

    def cached(self, file: StoredFile) -> bytearray | None:
        """The bytes of the file, see :meth:`BlobReader.cached`."""
        return self._reader.cached(file.attachment)

    def chunks(self, file: StoredFile) -> Iterator[bytes]:
        """The bytes of the file, piece by piece."""
        return self._reader.chunks(file.attachment)

    def head(self, file: StoredFile) -> bytes:
        """The bytes of a file, those of its pixel data left out where their place is known."""
        self._metrics.add(CACHE_MISSES)
        return self._head(file, whole=False)

    def charset(self, file: DicomFile) -> Charset:
        """The character set of a file: its own, else the default one."""
        return dataset_charset(file.dataset, self.default_encoding)

    @property
    def default_encoding(self) -> str:
        """The option ``DefaultEncoding``, which may change while the server runs."""
        return self._runtime.default_encoding.name

    def _head(self, file: StoredFile, whole: bool) -> bytes:
        attachment, offset = file.attachment, file.pixel_data_offset
        if whole or offset is None or attachment.size <= _SMALL or offset >= attachment.size:
            return self._reader.read(attachment)
        # An empty element stands for the pixel data, so that they are still seen to be there.
        return self._reader.read(attachment, 0, offset) + _empty_pixel_data(file.transfer_syntax)


def _empty_pixel_data(transfer_syntax: str) -> bytes:
    """Pixel data without a value, in the layout of a transfer syntax."""
    encoding = encoding_of(transfer_syntax)
    group, element = PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF
    if not encoding.explicit:
        return encoding.implicit_head.pack(group, element, 0)
    head = encoding.explicit_head.pack(group, element, b"OW", 0)
    return head + bytes(4)  # behind two reserved bytes, which are zero too, the length
