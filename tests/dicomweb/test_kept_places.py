"""The places of the frames of large files are kept beside them, and follow what happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from tests.dicomweb.support import ROOT, get, parts
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
PATH = f"{ROOT}/studies/7.1/series/7.2/instances/7.3"
FRAMES = 65


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"OverwriteInstances": True, "SyncStorageArea": False}
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as started:
        yield started


def large(mark: int) -> bytes:
    """A file of 65 frames of a megabyte, each a bit longer than the one before."""
    dataset = dcmread(BytesIO(dicom_file(study="7.1", series="7.2", instance="7.3", side=16)))
    dataset.NumberOfFrames, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = FRAMES, 8, 8, 7
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    frames = [frame(mark, number) for number in range(FRAMES)]
    dataset.PixelData = encapsulate(frames, has_bot=False)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    output = BytesIO()
    dataset.save_as(output)
    return output.getvalue()


def frame(mark: int, number: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([mark]) * ((1 << 20) + 2 * number) + b"\xff\xd9\0"


def last_frame(server: Server) -> bytes:
    (part,) = parts(get(server, f"{PATH}/frames/{FRAMES}", AS_STORED))
    return part.content


def test_kept_places_follow_the_file(server: Server) -> None:
    id = server.upload(large(1))["ID"]
    attachments = f"/instances/{id}/attachments"
    assert server.get(attachments) == ["dicom"]
    assert last_frame(server) == frame(1, FRAMES - 1)
    assert server.get(attachments) == ["dicom", "4302"]
    kept = server.get(f"{attachments}/4302/info")
    assert last_frame(server) == frame(1, FRAMES - 1)
    assert server.get(f"{attachments}/4302/info") == kept
    changes = server.get("/changes", params={"limit": 10000})["Changes"]
    assert not [one for one in changes if one["ChangeType"] == "UpdatedAttachment"]

    # overwritten: gone at once, and those of the new file
    server.upload(large(2))
    assert server.get(attachments) == ["dicom"]
    assert last_frame(server) == frame(2, FRAMES - 1)
    renewed = server.get(f"{attachments}/4302/info")
    assert renewed["Uuid"] != kept["Uuid"]

    # stored in another blob
    server.client.post(f"{attachments}/dicom/compress").raise_for_status()
    assert last_frame(server) == frame(2, FRAMES - 1)
    server.client.post(f"{attachments}/dicom/uncompress").raise_for_status()
    assert last_frame(server) == frame(2, FRAMES - 1)

    # reconstructed
    server.client.post(f"/instances/{id}/reconstruct", json={}).raise_for_status()
    assert last_frame(server) == frame(2, FRAMES - 1)

    # modified under the same UIDs
    body = {
        "Replace": {"InstitutionName": "X" * 1000},
        "Keep": ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"],
        "Force": True,
        "KeepSource": True,
    }
    server.client.post(f"/series/{server.get(f'/instances/{id}')['ParentSeries']}/modify", json=body)
    assert last_frame(server) == frame(2, FRAMES - 1)

    # and deleted
    server.client.delete(f"/instances/{id}").raise_for_status()
    assert get(server, f"{PATH}/frames/1", AS_STORED).status_code == 404
    assert int(server.get("/statistics")["TotalDiskSize"]) == 0


def test_nothing_is_kept_where_nothing_may_be_written(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"DicomWeb": {"EnableMetadataCache": False}})) as site:
        id = site.upload(large(1))["ID"]
        assert last_frame(site) == frame(1, FRAMES - 1)
        assert site.get(f"/instances/{id}/attachments") == ["dicom"]
