"""Searches (QIDO-RS, PS3.18 sections 8.3.4 and 10.6)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from isal import igzip

from orthanclite.core.errors import BadRequest, OrthancError
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF, MainTags
from orthanclite.core.numbers import natural
from orthanclite.core.query import AVAILABLE_TRANSFER_SYNTAX_UID, INSTANCE_AVAILABILITY, MAXIMUM_VALUE, ONLINE
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.dictionary import TagDictionary, is_private_element
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.renderings.dicomweb_json import attribute_of
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.metadata import JSON, REPRESENTATIONS, XML, xml_response
from orthanclite.dicomweb.negotiation import choose, ranges
from orthanclite.services.dicomweb.locator import UidPath
from orthanclite.services.search.query_retrieve import Query, QueryService
from orthanclite.web.answers.compression import choose_encoding
from orthanclite.web.answers.responses import Response, StreamResponse, bytes_response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

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

_BOOLEANS = {"true": True, "false": False}
_FLAGS = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_NO_KEYS = frozenset({"", "limit", "offset", "includefield", "accept", "charset", *_FLAGS})
_UTF_8 = re.compile("utf-?8", re.IGNORECASE)
_LIST_VRS = frozenset({"UI", "CS"})
"""The value representations that have no comma in a value: it stands between several."""
_MOST_KNOWN = 10_000
"""Matches that a limited search answers from memory."""
_BATCH = 100
_ZIPPED = 1024
"""Bytes of an answer that is worth compressing."""

_QUERY = (
    Arg("includefield", "Further attributes, separated by commas, or all"),
    Arg("limit", "Most matches to answer", "number"),
    Arg("offset", "Matches to skip", "number"),
    Arg("fuzzymatching", "Whether names match by the beginnings of their words", "boolean"),
    Arg("accept", "Media types, in place of the header Accept"),
)


@dataclass(slots=True)
class _Request:
    """A search, read from the query of its URL."""

    level: Level
    keys: dict[int, Attribute] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    all_fields: bool = False
    fuzzy: bool = False
    limit: int = 0
    offset: int = 0

    def query(self, case_sensitive: bool) -> Query:
        folded = frozenset[str]() if case_sensitive else None
        return Query(self.level, self.keys, folded, self.fuzzy, self.offset, self.limit)


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
        self._addresses = addresses
        self._case_sensitive = case_sensitive

    def answer(self, call: Call, level: Level) -> Response:
        """What matches the query of a request, below what its path names.

        :raises BadRequest: for what is no query.
        :raises NotAcceptable: where the client accepts neither JSON nor XML.
        """
        chosen = choose(ranges(call), REPRESENTATIONS)
        request = self._read(call, level)
        base = self._addresses.base(call)
        query = request.query(self._case_sensitive)
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
            response = _whole(call, orjson.dumps(list(shown)), media_type)
        if ended:
            request.warnings.append(self._left(query, len(known)))
        for warning in request.warnings:
            response.with_header("Warning", f"299 {base}: {warning}")
        return response

    def _left(self, query: Query, answered: int) -> str:
        total = self._services[query.level].count(query)
        left = "" if total is None else f"{max(0, total - query.since - answered)} "
        return f"There are {left}additional results that can be requested"

    def _shown(self, found: Attributes, level: Level, base: str) -> dict[str, Any]:
        """A match as it is sent."""
        shown = {tag: _attribute(attribute) for tag, attribute in found.items()}
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

    def _read(self, call: Call, level: Level) -> _Request:
        request = _Request(level)
        for name, value in call.arguments:
            if len(value) > MAXIMUM_VALUE:
                raise BadRequest(f"A value has at most {MAXIMUM_VALUE} characters")
            if name == "includefield":
                self._include(request, value)
            elif name not in _NO_KEYS:
                self._match(request, name, value)
        for tag, uid in (
            (IDENTIFIER_OF[Level.STUDY], call.params.get("study")),
            (IDENTIFIER_OF[Level.SERIES], call.params.get("series")),
        ):
            if uid is not None:
                request.keys[tag] = Attribute("UI", uid)
        self._add_shown(request, by_query=any(self._is_study_uid(name) for name, _ in call.arguments))
        request.limit = _natural(call, "limit")
        request.offset = _natural(call, "offset")
        flags = {name: _flag(call, name) for name in _FLAGS}
        request.fuzzy = flags["fuzzymatching"]
        if flags["emptyvaluematching"]:
            request.warnings.append("Empty value matching is not supported")
        charset = call.argument("charset")
        if charset and not _UTF_8.fullmatch(charset):
            request.warnings.append("The character set of all answers is UTF-8")
        return request

    def _is_study_uid(self, name: str) -> bool:
        try:
            return self._dictionary.parse_tag(name) == IDENTIFIER_OF[Level.STUDY]
        except OrthancError:
            return False

    def _include(self, request: _Request, value: str) -> None:
        for name in value.split(","):
            if name.strip() == "all":
                request.all_fields = True
            elif name.strip():
                for tag, attribute in self._keys(name.strip(), "").items():
                    request.keys.setdefault(tag, attribute)

    def _match(self, request: _Request, name: str, value: str) -> None:
        for tag, attribute in self._keys(name, value).items():
            present = request.keys.get(tag)
            if present is not None and present.items and attribute.items:
                # Two paths into one sequence are about the same item (PS3.4 section C.2.2.2.6).
                attribute = Attribute("SQ", items=({**present.items[0], **attribute.items[0]},))
            request.keys[tag] = attribute

    def _keys(self, name: str, value: str) -> dict[int, Attribute]:
        """The attribute, or path of attributes, that a parameter names, with a value.

        :raises BadRequest: for what names none.
        """
        first, *rest = name.split(".", 1)
        try:
            tag = self._dictionary.parse_tag(first)
        except OrthancError as exc:
            raise BadRequest(f"Unknown parameter: {name}") from exc
        if rest:
            return {tag: Attribute("SQ", items=(self._keys(rest[0], value),))}
        vr = self._dictionary.vr(tag, self._dictionary.creator_of(tag))
        if vr == "SQ":
            return {tag: Attribute("SQ", items=())}
        if vr == "UN":  # a private attribute that the dictionary does not know: most are text
            vr = "LO"
        if vr in _LIST_VRS:
            value = value.replace(",", "\\")
        keys = {tag: Attribute(vr, value)}
        creator = self._dictionary.creator_of(tag)
        if creator and is_private_element(tag):
            keys[tag & 0xFFFF0000 | tag >> 8 & 0xFF] = Attribute("LO", creator)
        return keys

    def _add_shown(self, request: _Request, by_query: bool) -> None:
        """What is shown without being asked for; of the levels above, unless the query names the study."""
        levels = [level for level in _SHOWN if level <= request.level]
        if by_query:
            levels = [request.level]
        tags = [tag for level in levels for tag in _SHOWN[level]]
        tags += [IDENTIFIER_OF[level] for level in _SHOWN if level <= request.level]
        if request.all_fields:
            tags += [
                tag for level in Level if level <= request.level for tag in self._main_tags.by_level[level]
            ]
        for tag in tags:
            vr = self._dictionary.vr(tag, self._dictionary.creator_of(tag))
            empty = Attribute("SQ", items=()) if vr == "SQ" else Attribute(vr)
            request.keys.setdefault(tag, empty)


def search_routes(root: str, answers: SearchAnswers) -> Router:
    """Routes that search."""
    router = Router("DICOMweb")

    def add(path: str, level: Level) -> None:
        @router.get(
            f"{root}{path}",
            f"Search {level.plural} (QIDO-RS)",
            description="Any attribute is a parameter, by its keyword, its tag, or a path into a sequence.",
            query=_QUERY,
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


def _attribute(attribute: Attribute) -> dict[str, Any]:
    if attribute.items is None:
        return attribute_of(attribute.vr, attribute.text)
    items = [
        {f"{tag:08X}": _attribute(item[tag]) for tag in sorted(item)} for item in attribute.items if item
    ]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _whole(call: Call, body: bytes, media_type: str) -> Response:
    accepted = choose_encoding(call.header("accept-encoding").encode("latin-1"))
    if len(body) < _ZIPPED or accepted != b"gzip":
        return bytes_response(body, media_type)
    response = bytes_response(igzip.compress(body, 1), media_type)
    return response.with_header("Content-Encoding", "gzip").with_header("Vary", "accept-encoding")


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


def _natural(call: Call, name: str) -> int:
    text = call.argument(name, "0")
    number = natural(text)
    if number is None:
        raise BadRequest(f"Not a number: {name}={text}")
    return number


def _flag(call: Call, name: str) -> bool:
    text = call.argument(name, "false")
    if text not in _BOOLEANS:
        raise BadRequest(f"Neither true nor false: {name}={text}")
    return _BOOLEANS[text]
