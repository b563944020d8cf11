"""Edited files of stored instances: ``/instances/{id}/modify`` and ``anonymize``, which store nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orthanclite.core.buffers import SMALL_SIZE, Buffer
from orthanclite.core.levels import Level
from orthanclite.core.ports import Properties
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import edit
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.reading.parser import parse_whole
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.edit.keys import KEY_SIZE
from orthanclite.services.edit.planning import (
    UIDS,
    Pseudonym,
    draw_name,
    make_plan,
    pseudonym,
    set_references,
)
from orthanclite.services.edit.request import ModificationRequest, RequestReader
from orthanclite.services.imaging.transcoding import TranscodingService


class InstanceEditor:
    """Makes edited files. Thread-safe.

    :param server: name and version, written into what is anonymised
    """

    def __init__(
        self,
        files: InstanceFiles,
        transcoding: TranscodingService,
        properties: Properties,
        dictionary: TagDictionary,
        reader: RequestReader,
        server: str,
        temporary_directory: Path | None = None,
    ) -> None:
        self._files = files
        self._transcoding = transcoding
        self._properties = properties
        self._dictionary = dictionary
        self._reader = reader
        self._server = server
        self._temporary_directory = temporary_directory

    def modified(self, id: str, body: Mapping[str, Any]) -> bytes | ScratchFile:
        """The file of an instance, modified; a large one in a temporary file.

        :raises UnknownResource: for an unknown instance, or one whose file is not kept.
        :raises OrthancError: for a request that is wrong or cannot be carried out, see
            :class:`.RequestReader`, :func:`.edit` and :meth:`.TranscodingService.transcode`.
        """
        file = self._files.locate(id)
        return self._edited(file, self._reader.modification(body))

    def anonymized(self, id: str, body: Mapping[str, Any]) -> bytes | ScratchFile:
        """The file of an instance, anonymised; see :meth:`modified`."""
        file = self._files.locate(id)
        return self._edited(file, self._reader.anonymization(body))

    def _edited(self, file: StoredFile, request: ModificationRequest) -> bytes | ScratchFile:
        if request.transcode is None:
            with self._files.content(file) as data:
                return self._applied(data, request)
        # First of all: what lossy compression notes of its source is then edited like the rest.
        transcoded = self._transcoding.transcode_instance(file.id, request.transcode, request.lossy_quality)
        return self._applied(transcoded.whole(), request)

    def _applied(self, data: Buffer, request: ModificationRequest) -> bytes | ScratchFile:
        parsed = parse_whole(data, self._dictionary)
        key = secrets.token_bytes(KEY_SIZE)
        references: dict[str, str] = {}
        patient: Pseudonym | None = None
        if request.is_anonymization:
            patient = pseudonym(key, "", draw_name(request, self._properties))
            references = set_references(request, Level.INSTANCE, key, [_identifiers(parsed.dataset)])
        # An object that is given to another patient is not of the same study any more.
        level = request.replaced_level or Level.INSTANCE
        plan = make_plan(request, level, key, references, patient, self._server)
        result = edit(parsed, plan, self._dictionary, self._files.default_encoding)
        if len(data) <= SMALL_SIZE:
            return result.tobytes()
        scratch = ScratchFile(self._temporary_directory, "edited")
        for piece in result.pieces():
            scratch.write(piece)
        return scratch


def _identifiers(dataset: DataSet) -> dict[int, str]:
    return {tag: (dataset.raw(tag) or b"").decode("latin_1").strip(" \0") for tag in UIDS.values()}
