"""C-MOVE in jobs and storage commitment as a whole server does them, with what clients see over REST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.dimse.scp.test_move import Destination
from tests.dimse.support import CT, eventually
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running

MOVE, COMMITMENT = str(StudyRootQueryRetrieveInformationModelMove), str(StorageCommitmentPushModel)


@contextmanager
def destination() -> Iterator[Destination]:
    made = Destination(classes=[CT, COMMITMENT])
    with made.listening():
        yield made


@pytest.fixture(scope="module")
def receiver() -> Iterator[Destination]:
    with destination() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: Destination) -> Iterator[Server]:
    modalities = {"dest": ["DEST", "127.0.0.1", receiver.port]}
    config = {"SynchronousCMove": False, "DicomModalities": modalities, "DicomAlwaysAllowMove": True}
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as made:
        yield made


@contextmanager
def associate(server: Server, sop_class: str, aet: str) -> Iterator[Any]:
    application = Client(aet)
    application.add_requested_context(sop_class)
    association = application.associate("127.0.0.1", server.dicom_port)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def ended_job(server: Server, before: list[str]) -> dict[str, Any]:
    """The one job that was not there before, once it has ended."""
    jobs: list[dict[str, Any]] = []

    def ended() -> bool:
        jobs[:] = [job for job in server.get("/jobs?expand") if job["ID"] not in before]
        return bool(jobs) and jobs[0]["State"] in ("Success", "Failure")

    assert eventually(ended)
    [job] = jobs
    return job


@pytest.mark.parametrize("refused", [0, 1])
def test_a_move_becomes_a_job(server: Server, receiver: Destination, refused: int) -> None:
    before = server.get("/jobs")
    receiver.stored.clear()
    receiver._statuses[:] = [0xA700] * refused
    uploaded = [server.upload(dicom_file(study="1.2.1", instance=f"1.2.1.{number}")) for number in (1, 2)]
    study = uploaded[0]["ParentStudy"]
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2.1"
    with associate(server, MOVE, "MOVER") as association:
        statuses = [status.Status for status, _ in association.send_c_move(query, "DEST", MOVE, msg_id=7)]
    assert statuses == [0xFF00, 0]
    job = ended_job(server, before)
    assert job["Type"] == "DicomModalityStore"
    assert job["State"] == "Success"
    content = job["Content"]
    content.pop("FailedInstances", None)
    assert content == {
        "Description": "C-MOVE",
        "FailedInstancesCount": refused,
        "InstancesCount": 2,
        "LocalAet": "ORTHANC",
        "MoveOriginatorAET": "MOVER",
        "MoveOriginatorID": 7,
        "ParentResources": [study],
        "RemoteAet": "DEST",
        "Resources": [{"ID": study, "Type": "Study"}],
    }
    assert sorted(receiver.stored) == [("1.2.1.1", "MOVER", 7), ("1.2.1.2", "MOVER", 7)]


def test_a_commitment_is_a_job(server: Server) -> None:
    before = server.get("/jobs")
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    asked = Dataset()
    asked.TransactionUID, asked.ReferencedSOPSequence = "1.2.99", [Dataset()]
    asked.ReferencedSOPSequence[0].ReferencedSOPClassUID = sop_class
    asked.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "9.9"
    with associate(server, COMMITMENT, "DEST") as association:
        status, _ = association.send_n_action(asked, 1, COMMITMENT, f"{COMMITMENT}.1")
        assert status.Status == 0
    job = ended_job(server, before)
    assert job["Type"] == "StorageCommitmentScp"
    assert job["Content"] == {
        "CalledAet": "ANY-SCP",
        "Description": "",
        "RemoteAet": "DEST",
        "RemoteIp": "127.0.0.1",
        "TransactionUid": "1.2.99",
    }


def test_the_conformance_statement_names_all_of_them(server: Server) -> None:
    statement = server.client.get("/tools/dicom-conformance").text
    for uid in (MOVE, COMMITMENT, "1.2.840.10008.5.1.4.1.2.2.3"):
        assert f"| {uid}\n" in statement
