"""The Native DICOM Model in XML (PS3.19 annex A), which PS3.18 serves as ``application/dicom+xml``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from orthanclite.dicom.dictionary import UNKNOWN_NAME, TagDictionary, is_private_element
from orthanclite.dicom.reading.dataset import DicomFile, dataset_charset
from orthanclite.dicom.renderings.dicomweb_json import (
    Attribute,
    JsonModel,
    is_binary,
    is_modelled,
    stream_base64,
)

_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'
)
_TAIL = b"</NativeDicomModel>\n"

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""

_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

_LARGE = 1024 * 1024


def stream_xml(file: DicomFile, default_encoding: str, dictionary: TagDictionary) -> Iterator[bytes]:
    """The data set of ``file`` (parsed whole) as XML text, piece by piece."""
    model, writer = JsonModel(dictionary), _Writer(dictionary)
    dataset = file.dataset
    charset = dataset_charset(dataset, default_encoding)
    yield _HEAD
    for element in dataset:
        tag = element.tag
        if not is_modelled(element):
            continue
        vr, creator = model.vr(dataset, element), dataset.creator(tag)
        if element.items is None and element.end - element.start > _LARGE and is_binary(vr):
            yield writer.opening(tag, vr, creator).encode() + b"<InlineBinary>"
            yield from stream_base64(dataset, element, vr)
            yield b"</InlineBinary></DicomAttribute>"
        else:
            yield writer.attribute(tag, model.attribute(dataset, element, charset), creator).encode()
    yield _TAIL


def to_xml(attributes: Mapping[str, Attribute], dictionary: TagDictionary) -> bytes:
    """A data set in the JSON model as an XML document; what is elsewhere is referred to."""
    content = _Writer(dictionary)._item(attributes)
    return b"".join((_HEAD, content.encode(), _TAIL))


class _Writer:
    """Writes attributes of the JSON model as XML."""

    __slots__ = ("_dictionary",)

    def __init__(self, dictionary: TagDictionary) -> None:
        self._dictionary = dictionary

    def opening(self, tag: int, vr: str, creator: str) -> str:
        name = self._dictionary.name(tag, creator)
        keyword = "" if tag >> 16 & 1 or name == UNKNOWN_NAME else f' keyword="{name}"'
        owner = f" privateCreator={quoteattr(_legal(creator))}" if creator else ""
        return f'<DicomAttribute tag="{tag:08X}" vr="{vr}"{keyword}{owner}>'

    def attribute(self, tag: int, attribute: Attribute, creator: str) -> str:
        opening = self.opening(tag, attribute["vr"], creator)
        if "InlineBinary" in attribute:
            content = f"<InlineBinary>{attribute['InlineBinary']}</InlineBinary>"
        elif "BulkDataURI" in attribute:
            content = f"<BulkData uri={quoteattr(attribute['BulkDataURI'])}/>"
        else:
            values = enumerate(attribute.get("Value", ()), 1)
            content = "".join(self._value(attribute["vr"], number, value) for number, value in values)
        return f"{opening}{content}</DicomAttribute>"

    def _value(self, vr: str, number: int, value: Any) -> str:
        if vr == "SQ":
            return f'<Item number="{number}">{self._item(value)}</Item>'
        if value is None:
            return f'<Value number="{number}"/>'
        if vr == "PN":
            groups = "".join(f"<{name}>{_name_parts(text)}</{name}>" for name, text in value.items())
            return f'<PersonName number="{number}">{groups}</PersonName>'
        return f'<Value number="{number}">{escape(_legal(str(value)))}</Value>'

    def _item(self, item: Mapping[str, Attribute]) -> str:
        return "".join(
            self.attribute(int(key, 16), attribute, _creator(item, int(key, 16)))
            for key, attribute in item.items()
        )


def _creator(item: Mapping[str, Attribute], tag: int) -> str:
    """The private creator of ``tag`` within an item of the JSON model."""
    if not is_private_element(tag):
        return ""
    values = item.get(f"{tag & 0xFFFF0000 | tag >> 8 & 0xFF:08X}", {}).get("Value") or [""]
    return str(values[0])


def _name_parts(text: str) -> str:
    parts = zip(_NAME_PARTS, text.split("^"), strict=False)
    return "".join(f"<{name}>{escape(_legal(part))}</{name}>" for name, part in parts)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)
