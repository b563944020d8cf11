"""Searches on modalities that are not kept: worklists, and the deprecated ``find`` routes."""

from __future__ import annotations

from typing import Any

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import PATIENT_ID, STUDY_INSTANCE_UID
from orthanclite.dicom.attributes import attributes_from_json
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.services.remotes.client import Call
from orthanclite.services.retrieve.answers import AnswerReader, bounded
from orthanclite.services.retrieve.calling import Calls
from orthanclite.services.retrieve.identifiers import (
    Tags,
    check_number,
    encodable,
    find_tags,
    identifier,
    template,
)
from orthanclite.services.retrieve.network import Finder, Model, QueryRetrieve
from orthanclite.services.retrieve.queries import MODELS, model_of
from orthanclite.services.server.runtime import RuntimeOptions

Shown = dict[str, Any]
"""A data set in one of the forms of the REST API."""


class DirectFinds:
    """Asks modalities, and shows what they answer. Thread-safe.

    All methods raise InexistentItem for an unknown modality, DimseFailure where it answers with a failure,
    and NetworkProtocol where it cannot be reached, or the association breaks.
    """

    def __init__(
        self,
        network: QueryRetrieve,
        calls: Calls,
        reader: AnswerReader,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
    ) -> None:
        self._network = network
        self._calls = calls
        self._reader = reader
        self._dictionary = dictionary
        self._runtime = runtime

    def worklist(self, modality: str, query: object, style: Style, timeout: int | None = None) -> list[Shown]:
        """The worklist items that match, as the modality has sent them.

        :param query: JSON, with sequences as arrays of objects; it is sent as it is
        :raises BadFileFormat, UnknownDicomTag: for invalid tags
        """
        attributes = attributes_from_json(query, self._dictionary)
        check_number(attributes)
        call = self._calls.call(modality, timeout=timeout)
        wanted = encodable(attributes, self._runtime.default_encoding)
        with self._network.finder(call, [Model.WORKLIST]) as finder:
            found = bounded(finder.find(Model.WORKLIST, wanted))
            return [self._reader.shown_as_found(one, style) for one in found]

    def level(self, modality: str, level: Level, asked: Tags) -> list[Shown]:
        """The resources of one level that match, with its main tags."""
        call = self._calls.call(modality)
        with self._network.finder(call, [model_of(level)]) as finder:
            return self._shown(self._find(finder, call, level, asked))

    def nested(self, modality: str, asked: Tags) -> list[Shown]:
        """The patients that match, with their studies and series that match."""
        call = self._calls.call(modality)
        patients = []
        with self._network.finder(call, MODELS) as finder:
            for patient in self._find(finder, call, Level.PATIENT, asked):
                keys = self._keys(patient, PATIENT_ID)
                studies = self._find(finder, call, Level.STUDY, {**asked, **keys})
                children = [self._study(finder, call, study, asked) for study in studies]
                patients.append({**self._reader.shown(patient, Style.SIMPLE), "Studies": children})
        return patients

    def _study(self, finder: Finder, call: Call, study: bytes, asked: Tags) -> Shown:
        keys = self._keys(study, PATIENT_ID, STUDY_INSTANCE_UID)
        series = self._find(finder, call, Level.SERIES, {**asked, **keys})
        return {**self._reader.shown(study, Style.SIMPLE), "Series": self._shown(series)}

    def _find(self, finder: Finder, call: Call, level: Level, asked: Tags) -> list[bytes]:
        tags = find_tags(level, template(level, asked), call.modality.manufacturer)
        wanted = identifier(level, tags, self._dictionary, self._runtime.default_encoding)
        found = bounded(finder.find(model_of(level), wanted))
        return [self._reader.normalized(one, level) for one in found]

    def _keys(self, answer: bytes, *tags: int) -> dict[int, str]:
        texts = self._reader.texts(answer)
        return {tag: texts.get(tag, "") for tag in tags}

    def _shown(self, answers: list[bytes]) -> list[Shown]:
        return [self._reader.shown(answer, Style.SIMPLE) for answer in answers]
