"""What a search asks for: one model for ``tools/find``, C-FIND and QIDO-RS (PS3.4 C.2.2.2).

An adapter turns its own notation into a :class:`FindRequest` with :func:`constraint`; ``services.find``
runs it; ``core.matching`` says what each constraint means for one value.

The work of a search grows with what it asks for, and strangers write it: the ``MAXIMUM_`` numbers bound it
in every notation (SECURITY.md lists them).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from orthanclite.core.errors import BadRequest, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import tag_key
from orthanclite.core.model import ResourceRef

SPECIFIC_CHARACTER_SET = 0x00080005
QUERY_RETRIEVE_LEVEL = 0x00080052
RETRIEVE_AE_TITLE = 0x00080054
INSTANCE_AVAILABILITY = 0x00080056
MODALITIES_IN_STUDY = 0x00080061
SOP_CLASSES_IN_STUDY = 0x00080062
TIMEZONE_OFFSET_FROM_UTC = 0x00080201
AVAILABLE_TRANSFER_SYNTAX_UID = 0x00083002
NUMBER_OF_PATIENT_RELATED_STUDIES = 0x00201200
NUMBER_OF_PATIENT_RELATED_SERIES = 0x00201202
NUMBER_OF_PATIENT_RELATED_INSTANCES = 0x00201204
NUMBER_OF_STUDY_RELATED_SERIES = 0x00201206
NUMBER_OF_STUDY_RELATED_INSTANCES = 0x00201208
NUMBER_OF_SERIES_RELATED_INSTANCES = 0x00201209

COMPUTED_TAGS: dict[int, Level] = {
    NUMBER_OF_PATIENT_RELATED_STUDIES: Level.PATIENT,
    NUMBER_OF_PATIENT_RELATED_SERIES: Level.PATIENT,
    NUMBER_OF_PATIENT_RELATED_INSTANCES: Level.PATIENT,
    NUMBER_OF_STUDY_RELATED_SERIES: Level.STUDY,
    NUMBER_OF_STUDY_RELATED_INSTANCES: Level.STUDY,
    MODALITIES_IN_STUDY: Level.STUDY,
    SOP_CLASSES_IN_STUDY: Level.STUDY,
    NUMBER_OF_SERIES_RELATED_INSTANCES: Level.SERIES,
    INSTANCE_AVAILABILITY: Level.INSTANCE,
}
"""Attributes that no file holds but the server counts, each with the level that it describes."""

COUNTED_LEVELS: dict[int, Level] = {
    NUMBER_OF_PATIENT_RELATED_STUDIES: Level.STUDY,
    NUMBER_OF_PATIENT_RELATED_SERIES: Level.SERIES,
    NUMBER_OF_PATIENT_RELATED_INSTANCES: Level.INSTANCE,
    NUMBER_OF_STUDY_RELATED_SERIES: Level.SERIES,
    NUMBER_OF_STUDY_RELATED_INSTANCES: Level.INSTANCE,
    NUMBER_OF_SERIES_RELATED_INSTANCES: Level.INSTANCE,
}
"""The level whose resources each counting attribute counts."""

ONLINE = "ONLINE"
"""The one InstanceAvailability of a server without near-line storage."""

MAXIMUM_CONDITIONS = 200
"""Attributes and metadata that a search constrains together."""
MAXIMUM_VALUE = 1 << 20
"""Characters of a value, whatever it means."""
MAXIMUM_PATTERN = 1024
"""Characters of a value with wildcards: as many as the longest Short Text has (PS3.5 section 6.2, ST)."""
MAXIMUM_ALTERNATIVES = 10_000
"""Values of a list."""
MAXIMUM_SET_ALTERNATIVES = 200
"""Values of a list that is compared with a list: ModalitiesInStudy, SOPClassesInStudy."""
MAXIMUM_LABELS = 100
MAXIMUM_ORDER = 20
"""Criteria of an order."""
MAXIMUM_REQUESTED_TAGS = 1000

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
RANGE_VRS = frozenset({"DA", "DT", "TM"})


class Match(Enum):
    """How the values of a constraint are compared."""

    EQUAL = "equal"  # one value
    LIST = "list"  # at least one value in common
    WILDCARD = "wildcard"  # one pattern with * and ?
    RANGE = "range"  # lower and upper bound, inclusive; an empty one is open


@dataclass(frozen=True, slots=True)
class Constraint:
    """One attribute that must exist and match. Universal matching is the absence of a constraint."""

    tag: int
    match: Match
    values: tuple[str, ...]
    case_sensitive: bool = False
    creator: str = ""  # of a private tag, where the request names it


def constraint(
    tag: int, vr: str, value: str, case_sensitive: bool = False, creator: str = ""
) -> Constraint | None:
    """The constraint that ``value`` expresses for an attribute of representation ``vr``.

    None for universal matching (an empty value, or a range open at both ends), which only asks for the
    attribute to be returned. The alternatives of a list are plain values: wildcards in them are literal.

    :raises ParameterOutOfRange: for a wildcard in a representation that has none (PS3.4 C.2.2.2.4).
    :raises BadRequest: for a value that is too long.
    """
    _check_length(value)
    value = value.strip(" \0")
    if not value:
        return None
    if vr not in WILDCARD_VRS and ("*" in value or "?" in value) and "\\" not in value:
        raise ParameterOutOfRange(f"Wildcards are not allowed on tag {tag_key(tag)}")
    if vr in RANGE_VRS and "-" in value and not _is_offset(vr, value):
        lower, _, upper = _split_range(vr, value)
        bounds = (lower.strip(), upper.strip())
        return Constraint(tag, Match.RANGE, bounds, case_sensitive, creator) if any(bounds) else None
    match, values = _split(tag, value)
    return Constraint(tag, match, values, case_sensitive, creator)


def _split(tag: int, value: str) -> tuple[Match, tuple[str, ...]]:
    has_wildcard = "*" in value or "?" in value
    is_set = tag in (MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY)
    if "\\" in value or (is_set and not has_wildcard):
        values = _alternatives(value, MAXIMUM_SET_ALTERNATIVES if is_set else MAXIMUM_ALTERNATIVES)
        return Match.LIST, tuple(part.strip() for part in values)
    return _single(value)


def _single(value: str) -> tuple[Match, tuple[str, ...]]:
    """A pattern, or one plain value."""
    if "*" not in value and "?" not in value:
        return Match.EQUAL, (value,)
    if len(value) > MAXIMUM_PATTERN:
        raise BadRequest(f"A value with wildcards has at most {MAXIMUM_PATTERN} characters")
    return Match.WILDCARD, (value,)


def _alternatives(value: str, most: int) -> list[str]:
    values = value.split("\\")
    if len(values) > most:
        raise BadRequest(f"At most {most} values may be listed here, not {len(values)}")
    return values


_OFFSET_LENGTH = 5
"""Characters of the ``-HHMM`` that ends a date-time with its offset from UTC (PS3.5 6.2, DT)."""


def _is_offset(vr: str, value: str) -> bool:
    """Whether the only hyphen of a date-time begins its offset from UTC rather than a range."""
    head, _, tail = value.rpartition("-")
    return (
        vr == "DT"
        and "-" not in head
        and len(head) > 8
        and tail.isdigit()
        and len(tail) == 4
        and tail <= "1200"
    )


def _split_range(vr: str, value: str) -> tuple[str, str, str]:
    """Lower bound, hyphen, upper bound; in a date-time a first hyphen may belong to an offset."""
    if vr == "DT" and value.count("-") > 1:
        head, tail = value[: value.index("-")], value[value.index("-") + 1 :]
        if head and len(tail) >= _OFFSET_LENGTH and tail[:4].isdigit() and tail[4] == "-":
            return f"{head}-{tail[:4]}", "-", tail[5:]
    return value.partition("-")


class LabelsConstraint(StrEnum):
    """How the labels of a request are combined."""

    ALL = "All"
    ANY = "Any"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class MetadataConstraint:
    """A metadata of the resource itself that must exist and match."""

    type: int
    match: Match  # never RANGE
    values: tuple[str, ...]
    case_sensitive: bool = False


def metadata_constraint(type: int, value: str, case_sensitive: bool = False) -> MetadataConstraint:
    """The constraint that ``value`` expresses: a list, a pattern or one value.

    :raises BadRequest: for a value that is too long.
    """
    _check_length(value)
    if "\\" in value:
        values = tuple(_alternatives(value, MAXIMUM_ALTERNATIVES))
        return MetadataConstraint(type, Match.LIST, values, case_sensitive)
    match, values = _single(value)
    return MetadataConstraint(type, match, values, case_sensitive)


def requested_tags(tags: Iterable[int]) -> tuple[int, ...]:
    """The attributes that a client wants to see, each once.

    :raises BadRequest: for too many of them.
    """
    wanted = tuple(dict.fromkeys(tags))
    _check_count(len(wanted), MAXIMUM_REQUESTED_TAGS, "attributes may be asked for")
    return wanted


def _check_length(value: str) -> None:
    if len(value) > MAXIMUM_VALUE:
        raise BadRequest(f"A value has at most {MAXIMUM_VALUE} characters")


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise BadRequest(f"At most {most} {what}, not {count}")


class OrderType(StrEnum):
    """What a criterion of ``OrderBy`` sorts by, and as what."""

    TAG = "DicomTag"
    TAG_AS_INT = "DicomTagAsInt"
    TAG_AS_FLOAT = "DicomTagAsFloat"
    METADATA = "Metadata"
    METADATA_AS_INT = "MetadataAsInt"
    METADATA_AS_FLOAT = "MetadataAsFloat"

    @property
    def is_metadata(self) -> bool:
        return self.value.startswith("Metadata")

    @staticmethod
    def parse(text: str) -> OrderType:
        """:raises BadRequest: for an unknown name; case does not matter."""
        found = _ORDER_TYPES.get(text.lower())
        if found is None:
            raise BadRequest(f'Unknown type of order: "{text}"')
        return found


_ORDER_TYPES = {member.value.lower(): member for member in OrderType}


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One criterion. Resources without the tag or metadata come last in both directions."""

    type: OrderType
    key: int  # tag or metadata number
    ascending: bool = True


@dataclass(frozen=True, slots=True)
class FindRequest:
    """A search among the resources of one level; all its conditions hold together.

    :raises BadRequest: where it asks for too much.
    """

    level: Level
    constraints: tuple[Constraint, ...] = ()
    labels: tuple[str, ...] = ()
    labels_constraint: LabelsConstraint = LabelsConstraint.ALL
    metadata: tuple[MetadataConstraint, ...] = ()
    order_by: tuple[OrderBy, ...] = ()  # then, and without any, by Orthanc ID
    parent: ResourceRef | None = None  # an ancestor, or the resource itself
    since: int = 0  # matches to skip
    limit: int = 0  # matches to return at most; 0 is no limit
    after: str = ""  # only matches whose Orthanc ID follows this one: to go on in the default order

    def __post_init__(self) -> None:
        _check_count(
            len(self.constraints) + len(self.metadata), MAXIMUM_CONDITIONS, "values may be constrained"
        )
        _check_count(len(self.labels), MAXIMUM_LABELS, "labels may be searched")
        _check_count(len(self.order_by), MAXIMUM_ORDER, "criteria may order a search")
