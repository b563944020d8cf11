"""What stands before the data set in a file (PS3.10 section 7.1), and a first look into the data set."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from orthanclite.dicom.encoding import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_LE,
    Encoding,
    encoding_of,
    has_long_length,
)
from orthanclite.dicom.writing.elements import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHI")
_SHORT_HEAD = struct.Struct("<HH2sH")
_VERSION = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, 2) + b"\x00\x01"


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> bytes:
    """Preamble and file meta information for a data set in ``transfer_syntax``."""
    meta = b"".join(
        (
            _VERSION,
            _uid_element(0x0002, sop_class_uid),
            _uid_element(0x0003, sop_instance_uid),
            _uid_element(0x0010, transfer_syntax),
            _OWN_ELEMENTS,
        )
    )
    return _PREAMBLE + _GROUP_LENGTH.pack(0x0002, 0x0000, b"UL", 4, len(meta)) + meta


def _element(number: int, vr: bytes, value: str, padding: bytes) -> bytes:
    raw = value.encode("ascii")
    raw += padding * (len(raw) % 2)
    return _SHORT_HEAD.pack(0x0002, number, vr, len(raw)) + raw


def _uid_element(number: int, uid: str) -> bytes:
    return _element(number, b"UI", uid, b"\0")


_OWN_ELEMENTS = _uid_element(0x0012, IMPLEMENTATION_CLASS_UID) + _element(
    0x0013, b"SH", IMPLEMENTATION_VERSION, b" "
)


@dataclass(frozen=True, slots=True)
class SopIdentity:
    """SOP class and instance as the data set itself states them; None for what was not found."""

    class_uid: str | None = None
    instance_uid: str | None = None
    conclusive: bool = False  # the elements looked at reach beyond (0008,0018)


def sop_identity(head: bytes, transfer_syntax: str) -> SopIdentity:
    """Read the beginning of a data set up to its SOPInstanceUID.

    What cannot be read is left to the parser of the whole file: the answer is then not conclusive.
    """
    if transfer_syntax == DEFLATED_LITTLE_ENDIAN:
        try:
            head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, 65536)
        except zlib.error:
            return SopIdentity()
    encoding = EXPLICIT_LE if transfer_syntax == DEFLATED_LITTLE_ENDIAN else encoding_of(transfer_syntax)
    found: dict[int, str] = {}
    pos = 0
    while pos + 12 <= len(head):
        tag, start, length = _read_head(head, pos, encoding)
        if tag > _SOP_INSTANCE_UID:
            return SopIdentity(found.get(_SOP_CLASS_UID), found.get(_SOP_INSTANCE_UID), conclusive=True)
        if start + length > len(head):
            break
        if tag in (_SOP_CLASS_UID, _SOP_INSTANCE_UID):
            found[tag] = head[start : start + length].decode("ascii", "replace").strip("\0 ")
        pos = start + length
    return SopIdentity(found.get(_SOP_CLASS_UID), found.get(_SOP_INSTANCE_UID))


def _read_head(head: bytes, pos: int, encoding: Encoding) -> tuple[int, int, int]:
    """Tag, start of the value and its length."""
    if not encoding.explicit:
        group, number, length = encoding.implicit_head.unpack_from(head, pos)
        return group << 16 | number, pos + 8, length
    group, number, vr, length = encoding.explicit_head.unpack_from(head, pos)
    start = pos + 8
    if has_long_length(vr):
        length, start = encoding.long_length.unpack_from(head, start)[0], pos + 12
    return group << 16 | number, start, length
