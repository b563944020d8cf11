"""Limits of what is stored: recycling, refusal, protection; what becomes of a file that is stored again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running


def file_of(patient: int, instance: int = 1, **more: Any) -> bytes:
    return dicom_file(f"p{patient}", f"1.{patient}", f"1.{patient}.1", f"1.{patient}.1.{instance}", **more)


def patients(server: Server) -> set[str]:
    return {one["MainDicomTags"]["PatientID"] for one in server.get("/patients?expand")}


def files_below(folder: Path) -> int:
    return sum(1 for path in folder.glob("??/??/*") if path.is_file())


def test_the_oldest_unprotected_patient_makes_room(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"MaximumPatientCount": 2})) as server:
        first = server.upload(file_of(1))["ParentPatient"]
        server.upload(file_of(2))
        server.upload(file_of(3))
        assert patients(server) == {"p2", "p3"}
        # Another image of a patient is no new patient, and makes it the youngest.
        server.upload(file_of(2, 2))
        server.upload(file_of(1))
        assert patients(server) == {"p1", "p2"}
        server.client.put(f"/patients/{first}/protected", content="1").raise_for_status()
        for number in (3, 4, 5):
            server.upload(file_of(number))
            assert patients(server) == {"p1", f"p{number}"}
        assert server.get("/statistics")["CountInstances"] == 2
        assert files_below(tmp_path / "storage") == 2


def test_nothing_is_stored_where_all_is_protected(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"MaximumPatientCount": 1})) as server:
        only = server.upload(file_of(1))["ParentPatient"]
        server.client.put(f"/patients/{only}/protected", content="1").raise_for_status()
        answer = server.client.post("/instances", content=file_of(2))
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (507, 19)
        assert patients(server) == {"p1"}
        assert files_below(tmp_path / "storage") == 1
        assert server.client.post("/instances", content=file_of(1, 2)).status_code == 200


def test_in_mode_reject_nothing_is_deleted(tmp_path: Path) -> None:
    config = {"MaximumStorageSize": 1, "MaximumStorageMode": "Reject"}
    with running(orthanclite(tmp_path, config)) as server:
        large = [file_of(number, side=512) for number in (1, 2, 3)]  # half a megabyte each
        assert server.client.post("/instances", content=large[0]).status_code == 200
        for one in large[1:]:
            refused = server.client.post("/instances", content=one)
            assert refused.status_code == 507
            assert refused.json()["HttpError"] == "Insufficient Storage"
            assert (refused.json()["HttpStatus"], refused.json()["OrthancStatus"]) == (507, 19)
        assert patients(server) == {"p1"}
        assert files_below(tmp_path / "storage") == 1
        assert server.client.post("/instances", content=file_of(4)).status_code == 200


def test_a_limit_of_bytes_recycles(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"MaximumStorageSize": 1})) as server:
        for number in range(1, 4):
            server.upload(file_of(number, side=512))
            assert patients(server) == {f"p{number}"}
        assert int(server.get("/statistics")["TotalDiskSize"]) < 1 << 20


@pytest.mark.parametrize(
    ("mode", "status", "name"),
    [
        (False, "AlreadyStored", "before"),
        ("Never", "AlreadyStored", "before"),
        (True, "Success", "after"),
        ("Always", "Success", "after"),
        ("IfChanged", "Success", "after"),
    ],
)
def test_a_file_with_the_same_identifiers(tmp_path: Path, mode: Any, status: str, name: str) -> None:
    with running(orthanclite(tmp_path, {"OverwriteInstances": mode})) as server:
        path = server.upload(file_of(1, ImageComments="before"))["Path"]
        assert server.upload(file_of(1, ImageComments="after"))["Status"] == status
        assert server.client.get(f"{path}/content/ImageComments").content.strip() == name.encode()
        assert server.get("/statistics")["CountInstances"] == 1
        assert files_below(tmp_path / "storage") == 1


def test_the_same_bytes_are_stored_once_if_changes_count(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"OverwriteInstances": "IfChanged"})) as server:
        server.upload(file_of(1))
        assert server.upload(file_of(1))["Status"] == "AlreadyStored"
