"""The parser and the scanner: against pydicom, and against bytes that break the rules."""

from __future__ import annotations

import random
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.misc import is_dicom

from orthanclite.core.errors import BadFileFormat, InexistentTag, OrthancError
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.charsets import Charset
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.encoding import MAX_DEPTH
from orthanclite.dicom.reading import inflation
from orthanclite.dicom.reading.content import open_path
from orthanclite.dicom.reading.dataset import DataSet, dataset_charset
from orthanclite.dicom.reading.parser import parse, parse_dataset
from orthanclite.dicom.renderings.dicomweb_json import stream_json
from orthanclite.dicom.renderings.dicomweb_xml import stream_xml
from orthanclite.dicom.renderings.tags_json import Renderer, Style
from orthanclite.dicom.summary import Summarizer
from tests.dicom.dicom_builder import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    deflate,
    element,
    file_of,
    item,
    minimal,
    sequence_delimiter,
    undefined_fragments,
)

DICTIONARY = TagDictionary.build()
SUMMARIZER = Summarizer(MainTags.build(), DICTIONARY)

# Cut off, or with encapsulated pixel data of a defined length: the reference refuses them too
BROKEN = {"MR_truncated.dcm", "rtplan_truncated.dcm", "SC_rgb_jpeg.dcm"}
# pydicom finds out from its content that a private value of unknown VR is a sequence
GUESSED = {"nested_priv_SQ.dcm", "priv_SQ.dcm"}

BUNDLED = sorted(
    path
    for path in Path(get_testdata_file("CT_small.dcm", download=False)).parent.glob("*.dcm")
    if is_dicom(path) and path.name not in BROKEN and path.stat().st_size < 2_000_000
)


def assert_same(ours: DataSet, theirs: pydicom.Dataset) -> None:
    """The same tags, items and raw values as pydicom reads."""
    theirs_tags = {int(tag) for tag in theirs.keys()}  # noqa: SIM118 - iterating converts the values
    assert set(ours.elements) == theirs_tags
    for found in ours:
        raw = theirs.get_item(found.tag)
        assert raw is not None
        if found.items is not None:
            items = theirs[found.tag].value
            assert len(found.items) == len(items)
            for our_item, their_item in zip(found.items, items, strict=True):
                assert_same(our_item, their_item)
        elif (
            isinstance(raw, pydicom.dataelem.RawDataElement) and raw.value is not None and not found.fragments
        ):
            assert ours.value(found) == raw.value, hex(found.tag)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "path", [path for path in BUNDLED if path.name not in GUESSED], ids=lambda path: path.name
)
def test_bundled_files_parse_like_pydicom(path: Path) -> None:
    data = path.read_bytes()
    theirs = pydicom.dcmread(path)
    assert_same(parse(data, DICTIONARY, whole=True).dataset, theirs)


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("undefined", [False, True])
def test_nested_sequences(syntax: str, undefined: bool) -> None:
    inner = element(0x00081150, "UI", b"1.2\0", syntax)
    content = item(inner, syntax, undefined=undefined) + item(b"", syntax)
    sequence = (
        element(0x00081140, "SQ", content, syntax, 0xFFFFFFFF) + sequence_delimiter(syntax)
        if undefined
        else element(0x00081140, "SQ", content, syntax)
    )
    parsed = parse(file_of(minimal(syntax, {0x00081140: sequence}), syntax), DICTIONARY)
    items = parsed.dataset.elements[0x00081140].items
    assert items is not None
    assert [len(found.elements) for found in items] == [1, 0]
    assert items[0].raw(0x00081150) == b"1.2\0"
    assert parsed.dataset.raw(0x0020000E) == b"1.2.3.5\0"


def test_unknown_vr_of_undefined_length_is_implicit() -> None:
    content = item(element(0x00081150, "UI", b"1.2\0", IMPLICIT_LE))
    unknown = element(0x00081140, "UN", content, length=0xFFFFFFFF) + sequence_delimiter()
    parsed = parse(file_of(minimal(extra={0x00081140: unknown})), DICTIONARY)
    items = parsed.dataset.elements[0x00081140].items
    assert items is not None
    assert items[0].raw(0x00081150) == b"1.2\0"
    assert SUMMARIZER.summarize(file_of(minimal(extra={0x00081140: unknown}))).study_uid == "1.2.3"


def test_signed_pixels_make_ambiguous_values_signed() -> None:
    extra = {
        0x00280103: element(0x00280103, "US", b"\1\0", IMPLICIT_LE),
        0x00280106: element(0x00280106, "SS", b"\xff\xff", IMPLICIT_LE),
    }
    parsed = parse(file_of(minimal(IMPLICIT_LE, extra), IMPLICIT_LE), DICTIONARY)
    assert parsed.dataset.elements[0x00280106].vr == "SS"


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
def test_bare_data_sets(syntax: str) -> None:
    data = minimal(syntax)
    parsed = parse(data, DICTIONARY)
    assert parsed.transfer_syntax == syntax
    assert not parsed.has_meta
    summary = SUMMARIZER.summarize(data)
    assert (summary.transfer_syntax, summary.has_meta, summary.pixel_data_offset) == (syntax, False, None)
    assert parse_dataset(data, syntax, DICTIONARY).raw(0x00100020) == b"ID"


def test_meta_without_preamble() -> None:
    data = file_of(minimal())[132:]
    summary = SUMMARIZER.summarize(data)
    assert summary.has_meta
    assert summary.patient_id == "ID"


def nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = element(0x00081140, "SQ", item(content, undefined=True), length=0xFFFFFFFF)
        content += sequence_delimiter()
    return file_of(minimal(extra={0x00081140: content}))


def test_depth_is_bounded() -> None:
    data = nested(MAX_DEPTH)
    assert SUMMARIZER.summarize(data).study_uid == "1.2.3"
    assert Renderer(DICTIONARY, Style.FULL).dataset(parse(data, DICTIONARY).dataset, charset())
    for depth in (MAX_DEPTH + 1, 20_000):
        data = nested(depth)
        with pytest.raises(BadFileFormat):
            SUMMARIZER.summarize(data)
        with pytest.raises(BadFileFormat):
            parse(data, DICTIONARY)


def charset() -> Charset:
    return dataset_charset(DataSet(b"", big_endian=False), "Latin1")


def test_inflation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = deflate(minimal() + element(0x7FE00010, "OW", bytes(1_000_000)))
    assert SUMMARIZER.summarize(data).pixel_data_offset is None
    monkeypatch.setattr(inflation, "MAX_INFLATED", 500_000)
    with pytest.raises(BadFileFormat):
        SUMMARIZER.summarize(data)


@pytest.mark.parametrize("cut", [1, 5, 9, 20])
@pytest.mark.parametrize(
    "dataset",
    [
        minimal() + element(0x7FE00010, "OW", bytes(64)),
        minimal() + undefined_fragments(b"", bytes(64)),
        minimal() + element(0x7FE00010, "OW", bytes(64)) + element(0x7FE10010, "LO", b"A" * 30),
    ],
    ids=["native", "encapsulated", "behind"],
)
def test_cut_off_anywhere(dataset: bytes, cut: int) -> None:
    data = file_of(dataset)
    with pytest.raises(BadFileFormat, match="invalid DICOM file"):
        SUMMARIZER.summarize(data[:-cut])


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, 11])
def test_forged_lengths(length: int) -> None:
    data = file_of(minimal() + element(0x7FDF1010, "UN", b"0123456789", length=length))
    with pytest.raises(BadFileFormat):
        SUMMARIZER.summarize(data)
    with pytest.raises(BadFileFormat):
        parse(data, DICTIONARY, whole=True)


SEEDS = [
    file_of(minimal(extra={0x00081140: element(0x00081140, "SQ", item(element(0x00081150, "UI", b"1\0")))})),
    file_of(minimal(IMPLICIT_LE), IMPLICIT_LE),
    file_of(minimal(EXPLICIT_BE), EXPLICIT_BE),
    deflate(minimal()),
    file_of(minimal() + undefined_fragments(b"", b"abcd"), "1.2.840.10008.1.2.4.50"),
    minimal(),
    *(path.read_bytes() for path in BUNDLED if path.stat().st_size < 12_000),
]


def digest(data: bytes) -> None:
    """Everything that is done with an uploaded file; the only errors are ours."""
    try:
        summary = SUMMARIZER.summarize(data)
    except InexistentTag:
        summary = None
    except OrthancError:
        return
    # What ingest accepts can be read whole
    parsed = parse(data, DICTIONARY, whole=True)
    for style in Style:
        Renderer(DICTIONARY, style).dataset(parsed.dataset, dataset_charset(parsed.dataset, "Latin1"))
    assert b"".join(stream_json(parsed, "Latin1", DICTIONARY)).startswith(b"{")
    assert b"".join(stream_xml(parsed, "Latin1", DICTIONARY)).endswith(b"</NativeDicomModel>\n")
    open_path(data, ["7fe0,0010", "0"], DICTIONARY)
    if summary is not None and summary.pixel_data_offset is not None:
        assert parsed.pixel_data is not None
        assert parsed.pixel_data.offset == summary.pixel_data_offset


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.sampled_from(SEEDS))
def test_mutated_files_raise_only_our_errors(rand: random.Random, seed: bytes) -> None:
    data = bytearray(seed)
    for _ in range(rand.randint(1, 6)):
        position = rand.randrange(len(data))
        kind = rand.randrange(4)
        if kind == 0:
            data[position] = rand.randrange(256)
        elif kind == 1:
            del data[position : position + rand.randint(1, 40)]
        elif kind == 2:
            data[position:position] = rand.randbytes(rand.randint(1, 12))
        else:
            data[position : position + 4] = b"\xff\xff\xff\xff"
        if not data:
            break
    digest(bytes(data))


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_random_bytes_raise_only_our_errors(data: bytes) -> None:
    digest(data)
    digest(b"\0" * 128 + b"DICM" + data)
