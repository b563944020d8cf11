"""Data elements from the JSON of the REST API: ``{"PatientName": "A^B", "0008,1140": [{...}]}``.

Values are text whatever the VR, ``\\`` between several, as the renderings show them; a sequence is an array
of objects. Everything is written in explicit VR little endian.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orthanclite.core.errors import BadFileFormat, BadParameterType, ParameterOutOfRange
from orthanclite.core.main_tags import tag_key
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import MAX_DEPTH, TEXT_VRS
from orthanclite.dicom.writing.elements import element, sequence

_INTEGERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "OL": "I", "OV": "Q"}
_FLOATS = {"FL": "f", "FD": "d", "OF": "f", "OD": "d"}
_HEX_TAG = re.compile("([0-9a-fA-F]{4}),?([0-9a-fA-F]{4})")
_DATA_URI = re.compile(r"data:([^;,]*);base64,", re.ASCII)

_FIRST_GROUP = 0x0004
"""Groups below are command elements and file meta information, which are no part of a data set."""
_DELIMITERS = 0xFFFE


@dataclass(frozen=True, slots=True)
class DataUri:
    """Content with its media type (RFC 2397)."""

    media_type: str
    content: bytes


def parse_data_uri(text: str) -> DataUri | None:
    """The content that ``text`` carries; None where it is no data URI in base 64."""
    match = _DATA_URI.match(text)
    if match is None:
        return None
    try:
        return DataUri(match[1].strip().lower(), base64.b64decode(text[match.end() :], validate=True))
    except (binascii.Error, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class JsonEncoder:
    """Encodes data sets that a client describes.

    :param charset: of the text
    :param creator: the private creator that private tags belong to
    :param interpret_binary: whether a data URI stands for its content
    :param interpret_text: whether it does so in the VRs of text, too
    """

    dictionary: TagDictionary
    charset: Charset
    creator: str = ""
    interpret_binary: bool = True
    interpret_text: bool = True

    def elements(self, tags: Mapping[str, Any], depth: int = 0) -> dict[int, bytes]:
        """The encoded elements by tag.

        Group lengths, and what is no part of a data set, are left out.

        :raises UnknownDicomTag: for a name that is no tag.
        :raises BadParameterType: for a value that is neither text nor null nor an array of objects.
        :raises BadFileFormat: for text that the VR of the tag cannot express, or sequences nested too deep.
        :raises ParameterOutOfRange: for the tag of a delimiter.
        """
        if depth > MAX_DEPTH:
            raise BadFileFormat(f"Sequences are nested more than {MAX_DEPTH} levels deep")
        encoded: dict[int, bytes] = {}
        for name, value in tags.items():
            tag = self.dictionary.parse_tag(name)
            if tag >> 16 == _DELIMITERS:
                raise ParameterOutOfRange(f"Not the tag of an element: {tag_key(tag)}")
            if tag >> 16 >= _FIRST_GROUP and tag & 0xFFFF:
                encoded[tag] = self.element(tag, value, depth)
        return encoded

    def element(self, tag: int, value: object, depth: int = 0, vr: str | None = None) -> bytes:
        """One encoded element; see :meth:`elements` for the errors.

        :param vr: None for that of the dictionary
        """
        vr = vr or self.dictionary.vr(tag, self.creator or self.dictionary.creator_of(tag))
        if vr == "SQ":
            return self._sequence(tag, value, depth)
        if value is None:
            return element(tag, vr, b"")
        if not isinstance(value, str):
            raise BadParameterType(f"Bad Parameter type for tag {tag_key(tag)}")
        interpreted = self.interpret_binary and (self.interpret_text or vr not in TEXT_VRS)
        if interpreted and (uri := parse_data_uri(value)) is not None:
            return element(tag, vr, uri.content)
        try:
            return element(tag, vr, self._value(vr, value))
        except (ValueError, OverflowError, struct.error) as exc:
            raise BadFileFormat(
                f'While creating a DICOM instance, tag ({tag_key(tag)}) has out-of-range value: "{value}"'
            ) from exc

    def _sequence(self, tag: int, value: object, depth: int) -> bytes:
        if isinstance(value, str) and value:
            raise BadFileFormat(
                f'While creating a DICOM instance, tag ({tag_key(tag)}) has out-of-range value: "{value}"'
            )
        items = value or []
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise BadParameterType(f"Bad Parameter type for tag {tag_key(tag)}")
        return sequence(tag, (join(self.elements(item, depth + 1)) for item in items))

    def _value(self, vr: str, text: str) -> bytes:
        """:raises ValueError: or another arithmetic error, where the VR cannot express ``text``."""
        if vr in TEXT_VRS:
            return self.charset.encode(text)
        if not text:
            return b""
        values = [part.strip() for part in text.split("\\")]
        if vr in _INTEGERS:
            return b"".join(struct.pack("<" + _INTEGERS[vr], int(part)) for part in values)
        if vr in _FLOATS:
            return b"".join(struct.pack("<" + _FLOATS[vr], float(part)) for part in values)
        if vr == "AT":
            return b"".join(map(_attribute_tag, values))
        return text.encode("utf-8")  # OB, OW, UN


def _attribute_tag(text: str) -> bytes:
    match = _HEX_TAG.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return struct.pack("<HH", int(match[1], 16), int(match[2], 16))


def join(elements: Mapping[int, bytes]) -> bytes:
    """A data set of encoded elements, in the order of their tags."""
    return b"".join(elements[tag] for tag in sorted(elements))
