"""Data sets from JSON, read back by pydicom."""

from __future__ import annotations

import base64
import string
from io import BytesIO
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from orthanclite.core.errors import BadFileFormat, BadParameterType, OrthancError, UnknownDicomTag
from orthanclite.dicom.attributes import attributes_from_json, read_attributes
from orthanclite.dicom.charsets import charset_of
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import MAX_DEPTH
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.writing.from_json import JsonEncoder, join, parse_data_uri
from tests.dicom.dicom_builder import file_of

DICTIONARY = TagDictionary.build()


def encode(tags: dict[str, Any], charset: str = "ISO_IR 192", **options: Any) -> Dataset:
    encoder = JsonEncoder(DICTIONARY, charset_of(charset), **options)
    data = join({0x00080005: encoder.element(0x00080005, charset), **encoder.elements(tags)})
    return pydicom.dcmread(BytesIO(data), force=True)


@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("PatientName", "Noël^Æ", "Noël^Æ"),
        ("Rows", "17", 17),
        ("SelectorFDValue", "1.5\\-2", [1.5, -2]),
        ("SelectorSLValue", " -3 ", -3),
        ("SelectorUVValue", "18446744073709551615", 2**64 - 1),
        ("FrameIncrementPointer", "0018,1063\\00540010", [0x00181063, 0x00540010]),
        ("StudyInstanceUID", "1.2.3", "1.2.3"),
        ("PatientWeight", "70.5", 70.5),
        ("SeriesNumber", None, None),
    ],
)
def test_text_becomes_the_value_of_its_representation(keyword: str, text: str | None, value: object) -> None:
    assert encode({keyword: text})[keyword].value == value


def test_sequences_nest_and_items_keep_the_character_set() -> None:
    dataset = encode({"ReferencedStudySequence": [{"PatientName": "é", "PatientID": "1"}, {}]}, "ISO_IR 100")
    assert [item.get("PatientName") for item in dataset.ReferencedStudySequence] == ["é", None]


def nested(depth: int) -> dict[str, Any]:
    """Sequences in sequences."""
    tags: dict[str, Any] = {"PatientID": "1"}
    for _ in range(depth):
        tags = {"ReferencedStudySequence": [tags]}
    return tags


@pytest.mark.parametrize("depth", [1, 20, MAX_DEPTH])
def test_what_is_nested_as_deep_as_a_file_may_be(depth: int) -> None:
    encoded = join(JsonEncoder(DICTIONARY, charset_of("")).elements(nested(depth)))
    dataset = parse(file_of(encoded), DICTIONARY).dataset
    described = attributes_from_json(nested(depth), DICTIONARY)
    assert read_attributes(dataset, charset_of(""), DICTIONARY) == described


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 400, 5000])
def test_what_is_nested_too_deep_is_refused(depth: int) -> None:
    with pytest.raises(BadFileFormat, match="nested"):
        JsonEncoder(DICTIONARY, charset_of("")).elements(nested(depth))
    with pytest.raises(BadFileFormat, match="nested"):
        attributes_from_json(nested(depth), DICTIONARY)


@pytest.mark.parametrize(
    ("keyword", "text"), [("Rows", "abc"), ("Rows", "70000"), ("Rows", "-1"), ("FrameIncrementPointer", "x")]
)
def test_values_that_the_representation_lacks_are_refused(keyword: str, text: str) -> None:
    with pytest.raises(BadFileFormat, match="out-of-range"):
        encode({keyword: text})


@pytest.mark.parametrize("value", [5, 5.5, True, ["a"], {}])
def test_only_text_is_a_value(value: object) -> None:
    with pytest.raises(BadParameterType):
        encode({"PatientName": value})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownDicomTag):
        encode({"NoSuchTag": "1"})


def test_data_uris_stand_for_their_content_unless_told_otherwise() -> None:
    uri = "data:application/octet-stream;base64,QUJDRA=="
    assert encode({"EncapsulatedDocument": uri}).EncapsulatedDocument == b"ABCD"
    assert encode({"StudyDescription": uri}, interpret_binary=False).StudyDescription == uri


def test_group_lengths_and_meta_information_are_left_out() -> None:
    assert len(encode({"0010,0000": "4", "0002,0010": "1.2", "0000,0100": "1"})) == 1


@given(st.binary(max_size=64), st.sampled_from(["", "image/png", "text/plain"]))
def test_data_uris_give_back_what_they_carry(content: bytes, media_type: str) -> None:
    uri = parse_data_uri(f"data:{media_type};base64,{base64.b64encode(content).decode()}")
    assert uri is not None
    assert (uri.media_type, uri.content) == (media_type, content)


_NAMES = st.sampled_from(
    ["PatientName", "Rows", "ReferencedStudySequence", "FrameIncrementPointer", "0009,1001", "PixelData"]
) | st.text(string.hexdigits + ",-", max_size=9)
_TEXTS = st.text(max_size=20) | st.text("0123456789.-\\e", max_size=12)
_VALUES = st.recursive(
    st.none() | st.integers() | _TEXTS,
    lambda inner: (
        st.lists(st.dictionaries(_NAMES, inner, max_size=3), max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=6,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_any_json_gives_a_readable_data_set_or_a_clear_error(tags: dict[str, Any]) -> None:
    try:
        dataset = encode(tags)
    except OrthancError:
        return
    for item in dataset.iterall():
        assert item.tag is not None
