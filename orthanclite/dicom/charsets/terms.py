"""The defined terms of SpecificCharacterSet, and the spellings in which files have them."""

from __future__ import annotations

import re

_CODECS: dict[str, str] = {
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",  # JIS X 0201: the single bytes of Shift JIS
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 192": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    # Multi-byte sets that exist only with code extensions
    "ISO 2022 IR 58": "gb2312",
    "ISO 2022 IR 87": "iso2022_jp",
    "ISO 2022 IR 149": "euc_kr",
    "ISO 2022 IR 159": "iso2022_jp_2",
}
"""Python's codec for each set; a term of code extensions has that of the set itself."""

_DESIGNATIONS: dict[str, bytes] = {
    "ISO 2022 IR 100": b"\x1b-A",
    "ISO 2022 IR 101": b"\x1b-B",
    "ISO 2022 IR 109": b"\x1b-C",
    "ISO 2022 IR 110": b"\x1b-D",
    "ISO 2022 IR 126": b"\x1b-F",
    "ISO 2022 IR 127": b"\x1b-G",
    "ISO 2022 IR 138": b"\x1b-H",
    "ISO 2022 IR 144": b"\x1b-L",
    "ISO 2022 IR 148": b"\x1b-M",
    "ISO 2022 IR 166": b"\x1b-T",
    "ISO 2022 IR 203": b"\x1b-b",
    "ISO 2022 IR 13": b"\x1b)I",
    "ISO 2022 IR 149": b"\x1b$)C",
    "ISO 2022 IR 58": b"\x1b$)A",
    # Python's codecs write the escape sequences of the Japanese sets themselves.
    "ISO 2022 IR 87": b"",
    "ISO 2022 IR 159": b"",
}
"""The escape sequence that makes a set active (PS3.3 tables C.12-3, C.12-4)."""

_NUMBERED = re.compile(r"ISO[ _-]*(2022[ _-]*)?IR[ _-]*(\d+)", re.IGNORECASE)
_SEPARATORS = re.compile("[ _-]+")

_OTHER_NAMES: dict[str, str] = {
    "ASCII": "ISO_IR 6",
    "USASCII": "ISO_IR 6",
    "LATIN1": "ISO_IR 100",
    "LATIN2": "ISO_IR 101",
    "LATIN3": "ISO_IR 109",
    "LATIN4": "ISO_IR 110",
    "LATIN5": "ISO_IR 148",
    "ISO88591": "ISO_IR 100",
    "ISO88592": "ISO_IR 101",
    "ISO88593": "ISO_IR 109",
    "ISO88594": "ISO_IR 110",
    "ISO88595": "ISO_IR 144",
    "ISO88596": "ISO_IR 127",
    "ISO88597": "ISO_IR 126",
    "ISO88598": "ISO_IR 138",
    "ISO88599": "ISO_IR 148",
    "ISO885911": "ISO_IR 166",
    "ISO885915": "ISO_IR 203",
    "UTF8": "ISO_IR 192",
    "GB18030": "GB18030",
    "GBK": "GBK",
}
"""Names, without separators, that some writers use in place of the defined terms."""


def is_known_term(term: str) -> bool:
    """Whether ``term`` is a defined term, in the spelling of the standard, that this server can write."""
    return term in _CODECS or term in _DESIGNATIONS


def canonical_term(term: str) -> str:
    """The defined term that ``term`` means; ``term`` itself without padding where none is known.

    >>> canonical_term("iso-ir_100"), canonical_term("ISO_2022_IR_87"), canonical_term("utf-8")
    ('ISO_IR 100', 'ISO 2022 IR 87', 'ISO_IR 192')
    """
    term = term.strip(" \0")
    numbered = _NUMBERED.fullmatch(term)
    if numbered is None:
        return _OTHER_NAMES.get(_SEPARATORS.sub("", term).upper(), term)
    plain, extended = f"ISO_IR {int(numbered[2])}", f"ISO 2022 IR {int(numbered[2])}"
    if extended == "ISO 2022 IR 6" and numbered[1]:
        return extended
    for known in (extended, plain) if numbered[1] else (plain, extended):
        if is_known_term(known):
            return known
    return term


def codec_of(term: str) -> str:
    """Python's codec for one canonical term; what is unknown is read as ASCII."""
    return _CODECS.get(term) or _CODECS.get(term.replace("ISO 2022 IR", "ISO_IR"), "ascii")


def designation_of(term: str) -> bytes | None:
    """The escape sequence that makes a set active, by its canonical term; None where there is none."""
    return _DESIGNATIONS.get(term.replace("ISO_IR", "ISO 2022 IR"))
