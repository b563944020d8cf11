"""From an arrival to a record: filtered, transcoded, summarised; once, whatever the way it came."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from orthanclite.core.constants import Metadata, Origin, StoreStatus
from orthanclite.core.errors import BadFileFormat
from orthanclite.core.identifiers import Hierarchy, hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.machine.clock import now_utc
from orthanclite.core.machine.digest import md5_of
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import DicomSummary, InstanceRecord, OverwriteMode, TagSequences
from orthanclite.core.ports import Ingest
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.summary import Summarizer
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.ingest.arrival import Arrival, StoreResult
from orthanclite.services.server.runtime import RuntimeOptions

LOOK_FIRST = 1024 * 1024
"""Bytes from which on it pays to ask the index for an instance before its file is written."""

_PIECE = 1 << 20  # bytes that are copied at a time

log = logging.getLogger("orthanclite.generic")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer of a filter that does not let an instance in."""

    reason: str


class IngestFilter(Protocol):
    """Decides whether an instance comes in, before anything is done with it."""

    def __call__(self, arrival: Arrival, data: Buffer, summary: DicomSummary) -> Refusal | None:
        """None for an instance that may come in.

        :param data: the file, valid during this call only
        """
        ...


class IngestTranscoder(Protocol):
    """The option ``IngestTranscoding``."""

    def __call__(self, data: Buffer, summary: DicomSummary) -> Buffer | None:
        """The file in the wanted transfer syntax; None where it stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """An instance that is ready to be stored."""

    record: InstanceRecord
    """Without its attachment."""
    replaced: Buffer | None
    """What is stored instead of the file that arrived: transcoded, or without padding."""


class Preparation:
    """Makes records of arrivals. Thread-safe.

    :param overwrite: the option ``OverwriteInstances``
    :param filters: asked one after the other, until one refuses
    :param temporary_directory: where a file is copied to that is not stored as it came
    """

    def __init__(
        self,
        index: Ingest,
        main_tags: MainTags,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        overwrite: OverwriteMode,
        transcoder: IngestTranscoder | None = None,
        filters: Sequence[IngestFilter] = (),
        temporary_directory: Path | None = None,
    ) -> None:
        self._index = index
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._runtime = runtime
        self._overwrite = overwrite
        self._transcoder = transcoder
        self._filters = tuple(filters)
        self._temporary_directory = temporary_directory
        self._summarizer = Summarizer(main_tags, dictionary)

    @property
    def works_on_content(self) -> bool:
        """Whether more is done with a file than to read its header."""
        return self._transcoder is not None or bool(self._filters)

    def refuse_endless(self, head: Buffer, sent_size: int) -> None:
        """See :meth:`.IngestService.refuse_endless`."""
        self._summarizer.refuse_endless(head, sent_size)

    def prepare(self, arrival: Arrival, data: Buffer) -> Prepared | StoreResult:
        """The record of an arrival; the answer where it is not to be stored.

        :param data: the whole file
        :raises BadFileFormat: if it is no DICOM file, or a broken one
        :raises InexistentTag: if an identifying UID is missing
        """
        if not len(data):
            raise BadFileFormat("Received an empty DICOM file")
        replaced: Buffer | None = None
        try:
            summary = self._summarize(data, arrival.sent_size)
        except BadFileFormat:
            replaced = self._without_padding(arrival, data)
            if replaced is None:
                raise
            data, summary = replaced, self._summarize(replaced)
        for accept in self._filters:
            if (refusal := accept(arrival, data, summary)) is not None:
                ids = _hierarchy(summary)
                log.info("The instance %s is filtered out: %s", ids.instance, refusal.reason)
                return StoreResult(StoreStatus.FILTERED_OUT, ids)
        transcoded = None
        if self._transcoder is not None and not arrival.as_it_is:
            transcoded = self._transcoder(data, summary)
        if transcoded is not None:
            data = replaced = transcoded
            summary = self._summarize(transcoded)
        overwrite = arrival.overwrite or self._overwrite
        ids = _hierarchy(summary)
        if len(data) >= LOOK_FIRST and self._stays(ids, overwrite, data):
            return StoreResult(StoreStatus.ALREADY_STORED, ids)
        return Prepared(self._record(ids, summary, arrival, overwrite), replaced)

    def _summarize(self, data: Buffer, sent_size: int | None = None) -> DicomSummary:
        return self._summarizer.summarize(data, self._runtime.default_encoding.name, sent_size)

    def _without_padding(self, arrival: Arrival, data: Buffer) -> Buffer | None:
        """A file without what a DICOM peer appended to its data set; None where that is not what is wrong.

        As the reference does: it reads such a data set from the network, but not such a file.
        """
        if arrival.origin.kind is not Origin.DICOM_PROTOCOL:
            return None
        end = self._summarizer.padding_start(data)
        if end is None:
            return None
        log.info("Dropping %d bytes of padding that %s sent", len(data) - end, arrival.origin.remote_aet)
        copy = ScratchFile(self._temporary_directory, "padded")
        for start in range(0, end, _PIECE):
            copy.write(data[start : min(end, start + _PIECE)])
        return copy.whole()

    def _stays(self, ids: Hierarchy, overwrite: OverwriteMode, data: Buffer) -> bool:
        """Whether an instance is stored, and stays as it is."""
        if overwrite is OverwriteMode.ALWAYS:
            return False
        stored = self._index.stored_md5(ids.instance)
        return stored is not None and (overwrite is OverwriteMode.NEVER or stored == md5_of(data))

    def _record(
        self, ids: Hierarchy, summary: DicomSummary, arrival: Arrival, overwrite: OverwriteMode
    ) -> InstanceRecord:
        return InstanceRecord(
            ids=ids,
            tags=summary.tags,
            signatures=self._main_tags.signatures,
            metadata=self._metadata(summary, arrival),
            attachments=(),
            expected_instances=summary.expected_instances,
            sop_class_uid=summary.sop_class_uid or "",
            overwrite=overwrite,
            labels=arrival.labels,
        )

    def _metadata(self, summary: DicomSummary, arrival: Arrival) -> Mapping[Level, Mapping[int, str]]:
        result: dict[Level, dict[int, str]] = {
            Level.PATIENT: {},
            Level.STUDY: {},
            Level.SERIES: {Metadata.REMOTE_AET: arrival.origin.remote_aet},
            Level.INSTANCE: _instance_metadata(summary, arrival),
        }
        for level, sequences in summary.sequences.items():
            if sequences:
                result[level][Metadata.MAIN_DICOM_SEQUENCES] = main_sequences(sequences, self._dictionary)
        for level, values in arrival.metadata.items():
            result[level].update(values)
        return result


def _instance_metadata(summary: DicomSummary, arrival: Arrival) -> dict[int, str]:
    origin = arrival.origin
    metadata: dict[int, str] = {
        Metadata.RECEPTION_DATE: now_utc(),
        Metadata.REMOTE_AET: origin.remote_aet,
        Metadata.ORIGIN: origin.kind.value,
        Metadata.TRANSFER_SYNTAX: summary.transfer_syntax,
    }
    if summary.sop_class_uid is not None:
        metadata[Metadata.SOP_CLASS_UID] = summary.sop_class_uid
    if origin.kind is not Origin.LUA:
        metadata[Metadata.REMOTE_IP] = origin.remote_ip
    if origin.kind is Origin.DICOM_PROTOCOL:
        metadata[Metadata.CALLED_AET] = origin.called_aet
    elif origin.kind is Origin.REST_API:
        metadata[Metadata.HTTP_USERNAME] = origin.username
    if summary.index_in_series is not None:
        metadata[Metadata.INDEX_IN_SERIES] = summary.index_in_series
    if summary.pixel_data_offset is not None:
        metadata[Metadata.PIXEL_DATA_OFFSET] = str(summary.pixel_data_offset)
    if summary.pixel_data_vr is not None:
        metadata[Metadata.PIXEL_DATA_VR] = summary.pixel_data_vr
    return metadata


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
