"""Searches (QIDO-RS, PS3.18 sections 8.3.4 and 10.6)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from orthanclite.core.errors import OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, MainTags
from orthanclite.core.query import AVAILABLE_TRANSFER_SYNTAX_UID, INSTANCE_AVAILABILITY, ONLINE
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.json_model import attribute_model
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.forms import JSON, REPRESENTATIONS, XML, whole_response, with_warnings, xml_response
from orthanclite.dicomweb.negotiation import choose, ranges
from orthanclite.dicomweb.search.queries import QUERY, QueryReader
from orthanclite.services.dicomweb.locator import UidPath
from orthanclite.services.search.query_retrieve import Query, QueryService
from orthanclite.web.answers.responses import Response, StreamResponse
from orthanclite.web.call import Call
from orthanclite.web.routing import Router

_RETRIEVE_URL = 0x00081190

_STUDY = (
    0x00080020,  # StudyDate
    0x00080030,  # StudyTime
    0x00080050,  # AccessionNumber
    0x00080061,  # ModalitiesInStudy
    0x00080090,  # ReferringPhysicianName
    0x00080201,  # TimezoneOffsetFromUTC
    0x00100010,  # PatientName
    0x00100020,  # PatientID
    0x00100030,  # PatientBirthDate
    0x00100040,  # PatientSex
    0x0020000D,  # StudyInstanceUID
    0x00200010,  # StudyID
    0x00201206,  # NumberOfStudyRelatedSeries
    0x00201208,  # NumberOfStudyRelatedInstances
)
_SERIES = (
    0x00080060,  # Modality
    0x00080201,  # TimezoneOffsetFromUTC
    0x0008103E,  # SeriesDescription
    0x0020000E,  # SeriesInstanceUID
    0x00200011,  # SeriesNumber
    0x00201209,  # NumberOfSeriesRelatedInstances
    0x00400244,  # PerformedProcedureStepStartDate
    0x00400245,  # PerformedProcedureStepStartTime
    0x00400275,  # RequestAttributesSequence
)
_INSTANCE = (
    0x00080016,  # SOPClassUID
    0x00080018,  # SOPInstanceUID
    0x00080201,  # TimezoneOffsetFromUTC
    AVAILABLE_TRANSFER_SYNTAX_UID,
    0x00200013,  # InstanceNumber
    0x00280008,  # NumberOfFrames
    0x00280010,  # Rows
    0x00280011,  # Columns
    0x00280100,  # BitsAllocated
)
_SHOWN = {Level.STUDY: _STUDY, Level.SERIES: _SERIES, Level.INSTANCE: _INSTANCE}
"""What is answered of each level, whatever is asked for (PS3.18 section 10.6.3.3)."""

_MOST_KNOWN = 10_000
"""Matches that a limited search answers from memory."""
_BATCH = 100


class SearchAnswers:
    """Answers searches.

    :param services: that search each level
    :param case_sensitive: the option ``QidoCaseSensitive``
    """

    def __init__(
        self,
        services: Mapping[Level, QueryService],
        main_tags: MainTags,
        dictionary: TagDictionary,
        addresses: Addresses,
        case_sensitive: bool,
    ) -> None:
        self._services = services
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._reader = QueryReader(dictionary)
        self._addresses = addresses
        self._case_sensitive = case_sensitive

    def answer(self, call: Call, level: Level) -> Response:
        """What matches the query of a request, below what its path names.

        :raises BadRequest: for what is no query.
        :raises NotAcceptable: where the client accepts neither JSON nor XML.
        """
        chosen = choose(ranges(call), REPRESENTATIONS)
        query, warnings = self._read(call, level)
        base = self._addresses.base(call)
        is_short = 0 < query.limit <= _MOST_KNOWN
        # One more than is wanted tells whether there are more.
        wanted = replace(query, limit=query.limit + 1) if is_short else query
        found = self._services[level].search(wanted)
        known: list[Attributes] = []
        ended = None
        while len(known) <= (query.limit if is_short else _MOST_KNOWN):
            try:
                known.append(next(found))
            except StopIteration as end:
                ended = bool(end.value)
                break
        if is_short and len(known) > query.limit:
            known.pop()
            found.close()
            ended = True
        shown = (self._shown(one, level, base) for one in known)
        media_type = "application/json" if chosen.media_type == "application/json" else JSON
        if chosen.media_type == XML:
            more = () if ended is not None else (self._shown(one, level, base) for one in found)
            response = xml_response(to_xml(one, self._dictionary) for part in (shown, more) for one in part)
        elif ended is None:
            more = (self._shown(one, level, base) for one in found)
            response = StreamResponse(_streamed(shown, more), media_type)
        else:
            response = whole_response(call, orjson.dumps(list(shown)), media_type)
        if ended:
            warnings.append(self._left(query, len(known)))
        return with_warnings(response, base, warnings)

    def _left(self, query: Query, answered: int) -> str:
        total = self._services[query.level].count(query)
        left = "" if total is None else f"{max(0, total - query.since - answered)} "
        return f"There are {left}additional results that can be requested"

    def _shown(self, found: Attributes, level: Level, base: str) -> dict[str, Any]:
        """A match as it is sent."""
        shown = {tag: attribute_model(attribute) for tag, attribute in found.items()}
        shown[SPECIFIC_CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        shown[INSTANCE_AVAILABILITY] = {"vr": "CS", "Value": [ONLINE]}
        uids = [
            found[tag].text if (tag := IDENTIFIER_OF[each]) in found else ""
            for each in (Level.STUDY, Level.SERIES, Level.INSTANCE)
            if each <= level
        ]
        shown[_RETRIEVE_URL] = {"vr": "UR", "Value": [base + UidPath(*uids).text]}
        return {f"{tag:08X}": shown[tag] for tag in sorted(shown)}

    # -- the query -------------------------------------------------------------------------------

    def _read(self, call: Call, level: Level) -> tuple[Query, list[str]]:
        """What a request asks for, and what of it is not supported."""
        asked = self._reader.read(call)
        for tag, uid in (
            (IDENTIFIER_OF[Level.STUDY], call.params.get("study")),
            (IDENTIFIER_OF[Level.SERIES], call.params.get("series")),
        ):
            if uid is not None:
                asked.keys[tag] = Attribute("UI", uid)
        by_study = any(self._is_study_uid(name) for name, _ in call.arguments)
        for tag in self._shown_tags(level, asked.all_fields, by_study):
            asked.keys.setdefault(tag, self._reader.universal(tag))
        folded = frozenset[str]() if self._case_sensitive else None
        return Query(level, asked.keys, folded, asked.fuzzy, asked.offset, asked.limit), asked.warnings

    def _is_study_uid(self, name: str) -> bool:
        try:
            return self._dictionary.parse_tag(name) == IDENTIFIER_OF[Level.STUDY]
        except OrthancError:
            return False

    def _shown_tags(self, level: Level, all_fields: bool, by_study: bool) -> Iterator[int]:
        """What is shown without being asked for; of the levels above, unless the query names the study."""
        at_or_above = [each for each in _SHOWN if each <= level]
        for each in (level,) if by_study else at_or_above:
            yield from _SHOWN[each]
        for each in at_or_above:
            yield IDENTIFIER_OF[each]
        if all_fields:
            for each in Level:
                if each <= level:
                    yield from self._main_tags.by_level[each]


def search_routes(root: str, answers: SearchAnswers) -> Router:
    """Routes that search."""
    router = Router("DICOMweb")

    def add(path: str, level: Level) -> None:
        @router.get(
            f"{root}{path}",
            f"Search {level.plural} (QIDO-RS)",
            description="Any attribute is a parameter, by its keyword, its tag, or a path into a sequence.",
            query=QUERY,
            answers=(JSON, "multipart/related"),
        )
        def search(call: Call) -> Response:
            return answers.answer(call, level)

    add("/studies", Level.STUDY)
    add("/series", Level.SERIES)
    add("/studies/{study}/series", Level.SERIES)
    add("/instances", Level.INSTANCE)
    add("/studies/{study}/instances", Level.INSTANCE)
    add("/studies/{study}/series/{series}/instances", Level.INSTANCE)
    return router


def _streamed(
    known: Iterator[dict[str, Any]], more: Generator[dict[str, Any]] | Iterator[dict[str, Any]]
) -> Iterator[bytes]:
    opening = b"["
    batch: Sequence[dict[str, Any]] = list(known)
    while batch:
        yield opening + orjson.dumps(batch)[1:-1]
        opening = b","
        batch = [one for _, one in zip(range(_BATCH), more, strict=False)]
    yield b"]"
