"""Queries of the patient and study root models (PS3.4 annex C), as a C-FIND SCP answers them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from orthanclite.core.errors import BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.query import (
    COMPUTED_TAGS,
    QUERY_RETRIEVE_LEVEL,
    RETRIEVE_AE_TITLE,
    SPECIFIC_CHARACTER_SET,
    TIMEZONE_OFFSET_FROM_UTC,
    Constraint,
    FindRequest,
    constraint,
    requested_tags,
)
from orthanclite.dicom.attributes import Attribute, Attributes, attributes_from_json
from orthanclite.dicom.dictionary import TagDictionary, is_private_creator, is_private_element
from orthanclite.dicom.values import BINARY_VRS
from orthanclite.services.search.dataset_matching import IdentifierQuery
from orthanclite.services.search.find import FindService, Values

_NOT_RETURNED = frozenset({SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE})
_NO_CONSTRAINTS = _NOT_RETURNED | {TIMEZONE_OFFSET_FROM_UTC}
_META_GROUP = 0x0002


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The settings of searches that concern C-FIND."""

    aet: str = "ORTHANC"  # answered as Retrieve AE Title
    case_sensitive_names: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """An identifier, taken apart."""

    request: FindRequest
    shown_level: str  # as the peer wrote it
    keys: tuple[int, ...]  # to be answered
    from_files: tuple[Constraint, ...]  # constraints that the index cannot tell
    sequences: dict[int, IdentifierQuery]
    vrs: dict[int, str]


class QueryService:
    """Answers identifiers. Thread-safe."""

    def __init__(
        self,
        find: FindService,
        main_tags: MainTags,
        dictionary: TagDictionary,
        options: QueryOptions,
    ) -> None:
        self._find = find
        self._main_tags = main_tags
        self._dictionary = dictionary
        self._options = options

    def find(self, identifier: Attributes) -> Generator[Attributes, None, bool]:
        """The answers one by one, at most as many as the limit; finally, whether there are more.

        :raises BadRequest: without a level, and for a query that is too large.
        :raises ParameterOutOfRange: for an unknown level, or a wildcard where none may be; both at once.
        """
        return self._answers(self._plan(identifier))

    def _plan(self, identifier: Attributes) -> _Plan:
        level_key = identifier.get(QUERY_RETRIEVE_LEVEL)
        if level_key is None or not level_key.text.strip():
            raise BadRequest("C-FIND request without the tag 0008,0052 (QueryRetrieveLevel)")
        level = Level.parse(level_key.text)
        indexed: list[Constraint] = []
        from_files: list[Constraint] = []
        sequences: dict[int, IdentifierQuery] = {}
        keys = requested_tags(
            tag
            for tag in identifier
            if tag not in _NOT_RETURNED and tag & 0xFFFF and tag >> 16 != _META_GROUP
        )
        vrs = {tag: self._vr(identifier, tag) for tag in keys}
        for tag in keys:
            if identifier[tag].items is not None:
                case = self._options.case_sensitive_names
                sequences[tag] = IdentifierQuery({tag: identifier[tag]}, case)
                continue
            wanted = self._constraint(tag, vrs[tag], identifier[tag].text)
            if wanted is None or (tag in COMPUTED_TAGS and COMPUTED_TAGS[tag] > level):
                continue
            if self._is_indexed(tag, level):
                indexed.append(wanted)
            elif tag not in COMPUTED_TAGS:
                from_files.append(wanted)
        request = FindRequest(level, tuple(indexed))
        return _Plan(request, level_key.text, keys, tuple(from_files), sequences, vrs)

    def _vr(self, identifier: Attributes, tag: int) -> str:
        creator = ""
        if is_private_element(tag):
            reserved = identifier.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
            creator = self._dictionary.creator_of(tag) if reserved is None else reserved.text.strip()
        vr = self._dictionary.vr(tag, creator)
        return identifier[tag].vr if vr == "UN" else vr

    def _constraint(self, tag: int, vr: str, text: str) -> Constraint | None:
        if tag in _NO_CONSTRAINTS or is_private_creator(tag) or not text:
            return None
        return constraint(tag, vr, text, vr != "PN" or self._options.case_sensitive_names)

    def _is_indexed(self, tag: int, level: Level) -> bool:
        """Whether the index can tell: main tags of this level or one above, and what is computed for it."""
        if tag in COMPUTED_TAGS:
            return COMPUTED_TAGS[tag] is level
        return any(home <= level for home in self._main_tags.levels_of(tag))

    def _answers(self, plan: _Plan) -> Generator[Attributes, None, bool]:
        accepts = (lambda values: self._matches_items(plan, values)) if plan.sequences else None
        found = self._find.answers(plan.request, plan.keys, plan.from_files, accepts)
        try:
            while True:
                try:
                    values = next(found)
                except StopIteration as end:
                    return bool(end.value)
                yield self._answer(plan, values)
        finally:
            found.close()

    def _matches_items(self, plan: _Plan, values: Values) -> bool:
        """Whether the items of its sequences are such as the query asks for."""
        known = dict(self._returned(plan, values))
        return all(query.matches(known) for query in plan.sequences.values())

    def _answer(self, plan: _Plan, values: Values) -> dict[int, Attribute]:
        """The answer that one resource gives."""
        answer = dict(self._returned(plan, values))
        for tag, query in plan.sequences.items():
            answer |= query.answer(answer)
            answer.setdefault(tag, Attribute("SQ", items=()))
        answer[QUERY_RETRIEVE_LEVEL] = Attribute("CS", plan.shown_level)
        answer[RETRIEVE_AE_TITLE] = Attribute("AE", self._options.aet)
        return answer

    def _returned(self, plan: _Plan, values: Values) -> Iterator[tuple[int, Attribute]]:
        """Whatever is asked for; empty where there is none."""
        for tag in plan.keys:
            value, vr = values.get(tag), plan.vrs[tag]
            if isinstance(value, Sequence) and not isinstance(value, str):
                items = tuple(attributes_from_json(item, self._dictionary) for item in value)
                yield tag, Attribute("SQ", items=items)
            elif tag in plan.sequences:
                continue
            elif vr == "SQ":
                yield tag, Attribute("SQ", items=())
            else:
                text = value if isinstance(value, str) else ""
                yield tag, Attribute(vr, raw=text.encode()) if vr in BINARY_VRS else Attribute(vr, text)
