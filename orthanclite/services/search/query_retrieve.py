"""Queries by attributes (PS3.4 annex C): those of the patient and study root models, and of QIDO-RS."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, Sequence
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
from orthanclite.services.search.fuzzy_names import FuzzyName

_NOT_RETURNED = frozenset({SPECIFIC_CHARACTER_SET, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE})
_NO_CONSTRAINTS = _NOT_RETURNED | {TIMEZONE_OFFSET_FROM_UTC}
_META_GROUP = 0x0002


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The settings of searches that concern C-FIND."""

    aet: str = "ORTHANC"  # answered as Retrieve AE Title
    case_sensitive_names: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of the resources of one level."""

    level: Level
    keys: Attributes
    """The attributes to be answered, with the values that they must have."""
    folded: Container[str] | None = frozenset({"PN"})
    """The value representations in which neither case nor accents count; None for all."""
    fuzzy: bool = False
    """Whether names match by the beginnings of their words."""
    since: int = 0  # matches to skip
    limit: int = 0  # matches to answer at most; 0 for no limit


@dataclass(frozen=True, slots=True)
class _Plan:
    """A query, taken apart."""

    request: FindRequest
    keys: tuple[int, ...]  # to be answered
    from_files: tuple[Constraint, ...]  # constraints that the index cannot tell
    sequences: dict[int, IdentifierQuery]
    names: dict[int, FuzzyName]
    vrs: dict[int, str]

    @property
    def looks_at_values(self) -> bool:
        """Whether what the index finds has to be looked at: names, or items of sequences."""
        return bool(self.names) or not all(query.is_universal for query in self.sequences.values())


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
        """The answers to a C-FIND one by one, at most as many as the limit; finally, whether there are more.

        :raises BadRequest: without a level, and for a query that is too large.
        :raises ParameterOutOfRange: for an unknown level, or a wildcard where none may be; both at once.
        """
        level_key = identifier.get(QUERY_RETRIEVE_LEVEL)
        if level_key is None or not level_key.text.strip():
            raise BadRequest("C-FIND request without the tag 0008,0052 (QueryRetrieveLevel)")
        folded = frozenset[str]() if self._options.case_sensitive_names else frozenset({"PN"})
        query = Query(Level.parse(level_key.text), identifier, folded)
        return self._c_find_answers(self._plan(query), level_key.text)

    def search(self, query: Query) -> Generator[Attributes, None, bool]:
        """The answers to a query, as :meth:`find`; what a resource does not have is left out.

        :raises BadRequest: for a query that is too large.
        :raises ParameterOutOfRange: for a wildcard where none may be; both at once.
        """
        plan = self._plan(query)
        return self._answers(plan, lambda values: self._answer(plan, values, absent=False))

    def count(self, query: Query) -> int | None:
        """How many resources match, whatever ``since`` and ``limit``; None where only files can tell."""
        plan = self._plan(query)
        return None if plan.from_files or plan.looks_at_values else self._find.count(plan.request)

    def _plan(self, query: Query) -> _Plan:
        level, identifier = query.level, query.keys
        constraints: list[Constraint] = []
        sequences: dict[int, IdentifierQuery] = {}
        names: dict[int, FuzzyName] = {}
        keys = requested_tags(
            tag
            for tag in identifier
            if tag not in _NOT_RETURNED and tag & 0xFFFF and tag >> 16 != _META_GROUP
        )
        vrs = {tag: self._vr(identifier, tag) for tag in keys}
        for tag in keys:
            vr, text = vrs[tag], identifier[tag].text
            if identifier[tag].items is not None:
                case = query.folded is not None and "PN" not in query.folded
                sequences[tag] = IdentifierQuery({tag: identifier[tag]}, case)
            elif query.fuzzy and vr == "PN" and (name := FuzzyName(text)).words:
                names[tag] = name
                constraints += name.constraints(tag)
            elif (wanted := self._constraint(query, tag, vr, text)) is not None:
                constraints.append(wanted)
        at_level = [(one, self._is_indexed(one.tag, level)) for one in constraints]
        indexed = tuple(one for one, is_indexed in at_level if is_indexed)
        from_files = tuple(
            one for one, is_indexed in at_level if not is_indexed and one.tag not in COMPUTED_TAGS
        )
        request = FindRequest(level, indexed, since=query.since, limit=query.limit)
        return _Plan(request, keys, from_files, sequences, names, vrs)

    def _vr(self, identifier: Attributes, tag: int) -> str:
        creator = ""
        if is_private_element(tag):
            reserved = identifier.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
            creator = self._dictionary.creator_of(tag) if reserved is None else reserved.text.strip()
        vr = self._dictionary.vr(tag, creator)
        return identifier[tag].vr if vr == "UN" else vr

    def _constraint(self, query: Query, tag: int, vr: str, text: str) -> Constraint | None:
        if tag in _NO_CONSTRAINTS or is_private_creator(tag) or not text:
            return None
        return constraint(tag, vr, text, query.folded is not None and vr not in query.folded)

    def _is_indexed(self, tag: int, level: Level) -> bool:
        """Whether the index can tell: main tags of this level or one above, and what is computed for it."""
        if tag in COMPUTED_TAGS:
            return COMPUTED_TAGS[tag] is level
        return any(home <= level for home in self._main_tags.levels_of(tag))

    def _c_find_answers(self, plan: _Plan, shown_level: str) -> Generator[Attributes, None, bool]:
        """:param shown_level: as the peer wrote it"""

        def answer(values: Values) -> Attributes:
            found = self._answer(plan, values, absent=True)
            found[QUERY_RETRIEVE_LEVEL] = Attribute("CS", shown_level)
            found[RETRIEVE_AE_TITLE] = Attribute("AE", self._options.aet)
            return found

        return self._answers(plan, answer)

    def _answers(
        self, plan: _Plan, answer: Callable[[Values], Attributes]
    ) -> Generator[Attributes, None, bool]:
        accepts = (lambda values: self._accepts(plan, values)) if plan.looks_at_values else None
        found = self._find.answers(plan.request, plan.keys, plan.from_files, accepts)
        try:
            while True:
                try:
                    values = next(found)
                except StopIteration as end:
                    return bool(end.value)
                yield answer(values)
        finally:
            found.close()

    def _accepts(self, plan: _Plan, values: Values) -> bool:
        """Whether names, and the items of sequences, are such as the query asks for."""
        if not all(name.matches(values.get(tag)) for tag, name in plan.names.items()):
            return False
        known = dict(self._returned(plan, values)) if plan.sequences else {}
        return all(query.matches(known) for query in plan.sequences.values())

    def _answer(self, plan: _Plan, values: Values, absent: bool) -> dict[int, Attribute]:
        """The answer that one resource gives.

        :param absent: whether what it does not have is shown empty
        """
        answer = dict(self._returned(plan, values))
        for tag, query in plan.sequences.items():
            answer |= query.answer(answer)
            answer.setdefault(tag, Attribute("SQ", items=()))
        return answer if absent else {tag: answer[tag] for tag in answer if values.get(tag) is not None}

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
