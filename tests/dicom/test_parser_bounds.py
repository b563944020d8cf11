"""What a file may make the parser hold."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.reading import parser
from orthanclite.dicom.reading.parser import parse_dataset

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
LIMIT = 100
DICTIONARY = TagDictionary.build()


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_PARSED", LIMIT)


def head(group: int, element: int, length: int) -> bytes:
    return struct.pack("<HHI", group, element, length)


def elements(count: int) -> bytes:
    return b"".join(head(0x0009, number, 0) for number in range(0x1000, 0x1000 + count))


def sequence(items: bytes) -> bytes:
    return head(0x0008, 0x1140, len(items)) + items


def items(count: int) -> bytes:
    return sequence(head(0xFFFE, 0xE000, 0) * count)


def nested(count: int) -> bytes:
    """Each item holds one element: two for each."""
    return sequence((head(0xFFFE, 0xE000, 8) + head(0x0008, 0x0050, 0)) * (count // 2))


def fragments(count: int) -> bytes:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    return pixels + item * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize(
    ("make", "syntax"), [(elements, IMPLICIT), (items, IMPLICIT), (nested, IMPLICIT), (fragments, EXPLICIT)]
)
def test_elements_items_and_fragments_are_bounded(make: Callable[[int], bytes], syntax: str) -> None:
    parse_dataset(make(LIMIT - 2), syntax, DICTIONARY)
    with pytest.raises(BadFileFormat, match=f"more than {LIMIT} elements"):
        parse_dataset(make(LIMIT + 2), syntax, DICTIONARY)
