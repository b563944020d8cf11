"""Generated DICOM files for the benchmarks: the same bytes for every server."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def ct_slices(count: int, side: int, seed: int = 1, per_series: int = 100) -> list[bytes]:
    """``count`` CT images of ``side`` x ``side`` 16-bit pixels with about 70 attributes, in series."""
    random = np.random.default_rng(seed)
    study = generate_uid(entropy_srcs=[f"study{seed}"])
    base = random.normal(1000, 60, (side, side))
    files = []
    for number in range(count):
        dataset = _header(
            study, generate_uid(entropy_srcs=[f"series{seed}.{number // per_series}"]), number, seed
        )
        pixels = (base + random.normal(0, 12, (side, side))).clip(0, 4095).astype("<u2")
        dataset.Rows = dataset.Columns = side
        dataset.PixelData = pixels.tobytes()
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        files.append(buffer.getvalue())
    return files


def _header(study: str, series: str, number: int, seed: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    uid = generate_uid(entropy_srcs=[f"instance{seed}.{number}"])
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = "20240102", "101112"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uid
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101112.25"
    dataset.AccessionNumber, dataset.Modality, dataset.Manufacturer = f"ACC{seed}", "CT", "Benchmark"
    dataset.InstitutionName, dataset.ReferringPhysicianName = "Hospital", "Ref^Doctor"
    dataset.StationName, dataset.StudyDescription, dataset.SeriesDescription = "CT1", "Thorax", "Axial 1.0"
    dataset.ManufacturerModelName, dataset.OperatorsName = "Scanner", "Op^Erator"
    dataset.PatientName, dataset.PatientID = f"Bench^Mark{seed}", f"BENCH{seed}"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19600101", "O", "064Y"
    dataset.PatientWeight, dataset.BodyPartExamined = "70", "CHEST"
    dataset.ScanOptions, dataset.SliceThickness, dataset.KVP = "HELICAL", "1.0", "120"
    dataset.DataCollectionDiameter, dataset.ReconstructionDiameter = "500", "350"
    dataset.SoftwareVersions, dataset.ProtocolName, dataset.GantryDetectorTilt = "1.0", "Thorax", "0"
    dataset.TableHeight, dataset.RotationDirection, dataset.ExposureTime = "150", "CW", "500"
    dataset.XRayTubeCurrent, dataset.Exposure, dataset.FilterType = "200", "100", "BODY"
    dataset.GeneratorPower, dataset.ConvolutionKernel, dataset.PatientPosition = "24", "B30", "FFS"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "1", "2", "1"
    dataset.InstanceNumber = number + 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[study])
    dataset.PositionReferenceIndicator = ""
    dataset.SliceLocation, dataset.SamplesPerPixel = str(number), 1
    dataset.PhotometricInterpretation, dataset.PixelSpacing = "MONOCHROME2", [0.7, 0.7]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "-1024", "1", "HU"
    return dataset
