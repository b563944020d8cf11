"""A server that dies while a job makes its map of identifiers, and removes what the map is made from.

``ORTHANCLITE_KILLS`` is how often a server is killed; more than in each run of the tests tells more.
"""

from __future__ import annotations

import csv
import io
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

KILLS = int(os.environ.get("ORTHANCLITE_KILLS", "2"))
COUNT = 60


def fill(server: Server, number: int) -> str:
    for index in range(COUNT):
        study = f"7.{number}"
        file = dicom_file(f"M{number}", study, f"{study}.1", f"{study}.1.{index}")
        id = server.upload(file)["ParentStudy"]
    return str(id)


def ended(server: Server, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (job := server.get(path))["State"] != "Success":
        assert job["State"] in ("Pending", "Running"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    found: dict[str, Any] = job
    return found


def survive(server: Server) -> None:
    body = {"Asynchronous": True, "KeepSource": False, "UidMap": "CSV"}
    with running(server):
        for number in range(KILLS):
            study = fill(server, number)
            path = str(server.client.post(f"/studies/{study}/anonymize", json=body).json()["Path"])
            time.sleep(random.uniform(0, 0.4))
            server.kill()
            server.start()
            content = ended(server, path)["Content"]
            rows = list(csv.reader(io.StringIO(server.client.get(f"{path}/uid-map").text)))
            new = {original: now for attribute, original, now in rows if attribute == "SOPInstanceUID"}
            made = server.get(f"/studies/{content['ID']}/instances?expand")
            assert len(made) == len(new) == len(rows) - 4 == COUNT
            assert {one["MainDicomTags"]["SOPInstanceUID"] for one in made} == set(new.values())
            assert server.client.get(f"/studies/{study}").status_code == 404
        assert server.get("/statistics")["CountInstances"] == COUNT * KILLS


@pytest.mark.timeout(180 + 20 * KILLS)
def test_on_sqlite(tmp_path: Path) -> None:
    survive(orthanclite(tmp_path, {"JobsHistorySize": 100}))


@pytest.mark.timeout(180 + 20 * KILLS)
def test_on_postgresql(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.database() as name:
        place = {"Host": postgres.host, "Port": postgres.port, "Database": name, "Username": postgres.user}
        config = {"PostgreSQL": {"EnableIndex": True, **place}, "JobsHistorySize": 100}
        survive(orthanclite(tmp_path, config))
