"""The worklists of this server: queries, the operations of ``/worklists``, and their removal in time.

Options and routes are those of Orthanc's worklists plugin (Orthanc Book, "Worklists plugin").
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, OrthancError, UnknownResource
from orthanclite.core.identifiers import generate_uid
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import STUDY_INSTANCE_UID
from orthanclite.core.model import Parts
from orthanclite.core.ports import Resources, Search
from orthanclite.core.query import SPECIFIC_CHARACTER_SET, Constraint, FindRequest, Match
from orthanclite.dicom.attributes import (
    Attribute,
    Attributes,
    attributes_from_json,
    character_set_for,
    encode_attributes,
    read_attributes,
)
from orthanclite.dicom.charsets import is_known_term
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import EXPLICIT_LITTLE_ENDIAN
from orthanclite.dicom.reading.dataset import dataset_charset
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.dicom.writing.elements import file_head
from orthanclite.services.search.dataset_matching import IdentifierQuery, for_station
from orthanclite.services.server.runtime import RuntimeOptions
from orthanclite.services.worklists.stores import StoredWorklist, WorklistStore

log = logging.getLogger("orthanclite.plugins")

_SOP_CLASS = "1.2.840.10008.5.1.4.31"  # Modality Worklist Information Model - FIND
_HOUR = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class WorklistOptions:
    """The section ``Worklists``, as far as it concerns the worklists themselves."""

    filter_issuer_aet: bool = False
    limit_answers: int = 0  # 0 for no limit
    set_study_uid: bool = True  # give a StudyInstanceUID to new worklists without one
    delete_on_stable_study: bool = True
    delete_after: int = 24  # hours from the creation; 0 for never
    case_sensitive_names: bool = False


class WorklistService:
    """Answers queries and keeps the worklists. Thread-safe."""

    def __init__(
        self,
        store: WorklistStore,
        search: Search,
        resources: Resources,
        dictionary: TagDictionary,
        runtime: RuntimeOptions,
        options: WorklistOptions,
    ) -> None:
        self._store = store
        self._search = search
        self._resources = resources
        self._dictionary = dictionary
        self._runtime = runtime
        self._options = options

    def find(self, identifier: Attributes, calling_aet: str) -> Generator[Attributes, None, bool]:
        """The answers to a query, one by one, at most ``LimitAnswers``; finally, whether there are more.

        :raises BadRequest, ParameterOutOfRange: for an invalid query, at once.
        """
        if self._options.filter_issuer_aet:
            asked = for_station(identifier, calling_aet)
            return self._answers(self._query(identifier), self._query(asked))
        query = self._query(identifier)
        return self._answers(query, query)

    def all_attributes(self) -> Iterator[tuple[str, Attributes]]:
        """The IDs and the attributes of all worklists that can be read."""
        for worklist in self._store.all():
            try:
                yield worklist.id, self._attributes(worklist)
            except OrthancError as exc:
                log.warning("The worklist %s cannot be read: %s", worklist.id, exc)

    def list_all(self, style: Style) -> list[dict[str, Any]]:
        """All worklists that can be read, with their tags."""
        shown = []
        for worklist in self._store.all():
            try:
                shown.append(self._shown(worklist, style))
            except BadFileFormat as exc:
                log.warning("The worklist %s cannot be read: %s", worklist.id, exc)
        return shown

    def get(self, id: str, style: Style) -> dict[str, Any]:
        """One worklist with its tags.

        :raises UnknownResource: for an unknown ID.
        """
        return self._shown(self._store.get(id), style)

    def create(self, tags: object, private_creator: str = "") -> str:
        """A new worklist with the given tags, in any of the forms of the REST API; its ID.

        :raises BadFileFormat, UnknownDicomTag, ParameterOutOfRange: for invalid tags.
        :raises CannotWriteFile: if it cannot be kept.
        """
        data = self._encode(attributes_from_json(tags, self._dictionary, private_creator))
        worklist = StoredWorklist(str(uuid.uuid4()), data, time.time())
        self._store.put(worklist)
        return worklist.id

    def replace(self, id: str, tags: object, private_creator: str = "") -> None:
        """Give a worklist other tags; its age stays.

        :raises UnknownResource: for an unknown ID; else see :meth:`create`.
        """
        known = self._store.get(id)
        attributes = attributes_from_json(tags, self._dictionary, private_creator)
        if STUDY_INSTANCE_UID not in attributes:
            # The study may be under way with the UID that was given to it.
            kept = self._attributes(known).get(STUDY_INSTANCE_UID)
            if kept is not None:
                attributes[STUDY_INSTANCE_UID] = kept
        self._store.put(StoredWorklist(known.id, self._encode(attributes), known.created))

    def delete(self, id: str) -> None:
        """:raises UnknownResource: for an unknown ID."""
        self._store.delete(id)

    def housekeep(self) -> int:
        """Remove the worklists whose study is here and stable, and those that are too old; how many."""
        removed = 0
        for worklist in list(self._store.all()):
            if self._is_expired(worklist) or self._is_done(worklist):
                try:
                    self._store.delete(worklist.id)
                except UnknownResource:  # removed meanwhile
                    continue
                log.info("Removed the worklist %s", worklist.id)
                removed += 1
        return removed

    def _query(self, identifier: Attributes) -> IdentifierQuery:
        return IdentifierQuery(identifier, self._options.case_sensitive_names)

    def _answers(
        self, shown: IdentifierQuery, selecting: IdentifierQuery
    ) -> Generator[Attributes, None, bool]:
        limit, count = self._options.limit_answers, 0
        for _, attributes in self.all_attributes():
            if not selecting.matches(attributes):
                continue
            if limit and count >= limit:
                log.warning("A query of worklists has more than LimitAnswers answers")
                return True
            count += 1
            yield shown.answer(attributes, selecting)
        return False

    def _attributes(self, worklist: StoredWorklist) -> dict[int, Attribute]:
        dataset = parse(worklist.data, self._dictionary).dataset
        charset = dataset_charset(dataset, self._runtime.default_encoding.name)
        return read_attributes(dataset, charset, self._dictionary)

    def _shown(self, worklist: StoredWorklist, style: Style) -> dict[str, Any]:
        dataset = parse(worklist.data, self._dictionary).dataset
        charset = dataset_charset(dataset, self._runtime.default_encoding.name)
        tags = Renderer(self._dictionary, style).dataset(dataset, charset)
        return {"ID": worklist.id, "Path": f"/worklists/{worklist.id}", "Tags": tags}

    def _encode(self, attributes: Mapping[int, Attribute]) -> bytes:
        """A DICOM file; the character set is the one asked for, else one that has all characters."""
        completed = {tag: value for tag, value in attributes.items() if tag >> 16 != 0x0002}
        study = completed.get(STUDY_INSTANCE_UID)
        if self._options.set_study_uid and (study is None or not study.text.strip()):
            completed[STUDY_INSTANCE_UID] = Attribute("UI", generate_uid())
        asked = completed.get(SPECIFIC_CHARACTER_SET, Attribute("CS")).text
        if not all(is_known_term(term.strip()) for term in asked.split("\\") if term.strip()):
            raise BadFileFormat(f"Unknown specific character set: {asked}")
        term, charset = character_set_for(completed, self._runtime.default_encoding)
        completed[SPECIFIC_CHARACTER_SET] = Attribute("CS", term)
        head = file_head(_SOP_CLASS, generate_uid(), EXPLICIT_LITTLE_ENDIAN)
        return head + encode_attributes(completed, charset)

    def _is_expired(self, worklist: StoredWorklist) -> bool:
        hours = self._options.delete_after
        return bool(hours) and worklist.created is not None and worklist.created + hours * _HOUR < time.time()

    def _is_done(self, worklist: StoredWorklist) -> bool:
        if not self._options.delete_on_stable_study:
            return False
        try:
            study = self._attributes(worklist).get(STUDY_INSTANCE_UID)
        except OrthancError:  # not a worklist, or not yet written to its end
            return False
        if study is None or not study.text:
            return False
        wanted = Constraint(STUDY_INSTANCE_UID, Match.EQUAL, (study.text,))
        ids = self._search.find_ids(FindRequest(Level.STUDY, (wanted,)))
        return any(study.is_stable for study in self._resources.get_many(Level.STUDY, ids, Parts.NONE))
