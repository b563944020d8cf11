"""The JSON renderings, and the DICOM JSON and XML models."""

from __future__ import annotations

import base64
import json
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags, tag_key
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.dataset import dataset_charset
from orthanclite.dicom.reading.parser import parse
from orthanclite.dicom.renderings.dicomweb_json import stream_json
from orthanclite.dicom.renderings.dicomweb_xml import stream_xml
from orthanclite.dicom.renderings.tags_json import Renderer, Style, format_tags, restyle, shared_tags
from orthanclite.dicom.summary import Summarizer
from tests.dicom.dicom_builder import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    element,
    file_of,
    item,
    minimal,
    undefined_fragments,
)

DICTIONARY = TagDictionary.build(
    {0x00091010: ("PN", "Test Private Name", "ACME"), 0x00091011: ("US", "Count", "ACME")}
)


def render(
    extra: dict[int, bytes],
    style: Style = Style.FULL,
    syntax: str = EXPLICIT_LE,
    ignore_length: tuple[int, ...] = (),
) -> dict[str, Any]:
    parsed = parse(file_of(minimal(syntax, extra), syntax), DICTIONARY)
    return Renderer(DICTIONARY, style, ignore_length).dataset(
        parsed.dataset, dataset_charset(parsed.dataset, "Latin1")
    )


def shown(tag: int, vr: str, value: bytes, syntax: str = EXPLICIT_LE) -> tuple[str, str | None]:
    entry = render({tag: element(tag, vr, value, syntax)}, syntax=syntax)[tag_key(tag)]
    return entry["Type"], entry["Value"]


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("LO", b"  text  ", ("String", "  text")),
        ("LO", b"a\\ b \\c ", ("String", "a\\ b \\c")),
        ("LO", b"cut\0here", ("String", "cut")),
        ("LO", b"", ("String", "")),
        ("UI", b"1.2.3\0", ("String", "1.2.3")),
        ("LT", b"x" * 256, ("String", "x" * 256)),
        ("LT", b"x" * 258, ("TooLong", None)),
        ("LT", b"x" * 200 + b" " * 100, ("String", "x" * 200)),
        ("LT", b"\xe9" * 200, ("TooLong", None)),
        ("UT", b"x" * 100_000, ("TooLong", None)),
        ("US", b"\1\0\2\0", ("String", "1\\2")),
        ("US", b"", ("Null", None)),
        ("US", bytes(2000), ("TooLong", None)),
        ("SS", b"\xfe\xff", ("String", "-2")),
        ("SL", struct.pack("<i", -70000), ("String", "-70000")),
        ("FL", struct.pack("<f", 0.1), ("String", "0.10000000149011612")),
        ("FD", struct.pack("<d", 0.1), ("String", "0.10000000000000001")),
        ("FD", struct.pack("<dd", 1.5, -2), ("String", "1.5\\-2")),
        ("OF", struct.pack("<f", 10.1), ("String", "10.1000004")),
        ("OD", struct.pack("<d", 0.1), ("String", "0.10000000000000001")),
        ("OL", struct.pack("<II", 1, 2), ("String", "1\\2")),
        ("AT", struct.pack("<HHHH", 0x8, 0x103E, 0x10, 0x10), ("String", "0008,103e\\0010,0010")),
        ("OB", b"ab", ("Null", None)),
        ("OW", b"", ("Null", None)),
    ],
)
def test_values(vr: str, value: bytes, expected: tuple[str, str | None]) -> None:
    assert shown(0x00189999, vr, value) == expected


def test_big_endian_numbers() -> None:
    assert shown(0x00280010, "US", b"\1\2", EXPLICIT_BE) == ("String", "258")
    assert shown(0x00720026, "AT", b"\0\x08\0\x20", EXPLICIT_BE) == ("String", "0008,0020")


def test_unknown_vr_of_a_known_tag_is_read_as_the_dictionary_says() -> None:
    assert shown(0x00081030, "UN", b"descr ") == ("String", "descr")
    assert shown(0x00189999, "UN", b"zz") == ("Null", None)


PRIVATE = {
    0x00090010: element(0x00090010, "LO", b"ACME"),
    0x00091010: element(0x00091010, "UN", b"A^B "),
    0x00091011: element(0x00091011, "UN", b"\5\0"),
    0x00091012: element(0x00091012, "UN", b"zz"),
    0x00091110: element(0x00091110, "UN", b"no"),
}


def test_private_tags_full() -> None:
    tags = render(PRIVATE)
    assert tags["0009,0010"] == {"Name": "PrivateCreator", "Type": "String", "Value": "ACME"}
    assert tags["0009,1010"] == {
        "Name": "Test Private Name",
        "Type": "String",
        "Value": "A^B",
        "PrivateCreator": "ACME",
    }
    assert tags["0009,1011"]["Value"] == "5"
    assert tags["0009,1012"]["Name"] == "Unknown Tag & Data"
    assert tags["0009,1110"] == {"Name": "Unknown Tag & Data", "Type": "Null", "Value": None}


def test_private_tags_in_implicit_vr() -> None:
    extra = {
        0x00090010: element(0x00090010, "LO", b"ACME", IMPLICIT_LE),
        0x00091011: element(0x00091011, "US", b"\5\0", IMPLICIT_LE),
    }
    assert render(extra, Style.SIMPLE, IMPLICIT_LE)["Count"] == "5"


def test_simplified_unknown_tags_collapse() -> None:
    tags = render(PRIVATE, Style.SIMPLE)
    assert tags["Test Private Name"] == "A^B"
    assert tags["Unknown Tag & Data"] is None


SEQUENCE = {
    0x00081140: element(0x00081140, "SQ", item(element(0x00081150, "UI", b"1.2\0")) + item(b"")),
    0x00080000: element(0x00080000, "UL", b"\1\0\0\0"),
}


def test_sequences_in_the_three_styles() -> None:
    full = render(SEQUENCE)
    item_entry = {"Name": "ReferencedSOPClassUID", "Type": "String", "Value": "1.2"}
    assert full["0008,1140"] == {
        "Name": "ReferencedImageSequence",
        "Type": "Sequence",
        "Value": [{"0008,1150": item_entry}, {}],
    }
    assert full["0008,0000"]["Name"] == "GenericGroupLength"
    for style, key in ((Style.SHORT, "0008,1140"), (Style.SIMPLE, "ReferencedImageSequence")):
        tags = render(SEQUENCE, style)
        assert tags[key][1] == {}
        assert tags == restyle(full, style)


def test_ignore_length() -> None:
    extra = {0x00204000: element(0x00204000, "LT", b"x" * 300)}
    assert render(extra, Style.SHORT)["0020,4000"] is None
    assert render(extra, Style.SHORT, ignore_length=(0x00204000,))["0020,4000"] == "x" * 300


def test_header_leaves_binary_out() -> None:
    parsed = parse(file_of(minimal()), DICTIONARY)
    header = Renderer(DICTIONARY, Style.SIMPLE).header(parsed.meta)
    assert header["TransferSyntaxUID"] == EXPLICIT_LE
    assert "FileMetaInformationVersion" not in header
    assert Renderer(DICTIONARY, Style.FULL).header(parse(minimal(), DICTIONARY).meta) == {}


def test_stops_at_pixel_data_unless_whole() -> None:
    data = file_of(minimal() + element(0x7FE00010, "OW", b"abcd") + element(0x7FE10010, "LO", b"ACME"))
    keys = [
        list(
            Renderer(DICTIONARY, Style.SHORT).dataset(
                parsed.dataset, dataset_charset(parsed.dataset, "Latin1")
            )
        )
        for parsed in (parse(data, DICTIONARY), parse(data, DICTIONARY, whole=True))
    ]
    assert keys[0][-1] == "7fe0,0010"
    assert keys[1][-1] == "7fe1,0010"


def test_shared_tags() -> None:
    first = render(SEQUENCE | {0x00081030: element(0x00081030, "LO", b"same")})
    second = render(
        {0x00081030: element(0x00081030, "LO", b"same"), 0x00200013: element(0x00200013, "IS", b"2 ")}
    )
    second["0008,0018"]["Value"] = "other"
    shared = shared_tags([first, second])
    assert set(shared) == {"0008,0016", "0008,1030", "0010,0020", "0020,000d", "0020,000e"}
    assert shared_tags([]) == {}
    assert "0008,1140" not in shared_tags([first])


def test_format_main_tags() -> None:
    sequences = {"0040,0275": [{"0040,0007": {"Name": "N", "Type": "String", "Value": "x"}}]}
    tags = {"0010,0020": "ID", "0009,1010": "A"}
    assert format_tags(tags, sequences, Style.SIMPLE, DICTIONARY) == {
        "PatientID": "ID",
        "Test Private Name": "A",
        "RequestAttributesSequence": [{"N": "x"}],
    }
    assert format_tags(tags, {}, Style.SHORT, DICTIONARY) == tags
    full = format_tags(tags, sequences, Style.FULL, DICTIONARY)
    assert full["0010,0020"] == {"Name": "PatientID", "Type": "String", "Value": "ID"}
    assert full["0040,0275"]["Type"] == "Sequence"


def test_main_sequences_in_the_summary() -> None:
    content = item(element(0x00400007, "LO", b"what"))
    data = file_of(minimal(extra={0x00400275: element(0x00400275, "SQ", content)}))
    summary = Summarizer(MainTags.build(), DICTIONARY).summarize(data)
    expected = {"Name": "ScheduledProcedureStepDescription", "Type": "String", "Value": "what"}
    assert summary.sequences[Level.SERIES] == {"0040,0275": [{"0040,0007": expected}]}
    assert "0040,0275" not in summary.tags[Level.SERIES]


def model(extra: dict[int, bytes], syntax: str = EXPLICIT_LE, tail: bytes = b"") -> dict[str, Any]:
    parsed = parse(file_of(minimal(syntax, extra) + tail, syntax), DICTIONARY, whole=True)
    loaded: dict[str, Any] = json.loads(b"".join(stream_json(parsed, "Latin1", DICTIONARY)))
    return loaded


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("LO", b"a\\b ", ["a", "b"]),
        ("LT", b"a\\b ", ["a\\b"]),
        ("DS", b" 1.50\\2 \\x\\\\+1e2 ", ["1.50", "2", "x", None, "+1e2"]),
        ("IS", b" 7 \\\\-8", [7, None, -8]),
        ("IS", b"1_0 ", ["1_0"]),
        ("IS", b"3.0 ", [3]),
        ("US", b"\1\0\2\0", [1, 2]),
        ("FD", struct.pack("<dd", 2.0, 0.1), [2, 0.1]),
        ("FL", struct.pack("<f", float("nan")), ["NaN"]),
        ("UV", struct.pack("<Q", 2**60), [str(2**60)]),
        ("OF", struct.pack("<ff", 0.5, 2), [0.5, 2]),
        ("AT", struct.pack("<HH", 0x8, 0x103E), ["0008103E"]),
        (
            "PN",
            b"A^B=C=D\\\\E",
            [{"Alphabetic": "A^B", "Ideographic": "C", "Phonetic": "D"}, None, {"Alphabetic": "E"}],
        ),
    ],
)
def test_json_model_values(vr: str, value: bytes, expected: list[Any]) -> None:
    assert model({0x00189999: element(0x00189999, vr, value)})["00189999"] == {"vr": vr, "Value": expected}


@pytest.mark.parametrize("vr", ["LO", "PN", "US", "OB", "SQ", "UN"])
def test_json_model_of_empty_values(vr: str) -> None:
    assert model({0x00189999: element(0x00189999, vr, b"")})["00189999"] == {"vr": vr}


def test_json_model_binary() -> None:
    tags = model({0x00189999: element(0x00189999, "UN", b"zz")}, tail=element(0x7FE00010, "OW", b"abcd"))
    assert tags["00189999"] == {"vr": "UN", "InlineBinary": base64.b64encode(b"zz").decode()}
    assert tags["7FE00010"] == {"vr": "OW", "InlineBinary": base64.b64encode(b"abcd").decode()}
    big = model({}, EXPLICIT_BE, element(0x7FE00010, "OW", b"abcd", EXPLICIT_BE))
    assert base64.b64decode(big["7FE00010"]["InlineBinary"]) == b"badc"


def test_json_model_leaves_out() -> None:
    data = file_of(minimal(extra=SEQUENCE) + undefined_fragments(b"", b"abcd"), "1.2.840.10008.1.2.4.50")
    tags = json.loads(b"".join(stream_json(parse(data, DICTIONARY, whole=True), "Latin1", DICTIONARY)))
    assert "00080000" not in tags
    assert "7FE00010" not in tags
    assert "00020010" not in tags
    assert tags["00081140"]["Value"] == [{"00081150": {"vr": "UI", "Value": ["1.2"]}}, {}]


def test_large_binary_is_streamed_in_pieces() -> None:
    pixels = bytes(range(256)) * 10_000
    data = file_of(minimal() + element(0x7FE00010, "OW", pixels))
    parsed = parse(data, DICTIONARY, whole=True)
    pieces = list(stream_json(parsed, "Latin1", DICTIONARY))
    assert max(map(len, pieces)) <= 1_100_000
    assert base64.b64decode(json.loads(b"".join(pieces))["7FE00010"]["InlineBinary"]) == pixels
    root = ElementTree.fromstring(b"".join(stream_xml(parsed, "Latin1", DICTIONARY)))
    assert base64.b64decode(root[-1][0].text or "") == pixels


def with_numbers(model: dict[str, Any]) -> dict[str, Any]:
    """A JSON model whose decimal strings are numbers, as pydicom writes them."""
    for attribute in model.values():
        if attribute["vr"] == "DS" and "Value" in attribute:
            attribute["Value"] = [float(text) for text in attribute["Value"]]
        elif attribute["vr"] == "SQ":
            attribute["Value"] = [with_numbers(item) for item in attribute.get("Value", [])]
    return model


def test_json_model_agrees_with_pydicom() -> None:
    path = Path(get_testdata_file("rtplan.dcm", download=False))
    parsed = parse(path.read_bytes(), DICTIONARY, whole=True)
    ours = json.loads(b"".join(stream_json(parsed, "Latin1", DICTIONARY)))
    theirs = pydicom.dcmread(path).to_json_dict()
    assert with_numbers(ours) == json.loads(json.dumps(theirs))


NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def test_xml_model() -> None:
    name = b"Fam&^Giv=\x01Ideo"
    extra = SEQUENCE | PRIVATE | {0x00100010: element(0x00100010, "PN", name)}
    data = file_of(minimal(extra=extra) + element(0x7FE00010, "OW", b"abcd"))
    text = b"".join(stream_xml(parse(data, DICTIONARY, whole=True), "Latin1", DICTIONARY))
    root = ElementTree.fromstring(text)
    attributes = {child.attrib["tag"]: child for child in root}
    assert attributes["00100020"].attrib == {"tag": "00100020", "vr": "LO", "keyword": "PatientID"}
    assert attributes["00100020"][0].text == "ID"
    assert attributes["00091010"].attrib == {"tag": "00091010", "vr": "PN", "privateCreator": "ACME"}
    person = attributes["00100010"][0]
    assert [group.tag for group in person] == [NAMESPACE + "Alphabetic", NAMESPACE + "Ideographic"]
    assert [part.text for part in person[0]] == ["Fam&", "Giv"]
    assert person[1][0].text == "Ideo"
    items = list(attributes["00081140"])
    assert [child.attrib["number"] for child in items] == ["1", "2"]
    assert items[0][0].attrib["keyword"] == "ReferencedSOPClassUID"
    assert attributes["7FE00010"][0].tag == NAMESPACE + "InlineBinary"
