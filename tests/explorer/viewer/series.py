"""A study with a series of each kind that the viewer shows."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    Comprehensive3DSRStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    JPEG2000Lossless,
    PositronEmissionTomographyImageStorage,
    VideoEndoscopicImageStorage,
)

from tests.support.records import dicom_file
from tests.support.server import Server

UID = "1.2.826.0.1.3680043.10"
SLICES = 12
SIDE = 128
HOUR_LEFT = 370e6 * 2 ** (-3600 / 6586.2)
"""Bq of 370 MBq of fluorine-18, after an hour."""
HOSTILE = "<script>document.title=1</script><b>&amp;"


def ct(number: int, **attributes: object) -> bytes:
    """A slice whose disc, of 500 HU on -500 HU, grows with the number."""
    rows, columns = np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2]
    disc = np.where(rows**2 + columns**2 < (20 + 3 * number) ** 2, 1524, 524).astype("<u2")
    given: dict[str, object] = {
        "InstanceNumber": number + 1,
        "PatientName": "Curie^Marie",
        "PatientBirthDate": "18671107",
        "StudyDate": "20240131",
        "StudyDescription": "Thorax",
        "SeriesDescription": "Discs",
        "SeriesNumber": 1,
        "FrameOfReferenceUID": f"{UID}.9",
        "PixelSpacing": [0.5, 0.5],
        "SliceThickness": "2",
        "SliceLocation": str(2 * number),
        "KVP": "120",
        "Exposure": "75",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, 2 * number],
        "RescaleSlope": "1",
        "RescaleIntercept": "-1024",
        "RescaleType": "HU",
        "WindowCenter": ["0", "300"],
        "WindowWidth": ["2000", "1500"],
        "WindowCenterWidthExplanation": ["All", "Dense <b>"],
        **attributes,
    }
    return dicom_file(
        "ct", f"{UID}.1", f"{UID}.1.1", f"{UID}.1.1.{number + 1}", side=SIDE, pixels=disc.tobytes(), **given
    )


def compressed(server: Server) -> bytes:
    """The first slice as JPEG 2000, in a series of its own."""
    wanted = {
        "Transcode": JPEG2000Lossless,
        "Replace": {"SeriesInstanceUID": f"{UID}.1.2", "SOPInstanceUID": f"{UID}.1.2.1"},
        "Force": True,
    }
    (found,) = server.client.post("/tools/lookup", content=f"{UID}.1.1.1").json()
    answer = server.client.post(f"/instances/{found['ID']}/modify", json=wanted)
    answer.raise_for_status()
    return answer.content


def cine() -> bytes:
    """Five frames of colours out of a table, each brighter than the one before."""
    dataset = dcmread(BytesIO(ct(0, SeriesDescription="Cine", SeriesNumber=3, Modality="US")))
    dataset.SeriesInstanceUID = f"{UID}.1.3"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.1.3.1"
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.NumberOfFrames = 7, 5
    table = (np.arange(256) << 8).astype("<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        descriptor = tag_for_keyword(f"{colour}PaletteColorLookupTableDescriptor")
        assert descriptor is not None
        dataset.add_new(descriptor, "US", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", table if colour == "Red" else bytes(512))
    for keyword in ("Slope", "Intercept", "Type"):
        delattr(dataset, f"Rescale{keyword}")
    for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"):
        delattr(dataset, keyword)
    dataset.PixelData = b"".join(bytes([40 + 50 * frame]) * SIDE**2 for frame in range(5))
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def pet() -> bytes:
    """A disc of 15,240 Bq/ml, an hour after 370 MBq of fluorine-18."""
    pharmaceutical = Dataset()
    pharmaceutical.RadiopharmaceuticalStartTime = "100000"
    pharmaceutical.RadionuclideTotalDose = "370000000"
    pharmaceutical.RadionuclideHalfLife = "6586.2"
    dataset = dcmread(BytesIO(ct(0, SeriesDescription="Uptake", SeriesNumber=4, Modality="PT")))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = PositronEmissionTomographyImageStorage
    dataset.SeriesInstanceUID = f"{UID}.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.1.7.1"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "10", "0", "BQML"
    dataset.WindowCenter, dataset.WindowWidth = "10000", "20000"
    dataset.Units, dataset.DecayCorrection, dataset.PatientWeight = "BQML", "START", "70"
    dataset.CorrectedImage = ["ATTN", "DECY"]
    dataset.SeriesDate = dataset.AcquisitionDate = "20240131"
    dataset.SeriesTime = dataset.AcquisitionTime = "110000"
    dataset.RadiopharmaceuticalInformationSequence = [pharmaceutical]
    del dataset.WindowCenterWidthExplanation
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def report() -> bytes:
    """A measurement report (TID 1500 in short) that refers to the first slice."""

    def code(value: str, scheme: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    def content(kind: str, relationship: str, name: str, **attributes: object) -> Dataset:
        item = Dataset()
        item.RelationshipType, item.ValueType = relationship, kind
        item.ConceptNameCodeSequence = [code("1", "99X", name)]
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
        return item

    measured = Dataset()
    measured.NumericValue = "12.5"
    measured.MeasurementUnitsCodeSequence = [code("mm", "UCUM", "millimeter")]
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CTImageStorage, f"{UID}.1.1.1"
    findings = content("CONTAINER", "CONTAINS", "Findings")
    findings.ContentSequence = [
        content("NUM", "CONTAINS", "Diameter", MeasuredValueSequence=[measured]),
        content("TEXT", "CONTAINS", "Comment", TextValue=f"{HOSTILE} {'long ' * 100}end"),
        content("PNAME", "HAS OBS CONTEXT", "Observer", PersonName="Roe^Jane"),
        content("IMAGE", "CONTAINS", "Source", ReferencedSOPSequence=[image]),
    ]
    dataset = dcmread(BytesIO(dicom_file("ct", f"{UID}.1", f"{UID}.1.4", f"{UID}.1.4.1", Modality="SR")))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = Comprehensive3DSRStorage
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SeriesNumber, dataset.SeriesDescription = 4, "Report"
    dataset.ValueType, dataset.CompletionFlag = "CONTAINER", "COMPLETE"
    dataset.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    dataset.ContentSequence = [findings]
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def document() -> bytes:
    """A PDF of one empty page."""
    pdf = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj "
    pdf += b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    pdf += b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    dataset = dcmread(BytesIO(dicom_file("ct", f"{UID}.1", f"{UID}.1.5", f"{UID}.1.5.1", Modality="DOC")))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    dataset.SeriesNumber, dataset.SeriesDescription = 5, "Letter"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument, dataset.EncapsulatedDocumentLength = pdf + b"\0" * (len(pdf) % 2), len(pdf)
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def video() -> bytes:
    """What a video file looks like to the server; no browser can play it."""
    dataset = dcmread(
        BytesIO(dicom_file("ct", f"{UID}.1", f"{UID}.1.6", f"{UID}.1.6.1", Modality="ES", side=16))
    )
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = VideoEndoscopicImageStorage
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.SeriesNumber, dataset.SeriesDescription, dataset.NumberOfFrames = 6, "Video", 10
    dataset.PixelData = encapsulate([b"\0\0\0\x18ftypmp42" + bytes(1000)])
    dataset["PixelData"].is_undefined_length = True
    with BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def fill(server: Server) -> None:
    for content in (*map(ct, range(SLICES)), cine(), pet(), report(), document(), video()):
        server.client.post("/instances", content=content).raise_for_status()
    server.client.post("/instances", content=compressed(server)).raise_for_status()
