"""The DICOM JSON Model (PS3.18 annex F)."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Iterator
from struct import iter_unpack
from typing import Any

import orjson

from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import TEXT_VRS
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element, dataset_charset, item_charset
from orthanclite.dicom.values import decode_text

Attribute = dict[str, Any]
"""``vr``, and one of ``Value`` and ``InlineBinary`` where there is a value."""

_NUMBERS: dict[str, str] = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "UV": "Q",
    "SV": "q",
    "OL": "I",
    "FL": "f",
    "FD": "d",
    "OF": "f",
    "OD": "d",
}
_SIZES = {"H": 2, "h": 2, "I": 4, "i": 4, "Q": 8, "q": 8, "f": 4, "d": 8}
_SINGLE_VALUED = frozenset({"LT", "ST", "UT", "UR"})  # a backslash is part of the text (PS3.5 section 6.2)
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_EXACT_INTEGER = 2**53  # above, a JSON reader may round: written as text (PS3.18 F.2.3)

_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)

_CHUNK = 3 * 256 * 1024  # bytes of binary per piece; a multiple of three, so that base64 pieces join


class JsonModel:
    """Turns data sets into the model; one per request."""

    __slots__ = ("_dictionary",)

    def __init__(self, dictionary: TagDictionary) -> None:
        self._dictionary = dictionary

    def dataset(self, dataset: DataSet, charset: Charset) -> dict[str, Attribute]:
        """``dataset`` of ``charset`` as an object."""
        return {
            f"{element.tag:08X}": self.attribute(dataset, element, charset)
            for element in dataset
            if is_modelled(element)
        }

    def vr(self, dataset: DataSet, element: Element) -> str:
        """The VR of an element; that of the dictionary where the file says UN."""
        if element.vr != "UN":
            return element.vr
        vr = self._dictionary.vr(element.tag, dataset.creator(element.tag))
        return "UN" if vr == "SQ" else vr

    def attribute(self, dataset: DataSet, element: Element, charset: Charset) -> Attribute:
        """One element."""
        if element.items is not None:
            items = [self.dataset(item, item_charset(item, charset)) for item in element.items]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        vr = self.vr(dataset, element)
        if element.start == element.end:
            return {"vr": vr}
        if is_binary(vr):
            raw = little_endian(dataset.value(element), vr, dataset.is_big_endian(element))
            return {"vr": vr, "InlineBinary": b64encode(raw).decode("ascii")}
        values = _values(dataset.value(element), vr, dataset.big_endian, charset)
        return {"vr": vr, "Value": values} if any(value is not None for value in values) else {"vr": vr}


def is_modelled(element: Element) -> bool:
    """Whether the models show an element: group lengths and encapsulated pixel data stay out."""
    return bool(element.tag & 0xFFFF) and element.fragments is None


def is_binary(vr: str) -> bool:
    """Whether values of ``vr`` are shown as InlineBinary."""
    return vr not in TEXT_VRS and vr not in _NUMBERS and vr != "AT"


def little_endian(raw: bytes, vr: str, big_endian: bool) -> bytes:
    """Binary as InlineBinary wants it: words in little endian (PS3.18 F.2.7)."""
    if not big_endian or vr != "OW":
        return raw
    swapped = bytearray(raw)
    even = len(raw) & ~1
    swapped[0:even:2], swapped[1:even:2] = raw[1:even:2], raw[0:even:2]
    return bytes(swapped)


def _values(raw: bytes, vr: str, big_endian: bool, charset: Charset) -> list[Any]:
    """The values of an element that is neither binary nor a sequence; None for an empty one."""
    order = ">" if big_endian else "<"
    code = _NUMBERS.get(vr)
    if code is not None:
        size = _SIZES[code]
        return [_number(value) for (value,) in iter_unpack(order + code, raw[: len(raw) // size * size])]
    if vr == "AT":
        whole = raw[: len(raw) // 4 * 4]
        return [f"{group:04X}{number:04X}" for group, number in iter_unpack(order + "HH", whole)]
    text = decode_text(raw, vr, charset)
    if vr in _SINGLE_VALUED:
        return [text or None]
    parts = text.split("\\")
    if vr == "PN":
        return [_person_name(part) for part in parts]
    if vr == "IS":
        return [parsed_number(part.strip()) for part in parts]
    # A DS stays text (PS3.18 F.2.3.1 allows both): as a number it would lose how it was written.
    return [part.strip(" ") or None for part in parts]


def attribute_of(vr: str, text: str) -> Attribute:
    """One element whose value is known as text, with a backslash between several; numbers are numbers."""
    if not text:
        return {"vr": vr}
    if vr in _SINGLE_VALUED:
        return {"vr": vr, "Value": [text]}
    parts = text.split("\\")
    values: list[Any]
    if vr == "PN":
        values = [_person_name(part) for part in parts]
    elif vr in _NUMBERS or vr in ("IS", "DS"):
        values = [parsed_number(part.strip()) for part in parts]
    elif vr == "AT":
        values = [part.replace(",", "").upper() for part in parts]
    else:
        values = [part.strip(" ") or None for part in parts]
    return {"vr": vr, "Value": values} if any(value is not None for value in values) else {"vr": vr}


def text_of(attribute: Attribute) -> str | None:
    """The value of an element as text, the contrary of :func:`attribute_of`; None where it is not text.

    >>> text_of({"vr": "PN", "Value": [{"Alphabetic": "A^B", "Phonetic": "C"}, None]})
    'A^B==C\\\\'
    """
    if attribute["vr"] == "SQ" or "InlineBinary" in attribute or "BulkDataURI" in attribute:
        return None
    return "\\".join(_text_of_value(value) for value in attribute.get("Value", ()))


def _text_of_value(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _NAME_GROUPS).rstrip("=")
    return "" if value is None else str(value)


def _number(value: float | int) -> float | int | str:
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_INTEGER else str(value)
    if not math.isfinite(value):  # JSON has no such numbers
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    return int(value) if value.is_integer() and abs(value) <= _EXACT_INTEGER else value


def parsed_number(text: str) -> float | int | str | None:
    """The number that an IS or a DS means; what is none stays text."""
    if not text:
        return None
    if _DECIMAL.fullmatch(text) is None:
        return text
    return _number(int(text)) if _INTEGER.fullmatch(text) else _number(float(text))


def _person_name(text: str) -> dict[str, str] | None:
    groups = [group.rstrip(" ") for group in text.split("=", 2)]
    return {name: group for name, group in zip(_NAME_GROUPS, groups, strict=False) if group} or None


def stream_json(file: DicomFile, default_encoding: str, dictionary: TagDictionary) -> Iterator[bytes]:
    """The data set of ``file`` (parsed whole) as JSON text, piece by piece."""
    model = JsonModel(dictionary)
    dataset = file.dataset
    charset = dataset_charset(dataset, default_encoding)
    opening = b"{"
    for element in dataset:
        if not is_modelled(element):
            continue
        yield opening + b'"%08X":' % element.tag
        opening = b","
        vr = model.vr(dataset, element)
        if element.items is None and element.end - element.start > _CHUNK and is_binary(vr):
            yield b'{"vr":"%s","InlineBinary":"' % vr.encode("ascii")
            yield from stream_base64(dataset, element, vr)
            yield b'"}'
        else:
            yield orjson.dumps(model.attribute(dataset, element, charset))
    yield b"{}" if opening == b"{" else b"}"


def stream_base64(dataset: DataSet, element: Element, vr: str) -> Iterator[bytes]:
    """A binary value in base64, piece by piece."""
    for start in range(element.start, element.end, _CHUNK):
        chunk = dataset.data[start : min(start + _CHUNK, element.end)]
        yield b64encode(little_endian(chunk, vr, dataset.is_big_endian(element)))
