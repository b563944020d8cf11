"""Records for the index, and small DICOM files, made from a few identifiers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from orthanclite.core.constants import AttachmentType, Metadata
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import MainTags
from orthanclite.core.model import Attachment, InstanceRecord, OverwriteMode

MAIN_TAGS = MainTags.build()


def record(
    patient: str = "p",
    study: str = "1.2",
    series: str = "1.2.3",
    instance: str = "1.2.3.4",
    *,
    modality: str = "CT",
    size: int = 100,
    number: str = "1",
    expected: int | None = None,
    md5: str = "a" * 32,
    overwrite: OverwriteMode = OverwriteMode.NEVER,
) -> InstanceRecord:
    """A record of one instance with a DICOM attachment of ``size`` bytes."""
    return InstanceRecord(
        ids=hierarchy(patient, study, series, instance),
        tags={
            Level.PATIENT: {"0010,0020": patient, "0010,0010": "Noël^Anaïs"},
            Level.STUDY: {"0020,000d": study, "0008,0020": "20240102"},
            Level.SERIES: {"0020,000e": series, "0008,0060": modality},
            Level.INSTANCE: {"0008,0018": instance, "0020,0013": number},
        },
        signatures=MAIN_TAGS.signatures,
        metadata={
            Level.PATIENT: {},
            Level.STUDY: {},
            Level.SERIES: {Metadata.REMOTE_AET: ""},
            Level.INSTANCE: {Metadata.INDEX_IN_SERIES: number, Metadata.TRANSFER_SYNTAX: "1.2.840.10008.1.2"},
        },
        attachments=(Attachment(AttachmentType.DICOM, str(uuid.uuid4()), size, md5, size, md5),),
        expected_instances=expected,
        sop_class_uid=str(CTImageStorage),
        overwrite=overwrite,
    )


def dicom_file(
    patient: str = "p",
    study: str = "1.2",
    series: str = "1.2.3",
    instance: str = "1.2.3.4",
    *,
    pixels: bytes = b"",
    side: int = 0,
    **attributes: object,
) -> bytes:
    """An explicit VR little endian CT image.

    :param pixels: the pixel data, of ``side`` x ``side`` unsigned 16-bit pixels
    :param attributes: further attributes, by keyword
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = instance
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = instance
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = series
    dataset.PatientID = patient
    dataset.PatientName = f"Name^{patient}"
    dataset.Modality = "CT"
    dataset.InstanceNumber = 1
    if side:
        dataset.Rows = dataset.Columns = side
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.PixelData = pixels or bytes(side * side * 2)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@dataclass(frozen=True)
class InMemory:
    """What a transcoder made, as archives read it."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, length: int) -> bytes:
        return self.content[start : start + length]
