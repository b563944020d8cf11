"""The viewer: pictures, measurements, planes, documents, and what leads to other viewers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Request, expect
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
from tests.support.server import Server, orthanclite, running

UID = "1.2.826.0.1.3680043.10"
SLICES = 12
SIDE = 128
HOSTILE = "<script>document.title=1</script><b>&amp;"
_AXE = Path("explorer/node_modules/axe-core/axe.min.js")

pytestmark = pytest.mark.usefixtures("built")


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("site"), {})) as started:
        fill(started)
        yield started


@pytest.fixture
def site(server: Server) -> Server:
    """A server that keeps its studies from test to test."""
    return server


def series(server: Server, uid: str) -> str:
    found = server.client.post("/tools/lookup", content=uid).json()
    return next(str(one["ID"]) for one in found if one["Type"] == "Series")


def shown(page: Page, server: Server, uid: str = f"{UID}.1.1") -> Locator:
    """The pane, once it shows the first picture of a series."""
    parent = series(server, uid)
    study = server.get(f"/series/{parent}")["ParentStudy"]
    page.goto(f"/ui/app/#/view/{study}/{parent}")
    pane = page.locator(".pane[data-shown]").first
    expect(pane).to_be_visible(timeout=60_000)
    return pane


def pixels(locator: Locator) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(locator.screenshot())).convert("RGB"))


def view(page: Page, server: Server, uid: str) -> None:
    """The viewer with a series that has no pictures."""
    parent = series(server, uid)
    page.goto(f"/ui/app/#/view/{server.get(f'/series/{parent}')['ParentStudy']}/{parent}")


def drawn(page: Page, look: Callable[[], bool]) -> None:
    """Wait until what is drawn looks so: no element tells when a picture is on the screen."""
    for _ in range(100):
        if look():
            return
        page.wait_for_timeout(300)
    raise AssertionError("It is not drawn")


def bright(pane: Locator) -> int:
    """Bright pixels in the line through the middle."""
    picture = pixels(pane)
    return int((picture[picture.shape[0] // 2, :, 0] > 150).sum())


def test_frames_come_over_dicomweb_as_they_are_needed(page: Page, site: Server) -> None:
    requests: list[Request] = []
    page.on("request", lambda one: requests.append(one))
    pane = shown(page, site)
    expect(pane.locator("output")).to_have_text(f"1 / {SLICES}")
    first = bright(pane)
    page.keyboard.press("End")
    expect(pane.locator("output")).to_have_text(f"{SLICES} / {SLICES}")
    page.wait_for_function("document.querySelectorAll('.pane[data-shown]').length === 1")
    drawn(page, lambda: bright(pane) > first > 0)
    frames = [one for one in requests if "/frames/" in one.url]
    numbers = [int(one.url.split("/instances/")[1].split("/")[0].rpartition(".")[2]) for one in frames]
    assert numbers[:5] == [1, 2, 3, 4, 5]
    assert sorted(set(numbers)) == sorted(numbers)  # none twice
    assert "/dicom-web/" in frames[0].url
    answer = frames[0].response()
    assert answer is not None
    assert answer.headers["content-type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert not [one.url for one in requests if one.url.endswith("/file")]


def test_compressed_frames_come_as_they_are_stored(page: Page, site: Server) -> None:
    answers: list[str] = []
    page.on(
        "response",
        lambda one: answers.append(one.headers["content-type"]) if "/frames/" in one.url else None,
    )
    assert bright(shown(page, site, f"{UID}.1.2")) > 20
    assert answers == [f"application/octet-stream; transfer-syntax={JPEG2000Lossless}"]


def test_frames_of_one_file_are_fetched_one_by_one(page: Page, site: Server) -> None:
    pane = shown(page, site, f"{UID}.1.3")
    expect(pane.locator("output")).to_have_text("1 / 5")
    red, green, _ = pixels(pane)[300, 600]
    assert (red, green) == (40, 0)
    page.keyboard.press("End")
    expect(pane.locator("output")).to_have_text("5 / 5")
    drawn(page, lambda: pixels(pane)[300, 600][0] == 240)


def test_without_dicomweb_files_are_read(
    page: Page, server: Server, tmp_path: Path, complaints: list[str]
) -> None:
    with running(orthanclite(tmp_path, {"DicomWeb": {"Enable": False}})) as other:
        fill(other)
        requests: list[str] = []
        page.context.unroute_all()
        page.on("request", lambda one: requests.append(one.url))
        parent = series(other, f"{UID}.1.1")
        page.goto(f"{other.url}/ui/app/#/view/{other.get(f'/series/{parent}')['ParentStudy']}/{parent}")
        pane = page.locator(".pane[data-shown]")
        expect(pane).to_be_visible(timeout=60_000)
        assert bright(pane) > 20
        assert [url for url in requests if re.search("/instances/.*/file$", url)]
        assert not [url for url in requests if "/dicom-web/" in url]
        page.goto("about:blank")


def test_corners_tell_patient_technique_and_sides(page: Page, site: Server) -> None:
    pane = shown(page, site)
    for text in (
        "Curie, Marie",
        "07/11/1867",
        "Thorax",
        "120 kV, 75 mAs",
        "Slice 2 mm at 0 mm",
        "W 2000 L 0",
    ):
        expect(pane).to_contain_text(text)
    sides = pane.locator(".side-left, .side-right, .side-top, .side-bottom")
    expect(sides).to_have_text(["R", "L", "A", "P"])
    page.keyboard.press("f")
    expect(sides).to_have_text(["L", "R", "A", "P"])
    page.keyboard.press("0")
    page.keyboard.press("r")
    expect(sides).to_have_text(["P", "A", "R", "L"])
    page.keyboard.press("t")
    expect(pane).not_to_contain_text("Curie")
    page.keyboard.press("0")
    page.keyboard.press("t")
    page.keyboard.press("4")
    expect(pane).to_contain_text("W 1500 L -600")
    dark = pixels(pane)[300, 640].mean()
    page.keyboard.press("i")
    drawn(page, lambda: pixels(pane)[300, 640].mean() < dark)
    expect(pane).to_contain_text("Slice 2 mm at 0 mm")
    page.keyboard.press("ArrowDown")
    expect(pane).to_contain_text("at 2 mm")


def test_keys_measure_and_change_the_window(page: Page, site: Server) -> None:
    pane = shown(page, site)
    page.keyboard.press("Shift+ArrowRight")
    expect(pane).not_to_contain_text("W 2000")
    page.keyboard.press("o")  # probe
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    measured = page.get_by_role("region", name="Measurements")
    expect(measured).to_contain_text("500 HU")
    page.keyboard.press("l")
    for _ in range(4):  # what is measured already would be moved
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(measured).to_contain_text(re.compile(r"Length.*\d+(\.\d+)? mm", re.DOTALL))
    page.keyboard.press("Delete")
    expect(measured).not_to_contain_text("Length")
    measured.get_by_role("button", name="Remove: Probe 1").click()
    expect(measured).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Crosshairs")


def test_uptake_is_told_with_the_dose_that_is_left(page: Page, site: Server) -> None:
    shown(page, site, f"{UID}.1.7")
    page.keyboard.press("o")  # probe
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    page.keyboard.press("Enter")
    left = 370e6 * 2 ** (-3600 / 6586.2)
    uptake = 15_240 * 70_000 / left
    expect(page.get_by_role("region", name="Measurements")).to_contain_text(f"15240 BQML (SUV {uptake:.2f})")


def test_a_file_names_windows_of_its_own(page: Page, site: Server) -> None:
    pane = shown(page, site)
    windows = page.get_by_label("Windows")
    expect(windows.locator("option")).to_have_text(
        ["Windows", "Abdomen", "Bone", "Brain", "Lung", "Mediastinum", "All", "Dense <b>"]
    )
    windows.select_option("Dense <b>")
    expect(pane).to_contain_text("W 1500 L 300")
    windows.evaluate("select => select.blur()")
    page.keyboard.press("6")
    expect(pane).to_contain_text("W 2000 L 0")


def test_a_volume_is_cut_in_three_planes(page: Page, site: Server) -> None:
    shown(page, site)
    page.get_by_role("button", name="Planes").click()
    planes = page.locator(".planes[data-shown]")
    expect(planes).to_be_visible(timeout=120_000)
    expect(planes.locator("output")).to_have_text(
        ["6 / 12", re.compile("6[45] / 128"), re.compile("6[45] / 128")], timeout=60_000
    )
    coronal = planes.locator("[data-plane=coronal]")
    expect(coronal.locator(".side-top")).to_have_text("H")
    drawn(page, lambda: (pixels(coronal)[:, :, 0] > 150).sum() > 1000)
    page.keyboard.press("ArrowDown")
    expect(planes.locator("output").first).to_have_text(re.compile("^[57] / 12"))
    page.keyboard.press("1")  # the abdomen, in all three
    expect(planes.get_by_text("W 400 L 40")).to_have_count(3)
    page.keyboard.press("n")
    expect(coronal).to_have_class(re.compile("focused"))
    page.keyboard.press("m")
    expect(page.locator(".pane[data-shown]")).to_have_count(1)
    page.goto("about:blank")


def test_what_is_no_volume_is_not_cut(page: Page, site: Server) -> None:
    shown(page, site, f"{UID}.1.3")
    expect(page.get_by_role("button", name="Planes")).to_be_disabled()


def test_reports_are_read_as_trees(page: Page, site: Server) -> None:
    view(page, site, f"{UID}.1.4")
    told = page.locator(".report")
    expect(told.get_by_role("heading")).to_have_text("Imaging Measurement Report")
    expect(told).to_contain_text("COMPLETE")
    expect(told).to_contain_text("Diameter: 12.5 mm")
    expect(told).to_contain_text("Observer: Roe, Jane")
    expect(told).to_contain_text(HOSTILE)
    expect(told).to_contain_text("long end")
    told.get_by_role("button", name="Show").click()
    expect(page.locator(".pane[data-shown] output")).to_have_text(f"1 / {SLICES}", timeout=60_000)


def test_documents_are_shown_by_the_browser(page: Page, site: Server) -> None:
    page.context.unroute_all()  # the browser's own viewer is made of files of its own
    view(page, site, f"{UID}.1.5")
    frame = page.locator("iframe")
    expect(frame).to_have_attribute("title", "PDF document")
    source = frame.get_attribute("src")
    assert source is not None
    answer = site.client.get(source.removeprefix(site.url))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert page.get_by_role("link", name="In a new tab").get_attribute("href") == source


def test_a_video_that_cannot_be_played_is_offered_for_download(page: Page, site: Server) -> None:
    with page.expect_response(re.compile("/rendered$")) as asked:
        view(page, site, f"{UID}.1.6")
    expect(page.get_by_role("alert")).to_contain_text("cannot play")
    assert asked.value.status in (200, 206)
    link = page.get_by_role("link", name="Download").get_attribute("href")
    assert link is not None
    path = link.removeprefix(site.url)
    part = site.client.get(path, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_viewer_is_accessible(page: Page, site: Server, theme: str) -> None:
    if not _AXE.is_file():
        pytest.skip("axe-core is installed by `npm ci` in explorer/")
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for uid, what in (
        (f"{UID}.1.1", ".pane[data-shown]"),
        (f"{UID}.1.1", ".planes[data-shown]"),
        (f"{UID}.1.4", ".report h2"),
    ):
        view(page, site, uid)
        if "planes" in what:
            page.get_by_role("button", name="Planes").click()
        page.locator(what).wait_for(timeout=120_000)
        page.evaluate(_AXE.read_text("utf-8"))
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
        serious = [
            (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], what


def test_a_phone_shows_the_viewer(page: Page, site: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    pane = shown(page, site)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = pane.bounding_box()
    assert box is not None
    assert box["height"] > 400
