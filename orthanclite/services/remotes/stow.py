"""Sending instances to a DICOMweb server (STOW-RS, PS3.18 section 10.5)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from orthanclite.core.errors import CanceledJob, NetworkProtocol, OrthancError, UnknownResource
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import View
from orthanclite.core.main_tags import SOP_INSTANCE_UID, tag_key
from orthanclite.core.model import Parts
from orthanclite.core.ports import Resources
from orthanclite.core.ports.http import Answer, Upload
from orthanclite.core.remotes.dicomweb_server import DicomWebServer
from orthanclite.core.text.multipart import Part, joined_length, joined_parts
from orthanclite.services.content.blobs import BlobReader
from orthanclite.services.content.files import StoredFile
from orthanclite.services.remotes.dicomweb import DicomWebClient, refuse, unexpected

_DICOM = "application/dicom"
_MOST_INSTANCES = 100
_MOST_BYTES = 64 << 20
_FAILED, _STORED = "00081198", "00081199"  # FailedSOPSequence, ReferencedSOPSequence
_UID, _REASON = "00081155", "00081197"  # ReferencedSOPInstanceUID, FailureReason


@dataclass(frozen=True, slots=True)
class _Instance:
    id: str
    uid: str
    file: StoredFile


@dataclass(frozen=True, slots=True)
class Sent:
    """What has become of the instances of one request."""

    count: int
    """How many of those that were named it was about, from the first one on."""
    size: int
    """Bytes of the body."""
    failures: Mapping[str, OrthancError]
    """By Orthanc ID."""


class StowSender:
    """Sends instances, some in each request, streamed from the storage. Thread-safe."""

    def __init__(self, client: DicomWebClient, resources: Resources, reader: BlobReader) -> None:
        self._client = client
        self._resources = resources
        self._reader = reader

    def send(
        self,
        server: DicomWebServer,
        ids: Sequence[str],
        headers: Mapping[str, str],
        stop: Mapping[str, bool],
    ) -> Sent:
        """Send the first of some instances in one request: up to 100 of them, or 64 MB, at least one.

        :param stop: becomes true, by the key ``stop``, where the request is to be given up
        :raises NetworkProtocol: where the server cannot be reached, or refuses all of it
        :raises UnknownResource: where there is no such service
        """
        batch, failures = self._batch(ids[:_MOST_INSTANCES])
        count = len(batch) + len(failures)
        if not batch:
            return Sent(count, 0, failures)
        boundary = uuid.uuid4().hex
        lengths = [Part(_DICOM, (), one.file.attachment.size) for one in batch]
        size = joined_length(lengths, boundary)
        body = Upload(partial(self._pieces, batch, boundary, stop), size)
        content_type = f'multipart/related; type="{_DICOM}"; boundary={boundary}'
        answer = self._client.store(server, body, content_type, headers)
        return Sent(count, size, {**failures, **_refused(answer, server, batch)})

    def _batch(self, ids: Sequence[str]) -> tuple[list[_Instance], dict[str, OrthancError]]:
        """The first of some instances, and those among them that are not stored."""
        wanted = list(dict.fromkeys(ids))
        found = {one.id: one for one in self._resources.get_many(Level.INSTANCE, wanted, Parts.ATTACHMENTS)}
        batch: list[_Instance] = []
        failures: dict[str, OrthancError] = {}
        size = 0
        for id in ids:
            resource = found.get(id)
            if resource is None or not resource.attachments:
                failures[id] = UnknownResource(f"The instance is not stored any more: {id}")
                continue
            file = StoredFile.of(resource)
            size += file.attachment.size
            if batch and size > _MOST_BYTES:
                break
            batch.append(_Instance(id, resource.tags.get(tag_key(SOP_INSTANCE_UID), ""), file))
        return batch, failures

    def _pieces(self, batch: Sequence[_Instance], boundary: str, stop: Mapping[str, bool]) -> Iterator[View]:
        parts = (
            Part(_DICOM, self._reader.chunks(one.file.attachment), one.file.attachment.size) for one in batch
        )
        for piece in joined_parts(parts, boundary):
            if stop["stop"]:
                raise CanceledJob
            yield piece


def _refused(answer: Answer, server: DicomWebServer, batch: Sequence[_Instance]) -> dict[str, OrthancError]:
    """Which instances a server has not stored, by what it answers (PS3.18 table 10.5.3-2)."""
    model: Any = None
    with suppress(orjson.JSONDecodeError):
        model = orjson.loads(answer.body)
    if isinstance(model, list) and len(model) == 1:
        model = model[0]
    is_told = isinstance(model, dict) and (_STORED in model or _FAILED in model)
    if not is_told:
        if answer.is_success:
            raise unexpected(answer.status, answer.body, server, "studies")
        refuse(answer.status, answer.body, server, "studies")
    stored = {uid for uid, _ in _references(model, _STORED)}
    reasons = dict(_references(model, _FAILED))
    return {
        one.id: NetworkProtocol(_explain(reasons, one.uid))
        for one in batch
        if one.uid not in stored or one.uid in reasons
    }


def _explain(reasons: Mapping[str, int | None], uid: str) -> str:
    if uid not in reasons:
        return "The DICOMweb server does not say that it has stored the instance"
    reason = reasons[uid]
    told = "without a reason" if reason is None else f"with the reason 0x{reason:04X}"
    return f"The DICOMweb server has refused the instance, {told}"


def _references(model: Mapping[str, Any], sequence: str) -> Iterator[tuple[str, int | None]]:
    """The UIDs of the instances in a sequence of an answer, with the reason of the failure."""
    for item in _values(model, sequence):
        uids, reasons = _values(item, _UID), _values(item, _REASON)
        if uids and isinstance(uids[0], str):
            reason = reasons[0] if reasons and isinstance(reasons[0], int) else None
            yield uids[0], reason


def _values(model: object, tag: str) -> list[Any]:
    attribute = model.get(tag) if isinstance(model, dict) else None
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values if isinstance(values, list) else []
