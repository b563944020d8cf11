"""Files made with pydicom: images, character sets, sequences, private tags, every value representation."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

PRIVATE_CREATOR = "Parity Creator"

CHARACTER_SETS: dict[str, tuple[str, bytes]] = {
    "latin1": ("ISO_IR 100", "Äneas^Rüdiger".encode("iso8859-1")),
    "latin2": ("ISO_IR 101", "Wałęsa^Žižka".encode("iso8859-2")),
    "latin3": ("ISO_IR 109", "Ĉiĥo^Ġorġ".encode("iso8859-3")),
    "latin4": ("ISO_IR 110", "Ģirts^Ķēniņš".encode("iso8859-4")),
    "latin5": ("ISO_IR 148", "Çavuşoğlu^İş".encode("iso8859-9")),
    "cyrillic": ("ISO_IR 144", "Люкceмбypг^Ёж".encode("iso8859-5")),
    "arabic": ("ISO_IR 127", "قباني^لنزار".encode("iso8859-6")),
    "greek": ("ISO_IR 126", "Διονυσιος^Σ".encode("iso8859-7")),
    "hebrew": ("ISO_IR 138", "שרון^דבורה".encode("iso8859-8")),
    "thai": ("ISO_IR 166", "นามสกุล^ชื่อ".encode("tis-620")),
    "katakana": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis")),
    "utf8": ("ISO_IR 192", "Wang^XiaoDong=王^小東=𝄞".encode()),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030")),
    "gbk": ("GBK", "Wang^XiaoDong=王^小东".encode("gbk")),
    "kanji": (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
    ),
    "katakana-kanji": (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J",
    ),
    "korean": ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7="),
    "chinese-2022": ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="),
    "latin1-2022": ("ISO 2022 IR 100", "Buc^Jérôme".encode("iso8859-1")),
    "cyrillic-2022": ("\\ISO 2022 IR 144", "Люкс".join(["\x1b-L", ""]).encode("iso8859-5")),
    "ascii": ("ISO_IR 6", b"Plain^Name"),
    "absent": ("", b"Plain^Name"),
    "absent-but-latin1": ("", "Jérôme".encode("iso8859-1")),
    "unknown": ("ISO_IR 999", "Jérôme".encode("iso8859-1")),
    "ascii-but-latin1": ("ISO_IR 6", "Jérôme".encode("iso8859-1")),
}
"""By name: Specific Character Set ("" leaves it out) and the bytes of a person's name."""


def uid(*parts: str) -> str:
    """The same UID for the same words, in every session."""
    return str(generate_uid(entropy_srcs=["parity", *parts]))


def blank(name: str, sop_class: str = SecondaryCaptureImageStorage) -> Dataset:
    """A data set with the identifiers of an instance, alone in its patient."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = uid("instance", name)
    dataset.StudyInstanceUID = uid("study", name)
    dataset.SeriesInstanceUID = uid("series", name)
    dataset.PatientID = f"parity-{name}"
    dataset.PatientName = "Parity^Test"
    dataset.StudyDate = "20260102"
    dataset.StudyTime = "101112.123"
    dataset.AccessionNumber = "A-1"
    dataset.StudyID = "S1"
    dataset.Modality = "OT"
    dataset.SeriesNumber = "3"
    dataset.InstanceNumber = "7"
    return dataset


def file_of(dataset: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """A DICOM file, by default in explicit VR little endian."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def images(prefix: str) -> dict[str, bytes]:
    """Images of every kind that DCMTK's compressors take, and one report full of sequences.

    :param prefix: makes the identifiers distinct
    """
    ramp = np.add.outer(np.arange(24), np.arange(32)) * 41
    ramp[8:16, 8:24] = 77
    grey8 = (ramp % 256).astype("<u1")
    rgb = np.stack([grey8, 255 - grey8, (ramp % 199).astype("<u1")], axis=-1)
    made = {
        "grey8": _image(f"{prefix}-grey8", grey8, stored=8),
        "grey12": _image(f"{prefix}-grey12", (ramp % 4096).astype("<u2"), stored=12),
        "grey16": _image(f"{prefix}-grey16", (ramp - 900).astype("<i2"), stored=16),
        "rgb8": _image(f"{prefix}-rgb8", rgb, stored=8),
        "frames": _image(
            f"{prefix}-frames", np.stack([grey8, grey8[::-1], grey8[:, ::-1]]), stored=8, frames=3
        ),
        "sequences": _sequences(f"{prefix}-sequences"),
    }
    return {name: file_of(dataset) for name, dataset in made.items()}


def _image(name: str, pixels: np.ndarray, *, stored: int, frames: int = 0) -> Dataset:
    colour = pixels.shape[-1] == 3
    sop_class = MultiFrameTrueColorSecondaryCaptureImageStorage if frames else SecondaryCaptureImageStorage
    dataset = blank(name, sop_class)
    if frames:
        dataset.NumberOfFrames = frames
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    dataset.BitsAllocated = pixels.itemsize * 8
    dataset.BitsStored, dataset.HighBit = stored, stored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.add_new(0x7FE00010, "OW" if pixels.itemsize == 2 else "OB", pixels.tobytes())
    return dataset


def _sequences(name: str) -> Dataset:
    dataset = blank(name, "1.2.840.10008.5.1.4.1.1.88.11")
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SeriesDescription = "Séquences"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "121071", "DCM", "Résultat"
    inner = Dataset()
    inner.RelationshipType, inner.ValueType, inner.TextValue = "CONTAINS", "TEXT", "Très\r\nbien"
    inner.ConceptNameCodeSequence = Sequence([code])
    outer = Dataset()
    outer.ValueType = "CONTAINER"
    outer.ContentSequence = Sequence([inner, Dataset(), inner])
    dataset.ContentSequence = Sequence([outer, inner])
    dataset.ReferencedStudySequence = Sequence([])
    dataset.RequestAttributesSequence = Sequence([_request("RP1"), _request("RP2")])
    block = dataset.private_block(0x0009, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "LO", "private text")
    item = Dataset()
    item.private_block(0x0009, PRIVATE_CREATOR, create=True).add_new(0x02, "DS", "1.5")
    block.add_new(0x03, "SQ", Sequence([item]))
    return dataset


def _request(identifier: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID = identifier
    item.ScheduledProcedureStepDescription = "Étape"
    return item


def made_files() -> dict[str, bytes]:
    """All files, by name."""
    made: dict[str, Callable[[], Dataset]] = {
        "values": _every_representation,
        "empty-values": _empty_values,
        "private": _private_tags,
        "long-values": _long_values,
        "minimal": _minimal,
        "no-patient": _no_patient,
        "after-pixels": _after_pixels,
        "pdf": _pdf,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values that are not allowed are made on purpose
        files = {name: file_of(make()) for name, make in made.items()}
    for name, (charset, value) in CHARACTER_SETS.items():
        files[f"charset-{name}"] = _with_character_set(name, charset, value)
    files |= {f"image-{name}": data for name, data in images("plain").items()}
    files |= _series()
    return files


def _with_character_set(name: str, charset: str, value: bytes) -> bytes:
    dataset = blank(f"charset-{name}")
    placeholder = b"@" * (len(value) + len(value) % 2)
    dataset.PatientName = placeholder.decode()
    dataset.StudyDescription = placeholder.decode()
    dataset.PatientComments = placeholder.decode()
    item = Dataset()
    item.RequestedProcedureDescription = placeholder.decode()
    dataset.RequestAttributesSequence = Sequence([item])
    if charset:
        # Written as another element and renamed: pydicom refuses the names that it does not know.
        dataset.ImageType = charset.split("\\")
    padded = value + b" " * (len(value) % 2)
    written = struct.pack("<HH", 0x0008, 0x0008)
    return (
        file_of(dataset).replace(placeholder, padded).replace(written, struct.pack("<HH", 0x0008, 0x0005), 1)
    )


def _every_representation() -> Dataset:
    dataset = blank("values")
    elements: list[tuple[int, str, object]] = [
        (0x00080005, "CS", "ISO_IR 192"),
        (0x00080008, "CS", ["DERIVED", "PRIMARY", "", "M"]),
        (0x00080020, "DA", "20240229"),
        (0x00080030, "TM", "235959.999999"),
        (0x0008002A, "DT", "20240229235959.5+0100"),
        (0x00081010, "SH", " leading and trailing  "),
        (0x00081140, "SQ", Sequence([])),
        (0x00081190, "UR", "http://example.org/a?b=c d"),
        (0x00090010, "LO", PRIVATE_CREATOR),
        (0x00091001, "LO", ["one", "two"]),
        (0x00091002, "DS", ["1.50", "-2e3"]),
        (0x00101010, "AS", "042Y"),
        (0x00101020, "DS", "1.80"),
        (0x00104000, "LT", "Several\r\nlines \\ with a backslash"),
        (0x00180074, "AE", "AE TITLE"),
        (0x00181310, "US", [1, 2, 3, 65535]),
        (0x00189073, "FD", 0.1),
        (0x00186020, "SL", [-1, 2147483647]),
        (0x00186024, "US", 3),
        (0x0018602C, "FD", [1e-30, -1e30, 3.0]),
        (0x00200032, "DS", ["-1.0", "2.50", "1e2"]),
        (0x00209165, "AT", 0x00200032),
        (0x00280009, "AT", [0x00181063, 0x00181065]),
        (0x00281101, "US", [256, 0, 16]),
        (0x00289411, "IS", ["-12", "+7", "0"]),
        (0x00400555, "SQ", Sequence([])),
        (0x0040A161, "FD", [1.5, 2.25]),
        (0x0040A162, "SL", -7),
        (0x00660016, "OF", np.array([0.1, 10.1, -1e30, 3], "<f4").tobytes()),
        (0x00660022, "OD", np.array([0.1, 1 / 3], "<f8").tobytes()),
        (0x00660040, "OL", np.array([1, 4294967295], "<u4").tobytes()),
        (0x00720072, "LT", "long\ttext"),
        (0x0072006A, "PN", ["A^B", "C^D=E=F"]),
        (0x0072006E, "ST", "short text "),
        (0x00720070, "UT", "unlimited " * 10),
        (0x00720076, "FL", [0.1, 3.4e38, -0.0]),
        (0x0072007A, "US", 7),
        (0x0072007C, "SS", [-32768, 5]),
        (0x0072007E, "SS", -1),
        (0x00720080, "UL", 4294967295),
        (0x00200062, "CS", "L"),
        (0x00189810, "SS", 0),
        (0x00420011, "OB", b"\x01\x02\x03\x04"),
        (0x00280301, "CS", "NO"),
        (0x00083010, "UI", "1.2.3"),
        (0x00080120, "UR", "urn:x"),
        (0x00080119, "UC", "unlimited characters"),
        (0x00111001, "UN", b"no creator at all "),
        (0x00281201, "OW", np.arange(16, dtype="<u2").tobytes()),
    ]
    for tag, vr, value in elements:
        dataset.add(DataElement(tag, vr, value))
    return dataset


def _empty_values() -> Dataset:
    dataset = blank("empty-values")
    for keyword in (
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyDescription",
        "ReferringPhysicianName",
        "SeriesDescription",
        "InstanceNumber",
        "ImagePositionPatient",
        "PatientWeight",
        "PatientComments",
        "SpecificCharacterSet",
        "Rows",
        "RecommendedDisplayFrameRate",
        "FrameIncrementPointer",
        "RedPaletteColorLookupTableData",
        "EncapsulatedDocument",
        "RequestAttributesSequence",
        "ReferencedImageSequence",
        "SliceThickness",
    ):
        setattr(dataset, keyword, None if "Sequence" not in keyword else Sequence([]))
    return dataset


def _private_tags() -> Dataset:
    dataset = blank("private")
    known = dataset.private_block(0x0009, PRIVATE_CREATOR, create=True)
    known.add_new(0x01, "LO", "declared in the dictionary")
    known.add_new(0x02, "DS", "2.5")
    known.add_new(0x7F, "SH", "of a known creator, not declared")
    other = dataset.private_block(0x0009, "Somebody Else", create=True)
    other.add_new(0x01, "LO", "same element, other creator")
    siemens = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    siemens.add_new(0x0C, "IS", "1000")
    siemens.add_new(0x0E, "FD", [0.1, 0.2, 0.3])
    ge = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    ge.add_new(0x39, "IS", ["1000000800", "8", "0", "0"])
    ge.add_new(0x2F, "SS", 3)
    block = dataset.private_block(0x7FE1, "After Pixels", create=True)
    block.add_new(0x10, "OB", b"\0\1\2\3")
    block.add_new(0x11, "UN", b"some text ")
    return dataset


def _long_values() -> Dataset:
    dataset = blank("long-values")
    for element, length in ((0x70, 255), (0x72, 256), (0x74, 257), (0x76, 1024)):
        dataset.private_block(0x0009, PRIVATE_CREATOR, create=True).add_new(element, "UT", "x" * length)
    dataset.TextValue = "y" * 70000
    dataset.ImageComments = "z" * 10240
    dataset.SeriesDescription = "longer than the sixty-four characters that a long string may have, in fact"
    return dataset


def _minimal() -> Dataset:
    full = blank("minimal")
    dataset = Dataset()
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(dataset, keyword, getattr(full, keyword))
    return dataset


def _no_patient() -> Dataset:
    dataset = blank("no-patient")
    del dataset.PatientID
    dataset.InstanceNumber = None
    dataset.ImageIndex = 12
    return dataset


def _after_pixels() -> Dataset:
    dataset = _image("after-pixels", np.arange(64, dtype="<u2").reshape(8, 8), stored=16)
    block = dataset.private_block(0x7FE1, "Trailer", create=True)
    block.add_new(0x01, "LO", "after the pixels")
    dataset.private_block(0x7FDF, "Before", create=True).add_new(0x01, "LO", "before the pixels")
    dataset.add_new(0xFFFCFFFC, "OB", bytes(32))
    return dataset


def _pdf() -> Dataset:
    dataset = blank("pdf", "1.2.840.10008.5.1.4.1.1.104.1")
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = b"%PDF-1.4\n%%EOF\n\0"
    return dataset


def _series() -> dict[str, bytes]:
    """Series of several slices: in order, of a known number, complete, with a number twice."""
    files: dict[str, bytes] = {}
    plans = {
        "volume": ([3, 1, 2], {}),
        "complete": ([1, 2], {"NumberOfSlices": 2, "NumberOfTimeSlices": 1}),
        "missing": ([1, 3], {"ImagesInAcquisition": 4, "NumberOfTemporalPositions": 1}),
        "beyond": ([1, 9], {"CardiacNumberOfImages": 2}),
        "twice": ([1, 1], {"CardiacNumberOfImages": 3}),
        "unexpected": ([1, 2], {"ImagesInAcquisition": 2}),
        "without-positions": ([2, 5, 1], {}),
    }
    for name, (numbers, attributes) in plans.items():
        for order, number in enumerate(numbers):
            dataset = blank(f"series-{name}", CTImageStorage)
            dataset.SOPInstanceUID = uid("slice", name, str(order))
            dataset.Modality = "CT"
            dataset.InstanceNumber = number
            for keyword, value in attributes.items():
                setattr(dataset, keyword, value)
            if name != "without-positions":
                dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
                dataset.ImagePositionPatient = [-10, -20, 2.5 * number]
            files[f"series-{name}-{order}"] = file_of(dataset)
    return files
