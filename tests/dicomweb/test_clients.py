"""Real clients, unmodified: dicomweb-client (PyPI), and the installed plugin of the reference."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread

from tests.dicomweb.support import sample, store_sample
from tests.dicomweb.test_reference import PLUGIN
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import REFERENCE, Server, orthanclite, reference, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is told its port, which dicomweb-client leaves out of the header Host."""
    port = free_port()
    config = {"HttpPort": port, "DicomWeb": {"Host": f"127.0.0.1:{port}"}}
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as started:
        yield started


@pytest.fixture
def client(server: Server) -> DICOMwebClient:
    return DICOMwebClient(url=f"{server.url}/dicom-web")


def test_search(server: Server, client: DICOMwebClient) -> None:
    stored = store_sample(server, "CT_small.dcm").dataset
    (study,) = client.search_for_studies(search_filters={"PatientID": "1CT1"}, fields=["StudyDescription"])
    assert Dataset.from_json(study).StudyDescription == stored.StudyDescription
    (series,) = client.search_for_series(stored.StudyInstanceUID)
    assert Dataset.from_json(series).Modality == "CT"
    (instance,) = client.search_for_instances(stored.StudyInstanceUID, stored.SeriesInstanceUID)
    assert Dataset.from_json(instance).Rows == stored.Rows
    assert client.search_for_studies(fuzzymatching=True, search_filters={"PatientName": "compressed"})
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    assert len(client.search_for_instances(limit=1, get_remaining=True)) >= 1


def test_retrieve(server: Server, client: DICOMwebClient) -> None:
    stored = store_sample(server, "CT_small.dcm").dataset
    uids = stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID
    for found in (
        client.retrieve_instance(*uids),
        *client.retrieve_series(*uids[:2]),
        *client.iter_series(*uids[:2]),
        *client.iter_study(uids[0]),
    ):
        assert (found.pixel_array == stored.pixel_array).all()
    stored_syntax = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
    assert stored_syntax.SOPInstanceUID == uids[2]
    for metadata in (
        client.retrieve_instance_metadata(*uids),
        *client.retrieve_series_metadata(*uids[:2]),
        *client.retrieve_study_metadata(uids[0]),
    ):
        assert Dataset.from_json(metadata, bulk_data_uri_handler=lambda *_: None).PatientID == "1CT1"
    uri = client.retrieve_instance_metadata(*uids)["7FE00010"]["BulkDataURI"]
    assert client.retrieve_bulkdata(uri) == [stored.PixelData]
    # It wants parts, of which there are no ranges: it gets the whole, with 200.
    assert list(client.iter_bulkdata(uri, byte_range=(0, 9))) == [stored.PixelData]


def test_frames(server: Server, client: DICOMwebClient) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm").dataset
    uids = stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID
    pixels = stored.pixel_array
    found = client.retrieve_instance_frames(*uids, frame_numbers=[2, 1])
    assert found == [pixels[1].tobytes(), pixels[0].tobytes()]
    assert len(list(client.iter_instance_frames(*uids, frame_numbers=[1]))) == 1
    compressed = client.retrieve_instance_frames(
        *uids, frame_numbers=[1], media_types=(("image/jp2", "1.2.840.10008.1.2.4.90"),)
    )
    assert compressed[0].startswith(b"\xff\x4f\xff\x51")


def test_rendered(server: Server, client: DICOMwebClient) -> None:
    stored = store_sample(server, "SC_rgb_rle_2frame.dcm").dataset
    uids = stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID
    png = client.retrieve_instance_rendered(*uids, media_types=("image/png",))
    assert np.array_equal(np.asarray(Image.open(BytesIO(png))), stored.pixel_array[0])
    jpeg = client.retrieve_instance_frames_rendered(
        *uids, frame_numbers=[2], media_types=("image/jpeg",), params={"quality": 95, "viewport": "50,50"}
    )
    assert Image.open(BytesIO(jpeg)).size == (50, 50)


def test_store_and_delete(server: Server, client: DICOMwebClient) -> None:
    datasets = [
        dcmread(BytesIO(dicom_file(study="8.1", series="8.2", instance=f"8.3.{n}", side=16)))
        for n in range(5)
    ]
    answer = client.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 5
    assert "FailedSOPSequence" not in answer
    assert len(client.retrieve_study("8.1")) == 5
    other = client.store_instances(datasets[:1], study_instance_uid="8.1")
    assert len(other.ReferencedSOPSequence) == 1


# -- the plugin of the reference as a client ------------------------------------------------------


@pytest.fixture(scope="module")
def plugin(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if REFERENCE is None or not PLUGIN.exists():
        pytest.skip("Orthanc and its DICOMweb plugin are not installed")
    config = {
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Servers": {"ours": {"Url": f"{server.url}/dicom-web/"}}},
    }
    with running(reference(Path(tmp_path_factory.mktemp("plugin")), config)) as started:
        yield started


def test_the_plugin_sends_to_us(server: Server, plugin: Server) -> None:
    file = dicom_file(study="9.1", series="9.2", instance="9.3", side=600)
    sent = plugin.upload(file)
    answer = plugin.client.post(
        "/dicom-web/servers/ours/stow", json={"Resources": [sent["ID"]], "Synchronous": True}
    )
    assert answer.status_code == 200, answer.text
    (id,) = server.client.post(
        "/tools/find", json={"Level": "Instance", "Query": {"SOPInstanceUID": "9.3"}}
    ).json()
    assert server.client.get(f"/instances/{id}/file").content == file


def test_the_plugin_asks_us(server: Server, plugin: Server) -> None:
    server.upload(sample("CT_small.dcm"))
    found = plugin.client.post(
        "/dicom-web/servers/ours/qido", json={"Uri": "/studies", "Arguments": {"PatientID": "1CT1"}}
    ).json()
    assert found[0]["00100020"]["Value"] == "1CT1"
    metadata = plugin.client.post(
        "/dicom-web/servers/ours/get",
        json={"Uri": "/studies", "Arguments": {"limit": "1"}},
    )
    assert len(metadata.json()) == 1


def test_the_plugin_retrieves_from_us(server: Server, plugin: Server) -> None:
    server.upload(sample("MR_small_RLE.dcm"))
    dataset = dcmread(BytesIO(sample("MR_small_RLE.dcm")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = plugin.client.post(
            "/dicom-web/servers/ours/retrieve",
            json={"Resources": [{"Study": dataset.StudyInstanceUID}], "Synchronous": True},
        )
    assert answer.status_code == 200, answer.text
    deadline = time.monotonic() + 30
    query = {"Level": "Instance", "Query": {"SOPInstanceUID": dataset.SOPInstanceUID}}
    while not plugin.client.post("/tools/find", json=query).json():
        assert time.monotonic() < deadline, "The plugin has not retrieved the study"
        time.sleep(0.1)
