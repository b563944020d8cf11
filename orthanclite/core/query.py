"""What a search asks for: one model for ``tools/find``, C-FIND and QIDO-RS (PS3.4 C.2.2.2).

An adapter turns its own notation into a :class:`FindRequest` with :func:`constraint`; ``services.find``
runs it; ``core.matching`` says what each constraint means for one value.
"""

from __future__ import annotations

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
    """
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
    if "\\" in value or (tag in (MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY) and not has_wildcard):
        return Match.LIST, tuple(part.strip() for part in value.split("\\"))
    return (Match.WILDCARD if has_wildcard else Match.EQUAL), (value,)


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
    """The constraint that ``value`` expresses: a list, a pattern or one value."""
    if "\\" in value:
        return MetadataConstraint(type, Match.LIST, tuple(value.split("\\")), case_sensitive)
    match = Match.WILDCARD if "*" in value or "?" in value else Match.EQUAL
    return MetadataConstraint(type, match, (value,), case_sensitive)


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
    """A search among the resources of one level; all its conditions hold together."""

    level: Level
    constraints: tuple[Constraint, ...] = ()
    labels: tuple[str, ...] = ()
    labels_constraint: LabelsConstraint = LabelsConstraint.ALL
    metadata: tuple[MetadataConstraint, ...] = ()
    order_by: tuple[OrderBy, ...] = ()  # then, and without any, by Orthanc ID
    parent: ResourceRef | None = None  # an ancestor
    since: int = 0  # matches to skip
    limit: int = 0  # matches to return at most; 0 is no limit
    after: str = ""  # only matches whose Orthanc ID follows this one: to go on in the default order
