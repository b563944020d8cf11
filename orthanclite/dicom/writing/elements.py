"""Writing data elements in explicit VR little endian, and the head of a DICOM file (PS3.5 section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from orthanclite import __version__
from orthanclite.dicom.encoding import ITEM, SHORT_VRS, UNDEFINED_LENGTH

IMPLEMENTATION_CLASS_UID = "2.25.283420918573468159211739210658214709541"
"""Of the files that this software creates, whatever its version."""

IMPLEMENTATION_VERSION = "ORTHANCLITE_" + ".".join(__version__.split(".")[:2])
"""At most 16 characters (VR SH)."""

_SHORT = Struct("<HH2sH")
_LONG = Struct("<HH2sHI")
_ITEM = Struct("<HHI")

_NUL_PADDED = frozenset({"UI", "OB", "UN", "OW", "OD", "OF", "OL", "OV"})


def pad(value: bytes, vr: str) -> bytes:
    """``value`` at an even length, as every value has."""
    if len(value) % 2 == 0:
        return value
    return value + (b"\0" if vr in _NUL_PADDED else b" ")


def element(tag: int, vr: str, value: bytes) -> bytes:
    """A data element of known length; ``value`` is padded.

    A value too long for the short form of its VR is written as UN (PS3.5 section 6.2.2).
    """
    value = pad(value, vr)
    code = vr.encode("ascii")
    if code in SHORT_VRS:
        if len(value) <= 0xFFFF:
            return _SHORT.pack(tag >> 16, tag & 0xFFFF, code, len(value)) + value
        code = b"UN"
    return _LONG.pack(tag >> 16, tag & 0xFFFF, code, 0, len(value)) + value


def item(content: bytes) -> bytes:
    """An item of a sequence, of known length."""
    return _ITEM.pack(ITEM >> 16, ITEM & 0xFFFF, len(content)) + content


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """A sequence of known length; ``items`` are encoded data sets."""
    return element(tag, "SQ", b"".join(map(item, items)))


def encapsulated(tag: int, fragments: Iterable[bytes]) -> bytes:
    """Pixel data of undefined length (PS3.5 annex A.4): an empty offset table, then the fragments."""
    parts = [_LONG.pack(tag >> 16, tag & 0xFFFF, b"OB", 0, UNDEFINED_LENGTH), item(b"")]
    parts += [item(pad(fragment, "OB")) for fragment in fragments]
    parts.append(_ITEM.pack(0xFFFE, 0xE0DD, 0))
    return b"".join(parts)


def file_head(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """The preamble and the file meta information (PS3.10 section 7.1)."""
    meta = b"".join(
        (
            element(0x00020001, "OB", b"\0\1"),
            element(0x00020002, "UI", sop_class.encode("ascii", "ignore")),
            element(0x00020003, "UI", sop_instance.encode("ascii", "ignore")),
            element(0x00020010, "UI", transfer_syntax.encode("ascii")),
            element(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            element(0x00020013, "SH", IMPLEMENTATION_VERSION.encode("ascii")),
        )
    )
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", len(meta).to_bytes(4, "little")) + meta
