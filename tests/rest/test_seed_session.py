"""The session of the Orthanc Book's page on the REST API, typed as there: through curl."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from orthanclite.core.identifiers import hierarchy
from tests.support.records import dicom_file
from tests.support.server import Server

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

PATIENT, STUDY, SERIES = "000000185", "1.2.840.113704.1.111.7016", "1.3.46.670589.28.2.12"
MAIN_TAGS = {
    "PatientName": "Anonymous^Unknown",
    "PatientBirthDate": "19500505",
    "PatientSex": "O",
    "StudyDate": "20120716",
    "StudyTime": "170728",
    "StudyID": "23848",
    "StudyDescription": "TestSUVce-TF",
    "AccessionNumber": "",
    "Modality": "PT",
    "SeriesNumber": "587370",
    "SeriesDescription": "[WB_CTAC] Body",
    "Manufacturer": "Philips Medical Systems",
    "ProtocolName": "CHU/Body_PET/CT___50",
    "NumberOfSlices": 2,
    "NumberOfTimeSlices": 1,
}


def curl(server: Server, path: str, *arguments: str) -> bytes:
    """The body that ``curl ARGUMENTS http://localhost:8042/PATH`` prints."""
    command = ["curl", "--silent", "--show-error", "--fail", *arguments, f"{server.url}/{path}"]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def curl_json(server: Server, path: str, *arguments: str) -> Any:
    return json.loads(curl(server, path, *arguments))


def slice_of(number: int) -> bytes:
    """A slice of the PET series that the page shows."""
    meaning = Dataset()
    meaning.CodeValue, meaning.CodeMeaning = "122406", "For Attenuation Correction"
    purpose = Dataset()
    purpose.PurposeOfReferenceCodeSequence = Sequence([meaning])
    return dicom_file(
        PATIENT,
        STUDY,
        SERIES,
        f"1.3.46.670589.28.2.15.{number}",
        side=8,
        InstanceNumber=number,
        ImageIndex=number,
        RelatedSeriesSequence=Sequence([purpose]),
        **MAIN_TAGS,
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file, and an archive of another."""
    one, archive = tmp_path / "CT.X.1.2.276.0.7230010.dcm", tmp_path / "multiple-files.zip"
    one.write_bytes(slice_of(1))
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("folder/second", slice_of(2))
        written.writestr("readme.txt", "no image")
    return {"one": one, "archive": archive}


IDS = hierarchy(PATIENT, STUDY, SERIES, "1.3.46.670589.28.2.15.1")
SECOND = hierarchy(PATIENT, STUDY, SERIES, "1.3.46.670589.28.2.15.2")


@pytest.fixture
def filled(empty_server: Server, files: dict[str, Path]) -> Server:
    curl(empty_server, "instances", "-X", "POST", "--data-binary", f"@{files['one']}")
    return empty_server


def test_sending_images(empty_server: Server, files: dict[str, Path]) -> None:
    answer = curl_json(empty_server, "instances", "-X", "POST", "--data-binary", f"@{files['one']}")
    assert answer == {
        "ID": IDS.instance,
        "ParentPatient": IDS.patient,
        "ParentSeries": IDS.series,
        "ParentStudy": IDS.study,
        "Path": f"/instances/{IDS.instance}",
        "Status": "Success",
    }
    answers = curl_json(
        empty_server, "instances", "-X", "POST", "-H", "Expect:", "--data-binary", f"@{files['archive']}"
    )
    assert [(one["ID"], one["Status"]) for one in answers] == [(SECOND.instance, "Success")]


def test_listing_resources(filled: Server) -> None:
    assert curl_json(filled, "patients") == [IDS.patient]
    assert curl_json(filled, "studies") == [IDS.study]
    assert curl_json(filled, "series") == [IDS.series]
    assert curl_json(filled, "instances") == [IDS.instance]


def test_browsing_from_the_patient_down_to_the_instance(filled: Server, files: dict[str, Path]) -> None:
    curl(filled, "instances", "-X", "POST", "--data-binary", f"@{files['archive']}")
    patient = curl_json(filled, f"patients/{IDS.patient}")
    assert patient["MainDicomTags"] == {
        "PatientBirthDate": "19500505",
        "PatientID": "000000185",
        "PatientName": "Anonymous^Unknown",
        "PatientSex": "O",
    }
    assert (patient["ID"], patient["Studies"], patient["Type"]) == (IDS.patient, [IDS.study], "Patient")
    study = curl_json(filled, f"studies/{IDS.study}")
    assert study["MainDicomTags"] == {
        "AccessionNumber": "",
        "StudyDate": "20120716",
        "StudyDescription": "TestSUVce-TF",
        "StudyID": "23848",
        "StudyInstanceUID": STUDY,
        "StudyTime": "170728",
    }
    assert (study["ParentPatient"], study["Series"], study["Type"]) == (IDS.patient, [IDS.series], "Study")
    series = curl_json(filled, f"series/{IDS.series}")
    assert series["MainDicomTags"] == {
        "Manufacturer": "Philips Medical Systems",
        "Modality": "PT",
        "NumberOfSlices": "2",
        "NumberOfTimeSlices": "1",
        "ProtocolName": "CHU/Body_PET/CT___50",
        "SeriesDescription": "[WB_CTAC] Body",
        "SeriesInstanceUID": SERIES,
        "SeriesNumber": "587370",
    }
    assert (series["ExpectedNumberOfInstances"], series["Status"]) == (2, "Complete")
    assert series["Instances"] == sorted([IDS.instance, SECOND.instance])
    assert (series["ParentStudy"], series["Type"]) == (IDS.study, "Series")
    instance = curl_json(filled, f"instances/{IDS.instance}")
    assert instance["MainDicomTags"] == {
        "ImageIndex": "1",
        "InstanceNumber": "1",
        "SOPInstanceUID": "1.3.46.670589.28.2.15.1",
    }
    assert (instance["FileSize"], instance["IndexInSeries"]) == (len(slice_of(1)), 1)
    assert (instance["ParentSeries"], instance["Type"]) == (IDS.series, "Instance")
    assert curl(filled, f"instances/{IDS.instance}/file") == slice_of(1)


def test_tags(filled: Server) -> None:
    tags = curl_json(filled, f"instances/{IDS.instance}/simplified-tags")
    assert tags["PatientName"] == "Anonymous^Unknown"
    assert tags["PixelData"] is None
    code = {"CodeMeaning": "For Attenuation Correction", "CodeValue": "122406"}
    assert tags["RelatedSeriesSequence"] == [{"PurposeOfReferenceCodeSequence": [code]}]
    full = curl_json(filled, f"instances/{IDS.instance}/tags")
    assert full["0010,0010"] == {"Name": "PatientName", "Type": "String", "Value": "Anonymous^Unknown"}


def test_raw_fields(filled: Server) -> None:
    content = f"instances/{IDS.instance}/content"
    assert curl(filled, f"{content}/0010-0010") == b"Anonymous^Unknown "
    listed = curl_json(filled, content)
    assert {"0010-0010", "0008-1250", "7fe0-0010"} <= set(listed)
    assert listed == sorted(listed)
    assert curl(filled, f"{content}/0008-1250/0/0040-a170/0/0008-0104") == b"For Attenuation Correction"
    assert curl_json(filled, f"{content}/0008-1250") == ["0"]


def test_changes(filled: Server) -> None:
    log = curl_json(filled, "changes")
    events = [change for change in log["Changes"] if not change["ChangeType"].startswith("Stable")]
    assert [(event["ChangeType"], event["ResourceType"], event["ID"]) for event in events] == [
        ("NewInstance", "Instance", IDS.instance),
        ("NewSeries", "Series", IDS.series),
        ("NewStudy", "Study", IDS.study),
        ("NewPatient", "Patient", IDS.patient),
    ]
    assert events[0]["Path"] == f"/instances/{IDS.instance}"
    assert [event["Seq"] - events[0]["Seq"] for event in events] == [0, 1, 2, 3]
    assert log["Done"] is True
    assert log["Last"] == log["Changes"][-1]["Seq"]
    part = curl_json(filled, f"changes?limit=2&since={events[0]['Seq']}")
    assert [change["Seq"] for change in part["Changes"]] == [events[1]["Seq"], events[2]["Seq"]]
    assert (part["Last"], part["Done"]) == (events[2]["Seq"], False)


@pytest.mark.parametrize("level", ["patients", "studies", "series", "instances"])
def test_deleting_resources(filled: Server, level: str) -> None:
    ids = {
        "patients": IDS.patient,
        "studies": IDS.study,
        "series": IDS.series,
        "instances": IDS.instance,
    }
    answer = curl_json(filled, f"{level}/{ids[level]}", "-X", "DELETE")
    assert answer == {"RemainingAncestor": None}
    assert curl_json(filled, "patients") == curl_json(filled, "instances") == []


def test_deleting_several_at_once(filled: Server, files: dict[str, Path]) -> None:
    curl(filled, "instances", "-X", "POST", "--data-binary", f"@{files['archive']}")
    wanted = json.dumps({"Resources": [IDS.instance, SECOND.instance]})
    curl(filled, "tools/bulk-delete", "-d", wanted)
    assert curl_json(filled, "instances") == []


def test_clearing_the_logs(filled: Server) -> None:
    curl(filled, "changes", "-X", "DELETE")
    assert not [
        change
        for change in curl_json(filled, "changes")["Changes"]
        if not change["ChangeType"].startswith("Stable")
    ]
    assert curl_json(filled, "exports")["Exports"] == []
    curl(filled, "exports", "-X", "DELETE")


def test_peers_and_modalities(filled: Server) -> None:
    curl(filled, "peers/sample", "-v", "-X", "PUT", "-d", '{"Url" : "http://127.0.0.1:8043"}')
    assert curl_json(filled, "peers?expand")["sample"]["Url"] == "http://127.0.0.1:8043/"
    curl(filled, "peers/sample", "-v", "-X", "DELETE")
    assert curl_json(filled, "peers") == []
    modality = '{"AET" : "ORTHANCC", "Host": "127.0.0.1", "Port": 2002}'
    curl(filled, "modalities/sample", "-v", "-X", "PUT", "-d", modality)
    assert curl_json(filled, "modalities/sample/configuration")["AET"] == "ORTHANCC"
    curl(filled, "modalities/sample", "-X", "DELETE")
    assert curl_json(filled, "modalities") == []
