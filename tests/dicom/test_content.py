"""The content route's paths."""

from __future__ import annotations

import pytest

from orthanclite.core.errors import UnknownDicomTag
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading.content import RawValue, open_path
from tests.dicom.dicom_builder import deflate, element, file_of, item, minimal, undefined_fragments

DICTIONARY = TagDictionary.build()

SEQUENCE = element(
    0x00081140,
    "SQ",
    item(element(0x00081150, "UI", b"1.2\0") + element(0x00081155, "UI", b"1.3\0")) + item(b""),
)
PIXELS = element(0x7FE00010, "OW", b"\1\2\3\4")
FILE = file_of(minimal(extra={0x00081140: SEQUENCE}) + PIXELS + element(0x7FE10010, "LO", b"ACME"))


def raw(path: str, data: bytes = FILE) -> bytes | list[str] | None:
    found = open_path(data, path.split("/"), DICTIONARY)
    return found.tobytes() if isinstance(found, RawValue) else found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("0010,0020", b"ID"),
        ("0010-0020", b"ID"),
        ("00100020", b"ID"),
        ("PatientID", b"ID"),
        ("PatientID/", b"ID"),
        ("0008-1140", ["0", "1"]),
        ("0008-1140/0", ["0008-1150", "0008-1155"]),
        ("0008-1140/1", []),
        ("0008-1140/2", None),
        ("0008-1140/x", None),
        ("0008-1140/-1", None),
        ("0008-1140/0/0008-1150", b"1.2\0"),
        ("0008-1140/0/0008-1150/0", None),
        ("0008-1140/0/0008-9999", None),
        ("0010-0020/0", None),
        ("0010-0010", None),
        ("7fe0-0010", ["0"]),
        ("7fe0-0010/0", b"\1\2\3\4"),
        ("7fe0-0010/1", None),
        ("7fe0-0010/0/0", None),
        ("7fe1-0010", b"ACME"),
    ],
)
def test_paths(path: str, expected: bytes | list[str] | None) -> None:
    assert raw(path) == expected


def test_root_lists_the_tags_also_behind_the_pixel_data() -> None:
    names = raw("")
    assert isinstance(names, list)
    assert names[:2] == ["0008-0016", "0008-0018"]
    assert names[-2:] == ["7fe0-0010", "7fe1-0010"]


def test_unknown_name() -> None:
    with pytest.raises(UnknownDicomTag) as caught:
        raw("0008-1140/0/Nope")
    assert caught.value.details == "Nope"


def test_fragments_begin_with_the_offset_table() -> None:
    data = file_of(minimal() + undefined_fragments(b"", b"abcd", b"efgh"), "1.2.840.10008.1.2.4.50")
    assert raw("PixelData", data) == ["0", "1", "2"]
    assert [raw(f"PixelData/{index}", data) for index in range(4)] == [b"", b"abcd", b"efgh", None]


def test_deflated_file() -> None:
    assert raw("0008-1140/0/0008-1155", deflate(minimal(extra={0x00081140: SEQUENCE}))) == b"1.3\0"
