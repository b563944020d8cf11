"""Servers that die in the middle of jobs: each job ends all the same, and what it makes is there once.

``ORTHANCLITE_KILLS`` is how often a server is killed; more than in each run of the tests tells more.
"""

from __future__ import annotations

import io
import os
import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

KILLS = int(os.environ.get("ORTHANCLITE_KILLS", "3"))
COUNT, SIDE = 12, 1024  # 2 MB each


def config(postgres: Cluster, database: str, **more: Any) -> dict[str, Any]:
    place = {"Host": postgres.host, "Port": postgres.port, "Database": database, "Username": postgres.user}
    return {
        "PostgreSQL": {"EnableIndex": True, **place},
        "JobsHistorySize": 100,
        "MediaArchiveSize": 100,
        **more,
    }


def fill(server: Server) -> str:
    """A study that takes a while to archive."""
    for number in range(COUNT):
        pixels = os.urandom(SIDE * SIDE * 2)
        file = dicom_file("K", "6.1", "6.1.1", f"6.1.1.{number}", side=SIDE, pixels=pixels)
        study = server.upload(file)["ParentStudy"]
    return str(study)


def submit(server: Server, study: str) -> str:
    return str(server.client.post(f"/studies/{study}/archive", json={"Asynchronous": True}).json()["Path"])


def check_ended(server: Server, paths: list[str], patience: float = 60) -> None:
    """All jobs succeed, and each has its archive."""
    deadline = time.monotonic() + patience
    for path in paths:
        while (job := server.get(path))["State"] != "Success":
            assert job["State"] in ("Pending", "Running"), job
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        with zipfile.ZipFile(io.BytesIO(server.client.get(f"{path}/archive").content)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == COUNT
    assert server.get("/jobs") == sorted(path.removeprefix("/jobs/") for path in paths)


def survive(server: Server) -> None:
    with running(server):
        study = fill(server)
        paths = []
        for _ in range(KILLS):
            paths += [submit(server, study) for _ in range(3)]
            time.sleep(random.uniform(0, 0.3))
            server.kill()
            server.start()
        check_ended(server, paths)


@pytest.mark.timeout(180 + 20 * KILLS)
def test_kill_on_sqlite(tmp_path: Path) -> None:
    survive(orthanclite(tmp_path, {"JobsHistorySize": 100, "MediaArchiveSize": 100}))


@pytest.mark.timeout(180 + 20 * KILLS)
def test_kill_on_postgresql(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.database() as name:
        survive(orthanclite(tmp_path, config(postgres, name)))


@pytest.mark.timeout(180 + 20 * KILLS)
def test_the_jobs_of_a_killed_server_are_done_by_the_other(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.database() as name:
        folder = str(tmp_path / "storage")
        servers = [
            orthanclite(
                tmp_path / who,
                config(postgres, name, DatabaseServerIdentifier=who, StorageDirectory=folder),
            )
            for who in ("one", "two")
        ]
        with running(servers[0]), running(servers[1]):
            study = fill(servers[0])
            paths = [submit(server, study) for _ in range(8) for server in servers]
            servers[0].kill()
            check_ended(servers[1], paths)
