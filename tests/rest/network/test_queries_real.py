"""Queries and retrieval with real modalities: DCMTK's dcmqrscp and wlmscpfs, and the installed reference."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from orthanclite.core.identifiers import generate_uid
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

needs_dcmtk = pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="DCMTK is not installed")
STUDIES = {"1.9.1": 3, "1.9.2": 2}  # instances of each


@dataclass(frozen=True)
class Site:
    """Our server, with its ports known before it starts."""

    server: Server
    modality_port: int


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port, worklist_port = free_port(), free_port()
    config = {
        "DicomAet": "SUT",
        "DicomModalities": {
            "move": ["QRSCP", "127.0.0.1", port],
            "get": {"AET": "QRSCP", "Host": "127.0.0.1", "Port": port, "RetrieveMethod": "C-GET"},
            "worklists": ["WLM", "127.0.0.1", worklist_port],
        },
        "DicomScuTimeout": 30,
    }
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as server:
        yield Site(server, port)


def files() -> dict[str, bytes]:
    return {
        f"{study}.{number}": dicom_file(
            "ANA",
            study,
            f"{study}.1",
            f"{study}.1.{number}",
            StudyDate="20200102",
            StudyTime="120000",
            InstanceNumber=number,
            AccessionNumber=f"A{study[-1]}",
        )
        for study, count in STUDIES.items()
        for number in range(count)
    }


@contextmanager
def program(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program that listens, for the length of a block."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def dcmqrscp(site: Site, folder: Path) -> Iterator[None]:
    """DCMTK's archive, which holds the studies."""
    store = folder / "QRSCP"
    store.mkdir()
    paths = []
    for name, data in files().items():
        (store / f"{name}.dcm").write_bytes(data)
        paths.append(str(store / f"{name}.dcm"))
    subprocess.run(["dcmqridx", str(store), *paths], check=True, capture_output=True)
    (folder / "config").write_text(
        f"NetworkTCPPort = {site.modality_port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nsut = (SUT, 127.0.0.1, {site.server.dicom_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {store} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with program(["dcmqrscp", "-c", str(folder / "config")], site.modality_port, folder):
        yield


@contextmanager
def other_server(site: Site, folder: Path) -> Iterator[None]:
    """The installed reference, which holds the studies."""
    config = {
        "DicomAet": "QRSCP",
        "DicomPort": site.modality_port,
        "DicomModalities": {"sut": ["SUT", "127.0.0.1", site.server.dicom_port]},
        "DicomAlwaysAllowGet": True,
        "Plugins": [],
    }
    with running(reference(folder, config)) as server:
        for data in files().values():
            server.upload(data)
        yield


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("dcmqrscp", marks=needs_dcmtk),
        pytest.param("reference", marks=pytest.mark.skipif(REFERENCE is None, reason="no Orthanc")),
    ],
)
def archive(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    start = dcmqrscp if request.param == "dcmqrscp" else other_server
    with start(site, tmp_path_factory.mktemp("archive")):
        yield str(request.param)


def post(server: Server, path: str, body: Any) -> Any:
    answer = server.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def empty(server: Server) -> None:
    for patient in server.get("/patients"):
        server.client.delete(f"/patients/{patient}").raise_for_status()


@pytest.mark.parametrize("name", ["move", "get"])
def test_a_study_is_found_and_fetched(site: Site, archive: str, name: str) -> None:
    server = site.server
    empty(server)
    body = {"Level": "Study", "Query": {"PatientID": "AN*", "StudyDate": "20200101-", "AccessionNumber": ""}}
    path = post(server, f"/modalities/{name}/query", body)["Path"]
    answers = server.get(f"{path}/answers?expand&simplify")
    assert {one["StudyInstanceUID"] for one in answers} == set(STUDIES)
    assert {one["AccessionNumber"] for one in answers} == {"A1", "A2"}
    series = post(server, f"{path}/answers/0/query-series", {"Query": {"Modality": ""}})["Path"]
    [found] = server.get(f"{series}/answers?expand&simplify")
    assert found["StudyInstanceUID"] == answers[0]["StudyInstanceUID"]
    answer = post(server, f"{path}/answers/0/retrieve", {"TargetAet": "SUT"})
    count = STUDIES[answers[0]["StudyInstanceUID"]]
    stored = server.get("/instances")
    assert len(stored) == count
    assert set(answer["Details"][0]["ReceivedInstancesIds"]) == set(stored)
    answer = post(server, f"{path}/retrieve", {"TargetAet": "SUT"})
    stored = server.get("/instances")
    assert len(stored) == sum(STUDIES.values())
    assert {id for one in answer["Details"] for id in one["ReceivedInstancesIds"]} == set(stored)


@pytest.mark.parametrize("name", ["move", "get"])
def test_resources_of_every_level_are_fetched(site: Site, archive: str, name: str) -> None:
    server = site.server
    for level, resource, count in (
        ("Patient", {"PatientID": "ANA"}, 5),
        ("Series", {"StudyInstanceUID": "1.9.1", "SeriesInstanceUID": "1.9.1.1"}, 3),
        (
            "Instance",
            {"StudyInstanceUID": "1.9.2", "SeriesInstanceUID": "1.9.2.1", "SOPInstanceUID": "1.9.2.1.1"},
            1,
        ),
    ):
        empty(server)
        resource = {"PatientID": "ANA", **resource}
        answer = post(server, f"/modalities/move/{name}", {"Level": level, "Resources": [resource]})
        assert len(server.get("/instances")) == count, level
        assert len(answer["Details"][0]["ReceivedInstancesIds"]) == count, level


def test_a_destination_that_nobody_knows(site: Site, archive: str) -> None:
    body = {"Level": "Study", "Resources": [{"StudyInstanceUID": "1.9.1"}], "TargetAet": "NOBODY"}
    answer = site.server.client.post("/modalities/move/move", json=body)
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (500, 9)
    [details] = answer.json()["ErrorPayload"]["Content"]
    assert details["DimseErrorStatus"] == {"dcmqrscp": 0xA801, "reference": 0xC000}[archive]


def test_a_study_that_is_not_there(site: Site, archive: str) -> None:
    body = {"Level": "Study", "Query": {"StudyInstanceUID": "9.9"}}
    path = post(site.server, "/modalities/move/query", body)["Path"]
    assert site.server.get(f"{path}/answers") == []
    assert post(site.server, f"{path}/retrieve", {"TargetAet": "SUT"})["Details"] == []


@pytest.mark.skipif(shutil.which("wlmscpfs") is None, reason="DCMTK is not installed")
def test_worklists_of_wlmscpfs(site: Site, tmp_path: Path) -> None:
    port = site.server.config["DicomModalities"]["worklists"][2]
    folder = tmp_path / "WLM"
    folder.mkdir()
    (folder / "lockfile").touch()
    for number, modality in enumerate(("CT", "MR")):
        item = Dataset()
        item.file_meta = FileMetaDataset()
        item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        item.file_meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
        item.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        item.SpecificCharacterSet = "ISO_IR 100"
        item.PatientID, item.PatientName = f"W{number}", "Müller^Änne"
        step = Dataset()
        step.Modality, step.ScheduledStationAETitle = modality, "STATION"
        step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20200102", "120000"
        item.ScheduledProcedureStepSequence = [step]
        item.save_as(folder / f"{number}.wl", enforce_file_format=True)
    with program(["wlmscpfs", "-dfp", str(tmp_path), "-dfr", "-nse", str(port)], port, tmp_path):
        query = {
            "PatientID": "",
            "PatientName": "",
            "ScheduledProcedureStepSequence": [{"Modality": "MR", "ScheduledStationAETitle": ""}],
        }
        found = post(site.server, "/modalities/worklists/find-worklist", {"Query": query})
    [answer] = found
    assert (answer["PatientID"], answer["PatientName"]) == ("W1", "Müller^Änne")
    assert answer["ScheduledProcedureStepSequence"][0]["Modality"] == "MR"
