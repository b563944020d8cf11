"""IngestTranscoding, through real servers: what is transcoded, and what is stored as it came."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.parity import image_files
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

JPEG_LS, RLE, DEFLATED = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99"
EXPLICIT, BASELINE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"


def sop_uid(file: bytes) -> str:
    return str(pydicom.dcmread(io.BytesIO(file)).SOPInstanceUID)


def icon() -> Dataset:
    small = Dataset()
    small.Rows = small.Columns = 2
    small.BitsAllocated = small.BitsStored = 8
    small.SamplesPerPixel = 1
    small.PhotometricInterpretation = "MONOCHROME2"
    small.add_new(0x7FE00010, "OB", bytes(4))
    return small


def without_pixels(
    uid: str, sop_class: str, attributes: Mapping[str, Any], syntax: str = ImplicitVRLittleEndian
) -> bytes:
    """A file of a class that has no image."""
    dataset = pydicom.dcmread(io.BytesIO(dicom_file(instance=uid, SOPClassUID=sop_class, **attributes)))
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    pydicom.dcmwrite(
        file,
        dataset,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return file.getvalue()


@pytest.fixture(
    params=[{}, {"IngestTranscodingOfUncompressed": False}, {"IngestTranscodingOfCompressed": False}]
)
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Mapping[str, Any]]]:
    """A server that transcodes to JPEG-LS, with each of the limits in turn."""
    with running(orthanclite(tmp_path, {"IngestTranscoding": JPEG_LS, **request.param})) as server:
        yield server, request.param


def stored_syntax(server: Server, data: bytes) -> str:
    instance = server.upload(data)["ID"]
    return server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text


def test_what_arrives_is_transcoded(configured: tuple[Server, Mapping[str, Any]]) -> None:
    server, limits = configured
    assert server.get("/system")["IngestTranscoding"] == JPEG_LS
    uncompressed = limits.get("IngestTranscodingOfUncompressed", True)
    assert stored_syntax(server, image_files.content("made:grey12")) == (
        JPEG_LS if uncompressed else EXPLICIT
    )
    compressed = limits.get("IngestTranscodingOfCompressed", True)
    if image_files.DCMTK:
        assert stored_syntax(server, image_files.content("rle:grey16")) == (JPEG_LS if compressed else RLE)
        deflated = image_files.content("deflated:grey8")
        assert stored_syntax(server, deflated) == (JPEG_LS if compressed else DEFLATED)


def test_what_cannot_be_transcoded_is_stored_as_it_came(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"IngestTranscoding": BASELINE})) as server:
        assert stored_syntax(server, image_files.content("made:grey12")) == EXPLICIT
        assert "stored as it came" in server.log()
        instance = server.upload(image_files.content("made:grey8"))["ID"]
        assert server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text == BASELINE
        assert server.get(f"/instances/{instance}/simplified-tags")["LossyImageCompression"] == "01"


WITHOUT_PIXELS = {
    "report": ("1.2.840.10008.5.1.4.1.1.88.11", {"Modality": "SR"}),
    "document": ("1.2.840.10008.5.1.4.1.1.104.1", {"EncapsulatedDocument": b"%PDF-1.4"}),
    "structures": ("1.2.840.10008.5.1.4.1.1.481.3", {"Modality": "RTSTRUCT"}),
    "an icon only": ("1.2.840.10008.5.1.4.1.1.88.11", {"IconImageSequence": [icon()]}),
}


@pytest.mark.parametrize("target", [JPEG_LS, BASELINE, EXPLICIT])
def test_what_has_no_pixels_is_not_compressed(tmp_path: Path, target: str) -> None:
    """Its label would tell of a compression that is not there; an uncompressed syntax can be had by all."""
    with running(orthanclite(tmp_path, {"IngestTranscoding": target})) as server:
        for number, (sop_class, attributes) in enumerate(WITHOUT_PIXELS.values()):
            for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
                data = without_pixels(f"1.2.{number}.{len(syntax)}", sop_class, attributes, syntax)
                instance = server.upload(data)["ID"]
                file = server.client.get(f"/instances/{instance}/file").content
                wanted = EXPLICIT if target == EXPLICIT else syntax
                assert pydicom.dcmread(io.BytesIO(file)).file_meta.TransferSyntaxUID == wanted
                assert server.client.get(f"/instances/{instance}/metadata/TransferSyntax").text == wanted
                assert target == EXPLICIT or file == data


def test_files_are_renewed_in_todays_syntax(tmp_path: Path) -> None:
    """``ReconstructFiles`` follows the options that rule how files are stored, where that loses nothing."""
    grey, report = (
        image_files.content("made:grey8"),
        without_pixels("1.9", *WITHOUT_PIXELS["report"], EXPLICIT),
    )
    with running(orthanclite(tmp_path)) as server:
        image, other = server.upload(grey)["ID"], server.upload(report)["ID"]
        study = server.get(f"/instances/{image}/study")["ID"]
        pixels = server.client.get(f"/instances/{image}/numpy").content

    def renewed(**config: object) -> tuple[str, str]:
        with running(orthanclite(tmp_path, config)) as server:
            for one in (study, server.get(f"/instances/{other}/study")["ID"]):
                answer = server.client.post(f"/studies/{one}/reconstruct", json={"ReconstructFiles": True})
                assert answer.status_code == 200
            assert server.client.get(f"/instances/{image}/numpy").content == pixels
            assert server.get(f"/instances/{image}/attachments/dicom/is-compressed") == int(
                bool(config.get("StorageCompression"))
            )
            assert server.client.post(f"/instances/{image}/attachments/dicom/verify-md5").status_code == 200
            assert server.client.get(f"/instances/{other}/file").content == report
            file = server.client.get(f"/instances/{image}/file").content
            label = server.client.get(f"/instances/{image}/metadata/TransferSyntax").text
            assert label == pydicom.dcmread(io.BytesIO(file)).file_meta.TransferSyntaxUID
            offset = int(server.client.get(f"/instances/{image}/metadata/PixelDataOffset").text)
            assert file[offset : offset + 4] == b"\xe0\x7f\x10\x00"
            return label, sop_uid(file)

    before = sop_uid(grey)
    assert renewed(IngestTranscoding=BASELINE) == (EXPLICIT, before)
    assert renewed(IngestTranscoding=JPEG_LS) == (JPEG_LS, before)
    assert renewed(IngestTranscoding=JPEG_LS, StorageCompression=True) == (JPEG_LS, before)
    assert renewed(IngestTranscoding=RLE, IngestTranscodingOfCompressed=False) == (JPEG_LS, before)
    assert renewed(IngestTranscoding=EXPLICIT) == (EXPLICIT, before)


def test_a_syntax_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    server = orthanclite(tmp_path, {"IngestTranscoding": "1.2.840.10008.1.2.4.102"})
    with pytest.raises(RuntimeError, match="Cannot transcode to IngestTranscoding"):
        server.start()
    server.client.close()
