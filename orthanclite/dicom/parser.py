"""A parser of DICOM files that keeps positions instead of values.

An :class:`Element` says where its value lies in the buffer, bytes or a memory map: parsing a file
of any size costs memory for its elements only. Whatever the bytes are, the only error is
:class:`~orthanclite.core.errors.BadFileFormat`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import error as StructError

from orthanclite.core.buffers import Buffer
from orthanclite.core.errors import BadFileFormat
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.dictionary import SIGNED_LIKE_PIXELS, TagDictionary, is_private, is_private_element
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LE,
    IMPLICIT_LITTLE_ENDIAN,
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
    has_long_length,
)

MAX_DEPTH = 64
"""Sequences inside sequences; real files have fewer than ten levels."""

MAX_INFLATED = 256 * 1024 * 1024
"""Bytes that a deflated data set may have once inflated: a bomb must not fill the memory."""

SPECIFIC_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_TRANSFER_SYNTAX_UID = 0x00020010
_PREAMBLE = 128
_VRS = {vr: vr.decode() for vr in SHORT_VRS} | {
    vr: vr.decode() for vr in b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()
}


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

    def raw(self, tag: int) -> bytes | None:
        """The value as stored, padding included; None where ``tag`` is absent."""
        element = self.elements.get(tag)
        return None if element is None else self.data[element.start : element.end]

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


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes the data set: where that begins, and how it is laid out."""

    meta: DataSet
    has_meta: bool
    has_preamble: bool
    transfer_syntax: str
    start: int  # of the data set


def invalid_file(size: int) -> BadFileFormat:
    """The error for bytes that are no DICOM file."""
    return BadFileFormat(f"Cannot parse an invalid DICOM file (size: {size} bytes)")


class InvalidBytes(Exception):
    """The bytes break the rules; turned into :func:`invalid_file`, which knows the size of the file."""


def read_header(data: Buffer) -> Header:
    """Read the preamble and the file meta information (PS3.10 section 7.1), if any.

    A bare data set is accepted; its layout is recognised by its first element.

    :raises BadFileFormat: if ``data`` is empty, too short or begins with neither.
    """
    size = len(data)
    if size == 0:
        raise BadFileFormat("Received an empty DICOM file")
    try:
        return _read_header(data, size)
    except (InvalidBytes, StructError) as exc:
        raise invalid_file(size) from exc


def _read_header(data: Buffer, size: int) -> Header:
    meta = DataSet(data, big_endian=False)
    has_preamble = data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"
    start = _PREAMBLE + 4 if has_preamble else 0
    if not has_preamble and data[:2] not in (b"\2\0", b"\0\2"):
        return Header(meta, False, False, _guess_syntax(data, 0), 0)
    pos = start
    if pos == size:
        raise InvalidBytes  # a preamble, and nothing else
    encoding = encoding_of(_guess_syntax(data, pos)) if size - pos >= 8 else EXPLICIT_LE
    while pos < size and data[pos : pos + 2] == (b"\0\2" if encoding.big_endian else b"\2\0"):
        tag, vr, length, value = _read_head(data, pos, encoding)
        if length == UNDEFINED_LENGTH or value + length > size:
            raise InvalidBytes
        meta.elements.setdefault(tag, Element(tag, _VRS.get(vr, "UN"), pos, value, value + length))
        pos = value + length
    raw = meta.raw(_TRANSFER_SYNTAX_UID)
    syntax = raw.strip(b" \0").decode("latin_1") if raw else _guess_syntax(data, pos)
    meta.big_endian = encoding.big_endian
    return Header(meta, bool(meta.elements), has_preamble, syntax, pos)


def _guess_syntax(data: Buffer, pos: int) -> str:
    """The transfer syntax of the element at ``pos``, as its group number and VR suggest."""
    head = data[pos : pos + 8]
    if len(head) < 8:
        return IMPLICIT_LITTLE_ENDIAN if len(data) > pos else EXPLICIT_LITTLE_ENDIAN
    explicit = head[4:6] in _VRS
    # Data sets begin with a small even group: the zero byte tells the byte order.
    if explicit and head[0] == 0 and head[1] != 0:
        return EXPLICIT_BIG_ENDIAN
    return EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN


def _read_head(data: Buffer, pos: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if implicit), length and position of the value of the element at ``pos``."""
    if encoding.explicit:
        group, number, vr, length = encoding.explicit_head.unpack_from(data, pos)
        if vr in SHORT_VRS:
            return group << 16 | number, vr, length, pos + 8
        if group != 0xFFFE:
            if has_long_length(vr):
                return group << 16 | number, vr, encoding.long_length.unpack_from(data, pos + 8)[0], pos + 12
            return group << 16 | number, b"UN", length, pos + 8
    group, number, length = encoding.implicit_head.unpack_from(data, pos)
    return group << 16 | number, b"", length, pos + 8


def inflate(data: Buffer, start: int) -> bytes:
    """The data set of a file in deflated explicit little endian (PS3.5 annex A.5), inflated.

    :raises BadFileFormat: if the stream is broken, cut off, or inflates to more than :data:`MAX_INFLATED`.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        result = inflater.decompress(data[start:], MAX_INFLATED)
    except zlib.error as exc:
        raise invalid_file(len(data)) from exc
    if not inflater.eof:
        raise invalid_file(len(data))
    return result


def parse(data: Buffer, dictionary: TagDictionary, *, whole: bool = False) -> DicomFile:
    """Parse a DICOM file up to its pixel data, included; ``whole`` goes on to the end.

    :raises BadFileFormat: if it is no DICOM file, or broken or cut off before the place where parsing stops.
    """
    header = read_header(data)
    deflated = header.transfer_syntax == DEFLATED_LITTLE_ENDIAN
    body, start = (inflate(data, header.start), 0) if deflated else (data, header.start)
    encoding = encoding_of(header.transfer_syntax)
    try:
        parser = _Parser(body, encoding, dictionary, whole)
        dataset = DataSet(body, encoding.big_endian)
        parser.read(dataset, start, len(body), encoding, 0)
    except (InvalidBytes, StructError) as exc:
        raise invalid_file(len(data)) from exc
    return DicomFile(
        header.meta,
        dataset,
        header.transfer_syntax,
        encoding,
        header.has_meta,
        dataset.elements.get(PIXEL_DATA),
        deflated,
    )


def parse_dataset(
    data: Buffer, transfer_syntax: str, dictionary: TagDictionary, *, whole: bool = False
) -> DataSet:
    """Parse a bare data set (a DIMSE identifier) in a known transfer syntax.

    :raises BadFileFormat: if it is broken.
    """
    encoding = encoding_of(transfer_syntax)
    body = inflate(data, 0) if transfer_syntax == DEFLATED_LITTLE_ENDIAN else data
    dataset = DataSet(body, encoding.big_endian)
    try:
        _Parser(body, encoding, dictionary, whole).read(dataset, 0, len(body), encoding, 0)
    except (InvalidBytes, StructError) as exc:
        raise invalid_file(len(data)) from exc
    return dataset


def parse_items(
    data: Buffer, element: Element, encoding: Encoding, dictionary: TagDictionary
) -> list[DataSet]:
    """The items of a sequence whose value lies between ``element.start`` and ``element.end``.

    :raises BadFileFormat: if they are broken.
    """
    try:
        items, _ = _Parser(data, encoding, dictionary, True).read_items(
            element.start, element.end, encoding, 1, delimited=False
        )
    except (InvalidBytes, StructError) as exc:
        raise invalid_file(len(data)) from exc
    return items


class _Parser:
    """One pass over one buffer."""

    __slots__ = ("data", "dictionary", "root", "whole")

    def __init__(self, data: Buffer, root: Encoding, dictionary: TagDictionary, whole: bool) -> None:
        self.data = data
        self.root = root
        self.dictionary = dictionary
        self.whole = whole

    def read(self, dataset: DataSet, pos: int, end: int, encoding: Encoding, depth: int) -> int:
        """Read elements into ``dataset`` up to ``end`` or an item delimiter; the position behind it."""
        if depth > MAX_DEPTH:
            raise InvalidBytes
        data, elements = self.data, dataset.elements
        while pos < end:
            tag, vr_bytes, length, start = _read_head(data, pos, encoding)
            if start > end or tag in (SEQUENCE_DELIMITER, ITEM):
                raise InvalidBytes
            if tag == ITEM_DELIMITER:
                return start
            if vr_bytes:
                vr = _VRS.get(vr_bytes, "UN")
            else:
                vr = self._implicit_vr(dataset, tag)
            element = Element(tag, vr, pos, start, start + length)
            if tag == PIXEL_DATA and depth == 0:
                elements.setdefault(tag, element)
                pos = self._read_pixels(element, length, end, encoding)
                if not self.whole:
                    return pos
                continue
            pos = self._read_value(element, length, end, encoding, depth)
            elements.setdefault(tag, element)
        return pos

    def _implicit_vr(self, dataset: DataSet, tag: int) -> str:
        vr = self.dictionary.vr(tag, dataset.creator(tag) if tag & 0x10000 else "")
        if tag in SIGNED_LIKE_PIXELS and vr == "US":
            representation = dataset.raw(_PIXEL_REPRESENTATION)
            return "SS" if representation is not None and any(representation) else "US"
        return vr

    def _read_value(self, element: Element, length: int, end: int, encoding: Encoding, depth: int) -> int:
        """Complete ``element``, whose head has been read; the position behind it."""
        if length == UNDEFINED_LENGTH:
            # The only encapsulated value is pixel data; what else has no length is a sequence, and one of VR
            # UN is in implicit little endian (PS3.5 section 6.2.2).
            inner = IMPLICIT_LE if element.vr == "UN" and encoding.explicit else encoding
            if element.tag >> 16 == PIXEL_DATA >> 16 and encoding.explicit:
                return self._read_pixels(element, length, end, encoding)
            element.vr = "SQ"
            element.items, pos = self.read_items(element.start, end, inner, depth + 1, delimited=True)
            element.end = pos
            return pos
        if element.end > end:
            raise InvalidBytes
        if element.vr == "SQ":
            self._read_sequence(element, encoding, depth)
        return element.end

    def _read_sequence(self, element: Element, encoding: Encoding, depth: int) -> None:
        start, end = element.start, element.end
        try:
            element.items, _ = self.read_items(start, end, encoding, depth + 1, delimited=False)
        except (InvalidBytes, StructError):
            if encoding.explicit or not is_private(element.tag):
                raise
            # Only the private dictionary calls it a sequence: the writer may have meant something else.
            element.vr = "UN"

    def read_items(
        self, pos: int, end: int, encoding: Encoding, depth: int, *, delimited: bool
    ) -> tuple[list[DataSet], int]:
        """The items of a sequence and the position behind it."""
        items: list[DataSet] = []
        unpack, data = encoding.implicit_head.unpack_from, self.data
        while pos < end:
            group, number, length = unpack(data, pos)
            tag, pos = group << 16 | number, pos + 8
            if tag == SEQUENCE_DELIMITER:
                return items, pos
            if tag != ITEM:
                raise InvalidBytes
            item = DataSet(data, encoding.big_endian)
            if length == UNDEFINED_LENGTH:
                pos = self.read(item, pos, end, encoding, depth)
            elif pos + length <= end:
                self.read(item, pos, pos + length, encoding, depth)
                pos += length
            else:
                raise InvalidBytes
            items.append(item)
        if delimited:
            raise InvalidBytes
        return items, pos

    def _read_pixels(self, element: Element, length: int, end: int, encoding: Encoding) -> int:
        if length != UNDEFINED_LENGTH:
            if element.end > end:
                raise InvalidBytes
            return element.end
        element.fragments, element.end = read_fragments(self.data, element.start, end, encoding)
        return element.end


def read_fragments(data: Buffer, pos: int, end: int, encoding: Encoding) -> tuple[list[tuple[int, int]], int]:
    """The fragments of encapsulated pixel data (PS3.5 annex A.4) and the position behind the delimiter."""
    fragments: list[tuple[int, int]] = []
    unpack = encoding.implicit_head.unpack_from
    while pos < end:
        group, number, length = unpack(data, pos)
        tag, pos = group << 16 | number, pos + 8
        if tag == SEQUENCE_DELIMITER:
            return fragments, pos
        if tag != ITEM or pos + length > end:
            raise InvalidBytes
        fragments.append((pos, pos + length))
        pos += length
    raise InvalidBytes
