"""Metadata of instances (PS3.18 section 10.4.1.1.2): the DICOM JSON Model without bulk data.

As in Orthanc's plugin, numbers of VR DS are numbers, text is in UTF-8 and said to be so, and what is binary
is replaced by the place where it can be fetched.
"""

from __future__ import annotations

from base64 import b64encode
from enum import StrEnum
from struct import iter_unpack

import orjson

from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET, DataSet, Element, item_charset
from orthanclite.dicom.renderings.dicomweb_json import Attribute, JsonModel, little_endian, parsed_number

BASE = b"\x01"
"""Stands in the text for the address of DICOMweb, which is not known before a client asks. JSON text has no
such byte, as it escapes control characters."""

_BASE = "\x01"
_URI = b'"BulkDataURI":"'
"""How an address begins in the text: within a value, quotes are escaped."""
_OTHER_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_UTF_8: Attribute = {"vr": "CS", "Value": ["ISO_IR 192"]}
_WORDS = {"OB": "B", "OD": "d", "OF": "f", "OL": "I", "OV": "Q", "OW": "H"}
_WORD_SIZES = {"B": 1, "d": 8, "f": 4, "I": 4, "Q": 8, "H": 2}


class OtherBinary(StrEnum):
    """The option ``OtherBinaryMode``: how OB, OD, OF, OL, OV and OW are shown beside the pixel data."""

    URI = "BulkDataURI"
    INLINE = "InlineBinary"
    VALUES = "ArrayOfValues"


class MetadataModel(JsonModel):
    """Makes metadata of data sets.

    :param place: of the instance below the address of DICOMweb, such as ``/studies/1/series/2/instances/3``
    """

    __slots__ = ("_mode", "_place")

    def __init__(self, dictionary: TagDictionary, place: str, mode: OtherBinary = OtherBinary.URI) -> None:
        super().__init__(dictionary)
        self._place = f"{_BASE}{place}/bulk"
        self._mode = mode

    def text(self, dataset: DataSet, charset: Charset, pixel_vr: str = "") -> bytes:
        """The metadata of a whole data set as JSON text, with :data:`BASE` for the address of DICOMweb.

        :param pixel_vr: of the pixel data, where the data set has them without their value
        """
        shown = self._shown(dataset, charset, self._place)
        pixels = dataset.elements.get(PIXEL_DATA)
        if pixels is not None and (pixel_vr or pixels.fragments is not None or pixels.end > pixels.start):
            vr = "OB" if pixels.fragments is not None else pixel_vr or pixels.vr
            shown[f"{PIXEL_DATA:08X}"] = {"vr": vr, "BulkDataURI": f"{self._place}/{PIXEL_DATA:08x}"}
        return orjson.dumps(shown).replace(_URI + b"\\u0001", _URI + BASE)

    def _shown(self, dataset: DataSet, charset: Charset, place: str) -> dict[str, Attribute]:
        shown = {}
        for element in dataset:
            tag = element.tag
            if not tag & 0xFFFF or element.fragments is not None:
                continue
            if tag == SPECIFIC_CHARACTER_SET:
                shown[f"{tag:08X}"] = _UTF_8
            else:
                shown[f"{tag:08X}"] = self._attribute(dataset, element, charset, place)
        return shown

    def _attribute(self, dataset: DataSet, element: Element, charset: Charset, place: str) -> Attribute:
        if element.items is not None:
            below = f"{place}/{element.tag:08x}"
            items = [
                self._shown(item, item_charset(item, charset), f"{below}/{number}")
                for number, item in enumerate(element.items, 1)
            ]
            return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
        vr = self.vr(dataset, element)
        if vr in _OTHER_BINARY or vr == "UN":
            if element.start == element.end:
                return {"vr": vr}
            if vr == "UN" or self._mode is OtherBinary.URI:
                return {"vr": vr, "BulkDataURI": f"{place}/{element.tag:08x}"}
            return self._binary(dataset, element, vr)
        attribute = self.attribute(dataset, element, charset)
        if vr == "DS" and "Value" in attribute:
            attribute["Value"] = [None if one is None else parsed_number(one) for one in attribute["Value"]]
        return attribute

    def _binary(self, dataset: DataSet, element: Element, vr: str) -> Attribute:
        raw = dataset.value(element)
        if self._mode is OtherBinary.INLINE:
            raw = little_endian(raw, vr, dataset.is_big_endian(element))
            return {"vr": vr, "InlineBinary": b64encode(raw).decode("ascii")}
        order = ">" if dataset.is_big_endian(element) else "<"
        size = _WORD_SIZES[_WORDS[vr]]
        words = iter_unpack(order + _WORDS[vr], raw[: len(raw) // size * size])
        return {"vr": vr, "Value": [word for (word,) in words]}


def with_base(text: bytes, base: str) -> bytes:
    """Metadata as a client gets them: with the address of DICOMweb, which has no slash at its end."""
    return text.replace(BASE, orjson.dumps(base)[1:-1])
