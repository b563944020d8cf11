"""The fastest way over a data set: positions of a few wanted elements, everything else walked over."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from struct import error as StructError

from orthanclite.core.machine.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    IMPLICIT_LE,
    ITEM,
    ITEM_DELIMITER,
    MAX_DEPTH,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
    has_long_length,
)
from orthanclite.dicom.reading.header import InvalidBytes, read_head, read_header
from orthanclite.dicom.reading.parser import TooManyElements, read_fragments

_PIXEL_GROUP = 0x7FE0


@dataclass(slots=True)
class Found:
    """Where the wanted elements are."""

    positions: dict[int, tuple[bytes, int, int]] = field(default_factory=dict)
    """VR (empty in implicit VR), start and end of the value."""
    pixel_data: int = -1  # position of the tag (7fe0,0010), or -1
    pixel_vr: bytes = b""
    encapsulated: bool = False


MAX_ELEMENTS = 10_000_000
"""Elements and items that are walked over in one file: seconds of work."""


def scan(
    data: Buffer,
    pos: int,
    encoding: Encoding,
    wanted: Container[int],
    sequences: Container[int],
    limit: int = MAX_ELEMENTS,
) -> Found:
    """Walk over the data set that begins at ``pos`` and ends with ``data``.

    :param sequences: tells which tags are sequences in implicit VR
    :param limit: elements and items, at all levels together, that are walked over
    :raises InvalidBytes: if the data set is broken or cut off anywhere
    :raises TooManyElements: beyond the limit
    """
    scanner = _Scanner(data, sequences, limit)
    try:
        if encoding.explicit:
            scanner.top_explicit(pos, encoding, wanted)
        else:
            scanner.top_implicit(pos, encoding, wanted)
    except StructError as exc:
        raise InvalidBytes from exc
    return scanner.found


PADDING = b"\0\xff "
"""What some senders append to a data set: no element can begin with eight of these bytes."""

_PADDING_LIMIT = 200_000
"""Elements and items that are walked over to find padding: less than a second of work."""


def padding_start(data: Buffer, sequences: Container[int]) -> int | None:
    """Where a file has nothing but padding left behind its last element; None where it is not so.

    :param sequences: tells which tags are sequences in implicit VR
    :raises BadFileFormat: if the file begins with no DICOM
    """
    if not data[-1:].strip(PADDING):
        header = read_header(data)
        if header.transfer_syntax != DEFLATED_LITTLE_ENDIAN:
            scanner = _Scanner(data, sequences, _PADDING_LIMIT)
            try:
                return scanner.padding_start(header.start, encoding_of(header.transfer_syntax))
            except (InvalidBytes, StructError, TooManyElements):
                pass  # broken in another way
    return None


def _is_padding(data: Buffer, pos: int) -> bool:
    """Whether nothing but padding follows; ``data`` may be large, and most often it is seen at once."""
    step = 8
    while pos < len(data):
        if data[pos : pos + step].strip(PADDING):
            return False
        pos, step = pos + step, 1 << 20
    return True


class _Scanner:
    __slots__ = ("data", "found", "left", "sequences")

    def __init__(self, data: Buffer, sequences: Container[int], limit: int) -> None:
        self.data = data
        self.left = limit  # elements and items that may still come; each loop counts in a variable of its own
        self.sequences = sequences
        self.found = Found()

    def top_explicit(self, pos: int, encoding: Encoding, wanted: Container[int]) -> None:
        data, end, positions = self.data, len(self.data), self.found.positions
        unpack, short = encoding.explicit_head.unpack_from, SHORT_VRS
        left = self.left
        while pos < end:
            if not left:
                raise TooManyElements
            left -= 1
            group, number, vr, length = unpack(data, pos)
            tag = group << 16 | number
            if vr in short:
                start = pos + 8
                after = start + length
            elif group == 0xFFFE:
                _check_end(tag)
                return
            else:
                self.left = left
                if tag == PIXEL_DATA:
                    start, after = self._pixels(pos, vr, length, encoding)
                else:
                    start, after = self._other(pos, tag, vr, length, encoding)
                left = self.left
            if tag in wanted and tag not in positions:
                positions[tag] = (vr, start, after)
            pos = after
        if pos != end:
            raise InvalidBytes

    def padding_start(self, begin: int, encoding: Encoding) -> int | None:
        """See :func:`padding_start`."""
        data, end, pos = self.data, len(self.data), begin
        while pos < end:
            if _is_padding(data, pos):
                return pos if pos > begin else None
            if not self.left:
                raise TooManyElements
            self.left -= 1
            tag, vr, length, start = read_head(data, pos, encoding)
            if tag == PIXEL_DATA:
                _, pos = self._pixels(pos, vr, length, encoding)
            else:
                is_sequence = vr == b"SQ" or (not vr and tag in self.sequences)
                pos = self._skip(start, is_sequence, vr == b"UN", length, end, encoding, 0)
        return None

    def _other(self, pos: int, tag: int, vr: bytes, length: int, encoding: Encoding) -> tuple[int, int]:
        """Start and end of a value whose head is long, or of no known VR."""
        if not has_long_length(vr):
            return pos + 8, pos + 8 + length
        start = pos + 12
        length = encoding.long_length.unpack_from(self.data, pos + 8)[0]
        return start, self._skip(start, vr == b"SQ", vr == b"UN", length, len(self.data), encoding, 0)

    def _pixels(self, pos: int, vr: bytes, length: int, encoding: Encoding) -> tuple[int, int]:
        found = self.found
        start = pos + 8
        if encoding.explicit and has_long_length(vr):
            start = pos + 12
            length = encoding.long_length.unpack_from(self.data, pos + 8)[0]
        encapsulated = length == UNDEFINED_LENGTH
        if found.pixel_data < 0:
            found.pixel_data, found.pixel_vr, found.encapsulated = pos, vr, encapsulated
        if encapsulated:
            return start, self._fragments(start, len(self.data), encoding)
        return start, start + length

    def _fragments(self, start: int, end: int, encoding: Encoding) -> int:
        """The position behind encapsulated pixel data."""
        fragments, after = read_fragments(self.data, start, end, encoding, self.left)
        self.left -= len(fragments)
        return after

    def top_implicit(self, pos: int, encoding: Encoding, wanted: Container[int]) -> None:
        data, end, positions = self.data, len(self.data), self.found.positions
        unpack, sequences = encoding.implicit_head.unpack_from, self.sequences
        left = self.left
        while pos < end:
            if not left:
                raise TooManyElements
            left -= 1
            group, number, length = unpack(data, pos)
            tag = group << 16 | number
            start = pos + 8
            if tag in sequences or length == UNDEFINED_LENGTH or tag == PIXEL_DATA:
                if group == 0xFFFE:
                    raise InvalidBytes
                self.left = left
                if tag == PIXEL_DATA:
                    start, after = self._pixels(pos, b"", length, encoding)
                else:
                    after = self._skip(start, True, False, length, end, encoding, 0)
                left = self.left
            elif group == 0xFFFE:
                _check_end(tag)
                return
            else:
                after = start + length
            if tag in wanted and tag not in positions:
                positions[tag] = (b"", start, after)
            pos = after
        if pos != end:
            raise InvalidBytes

    def _skip(
        self,
        start: int,
        is_sequence: bool,
        is_unknown: bool,
        length: int,
        end: int,
        encoding: Encoding,
        depth: int,
    ) -> int:
        """The position behind a value, having walked over its items."""
        if length == UNDEFINED_LENGTH:
            # A value of VR UN without length is a sequence in implicit little endian (PS3.5 section 6.2.2).
            return self._items(start, end, IMPLICIT_LE if is_unknown else encoding, depth + 1, delimited=True)
        after = start + length
        if is_sequence:
            if after > end:
                raise InvalidBytes
            self._items(start, after, encoding, depth + 1, delimited=False)
        return after

    def _items(self, pos: int, end: int, encoding: Encoding, depth: int, *, delimited: bool) -> int:
        if depth > MAX_DEPTH:
            raise InvalidBytes
        unpack, data = encoding.implicit_head.unpack_from, self.data
        while pos < end:
            group, number, length = unpack(data, pos)
            tag, pos = group << 16 | number, pos + 8
            if tag == SEQUENCE_DELIMITER:
                return pos
            if tag != ITEM:
                raise InvalidBytes
            if not self.left:
                raise TooManyElements
            self.left -= 1
            if length == UNDEFINED_LENGTH:
                pos = self._elements(pos, end, encoding, depth)
            else:
                if pos + length > end:
                    raise InvalidBytes
                self._elements(pos, pos + length, encoding, depth)
                pos += length
        if delimited or pos != end:
            raise InvalidBytes
        return pos

    def _elements(self, pos: int, end: int, encoding: Encoding, depth: int) -> int:
        """Walk over the elements of an item; the position behind its delimiter, or ``end``."""
        data, sequences, short = self.data, self.sequences, SHORT_VRS
        explicit, unpack = encoding.explicit, encoding.explicit_head.unpack_from
        unpack_implicit, unpack_length = encoding.implicit_head.unpack_from, encoding.long_length.unpack_from
        left = self.left
        while pos < end:
            if not left:
                raise TooManyElements
            left -= 1
            is_unknown = False
            if explicit:
                group, number, vr, length = unpack(data, pos)
                if vr in short:
                    pos += 8 + length
                    continue
                if group != 0xFFFE:
                    start = pos + 8
                    is_sequence = vr == b"SQ"
                    is_unknown = vr == b"UN"
                    if has_long_length(vr):
                        length = unpack_length(data, start)[0]
                        start += 4
                    self.left = left
                    if group == _PIXEL_GROUP and length == UNDEFINED_LENGTH:
                        pos = self._fragments(start, end, encoding)
                    else:
                        pos = self._skip(start, is_sequence, is_unknown, length, end, encoding, depth)
                    left = self.left
                    continue
            group, number, length = unpack_implicit(data, pos)
            tag, start = group << 16 | number, pos + 8
            if group == 0xFFFE:
                _check_end(tag)
                self.left = left
                return start
            self.left = left
            pos = self._skip(start, tag in sequences, False, length, end, encoding, depth)
            left = self.left
        if pos != end:
            raise InvalidBytes
        self.left = left
        return pos


def _check_end(tag: int) -> None:
    """A stray item delimiter ends a data set; any other delimiter is an error."""
    if tag != ITEM_DELIMITER:
        raise InvalidBytes
