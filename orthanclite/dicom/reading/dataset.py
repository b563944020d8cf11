"""A parsed file: positions in a buffer instead of values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.charsets import Charset, charset_of
from orthanclite.dicom.dictionary import is_private_element
from orthanclite.dicom.encoding import Encoding

SPECIFIC_CHARACTER_SET = 0x00080005
FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)  # FloatPixelData and DoubleFloatPixelData


@dataclass(slots=True)
class Element:
    """A data element: where it is, and its items where it is a sequence."""

    tag: int
    vr: str
    offset: int  # of the tag, in bytes from the start of the buffer
    start: int  # of the value
    end: int  # of the value
    items: list[DataSet] | None = None
    fragments: list[tuple[int, int]] | None = None  # of encapsulated pixel data, offset table first


@dataclass(slots=True)
class DataSet:
    """The elements of a data set or of an item, in the order of the file."""

    data: Buffer
    big_endian: bool
    elements: dict[int, Element] = field(default_factory=dict)
    big_endian_pixels: bool = False  # where only the words of the pixel data are so
    start: int = 0  # of an item: where its first element is
    end: int = 0  # of an item: behind it, its delimiter included

    def raw(self, tag: int) -> bytes | None:
        """The value as stored, padding included; None where ``tag`` is absent."""
        element = self.elements.get(tag)
        return None if element is None else self.data[element.start : element.end]

    def is_big_endian(self, element: Element) -> bool:
        return self.big_endian or (self.big_endian_pixels and element.tag == PIXEL_DATA)

    def value(self, element: Element) -> bytes:
        return self.data[element.start : element.end]

    def creator(self, tag: int) -> str:
        """The private creator of the block of ``tag``, or the empty string."""
        if not is_private_element(tag):
            return ""
        element = self.elements.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
        if element is None or element.vr == "UN":
            return ""
        return self.value(element).rstrip(b" \0").decode("latin_1")

    def __iter__(self) -> Iterator[Element]:
        return iter(self.elements.values())


@dataclass(slots=True)
class DicomFile:
    """A parsed file."""

    meta: DataSet  # group 0002; empty without file meta information
    dataset: DataSet
    transfer_syntax: str
    encoding: Encoding
    has_meta: bool
    pixel_data: Element | None  # the element (7fe0,0010) of the data set, also in ``dataset``
    deflated: bool

    @property
    def has_pixels(self) -> bool:
        """Whether there is pixel data of integers, floats or doubles."""
        return self.pixel_data is not None or any(tag in self.dataset.elements for tag in FLOAT_PIXEL_DATA)


def dataset_charset(dataset: DataSet, default_encoding: str) -> Charset:
    """The character set of a data set: its own, else the default."""
    raw = dataset.raw(SPECIFIC_CHARACTER_SET)
    return charset_of("" if raw is None else raw.decode("latin_1"), default_encoding)


def item_charset(item: DataSet, charset: Charset) -> Charset:
    """The character set of an item: its own, else ``charset``, that of what it is part of."""
    raw = item.raw(SPECIFIC_CHARACTER_SET)
    return charset if raw is None else charset_of(raw.decode("latin_1"))
