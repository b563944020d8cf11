"""Edited files of instances over REST: nothing is stored, and large files are edited as small ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from tests.dicom.dicom_builder import element, file_of, minimal
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("site")
    with running(orthanclite(folder, {})) as started:
        yield started


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_only_what_is_asked_for_changes(site: Server, size: int) -> None:
    uid = f"1.2.77.{size}"
    pixels = element(0x7FE00010, "OW", b"\1\2" * (size // 2))
    names = {
        0x00080018: element(0x00080018, "UI", uid.encode() + b"\0" * (len(uid) % 2)),
        0x00100010: element(0x00100010, "PN", b"Old^Name"),
    }
    stored = site.client.post("/instances", content=file_of(minimal(extra={**names, 0x7FE00010: pixels})))
    before = site.get("/statistics")
    answer = site.client.post(
        f"/instances/{stored.json()['ID']}/modify", json={"Replace": {"PatientName": "漢字"}}
    )
    assert answer.headers["content-type"] == "application/dicom"
    assert answer.content.endswith(pixels)
    found = pydicom.dcmread(io.BytesIO(answer.content))
    assert str(found.PatientName) == "漢字"
    assert found.SOPInstanceUID == found.file_meta.MediaStorageSOPInstanceUID != uid
    assert (found.PatientID, found.StudyInstanceUID) == ("ID", "1.2.3")
    assert site.get("/statistics") == before


def test_an_anonymised_file_has_nothing_of_the_original_identity(site: Server) -> None:
    name = {0x00100010: element(0x00100010, "PN", b"Secret^Name ")}
    stored = site.client.post("/instances", content=file_of(minimal(extra=name)))
    path = f"/instances/{stored.json()['ID']}/anonymize"
    first, second = (pydicom.dcmread(io.BytesIO(site.client.post(path, json={}).content)) for _ in range(2))
    for found in (first, second):
        assert found.PatientIdentityRemoved == "YES"
        assert len(found.PatientID) == 36
        assert {found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID}.isdisjoint(
            {"1.2.3", "1.2.3.5", "1.2.3.4"}
        )
    assert first.PatientID != second.PatientID
    assert first.StudyInstanceUID != second.StudyInstanceUID
    number = int(str(first.PatientName).removeprefix("Anonymized"))
    assert str(second.PatientName) == f"Anonymized{number + 1}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Replace": {"NoSuchTag": "x"}}, 27),
        ({"Replace": {"SpecificCharacterSet": "FOO"}}, 3),
        ({"Remove": ["PatientID"], "Force": True}, 8),
        ({"Keep": ["StudyInstanceUID"]}, 8),
        ({"Replace": {"Rows": "70000"}}, 15),
        ([], 15),
    ],
)
def test_a_wrong_request_is_refused(site: Server, body: object, code: int) -> None:
    id = site.client.post("/instances", content=file_of(minimal())).json()["ID"]
    answer = site.client.post(f"/instances/{id}/modify", json=body)
    assert answer.json()["OrthancStatus"] == code
