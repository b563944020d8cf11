"""Makes the pictures of the web interface that the README shows: python docs/pictures/make.py

Needs the packages of the tests, and Chromium. What is seen is made up here.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.server import orthanclite, running  # noqa: E402

SLICES = 40
SIZE = 256  # pixels
NAMES = (
    ("Lovelace^Ada", "CT", "Thorax"),
    ("Röntgen^Anna Bertha", "CR", "Left hand"),
    ("Curie^Irène", "MR", "Brain with contrast"),
    ("Hounsfield^Godfrey", "CT", "Abdomen"),
    ("Noether^Emmy", "US", "Liver"),
    ("Yamada^Tarou", "DX", "Chest PA and lateral"),
    ("Franklin^Rosalind", "MG", "Screening"),
    ("Meitner^Lise", "PT", "Whole body"),
)


def thorax(position: float) -> np.ndarray:
    """A slice of a phantom in Hounsfield units; the position goes from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    body = np.hypot(x / 0.9, y / 0.62)
    values = np.full((SIZE, SIZE), -1000.0)
    values[body < 1] = -80
    values[body < 0.92] = 45
    for side in (-1, 1):
        lung = np.hypot((x - side * 0.4) / 0.3, (y + 0.05) / 0.42)
        values[lung < np.sqrt(max(0.0, 1 - position**2))] = -820
    values[np.hypot(x - 0.12, y + 0.1) < 0.2 * (1.2 - abs(position))] = 60
    values[np.hypot(x, y - 0.42) < 0.1] = 600
    values[np.hypot(x - 0.08, y - 0.2) < 0.05] = 220
    noise = np.random.default_rng(int(position * 1000) + 2000).normal(0, 12, values.shape)
    return (values + noise).astype(np.int16)


def instance(patient: int, slice: int) -> bytes:
    name, modality, description = NAMES[patient]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    uid = f"2.25.{patient + 1}.{slice + 1}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.PatientName, dataset.PatientID = name, f"PAT{patient + 101}"
    dataset.PatientBirthDate, dataset.PatientSex = f"19{40 + patient}0{patient + 1}12", "OF"[patient % 2]
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.1.{patient}", f"2.25.2.{patient}"
    dataset.FrameOfReferenceUID = f"2.25.3.{patient}"
    dataset.StudyDate, dataset.StudyDescription = f"202611{20 - patient:02}", description
    dataset.SeriesDescription, dataset.Modality = f"{description} 2.0", modality
    dataset.AccessionNumber, dataset.SeriesNumber, dataset.InstanceNumber = f"A{4700 + patient}", 1, slice + 1
    dataset.Rows = dataset.Columns = SIZE
    dataset.PixelSpacing, dataset.SliceThickness = [1.4, 1.4], 2
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = (
        [-179, -179, 2 * slice],
        [1, 0, 0, 0, 1, 0],
    )
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 1, 1
    dataset.PhotometricInterpretation, dataset.RescaleType = "MONOCHROME2", "HU"
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.PixelData = thorax(2 * slice / SLICES - 1).tobytes()
    with io.BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"Name": "orthanclite"}
        with running(orthanclite(Path(folder), settings)) as server, sync_playwright() as playwright:
            for patient in reversed(range(len(NAMES))):
                for slice in range(SLICES if patient == 0 else 1 + patient):
                    server.client.post("/instances", content=instance(patient, slice)).raise_for_status()
            study = httpx.get(f"{server.url}/studies").json()[0]
            for one in httpx.get(f"{server.url}/studies?expand").json():
                if one["PatientMainDicomTags"]["PatientID"] == "PAT101":
                    study = one["ID"]
            httpx.put(f"{server.url}/studies/{study}/labels/urgent").raise_for_status()
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 1440, "height": 640}, locale="en-GB")
            page.goto(f"{server.url}/ui/app/")
            page.locator(".grid .line").first.click()
            page.wait_for_timeout(2000)
            page.screenshot(path=ROOT / "docs/pictures/studies.png")
            page.goto(f"{server.url}/ui/app/#/view/{study}")
            page.locator(".pane output", has_text=f"1 / {SLICES}").wait_for()
            page.get_by_text("Loading…").wait_for(state="hidden")
            for _ in range(SLICES // 2):
                page.keyboard.press("ArrowDown")
                page.wait_for_timeout(50)
            page.locator(".pane output", has_text=f"{SLICES // 2 + 1} / {SLICES}").wait_for()
            page.wait_for_timeout(1000)
            page.screenshot(path=ROOT / "docs/pictures/viewer.png")
            browser.close()


if __name__ == "__main__":
    main()
