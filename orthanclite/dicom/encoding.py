"""How data elements are laid out in bytes (PS3.5 section 7 and annex A)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
GE_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
"""Private, of GE: implicit little endian, but for the words of the pixel data."""

UNCOMPRESSED_SYNTAXES = frozenset(
    {
        IMPLICIT_LITTLE_ENDIAN,
        EXPLICIT_LITTLE_ENDIAN,
        DEFLATED_LITTLE_ENDIAN,
        EXPLICIT_BIG_ENDIAN,
        GE_BIG_ENDIAN_PIXELS,
    }
)

MAX_DEPTH = 64
"""Sequences inside sequences; real files have fewer than ten levels."""

UNDEFINED_LENGTH = 0xFFFFFFFF

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""The VRs whose explicit form has a 16-bit length (PS3.5 table 7.1-2)."""

TEXT_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
"""The VRs whose value is text."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of the three layouts of a data element, with its compiled structures."""

    explicit: bool
    big_endian: bool
    explicit_head: Struct  # group, element, VR, 16-bit length
    implicit_head: Struct  # group, element, 32-bit length
    long_length: Struct

    @staticmethod
    def make(explicit: bool, big_endian: bool) -> Encoding:
        order = ">" if big_endian else "<"
        return Encoding(
            explicit, big_endian, Struct(order + "HH2sH"), Struct(order + "HHI"), Struct(order + "I")
        )


EXPLICIT_LE = Encoding.make(explicit=True, big_endian=False)
IMPLICIT_LE = Encoding.make(explicit=False, big_endian=False)
EXPLICIT_BE = Encoding.make(explicit=True, big_endian=True)


def encoding_of(transfer_syntax: str) -> Encoding:
    """The layout under a transfer syntax; encapsulated and unknown ones are explicit little endian."""
    if transfer_syntax in (IMPLICIT_LITTLE_ENDIAN, GE_BIG_ENDIAN_PIXELS):
        return IMPLICIT_LE
    return EXPLICIT_BE if transfer_syntax == EXPLICIT_BIG_ENDIAN else EXPLICIT_LE


def has_big_endian_pixels(transfer_syntax: str, bits_allocated: int) -> bool:
    """Whether the words of native pixel data (VR OW) are in big endian; GE writes single bytes in order."""
    if transfer_syntax == GE_BIG_ENDIAN_PIXELS:
        return bits_allocated > 8
    return transfer_syntax == EXPLICIT_BIG_ENDIAN


def has_long_length(vr: bytes) -> bool:
    """Whether the explicit form of ``vr`` has two reserved bytes and a 32-bit length.

    A VR unknown today is laid out so (PS3.5 section 7.1.2); two bytes that are no capital letters come from
    broken writers, which use the short form.
    """
    return vr not in SHORT_VRS and vr.isalpha() and vr.isupper()
