"""The summary of a file, against pydicom and against broken bytes."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from orthanclite.core.errors import BadFileFormat, EmptyIdentifier, InexistentTag
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.summary import Summarizer
from tests.dicom.dicom_builder import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    element,
    file_of,
    minimal,
    undefined_fragments,
)


@pytest.fixture(scope="module")
def summarizer() -> Summarizer:
    return Summarizer(MainTags.build(), TagDictionary.build())


def read(name: str) -> bytes:
    with open(get_testdata_file(name, download=False), "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "JPEG2000.dcm"],
)
def test_identifiers_are_those_of_pydicom(summarizer: Summarizer, name: str) -> None:
    data = read(name)
    summary = summarizer.summarize(data)
    dataset = pydicom.dcmread(get_testdata_file(name, download=False))
    assert summary.patient_id == str(dataset.PatientID)
    assert summary.study_uid == dataset.StudyInstanceUID
    assert summary.series_uid == dataset.SeriesInstanceUID
    assert summary.sop_uid == dataset.SOPInstanceUID
    assert summary.sop_class_uid == dataset.SOPClassUID
    assert summary.transfer_syntax == dataset.file_meta.TransferSyntaxUID
    assert summary.tags[Level.SERIES]["0008,0060"] == dataset.Modality
    assert summary.has_meta


def test_pixel_data_offset_points_to_the_tag(summarizer: Summarizer) -> None:
    data = read("CT_small.dcm")
    offset = summarizer.summarize(data).pixel_data_offset
    assert offset is not None
    assert data[offset : offset + 4] == b"\xe0\x7f\x10\x00"


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan_truncated.dcm"])
def test_cut_off_files_are_refused(summarizer: Summarizer, name: str) -> None:
    data = read(name)
    with pytest.raises(BadFileFormat) as caught:
        summarizer.summarize(data)
    assert caught.value.details == f"Cannot parse an invalid DICOM file (size: {len(data)} bytes)"


def test_empty_file(summarizer: Summarizer) -> None:
    with pytest.raises(BadFileFormat, match="Received an empty DICOM file"):
        summarizer.summarize(b"")


def test_missing_identifiers(summarizer: Summarizer) -> None:
    with pytest.raises(InexistentTag):
        summarizer.summarize(read("nested_priv_SQ.dcm"))


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
@pytest.mark.parametrize("tag", [0x00080018, 0x0020000D, 0x0020000E])
@pytest.mark.parametrize("value", [b"", b" ", b"  ", b"\0", b"\0\0", None])
def test_empty_identifiers_are_not_missing_ones(
    summarizer: Summarizer, syntax: str, tag: int, value: bytes | None
) -> None:
    """The reference answers 400 to the former, and 404 to the latter."""
    replaced = b"" if value is None else element(tag, "UI", value, syntax)
    with pytest.raises(InexistentTag if value is None else EmptyIdentifier):
        summarizer.summarize(file_of(minimal(syntax, {tag: replaced}), syntax))


SHOWN = [
    (b" AB1", " AB1"),
    (b" AB1 \0", " AB1 "),
    (b" AB1  ", " AB1"),
    (b"AB ", "AB "),  # of odd length
    (b"\tAB1", "\tAB1"),
    (b"AB1\t", "AB1\t"),
    (b"A\r\n ", "A\r\n"),
    (b"\xa0AB1", "\xa0AB1"),
    (b"AB1\xa0", "AB1\xa0"),
    (b"ID1\\ID2 ", "ID1\\ID2"),
    (b" ID1\\ ID2", " ID1\\ ID2"),
    (b"AAA\\B ", "AAA\\B"),
    (b"A\0 B", "A"),
    (b"    ", ""),
    (b" \0", " "),
]


@pytest.mark.parametrize(("value", "text"), SHOWN)
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_a_patient_is_who_the_reference_says(
    summarizer: Summarizer, value: bytes, text: str, syntax: str
) -> None:
    charset = element(0x00080005, "CS", b"ISO_IR 100", syntax)
    data = build({0x00080005: charset, 0x00100020: element(0x00100020, "LO", value, syntax)}, syntax)
    summary = summarizer.summarize(data)
    assert summary.patient_id == summary.tags[Level.PATIENT]["0010,0020"] == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" 1.23", "1.23"),
        (b"1.23  ", "1.23"),
        (b"1.2 \0\0\0", "1.2"),
        (b"\t1.2\r\n\0", "1.2"),
        (b" 1.2\\ 1.3", "1.2\\1.3"),
        (b"1. 2", "1.2"),
        (b"1.2\0 3", "1.2"),
        (b"1.2", "1.2"),
    ],
)
def test_white_space_is_no_part_of_a_uid(summarizer: Summarizer, value: bytes, text: str) -> None:
    summary = summarizer.summarize(build({0x0020000D: element(0x0020000D, "UI", value)}))
    assert summary.study_uid == summary.tags[Level.STUDY]["0020,000d"] == text


def test_no_class_is_no_empty_class(summarizer: Summarizer) -> None:
    whole = build({})
    absent = whole.replace(element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"), b"")
    assert summarizer.summarize(absent).sop_class_uid is None
    assert summarizer.summarize(build({0x00080016: element(0x00080016, "UI", b"")})).sop_class_uid == ""


GROUP_2 = {
    0x00020003: b"1.2.3.4\0",
    0x00020010: b"1.2.840.10008.1.2.2\0",  # not the one of this file
    0x00020016: b"SENDER",
    0x00020100: b"1.2.3\0",
}


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize(
    ("tags", "told"),
    [
        *(([tag], True) for tag in GROUP_2),
        (list(GROUP_2), True),
        # Without a group length, only what is out of order is known to be in the data set.
        ([0x00020003], False),
        ([0x00020010], False),
        (list(GROUP_2), False),
    ],
)
def test_group_2_in_the_data_set(summarizer: Summarizer, syntax: str, tags: list[int], told: bool) -> None:
    extra = {tag: element(tag, "UI", GROUP_2[tag], syntax) for tag in tags}
    data = file_of(minimal(syntax, extra), syntax)
    if not told:
        data = data[:132] + data[144:]
    summary = summarizer.summarize(data)
    assert (summary.transfer_syntax, summary.patient_id) == (syntax, "ID")
    dataset = parse(data, TagDictionary.build()).dataset
    assert {tag: dataset.raw(tag) for tag in tags} == {tag: GROUP_2[tag] for tag in tags}


@pytest.mark.parametrize("length", [0, 8, 30, 4000, 0xFFFFFFFF])
def test_a_wrong_group_length_is_not_believed(summarizer: Summarizer, length: int) -> None:
    data = file_of(minimal(IMPLICIT_LE), IMPLICIT_LE)
    wrong = data[:140] + struct.pack("<I", length) + data[144:]
    assert summarizer.summarize(wrong) == summarizer.summarize(data)


def build(extra: dict[int, bytes], syntax: str = EXPLICIT_LE, tail: bytes = b"") -> bytes:
    return file_of(minimal(syntax, extra) + tail, syntax)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, None),
        ({0x00201002: b"3 "}, None),
        ({0x00201002: b"3 ", 0x00200105: b"4 "}, 12),
        ({0x00201002: b"3 ", 0x00200105: b"0 "}, None),
        ({0x00201002: b"x ", 0x00200105: b"4 "}, None),
        ({0x00181090: b"25"}, 25),
        ({0x00181090: b"-1"}, None),
    ],
)
def test_expected_instances(summarizer: Summarizer, counts: dict[int, bytes], expected: int | None) -> None:
    extra = {tag: element(tag, "IS", value) for tag, value in counts.items()}
    assert summarizer.summarize(build(extra)).expected_instances == expected


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE, IMPLICIT_LE])
def test_expected_instances_of_nuclear_medicine(summarizer: Summarizer, syntax: str) -> None:
    order = ">" if syntax == EXPLICIT_BE else "<"
    extra = {
        tag: element(tag, "US", struct.pack(order + "H", value), syntax)
        for tag, value in ((0x00540081, 5), (0x00540101, 7))
    }
    summary = summarizer.summarize(build(extra, syntax))
    assert summary.expected_instances == 35
    assert summary.tags[Level.SERIES]["0054,0081"] == "5"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, None),
        ({0x00200013: element(0x00200013, "IS", b" 7 ")}, "7"),
        ({0x00200013: element(0x00200013, "IS", b"")}, ""),
        ({0x00541330: element(0x00541330, "US", b"\x09\0")}, "9"),
        ({0x00200013: element(0x00200013, "IS", b"1 "), 0x00541330: element(0x00541330, "US", b"\2\0")}, "1"),
    ],
)
def test_index_in_series(summarizer: Summarizer, extra: dict[int, bytes], expected: str | None) -> None:
    assert summarizer.summarize(build(extra)).index_in_series == expected


@pytest.mark.parametrize(
    ("syntax", "bits", "vr", "expected"),
    [
        (EXPLICIT_LE, 16, "OW", None),
        (EXPLICIT_LE, 16, "OB", "OB"),
        (EXPLICIT_LE, 8, "OB", None),
        (EXPLICIT_LE, 8, "OW", "OW"),
        (IMPLICIT_LE, 8, "OW", None),
        (EXPLICIT_BE, 16, "OW", None),
        (EXPLICIT_BE, 8, "OW", "OW"),
        (EXPLICIT_LE, 16, "UN", None),
        (EXPLICIT_LE, 8, "OF", None),
    ],
)
def test_pixel_data_vr(summarizer: Summarizer, syntax: str, bits: int, vr: str, expected: str | None) -> None:
    order = ">" if syntax == EXPLICIT_BE else "<"
    extra = {0x00280100: element(0x00280100, "US", struct.pack(order + "H", bits), syntax)}
    data = build(extra, syntax, element(0x7FE00010, vr, b"abcd", syntax))
    assert summarizer.summarize(data).pixel_data_vr == expected


def test_encapsulated_pixel_data_is_ob(summarizer: Summarizer) -> None:
    data = build({}, "1.2.840.10008.1.2.4.50", undefined_fragments(b"", b"abcd"))
    summary = summarizer.summarize(data)
    assert summary.pixel_data_vr is None
    assert summary.pixel_data_offset == data.index(b"\xe0\x7f\x10\0")


def test_values_kept(summarizer: Summarizer) -> None:
    extra = {
        0x00080020: element(0x00080020, "DA", b""),
        0x00081030: element(0x00081030, "LO", b"a\\b   "),
        0x00204000: element(0x00204000, "LT", b"x" * 300),
        0x00100020: element(0x00100020, "LO", b"ID\0\0"),
        0x00080005: element(0x00080005, "CS", b"ISO_IR 192"),
        0x00080070: element(0x00080070, "LO", "é".encode()),
    }
    summary = summarizer.summarize(build(extra))
    assert summary.patient_id == "ID"
    assert summary.tags[Level.STUDY] == {"0008,0020": "", "0008,1030": "a\\b", "0020,000d": "1.2.3"}
    assert summary.tags[Level.SERIES] == {"0008,0070": "é", "0020,000e": "1.2.3.5"}
    assert summary.tags[Level.INSTANCE] == {"0008,0018": "1.2.3.4"}


def test_extra_main_tags() -> None:
    tags = MainTags.build({Level.INSTANCE: [0x00280010, 0x00280106, 0x00091010]})
    dictionary = TagDictionary.build({0x00091010: ("US", "Private", "ACME")})
    extra = {
        0x00280010: element(0x00280010, "US", b"\1\2", IMPLICIT_LE),
        0x00280103: element(0x00280103, "US", b"\1\0", IMPLICIT_LE),
        0x00280106: element(0x00280106, "SS", b"\xff\xff", IMPLICIT_LE),
        0x00091010: element(0x00091010, "US", b"\3\0", IMPLICIT_LE),
    }
    shown = Summarizer(tags, dictionary).summarize(build(extra, IMPLICIT_LE)).tags[Level.INSTANCE]
    assert (shown["0028,0010"], shown["0028,0106"], shown["0009,1010"]) == ("513", "-1", "3")


def test_default_encoding(summarizer: Summarizer) -> None:
    data = build({0x00080070: element(0x00080070, "LO", b"\xb0 ")})
    assert summarizer.summarize(data).tags[Level.SERIES]["0008,0070"] == "°"
    assert summarizer.summarize(data, "Cyrillic").tags[Level.SERIES]["0008,0070"] == "А"


def test_memory_map(summarizer: Summarizer) -> None:
    path = Path(get_testdata_file("CT_small.dcm", download=False))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert summarizer.summarize(mapped) == summarizer.summarize(path.read_bytes())


TEXT = st.text(alphabet="ABCdef 019^=.-", max_size=20)


@given(
    st.dictionaries(st.sampled_from([0x00080050, 0x00081030, 0x00100010, 0x00081010, 0x00204000]), TEXT),
    st.sampled_from([EXPLICIT_LE, EXPLICIT_BE, IMPLICIT_LE]),
)
def test_summary_agrees_with_what_was_written(values: dict[int, str], syntax: str) -> None:
    dictionary = TagDictionary.build(load_private=False)
    extra = {
        tag: element(tag, dictionary.vr(tag), text.encode() + b" " * (len(text) % 2), syntax)
        for tag, text in values.items()
    }
    tags = Summarizer(MainTags.build(), dictionary).summarize(build(extra, syntax)).tags
    found = {key: text for level in tags.values() for key, text in level.items()}
    for tag, text in values.items():
        assert found[f"{tag >> 16:04x},{tag & 0xFFFF:04x}"] == text.rstrip(" ")
