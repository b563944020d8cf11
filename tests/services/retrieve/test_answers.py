"""Answers of modalities: whatever they are, they are kept, or refused as an error of the network."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orthanclite.core.errors import NetworkProtocol
from orthanclite.core.levels import Level
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    has_long_length,
)
from orthanclite.dicom.renderings.tags_json import Style
from orthanclite.services.retrieve.answers import AnswerReader
from orthanclite.services.retrieve.network import FoundDataSet
from orthanclite.services.server.runtime import RuntimeOptions

READER = AnswerReader(TagDictionary.build(), RuntimeOptions())
SYNTAXES = st.sampled_from([EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN])
VRS = (
    "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV ZZ"
)
TAGS = st.sampled_from(
    [
        *(0x00020003, 0x00080000, 0x00080005, 0x00080018, 0x00080052, 0x00081140, 0x00090010, 0x00091001),
        *(0x00100010, 0x00189313, 0x0020000D, 0x00201208, 0x00280010, 0x00400275, 0x7FE00010),
    ]
)
VALUES = st.binary(max_size=20) | st.sampled_from(
    [
        b"ISO_IR 192",
        b"ISO 2022 IR 87",
        b"\\ISO 2022 IR 149",
        b"\x1b$B;3ED\x1b(B",
        b"M\xfcller",
        b"nan",
        b"1\\x",
    ]
)
EXAMPLES = int(os.environ.get("ANSWER_EXAMPLES", "300"))


def element(tag: int, vr: str, value: bytes, syntax: str) -> bytes:
    order = ">" if syntax == EXPLICIT_BIG_ENDIAN else "<"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT_LITTLE_ENDIAN:
        return head + struct.pack("<I", len(value)) + value
    code = vr.encode()
    if has_long_length(code):
        return head + code + b"\0\0" + struct.pack(order + "I", len(value)) + value
    return head + code + struct.pack(order + "H", len(value)) + value


def keep(data: bytes, syntax: str) -> None:
    """Whether an answer can be kept and shown in every form, or is refused."""
    try:
        kept = READER.normalized(FoundDataSet(data, syntax), Level.STUDY)
    except NetworkProtocol:
        return
    for style in Style:
        assert READER.shown(kept, style)
    assert READER.texts(kept)[0x00080052]
    assert not [tag for tag in READER.texts(kept) if tag >> 16 < 8]
    again = READER.normalized(FoundDataSet(kept, EXPLICIT_LITTLE_ENDIAN), Level.STUDY)
    assert set(READER.texts(again)) == set(READER.texts(kept))


@given(st.binary(max_size=80), SYNTAXES)
@settings(max_examples=EXAMPLES)
def test_any_bytes(data: bytes, syntax: str) -> None:
    keep(data, syntax)


@given(st.lists(st.tuples(TAGS, st.sampled_from(VRS.split()), VALUES), max_size=6), SYNTAXES)
@settings(max_examples=EXAMPLES)
def test_any_elements(elements: list[tuple[int, str, bytes]], syntax: str) -> None:
    keep(b"".join(element(tag, vr, value, syntax) for tag, vr, value in sorted(elements)), syntax)


def test_garbage_is_told_as_such() -> None:
    with pytest.raises(NetworkProtocol, match="no data set"):
        READER.normalized(FoundDataSet(b"garbage of a peer", EXPLICIT_LITTLE_ENDIAN), Level.STUDY)


def test_items_take_over_the_character_set() -> None:
    name = element(0x00100010, "PN", "山田".encode(), EXPLICIT_LITTLE_ENDIAN)
    own = element(0x00080005, "CS", b"ISO_IR 192", EXPLICIT_LITTLE_ENDIAN)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(own + name)) + own + name
    sequence = element(0x00400275, "SQ", item, EXPLICIT_LITTLE_ENDIAN)
    kept = READER.normalized(FoundDataSet(sequence, EXPLICIT_LITTLE_ENDIAN), Level.SERIES)
    shown = READER.shown(kept, Style.SIMPLE)
    assert shown["RequestAttributesSequence"] == [{"PatientName": "山田"}]
    assert shown["SpecificCharacterSet"] == "ISO_IR 192"
    assert shown["QueryRetrieveLevel"] == "SERIES"
