"""Edited files of stored instances: ``/instances/{id}/modify`` and ``anonymize``, which store nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orthanclite.core.errors import BadRequest
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import SMALL_SIZE, Buffer
from orthanclite.core.main_tags import IDENTIFIER_OF, PATIENT_ID
from orthanclite.core.ports import Properties
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, dataset_charset
from orthanclite.dicom.reading.parser import parse_whole
from orthanclite.dicom.values import decode_text
from orthanclite.services.content.files import InstanceFiles, StoredFile
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.edit.keys import KEY_SIZE
from orthanclite.services.edit.masking import FileMasker, spooled
from orthanclite.services.edit.planning import draw_name, make_plan, set_references
from orthanclite.services.edit.preview import PREVIEWED_NAME, Previewer
from orthanclite.services.edit.request.fields import ModificationRequest, RequestReader
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
        previewer: Previewer,
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
        self._masker = FileMasker(transcoding, dictionary, temporary_directory)
        self._previewer = previewer

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

    def preview(self, id: str, body: Mapping[str, Any], anonymize: bool) -> dict[str, Any]:
        """What an edit would change, see :class:`.Previewer`.

        :raises OrthancError: as :meth:`modified`
        """
        file = self._files.locate(id)
        request = self._reader.anonymization(body) if anonymize else self._reader.modification(body)
        with self._files.content(file) as data:
            dataset = parse_whole(data, self._dictionary).dataset
            plan = self._plan(dataset, request, PREVIEWED_NAME)
            own = self._ids(dataset, request)
        return self._previewer.of_file(file, plan, request.pixels, own)

    def _edited(self, file: StoredFile, request: ModificationRequest) -> bytes | ScratchFile:
        with self._files.content(file) as content:
            data, parsed = content, parse_whole(content, self._dictionary)
            if reason := request.pixels.why_dropped(parsed.dataset):
                raise BadRequest(f"The instance is left out: {reason}")
            if request.pixels.masks:
                data = self._masked(data, parsed, request)
            if request.transcode is not None:
                # First of all: what lossy compression notes of its source is then edited like the rest.
                data = self._transcoded(file, None if data is content else data, request)
            if data is not content:
                parsed = parse_whole(data, self._dictionary)
            return self._applied(parsed, len(data), request)

    def _transcoded(self, file: StoredFile, masked: Buffer | None, request: ModificationRequest) -> Buffer:
        assert request.transcode is not None
        if masked is not None:
            return self._transcoding.transcode(masked, request.transcode, request.lossy_quality).whole()
        return self._transcoding.transcode_instance(file.id, request.transcode, request.lossy_quality).whole()

    def _masked(self, data: Buffer, parsed: DicomFile, request: ModificationRequest) -> Buffer:
        masks = request.pixels.masks_of(self._ids(parsed.dataset, request))
        if not masks:
            return data
        return self._masker.masked(parsed, data, masks, request.cleans_pixels)

    def _ids(self, dataset: DataSet, request: ModificationRequest) -> list[str]:
        """The Orthanc IDs of an instance and of its ancestors.

        :raises BadRequest: where masks name others
        """
        identifiers = self._identifiers(dataset)
        ids = hierarchy(*(identifiers[tag] for tag in IDENTIFIER_OF.values()))
        own = [ids.at(level) for level in Level]
        if not request.pixels.resources <= set(own):
            raise BadRequest("MaskPixels names a resource that the instance is no part of")
        return own

    def _plan(self, dataset: DataSet, request: ModificationRequest, name: str) -> EditPlan:
        identifiers = self._identifiers(dataset)
        key = request.key or secrets.token_bytes(KEY_SIZE)
        references: dict[str, str] = {}
        if request.is_anonymization:
            references = set_references(request, Level.INSTANCE, key, [identifiers])
        # An object that is given to another patient is not of the same study any more.
        level = request.replaced_level or Level.INSTANCE
        return make_plan(request, level, key, references, identifiers, name, self._server)

    def _applied(self, parsed: DicomFile, size: int, request: ModificationRequest) -> bytes | ScratchFile:
        """:param size: of the file, in bytes"""
        name = draw_name(request, self._properties) if request.is_anonymization else ""
        plan = self._plan(parsed.dataset, request, name)
        result = edit(parsed, plan, self._dictionary, self._files.default_encoding)
        if size <= SMALL_SIZE:
            return result.tobytes()
        return spooled(result, self._temporary_directory)

    def _identifiers(self, dataset: DataSet) -> dict[int, str]:
        """The identifiers of an instance, as the index has them."""
        charset = dataset_charset(dataset, self._files.default_encoding)
        raw = {tag: (_VR.get(tag, "UI"), dataset.raw(tag) or b"") for tag in IDENTIFIER_OF.values()}
        return {tag: decode_text(value, vr, charset).strip() for tag, (vr, value) in raw.items()}


_VR = {PATIENT_ID: "LO"}
