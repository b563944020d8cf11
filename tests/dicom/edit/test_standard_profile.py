"""The Basic Profile of PS3.15 with its options: every attribute of the table, and what options mean here."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit, new_uid
from orthanclite.dicom.edit.cleaning import Cleaning, shifted, words_of
from orthanclite.dicom.edit.profiles import MODIFIED_DATES, OPTIONS, rows, standard_profile
from orthanclite.dicom.edit.pseudonyms import date_shift, patient_pseudonym
from orthanclite.dicom.reading.parser import parse
from tests.dicom.dicom_builder import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, element, file_of, item, minimal

DICTIONARY = TagDictionary.build()
OUTER = 0x0040A170  # PurposeOfReferenceCodeSequence: not in the table
VALUES = {"DA": b"20040119", "TM": b"072730", "DT": b"20040119072731", "UI": b"1.2.8400", "AS": b"061Y"}
NUMBERS = {"FD": 8, "FL": 4, "SL": 4, "SS": 2, "UL": 4, "US": 2}
DAYS = -777
UIDS = {0x00080018, 0x0020000D, 0x0020000E}
"""What the file of each test has already."""


def anonymised(extra: dict[int, bytes], *options: str, syntax: str = EXPLICIT_LE, words: str = "") -> Dataset:
    content = {0x00100020: element(0x00100020, "LO", b"Patient7", syntax), **extra}
    file = parse(file_of(minimal(syntax, extra=content), syntax), DICTIONARY, whole=True)
    plan = EditPlan(
        profile=standard_profile(frozenset(options)),
        remove_private=True,
        new_uid=lambda old: "2.25.1",
        cleaning=Cleaning(frozenset(words_of(words)), DAYS),
    )
    return pydicom.dcmread(io.BytesIO(edit(file, plan, DICTIONARY).tobytes()))


def encoded(tag: int, syntax: str = EXPLICIT_LE) -> bytes:
    vr = DICTIONARY.vr(tag)
    if vr == "SQ":
        return element(tag, vr, item(element(0x00181060, "DS", b"17", syntax), syntax), syntax)
    value = VALUES.get(vr, b"\1" * NUMBERS[vr] if vr in NUMBERS else b"17")
    return element(tag, vr, value, syntax)


def found(dataset: Dataset, tag: int) -> str:
    """The code of table E.1-1 that has been followed."""
    if tag not in dataset:
        return "X"
    if DICTIONARY.vr(tag) == "SQ":
        items = dataset[tag].value
        return "Z" if not items else "K" if items[0].TriggerTime == 17 else "D"
    raw = dataset.get_item(tag).value  # before pydicom converts it
    element_ = dataset[tag]
    if element_.is_empty:
        return "Z"
    if element_.VR == "UI":
        return "U" if element_.value == "2.25.1" else "K"
    content = raw if isinstance(raw, bytes) else str(raw).encode()
    return "K" if content.strip(b"\0 ") == pydicom_value(tag) else "S" if is_moved(content, tag) else "D"


def pydicom_value(tag: int) -> bytes:
    vr = DICTIONARY.vr(tag)
    return VALUES.get(vr, b"\1" * NUMBERS[vr] if vr in NUMBERS else b"17").strip(b"\0 ")


def is_moved(content: bytes, tag: int) -> bool:
    return content == shifted(pydicom_value(tag), DAYS)


def expected(tag: int, basic: str, codes: dict[str, str], option: str | None) -> str:
    """What the documentation promises of a row of the table."""
    code = codes.get(option or "")
    fallback = {"X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "K"}.get(basic, basic)
    vr = DICTIONARY.vr(tag)
    if fallback == "D" and vr == "UI":
        fallback = "U"
    if code is None:
        return fallback
    if option == MODIFIED_DATES:
        return "S" if vr in ("DA", "DT") else "K"
    if code == "C" and vr != "SQ":
        return fallback  # without words that are allowed nothing is left of a text
    return "K"


TABLE = [
    (int(tag.replace(",", ""), 16), basic, dict(pair.split("=") for pair in "".join(rest).split()))
    for tag, _, basic, *rest in rows("confidentiality.tsv")
    if "x" not in tag and tag[:4] not in ("0000", "0002", "0004") and tag != "0042,0015"
]


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 613
    listed = {tag: (basic, codes) for tag, basic, codes in TABLE}
    assert listed[0x00080022] == (
        "X/Z",
        {"RetainLongitudinalFullDates": "K", "RetainLongitudinalModifiedDates": "C"},
    )
    assert listed[0x00101010] == ("X", {"RetainPatientCharacteristics": "K"})
    assert {name for _, _, codes in TABLE for name in codes} | {"RetainSafePrivate"} == set(OPTIONS)


@pytest.mark.parametrize("option", [None, *OPTIONS])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_every_attribute_at_top_level(option: str | None, syntax: str) -> None:
    wanted = {tag: expected(tag, basic, codes, option) for tag, basic, codes in TABLE if tag not in UIDS}
    wanted.pop(0x00100020)
    options = () if option is None else (option,)
    dataset = anonymised({tag: encoded(tag, syntax) for tag in sorted(wanted)}, *options, syntax=syntax)
    assert {tag: found(dataset, tag) for tag in wanted} == wanted


@pytest.mark.parametrize("option", [None, *OPTIONS])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_every_attribute_three_sequences_down(option: str | None, syntax: str) -> None:
    wanted = {tag: expected(tag, basic, codes, option) for tag, basic, codes in TABLE}
    content = b"".join(encoded(tag, syntax) for tag in sorted(wanted))
    for _ in range(3):
        content = element(OUTER, "SQ", item(content, syntax), syntax)
    dataset = anonymised({OUTER: content}, *(() if option is None else (option,)), syntax=syntax)
    for _ in range(3):
        dataset = dataset[OUTER].value[0]
    assert {tag: found(dataset, tag) for tag in wanted} == wanted


@pytest.mark.parametrize("option", [None, *OPTIONS])
def test_curves_and_overlays_go_whatever_the_option(option: str | None) -> None:
    tags = (0x50003000, 0x501E0010, 0x60003000, 0x601E4000, 0x60000010)
    dataset = anonymised(
        {tag: element(tag, "OW", b"12") for tag in tags}, *(() if option is None else (option,))
    )
    assert [tag for tag in tags if tag in dataset] == [0x60000010]


def test_dummies_are_values_of_their_vr() -> None:
    with pydicom.config.strict_reading():
        dataset = anonymised({tag: encoded(tag) for tag, basic, _ in sorted(TABLE) if "D" in basic})
        for one in dataset.iterall():
            assert one.value is not None
            if one.VR == "UI" and one.value:
                assert pydicom.uid.UID(one.value).is_valid
        assert dataset.ContentDate == "19000101"
        assert dataset.InterlockDateTime == "19000101000000"


def test_modified_dates_go_before_kept_ones() -> None:
    tag = 0x00181200  # DateOfLastCalibration: of the device as well
    dataset = anonymised({tag: encoded(tag)}, "RetainDeviceIdentity", MODIFIED_DATES)
    assert found(dataset, tag) == "S"


@pytest.mark.parametrize(
    ("text", "days", "after"),
    [
        ("20040119", -20, "20031230"),
        ("2004.01.19", 1, "20040120"),
        ("20040131\\20041231", 1, "20040201\\20050101"),
        ("20040119072731.5+0100", -19, "20031231072731.5+0100"),
        ("2004", -1, "2003"),
        ("200403", -1, "200402"),
        ("", 5, ""),
        ("20041301", 5, None),
        ("yesterday", 5, None),
        ("00010101", -5, None),
        ("200401-20040202", 5, None),
    ],
)
def test_moved_dates(text: str, days: int, after: str | None) -> None:
    moved = shifted(text.encode(), days)
    assert moved == (None if after is None else after.encode())


def test_a_date_that_is_none_is_treated_as_by_the_basic_profile() -> None:
    dataset = anonymised({0x00080022: element(0x00080022, "DA", b"Tuesday ")}, MODIFIED_DATES)
    assert dataset.AcquisitionDate == ""


def test_a_date_that_is_not_in_the_table_does_not_tell_the_shift() -> None:
    tag = 0x00189999  # of no meaning, but with a VR
    dataset = anonymised({tag: element(tag, "DA", b"20040119")}, MODIFIED_DATES)
    assert is_moved(dataset.get_item(tag).value, 0x00080020)


def test_dates_of_a_patient_keep_their_distance() -> None:
    dates = {0x00080020: b"20040119", 0x00080021: b"20040121"}
    dataset = anonymised({tag: element(tag, "DA", value) for tag, value in dates.items()}, MODIFIED_DATES)
    first, second = (pydicom.valuerep.DA(dataset[tag].value) for tag in dates)
    assert first is not None
    assert second is not None
    assert (second - first).days == 2


# -- cleaning --------------------------------------------------------------------------------------------

TEXT = element(0x0008103E, "LO", b"CT THORAX of Smith, John (MRN 4711) axial ")
NAME = element(0x00100010, "PN", b"Thorax^Jane ")


def test_allowed_words_stay() -> None:
    dataset = anonymised({0x0008103E: TEXT}, "CleanDescriptors", words="ct thorax axial")
    assert dataset.SeriesDescription == "CT THORAX axial"


def test_a_word_that_is_part_of_a_name_goes_all_the_same() -> None:
    dataset = anonymised(
        {0x0008103E: TEXT, 0x00100010: NAME}, "CleanDescriptors", words="CT Thorax Axial 4711"
    )
    assert dataset.SeriesDescription == "CT 4711 axial"


def test_nothing_stays_without_words() -> None:
    assert "SeriesDescription" not in anonymised({0x0008103E: TEXT}, "CleanDescriptors")


def test_words_are_not_looked_at_without_the_option() -> None:
    assert "SeriesDescription" not in anonymised({0x0008103E: TEXT}, words="ct thorax axial")


def code(value: bytes, meaning: bytes = b"Meaning ") -> bytes:
    parts = ((0x00080100, "SH", value), (0x00080102, "SH", b"DCM "), (0x00080104, "LO", meaning))
    return item(b"".join(element(tag, vr, one + b" " * (len(one) % 2)) for tag, vr, one in parts))


def content_item(kind: bytes, concept: bytes, *values: bytes) -> bytes:
    kind += b" " * (len(kind) % 2)
    return item(
        element(0x0040A010, "CS", b"CONTAINS")
        + element(0x0040A040, "CS", kind)
        + element(0x0040A043, "SQ", code(concept))
        + b"".join(values)
    )


REPORT = element(
    0x0040A730,
    "SQ",
    content_item(b"TEXT", b"121060", element(0x0040A160, "UT", b"Fracture seen by Dr. Miller "))
    + content_item(b"PNAME", b"121008", element(0x0040A123, "PN", b"Miller^Ann"))
    + content_item(b"TEXT", b"121030", element(0x0040A160, "UT", b"Fracture"))
    + content_item(b"DATE", b"121031", element(0x0040A121, "DA", b"19600101"))
    + content_item(b"CODE", b"121032", element(0x0040A168, "SQ", code(b"M", b"Male")))
    + content_item(b"CODE", b"121071", element(0x0040A168, "SQ", code(b"F-1", b"Broken"))),
)


def test_a_report_is_emptied_by_the_basic_profile() -> None:
    (only,) = anonymised({0x0040A730: REPORT}).ContentSequence
    assert only.ValueType == "TEXT"
    assert only.TextValue == "ANONYMIZED"


@pytest.mark.parametrize("dates", [(), ("RetainLongitudinalFullDates",)])
def test_a_report_is_cleaned(dates: tuple[str, ...]) -> None:
    dataset = anonymised({0x0040A730: REPORT}, "CleanStructuredContent", *dates, words="fracture seen by")
    text, name, identifier, birth, sex, finding = dataset.ContentSequence
    assert text.TextValue == "Fracture seen by"
    assert name.PersonName == "Anonymized"
    # Of the subject not even what is allowed or kept elsewhere.
    assert identifier.TextValue == "ANONYMIZED"
    assert birth.Date == "19000101"
    assert sex.ConceptCodeSequence[0].CodeMeaning == "ANONYMIZED"
    assert sex.ConceptNameCodeSequence[0].CodeValue == "121032"
    assert finding.ConceptCodeSequence[0].CodeMeaning == "Broken"


def test_the_sex_of_the_subject_is_a_characteristic() -> None:
    options = ("CleanStructuredContent", "RetainPatientCharacteristics")
    sex = anonymised({0x0040A730: REPORT}, *options).ContentSequence[4]
    assert sex.ConceptCodeSequence[0].CodeMeaning == "Male"


def test_graphics_keep_their_shapes() -> None:
    text = item(element(0x00700006, "ST", b"John's lesion L "))
    shape = item(element(0x00700022, "FL", struct.pack("<2f", 1, 2)))
    sequence = element(
        0x00700001, "SQ", item(element(0x00700008, "SQ", text) + element(0x00700009, "SQ", shape))
    )
    (annotation,) = anonymised(
        {0x00700001: sequence}, "CleanGraphics", words="lesion"
    ).GraphicAnnotationSequence
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "lesion"
    assert list(annotation.GraphicObjectSequence[0].GraphicData) == [1, 2]
    (annotation,) = anonymised({0x00700001: sequence}).GraphicAnnotationSequence
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "ANONYMIZED"
    assert list(annotation.GraphicObjectSequence[0].GraphicData) == [0, 0]


# -- private elements ------------------------------------------------------------------------------------

PRIVATE = {
    0x00190010: element(0x00190010, "LO", b"SIEMENS MR HEADER "),
    0x00190011: element(0x00190011, "LO", b"OTHER "),
    0x0019100C: element(0x0019100C, "IS", b"1000"),
    0x0019100B: element(0x0019100B, "DS", b"17"),
    0x0019110C: element(0x0019110C, "IS", b"17"),
    0x00210012: element(0x00210012, "LO", b"MINE"),
    0x00211201: element(0x00211201, "LO", b"one "),
    0x00211202: element(0x00211202, "UI", b"1.2.3\0"),
    0x00211203: element(0x00211203, "LO", b"three "),
}


def characteristics(status: bytes, *numbers: int) -> bytes:
    parts = element(0x00080301, "US", struct.pack("<H", 0x0021)) + element(0x00080302, "LO", b"MINE")
    parts += element(0x00080303, "CS", status)
    if numbers:
        parts += element(0x00080304, "US", struct.pack(f"<{len(numbers)}H", *numbers))
    return element(0x00080300, "SQ", item(parts))


def private_tags(dataset: Dataset) -> set[int]:
    return {int(tag) for tag in dataset.keys() if tag.is_private}  # noqa: SIM118


def test_private_elements_that_are_known_to_be_safe_stay() -> None:
    dataset = anonymised(PRIVATE, "RetainSafePrivate")
    assert private_tags(dataset) == {0x00190010, 0x0019100C}
    assert private_tags(anonymised(PRIVATE)) == set()


def test_private_blocks_that_the_file_calls_safe_stay() -> None:
    dataset = anonymised({**PRIVATE, 0x00080300: characteristics(b"SAFE")}, "RetainSafePrivate")
    assert private_tags(dataset) >= {0x00210012, 0x00211201, 0x00211202, 0x00211203}
    assert dataset[0x00211202].value == "2.25.1"  # a UID is a UID all the same
    mixed = anonymised({**PRIVATE, 0x00080300: characteristics(b"MIXED ", 3)}, "RetainSafePrivate")
    assert private_tags(mixed) == {0x00190010, 0x0019100C, 0x00210012, 0x00211203}


# -- pseudonyms ------------------------------------------------------------------------------------------


def test_what_follows_from_a_key_never_changes() -> None:
    """Files of other years must still fit: these values are for good."""
    assert new_uid(b"project key of a test", "1.2.3") == "2.25.287930138847941167891376604607512527769"
    assert patient_pseudonym(b"project key of a test", "4711") == "6RCWHKIPIOFKZWRY"
    assert date_shift(b"project key of a test", "4711") == -2686


@given(st.binary(min_size=1), st.text())
def test_pseudonyms_are_of_their_form(key: bytes, patient: str) -> None:
    assert len(patient_pseudonym(key, patient)) == 16
    assert -3653 < date_shift(key, patient) <= -365
    uid = pydicom.uid.UID(new_uid(key, patient))
    assert uid.is_valid
    assert len(uid) <= 44


def test_icons_and_overlays_go_on_request() -> None:
    icon = element(0x00880200, "SQ", item(element(0x00280010, "US", b"\1\0")))
    inner = element(OUTER, "SQ", item(icon))
    overlay = element(0x60000010, "US", b"\1\0")
    data = file_of(minimal(extra={0x00880200: icon, OUTER: inner, 0x60000010: overlay}))
    file, plan = parse(data, DICTIONARY, whole=True), EditPlan(remove_icons=True)
    dataset = pydicom.dcmread(io.BytesIO(edit(file, plan, DICTIONARY).tobytes()))
    assert "IconImageSequence" not in dataset
    assert "IconImageSequence" not in dataset[OUTER].value[0]
    assert 0x60000010 in dataset
    plan = replace(plan, remove_icons=False, remove_overlays=True)
    dataset = pydicom.dcmread(io.BytesIO(edit(file, plan, DICTIONARY).tobytes()))
    assert 0x60000010 not in dataset
    assert "IconImageSequence" in dataset


MARK = b"Doe17"
MARKED = {
    0x00080100: "SH",
    0x00080104: "LO",
    0x00080119: "UC",
    0x00100010: "PN",
    0x00102000: "LO",
    0x00091010: "LO",
    0x0040A123: "PN",
    0x0040A160: "UT",
    0x0040DB00: "UN",
    0x00420011: "OB",
    0x00700006: "ST",
    0x0072006C: "SH",
    0x00880140: "UI",
}
items = st.recursive(
    st.lists(st.sampled_from(sorted(MARKED)), unique=True, min_size=1).map(dict.fromkeys),
    lambda inner: st.builds(
        lambda plain, nested: {**plain, 0x0040A043: nested, 0x0040A730: nested},
        st.lists(st.sampled_from(sorted(MARKED)), unique=True).map(dict.fromkeys),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=4,
)


def marked(tree: dict[int, Any]) -> bytes:
    parts = []
    for tag, nested in sorted(tree.items(), key=lambda one: one[0]):
        if nested is None:
            parts.append(element(tag, MARKED[tag], MARK + (b"\0" if MARKED[tag] == "UI" else b" ")))
        else:
            parts.append(element(tag, "SQ", b"".join(item(marked(one)) for one in nested)))
    return b"".join(parts)


@given(
    st.sampled_from([0x0040A730, 0x00700001, 0x0040A073, 0x00081072, 0x00340001]), st.lists(items, min_size=1)
)
def test_a_sequence_that_says_nothing_says_nothing(tag: int, trees: list[dict[int, Any]]) -> None:
    """Sequences with the action D, whatever is in them."""
    content = element(tag, "SQ", b"".join(item(marked(one)) for one in trees))
    file = parse(file_of(minimal(extra={tag: content})), DICTIONARY, whole=True)
    plan = EditPlan(profile=standard_profile(frozenset()), remove_private=True, new_uid=lambda old: "2.25.1")
    result = edit(file, plan, DICTIONARY).tobytes()
    assert MARK in content
    assert MARK not in result
    assert len(pydicom.dcmread(io.BytesIO(result))[tag].value) == 1
