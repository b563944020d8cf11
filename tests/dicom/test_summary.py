"""The summary of a file, against pydicom and against broken bytes."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.data import get_testdata_file

from orthanclite.core.errors import BadFileFormat, InexistentTag
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.summary import Summarizer


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
    assert summary.patient_id == str(dataset.PatientID).strip()
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
