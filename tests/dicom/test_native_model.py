"""The Native DICOM Model, read and written: what is written is read as the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.native_model import from_native_model
from orthanclite.dicom.renderings.dicomweb_xml import to_xml

CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
TEXT = st.text(CHARACTERS, min_size=1)
SIMPLE = st.one_of(
    st.lists(TEXT, min_size=1, max_size=3).map(lambda values: {"vr": "LO", "Value": values}),
    st.lists(st.integers(0, 65535), min_size=1, max_size=3).map(lambda values: {"vr": "US", "Value": values}),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: {"vr": "FD", "Value": [value]}),
    st.just({"vr": "DA"}),
    st.just({"vr": "OB", "InlineBinary": "AAE="}),
    TEXT.map(lambda uri: {"vr": "OW", "BulkDataURI": uri}),
    st.sampled_from(["Yamada^Tarou", "A^B^C^D^E", "X"]).map(
        lambda name: {"vr": "PN", "Value": [{"Alphabetic": name, "Ideographic": "山田^太郎"}]}
    ),
)
TAGS = st.integers(0x00080000, 0x7FDFFFFF).map(lambda tag: f"{tag:08X}")
MODELS = st.recursive(
    st.dictionaries(TAGS, SIMPLE, max_size=4),
    lambda items: st.dictionaries(
        TAGS,
        st.lists(items, min_size=1, max_size=2).map(lambda values: {"vr": "SQ", "Value": values}),
        max_size=2,
    ),
    max_leaves=6,
)
DICTIONARY = TagDictionary.build()


@given(MODELS)
def test_what_is_written_is_read(model: dict[str, dict[str, object]]) -> None:
    assert from_native_model(to_xml(model, DICTIONARY)) == model


def attribute(text: bytes) -> bytes:
    return b"<NativeDicomModel><DicomAttribute " + text + b"</DicomAttribute></NativeDicomModel>"


DECLARED = '<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel/>'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<NativeDicomModel>",
        b"<Other/>",
        DECLARED.encode(),
        f'<?xml version="1.0" encoding="UTF-16"?>{DECLARED}'.encode("utf-16"),
        attribute(b">"),
        attribute(b'tag="00280010" vr="US"><Value>x</Value>'),
        b"<NativeDicomModel>"
        + b'<DicomAttribute tag="00081140" vr="SQ"><Item>' * 70
        + b"</Item></DicomAttribute>" * 70
        + b"</NativeDicomModel>",
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(BadFileFormat):
        from_native_model(text)


def test_comments_mean_nothing() -> None:
    assert from_native_model(b"<NativeDicomModel><!-- by hand --></NativeDicomModel>") == {}
