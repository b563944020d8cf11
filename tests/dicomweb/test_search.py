"""QIDO-RS."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from pydicom.dataset import Dataset

from tests.dicomweb.support import get, json_of, parts, store
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

STUDIES = {
    "1.1": {"PatientName": "Müller-Lüdenscheidt^Jürgen", "StudyDate": "20200101", "Modality": "CT"},
    "1.2": {"PatientName": "Smith^John", "StudyDate": "20210615", "Modality": "MR"},
    "1.3": {"PatientName": "Blacksmith^Anna", "StudyDate": "20220101", "Modality": "CT"},
    "1.4": {"PatientName": "SMITHERS^Joan", "StudyDate": "", "Modality": "US"},
}


@pytest.fixture(scope="module", autouse=True)
def studies(server: Server) -> None:
    """Four studies; the first has two series, one of them of three instances."""
    for number, (uid, attributes) in enumerate(STUDIES.items()):
        store(server, file(uid, f"{uid}.1", f"{uid}.1.1", f"P{number}", **attributes))
    for instance in ("1.1.2.1", "1.1.2.2", "1.1.2.3"):
        attributes = {**STUDIES["1.1"], "Modality": "SR"}
        store(server, file("1.1", "1.1.2", instance, "P0", **attributes))


def file(study: str, series: str, instance: str, patient: str, **attributes: object) -> bytes:
    step = Dataset()
    step.RequestedProcedureID = f"RP{study}"
    return dicom_file(
        patient,
        study,
        series,
        instance,
        SpecificCharacterSet="ISO_IR 192",
        StudyDescription=f"Study {study}",
        StudyID="7",
        AccessionNumber="",
        SeriesDate="20200102",
        RequestAttributesSequence=[step],
        Rows=5,
        Columns=6,
        BitsAllocated=16,
        PatientComments=f"Comment on {study}",
        **attributes,
    )


def found(server: Server, path: str, tag: str = "0020000D") -> list[str]:
    return sorted(one[tag]["Value"][0] for one in json_of(get(server, f"/dicom-web{path}")))


def test_a_study(server: Server) -> None:
    (study,) = json_of(get(server, "/dicom-web/studies?StudyInstanceUID=1.1"))
    assert study == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20200101"]},
        "00080050": {"vr": "SH"},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00081190": {"vr": "UR", "Value": [f"{server.url}/dicom-web/studies/1.1"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller-Lüdenscheidt^Jürgen"}]},
        "00100020": {"vr": "LO", "Value": ["P0"]},
        "0020000D": {"vr": "UI", "Value": ["1.1"]},
        "00200010": {"vr": "SH", "Value": ["7"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [4]},
    }


def test_series_and_instances(server: Server) -> None:
    series = json_of(get(server, "/dicom-web/studies/1.1/series"))
    assert sorted(one["0020000E"]["Value"][0] for one in series) == ["1.1.1", "1.1.2"]
    assert {one["00100020"]["Value"][0] for one in series} == {"P0"}  # the study is shown, too
    (one,) = [one for one in series if one["00080060"]["Value"] == ["SR"]]
    assert one["00201209"]["Value"] == [3]
    assert one["00400275"]["Value"] == [{"00401001": {"vr": "SH", "Value": ["RP1.1"]}}]
    assert one["00081190"]["Value"] == [f"{server.url}/dicom-web/studies/1.1/series/1.1.2"]
    (instance,) = json_of(get(server, "/dicom-web/studies/1.1/series/1.1.2/instances?SOPInstanceUID=1.1.2.2"))
    assert instance["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2"]
    assert (instance["00280010"]["Value"], instance["00280011"]["Value"]) == ([5], [6])
    assert instance["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    expected = f"{server.url}/dicom-web/studies/1.1/series/1.1.2/instances/1.1.2.2"
    assert instance["00081190"]["Value"] == [expected]
    assert len(json_of(get(server, "/dicom-web/studies/1.1/instances"))) == 4


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("", ["1.1", "1.2", "1.3", "1.4"]),
        ("&x=y&".replace("x=y", "PatientID=P0"), ["1.1"]),  # empty keys mean nothing
        ("PatientID=P0&=&", ["1.1"]),
        ("00100020=P1", ["1.2"]),
        ("PatientName=Smith^John", ["1.2"]),
        ("PatientName=smith^john", ["1.2"]),
        ("PatientName=*smith*", ["1.2", "1.3", "1.4"]),
        ("PatientName=SM%3FTH*", ["1.2", "1.4"]),
        ("PatientName=muller-ludenscheidt*", ["1.1"]),
        ("StudyDate=20210101-20221231", ["1.2", "1.3"]),
        ("StudyDate=-20201231", ["1.1", "1.4"]),
        ("StudyDate=20220101-", ["1.3"]),
        ("StudyDate=20210615", ["1.2"]),
        ("StudyInstanceUID=1.1,1.3", ["1.1", "1.3"]),
        ("StudyInstanceUID=1.1%5C1.3", ["1.1", "1.3"]),
        ("0020000D=1.1%2C1.9", ["1.1"]),
        ("ModalitiesInStudy=SR", ["1.1"]),
        ("ModalitiesInStudy=SR%5CMR", ["1.1", "1.2"]),
        ("ModalitiesInStudy=SR,MR", ["1.1", "1.2"]),
        ("AccessionNumber=", ["1.1", "1.2", "1.3", "1.4"]),
        ("PatientComments=Comment on 1.2", ["1.2"]),
        ("PatientComments=*1.3", ["1.3"]),
        ("PatientID=nobody", []),
        ("00091001=anything", []),
        ("00091001=any*", []),
        ("PatientName=smith&fuzzymatching=true", ["1.2", "1.4"]),
        ("PatientName=*smith*&fuzzymatching=true", ["1.2", "1.4"]),
        ("PatientName=jo smi&fuzzymatching=true", ["1.2", "1.4"]),
        ("PatientName=LUDENSCHEIDT jürg&fuzzymatching=true", ["1.1"]),
        ("PatientName=mith&fuzzymatching=true", []),
        ("PatientName=*&fuzzymatching=true", ["1.1", "1.2", "1.3", "1.4"]),
        ("PatientName=smith&fuzzymatching=false", []),
    ],
)
def test_matching(server: Server, query: str, uids: list[str]) -> None:
    assert found(server, f"/studies?{query}") == uids


def test_relational_searches(server: Server) -> None:
    assert found(server, "/series?Modality=CT", "0020000E") == ["1.1.1", "1.3.1"]
    assert found(server, "/series?PatientID=P0&Modality=SR", "0020000E") == ["1.1.2"]
    assert found(server, "/instances?StudyDate=20200101&Modality=SR", "00080018") == [
        "1.1.2.1",
        "1.1.2.2",
        "1.1.2.3",
    ]
    assert found(server, "/studies/1.9/series") == []


@pytest.mark.parametrize(
    "path",
    ["RequestAttributesSequence.RequestedProcedureID", "00400275.00401001", "00400275.RequestedProcedureID"],
)
def test_paths_into_sequences(server: Server, path: str) -> None:
    assert found(server, f"/series?{path}=RP1.2", "0020000E") == ["1.2.1"]
    assert found(server, f"/series?{path}=nothing", "0020000E") == []


def test_what_is_included(server: Server) -> None:
    query = "StudyInstanceUID=1.2&includefield=StudyDescription,00104000&includefield=00080060"
    (study,) = json_of(get(server, f"/dicom-web/studies?{query}"))
    assert study["00081030"]["Value"] == ["Study 1.2"]
    assert study["00104000"]["Value"] == ["Comment on 1.2"]
    assert study["00080060"]["Value"] == ["MR"]
    (everything,) = json_of(get(server, "/dicom-web/series?SeriesInstanceUID=1.2.1&includefield=all"))
    assert {"00081030", "00080021", "00400275"} <= set(everything)
    (only,) = json_of(get(server, "/dicom-web/instances?StudyInstanceUID=1.2&SOPInstanceUID=1.2.1.1"))
    assert "00100010" not in only  # the query names the study: it is known


def test_pages(server: Server) -> None:
    everything = json_of(get(server, "/dicom-web/studies"))
    pages: list[Any] = []
    for offset in range(0, 4, 2):
        answer = get(server, f"/dicom-web/studies?limit=2&offset={offset}")
        pages += json_of(answer)
        if offset == 0:
            assert answer.headers["warning"] == (
                f"299 {server.url}/dicom-web: There are 2 additional results that can be requested"
            )
        else:
            assert "warning" not in answer.headers
    assert pages == everything
    assert json_of(get(server, "/dicom-web/studies?limit=0")) == everything
    assert json_of(get(server, "/dicom-web/studies?limit=101&offset=0")) == everything
    assert json_of(get(server, "/dicom-web/studies?offset=9")) == []
    fuzzy = get(server, "/dicom-web/studies?PatientName=smi&fuzzymatching=true&limit=1")
    assert len(fuzzy.json()) == 1
    assert "There are additional results" in fuzzy.headers["warning"]


def test_unsupported_parameters_are_told(server: Server) -> None:
    answer = get(server, "/dicom-web/studies?emptyvaluematching=true&charset=latin1")
    assert answer.headers.get_list("warning")
    assert "Empty value matching" in answer.headers["warning"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "offset=1.5",
        "fuzzymatching=maybe",
        "NoSuchAttribute=1",
        "includefield=NoSuchAttribute",
        "RequestAttributesSequence.Nothing=1",
        "StudyInstanceUID=1.*",
        f"PatientID={'*' * 2000}",
    ],
)
def test_bad_queries(server: Server, query: str) -> None:
    assert get(server, f"/dicom-web/studies?{query}").status_code == 400


def test_representations(server: Server) -> None:
    path = "/dicom-web/studies?PatientID=P1"
    (part,) = parts(get(server, path, 'multipart/related; type="application/dicom+xml"'))
    root = ElementTree.fromstring(part.content)
    space = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    assert root.findtext(f"{space}DicomAttribute[@tag='00100020']/{space}Value") == "P1"
    assert get(server, path, "application/json").headers["content-type"] == "application/json"
    for accept in ("*/*", None, "application/dicom+json;q=0.3, image/png"):
        assert json_of(get(server, path, accept))
    assert json_of(get(server, f"{path}&accept=application/dicom%2Bjson", "image/png"))
    assert json_of(get(server, f"{path}&accept=application/dicom+json", "image/png"))
    assert get(server, path, "image/png").status_code == 406
    nothing = get(server, "/dicom-web/studies?PatientID=x", 'multipart/related; type="application/dicom+xml"')
    assert parts(nothing) == []


def test_limits_of_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("limited")
    with running(orthanclite(folder, {"LimitFindResults": 2, "CaseSensitivePN": True})) as limited:
        for number in range(3):
            store(
                limited, dicom_file(study=f"4.{number}", series=f"4.{number}.1", instance=f"4.{number}.1.1")
            )
        answer = get(limited, "/dicom-web/studies")
        assert len(answer.json()) == 2
        assert "There are 1 additional results" in answer.headers["warning"]
        assert get(limited, "/dicom-web/studies?PatientName=name*").json() == []
