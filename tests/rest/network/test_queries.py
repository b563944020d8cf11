"""Queries, searches and retrieval over REST, with a modality that answers as it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.support.modality import Modality, modality
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import Server

MR = "1.2.840.10008.5.1.4.1.1.4"
PORT, DEAD = free_port(), free_port()


def _entry(**more: Any) -> dict[str, Any]:
    return {"AET": "PEER", "Host": "127.0.0.1", "Port": PORT, **more}


SERVER_CONFIG = {
    "DicomAet": "SUT",
    "DicomModalities": {
        "peer": _entry(),
        "getter": _entry(RetrieveMethod="C-GET"),
        "local": _entry(LocalAet="MYLOCAL"),
        "dates": _entry(Manufacturer="GenericNoWildcardInDates"),
        "dead": ["DEAD", "127.0.0.1", DEAD],
    },
    "DicomScuTimeout": 5,
    "QueryRetrieveSize": 4,
    "JobsHistorySize": 100,
}
STUDY_UID = "1.9.1"


def dataset(**attributes: Any) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


ANA = {"PatientID": "ANA", "StudyInstanceUID": STUDY_UID, "AccessionNumber": "ACC1", "StudyDate": "20200102"}


@pytest.fixture(scope="module")
def peers() -> Iterator[Modality]:
    with modality(PORT) as started:
        yield started


@pytest.fixture
def peer(peers: Modality, server: Server) -> Modality:
    peers.reset()
    peers.move_to = ("127.0.0.1", server.dicom_port)
    for patient in server.get("/patients"):
        server.client.delete(f"/patients/{patient}").raise_for_status()
    return peers


def post(server: Server, path: str, body: Any = None) -> Any:
    answer = server.client.post(path, json=body) if body is not None else server.client.post(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def query(server: Server, level: str = "Study", name: str = "peer", **body: Any) -> str:
    answer = post(server, f"/modalities/{name}/query", {"Level": level, **body})
    assert answer["Path"] == f"/queries/{answer['ID']}"
    return str(answer["Path"])


def refused(server: Server, path: str, body: Any, status: int, code: int) -> dict[str, Any]:
    answer = (
        server.client.post(path, content=body)
        if isinstance(body, str)
        else server.client.post(path, json=body)
    )
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (status, code), answer.text
    return dict(answer.json())


def ended(server: Server, answer: dict[str, Any]) -> dict[str, Any]:
    return until(server, answer, "Success", "Failure")


def until(server: Server, answer: dict[str, Any], *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (job := server.get(answer["Path"]))["State"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return dict(job)


def files(count: int) -> list[bytes]:
    return [dicom_file("ANA", STUDY_UID, "1.9.1.1", f"1.9.1.1.{n}", InstanceNumber=n) for n in range(count)]


# -- queries ---------------------------------------------------------------------------------------


def test_a_query_and_its_answers(server: Server, peer: Modality) -> None:
    peer.answers = [
        dataset(**ANA, PatientName="Müller^Zoé", ModalitiesInStudy=["CT", "MR"]),
        dataset(PatientID="JPN", PatientName="Yamada=山田", QueryRetrieveLevel="STUDY"),
    ]
    path = query(server, Query={"PatientID": "", "StudyDate": "2020*", "0008,0061": "CT"})
    [asked] = peer.asked
    assert (asked.operation, asked.calling, asked.keys.QueryRetrieveLevel) == ("find", "SUT", "STUDY")
    assert asked.keys.StudyDate == "2020*"
    assert set(asked.keys.dir()) == {
        *("AccessionNumber", "ModalitiesInStudy", "PatientID", "QueryRetrieveLevel"),
        *("SpecificCharacterSet", "StudyDate", "StudyInstanceUID"),
    }
    assert path.rpartition("/")[2] in server.get("/queries")
    assert server.get(path) == ["answers", "level", "modality", "query", "retrieve"]
    assert server.client.get(f"{path}/level").text == "Study"
    assert server.client.get(f"{path}/modality").text == "peer"
    asked_for = {"PatientID": "", "StudyDate": "2020*", "ModalitiesInStudy": "CT"}
    assert server.get(f"{path}/query?simplify") == asked_for
    assert server.get(f"{path}/query")["0008,0020"] == {
        "Name": "StudyDate",
        "Type": "String",
        "Value": "2020*",
    }
    assert server.get(f"{path}/answers") == ["0", "1"]
    first, second = server.get(f"{path}/answers?expand&simplify")
    assert first == {
        **ANA,
        "ModalitiesInStudy": "CT\\MR",
        "PatientName": "Müller^Zoé",
        "QueryRetrieveLevel": "STUDY",
        "SpecificCharacterSet": "ISO_IR 100",
    }
    # What the default encoding lacks is not lost: the answer switches to UTF-8.
    assert (second["PatientName"], second["SpecificCharacterSet"]) == ("Yamada=山田", "ISO_IR 192")
    assert server.get(f"{path}/answers/0/content?simplify") == first
    short = server.get(f"{path}/answers/1/content?short")
    assert short["0010,0010"] == "Yamada=山田"
    full = server.get(f"{path}/answers/1/content")
    assert full["0010,0020"] == {"Name": "PatientID", "Type": "String", "Value": "JPN"}
    assert server.get(f"{path}/answers?expand")[1] == full
    assert server.get(f"{path}/answers/0") == ["content", "retrieve", "query-series", "query-instances"]
    assert server.client.delete(path).status_code == 200
    assert server.client.get(path).status_code == 404
    assert server.client.delete(path).status_code == 200


def test_sequences_and_private_tags_of_answers_are_kept(server: Server, peer: Modality) -> None:
    answer = dataset(**ANA)
    answer.RequestAttributesSequence = [dataset(ScheduledProcedureStepID="Ä")]
    answer.private_block(0x0009, "CREATOR", create=True).add_new(1, "LO", "private")
    peer.answers = [answer]
    [shown] = server.get(query(server) + "/answers?expand&simplify")
    assert shown["RequestAttributesSequence"] == [{"ScheduledProcedureStepID": "Ä"}]
    assert shown["PrivateCreator"] == "CREATOR"


def test_queries_below_an_answer(server: Server, peer: Modality) -> None:
    peer.answers = [dataset(PatientID="ANA")]
    patients = query(server, "Patient", Query={"PatientID": "A*"}, LocalAet="OTHER")
    assert server.get(f"{patients}/answers/0")[2:] == ["query-study", "query-series", "query-instances"]
    peer.answers = [dataset(**ANA)]
    studies = post(
        server, f"{patients}/answers/0/query-studies", {"Query": {"PatientID": "X", "StudyDate": "*"}}
    )["Path"]
    asked = peer.asked[-1]
    assert (asked.keys.PatientID, asked.keys.StudyDate, asked.calling) == ("ANA", "*", "OTHER")
    assert server.get(f"{studies}/query?simplify") == {"PatientID": "ANA", "StudyDate": "*"}
    peer.answers = [dataset(StudyInstanceUID=STUDY_UID, SeriesInstanceUID="1.9.1.1")]
    series = post(server, f"{studies}/answers/0/query-series", {})["Path"]
    assert peer.asked[-1].keys.StudyInstanceUID == STUDY_UID
    post(server, f"{series}/answers/0/query-instances", {"Query": {}})
    keys = peer.asked[-1].keys
    assert (keys.QueryRetrieveLevel, keys.SeriesInstanceUID, keys.StudyInstanceUID) == (
        "IMAGE",
        "1.9.1.1",
        STUDY_UID,
    )
    refused(server, f"{studies}/answers/0/query-studies", {"Query": {}}, 404, 17)
    refused(server, f"{studies}/answers/1/query-series", {"Query": {}}, 400, 3)
    refused(server, f"{studies}/answers/0/query-series", "", 400, 15)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"Query": {}}, 400, 15),
        ([], 400, 15),
        ("", 400, 15),
        ("{bad", 400, 15),
        ({"Level": 12}, 400, 15),
        ({"Level": "Worklist"}, 400, 3),
        ({"Level": "Study", "Query": []}, 400, 15),
        ({"Level": "Study", "Query": None}, 400, 15),
        ({"Level": "Study", "Query": {"Nope": "x"}}, 400, 15),
        ({"Level": "Study", "Query": {"PatientID": 12}}, 400, 15),
        ({"Level": "Study", "Query": {"PatientID": ["a"]}}, 400, 15),
        ({"Level": "Study", "LocalAet": 12}, 400, 15),
        ({"Level": "Study", "LocalAet": ""}, 400, 3),
        ({"Level": "Study", "LocalAet": "É"}, 400, 3),
        ({"Level": "Study", "Timeout": "x"}, 400, 15),
        ({"Level": "Study", "Timeout": -1}, 400, 5),
        ({"Level": "Study", "Timeout": 1 << 40}, 400, 3),
        ({"Level": "Study", "Normalize": "x"}, 400, 15),
        ({"Level": "Study", "Normalize": False, "Query": {"Rows": "many"}}, 400, 3),
        ({"Level": "Study", "Query": {f"0010,{n:04x}": "" for n in range(1, 1100)}}, 400, 8),
    ],
)
def test_a_query_that_is_refused(server: Server, peer: Modality, body: Any, status: int, code: int) -> None:
    refused(server, "/modalities/peer/query", body, status, code)
    assert not peer.asked


def test_many_answers(server: Server, peer: Modality) -> None:
    peer.answers = [dataset(PatientID=str(number), StudyInstanceUID="1.2") for number in range(1200)]
    path = query(server)
    assert len(server.get(f"{path}/answers")) == 1200
    shown = server.get(f"{path}/answers?expand&simplify")
    assert [one["PatientID"] for one in shown] == [str(number) for number in range(1200)]
    body = {"Level": "Patient", "Resources": [{"PatientID": "A"}] * 10_001}
    refused(server, "/modalities/peer/move", body, 400, 8)


def test_indices_of_answers(server: Server, peer: Modality) -> None:
    path = query(server)
    for index, code in (("7", 3), ("-1", 3), ("9" * 17, 3), ("x", 5), ("9" * 30, 5), ("1.0", 5)):
        answer = server.client.get(f"{path}/answers/{index}/content")
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, code), index


def test_a_modality_that_cannot_be_asked(server: Server, peer: Modality) -> None:
    refused(server, "/modalities/nope/query", {"Level": "Study"}, 404, 7)
    refused(server, "/modalities/dead/query", {"Level": "Study"}, 500, 9)
    before = server.get("/queries")
    peer.answers, peer.status = [dataset(**ANA)], 0xA700
    answer = refused(server, "/modalities/peer/query", {"Level": "Study"}, 500, 9)
    assert answer["ErrorPayload"] == {"Type": "Dimse", "Content": {"DimseErrorStatus": 0xA700}}
    assert "0xA700" in answer["Details"]
    peer.status = 0xC000
    refused(server, "/modalities/peer/query", {"Level": "Study"}, 422, 9)
    peer.aborts = 1
    refused(server, "/modalities/peer/query", {"Level": "Study"}, 500, 9)
    assert server.get("/queries") == before  # nothing of them is left


def test_how_a_modality_is_called(server: Server, peer: Modality) -> None:
    query(server, name="local")
    query(server, name="local", LocalAet="OVER")
    query(server, name="dates", Query={"StudyDate": "*"})
    query(server, name="dates", Query={"StudyDate": "*"}, Normalize=False)
    assert [one.calling for one in peer.asked] == ["MYLOCAL", "OVER", "SUT", "SUT"]
    assert [one.keys.StudyDate for one in peer.asked[2:]] == ["", "*"]


def test_only_so_many_queries_are_kept(server: Server, peer: Modality) -> None:
    first, second, *others = [query(server, Query={"PatientID": str(n)}) for n in range(4)]
    assert server.get(f"{first}/query?simplify") == {"PatientID": "0"}
    query(server)
    assert server.client.get(second).status_code == 404
    assert all(server.client.get(path).status_code == 200 for path in (first, *others))
    assert len(server.get("/queries")) == 4


# -- searches --------------------------------------------------------------------------------------


def test_worklists(server: Server, peer: Modality) -> None:
    peer.answers = [
        dataset(PatientName="Müller", ScheduledProcedureStepSequence=[dataset(Modality="CT")]),
        dataset(PatientID="W2"),
    ]
    steps = [{"Modality": "CT", "ScheduledStationAETitle": ""}]
    asked = {"PatientID": "*", "ScheduledProcedureStepSequence": steps}
    first, _ = post(server, "/modalities/peer/find-worklist", {"Query": asked})
    assert first["PatientName"] == "Müller"
    assert first["ScheduledProcedureStepSequence"][0]["Modality"] == "CT"
    keys = peer.asked[-1].keys
    assert keys.ScheduledProcedureStepSequence[0].Modality == "CT"
    assert "QueryRetrieveLevel" not in keys
    assert post(server, "/modalities/peer/find-worklist", asked)[0] == first
    short = post(server, "/modalities/peer/find-worklist", {"Query": asked, "Full": True, "Short": True})
    assert short[0]["0010,0010"] == "Müller"
    full = post(server, "/modalities/peer/find-worklist", {"Query": asked, "Full": True})
    assert full[1]["0010,0020"]["Value"] == "W2"
    for body, code in (([], 15), ("", 15), ({"Query": "x"}, 5), ({"Query": {"Nope": 1}}, 27)):
        refused(server, "/modalities/peer/find-worklist", body, 400, code)
    peer.status = 0xA700
    refused(server, "/modalities/peer/find-worklist", {}, 500, 9)


def test_the_deprecated_searches(server: Server, peer: Modality) -> None:
    peer.answers = [dataset(**ANA)]
    assert post(server, "/modalities/peer/find-study", {"PatientID": "AN*"})[0]["AccessionNumber"] == "ACC1"
    assert peer.asked[-1].keys.PatientID == "AN*"
    for route, body in (
        ("find-study", {}),
        ("find-study", {"PatientID": "A*"}),
        ("find-study", {"PatientName": "T*"}),
        ("find-series", {"PatientID": "ANA"}),
        ("find-instance", {"PatientID": "ANA", "StudyInstanceUID": STUDY_UID}),
        ("find-patient", []),
        ("find", "x"),
    ):
        answer = server.client.post(f"/modalities/peer/{route}", json=body)
        assert (answer.status_code, answer.content) == (400, b""), route
    refused(server, "/modalities/peer/find-patient", {"Nope": "x"}, 400, 27)
    series = {"PatientID": "ANA", "StudyInstanceUID": STUDY_UID, "SeriesInstanceUID": "1.9.1.1"}
    assert len(post(server, "/modalities/peer/find-instance", series)) == 1
    peer.asked = []
    [patient] = post(server, "/modalities/peer/find", {"StudyDate": "2020*"})
    assert patient["Studies"][0]["Series"][0]["PatientID"] == "ANA"
    assert [keys.QueryRetrieveLevel for keys in peer.asked_for("find")] == ["PATIENT", "STUDY", "SERIES"]
    assert peer.asked[1].keys.StudyDate == "2020*"
    assert peer.asked[2].keys.StudyInstanceUID == STUDY_UID


# -- retrieval -------------------------------------------------------------------------------------


def test_retrieval_by_c_move_to_this_server(server: Server, peer: Modality) -> None:
    peer.answers, peer.files = [dataset(**ANA)], files(3)
    path = query(server)
    answer = server.client.post(f"{path}/answers/0/retrieve", content="SUT").json()
    instances = server.get("/instances")
    assert len(instances) == 3
    [details] = answer["Details"]
    shown = {"0008,0050": "ACC1", "0008,0052": "STUDY", "0010,0020": "ANA", "0020,000d": STUDY_UID}
    assert set(details.pop("ReceivedInstancesIds")) == set(instances)
    assert details == {"DimseErrorStatus": 0, "Query": shown}
    assert answer["Query"] == [shown]
    assert (answer["TargetAet"], answer["LocalAet"], answer["RemoteAet"]) == ("SUT", "SUT", "PEER")
    asked = peer.asked[-1]
    assert (asked.operation, asked.destination) == ("move", "SUT")
    assert asked.keys.StudyInstanceUID == STUDY_UID
    assert "PatientID" not in asked.keys
    metadata = server.get(f"/instances/{instances[0]}/metadata?expand")
    assert metadata["Origin"] == "DicomProtocol"


def test_received_instances_are_told_for_each_answer(server: Server, peer: Modality) -> None:
    peer.answers, peer.files = [dataset(**ANA), dataset(**{**ANA, "AccessionNumber": "2"})], files(2)
    path = query(server, name="getter")
    answer = post(server, f"{path}/retrieve", {})
    assert "TargetAet" not in answer
    stored = set(server.get("/instances"))
    assert [set(one["ReceivedInstancesIds"]) for one in answer["Details"]] == [stored, stored]
    assert len(stored) == 2
    keys = peer.asked_for("get")
    assert [one.AccessionNumber for one in keys] == ["ACC1", "2"]
    metadata = server.get(f"/instances/{min(stored)}/metadata?expand")
    assert (metadata["RemoteAET"], metadata["CalledAET"]) == ("PEER", "SUT")
    moved = post(server, f"{path}/retrieve", {"RetrieveMethod": "C-MOVE", "Simplify": True, "Full": True})
    assert moved["Query"][0]["AccessionNumber"] == "ACC1"
    assert {id for one in moved["Details"] for id in one["ReceivedInstancesIds"]} == stored
    ids = [one.message_id for one in peer.asked if one.operation == "move"]
    assert len(set(ids)) == 2


def test_move_and_get_of_named_resources(server: Server, peer: Modality) -> None:
    peer.files = files(1)
    resource = {"StudyInstanceUID": STUDY_UID, "StudyDate": "2020"}
    body = {"Level": "study", "Resources": [resource], "LocalAet": "L", "TargetAet": "SUT"}
    answer = post(server, "/modalities/peer/move", body)
    assert answer["LocalAet"] == "L"
    assert answer["Details"][0]["Query"]["0008,0020"] == "2020"
    assert answer["Details"][0]["ReceivedInstancesIds"] == server.get("/instances")
    answer = post(server, "/modalities/peer/get", {"Level": "Patient", "Resources": [{"PatientID": "ANA"}]})
    assert answer["Details"][0]["ReceivedInstancesIds"] == server.get("/instances")
    assert peer.asked[-1].keys.QueryRetrieveLevel == "PATIENT"
    for body in ({"Level": "Study", "Resources": []}, {"Level": "Series", "Resources": []}):
        assert post(server, "/modalities/dead/move", body)["Details"] == []
    for bad, code in (
        ({}, 15),
        ([], 15),
        ("", 15),
        ({"Level": "Study", "Resources": resource}, 15),
        ({"Level": "x", "Resources": [resource]}, 3),
        ({"Level": "Study", "Resources": ["x"]}, 15),
        ({"Level": "Study", "Resources": [{"Nope": "x"}]}, 27),
        ({"Level": "Study", "Resources": [{"StudyInstanceUID": 1}]}, 15),
        ({"Level": "Study", "Resources": [resource], "TargetAet": ""}, 3),
        ({"Level": "Study", "Resources": [resource], "Timeout": -1}, 5),
    ):
        refused(server, "/modalities/peer/move", bad, 400, code)
    body = {"Level": "Series", "Resources": [{"SeriesInstanceUID": "1"}]}
    answer = refused(server, "/modalities/peer/move", body, 400, 8)
    assert answer["Details"] == "Missing tag 0020,000d"
    assert answer["ErrorPayload"]["Type"] == "RetrieveJob"
    refused(server, "/modalities/nope/get", {"Level": "Study", "Resources": []}, 404, 7)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('"TARGET"', 15),
        ("[]", 15),
        ("12", 15),
        ({"TargetAet": 12}, 5),
        ({"TargetAet": ""}, 3),
        ({"Timeout": "x"}, 5),
        ({"RetrieveMethod": "x"}, 3),
        ({"RetrieveMethod": 12}, 15),
        ({"Full": 1}, 15),
        ("a\\b", 3),
    ],
)
def test_a_retrieval_that_is_refused(server: Server, peer: Modality, body: Any, code: int) -> None:
    peer.answers = [dataset(**ANA)]
    refused(server, query(server) + "/retrieve", body, 400, code)
    assert not peer.asked_for("move")


def test_jobs_and_their_failures(server: Server, peer: Modality) -> None:
    peer.answers, peer.fails = [dataset(**ANA), dataset(**ANA)], [0xA801]
    path = query(server)
    job = ended(server, post(server, f"{path}/retrieve", {"TargetAet": "T", "Asynchronous": True}))
    assert (job["Type"], job["State"], job["ErrorCode"]) == ("DicomMoveScu", "Failure", 9)
    assert job["ErrorPayload"] == {"Type": "Dimse", "Content": {"DimseErrorStatus": 0xA801}}
    assert job["Content"]["Details"][0]["DimseErrorStatus"] == 0xA801
    assert len(peer.asked_for("move")) == 1  # the second is not asked for after the first has failed
    peer.fails, peer.asked = [0xA801], []
    body = {"TargetAet": "T", "Asynchronous": True, "Permissive": True, "Priority": 3}
    job = ended(server, post(server, f"{path}/retrieve", body))
    assert (job["State"], job["Priority"], job["Progress"]) == ("Success", 3, 100)
    assert [one["DimseErrorStatus"] for one in job["Content"]["Details"]] == [0xA801, 0]
    assert "0xA801" in job["Content"]["Details"][0]["ErrorDetails"]
    peer.fails = [0xC000]
    answer = refused(server, f"{path}/retrieve", {"TargetAet": "T"}, 500, 9)
    assert answer["ErrorPayload"]["Type"] == "RetrieveJob"
    assert [one["DimseErrorStatus"] for one in answer["ErrorPayload"]["Content"]] == [0xC000, 0]


def test_an_abort_is_no_silent_success(server: Server, peer: Modality) -> None:
    resources = [{"StudyInstanceUID": "1.1"}, {"StudyInstanceUID": "1.2"}]
    peer.aborts = 1
    body = {"Level": "Study", "Resources": resources, "TargetAet": "T", "Permissive": True}
    answer = post(server, "/modalities/peer/move", body)
    first, second = answer["Details"]
    assert "Peer aborted" in first["ErrorDetails"]
    assert "ErrorDetails" not in second
    assert [keys.StudyInstanceUID for keys in peer.asked_for("move")] == ["1.1", "1.2"]


def test_instances_that_failed_are_told(server: Server, peer: Modality) -> None:
    # The modality has no context for this class: it counts a failure.
    peer.files = [*files(1), dicom_file("ANA", STUDY_UID, "1.9.1.2", "1.9.2", SOPClassUID=MR)]
    body = {"Level": "Study", "Resources": [{"StudyInstanceUID": STUDY_UID}]}
    answer = refused(server, "/modalities/peer/get", body, 500, 9)
    [details] = answer["ErrorPayload"]["Content"]
    assert (details["DimseErrorStatus"], details["FailedInstancesCount"]) == (0xB000, 1)
    assert details["FailedInstances"] == ["1.9.2"]
    assert details["ReceivedInstancesIds"] == server.get("/instances")


def test_a_transfer_that_breaks_goes_on(server: Server, peer: Modality) -> None:
    resources = [{"StudyInstanceUID": f"1.{n}"} for n in range(3)]
    peer.aborts = 1
    body = {"Level": "Study", "Resources": resources, "Asynchronous": True, "Retry": 2}
    started = post(server, "/modalities/peer/get", body)
    job = ended(server, started)
    assert job["State"] == "Success"
    assert [keys.StudyInstanceUID for keys in peer.asked_for("get")] == ["1.0", "1.0", "1.1", "1.2"]
    peer.aborts, peer.asked = 9, []
    body["Retry"] = 1
    job = ended(server, post(server, "/modalities/peer/get", body))
    assert (job["State"], len(peer.asked_for("get"))) == ("Failure", 2)


def test_of_what_was_interrupted_only_the_rest_is_asked_for(server: Server, peer: Modality) -> None:
    series = {"1.9.1.1": 4, "1.9.1.2": 2}
    instances = [(uid, f"{uid}.{number}") for uid, count in series.items() for number in range(count)]
    peer.files = [dicom_file("ANA", STUDY_UID, *pair, InstanceNumber=1) for pair in instances]
    study = {"StudyInstanceUID": STUDY_UID}
    peer.by_level = {
        "STUDY": [dataset(**study, NumberOfStudyRelatedInstances=6)],
        "SERIES": [dataset(**study, SeriesInstanceUID=uid) for uid in series],
        "IMAGE": [dataset(**study, SeriesInstanceUID=uid, SOPInstanceUID=sop) for uid, sop in instances],
    }
    peer.abort_after = 2
    body = {"Level": "Study", "Resources": [study], "Asynchronous": True, "Retry": 3}
    job = ended(server, post(server, "/modalities/peer/get", body))
    assert job["State"] == "Success"
    stored = server.get("/instances")
    assert len(stored) == 6
    assert sorted(job["Content"]["Details"][0]["ReceivedInstancesIds"]) == sorted(stored)
    first, second, third = peer.asked_for("get")
    assert "SeriesInstanceUID" not in first
    assert (second.QueryRetrieveLevel, second.SeriesInstanceUID) == ("IMAGE", "1.9.1.1")
    assert list(second.SOPInstanceUID) == ["1.9.1.1.2", "1.9.1.1.3"]
    assert (third.QueryRetrieveLevel, third.SeriesInstanceUID) == ("SERIES", "1.9.1.2")


@pytest.mark.parametrize("counted", [None, 4])
def test_where_the_rest_is_not_told_all_is_asked_for(
    server: Server, peer: Modality, counted: int | None
) -> None:
    study = {"StudyInstanceUID": STUDY_UID}
    if counted is None:
        peer.status = 0xA700  # of the C-FIND
    else:  # a list that was cut off
        series = {**study, "SeriesInstanceUID": "1.9.1.1"}
        peer.by_level = {
            "STUDY": [dataset(**study, NumberOfStudyRelatedInstances=counted)],
            "SERIES": [dataset(**series)],
            "IMAGE": [dataset(**series, SOPInstanceUID=f"1.9.1.1.{n}") for n in range(2)],
        }
    peer.files, peer.abort_after = files(3), 1
    body = {"Level": "Study", "Resources": [study], "Asynchronous": True, "Retry": 3}
    job = ended(server, post(server, "/modalities/peer/get", body))
    assert job["State"] == "Success"
    assert [keys.QueryRetrieveLevel for keys in peer.asked_for("get")] == ["STUDY", "STUDY"]
    assert len(server.get("/instances")) == 3


def test_a_cancelled_job_has_the_modality_stop(server: Server, peer: Modality) -> None:
    peer.files, peer.pause = files(40), 0.25
    body = {"Level": "Study", "Resources": [{"StudyInstanceUID": STUDY_UID}], "Asynchronous": True}
    started = post(server, "/modalities/peer/get", body)
    deadline = time.monotonic() + 30
    while not server.get("/instances"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.client.post(f"{started['Path']}/cancel").raise_for_status()
    job = ended(server, started)
    assert (job["State"], job["ErrorCode"]) == ("Failure", 37)
    deadline = time.monotonic() + 15
    while not peer.cancelled:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(server.get("/instances")) < 40


def test_a_paused_job_asks_again_when_it_goes_on(server: Server, peer: Modality) -> None:
    peer.files, peer.pause = files(6), 0.3
    body = {"Level": "Study", "Resources": [{"StudyInstanceUID": STUDY_UID}], "Asynchronous": True}
    started = post(server, "/modalities/peer/get", body)
    deadline = time.monotonic() + 30
    while not server.get("/instances"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.client.post(f"{started['Path']}/pause").raise_for_status()
    until(server, started, "Paused")
    peer.pause = 0
    server.client.post(f"{started['Path']}/resume").raise_for_status()
    assert ended(server, started)["State"] == "Success"
    assert len(server.get("/instances")) == 6
    assert len(peer.asked_for("get")) == 2


# -- ends of the server ----------------------------------------------------------------------------


def test_queries_survive_a_restart(server: Server, peer: Modality) -> None:
    peer.answers = [dataset(**ANA)]
    path = query(server, Query={"PatientID": "ANA"}, LocalAet="OTHER")
    assert server.stop() == 0
    server.start()
    assert path.rpartition("/")[2] in server.get("/queries")
    assert server.get(f"{path}/query?simplify") == {"PatientID": "ANA"}
    assert server.get(f"{path}/answers?expand&simplify")[0]["AccessionNumber"] == "ACC1"
    post(server, f"{path}/retrieve", {"TargetAet": "T"})
    assert peer.asked[-1].calling == "OTHER"


def test_a_retrieval_goes_on_after_the_server_was_killed(server: Server, peer: Modality) -> None:
    peer.files, peer.pause = files(8), 0.3
    body = {"Level": "Study", "Resources": [{"StudyInstanceUID": STUDY_UID}], "Asynchronous": True}
    started = post(server, "/modalities/peer/get", body)
    deadline = time.monotonic() + 30
    while not server.get("/instances"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.kill()
    peer.pause = 0
    server.start()
    assert ended(server, started)["State"] == "Success"
    assert len(server.get("/instances")) == 8
