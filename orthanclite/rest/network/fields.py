"""Members of the bodies by which clients have modalities asked, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadParameterType, ParameterOutOfRange
from orthanclite.core.levels import Level
from orthanclite.core.text.fields import string_field
from orthanclite.dicom.dictionary import TagDictionary

_MOST_SECONDS = 86_400

TIMEOUT_FIELD = {"Timeout": "number: Seconds to wait for the modality; 0 for no limit"}
LOCAL_AET_FIELD = {"LocalAet": "string: AET to call the modality with"}


def ae_title(fields: Mapping[str, Any], name: str) -> str | None:
    """An AE title (PS3.5 section 6.2, VR AE); None where there is none.

    :raises BadFileFormat: where it is no text
    :raises ParameterOutOfRange: where it is empty, or has characters that no AE title has
    """
    if name not in fields:
        return None
    text = string_field(fields, name)
    if not text.strip() or not text.isascii() or not text.isprintable() or "\\" in text:
        raise ParameterOutOfRange(f'Member "{name}" is no AE title')
    return text


def timeout_field(fields: Mapping[str, Any]) -> int | None:
    """``Timeout``, in seconds; None where there is none.

    :raises BadFileFormat: where it is no integer
    :raises BadParameterType: where it is negative, as the reference says it
    :raises ParameterOutOfRange: where it is more than a day
    """
    value = fields.get("Timeout")
    if value is None and "Timeout" not in fields:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadFileFormat("Integer value expected in field: Timeout")
    if value < 0:
        raise BadParameterType("Negative value found while expecting an unsigned int in field 'Timeout'")
    if value > _MOST_SECONDS:
        raise ParameterOutOfRange(f"A Timeout may be at most {_MOST_SECONDS} seconds")
    return value


def level_field(fields: Mapping[str, Any]) -> Level:
    """``Level``.

    :raises BadFileFormat: where it is missing, or no text
    :raises ParameterOutOfRange: for an unknown one
    """
    value = fields.get("Level")
    if not isinstance(value, str):
        raise BadFileFormat("The JSON body must contain field Level")
    return Level.parse(value)


def tags_of(value: object, dictionary: TagDictionary) -> dict[int, str]:
    """An object of texts by the names or numbers of their tags.

    :raises UnknownDicomTag: for a name that is no tag
    :raises BadFileFormat: for anything else
    """
    if not isinstance(value, dict):
        raise BadFileFormat("An object of tags is expected")
    found = {}
    for name, text in value.items():
        if not isinstance(text, str):
            raise BadFileFormat(f"Expecting a string in field '{name}'")
        found[dictionary.parse_tag(name)] = text
    return found
