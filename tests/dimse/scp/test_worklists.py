"""Worklists of a running server: made over REST, asked for with findscu and pynetdicom."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom.sop_class import ModalityWorklistInformationFind

from tests.dimse.support import needs_dcmtk
from tests.support.scu import Client
from tests.support.server import Server

SERVER_CONFIG = {
    "Worklists": {
        "Enable": True,
        "SaveInOrthancDatabase": True,
        "LimitAnswers": 3,
        "HousekeepingInterval": 1,
    },
    "DicomModalities": {"findscu": ["FINDSCU", "127.0.0.1", 1234]},
    "StableAge": 0,
}
ORDER: dict[str, Any] = {
    "PatientID": "PID-45",
    "PatientName": "Toto^Ünal",
    "AccessionNumber": "A1",
    "ScheduledProcedureStepSequence": [
        {"Modality": "US", "ScheduledProcedureStepStartDate": "20251014", "ScheduledStationAETitle": "US1"}
    ],
}


@pytest.fixture
def worklists(server: Server) -> Iterator[Server]:
    """The server with two worklists."""
    for changes in ({}, {"AccessionNumber": "A2", "PatientName": "Other"}):
        answer = server.client.post("/worklists/create", json={"Tags": {**ORDER, **changes}})
        assert answer.json()["Path"] == f"/worklists/{answer.json()['ID']}"
    yield server
    for entry in server.get("/worklists"):
        server.client.delete(f"/worklists/{entry['ID']}").raise_for_status()


def ask(server: Server, aet: str = "FINDSCU", **keys: Any) -> tuple[list[Dataset], int]:
    """The answers to a query, and the final status."""
    identifier = Dataset()
    for keyword, value in keys.items():
        if isinstance(value, DataElement):
            identifier.add(value)
        else:
            setattr(identifier, keyword, value)
    client = Client(aet)
    client.add_requested_context(ModalityWorklistInformationFind)
    association = client.associate("127.0.0.1", server.dicom_port)
    answers = list(association.send_c_find(identifier, ModalityWorklistInformationFind))
    association.release()
    return [found for _, found in answers if found is not None], answers[-1][0].get("Status", -1)


def test_the_plugin_is_named(server: Server) -> None:
    assert "worklists" in server.get("/plugins")
    assert server.get("/plugins/worklists")["ID"] == "worklists"


def test_formats(worklists: Server) -> None:
    for format, accession in (
        ("Simplify", ("AccessionNumber", "A1")),
        ("short", ("0008,0050", "A1")),
        ("Full", ("0008,0050", {"Name": "AccessionNumber", "Type": "String", "Value": "A1"})),
    ):
        shown = worklists.get("/worklists/", params={"format": format})
        name, value = accession
        assert value in [entry["Tags"][name] for entry in shown]
    full, shown = worklists.get("/worklists/", params={"format": "Full"}), worklists.get("/worklists")
    assert shown == full  # as orthanc-api-client reads it
    assert worklists.client.get("/worklists?format=x").status_code == 400


def test_one_worklist(worklists: Server) -> None:
    path = worklists.get("/worklists")[0]["Path"]
    assert worklists.get(path)["Tags"]["0010,0020"]["Value"] == "PID-45"
    assert worklists.client.put(path, json={"Tags": {"PatientID": "new"}}).status_code == 200
    assert worklists.get(path)["Tags"]["0010,0020"]["Value"] == "new"
    assert worklists.client.delete(path).status_code == 200
    for method in ("GET", "DELETE"):
        assert worklists.client.request(method, path).status_code == 404
    assert worklists.client.put(path, json={"Tags": {}}).status_code == 404


@pytest.mark.parametrize("body", [[], {}, {"Tags": []}, {"Tags": {"PatientID": 1}, "PrivateCreator": 1}])
def test_bad_bodies(server: Server, body: object) -> None:
    assert server.client.post("/worklists/create", json=body).status_code == 400


def test_queries(worklists: Server) -> None:
    answers, status = ask(worklists, AccessionNumber="", PatientName="toto*")
    assert status == 0x0000
    assert [(found.AccessionNumber, str(found.PatientName)) for found in answers] == [("A1", "Toto^Ünal")]
    assert answers[0].SpecificCharacterSet == "ISO_IR 100"
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle = "US", ""
    answers, status = ask(worklists, PatientID="", ScheduledProcedureStepSequence=[step])
    assert status == 0x0000
    assert len(answers) == 2
    assert answers[0].ScheduledProcedureStepSequence[0].ScheduledStationAETitle == "US1"
    pattern = DataElement(0x00100030, "DA", "1970*", validation_mode=config.IGNORE)
    assert ask(worklists, PatientBirthDate=pattern) == ([], 0xC000)


def test_the_default_encoding_changes_at_run_time(worklists: Server) -> None:
    worklists.client.put("/tools/default-encoding", content="Utf8").raise_for_status()
    answers, _ = ask(worklists, AccessionNumber="A1", PatientName="")
    assert (answers[0].SpecificCharacterSet, str(answers[0].PatientName)) == ("ISO_IR 192", "Toto^Ünal")
    worklists.client.put("/tools/default-encoding", content="Latin1").raise_for_status()


def test_too_many_answers_end_as_cancelled(worklists: Server) -> None:
    for number in range(2):
        worklists.client.post("/worklists/create", json={"Tags": {"AccessionNumber": f"B{number}"}})
    answers, status = ask(worklists, AccessionNumber="")
    assert (len(answers), status) == (3, 0xFE00)


def test_strangers_are_aborted(worklists: Server) -> None:
    assert ask(worklists, "STRANGER", AccessionNumber="") == ([], -1)


@needs_dcmtk
def test_findscu(worklists: Server) -> None:
    found = subprocess.run(
        [
            "findscu",
            "-W",
            "-k",
            "AccessionNumber",
            "-k",
            "ScheduledProcedureStepSequence[0].Modality=US",
            "127.0.0.1",
            str(worklists.dicom_port),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"[A1]" in found.stdout + found.stderr
    assert b"[A2]" in found.stdout + found.stderr
