"""The files that the network scenarios store and send, by name; each is made anew, byte for byte the same."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.10.1999"
_STORAGE = "1.2.840.10008.5.1.4.1.1."
CT, MR, CR, SR = (_STORAGE + end for end in ("2", "4", "1", "88.11"))
PRIVATE = "1.2.3.4.5.6.7"

_PATIENTS = {
    "ana": (1, "ANA", "Test^Ana", "F", "19700203", None),
    "bob": (2, "BOB", "Test^Bob", "M", "19800102", None),
    "zoe": (3, "ZOE", "Müller^Zoé", "F", "19700203", "ISO_IR 100"),
    "jpn": (4, "JPN", "Yamada^Tarou=山田^太郎=やまだ^たろう", "F", "19700203", "ISO_IR 192"),
    "anb": (5, "ANB", "test^ana", "F", "19700203", None),
    "grk": (6, "GRK", "Διον", "F", "19700203", "ISO_IR 126"),
}
"""Number, identifier, name, sex, date of birth, character set."""

_FIRST = (1, "20200102", "101112", "ACC1", "STUDY DESC", "S1")
_SECOND = (2, "20210304", "235959", "ACC2", "SECOND", "S2")
_B = (2, "20190909", "101112", "ACC4", "STUDY B", "S1")
_REPORT = (1, "20190908", "101112", "ACC3", "report", "S1")
_SERIES_CT, _SERIES_MR = (1, "CT", "SERIES DESC"), (2, "MR", "T1 axial")

FILES: dict[str, tuple[Any, ...]] = {
    **{f"ana-ct-{n}": ("ana", _FIRST, _SERIES_CT, n, CT) for n in (1, 2, 3)},
    **{f"ana-mr-{n}": ("ana", _FIRST, _SERIES_MR, n, MR) for n in (1, 2)},
    "ana-cr-1": ("ana", _SECOND, (1, "CR", "chest"), 1, CR),
    "bob-sr-1": ("bob", _REPORT, (1, "SR", "text"), 1, SR),
    "bob-ct-1": ("bob", _B, _SERIES_CT, 1, CT),
    "bob-ct-2": ("bob", _B, _SERIES_CT, 2, CT, ImplicitVRLittleEndian),
    "bob-ct-3": ("bob", _B, _SERIES_CT, 3, CT, ExplicitVRBigEndian),
    "zoe-cr-1": ("zoe", (*_FIRST[:3], "ACC5", "étude", "S1"), (1, "CR", "SERIES DESC"), 1, CR),
    "jpn-cr-1": ("jpn", (*_FIRST[:3], "ACC6", "STUDY DESC", "S1"), (1, "CR", "SERIES DESC"), 1, CR),
    "grk-cr-1": ("grk", (*_FIRST[:3], "ACC8", "STUDY DESC", "S1"), (1, "CR", "SERIES DESC"), 1, CR),
    "priv-1": ("bob", (3, *_FIRST[1:3], "ACC9", "STUDY DESC", "S1"), _SERIES_CT, 1, PRIVATE),
    "anb-ct-1": ("anb", (1, "", "", "ACC7", "STUDY DESC", "S1"), _SERIES_CT, 1, CT),
}
_PIXELS = 16


@cache
def file_of(name: str) -> bytes:
    """A DICOM file."""
    patient, study, series, number, sop_class, *syntaxes = FILES[name]
    syntax = syntaxes[0] if syntaxes else ExplicitVRLittleEndian
    patient_number, id, patient_name, sex, birth, charset = _PATIENTS[patient]
    made = Dataset()
    if charset:
        made.SpecificCharacterSet = charset
    made.SOPClassUID, made.StudyInstanceUID = sop_class, f"{ROOT}.{patient_number}.{study[0]}"
    made.SeriesInstanceUID = f"{made.StudyInstanceUID}.{series[0]}"
    made.SOPInstanceUID = f"{made.SeriesInstanceUID}.{number}"
    _, made.StudyDate, made.StudyTime, made.AccessionNumber, made.StudyDescription, made.StudyID = study
    made.SeriesDate = made.StudyDate
    made.SeriesNumber, made.Modality, made.SeriesDescription = series
    made.InstanceNumber, made.ReferringPhysicianName = str(number), "Ref^Doc"
    made.PatientID, made.PatientName = id, patient_name
    made.PatientSex, made.PatientBirthDate = sex, birth
    if sop_class == SR:
        made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    elif sop_class != PRIVATE:
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.Rows = made.Columns = 4
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
        order = "big" if syntax == ExplicitVRBigEndian else "little"
        made.PixelData = b"".join((k * 37 + number).to_bytes(2, order) for k in range(_PIXELS))
        made["PixelData"].VR = "OW"
    meta = made.file_meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, made.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, f"{ROOT}.1"
    meta.ImplementationVersionName = "GEN1"
    file = io.BytesIO()
    pydicom.dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


@cache
def dataset_of(name: str) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file_of(name)))


@cache
def orthanc_id(letter: str, name: str) -> str:
    """The Orthanc ID of a file's patient, study, series or instance (``p``, ``t``, ``s``, ``i``)."""
    dataset = dataset_of(name)
    uids = [
        dataset[tag].value for tag in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    ]
    text = "|".join(uids[: "ptsi".index(letter) + 1])
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


def name_of(sop_instance_uid: str) -> str | None:
    """The file with a SOP instance UID."""
    return next((name for name in FILES if dataset_of(name).SOPInstanceUID == sop_instance_uid), None)
