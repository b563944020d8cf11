"""UPS-RS: worklists as workitems."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from pydicom.dataset import Dataset

from tests.dicomweb.support import ROOT, get, json_of, parts
from tests.support.server import Server

SERVER_CONFIG = {"Worklists": {"Enable": True, "SaveInOrthancDatabase": True}}
ORDERS: list[dict[str, Any]] = [
    {
        "PatientName": "Müller^Jürgen",
        "PatientID": "P1",
        "PatientBirthDate": "19600102",
        "AccessionNumber": "A1",
        "StudyInstanceUID": "1.2.3",
        "RequestedProcedureID": "R1",
        "RequestedProcedureDescription": "Thorax",
        "RequestedProcedurePriority": "STAT",
        "ScheduledProcedureStepSequence": [
            {
                "Modality": "CT",
                "ScheduledStationAETitle": "CT1",
                "ScheduledStationName": "Scanner 1",
                "ScheduledProcedureStepStartDate": "20240115",
                "ScheduledProcedureStepStartTime": "093000",
                "ScheduledPerformingPhysicianName": "Noël^René",
                "ScheduledProcedureStepDescription": "Thorax without contrast",
            },
            {"Modality": "US", "ScheduledProcedureStepStartDate": "20240116"},
        ],
    },
    {"PatientName": "Smith^John", "PatientID": "P2", "StudyInstanceUID": "1.2.4"},
]


@pytest.fixture(scope="module", autouse=True)
def orders(server: Server) -> list[str]:
    made = [server.client.post("/worklists/create", json={"Tags": one}).json()["ID"] for one in ORDERS]
    assert len(made) == 2
    return made


def found(server: Server, query: str = "") -> list[Dataset]:
    answer = json_of(get(server, f"{ROOT}/workitems?{query}"))
    return sorted((Dataset.from_json(one) for one in answer), key=lambda one: str(one.ProcedureStepLabel))


def test_each_step_is_a_workitem(server: Server) -> None:
    smith, ultrasound, thorax = found(server)
    assert (smith.PatientName, smith.ProcedureStepLabel) == ("Smith^John", "")
    assert ultrasound.ProcedureStepLabel == "Thorax"
    assert ultrasound.ScheduledProcedureStepStartDateTime == "20240116"
    assert ultrasound.ScheduledStationClassCodeSequence[0].CodeValue == "US"
    assert thorax.SOPClassUID == "1.2.840.10008.5.1.4.34.6.1"
    assert thorax.PatientName == "Müller^Jürgen"
    assert thorax.ProcedureStepState == "SCHEDULED"
    assert thorax.ScheduledProcedureStepPriority == "HIGH"
    assert thorax.ScheduledProcedureStepStartDateTime == "20240115093000"
    assert thorax.ScheduledStationNameCodeSequence[0].CodeValue == "CT1"
    assert thorax.ScheduledStationNameCodeSequence[0].CodeMeaning == "Scanner 1"
    assert thorax.ScheduledHumanPerformersSequence[0].HumanPerformerName == "Noël^René"
    (request,) = thorax.ReferencedRequestSequence
    assert (request.AccessionNumber, request.RequestedProcedureID) == ("A1", "R1")
    assert thorax.StudyInstanceUID == request.StudyInstanceUID == "1.2.3"


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("PatientID=P2", [""]),
        ("PatientName=Sm*", [""]),
        ("PatientName=jur mull&fuzzymatching=true", ["Thorax", "Thorax without contrast"]),
        (
            "ProcedureStepState=SCHEDULED&ScheduledProcedureStepPriority=HIGH",
            ["Thorax", "Thorax without contrast"],
        ),
        ("ProcedureStepState=COMPLETED", []),
        ("ScheduledProcedureStepStartDateTime=20240115-20240115235959", ["Thorax without contrast"]),
        ("ScheduledStationClassCodeSequence.CodeValue=US", ["Thorax"]),
        ("00404025.00080100=CT1", ["Thorax without contrast"]),
        ("ReferencedRequestSequence.AccessionNumber=A1", ["Thorax", "Thorax without contrast"]),
        ("offset=5", []),
    ],
)
def test_matching(server: Server, query: str, labels: list[str]) -> None:
    assert [one.ProcedureStepLabel for one in found(server, query)] == labels


def test_pages_and_fields(server: Server) -> None:
    answer = get(server, f"{ROOT}/workitems?limit=2")
    assert len(answer.json()) == 2
    assert "There are 1 additional results" in answer.headers["warning"]
    rest = get(server, f"{ROOT}/workitems?limit=2&offset=2")
    assert "warning" not in rest.headers
    assert len(rest.json()) == 1
    for query in ("limit=x", "NoSuchAttribute=1", "fuzzymatching=maybe", "StudyInstanceUID=1.*"):
        assert get(server, f"{ROOT}/workitems?{query}").status_code == 400, query


def test_a_workitem(server: Server, orders: list[str]) -> None:
    (thorax,) = found(server, "ProcedureStepLabel=Thorax without contrast")
    path = f"{ROOT}/workitems/{thorax.SOPInstanceUID}"
    (again,) = json_of(get(server, path))
    assert Dataset.from_json(again) == thorax
    (part,) = parts(get(server, path, 'multipart/related; type="application/dicom+xml"'))
    assert ElementTree.fromstring(part.content) is not None
    assert get(server, path, "image/png").status_code == 406
    assert get(server, f"{ROOT}/workitems/1.9").status_code == 404
    replaced = {**ORDERS[0], "RequestedProcedurePriority": "LOW"}
    server.client.put(f"/worklists/{orders[0]}", json={"Tags": replaced}).raise_for_status()
    (changed,) = json_of(get(server, path))
    assert changed["00741200"]["Value"] == ["LOW"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "workitems/1.2/subscribers/ME"),
        ("DELETE", "workitems/1.2/subscribers/ME"),
        ("POST", "workitems/1.2.840.10008.5.1.4.34.5/subscribers/ME/suspend"),
        ("GET", "subscribers/ME"),
    ],
)
def test_what_is_not_there_is_told(server: Server, method: str, path: str) -> None:
    answer = server.client.request(method, f"{ROOT}/{path}", content=b"[]" if method != "GET" else None)
    assert answer.status_code == 501
    assert "subscriptions" in answer.json()["Details"]
    assert answer.headers["warning"].startswith("299 ")


def test_capabilities_tell_what_is_there(server: Server) -> None:
    answer = server.client.request("OPTIONS", f"{ROOT}/workitems", headers={"accept": "application/json"})
    (resource,) = answer.json()["application"]["resources"]["resource"]
    assert [method["name"] for method in resource["methods"]] == ["GET", "POST"]
