"""Names and VRs of tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import UnknownDicomTag
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import DEFAULT_MAIN_TAGS
from orthanclite.dicom.dictionary import UNKNOWN_NAME, TagDictionary
from orthanclite.dicom.modules import MODULE_TAGS

DICTIONARY = TagDictionary.build(
    {
        0x00091010: ("PN", "Test Private Name", "ACME"),
        0x00191001: ("LO", "No creator", ""),
        0x00091020: ("SQ", "Their sequence", "ACME"),
    }
)


@pytest.mark.parametrize(
    ("tag", "name", "vr"),
    [
        (0x00100010, "PatientName", "PN"),
        (0x00101000, "OtherPatientIDs", "LO"),
        (0x00324000, "RETIRED_StudyComments", "LT"),
        (0x00080000, "GenericGroupLength", "UL"),
        (0x00090000, "PrivateGroupLength", "UL"),
        (0x00020000, "FileMetaInformationGroupLength", "UL"),
        (0x00090010, "PrivateCreator", "LO"),
        (0x60023000, "OverlayData", "OW"),
        (0x50040010, "RETIRED_NumberOfPoints", "US"),
        (0x00081234, UNKNOWN_NAME, "UN"),
        (0x00091010, UNKNOWN_NAME, "UN"),
        (0x00191001, "No creator", "LO"),
        (0x7FE00010, "PixelData", "OW"),
        (0x00280106, "SmallestImagePixelValue", "US"),
    ],
)
def test_public_names(tag: int, name: str, vr: str) -> None:
    assert DICTIONARY.entry(tag) == (vr, name)


def test_every_attribute_has_one_representation() -> None:
    """Also those for which the standard, or a vendor, leaves a choice."""
    assert DICTIONARY.vr(0x70191080, "TOSHIBA_MEC_OT3") == "OW"
    wrong = [
        entry for entry in DICTIONARY.private.values() if not (len(entry.vr) == 2 and entry.vr.isupper())
    ]
    assert not wrong


def test_declared_private_tags_need_their_creator() -> None:
    assert DICTIONARY.entry(0x00091010, "ACME") == ("PN", "Test Private Name")
    assert DICTIONARY.entry(0x00092510, "ACME") == ("PN", "Test Private Name")
    assert DICTIONARY.entry(0x00091010, "OTHER") == ("UN", UNKNOWN_NAME)
    assert DICTIONARY.creator_of(0x00091010) == "ACME"
    assert DICTIONARY.creator_of(0x00191001) == ""


def test_published_private_tags() -> None:
    assert DICTIONARY.entry(0x00191018, "GEMS_ACQU_01") == ("LO", "FirstScanRas")
    assert TagDictionary.build(load_private=False).entry(0x00191018, "GEMS_ACQU_01") == ("UN", UNKNOWN_NAME)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("0010,0010", 0x00100010),
        ("0010-0010", 0x00100010),
        ("00100010", 0x00100010),
        ("0008,103E", 0x0008103E),
        ("0008-103e", 0x0008103E),
        ("10,20", 0x00100020),
        ("PatientName", 0x00100010),
        ("RETIRED_StudyComments", 0x00324000),
        ("StudyComments", 0x00324000),
        ("OverlayData", 0x60003000),
        ("Test Private Name", 0x00091010),
    ],
)
def test_parse_tag(text: str, tag: int) -> None:
    assert DICTIONARY.parse_tag(text) == tag


@pytest.mark.parametrize(
    "text", ["", "Nope", "patientname", "0010:0010", "0010,00100", "001000100", "10", "é,1"]
)
def test_unknown_tags(text: str) -> None:
    with pytest.raises(UnknownDicomTag) as caught:
        DICTIONARY.parse_tag(text)
    assert caught.value.details == text


@given(st.integers(0, 0xFFFFFFFF))
def test_every_tag_has_an_entry_and_a_text(tag: int) -> None:
    vr, name = DICTIONARY.entry(tag, "ACME")
    assert len(vr) == 2
    assert name
    assert DICTIONARY.parse_tag(f"{tag >> 16:04X},{tag & 0xFFFF:04x}") == tag


def test_main_tags_are_known() -> None:
    for tags in DEFAULT_MAIN_TAGS.values():
        for tag in tags:
            assert DICTIONARY.parse_tag(DICTIONARY.name(tag)) == tag


def test_sequences() -> None:
    assert 0x00400275 in DICTIONARY.sequences
    assert 0x00100010 not in DICTIONARY.sequences
    # Only with its creator, which the set cannot tell
    assert 0x00091020 not in DICTIONARY.sequences


def test_module_tables() -> None:
    assert 0x00100020 in MODULE_TAGS[Level.PATIENT]
    assert 0x0020000D in MODULE_TAGS[Level.STUDY]
    assert 0x0020000E in MODULE_TAGS[Level.SERIES]
    assert 0x00080018 in MODULE_TAGS[Level.INSTANCE]
    assert len(frozenset().union(*MODULE_TAGS.values())) == sum(map(len, MODULE_TAGS.values()))
