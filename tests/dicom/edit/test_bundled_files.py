"""The Basic Profile on pydicom's own files: what comes out can be read, and no name is left in it."""

from __future__ import annotations

import io
import warnings
from functools import partial
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from orthanclite.core.errors import OrthancError
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.edit import EditPlan, edit, new_uid
from orthanclite.dicom.edit.cleaning import Cleaning
from orthanclite.dicom.edit.profiles import FULL_DATES, OPTIONS, standard_profile
from orthanclite.dicom.reading.parser import parse_whole

DICTIONARY = TagDictionary.build()
FILES = sorted(one for one in Path(pydicom.data.__file__).parent.rglob("*") if one.is_file())
NAMES = ("PatientName", "PatientID", "ReferringPhysicianName", "OperatorsName", "OtherPatientIDs")
PIXEL_DATA = b"\xe0\x7f\x10\x00"


def names_of(dataset: pydicom.Dataset) -> set[bytes]:
    """Words of names and identifiers that are long enough not to be found by chance."""
    texts = (str(dataset.get(keyword, "")) for keyword in NAMES)
    words = {word for text in texts for word in text.replace("^", " ").split()}
    return {word.encode() for word in words if len(word) > 4}


def is_readable(data: bytes) -> bool:
    try:
        for element in pydicom.dcmread(io.BytesIO(data), force=True).iterall():
            _ = element.value
    except Exception:  # whatever pydicom finds wrong with a file that is meant to be broken
        return False
    return True


@pytest.mark.parametrize("options", [frozenset(), frozenset(OPTIONS) - {FULL_DATES}], ids=["basic", "all"])
def test_bundled_files(options: frozenset[str]) -> None:
    plan = EditPlan(
        profile=standard_profile(options),
        remove_private=True,
        new_uid=partial(new_uid, b"key"),
        cleaning=Cleaning(frozenset({"ct"}), -500),
    )
    edited = named = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in FILES:
            data = path.read_bytes()
            try:
                file = parse_whole(data, DICTIONARY)
            except OrthancError:
                continue
            if not is_readable(data):
                continue
            result = edit(file, plan, DICTIONARY).tobytes()
            assert is_readable(result), path.name
            names = names_of(pydicom.dcmread(io.BytesIO(data), force=True))
            left = [name for name in names if name in result.partition(PIXEL_DATA)[0]]
            assert not left, path.name
            edited += 1
            named += bool(names)
    assert edited > 100
    assert named > 50
