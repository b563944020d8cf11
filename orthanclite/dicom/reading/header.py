"""What precedes a data set: the preamble, the file meta information, and how the rest is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from struct import error as StructError
from typing import Literal

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.machine.buffers import Buffer
from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    SHORT_VRS,
    UNDEFINED_LENGTH,
    Encoding,
    encoding_of,
    has_long_length,
)
from orthanclite.dicom.reading.dataset import DataSet, Element

_GROUP_LENGTH = 0x00020000
_TRANSFER_SYNTAX_UID = 0x00020010
_PREAMBLE = 128

KNOWN_VRS = {vr: vr.decode() for vr in SHORT_VRS} | {
    vr: vr.decode() for vr in b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()
}
"""The value representations as they are in a file, as text."""


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
    if start == size:
        raise InvalidBytes  # a preamble, and nothing else
    pos = _read_meta(meta, start)
    raw = meta.raw(_TRANSFER_SYNTAX_UID)
    syntax = raw.strip(b" \0").decode("latin_1") if raw else _guess_syntax(data, pos)
    return Header(meta, bool(meta.elements), has_preamble, syntax, pos)


def _read_meta(meta: DataSet, pos: int) -> int:
    """Read the elements of group 2 from ``pos`` on; the position of the data set.

    The data set may have elements of this group, too: it begins where their order does anew, or at the end
    that the group length tells, which is often wrong and hence only believed behind the transfer syntax.
    """
    data, elements, size = meta.data, meta.elements, len(meta.data)
    encoding = encoding_of(_guess_syntax(data, pos)) if size - pos >= 8 else EXPLICIT_LE
    meta.big_endian = encoding.big_endian
    group = b"\0\2" if encoding.big_endian else b"\2\0"
    last, told_end = -1, -1
    while pos < size and data[pos : pos + 2] == group:
        if pos == told_end and _TRANSFER_SYNTAX_UID in elements:
            break
        tag, vr, length, value = read_head(data, pos, encoding)
        if tag <= last:
            break
        if length == UNDEFINED_LENGTH or value + length > size:
            raise InvalidBytes
        elements[tag] = Element(tag, KNOWN_VRS.get(vr, "UN"), pos, value, value + length)
        last, pos = tag, value + length
        if tag == _GROUP_LENGTH and length == 4:
            order: Literal["little", "big"] = "big" if encoding.big_endian else "little"
            told_end = pos + int.from_bytes(data[value:pos], order)
    return pos


def _guess_syntax(data: Buffer, pos: int) -> str:
    """The transfer syntax of the element at ``pos``, as its group number and VR suggest."""
    head = data[pos : pos + 8]
    if len(head) < 8:
        return IMPLICIT_LITTLE_ENDIAN if len(data) > pos else EXPLICIT_LITTLE_ENDIAN
    explicit = head[4:6] in KNOWN_VRS
    # Data sets begin with a small even group: the zero byte tells the byte order.
    if explicit and head[0] == 0 and head[1] != 0:
        return EXPLICIT_BIG_ENDIAN
    return EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN


def read_head(data: Buffer, pos: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
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
