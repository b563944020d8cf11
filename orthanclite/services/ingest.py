"""The one way in: REST uploads, C-STORE, STOW-RS and created instances all end in :class:`IngestService`.

The order is always the same: parse, write the blob durably, hand the record to the index, wait for its
commit, answer. A crash may leave a blob without an index row, which the sweep removes; never the reverse.
"""

from __future__ import annotations

import hashlib
import mmap
import zlib
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from orthanclite.core.clock import now_utc
from orthanclite.core.constants import AttachmentType, Metadata, Origin, StoreStatus
from orthanclite.core.errors import BadFileFormat
from orthanclite.core.identifiers import Hierarchy, hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import (
    Attachment,
    DicomSummary,
    InstanceRecord,
    OverwriteMode,
    StoreOutcome,
    TagSequences,
)
from orthanclite.core.ports import BlobStore, BlobWriter, Ingest
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.summary import Summarizer
from orthanclite.services.runtime import RuntimeOptions

Data = bytes | mmap.mmap

_CHUNK = 1 << 20
_PARALLEL_MD5 = 128 * 1024
"""Bytes from which on the MD5 is computed in a second thread while the blob is written and synced."""
_LOOK_FIRST = 64 * 1024
"""Bytes from which on it pays to ask the index for the instance before the blob is written."""


@dataclass(frozen=True, slots=True)
class IngestOrigin:
    """Where an instance comes from; kept as its metadata."""

    kind: Origin
    remote_ip: str = ""
    remote_aet: str = ""
    called_aet: str = ""  # DICOM only
    username: str = ""  # HTTP only


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of an instance."""

    status: StoreStatus
    ids: Hierarchy

    def to_json(self) -> dict[str, str]:
        """The answer to an upload."""
        return {
            "ID": self.ids.instance,
            "ParentPatient": self.ids.patient,
            "ParentStudy": self.ids.study,
            "ParentSeries": self.ids.series,
            "Path": f"/instances/{self.ids.instance}",
            "Status": self.status.value,
        }


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The settings that rule what is kept of an instance."""

    overwrite: OverwriteMode = OverwriteMode.NEVER
    compress: bool = False  # StorageCompression
    store_md5: bool = True  # StoreMD5ForAttachments
    store_dicom: bool = True  # StoreDicom


class IngestTranscoder(Protocol):
    """The option ``IngestTranscoding``."""

    def __call__(self, data: Data, summary: DicomSummary) -> bytes | None:
        """The file in the wanted transfer syntax; None where it stays as it is."""
        ...


class IngestService:
    """Stores DICOM files. Thread-safe; every method blocks until its effect is durable.

    :param pool: where the MD5 of large instances is computed, beside the writing
    """

    def __init__(
        self,
        index: Ingest,
        blobs: BlobStore,
        main_tags: MainTags,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        options: IngestOptions,
        pool: Executor,
        transcoder: IngestTranscoder | None = None,
    ) -> None:
        self._index = index
        self._blobs = blobs
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._runtime = runtime
        self._options = options
        self._pool = pool
        self._transcoder = transcoder
        self._summarizer = Summarizer(main_tags, dictionary)

    def store(
        self,
        data: bytes,
        origin: IngestOrigin,
        metadata: Mapping[Level, Mapping[int, str]] | None = None,
        overwrite: OverwriteMode | None = None,
    ) -> StoreResult:
        """Store one DICOM file that is in memory.

        :param metadata: further system metadata for the resources that are new (ModifiedFrom...)
        :param overwrite: instead of the option ``OverwriteInstances``
        :raises BadFileFormat: if it is no DICOM file, or a broken one
        :raises InexistentTag: if an identifying UID is missing
        :raises FullStorage: when the limits, or the disk, are reached
        :raises DatabaseUnavailable: when too much is waiting to be stored
        """
        if not len(data):
            raise BadFileFormat("Received an empty DICOM file")
        summary = self._summarize(data)
        if self._transcoder is not None and (transcoded := self._transcoder(data, summary)) is not None:
            data, summary = transcoded, self._summarize(transcoded)
        overwrite = overwrite or self._options.overwrite
        if len(data) >= _LOOK_FIRST:
            known = self._known(summary, overwrite, data)
            if known is not None:
                return known
        attachment = self._write(data) if self._options.store_dicom else None
        return self._record(summary, origin, attachment, metadata or {}, overwrite)

    def receive(self) -> Reception:
        """Begin to store a file that arrives in pieces and need not fit in memory."""
        return Reception(self, self._blobs.create())

    def store_blob(self, uuid: str, size: int, md5: str, origin: IngestOrigin) -> StoreResult:
        """Store a DICOM file that is a durable blob already; it is removed where it is not kept as it is."""
        if not size:
            self._blobs.delete(uuid)
            raise BadFileFormat("Received an empty DICOM file")
        kept = False
        try:
            with self._blobs.open(uuid) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                summary = self._summarize(data)
                transcoded = None if self._transcoder is None else self._transcoder(data, summary)
                if transcoded is not None:
                    summary, attachment = self._summarize(transcoded), self._write(transcoded)
                elif self._options.compress:
                    attachment = self._write_compressed(data, md5)
                else:
                    kept = True
                    attachment = Attachment(AttachmentType.DICOM, uuid, size, md5, size, md5)
        finally:
            if not kept:
                self._blobs.delete(uuid)
        if not self._options.store_dicom:
            self._blobs.delete(attachment.uuid)
            return self._record(summary, origin, None, {}, self._options.overwrite)
        return self._record(summary, origin, attachment, {}, self._options.overwrite)

    def digest(self) -> Any:
        """A running MD5, or None where ``StoreMD5ForAttachments`` is off."""
        return hashlib.md5(usedforsecurity=False) if self._options.store_md5 else None

    def _summarize(self, data: Data) -> DicomSummary:
        return self._summarizer.summarize(data, self._runtime.default_encoding.name)

    def _known(self, summary: DicomSummary, overwrite: OverwriteMode, data: Data) -> StoreResult | None:
        """The answer for an instance that is stored and stays."""
        if overwrite is OverwriteMode.ALWAYS:
            return None
        ids = _hierarchy(summary)
        stored = self._index.stored_md5(ids.instance)
        if stored is None or (overwrite is OverwriteMode.IF_CHANGED and stored != _md5(data)):
            return None
        return StoreResult(StoreStatus.ALREADY_STORED, ids)

    def _write(self, data: bytes) -> Attachment:
        """Write a new blob and describe it as the attachment ``dicom``."""
        hashed: Future[str] | None = None
        md5 = ""
        if self._options.store_md5:
            if len(data) >= _PARALLEL_MD5:
                hashed = self._pool.submit(_md5, data)
            else:
                md5 = _md5(data)
        if self._options.compress:
            return self._write_compressed(data, md5 if hashed is None else hashed.result())
        uuid = self._blobs.put(data)
        if hashed is not None:
            md5 = hashed.result()
        return Attachment(AttachmentType.DICOM, uuid, len(data), md5, len(data), md5)

    def _write_compressed(self, data: Data, md5: str) -> Attachment:
        """Write a zlib-compressed blob, behind the 8 bytes of its size (Orthanc's layout)."""
        view = memoryview(data)
        size = len(view)
        digest = self.digest()
        writer = self._blobs.create()
        stored = 0
        try:
            compressor = zlib.compressobj()
            pieces = (view[at : at + _CHUNK] for at in range(0, size, _CHUNK))
            for piece in (size.to_bytes(8, "little"), *map(compressor.compress, pieces), compressor.flush()):
                writer.write(piece)
                stored += len(piece)
                if digest is not None:
                    digest.update(piece)
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        finally:
            view.release()
        stored_md5 = "" if digest is None else digest.hexdigest()
        return Attachment(AttachmentType.DICOM, writer.uuid, size, md5, stored, stored_md5, compressed=True)

    def _record(
        self,
        summary: DicomSummary,
        origin: IngestOrigin,
        attachment: Attachment | None,
        metadata: Mapping[Level, Mapping[int, str]],
        overwrite: OverwriteMode,
    ) -> StoreResult:
        """Index an instance whose blob is durable; then remove the blobs that nothing refers to."""
        record = InstanceRecord(
            ids=_hierarchy(summary),
            tags=summary.tags,
            signatures=self._main_tags.signatures,
            metadata=self._metadata(summary, origin, metadata),
            attachments=() if attachment is None else (attachment,),
            expected_instances=summary.expected_instances,
            sop_class_uid=summary.sop_class_uid,
            overwrite=overwrite,
        )
        try:
            outcome: StoreOutcome = self._index.store(record)
        except BaseException:
            if attachment is not None:
                self._blobs.delete(attachment.uuid)
            raise
        if outcome.status is not StoreStatus.SUCCESS and attachment is not None:
            self._blobs.delete(attachment.uuid)
        for uuid in outcome.removed_blobs:
            self._blobs.delete(uuid)
        return StoreResult(outcome.status, outcome.ids)

    def _metadata(
        self, summary: DicomSummary, origin: IngestOrigin, further: Mapping[Level, Mapping[int, str]]
    ) -> dict[Level, dict[int, str]]:
        instance: dict[int, str] = {
            Metadata.RECEPTION_DATE: now_utc(),
            Metadata.REMOTE_AET: origin.remote_aet,
            Metadata.ORIGIN: origin.kind.value,
            Metadata.TRANSFER_SYNTAX: summary.transfer_syntax,
            Metadata.SOP_CLASS_UID: summary.sop_class_uid,
        }
        if origin.kind is not Origin.LUA:
            instance[Metadata.REMOTE_IP] = origin.remote_ip
        if origin.kind is Origin.DICOM_PROTOCOL:
            instance[Metadata.CALLED_AET] = origin.called_aet
        elif origin.kind is Origin.REST_API:
            instance[Metadata.HTTP_USERNAME] = origin.username
        if summary.index_in_series is not None:
            instance[Metadata.INDEX_IN_SERIES] = summary.index_in_series
        if summary.pixel_data_offset is not None:
            instance[Metadata.PIXEL_DATA_OFFSET] = str(summary.pixel_data_offset)
        if summary.pixel_data_vr is not None:
            instance[Metadata.PIXEL_DATA_VR] = summary.pixel_data_vr
        result: dict[Level, dict[int, str]] = {
            Level.PATIENT: {},
            Level.STUDY: {},
            Level.SERIES: {Metadata.REMOTE_AET: origin.remote_aet},
            Level.INSTANCE: instance,
        }
        for level, sequences in summary.sequences.items():
            if sequences:
                result[level][Metadata.MAIN_DICOM_SEQUENCES] = main_sequences(sequences, self._dictionary)
        for level, values in further.items():
            result[level].update(values)
        return result


class Reception:
    """A file that arrives in pieces: hashed and written as they come. End with ``finish`` or ``abort``."""

    def __init__(self, service: IngestService, writer: BlobWriter) -> None:
        self._service = service
        self._writer = writer
        self._digest = service.digest()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        if self._digest is not None:
            self._digest.update(data)
        self._writer.write(data)
        self.size += len(data)

    def finish(self, origin: IngestOrigin) -> StoreResult:
        """Store what was written; see :meth:`IngestService.store` for the errors."""
        try:
            self._writer.commit()
        except BaseException:
            self._writer.abort()
            raise
        md5 = "" if self._digest is None else self._digest.hexdigest()
        return self._service.store_blob(self._writer.uuid, self.size, md5, origin)

    def abort(self) -> None:
        """Forget what was written."""
        self._writer.abort()


def main_sequences(sequences: TagSequences, dictionary: TagDictionary) -> str:
    """The metadata ``MainDicomSequences``: JSON of the main tags that are sequences, empty if none."""
    if not sequences:
        return ""
    elements = {
        key: {
            "Name": dictionary.name(int(key[:4] + key[5:], 16)),
            "Type": "Sequence",
            "Value": items,
        }
        for key, items in sorted(sequences.items())
    }
    return orjson.dumps({"Sequences": elements, "Version": 1}).decode()


def _hierarchy(summary: DicomSummary) -> Hierarchy:
    return hierarchy(summary.patient_id, summary.study_uid, summary.series_uid, summary.sop_uid)


def _md5(data: Data) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
