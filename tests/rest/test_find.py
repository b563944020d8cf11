"""Searching through the REST API of a real server, on both databases."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {
    "LimitFindInstances": 5,
    "UserMetadata": {"Note": 1024},
    "ExtraMainDicomTags": {"Study": ["PatientAge"], "Instance": ["ImageType"]},
}

# Patient, study, series, instance, and what differs.
FILES: list[tuple[tuple[str, str, str, str], dict[str, Any]]] = [
    (
        ("Pat1", "1.1", "1.1.1", f"1.1.1.{number}"),
        {
            "PatientName": "Noël^Anaïs",
            "SpecificCharacterSet": "ISO_IR 192",
            "StudyDate": "20240102",
            "StudyDescription": "Thorax 100%",
            "AccessionNumber": "A1",
            "InstanceNumber": number,
            "ImageType": ["ORIGINAL", "PRIMARY", f"T{number}"],
            "PatientAge": "030Y",
            "PatientPosition": "HFS" if number == 1 else "HFP",
        },
    )
    for number in range(1, 8)
] + [
    (
        ("pat2", "1.2", "1.2.1", "1.2.1.1"),
        {"PatientName": "Doe^John", "StudyDate": "20230506", "AccessionNumber": "A2", "Modality": "MR"},
    ),
    (
        ("pat2", "1.2", "1.2.2", "1.2.2.1"),
        {"PatientName": "Doe^John", "StudyDate": "20230506", "AccessionNumber": "A2", "Modality": "CT"},
    ),
    (("pat3", "1.3", "1.3.1", "1.3.1.1"), {"PatientName": "doe_jane", "StudyDescription": "Thorax 1005"}),
]


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    for identifiers, attributes in FILES:
        server.upload(dicom_file(*identifiers, **attributes))
    return server


def find(server: Server, level: str = "Study", query: dict[str, Any] | None = None, **fields: Any) -> Any:
    body = {"Level": level, "Query": query or {}, **fields}
    answer = server.client.post("/tools/find", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def uids(server: Server, query: dict[str, Any], **fields: Any) -> list[str]:
    shown = find(server, "Study", query, Expand=True, **fields)
    return sorted(study["MainDicomTags"]["StudyInstanceUID"] for study in shown)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": "PAT1"}, ["1.1"]),
        ({"0010,0020": "pat2"}, ["1.2"]),
        ({"00100010": "noel*"}, ["1.1"]),
        ({"PatientName": "D?E*"}, ["1.2", "1.3"]),
        ({"PatientName": "*_*"}, ["1.3"]),
        ({"StudyDescription": "thorax 100%"}, ["1.1"]),
        ({"StudyDescription": "*100?"}, ["1.1", "1.3"]),
        ({"StudyDescription": "*"}, ["1.1", "1.3"]),
        ({"StudyDescription": ""}, ["1.1", "1.2", "1.3"]),
        ({"StudyDate": "20230101-20231231"}, ["1.2"]),
        ({"StudyDate": "20230507-"}, ["1.1"]),
        ({"StudyDate": "-20230506"}, ["1.2"]),
        ({"StudyInstanceUID": "1.1\\1.3\\9"}, ["1.1", "1.3"]),
        ({"ModalitiesInStudy": "MR\\US"}, ["1.2"]),
        ({"ModalitiesInStudy": "CT"}, ["1.1", "1.2", "1.3"]),
        ({"NumberOfStudyRelatedSeries": "2"}, ["1.2"]),
        ({"NumberOfStudyRelatedInstances": "7"}, ["1.1"]),
        ({"Modality": "MR"}, []),
        ({"PatientAge": "030Y"}, ["1.1"]),
        ({"PatientPosition": "HF*"}, ["1.1"]),
        ({"PatientPosition": "HFS\\HFP", "PatientID": "pat3"}, []),
    ],
)
def test_queries(filled: Server, query: dict[str, str], expected: list[str]) -> None:
    assert uids(filled, query) == expected


def test_case(filled: Server) -> None:
    assert uids(filled, {"PatientName": "doe*"}, CaseSensitive=True) == ["1.3"]
    assert uids(filled, {"PatientName": "doe*"}, CaseSensitive=False) == ["1.2", "1.3"]


def test_tags_of_files_only(filled: Server) -> None:
    """They are read; ``Limit`` counts matches, not candidates."""
    found = find(filled, "Instance", {"PatientPosition": "HFP"}, Expand=True)
    assert len(found) == 5  # LimitFindInstances
    first = find(filled, "Instance", {"PatientPosition": "HFS"}, Expand=True, Limit=1)
    assert [one["MainDicomTags"]["SOPInstanceUID"] for one in first] == ["1.1.1.1"]


def test_multiple_values(filled: Server) -> None:
    found = find(filled, "Instance", {"ImageType": "T1\\T3"}, Expand=True)
    assert sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in found) == ["1.1.1.1", "1.1.1.3"]


def test_limits_and_pages(filled: Server) -> None:
    assert len(find(filled, "Instance")) == 5
    assert len(find(filled, "Instance", Limit=100)) == 5
    assert len(find(filled, "Instance", Limit=2)) == 2
    assert len(find(filled, "Series", Limit=0)) == 4
    everything = find(filled, "Series")
    assert everything == sorted(everything)
    pages = [find(filled, "Series", Since=since, Limit=3) for since in (0, 3, 6)]
    assert pages == [everything[:3], everything[3:], []]


def test_order(filled: Server) -> None:
    def ordered(*criteria: tuple[str, str, str]) -> list[str]:
        order = [{"Type": kind, "Key": key, "Direction": way} for kind, key, way in criteria]
        shown = find(filled, "Study", OrderBy=order, Expand=True)
        return [study["MainDicomTags"]["StudyInstanceUID"] for study in shown]

    assert ordered(("DicomTag", "StudyDate", "ASC")) == ["1.2", "1.1", "1.3"]
    assert ordered(("dicomtag", "0008,0020", "desc")) == ["1.1", "1.2", "1.3"]
    assert ordered(("DicomTag", "PatientID", "DESC")) == ["1.3", "1.2", "1.1"]
    assert ordered(("DicomTagAsInt", "NumberOfStudyRelatedInstances", "DESC"))[:2] == ["1.1", "1.2"]
    assert len(ordered(("MetadataAsInt", "1024", "ASC"), ("Metadata", "LastUpdate", "DESC"))) == 3


def test_parents(filled: Server) -> None:
    (study,) = find(filled, "Study", {"StudyInstanceUID": "1.2"}, Expand=True)
    assert find(filled, "Series", ParentStudy=study["ID"]) == study["Series"]
    assert find(filled, "Instance", ParentPatient=study["ParentPatient"], Limit=1)
    assert find(filled, "Study", ParentStudy=study["ID"]) == [study["ID"]]
    assert find(filled, "Study", {"StudyInstanceUID": "1.1"}, ParentStudy=study["ID"]) == []
    assert find(filled, "Patient", ParentStudy=study["ID"]) == []
    assert find(filled, "Series", ParentStudy="nope") == []
    # Only the first in the order patient, study, series counts.
    assert find(filled, "Series", ParentPatient="nope", ParentStudy=study["ID"]) == []


def test_labels_and_metadata(filled: Server) -> None:
    ids = {uid: find(filled, "Study", {"StudyInstanceUID": uid})[0] for uid in ("1.1", "1.2", "1.3")}
    filled.client.put(f"/studies/{ids['1.1']}/labels/urgent")
    filled.client.put(f"/studies/{ids['1.1']}/labels/read")
    filled.client.put(f"/studies/{ids['1.2']}/labels/read")
    filled.client.put(f"/studies/{ids['1.2']}/metadata/Note", content=b"Look again")
    both = ["urgent", "read"]
    assert uids(filled, {}, Labels=both) == ["1.1"]
    assert uids(filled, {}, Labels=both, LabelsConstraint="Any") == ["1.1", "1.2"]
    assert uids(filled, {}, Labels=both, LabelsConstraint="None") == ["1.3"]
    assert uids(filled, {}, Labels=[], LabelsConstraint="None") == ["1.3"]
    assert uids(filled, {}, Labels=[], LabelsConstraint="Any") == ["1.1", "1.2", "1.3"]
    assert uids(filled, {}, MetadataQuery={"Note": "look*"}) == ["1.2"]
    assert uids(filled, {}, MetadataQuery={"1024": "x\\Look again"}) == ["1.2"]
    assert count(filled, {}, Labels=["read"]) == 2
    assert uids(filled, {}, MetadataQuery={"Note": "", "1024": "*"}) == ["1.2"]
    assert uids(filled, {}, MetadataQuery={"Note": ""}) == ["1.1", "1.2", "1.3"]
    assert count(filled, {}, MetadataQuery={"Note": ""}) == 3


def test_content(filled: Server) -> None:
    def one(**fields: Any) -> Any:
        (shown,) = find(filled, "Study", {"StudyInstanceUID": "1.2"}, **fields)
        return shown

    single = one(ResponseContent=[])
    assert set(single) == {"ID", "Type"}
    single = one(ResponseContent=["MainDicomTags", "Children", "Labels", "Parent", "IsStable"], Expand=False)
    assert set(single) == {
        *("ID", "Type", "MainDicomTags", "PatientMainDicomTags"),
        *("Series", "Labels", "ParentPatient", "IsStable"),
    }
    assert one(ResponseContent=["Metadata"])["Metadata"]["LastUpdate"]
    short = one(Expand=True, Short=True)
    assert short["MainDicomTags"]["0020,000d"] == "1.2"
    full = one(Expand=True, Full=True)
    assert full["MainDicomTags"]["0020,000d"]["Name"] == "StudyInstanceUID"
    requested = one(
        Expand=True,
        RequestedTags=["ModalitiesInStudy", "0010,0020", "PatientPosition", "NumberOfStudyRelatedSeries"],
    )
    assert requested["RequestedTags"] == {
        "ModalitiesInStudy": "CT\\MR",
        "PatientID": "pat2",
        "PatientPosition": None,
        "NumberOfStudyRelatedSeries": "2",
    }
    single = one(ResponseContent=["RequestedTags", "Parent"], RequestedTags=["PatientID"])
    assert set(single) == {"ID", "Type", "ParentPatient", "RequestedTags"}
    assert single["RequestedTags"] == {"PatientID": "pat2"}
    (file,) = find(filled, "Instance", {"SOPInstanceUID": "1.2.1.1"}, ResponseContent=["Attachments"])
    assert file["Attachments"][0]["ContentType"] == 1


def test_tags_of_the_query_are_shown(filled: Server) -> None:
    """Those that are no main tags: computed ones, and those that only the file has."""

    def requested(level: str, query: dict[str, str], **fields: Any) -> Any:
        return find(filled, level, query, **fields)[0].get("RequestedTags")

    two = {"StudyInstanceUID": "1.2"}
    assert requested("Study", {**two, "ModalitiesInStudy": "MR"}, Expand=True) == {
        "ModalitiesInStudy": "CT\\MR"
    }
    assert requested("Study", {**two, "ModalitiesInStudy": ""}, Expand=True) == {
        "ModalitiesInStudy": "CT\\MR"
    }
    counted = {**two, "NumberOfStudyRelatedSeries": "2", "0010,0010": "*"}
    assert requested("Study", counted, Expand=True) == {"NumberOfStudyRelatedSeries": "2"}
    lying = {"StudyInstanceUID": "1.1", "PatientPosition": "HFS"}
    assert requested("Instance", lying, Expand=True, RequestedTags=["PatientID"]) == {
        "PatientID": "Pat1",
        "PatientPosition": "HFS",
    }
    assert requested("Study", two, Expand=True) is None
    assert requested("Study", {**two, "ModalitiesInStudy": "CT"}, ResponseContent=["Labels"]) is None
    shown = requested("Study", {**two, "ModalitiesInStudy": "CT"}, ResponseContent=["RequestedTags"])
    assert shown == {"ModalitiesInStudy": "CT\\MR"}
    assert find(filled, "Study", {**two, "ModalitiesInStudy": "CT"}) == find(filled, "Study", two)


@pytest.mark.parametrize("level", ["Series", "Instance"])
def test_modalities_in_study_below_the_study(filled: Server, level: str) -> None:
    """They constrain the study that a resource is of, and are no value of a series or an instance."""
    assert find(filled, level, {"ModalitiesInStudy": "MR"}) == find(
        filled, level, {"StudyInstanceUID": "1.2"}
    )
    (shown, *_) = find(filled, level, {"ModalitiesInStudy": "MR"}, Expand=True)
    assert shown["RequestedTags"] == {}


def count(server: Server, query: dict[str, str], level: str = "Study", **fields: Any) -> int:
    answer = server.client.post("/tools/count-resources", json={"Level": level, "Query": query, **fields})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["Count"])


def test_counts(filled: Server) -> None:
    assert count(filled, {}) == 3
    assert count(filled, {}, "Instances") == 10
    assert count(filled, {"PatientName": "doe*"}, Limit=1, Since=1) == 2
    assert count(filled, {"PatientName": "doe*"}, Limit="x", Since=-1) == 2


def order(key: str, direction: str) -> dict[str, str]:
    return {"Type": "DicomTag", "Key": key, "Direction": direction}


BAD: list[tuple[str, Any, int, int]] = [
    ("find", b"", 400, 8),
    ("find", [1], 400, 8),
    ("find", {"Query": {}}, 400, 8),
    ("find", {"Level": "Study"}, 400, 8),
    ("find", {"Level": 1, "Query": {}}, 400, 8),
    ("find", {"Level": "Nope", "Query": {}}, 400, 3),
    ("find", {"Level": "Study", "Query": []}, 400, 8),
    ("find", {"Level": "Study", "Query": {"PatientID": 5}}, 400, 8),
    ("find", {"Level": "Study", "Query": {"Nope": "5"}}, 400, 27),
    ("find", {"Level": "Study", "Query": {"StudyInstanceUID": "1.*"}}, 400, 3),
    ("find", {"Level": "Study", "Query": {"StudyDate": "2024*"}}, 400, 3),
    ("find", {"Level": "Study", "Query": {}, "CaseSensitive": 1}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "Expand": "yes"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "Full": "yes"}, 400, 15),
    ("find", {"Level": "Study", "Query": {}, "Limit": -1}, 400, 3),
    ("find", {"Level": "Study", "Query": {}, "Since": -1}, 400, 3),
    ("find", {"Level": "Study", "Query": {}, "Limit": "1"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "Labels": "a"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "Labels": [1]}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "LabelsConstraint": "all"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "LabelsConstraint": {}}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "MetadataQuery": []}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "MetadataQuery": {"1024": 1}}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "OrderBy": {}}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "OrderBy": ["StudyDate"]}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "OrderBy": [order("StudyDate", "UP")]}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "OrderBy": [order("Nope", "ASC")]}, 400, 27),
    ("find", {"Level": "Study", "Query": {}, "ResponseContent": ["Nope"]}, 400, 3),
    ("find", {"Level": "Study", "Query": {}, "ResponseContent": [5]}, 400, 3),
    ("find", {"Level": "Study", "Query": {}, "ResponseContent": "Metadata"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "RequestedTags": "PatientID"}, 400, 8),
    ("find", {"Level": "Study", "Query": {}, "ParentStudy": 1}, 400, 8),
    ("find", {"Level": "Study", "Query": {"PatientPosition": "HFS"}, "Since": 1}, 400, 8),
    ("find", {"Level": "Study", "Query": {"PatientID": "x"}, "Since": 1, "CaseSensitive": True}, 400, 8),
    ("count-resources", {"Level": "Study"}, 400, 8),
    ("count-resources", {"Level": "Study", "Query": {}, "CaseSensitive": True}, 400, 3),
    ("count-resources", {"Level": "Study", "Query": {"PatientPosition": "HFS"}}, 400, 8),
    ("bulk-content", {}, 400, 15),
    ("bulk-content", [], 400, 8),
    ("bulk-content", {"Resources": [1]}, 400, 15),
    ("bulk-content", {"Resources": [], "Level": "Nope"}, 400, 3),
    ("bulk-content", {"Resources": [], "Metadata": "yes"}, 400, 15),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "body", "status", "code"), BAD)
def test_bad_bodies(server: Server, tool: str, body: Any, status: int, code: int) -> None:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer: httpx.Response = server.client.post(f"/tools/{tool}", **content)
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (status, code)


def test_lookup(filled: Server) -> None:
    def lookup(identifier: str) -> list[str]:
        answer = filled.client.post("/tools/lookup", content=identifier.encode())
        assert all(one["Path"].endswith(one["ID"]) for one in answer.json())
        return [one["Type"] for one in answer.json()]

    assert lookup("PAT2") == ["Patient"]
    assert lookup("1.1") == ["Study"]
    assert lookup("1.1.1") == ["Series"]
    assert lookup("1.1.1.2") == ["Instance"]
    assert lookup("pat*") == []
    assert lookup("pat1\\pat2") == []
    assert lookup("") == []


def test_bulk_content(filled: Server) -> None:
    def bulk(**body: Any) -> Any:
        answer = filled.client.post("/tools/bulk-content", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    (study,) = find(filled, "Study", {"StudyInstanceUID": "1.2"}, Expand=True)
    series, patient = study["Series"], study["ParentPatient"]
    given = bulk(Resources=[series[1], patient, "nope", series[1]])
    assert [one["ID"] for one in given] == [series[1], patient, series[1]]
    assert given[0]["Metadata"]["LastUpdate"] == given[0]["LastUpdate"]
    plain = bulk(Resources=[study["ID"]], Metadata=False, Short=True)
    assert "Metadata" not in plain[0]
    assert plain[0]["MainDicomTags"]["0020,000d"] == "1.2"
    below = bulk(Resources=[patient, study["ID"], series[0]], Level="Series", Metadata=False)
    assert [one["ID"] for one in below] == sorted(series)
    above = bulk(Resources=series, Level="Patient")
    assert [one["ID"] for one in above] == [patient]


def test_long_answers_are_streamed(filled: Server) -> None:
    """More resources than are held in memory, as one well-formed array."""
    ids = filled.get("/instances")
    answer = filled.client.post("/tools/bulk-content", json={"Resources": ids * 120, "Metadata": False})
    assert "content-length" not in answer.headers
    assert [one["ID"] for one in answer.json()] == ids * 120
