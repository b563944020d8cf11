"""What is stored beyond the limits when the server starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from orthanclite.core.events import Event, EventKind
from orthanclite.core.levels import Level
from orthanclite.core.model import ResourceRef
from orthanclite.index.remove import Limits
from orthanclite.services.upkeep.recycling import Recycling
from tests.dimse.support import eventually
from tests.support.lab import lab
from tests.support.records import dicom_file
from tests.support.server import orthanclite, running

PATIENTS = ("A", "B", "C")


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
