"""The inputs of the recorded scenarios, by name: made here, always the same, or bundled with pydicom."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

ROOT = "1.2.826.0.1.3680043.8.498.77."
EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SC = "1.2.840.10008.5.1.4.1.1.7"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
STUDY = ROOT + "1"
FRAME = ROOT + "9.1"


def seq(*items: Dataset) -> Sequence:
    return Sequence(list(items))


def item(**tags: Any) -> Dataset:
    d = Dataset()
    for k, v in tags.items():
        setattr(d, k, v)
    return d


def base(sop_class: str, study: int, series: int, instance: int, modality: str, **tags: Any) -> Dataset:
    """A data set with the usual tags; those that are given as None are left out."""
    d = Dataset()
    d.SOPClassUID = sop_class
    d.SOPInstanceUID = ROOT + f"{study}.{series}.{instance}"
    d.StudyInstanceUID = ROOT + str(study)
    d.SeriesInstanceUID = ROOT + f"{study}.{series}"
    d.PatientID = f"REC-{study}"
    d.PatientName = f"Recording^Patient{study}"
    d.PatientBirthDate = "19700102"
    d.PatientSex = "O"
    d.StudyDate = "20200304"
    d.StudyTime = "101112"
    d.SeriesDate = "20200304"
    d.SeriesTime = "101213"
    d.ContentDate = "20200304"
    d.ContentTime = "101314"
    d.AccessionNumber = f"ACC{study}"
    d.StudyID = f"S{study}"
    d.StudyDescription = f"Study {study}"
    d.SeriesDescription = f"Series {series}"
    d.SeriesNumber = series
    d.InstanceNumber = instance
    d.Modality = modality
    d.InstitutionName = "Institution"
    d.ReferringPhysicianName = "Referring^Doctor"
    d.OperatorsName = "Oper^Ator"
    d.Manufacturer = "Maker"
    d.StationName = "STATION"
    for k, v in tags.items():
        if v is None:
            if k in d:
                delattr(d, k)
        else:
            setattr(d, k, v)
    return d


def image(
    d: Dataset,
    rows: int = 8,
    columns: int = 8,
    bits: int = 16,
    frames: int = 1,
    samples: int = 1,
    signed: int = 0,
    seed: int = 0,
) -> Dataset:
    d.Rows, d.Columns = rows, columns
    d.SamplesPerPixel = samples
    d.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        d.PlanarConfiguration = 0
    d.BitsAllocated = bits
    d.BitsStored = 12 if bits == 16 else bits
    d.HighBit = d.BitsStored - 1
    d.PixelRepresentation = signed
    if frames > 1:
        d.NumberOfFrames = frames
    n = rows * columns * frames * samples
    if bits == 16:
        d.PixelData = b"".join(struct.pack("<H", (i * 7 + seed * 13) % 4096) for i in range(n))
    else:
        d.PixelData = bytes((i * 5 + seed * 11) % 256 for i in range(n)) + (b"\0" if n % 2 else b"")
    d["PixelData"].VR = "OW" if bits == 16 else "OB"
    return d


def save(d: Dataset, syntax: str = EXPLICIT) -> bytes:
    f = io.BytesIO()
    m = FileMetaDataset()
    m.FileMetaInformationVersion = b"\0\1"
    m.MediaStorageSOPClassUID = d.get("SOPClassUID", SC)
    m.MediaStorageSOPInstanceUID = d.get("SOPInstanceUID", ROOT + "0")
    m.TransferSyntaxUID = syntax
    m.ImplementationClassUID = ROOT + "99"
    m.ImplementationVersionName = "RECORDING"
    d.file_meta = m
    pydicom.dcmwrite(f, d, enforce_file_format=True)
    return f.getvalue()


# A study whose objects refer to each other: two CT slices in one series, one in another,
# an RTSTRUCT and an SR. Private tags and nested sequences are in the first slice.


def ct(series: int, instance: int) -> Dataset:
    d = base(CT, 1, series, instance, "CT")
    d.FrameOfReferenceUID = FRAME
    d.PositionReferenceIndicator = "XY"
    d.ImagePositionPatient = [0, 0, instance * 2.5]
    d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    d.PixelSpacing = [0.5, 0.5]
    d.SliceThickness = 2.5
    d.WindowCenter, d.WindowWidth = 2048, 4096
    d.RescaleIntercept, d.RescaleSlope = -1024, 1
    d.DeviceSerialNumber = "SERIAL-1"
    d.ProtocolName = "Protocol"
    d.ImageComments = "a comment"
    d.OtherPatientNames = "Other^Name"
    d.PatientComments = "nothing"
    d.PatientAge = "050Y"
    d.PatientWeight = 70
    image(d, seed=series * 10 + instance)
    if instance == 1:
        d.ReferencedStudySequence = seq(
            item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=STUDY)
        )
        d.ReferencedImageSequence = seq(
            item(
                ReferencedSOPClassUID=CT,
                ReferencedSOPInstanceUID=ROOT + "1.1.2",
                PurposeOfReferenceCodeSequence=seq(
                    item(CodeValue="121311", CodingSchemeDesignator="DCM", CodeMeaning="Localizer")
                ),
            ),
            item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3.4.5.6.7.8.9.10"),
        )
        d.SourceImageSequence = seq(item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=ROOT + "1.2.1"))
        d.RequestAttributesSequence = seq(
            item(
                RequestedProcedureID="RP1",
                ScheduledProcedureStepID="SPS1",
                ScheduledProcedureStepDescription="the step",
                PatientID="REC-1",
            )
        )
        b = d.private_block(0x0009, "RECORDER", create=True)
        b.add_new(0x01, "LO", "private text")
        b.add_new(0x02, "SQ", [item(PatientName="Nested^Name", StudyInstanceUID=STUDY)])
        b.add_new(0x03, "UI", ROOT + "1.1.2")
        b2 = d.private_block(0x0011, "OTHER MAKER", create=True)
        b2.add_new(0x10, "SH", "other")
    return d


def rtstruct() -> Dataset:
    d = base(RTSTRUCT, 1, 3, 1, "RTSTRUCT")
    d.StructureSetLabel = "LABEL"
    d.StructureSetName = "NAME"
    d.StructureSetDate, d.StructureSetTime = "20200304", "111111"
    images = [item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=ROOT + f"1.1.{i}") for i in (1, 2)]
    d.ReferencedFrameOfReferenceSequence = seq(
        item(
            FrameOfReferenceUID=FRAME,
            RTReferencedStudySequence=seq(
                item(
                    ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
                    ReferencedSOPInstanceUID=STUDY,
                    RTReferencedSeriesSequence=seq(
                        item(SeriesInstanceUID=ROOT + "1.1", ContourImageSequence=seq(*images))
                    ),
                )
            ),
        )
    )
    d.StructureSetROISequence = seq(
        item(
            ROINumber=1, ReferencedFrameOfReferenceUID=FRAME, ROIName="Lung", ROIGenerationAlgorithm="MANUAL"
        )
    )
    d.ROIContourSequence = seq(
        item(
            ReferencedROINumber=1,
            ROIDisplayColor=[255, 0, 0],
            ContourSequence=seq(
                item(
                    ContourGeometricType="POINT",
                    NumberOfContourPoints=1,
                    ContourData=[1, 2, 3],
                    ContourImageSequence=seq(images[0]),
                )
            ),
        )
    )
    d.RTROIObservationsSequence = seq(
        item(
            ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="", ROIInterpreter="Inter^Preter"
        )
    )
    return d


def dcm_code(value: str, meaning: str) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning)


def sr() -> Dataset:
    d = base(SR, 1, 4, 1, "SR")
    d.CompletionFlag, d.VerificationFlag = "COMPLETE", "VERIFIED"
    d.ValueType = "CONTAINER"
    d.ContinuityOfContent = "SEPARATE"
    d.ConceptNameCodeSequence = seq(dcm_code("126000", "Imaging Measurement Report"))
    d.CurrentRequestedProcedureEvidenceSequence = seq(
        item(
            StudyInstanceUID=STUDY,
            ReferencedSeriesSequence=seq(
                item(
                    SeriesInstanceUID=ROOT + "1.1",
                    ReferencedSOPSequence=seq(
                        item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=ROOT + "1.1.1"),
                        item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=ROOT + "1.1.2"),
                    ),
                )
            ),
        )
    )
    d.VerifyingObserverSequence = seq(
        item(
            VerifyingObserverName="Verify^Er",
            VerifyingOrganization="Org",
            VerificationDateTime="20200304101112",
        )
    )
    d.ContentSequence = seq(
        item(
            RelationshipType="CONTAINS",
            ValueType="UIDREF",
            ConceptNameCodeSequence=seq(dcm_code("112039", "Tracking")),
            UID=ROOT + "1.1.1",
        ),
        item(
            RelationshipType="CONTAINS",
            ValueType="IMAGE",
            ReferencedSOPSequence=seq(
                item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=ROOT + "1.1.1")
            ),
        ),
        item(
            RelationshipType="CONTAINS",
            ValueType="TEXT",
            ConceptNameCodeSequence=seq(dcm_code("121071", "Finding")),
            TextValue="a finding",
        ),
        item(
            RelationshipType="HAS OBS CONTEXT",
            ValueType="PNAME",
            ConceptNameCodeSequence=seq(dcm_code("121008", "Observer")),
            PersonName="Observ^Er",
        ),
    )
    return d


def simple(study: int, series: int, instance: int, modality: str = "CT", **tags: Any) -> Dataset:
    pixel = {
        k: tags.pop(k) for k in list(tags) if k in ("rows", "columns", "bits", "frames", "samples", "signed")
    }
    d = base({"CT": CT, "MR": MR, "OT": SC, "US": SC}[modality], study, series, instance, modality, **tags)
    return image(d, seed=instance, **pixel)


def many(n: int) -> bytes:
    """A study that keeps a job busy: larger than what was recorded, which no answer shows."""
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        for i in range(1, n + 1):
            info = zipfile.ZipInfo(f"a/{i:04}.dcm", (2020, 1, 1, 0, 0, 0))
            z.writestr(info, save(simple(50, 1 + i % 3, i, rows=400, columns=400)))
        z.writestr(zipfile.ZipInfo("a/readme.txt", (2020, 1, 1, 0, 0, 0)), b"not DICOM")
    return f.getvalue()


def png(gray: bool = True, bits: int = 8, w: int = 6, h: int = 4, alpha: bool = False) -> bytes:
    color = {(True, False): 0, (False, False): 2, (True, True): 4, (False, True): 6}[(gray, alpha)]
    ch = (1 if gray else 3) + (1 if alpha else 0)
    rows = b""
    for y in range(h):
        rows += b"\0" + bytes((x * 17 + y * 31) % 256 for x in range(w * ch * bits // 8))
    header = struct.pack(">IIBBBBB", w, h, bits, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


def zip_two() -> bytes:
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(zipfile.ZipInfo("x/1.dcm", (2020, 1, 1, 0, 0, 0)), save(simple(60, 1, 1)))
        z.writestr(zipfile.ZipInfo("x/2.dcm", (2020, 1, 1, 0, 0, 0)), save(simple(60, 1, 2)))
        z.writestr(zipfile.ZipInfo("x/readme.txt", (2020, 1, 1, 0, 0, 0)), b"not DICOM")
    return f.getvalue()


def zip_of(*names: str) -> bytes:
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", zipfile.ZIP_DEFLATED) as z:
        for n in names:
            z.writestr(zipfile.ZipInfo(n, (2020, 1, 1, 0, 0, 0)), input_bytes(n))
    return f.getvalue()


MAKERS: dict[str, Callable[[], bytes]] = {
    "rel-ct1.dcm": lambda: save(ct(1, 1)),
    "rel-ct2.dcm": lambda: save(ct(1, 2)),
    "rel-ct3.dcm": lambda: save(ct(2, 1)),
    "rel-rtstruct.dcm": lambda: save(rtstruct()),
    "rel-sr.dcm": lambda: save(sr()),
    # a second study of the same patient as study 1, and one of another patient
    "p1-study2.dcm": lambda: save(simple(2, 1, 1, "MR", PatientID="REC-1", PatientName="Recording^Patient1")),
    "p3-a.dcm": lambda: save(simple(3, 1, 1)),
    "p3-b.dcm": lambda: save(simple(3, 1, 2)),
    "p3-c.dcm": lambda: save(simple(3, 2, 1, "MR")),
    # without PatientID, and with an empty one
    "no-patient-id.dcm": lambda: save(simple(4, 1, 1, PatientID=None)),
    "empty-patient-id.dcm": lambda: save(simple(5, 1, 1, PatientID="")),
    "no-study-uid.dcm": lambda: save(simple(6, 1, 1, StudyInstanceUID=None)),
    "no-sop-uid.dcm": lambda: save(_drop(simple(7, 1, 1), "SOPInstanceUID")),
    # images
    "gray8.dcm": lambda: save(simple(10, 1, 1, "OT", rows=16, columns=20, bits=8)),
    "gray16-3frames.dcm": lambda: save(simple(10, 1, 2, "OT", rows=16, columns=20, bits=16, frames=3)),
    "rgb.dcm": lambda: save(simple(10, 1, 3, "US", rows=16, columns=20, bits=8, samples=3)),
    "rgb-2frames.dcm": lambda: save(simple(10, 1, 4, "US", rows=16, columns=20, bits=8, samples=3, frames=2)),
    "signed16.dcm": lambda: save(
        simple(
            10,
            1,
            5,
            "CT",
            rows=16,
            columns=20,
            bits=16,
            signed=1,
            RescaleSlope=2,
            RescaleIntercept=-100,
            WindowCenter=1000,
            WindowWidth=500,
        )
    ),
    "mono1.dcm": lambda: save(
        _set(simple(10, 1, 6, "OT", rows=16, columns=20, bits=8), PhotometricInterpretation="MONOCHROME1")
    ),
    "utf8.dcm": lambda: save(
        simple(
            11,
            1,
            1,
            SpecificCharacterSet="ISO_IR 192",
            PatientName="M\u00fcller^\u5c71\u7530",
            PatientID="\u00c9-1",
            StudyDescription="\u00c9tude / \u00e9t\u00e9",
            SeriesDescription="S\u00e9rie: 1",
        )
    ),
    "latin1.dcm": lambda: save(
        simple(
            12,
            1,
            1,
            SpecificCharacterSet="ISO_IR 100",
            PatientName="M\u00fcller^\u00c9va",
            StudyDescription="\u00c9tude",
            SeriesDescription="S\u00e9rie",
        )
    ),
    "no-tags.dcm": lambda: save(
        simple(
            13,
            1,
            1,
            PatientName=None,
            StudyDescription=None,
            SeriesDescription=None,
            AccessionNumber=None,
            Modality="",
        )
    ),
    "many.zip": lambda: many(300),
    "two.zip": zip_two,
    "p3.zip": lambda: zip_of("p3-a.dcm", "p3-b.dcm", "p3-c.dcm"),
    "gray8.png": lambda: png(True, 8),
    "gray16.png": lambda: png(True, 16),
    "rgb8.png": lambda: png(False, 8),
    "rgba8.png": lambda: png(False, 8, alpha=True),
    "one.pdf": lambda: PDF,
    "text.txt": lambda: b"not DICOM at all\n",
}


def find(n: int) -> bytes:
    """One of eight studies to search for: two modalities, four patients, dates in sequence."""
    dataset = simple(
        20 + n,
        1,
        n,
        "CT" if n % 2 else "MR",
        PatientID=f"FIND{(n + 1) // 2}",
        PatientName=["Alpha^Ann", "BETA^Bob", "gamma^Cid", "Delta^D\u00e9"][(n - 1) // 2],
        SpecificCharacterSet="ISO_IR 100",
        StudyDate=f"202001{n:02}",
        StudyDescription=f"Find {'abcdefgh'[n - 1]}",
        AccessionNumber=f"F{n}",
        PatientSex="MF"[n % 2],
        BodyPartExamined="HEAD" if n < 5 else "CHEST",
    )
    return save(dataset)


MAKERS.update((f"find{n}.dcm", partial(find, n)) for n in range(1, 9))


def _drop(d: Dataset, name: str) -> Dataset:
    delattr(d, name)
    return d


def _set(d: Dataset, **tags: Any) -> Dataset:
    for k, v in tags.items():
        setattr(d, k, v)
    return d


@cache
def input_bytes(name: str) -> bytes:
    """The bytes of an input.

    :raises FileNotFoundError: for an unknown name.
    """
    if name in MAKERS:
        return MAKERS[name]()
    bundled = Path(pydicom.data.__file__).parent
    for folder in ("test_files", "charset_files", "palettes", "test_files/dicomdirtests"):
        path = bundled / folder / name
        if path.is_file():
            return path.read_bytes()
    raise FileNotFoundError(name)
