"""The fastest way over a data set: positions of a few wanted elements, everything else walked over."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from struct import error as StructError

from orthanclite.core.buffers import Buffer
from orthanclite.core.main_tags import PIXEL_DATA
from orthanclite.dicom.encoding import (
    IMPLICIT_LE,
    ITEM,
    ITEM_DELIMITER,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Encoding,
    has_long_length,
)
from orthanclite.dicom.reading.header import InvalidBytes
from orthanclite.dicom.reading.parser import MAX_DEPTH, read_fragments

_PIXEL_GROUP = 0x7FE0


@dataclass(slots=True)
class Found:
    """Where the wanted elements are."""

    positions: dict[int, tuple[bytes, int, int]] = field(default_factory=dict)
    """VR (empty in implicit VR), start and end of the value."""
    pixel_data: int = -1  # position of the tag (7fe0,0010), or -1
    pixel_vr: bytes = b""
    encapsulated: bool = False


def scan(
    data: Buffer, pos: int, encoding: Encoding, wanted: Container[int], sequences: Container[int]
) -> Found:
    """Walk over the data set that begins at ``pos`` and ends with ``data``.

    ``sequences`` tells which tags are sequences in implicit VR.

    :raises InvalidBytes: if the data set is broken or cut off anywhere.
    """
    scanner = _Scanner(data, sequences)
    try:
        if encoding.explicit:
            scanner.top_explicit(pos, encoding, wanted)
        else:
            scanner.top_implicit(pos, encoding, wanted)
    except StructError as exc:
        raise InvalidBytes from exc
    return scanner.found


class _Scanner:
    __slots__ = ("data", "found", "sequences")

    def __init__(self, data: Buffer, sequences: Container[int]) -> None:
        self.data = data
        self.sequences = sequences
        self.found = Found()

    def top_explicit(self, pos: int, encoding: Encoding, wanted: Container[int]) -> None:
        data, end, positions = self.data, len(self.data), self.found.positions
        unpack, short = encoding.explicit_head.unpack_from, SHORT_VRS
        while pos < end:
            group, number, vr, length = unpack(data, pos)
            tag = group << 16 | number
            if vr in short:
                start = pos + 8
                after = start + length
            elif group == 0xFFFE:
                _check_end(tag)
                return
            elif tag == PIXEL_DATA:
                start, after = self._pixels(pos, vr, length, encoding)
            else:
                start, after = self._other(pos, tag, vr, length, encoding)
            if tag in wanted and tag not in positions:
                positions[tag] = (vr, start, after)
            pos = after
        if pos != end:
            raise InvalidBytes

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
            return start, read_fragments(self.data, start, len(self.data), encoding)[1]
        return start, start + length

    def top_implicit(self, pos: int, encoding: Encoding, wanted: Container[int]) -> None:
        data, end, positions = self.data, len(self.data), self.found.positions
        unpack, sequences = encoding.implicit_head.unpack_from, self.sequences
        while pos < end:
            group, number, length = unpack(data, pos)
            tag = group << 16 | number
            start = pos + 8
            if tag in sequences or length == UNDEFINED_LENGTH or tag == PIXEL_DATA:
                if group == 0xFFFE:
                    raise InvalidBytes
                if tag == PIXEL_DATA:
                    start, after = self._pixels(pos, b"", length, encoding)
                else:
                    after = self._skip(start, True, False, length, end, encoding, 0)
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
        while pos < end:
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
                    if group == _PIXEL_GROUP and length == UNDEFINED_LENGTH:
                        pos = read_fragments(data, start, end, encoding)[1]
                        continue
                    pos = self._skip(start, is_sequence, is_unknown, length, end, encoding, depth)
                    continue
            group, number, length = unpack_implicit(data, pos)
            tag, start = group << 16 | number, pos + 8
            if group == 0xFFFE:
                _check_end(tag)
                return start
            pos = self._skip(start, tag in sequences, False, length, end, encoding, depth)
        if pos != end:
            raise InvalidBytes
        return pos


def _check_end(tag: int) -> None:
    """A stray item delimiter ends a data set; any other delimiter is an error."""
    if tag != ITEM_DELIMITER:
        raise InvalidBytes
