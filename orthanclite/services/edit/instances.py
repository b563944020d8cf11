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
from orthanclite.dicom.edit import TagPath, edit
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.reading.parser import parse_whole
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.edit.planning import UIDS, draw_pseudonym, make_plan
from orthanclite.services.edit.request import ModificationRequest, RequestReader
from orthanclite.services.imaging.transcoding import TranscodingService

KEY_SIZE = 32
"""Bytes of a secret key that new UIDs are made with."""


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
        pseudonym = draw_pseudonym(request, self._properties) if request.is_anonymization else None
        references = _fixed_uids(parsed.dataset, request) if request.is_anonymization else {}
        key = secrets.token_bytes(KEY_SIZE)
        plan = make_plan(request, Level.INSTANCE, key, references, pseudonym, self._server)
        result = edit(parsed, plan, self._dictionary, self._files.default_encoding)
        if len(data) <= SMALL_SIZE:
            return result.tobytes()
        scratch = ScratchFile(self._temporary_directory, "edited")
        for piece in result.pieces():
            scratch.write(piece)
        return scratch


def _fixed_uids(dataset: DataSet, request: ModificationRequest) -> dict[str, str]:
    """The identifiers of a data set that are kept or get a value of the client's, by their new values."""
    found: dict[str, str] = {}
    for tag in UIDS.values():
        original = (dataset.raw(tag) or b"").decode("latin_1").strip(" \0")
        if request.keeps(tag):
            found[original] = original
        elif request.replaces(tag):
            found[original] = str(request.replace[TagPath(tag)] or "")
    return {original: new for original, new in found.items() if original and new}
