"""The identifiers of what is asked of modalities by C-FIND, C-MOVE and C-GET (PS3.4 annexes C and K)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orthanclite.core.errors import BadRequest
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import (
    ACCESSION_NUMBER,
    DEFAULT_MAIN_TAGS,
    IDENTIFIER_OF,
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    tag_key,
)
from orthanclite.core.query import (
    COMPUTED_TAGS,
    INSTANCE_AVAILABILITY,
    MAXIMUM_REQUESTED_TAGS,
    QUERY_RETRIEVE_LEVEL,
    SPECIFIC_CHARACTER_SET,
)
from orthanclite.core.remotes.registry import Manufacturer
from orthanclite.dicom.attributes import Attribute, Attributes, attributes_from_json, character_set_for
from orthanclite.dicom.charsets import Charset, DefaultEncoding
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.modules import MODULE_TAGS

_STUDY_DATE = 0x00080020
_SERIES_DATE = 0x00080021
_FIRST_GROUP = 0x0008  # what is below belongs to commands and files, not to data sets
_UNIVERSAL = "*"

Tags = Mapping[int, str]
"""Values by tag, as clients give them."""

LEVEL_NAMES = {
    Level.PATIENT: "PATIENT",
    Level.STUDY: "STUDY",
    Level.SERIES: "SERIES",
    Level.INSTANCE: "IMAGE",
}
"""The values of Query/Retrieve Level (PS3.4 section C.3)."""

_UNIQUE_KEYS: dict[Level, tuple[int, ...]] = {
    Level.PATIENT: (PATIENT_ID,),
    Level.STUDY: (PATIENT_ID, ACCESSION_NUMBER, STUDY_INSTANCE_UID),
    Level.SERIES: (PATIENT_ID, ACCESSION_NUMBER, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID),
    Level.INSTANCE: (
        PATIENT_ID,
        ACCESSION_NUMBER,
        STUDY_INSTANCE_UID,
        SERIES_INSTANCE_UID,
        SOP_INSTANCE_UID,
    ),
}
"""The identifiers that each query asks for, as the reference does: also the accession number."""

RETRIEVE_KEYS: dict[Level, tuple[int, ...]] = {
    Level.PATIENT: (PATIENT_ID,),
    Level.STUDY: (STUDY_INSTANCE_UID,),
    Level.SERIES: (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID),
    Level.INSTANCE: (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID),
}
"""What a C-MOVE names (PS3.4 section C.4.2.1.4.1), without the patient, as the reference does."""

_LATER_MAIN_TAGS = (0x00400244, 0x00400245, 0x00400275)
"""Main tags that are younger than the deprecated searches, which do not ask for them."""

_CHILD_KEYS: dict[Level, tuple[int, ...]] = {
    Level.PATIENT: (PATIENT_ID,),
    Level.STUDY: (STUDY_INSTANCE_UID,),
    Level.SERIES: (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID),
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """A data set to be sent, in the character set that it names."""

    attributes: Attributes
    charset: Charset


def find_tags(
    level: Level, asked: Tags, manufacturer: Manufacturer, normalize: bool = True
) -> dict[int, str]:
    """The keys of a C-FIND at ``level``, without the level itself.

    :param normalize: leave out what does not belong to the level, and follow the habits of the manufacturer
    """
    keys = {tag: text for tag, text in asked.items() if _is_sent(tag)}
    if normalize:
        allowed = _known_at(level)
        keys = {tag: _adapted(tag, text, manufacturer) for tag, text in keys.items() if tag in allowed}
    universal = _UNIVERSAL if manufacturer is Manufacturer.GE else ""
    for tag in _UNIQUE_KEYS[level]:
        keys.setdefault(tag, universal)
    return keys


def template(level: Level, asked: Tags) -> dict[int, str]:
    """What the deprecated searches ask for: the main tags of a level, with the values that are given."""
    main = set(DEFAULT_MAIN_TAGS[level]).difference(_LATER_MAIN_TAGS)
    tags = MODULE_TAGS[level].intersection(main).union(_UNIQUE_KEYS[level])
    return {tag: asked.get(tag, "") for tag in sorted(tags)}


def move_tags(level: Level, resource: Tags) -> dict[int, str]:
    """The keys by which a C-MOVE names what it fetches.

    :raises BadRequest: where one is missing.
    """
    missing = [tag for tag in RETRIEVE_KEYS[level] if not resource.get(tag)]
    if missing:
        raise BadRequest(f"Missing tag {tag_key(missing[0])}")
    return {tag: resource[tag] for tag in RETRIEVE_KEYS[level]}


def get_tags(resource: Tags) -> dict[int, str]:
    """The keys by which a C-GET names what it fetches: whatever is known of it, as the reference does."""
    return {tag: text for tag, text in resource.items() if _is_sent(tag)}


def shown_tags(level: Level, answer: Tags) -> dict[int, str]:
    """How jobs show the answer of a query that they fetch: by its identifiers."""
    return {tag: answer[tag] for tag in _UNIQUE_KEYS[level] if tag in answer}


def child_tags(level: Level, answer: Tags) -> dict[int, str]:
    """The keys of a query for what belongs to an answer.

    :param level: of the answer
    :raises BadRequest: where the answer lacks one.
    """
    missing = [tag for tag in _CHILD_KEYS[level] if not answer.get(tag)]
    if missing:
        raise BadRequest(f"Missing tag {tag_key(missing[0])}")
    return {tag: answer[tag] for tag in _CHILD_KEYS[level]}


def identifier(
    level: Level | None, tags: Tags, dictionary: TagDictionary, default: DefaultEncoding
) -> Identifier:
    """The data set with these keys.

    :param level: None for a query without a level
    :raises BadFileFormat: for a text where a sequence must be
    """
    attributes = attributes_from_json({tag_key(tag): text for tag, text in tags.items()}, dictionary)
    if level is not None:
        attributes[QUERY_RETRIEVE_LEVEL] = Attribute("CS", LEVEL_NAMES[level])
    return encodable(attributes, default)


def encodable(attributes: Attributes, default: DefaultEncoding) -> Identifier:
    """A data set with a character set that has all its text: its own, the default, or else UTF-8."""
    term, charset = character_set_for(attributes, default)
    return Identifier({**attributes, SPECIFIC_CHARACTER_SET: Attribute("CS", term)}, charset)


def check_number(tags: Iterable[object]) -> None:
    """:raises BadRequest: where a query has more keys than one may have."""
    if sum(1 for _ in tags) > MAXIMUM_REQUESTED_TAGS:
        raise BadRequest(f"A query may have at most {MAXIMUM_REQUESTED_TAGS} tags")


def _is_sent(tag: int) -> bool:
    """Whether it may stand in an identifier: the level is added, and group lengths mean nothing."""
    return tag >> 16 >= _FIRST_GROUP and tag & 0xFFFF != 0 and tag != QUERY_RETRIEVE_LEVEL


def _known_at(level: Level) -> frozenset[int]:
    """The attributes of a level and those above, and what is counted for it."""
    modules = (MODULE_TAGS[one] for one in Level if one <= level)
    counted = {tag for tag, home in COMPUTED_TAGS.items() if home is level and tag != INSTANCE_AVAILABILITY}
    return frozenset({SPECIFIC_CHARACTER_SET, IDENTIFIER_OF[level], *counted}).union(*modules)


def _adapted(tag: int, text: str, manufacturer: Manufacturer) -> str:
    """A value as the modalities of a manufacturer understand it."""
    if text != _UNIVERSAL:
        return text
    if manufacturer is Manufacturer.GENERIC_NO_UNIVERSAL_WILDCARD:
        return ""
    if manufacturer is Manufacturer.GENERIC_NO_WILDCARD_IN_DATES and tag in (_STUDY_DATE, _SERIES_DATE):
        return ""
    return text
