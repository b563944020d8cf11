"""Values that say nothing, moved dates, and texts of which only allowed words are left (PS3.15 annex E)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from orthanclite.dicom.edit.profiles import rows

ANONYMIZED = b"ANONYMIZED"

_DUMMIES = {
    "AS": b"000Y",
    "DA": b"19000101",
    "DS": b"0",
    "DT": b"19000101000000",
    "IS": b"0",
    "PN": b"Anonymized",
    "TM": b"000000",
    "UR": b"https://anonymized.invalid",
}
_BINARY = {"FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8, "AT": 4}
"""VRs of numbers, with the bytes of one."""

TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"})
"""The VRs of which words can be taken."""
_SINGLE_TEXTS = frozenset({"LT", "ST", "UT"})
DATE_VRS = frozenset({"DA", "DT"})

_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(\d{4})(?:\.(\d{2})\.(\d{2})|(\d{2})(\d{2})?)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """How the texts and the dates of a patient are cleaned."""

    words: frozenset[str] = frozenset()
    """The words that may stay, folded as :func:`words_of` does."""
    days: int = 0
    """By how many days the dates are moved."""


def words_of(text: str) -> Iterable[str]:
    """The words of a text, as they are compared."""
    return map(str.casefold, _WORD.findall(text))


def cleaned(text: str, vr: str, allowed: frozenset[str], forbidden: frozenset[str]) -> str:
    """``text`` without the words that are not allowed, or that are forbidden; empty where none is left."""

    def clean(part: str) -> str:
        words = (
            word
            for word in _WORD.findall(part)
            if (folded := word.casefold()) in allowed and folded not in forbidden
        )
        return " ".join(words)

    if vr in _SINGLE_TEXTS:
        return clean(text)
    parts = [clean(part) for part in text.split("\\")]
    return "\\".join(parts) if any(parts) else ""


def dummy(vr: str, length: int) -> bytes:
    """A value that says nothing; as many numbers as there were where they are binary.

    :param length: bytes of the present value
    """
    if vr in _BINARY:
        return b"\0" * max(length - length % _BINARY[vr], _BINARY[vr])
    return _DUMMIES.get(vr) or (ANONYMIZED if vr in TEXT_VRS else b"\0\0")


def shifted(value: bytes, days: int) -> bytes | None:
    """Dates, or dates with a time, moved by ``days``; None where one is no date.

    Dates as ACR-NEMA wrote them (``1997.11.02``) become those of DICOM. What has no day is moved as its first
    day, and has none afterwards.
    """
    parts = [_shifted_one(part.strip(" \0"), days) for part in value.decode("latin_1").split("\\")]
    found = [part for part in parts if part is not None]
    return "\\".join(found).encode("latin_1") if len(found) == len(parts) else None


def _shifted_one(text: str, days: int) -> str | None:
    if not text:
        return ""
    match = _DATE.fullmatch(text)
    if match is None or (match[6] and not (match[3] or match[5])):
        return None
    month, day = match[2] or match[4], match[3] or match[5]
    try:
        moved = date(int(match[1]), int(month or 1), int(day or 1)) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    size = 8 if day else 6 if month else 4
    return moved.strftime("%Y%m%d").rjust(8, "0")[:size] + match[6]


@lru_cache(maxsize=1)
def safe_private() -> frozenset[tuple[str, int]]:
    """The private elements of PS3.15 table E.3.10-1 whose values are numbers, codes or short texts.

    By creator and tag without its block (``gggg00ee``). What else the table has is binary or free text, of
    which it says itself that nobody warrants for it.
    """
    return frozenset(
        (creator, int(tag.replace(",", "").replace("xx", "00"), 16))
        for tag, creator, *_ in rows("safe_private.tsv")
    )
