"""Instances as DICOM JSON and XML, and requested tags: what the installed reference does not have."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from tests.support.records import dicom_file
from tests.support.server import Server

_NAMESPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


@pytest.fixture(scope="module")
def file() -> bytes:
    """A file with what the DICOM model renders in a way of its own."""
    pixels = bytes(range(32))
    dataset = dcmread(BytesIO(dicom_file(side=4, pixels=pixels, StudyDate="")))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "Dô^A=漢字"
    dataset.PatientComments = ""
    dataset.FrameIncrementPointer = [Tag(0x00181063), Tag(0x00181065)]
    dataset.PixelSpacing = ["0.5", "1.25"]
    dataset.add(DataElement(0x00660016, "OF", b"\0\0\x80\x3f\0\0\0\xc0"))
    dataset.add(DataElement(0x00091001, "UN", b"abcd"))
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture
def path(server: Server, file: bytes) -> str:
    return str(server.upload(file)["Path"])


def test_dicom_json(server: Server, path: str) -> None:
    answer = server.client.get(f"{path}/file", headers={"Accept": "application/dicom+json"})
    assert answer.headers["content-type"].startswith("application/dicom+json")
    model: dict[str, Any] = answer.json()
    assert not [key for key in model if key.startswith("0002") or key != key.upper()]
    assert model["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Dô^A", "Ideographic": "漢字"}]}
    assert model["00080020"] == {"vr": "DA"}
    assert model["00104000"] == {"vr": "LT"}
    assert model["00280009"] == {"vr": "AT", "Value": ["00181063", "00181065"]}
    assert model["00280010"] == {"vr": "US", "Value": [4]}
    assert model["00280030"] == {"vr": "DS", "Value": ["0.5", "1.25"]}
    assert model["00660016"] == {"vr": "OF", "Value": [1.0, -2.0]}
    assert model["00091001"] == {"vr": "UN", "InlineBinary": base64.b64encode(b"abcd").decode()}
    assert base64.b64decode(model["7FE00010"]["InlineBinary"]) == bytes(range(32))


def test_dicom_xml(server: Server, path: str) -> None:
    answer = server.client.get(f"{path}/file", headers={"Accept": "application/dicom+xml"})
    assert answer.headers["content-type"].startswith("application/dicom+xml")
    root = ElementTree.fromstring(answer.content)
    assert root.tag.removeprefix(_NAMESPACE) == "NativeDicomModel"
    attributes = {one.get("tag"): one for one in root}
    assert attributes["00280009"].get("vr") == "AT"
    assert [value.text for value in attributes["00280009"]] == ["00181063", "00181065"]
    assert attributes["00100020"].get("keyword") == "PatientID"
    assert not [tag for tag in attributes if tag and tag.startswith("0002")]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html", "application/dicom", ""])
def test_whatever_else_is_accepted_the_file_is_sent(
    server: Server, path: str, file: bytes, accept: str
) -> None:
    answer = server.client.get(f"{path}/file", headers={"Accept": accept, "Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (200, file)
    assert answer.headers["content-type"] == "application/dicom"
    assert answer.headers["content-disposition"] == f'filename="{path.removeprefix("/instances/")}.dcm"'


def requested(server: Server, path: str, tags: str, *more: str) -> Any:
    return server.get("&".join([f"{path}?requested-tags={tags}", *more])).get("RequestedTags")


def test_requested_tags_by_level(server: Server, path: str) -> None:
    study = f"/studies/{server.get(f'{path}/study')['ID']}"
    assert requested(server, path, "PatientName;0028,0010;SOPClassUID") == {
        "PatientName": "Dô^A=漢字",
        "Rows": "4",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    }
    # Absent main tags of the level are left out; others are null if absent.
    assert requested(server, study, "StudyDescription;Rows;ImageComments;PatientComments;StudyDate") == {
        "Rows": "4",
        "ImageComments": None,
        "PatientComments": "",
        "StudyDate": "",
    }
    assert requested(server, path, "0002,0010") == {}
    assert requested(server, study, "Rows", "short") == {"0028,0010": "4"}
    assert requested(server, study, "Rows", "full") == {
        "0028,0010": {"Name": "Rows", "Type": "String", "Value": "4"}
    }
    answer = server.client.get(f"{study}?requested-tags=Nonsense")
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 8)


def test_computed_tags(empty_server: Server) -> None:
    for number, modality in enumerate(("CT", "PT", "CT"), 1):
        answer = empty_server.upload(
            dicom_file("p", "1.2", f"1.2.{number}", f"1.2.{number}.1", Modality=modality)
        )
    patient, study, series = (answer[f"Parent{level}"] for level in ("Patient", "Study", "Series"))
    counts = "NumberOfPatientRelatedStudies;NumberOfPatientRelatedSeries;NumberOfPatientRelatedInstances"
    assert list(requested(empty_server, f"/patients/{patient}", counts).values()) == ["3", "3", "1"]
    of_study = "ModalitiesInStudy;SOPClassesInStudy;NumberOfStudyRelatedSeries;NumberOfStudyRelatedInstances"
    assert requested(empty_server, f"/studies/{study}", of_study + ";Rows") == {
        "ModalitiesInStudy": "CT\\PT",
        "NumberOfStudyRelatedInstances": "3",
        "NumberOfStudyRelatedSeries": "3",
        "Rows": None,
        "SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.2",
    }
    assert requested(empty_server, f"/series/{series}", "NumberOfSeriesRelatedInstances") == {
        "NumberOfSeriesRelatedInstances": "1"
    }
    assert requested(empty_server, answer["Path"], "InstanceAvailability") == {
        "InstanceAvailability": "ONLINE"
    }
    # Of another level they are left out.
    assert requested(empty_server, f"/series/{series}", "ModalitiesInStudy") == {}


def test_requested_tags_of_lists(empty_server: Server, file: bytes) -> None:
    empty_server.upload(file)
    listed = empty_server.get("/studies?expand&requested-tags=Rows")
    assert [one["RequestedTags"] for one in listed] == [{"Rows": "4"}]
    below = empty_server.get(f"/studies/{listed[0]['ID']}/instances?requestedTags=Rows")
    assert [one["RequestedTags"] for one in below] == [{"Rows": "4"}]
