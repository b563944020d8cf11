"""The one way in: REST uploads, C-STORE, STOW-RS and created instances all end in :class:`IngestService`.

The order is always the same: parse, write the blob durably, hand the record to the index, wait for its
commit, answer. A crash may leave a blob without an index row, which the sweep removes; never the reverse.
What comes after the parsing is done by :mod:`.storing`, for many instances at once.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import orjson

from orthanclite.core.buffers import Buffer, View
from orthanclite.core.clock import now_utc
from orthanclite.core.constants import AttachmentType, Metadata, Origin, StoreStatus
from orthanclite.core.digest import md5_of
from orthanclite.core.errors import BadFileFormat, OrthancError, ReadOnly
from orthanclite.core.identifiers import Hierarchy, hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import (
    Attachment,
    DicomSummary,
    InstanceRecord,
    OverwriteMode,
    StoredBlob,
    TagSequences,
)
from orthanclite.core.ports import BlobHelper, BlobStore, Ingest
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.summary import Summarizer
from orthanclite.services.content.blobs import SIZE_HEAD, HashedWriter, compress, remove_blobs
from orthanclite.services.ingest.journal import JournalKeeper
from orthanclite.services.ingest.storing import Intake, Pending, StoreResult
from orthanclite.services.server.runtime import RuntimeOptions

_CHUNK = 1 << 20
_LARGE = 128 * 1024
"""Bytes from which on a blob is written and synced apart from all others, while its MD5 is computed."""
_LOOK_FIRST = 1024 * 1024
"""Bytes from which on it pays to ask the index for the instance before the blob is written."""
_LIGHT = 32 * 1024
"""Bytes of a header, or of a whole file, that is parsed faster than another thread begins."""
_PIXEL_DATA = b"\xe0\x7f\x10\x00"
"""The tag in little endian."""


@dataclass(frozen=True, slots=True)
class IngestOrigin:
    """Where an instance comes from; kept as its metadata."""

    kind: Origin
    remote_ip: str = ""
    remote_aet: str = ""
    called_aet: str = ""  # DICOM only
    username: str = ""  # HTTP only


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """The settings that rule what is kept of an instance."""

    overwrite: OverwriteMode = OverwriteMode.NEVER
    compress: bool = False  # StorageCompression
    store_md5: bool = True  # StoreMD5ForAttachments
    store_dicom: bool = True  # StoreDicom
    read_only: bool = False  # ReadOnly: everything is refused


class IngestTranscoder(Protocol):
    """The option ``IngestTranscoding``."""

    def __call__(self, data: Buffer, summary: DicomSummary) -> Buffer | None:
        """The file in the wanted transfer syntax; None where it stays as it is."""
        ...


class IngestService:
    """Stores DICOM files. Thread-safe; to be closed.

    :param helper: stores what it can take of the large instances, instead of the caller
    """

    def __init__(
        self,
        index: Ingest,
        blobs: BlobStore,
        main_tags: MainTags,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        options: IngestOptions,
        journal: JournalKeeper,
        transcoder: IngestTranscoder | None = None,
        helper: BlobHelper | None = None,
    ) -> None:
        self._index = index
        self._blobs = blobs
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._runtime = runtime
        self._options = options
        self._helper = helper
        self._transcoder = transcoder
        self._summarizer = Summarizer(main_tags, dictionary)
        self._intake = Intake(index, blobs, journal)

    def close(self) -> None:
        """Finish what was begun."""
        self._intake.close()

    def is_light(self, data: Buffer) -> bool:
        """Whether :meth:`begin` is quick for a file: it may run on the event loop."""
        if self._transcoder is not None or self._options.compress:
            return False
        if len(data) <= _LIGHT:
            return True
        is_quick = len(data) < _LOOK_FIRST and self._can_help(data)
        return is_quick and data.find(_PIXEL_DATA, 0, _LIGHT) >= 0

    def store(
        self,
        data: bytes,
        origin: IngestOrigin,
        metadata: Mapping[Level, Mapping[int, str]] | None = None,
        overwrite: OverwriteMode | None = None,
    ) -> StoreResult:
        """Store one DICOM file that is in memory, and wait until it is durable.

        :param metadata: further system metadata for the resources that are new (ModifiedFrom...)
        :param overwrite: instead of the option ``OverwriteInstances``
        :raises BadFileFormat: if it is no DICOM file, or a broken one
        :raises InexistentTag: if an identifying UID is missing
        :raises FullStorage: when the limits, or the disk, are reached
        :raises DatabaseUnavailable: when too much is waiting to be stored
        :raises ReadOnly: where the server may not write
        """
        return self.begin(data, origin, metadata, overwrite).result()

    def begin(
        self,
        data: Buffer,
        origin: IngestOrigin,
        metadata: Mapping[Level, Mapping[int, str]] | None = None,
        overwrite: OverwriteMode | None = None,
    ) -> Future[StoreResult]:
        """Parse one DICOM file and begin to store it; see :meth:`store`, also for the errors."""
        self._refuse_if_read_only()
        if not len(data):
            raise BadFileFormat("Received an empty DICOM file")
        summary = self._summarize(data)
        if self._transcoder is not None and (transcoded := self._transcoder(data, summary)) is not None:
            data, summary = transcoded, self._summarize(transcoded)
        overwrite = overwrite or self._options.overwrite
        if len(data) >= _LOOK_FIRST:
            known = self._known(summary, overwrite, data)
            if known is not None:
                return _done(known)
        pending = Pending(self._record(summary, origin, metadata or {}, overwrite))
        if self._options.store_dicom:
            if self._helper is not None and self._can_help(data):
                storing = self._helper.store(data, self._options.store_md5)
                return self._submit_later(pending, len(data), storing)
            self._add_file(pending, data)
        return self._submit(pending)

    def receive(self) -> Reception:
        """Begin to store a file that arrives in pieces and need not fit in memory.

        :raises ReadOnly: where the server may not write
        """
        self._refuse_if_read_only()
        return Reception(self, HashedWriter(self._blobs, self._options.store_md5))

    def store_blob(self, uuid: str, size: int, md5: str, origin: IngestOrigin) -> Future[StoreResult]:
        """Begin to store a DICOM file that is a durable blob already; it is removed where it is not kept."""
        if not size:
            self._blobs.delete(uuid)
            raise BadFileFormat("Received an empty DICOM file")
        pending: Pending | None = None
        try:
            with self._blobs.open(uuid) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                summary = self._summarize(data)
                transcoded = None if self._transcoder is None else self._transcoder(data, summary)
                if transcoded is not None:
                    summary = self._summarize(transcoded)
                record = self._record(summary, origin, {}, self._options.overwrite)
                if not self._options.store_dicom:
                    pending = Pending(record)
                elif transcoded is not None:
                    pending = Pending(record)
                    self._add_file(pending, transcoded)
                elif self._options.compress:
                    pending = Pending(record, self._write_compressed(uuid, size, md5))
                else:
                    pending = Pending(record, Attachment(AttachmentType.DICOM, uuid, size, md5, size, md5))
        finally:
            if pending is None or pending.attachment is None or pending.attachment.uuid != uuid:
                self._blobs.delete(uuid)
        return self._submit(pending)

    def _refuse_if_read_only(self) -> None:
        if self._options.read_only:
            raise ReadOnly

    def _submit(self, pending: Pending) -> Future[StoreResult]:
        try:
            return self._intake.submit(pending)
        except OrthancError:
            if pending.attachment is not None and pending.attachment.uuid:
                remove_blobs(self._blobs, [pending.attachment.uuid])
            raise

    def _can_help(self, data: Buffer) -> bool:
        """Whether the helper can store the file, as it is."""
        is_large = len(data) >= _LARGE and not self._options.compress
        return is_large and self._helper is not None and self._helper.takes(data)

    def _submit_later(self, pending: Pending, size: int, storing: Future[StoredBlob]) -> Future[StoreResult]:
        """Go on once the blob is stored."""

        def go_on(stored: Future[StoredBlob]) -> None:
            try:
                uuid, md5 = stored.result()
                pending.attachment = Attachment(AttachmentType.DICOM, uuid, size, md5, size, md5)
                self._submit(pending)
            except Exception as exc:  # noqa: BLE001 - who waits must know
                pending.stored.set_exception(exc)

        storing.add_done_callback(go_on)
        return pending.stored

    def _summarize(self, data: Buffer) -> DicomSummary:
        return self._summarizer.summarize(data, self._runtime.default_encoding.name)

    def _known(self, summary: DicomSummary, overwrite: OverwriteMode, data: Buffer) -> StoreResult | None:
        """The answer for an instance that is stored and stays."""
        if overwrite is OverwriteMode.ALWAYS:
            return None
        ids = _hierarchy(summary)
        stored = self._index.stored_md5(ids.instance)
        if stored is None or (overwrite is OverwriteMode.IF_CHANGED and stored != md5_of(data)):
            return None
        return StoreResult(StoreStatus.ALREADY_STORED, ids)

    def _add_file(self, pending: Pending, data: Buffer) -> None:
        """Describe the attachment ``dicom``; its blob is written here where it is large."""
        if self._options.compress:
            pending.attachment, pending.content = self._compressed(data)
            return
        size = len(data)
        if size < _LARGE:
            md5 = md5_of(data) if self._options.store_md5 else ""
            pending.attachment = Attachment(AttachmentType.DICOM, "", size, md5, size, md5)
            pending.content = bytes(data)
            return
        uuid, md5 = self._blobs.put_hashed(memoryview(data), self._options.store_md5)
        pending.attachment = Attachment(AttachmentType.DICOM, uuid, size, md5, size, md5)

    def _compressed(self, data: Buffer) -> tuple[Attachment, bytes]:
        content = len(data).to_bytes(SIZE_HEAD, "little") + zlib.compress(data)
        md5, stored_md5 = (md5_of(data), md5_of(content)) if self._options.store_md5 else ("", "")
        size = len(content)
        attachment = Attachment(AttachmentType.DICOM, "", len(data), md5, size, stored_md5, compressed=True)
        return attachment, content

    def _write_compressed(self, uuid: str, size: int, md5: str) -> Attachment:
        """Write a blob anew as a compressed one, in pieces: all of a mapped file would stay in memory."""
        with self._blobs.open(uuid) as file:
            pieces = iter(lambda: file.read(_CHUNK), b"")
            uuid, stored, stored_md5 = compress(self._blobs, pieces, size, self._options.store_md5)
        return Attachment(AttachmentType.DICOM, uuid, size, md5, stored, stored_md5, compressed=True)

    def _record(
        self,
        summary: DicomSummary,
        origin: IngestOrigin,
        metadata: Mapping[Level, Mapping[int, str]],
        overwrite: OverwriteMode,
    ) -> InstanceRecord:
        return InstanceRecord(
            ids=_hierarchy(summary),
            tags=summary.tags,
            signatures=self._main_tags.signatures,
            metadata=self._metadata(summary, origin, metadata),
            attachments=(),
            expected_instances=summary.expected_instances,
            sop_class_uid=summary.sop_class_uid,
            overwrite=overwrite,
        )

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

    def __init__(self, service: IngestService, writer: HashedWriter) -> None:
        self._service = service
        self._writer = writer

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._writer.size

    def write(self, data: View) -> None:
        self._writer.write(memoryview(data))

    def finish(self, origin: IngestOrigin) -> StoreResult:
        """Store what was written; see :meth:`IngestService.store` for the errors."""
        return self.begin_finish(origin).result()

    def begin_finish(self, origin: IngestOrigin) -> Future[StoreResult]:
        """Begin to store what was written."""
        md5 = self._writer.commit()
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


def _done(result: StoreResult) -> Future[StoreResult]:
    future: Future[StoreResult] = Future()
    future.set_result(result)
    return future
