"""What the head of a file tells of its pixels is what the file says as a whole."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from pydicom.data import get_testdata_files

from orthanclite.core.errors import OrthancError
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.pixels.operations import native_places, on_file
from orthanclite.dicom.pixels.reading.head import PIXEL_HEAD, native_place
from orthanclite.dicom.reading.parser import parse
from tests.support.records import dicom_file

# pydicom says of some values that they are not as they should be.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

DICTIONARY = TagDictionary.build()


def told_by_head(data: bytes) -> object:
    pixels = parse(data, DICTIONARY).pixel_data
    if pixels is None:
        return None
    place = native_place(data[: pixels.offset + PIXEL_HEAD], len(data), DICTIONARY)
    return None if place is None else native_places(place)


def test_all_samples() -> None:
    told = 0
    for path in get_testdata_files("*.dcm"):
        data = Path(path).read_bytes()
        try:
            found = told_by_head(data)
        except OrthancError:
            continue  # no file that a server stores
        if found is not None:
            told += 1
            assert found == orjson.loads(on_file("frame_places", data)), path
    assert told > 15


@pytest.mark.parametrize(
    "attributes",
    [
        {"side": 7, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        {"side": 10, "NumberOfFrames": 20, "pixels": bytes(4000)},
        {"side": 10, "NumberOfFrames": 20, "pixels": bytes(3000)},
        {"side": 4, "pixels": bytes(10)},
    ],
)
def test_sizes(attributes: dict[str, object]) -> None:
    data = dicom_file(**attributes)  # type: ignore[arg-type]
    assert told_by_head(data) == orjson.loads(on_file("frame_places", data))


@pytest.mark.parametrize("attributes", [{"BitsAllocated": 12}, {"Rows": 0}])
def test_what_the_head_does_not_tell(attributes: dict[str, object]) -> None:
    data = dicom_file(side=4, **attributes)  # type: ignore[arg-type]
    try:
        known = orjson.loads(on_file("frame_places", data))
    except OrthancError:
        known = None
    assert told_by_head(data) == known
    cut = data[: parse(data, DICTIONARY).pixel_data.offset + PIXEL_HEAD]  # type: ignore[union-attr]
    assert native_place(cut[100:], len(data), DICTIONARY) is None
