"""The text that the REST API shows for one stored value."""

from __future__ import annotations

from struct import unpack

from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.encoding import TEXT_VRS

MAX_TEXT = 256
"""Bytes; longer values are shown as ``TooLong`` and are not kept as main tags."""

_NUMBERS: dict[str, tuple[str, int, str]] = {
    "US": ("H", 2, "%d"),
    "SS": ("h", 2, "%d"),
    "UL": ("I", 4, "%d"),
    "SL": ("i", 4, "%d"),
    "UV": ("Q", 8, "%d"),
    "SV": ("q", 8, "%d"),
    "OL": ("I", 4, "%d"),
    # Digits enough to restore the value; the reference shows FL with the digits of a double, OF with its own.
    "FL": ("f", 4, "%.17g"),
    "OF": ("f", 4, "%.9g"),
    "FD": ("d", 8, "%.17g"),
    "OD": ("d", 8, "%.17g"),
}

SURELY_SHORT = MAX_TEXT // 4
"""Bytes that no character set turns into more than :data:`MAX_TEXT` bytes of UTF-8."""

_LONGEST_DECODED = 65536
"""Bytes of text above which a value is too long without a look at it."""

_WHITE_SPACE = b" \t\n\r\v\f"

BINARY_VRS = frozenset({"OB", "OW", "OV", "UN"})
"""The VRs that have no text."""


def text_value(raw: bytes, vr: str, big_endian: bool, charset: Charset) -> str | None:
    r"""The value as text, ``\`` between several; None for what is binary, or too short for its VR.

    Text is that of :func:`decode_text`.
    """
    if vr in TEXT_VRS:
        return decode_text(raw, vr, charset)
    number = _NUMBERS.get(vr)
    if number is not None:
        code, size, form = number
        count = len(raw) // size
        if count == 0:
            return None
        values = unpack(f"{'>' if big_endian else '<'}{count}{code}", raw[: count * size])
        return "\\".join([form % value for value in values])
    if vr == "AT":
        count = len(raw) // 4
        if count == 0:
            return None
        halves = unpack(f"{'>' if big_endian else '<'}{2 * count}H", raw[: 4 * count])
        return "\\".join([f"{halves[i]:04x},{halves[i + 1]:04x}" for i in range(0, 2 * count, 2)])
    return None


def decode_text(raw: bytes, vr: str, charset: Charset) -> str:
    """A value of a text VR, in Unicode: without its trailing spaces, and up to its first NUL.

    As in the reference, whose identifiers hash this text: leading spaces and other white space stay, but in
    UIDs, which have none; so do spaces at the end of an odd length (against the standard) or before a NUL.
    """
    if vr == "UI":
        raw = raw.rstrip(b"\0").translate(None, _WHITE_SPACE)
    elif not len(raw) & 1:
        raw = raw.rstrip(b" ")
    if b"\0" in raw:
        raw = raw[: raw.index(b"\0")]
    if raw.isascii() and b"\x1b" not in raw:  # nearly always
        return raw.decode("ascii")
    return charset.decode(raw, vr)


def is_too_long(text: str) -> bool:
    """Whether ``text`` takes more than :data:`MAX_TEXT` bytes in UTF-8."""
    return len(text) > MAX_TEXT or (4 * len(text) > MAX_TEXT and len(text.encode()) > MAX_TEXT)


def is_surely_too_long(length: int, vr: str) -> bool:
    """Whether a value of ``length`` bytes need not be decoded to know that it is too long."""
    number = _NUMBERS.get(vr)
    return length > (_LONGEST_DECODED if number is None else MAX_TEXT * number[1])
