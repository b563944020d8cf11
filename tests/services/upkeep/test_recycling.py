"""What is stored beyond the limits when the server starts."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from orthanclite.core.events import Event, EventKind
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.index.resources.remove import Limits
from orthanclite.services.upkeep.recycling import Recycling
from tests.dimse.support import CT, eventually
from tests.support.lab import lab
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import orthanclite, running

PATIENTS = ("A", "B", "C")


def file_of(patient: str, instance: int) -> bytes:
    study = f"1.{ord(patient)}"
    return dicom_file(patient, study, f"{study}.1", f"{study}.1.{instance}")


@pytest.mark.parametrize(
    ("limits", "protected", "left"),
    [
        (Limits(max_patients=1), (), ["C"]),
        (Limits(max_patients=2), (), ["B", "C"]),
        (Limits(max_patients=3), (), ["A", "B", "C"]),
        (Limits(max_patients=1), ("A",), ["A"]),
        (Limits(max_patients=1), ("A", "B"), ["A", "B"]),
        (Limits(max_bytes=1), (), []),
        (Limits(max_patients=1, reject=True), (), ["A", "B", "C"]),
    ],
)
def test_what_is_beyond_the_limits_is_recycled(
    tmp_path: Path, limits: Limits, protected: tuple[str, ...], left: list[str]
) -> None:
    with lab(tmp_path) as bench:
        stored = bench.store(*(dicom_file(patient=one) for one in PATIENTS))
        ids = {one: result.ids.patient for one, result in zip(PATIENTS, stored, strict=True)}
        for one in protected:
            bench.index.resources.set_protected(ids[one], True)
    batches: list[Event] = []
    with lab(tmp_path, limits=limits) as bench:
        bench.events.subscribe(batches.extend)
        recycled = Recycling(bench.index.maintenance, bench.blobs, bench.events).run()
        assert [one for one in PATIENTS if bench.resources.exists(Level.PATIENT, ids[one])] == left
        assert len(list(bench.blobs.scan())) == len(left)
    gone = [ids[one] for one in PATIENTS if one not in left]
    assert recycled == len(gone)
    assert batches == [Event(EventKind.DELETED, ResourceRef(Level.PATIENT, one)) for one in gone]


def test_a_server_whose_limit_was_lowered_recycles_at_the_start(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        for one in PATIENTS:
            assert server.client.post("/instances", content=dicom_file(patient=one)).status_code == 200
    with running(orthanclite(tmp_path, {"MaximumPatientCount": 1, "MaximumStorageMode": "Reject"})) as server:
        assert server.client.get("/statistics").json()["CountPatients"] == len(PATIENTS)
    with running(orthanclite(tmp_path, {"MaximumPatientCount": 1})) as server:
        assert eventually(lambda: server.client.get("/statistics").json()["CountPatients"] == 1)
        (left,) = server.client.get("/patients?expand").json()
        assert left["MainDicomTags"]["PatientID"] == PATIENTS[-1]


def test_a_read_only_server_recycles_nothing(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        for one in PATIENTS:
            server.upload(dicom_file(patient=one))
    limits = {"MaximumPatientCount": 1, "MaximumStorageMode": "Recycle", "ReadOnly": True}
    with running(orthanclite(tmp_path, limits)) as server:
        stop_at = time.monotonic() + 1  # the first look would be over
        while time.monotonic() < stop_at:
            statistics = server.client.get("/statistics")
            assert statistics.status_code == 200, statistics.text
            assert statistics.json()["CountPatients"] == len(PATIENTS)
            time.sleep(0.1)


@pytest.mark.parametrize("mode", ["Recycle", "Reject"])
def test_c_store_while_more_is_stored_than_the_limits_allow(tmp_path: Path, mode: str) -> None:
    """The newest patient is there in both modes: what it has, and gets, is no failure."""
    with running(orthanclite(tmp_path)) as server:
        for one in PATIENTS:
            server.upload(file_of(one, 1))
    config = {"MaximumPatientCount": 1, "MaximumStorageMode": mode, "DicomAlwaysAllowStore": True}
    with running(orthanclite(tmp_path, config)) as server:

        def stored(patient: str, instance: int) -> int:
            application = Client("PEER")
            application.add_requested_context(CT)
            association = application.associate("127.0.0.1", server.dicom_port)
            assert association.is_established
            try:
                file = pydicom.dcmread(BytesIO(file_of(patient, instance)))
                return int(association.send_c_store(file).Status)
            finally:
                association.release()

        newest = PATIENTS[-1]
        assert [stored(newest, 1), stored(newest, 2)] == [0, 0]
        assert stored("D", 1) == (0 if mode == "Recycle" else 0xA700)
        there = {one["MainDicomTags"]["PatientID"] for one in server.get("/patients?expand")}
        assert there == ({"D"} if mode == "Recycle" else set(PATIENTS))
