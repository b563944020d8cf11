"""A parser of DICOM files that keeps positions instead of values.

An :class:`Element` says where its value lies in the buffer, bytes or a memory map: parsing a file
of any size costs memory for its elements only. Whatever the bytes are, the only error is
:class:`~orthanclite.core.errors.BadFileFormat`.
"""

from __future__ import annotations

from struct import error as StructError

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.dictionary import SIGNED_LIKE_PIXELS, TagDictionary, is_private
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    GE_BIG_ENDIAN_PIXELS,
    IMPLICIT_LE,
    ITEM,
    ITEM_DELIMITER,
    MAX_DEPTH,
    SEQUENCE_DELIMITER,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
    has_big_endian_pixels,
)
from orthanclite.dicom.reading.dataset import DataSet, DicomFile, Element
from orthanclite.dicom.reading.header import (
    KNOWN_VRS,
    InvalidBytes,
    invalid_file,
    read_head,
    read_header,
)
from orthanclite.dicom.reading.inflation import inflate

MAX_PARSED = 2_000_000
"""Elements, items and fragments of one file: each is an object of some hundred bytes here."""
_BITS_ALLOCATED = 0x00280100
_PIXEL_REPRESENTATION = 0x00280103


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
    except TooManyElements as exc:
        raise BadFileFormat(f"A DICOM file of more than {MAX_PARSED} elements cannot be shown") from exc
    if header.transfer_syntax == GE_BIG_ENDIAN_PIXELS:
        bits = int.from_bytes(dataset.raw(_BITS_ALLOCATED) or b"", "little")
        dataset.big_endian_pixels = has_big_endian_pixels(header.transfer_syntax, bits)
    return DicomFile(
        header.meta,
        dataset,
        header.transfer_syntax,
        encoding,
        header.has_meta,
        dataset.elements.get(PIXEL_DATA),
        deflated,
    )


def parse_whole(data: Buffer, dictionary: TagDictionary) -> DicomFile:
    """A whole DICOM file, without what may stand behind its pixel data and is none of it.

    :raises BadFileFormat: as :func:`parse`
    """
    try:
        return parse(data, dictionary, whole=True)
    except BadFileFormat:
        return parse(data, dictionary)


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
    except TooManyElements as exc:
        raise BadFileFormat(f"A DICOM file of more than {MAX_PARSED} elements cannot be shown") from exc
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
    except TooManyElements as exc:
        raise BadFileFormat(f"A DICOM file of more than {MAX_PARSED} elements cannot be shown") from exc
    return items


class _Parser:
    """One pass over one buffer."""

    __slots__ = ("data", "dictionary", "left", "root", "whole")

    def __init__(self, data: Buffer, root: Encoding, dictionary: TagDictionary, whole: bool) -> None:
        self.data = data
        self.root = root
        self.dictionary = dictionary
        self.whole = whole
        self.left = MAX_PARSED

    def count(self) -> None:
        """:raises TooManyElements: where this element or item is one too many"""
        self.left -= 1
        if self.left < 0:
            raise TooManyElements

    def read(self, dataset: DataSet, pos: int, end: int, encoding: Encoding, depth: int) -> int:
        """Read elements into ``dataset`` up to ``end`` or an item delimiter; the position behind it."""
        if depth > MAX_DEPTH:
            raise InvalidBytes
        data, elements = self.data, dataset.elements
        while pos < end:
            self.count()
            tag, vr_bytes, length, start = read_head(data, pos, encoding)
            if start > end or tag in (SEQUENCE_DELIMITER, ITEM):
                raise InvalidBytes
            if tag == ITEM_DELIMITER:
                return start
            if vr_bytes:
                vr = KNOWN_VRS.get(vr_bytes, "UN")
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
            self.count()
            item = DataSet(data, encoding.big_endian, start=pos)
            if length == UNDEFINED_LENGTH:
                pos = self.read(item, pos, end, encoding, depth)
            elif pos + length <= end:
                self.read(item, pos, pos + length, encoding, depth)
                pos += length
            else:
                raise InvalidBytes
            item.end = pos
            items.append(item)
        if delimited:
            raise InvalidBytes
        return items, pos

    def _read_pixels(self, element: Element, length: int, end: int, encoding: Encoding) -> int:
        if length != UNDEFINED_LENGTH:
            if element.end > end:
                raise InvalidBytes
            return element.end
        element.fragments, element.end = read_fragments(self.data, element.start, end, encoding, MAX_PARSED)
        return element.end


class TooManyElements(Exception):
    """There are more elements than are walked over."""


def read_fragments(
    data: Buffer, pos: int, end: int, encoding: Encoding, limit: int | None = None
) -> tuple[list[tuple[int, int]], int]:
    """The fragments of encapsulated pixel data (PS3.5 annex A.4) and the position behind the delimiter.

    :raises InvalidBytes: where they are broken
    :raises TooManyElements: where there are more than ``limit``
    """
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
        if len(fragments) == limit:
            raise TooManyElements
        pos += length
    raise InvalidBytes
