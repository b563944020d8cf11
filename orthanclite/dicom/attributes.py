"""Small data sets as values: identifiers of queries and their answers, worklists.

Where the parser keeps positions in a buffer, :class:`Attribute` keeps the text itself, in Unicode, so that a
data set read in one character set and transfer syntax can be matched, changed and written in another.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, ParameterOutOfRange
from orthanclite.core.main_tags import tag_key
from orthanclite.dicom.charsets import Charset, DefaultEncoding, charset_of
from orthanclite.dicom.dictionary import TagDictionary, is_private_creator
from orthanclite.dicom.encoding import EXPLICIT_LE, ITEM, MAX_DEPTH, SHORT_VRS, TEXT_VRS, Encoding
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, DataSet, Element, item_charset
from orthanclite.dicom.values import BINARY_VRS, text_value
from orthanclite.dicom.writing.elements import pad

Attributes = Mapping[int, "Attribute"]
"""A data set, or an item of a sequence: attributes by tag."""

_NUMBERS: dict[str, tuple[str, type]] = {
    "US": ("H", int),
    "SS": ("h", int),
    "UL": ("I", int),
    "SL": ("i", int),
    "UV": ("Q", int),
    "SV": ("q", int),
    "OL": ("I", int),
    "FL": ("f", float),
    "OF": ("f", float),
    "FD": ("d", float),
    "OD": ("d", float),
}
_UTF8 = "ISO_IR 192"
_CHARSET_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""The VRs whose text is in the character set of the data set (PS3.5 section 6.1.2.3)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One data element: text, the items of a sequence, or bytes."""

    vr: str
    text: str = ""  # values joined by a backslash; numbers in decimal
    items: tuple[Attributes, ...] | None = None  # of a sequence
    raw: bytes = b""  # of a binary VR, little endian

    @property
    def is_sequence(self) -> bool:
        return self.items is not None


def read_attributes(dataset: DataSet, charset: Charset, dictionary: TagDictionary) -> dict[int, Attribute]:
    """The attributes of a parsed data set; ``charset`` is its own."""
    found: dict[int, Attribute] = {}
    for element in dataset:
        found[element.tag] = _read(dataset, element, charset, dictionary)
    return found


def _read(dataset: DataSet, element: Element, charset: Charset, dictionary: TagDictionary) -> Attribute:
    if element.items is not None:
        return Attribute(
            "SQ",
            items=tuple(
                read_attributes(item, item_charset(item, charset), dictionary) for item in element.items
            ),
        )
    vr = element.vr
    if vr == "UN":
        vr = dictionary.vr(element.tag, dataset.creator(element.tag))
    if vr == "SQ":  # as text or bytes it means nothing
        return Attribute("SQ", items=())
    value = dataset.value(element)
    if vr in BINARY_VRS:
        # The words of OW would have to be swapped, which the bytes of UN must not be.
        return Attribute(vr, raw=b"" if dataset.big_endian else value)
    return Attribute(vr, text_value(value, vr, dataset.big_endian, charset) or "")


def encode_attributes(attributes: Attributes, charset: Charset, encoding: Encoding = EXPLICIT_LE) -> bytes:
    """A data set in the given layout and character set; what that cannot express is dropped.

    :raises ParameterOutOfRange: if a number is none, or does not fit its VR.
    """
    return b"".join(_encode(tag, attributes[tag], charset, encoding) for tag in sorted(attributes))


def _encode(tag: int, attribute: Attribute, charset: Charset, encoding: Encoding) -> bytes:
    vr = attribute.vr
    if attribute.items is not None:
        group, number = ITEM >> 16, ITEM & 0xFFFF
        parts = []
        for item in attribute.items:
            content = encode_attributes(item, charset, encoding)
            parts.append(encoding.implicit_head.pack(group, number, len(content)) + content)
        return _element(tag, "SQ", b"".join(parts), encoding)
    return _element(tag, vr, pad(_value(tag, attribute, charset, encoding), vr), encoding)


def _element(tag: int, vr: str, value: bytes, encoding: Encoding) -> bytes:
    group, number, length = tag >> 16, tag & 0xFFFF, len(value)
    if not encoding.explicit:
        return encoding.implicit_head.pack(group, number, length) + value
    code = vr.encode("ascii")
    if code in SHORT_VRS:
        if length <= 0xFFFF:
            return encoding.explicit_head.pack(group, number, code, length) + value
        code = b"UN"  # PS3.5 section 6.2.2
    return encoding.explicit_head.pack(group, number, code, 0) + encoding.long_length.pack(length) + value


def _value(tag: int, attribute: Attribute, charset: Charset, encoding: Encoding) -> bytes:
    vr, text = attribute.vr, attribute.text
    if vr in BINARY_VRS:
        return attribute.raw if vr != "OW" or not encoding.big_endian else b""
    if not text:
        return b""
    if vr in _CHARSET_VRS:
        return charset.encode(text)
    if vr in TEXT_VRS:
        return text.encode("ascii", "ignore")
    order = ">" if encoding.big_endian else "<"
    parts = text.split("\\")
    try:
        if vr == "AT":
            halves = [int(half, 16) for part in parts for half in part.split(",")]
            return struct.pack(f"{order}{len(halves)}H", *halves)
        code, kind = _NUMBERS[vr]
        return struct.pack(f"{order}{len(parts)}{code}", *map(kind, parts))
    except (KeyError, ValueError, OverflowError, struct.error) as exc:
        raise ParameterOutOfRange(f"Bad value of the tag {tag_key(tag)}, of type {vr}") from exc


def attributes_from_json(
    tags: object, dictionary: TagDictionary, private_creator: str = "", depth: int = 0
) -> dict[int, Attribute]:
    """The attributes that an object of the REST API describes, in the simplified, short or full form.

    :param private_creator: of the private tags among them, which get a block that it reserves
    :raises BadFileFormat: if it has another shape.
    :raises UnknownDicomTag: for a name that is no tag.
    """
    if not isinstance(tags, dict):
        raise BadFileFormat("The tags must be an object")
    if depth > MAX_DEPTH:
        raise BadFileFormat(f"Sequences are nested more than {MAX_DEPTH} levels deep")
    found: dict[int, Attribute] = {}
    for name, value in tags.items():
        tag = dictionary.parse_tag(name)
        creator = private_creator or dictionary.creator_of(tag)
        if isinstance(value, dict) and "Value" in value:  # the full form
            creator = str(value.get("PrivateCreator", creator))
            value = value["Value"]
        found[tag] = _from_json(name, value, dictionary.vr(tag, creator), dictionary, private_creator, depth)
        if creator and tag & 0x10000 and not is_private_creator(tag):
            found.setdefault(tag & 0xFFFF0000 | tag >> 8 & 0xFF, Attribute("LO", creator))
    return found


def _from_json(
    name: str, value: Any, vr: str, dictionary: TagDictionary, private_creator: str, depth: int
) -> Attribute:
    if isinstance(value, list):
        if vr not in ("SQ", "UN") and value:
            raise BadFileFormat(f'"{name}" is no sequence')
        items = tuple(attributes_from_json(item, dictionary, private_creator, depth + 1) for item in value)
        return Attribute("SQ", items=items)
    if vr == "SQ":
        if value not in ("", None):
            raise BadFileFormat(f'"{name}" is a sequence, which must be an array of objects')
        return Attribute("SQ", items=())
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise BadFileFormat(f'The value of "{name}" must be a string, a number or an array of objects')
    text = "" if value is None else str(value)
    if vr in BINARY_VRS:
        return Attribute(vr, raw=_binary(name, text))
    return Attribute(vr, text)


def _binary(name: str, text: str) -> bytes:
    """The bytes of a data URI in base64, or the text itself."""
    if not text.startswith("data:"):
        return text.encode()
    try:
        return base64.b64decode(text.partition(",")[2], validate=True)
    except ValueError as exc:
        raise BadFileFormat(f'"{name}" is no data URI in base64') from exc


def character_set_for(attributes: Attributes, default: DefaultEncoding) -> tuple[str, Charset]:
    """A character set that has all text of a data set: the one that it names, the default, or UTF-8.

    :returns: the value of SpecificCharacterSet, and what encodes it
    """
    named = attributes.get(SPECIFIC_CHARACTER_SET)
    term = (named.text.strip() if named is not None else "") or default.term
    charset = charset_of(term)
    if all(charset.holds(text, vr) for vr, text in _texts(attributes)):
        return term, charset
    return _UTF8, charset_of(_UTF8)


def _texts(attributes: Attributes) -> Iterable[tuple[str, str]]:
    """VR and value of all text in the character set of a data set, of its sequences too."""
    for attribute in attributes.values():
        if attribute.items is not None:
            for item in attribute.items:
                yield from _texts(item)
        elif attribute.vr in _CHARSET_VRS:
            yield attribute.vr, attribute.text
