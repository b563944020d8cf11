"""Small data sets in the DICOM JSON Model as values (PS3.18 annex F)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.encoding import MAX_DEPTH
from orthanclite.dicom.renderings.dicomweb_json import attribute_of, text_of
from orthanclite.dicom.values import BINARY_VRS

_TAG = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
_VR = re.compile(r"[A-Z]{2}", re.ASCII)
_NAME_GROUPS = frozenset({"Alphabetic", "Ideographic", "Phonetic"})


def model_of(attributes: Attributes) -> dict[str, Any]:
    """A data set in the JSON model."""
    return {f"{tag:08X}": attribute_model(attributes[tag]) for tag in sorted(attributes)}


def attribute_model(attribute: Attribute) -> dict[str, Any]:
    """An attribute in the JSON model."""
    if attribute.items is None:
        return attribute_of(attribute.vr, attribute.text)
    items = [model_of(item) for item in attribute.items if item]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def attributes_from_model(model: object, depth: int = 0) -> dict[int, Attribute]:
    """The attributes of a data set in the JSON model; it has text and sequences only.

    :raises BadFileFormat: for anything else.
    """
    if not isinstance(model, Mapping):
        raise BadFileFormat("Not a data set in the DICOM JSON Model")
    if depth > MAX_DEPTH:
        raise BadFileFormat(f"Sequences are nested more than {MAX_DEPTH} levels deep")
    return {_tag(key): _attribute(key, given, depth) for key, given in model.items()}


def _tag(key: Any) -> int:
    if not isinstance(key, str) or not _TAG.fullmatch(key):
        raise BadFileFormat(f"Not a tag: {key}")
    return int(key, 16)


def _attribute(key: str, given: Any, depth: int) -> Attribute:
    vr = given.get("vr") if isinstance(given, Mapping) else None
    if not isinstance(vr, str) or not _VR.fullmatch(vr):
        raise BadFileFormat(f"The attribute {key} has no value representation")
    values = given.get("Value", [])
    if not isinstance(values, list):
        raise BadFileFormat(f"The values of the attribute {key} are no list")
    if vr == "SQ":
        return Attribute("SQ", items=tuple(attributes_from_model(one, depth + 1) for one in values))
    if (vr in BINARY_VRS and values) or "InlineBinary" in given or "BulkDataURI" in given:
        raise BadFileFormat(f"The attribute {key} has bytes, which have no place here")
    if not all(_is_value(one, vr) for one in values):
        raise BadFileFormat(f"The attribute {key} has values of the wrong kind")
    return Attribute(vr, text_of({"vr": vr, "Value": values}) or "")


def _is_value(value: Any, vr: str) -> bool:
    if vr == "PN" and isinstance(value, Mapping):
        return _NAME_GROUPS.issuperset(value) and all(isinstance(one, str) for one in value.values())
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))
