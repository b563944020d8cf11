"""The pixels of an uncompressed file, told by what stands before them: its head is read, and nothing else."""

from __future__ import annotations

from typing import Any

from pydicom.datadict import tag_for_keyword

from orthanclite.core.errors import BadFileFormat, UnsupportedMediaType
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import UNDEFINED_LENGTH
from orthanclite.dicom.pixels.reading.description import describe
from orthanclite.dicom.pixels.reading.source import NATIVE, PixelPlace, pixel_element
from orthanclite.dicom.reading.dataset import DataSet
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.values import text_value

PIXEL_HEAD = 12
"""Bytes of the head of an element, at most."""

_LATIN = charset_of("")
_NUMBERS = frozenset({"IS", "SL", "SS", "UL", "US"})


def native_place(head: bytes, size: int, dictionary: TagDictionary) -> PixelPlace | None:
    """The pixels of an uncompressed file; None where more than its head must be read to tell.

    :param head: the file up to its pixel data, and :data:`PIXEL_HEAD` bytes of these
    :param size: bytes of the whole file
    """
    position = len(head) - PIXEL_HEAD
    try:
        file = parse(head[:position], dictionary)
        if file.transfer_syntax not in NATIVE:
            return None
        description = describe(_Attributes(file.dataset))
    except (BadFileFormat, UnsupportedMediaType):
        return None  # whoever opens it finds the words for what is wrong
    found = pixel_element(head[position:], position, file.encoding)
    if found is None or found[2] == UNDEFINED_LENGTH:
        return None
    vr, start, length = found
    return PixelPlace(file.transfer_syntax, start, min(length, size - start), vr, description)


class _Attributes:
    """Attributes by their keywords, as pydicom has them."""

    def __init__(self, dataset: DataSet) -> None:
        self._dataset = dataset

    def get(self, keyword: str, /) -> Any:
        element = self._dataset.elements.get(tag_for_keyword(keyword) or 0)
        if element is None:
            return None
        value = text_value(self._dataset.value(element), element.vr, self._dataset.big_endian, _LATIN)
        return value.split("\\") if value is not None and element.vr in _NUMBERS else value
