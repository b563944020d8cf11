"""Writes small DICOM files byte by byte, so that tests do not depend on a library's idea of validity."""

from __future__ import annotations

import struct
import zlib

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"

_LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}


def element(tag: int, vr: str, value: bytes, syntax: str = EXPLICIT_LE, length: int | None = None) -> bytes:
    """One data element; ``length`` forges the length field."""
    order = ">" if syntax == EXPLICIT_BE else "<"
    group, number = tag >> 16, tag & 0xFFFF
    size = len(value) if length is None else length
    if syntax == IMPLICIT_LE:
        return struct.pack(order + "HHI", group, number, size) + value
    if vr in _LONG:
        return struct.pack(order + "HH2sHI", group, number, vr.encode(), 0, size) + value
    return struct.pack(order + "HH2sH", group, number, vr.encode(), size) + value


def item(content: bytes, syntax: str = EXPLICIT_LE, *, undefined: bool = False) -> bytes:
    """An item of a sequence."""
    order = ">" if syntax == EXPLICIT_BE else "<"
    if undefined:
        head = struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        return head + content + struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, len(content)) + content


def sequence_delimiter(syntax: str = EXPLICIT_LE) -> bytes:
    return struct.pack((">" if syntax == EXPLICIT_BE else "<") + "HHI", 0xFFFE, 0xE0DD, 0)


def undefined_fragments(*fragments: bytes) -> bytes:
    """Encapsulated pixel data."""
    content = b"".join(item(fragment) for fragment in fragments)
    return element(0x7FE00010, "OB", content, length=0xFFFFFFFF) + sequence_delimiter()


def minimal(syntax: str = EXPLICIT_LE, extra: dict[int, bytes] | None = None) -> bytes:
    """A data set with its identifiers, and ``extra`` encoded elements by tag."""
    values = {
        0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        0x00080018: ("UI", b"1.2.3.4\0"),
        0x00100020: ("LO", b"ID"),
        0x0020000D: ("UI", b"1.2.3\0"),
        0x0020000E: ("UI", b"1.2.3.5\0"),
    }
    encoded = {tag: element(tag, vr, value, syntax) for tag, (vr, value) in values.items()}
    return b"".join(value for _, value in sorted((encoded | (extra or {})).items()))


def file_of(dataset: bytes, syntax: str = EXPLICIT_LE) -> bytes:
    """A file with preamble and file meta information around an encoded data set."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = element(0x00020001, "OB", b"\0\1") + element(0x00020010, "UI", uid)
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + dataset


def deflate(dataset: bytes) -> bytes:
    """A file in deflated explicit little endian."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return file_of(deflater.compress(dataset) + deflater.flush(), DEFLATED_LE)
