"""The normal form of a DIMSE message: what its receiver can depend on, as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from orthanclite.dimse import command
from tests.parity.network.inputs import dataset_of, name_of

_FIELDS = {value: name.replace("_", "-") for name, value in vars(command).items() if name.endswith("_RQ")}
_RESPONSE = 0x8000
_NO_DATA_SET = 0x0101
STORE = "C-STORE-RQ"
_NEVER_COMPARED = ("ErrorComment", "CommandGroupLength")
_NUMBERED = ("C-MOVE-RQ", "C-GET-RQ")
"""Requests whose message IDs tell how many were before."""


def shown_message(encoded: Dataset, data: bytes, syntax: str) -> dict[str, Any]:
    """A request or a response."""
    command = shown_command(encoded)
    shown: dict[str, Any] = {"command": comparable(command)}
    if command["CommandField"] == STORE:
        shown["syntax"] = syntax
    if not data:
        return shown
    uid = UID(syntax)
    dataset = read_dataset(io.BytesIO(data), uid.is_implicit_VR, uid.is_little_endian)
    if command["CommandField"] == STORE:
        return shown | compared(dataset)
    return {**shown, "dataset": shown_dataset(dataset)}


def shown_command(encoded: Dataset) -> dict[str, Any]:
    return {element.keyword: _shown_value(element.keyword, element.value) for element in encoded}


def comparable(shown: dict[str, Any]) -> dict[str, Any]:
    """A command without what is never compared."""
    left_out = {*_NEVER_COMPARED, "MessageID"} if shown["CommandField"] in _NUMBERED else {*_NEVER_COMPARED}
    return {key: value for key, value in shown.items() if key not in left_out}


def shown_dataset(dataset: Dataset) -> dict[str, Any]:
    """As DICOM JSON, but bytes in hexadecimal digits."""
    shown = {}
    for element in dataset:
        key = f"{int(element.tag):08X}"
        if element.VR == "SQ":
            shown[key] = {"vr": "SQ", "Value": [shown_dataset(item) for item in element.value]}
        elif isinstance(element.value, bytes):
            shown[key] = {"vr": element.VR, "hex": element.value.hex()}
        else:
            shown[key] = json.loads(json.dumps(element.to_json_dict(None, 1 << 30)))
    return shown


def made_dataset(keys: dict[str, Any]) -> Dataset:
    """A data set of keywords or tags; values are texts, numbers, lists, or ``{"vr", "v"}``."""
    made = Dataset()
    for key, value in keys.items():
        tag = Tag(key.replace(",", "") if "," in key else key)
        if isinstance(value, dict):
            made.add_new(tag, value["vr"], value.get("v"))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            made.add_new(tag, "SQ", [made_dataset(item) for item in value])
        else:
            setattr(made, key, value) if "," not in key else made.add_new(tag, "LO", value)
    return made


def _shown_value(keyword: str, value: Any) -> Any:
    if keyword == "CommandField":
        request = _FIELDS.get(value & ~_RESPONSE, f"{value:04X}")
        return request.replace("-RQ", "-RSP") if value & _RESPONSE else request
    if keyword == "Status":
        return f"{value:04X}"
    if keyword == "CommandDataSetType":
        return "none" if value == _NO_DATA_SET else "present"
    return value if isinstance(value, int) else str(value or "")


def compared(dataset: Dataset) -> dict[str, Any]:
    """An instance, told apart from the input that has its UID."""
    name = name_of(str(dataset.get("SOPInstanceUID", "")))
    if name is None:
        return {"dataset": shown_dataset(dataset)}
    mine, known = shown_dataset(dataset), shown_dataset(dataset_of(name))
    differing = sorted(key for key in mine.keys() | known.keys() if mine.get(key) != known.get(key))
    return {"based_on": name, "differs": differing} if differing else {"same_as": name}
