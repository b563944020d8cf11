"""Servers that die while stored instances are edited: each job ends as if nothing had happened.

``ORTHANCLITE_KILLS`` is how often a server is killed in each kind of job; more than in each run of the tests
tells more.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.safety.test_failures import small_disk
from tests.safety.test_jobs import config
from tests.support.postgres import Cluster, cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

KILLS = int(os.environ.get("ORTHANCLITE_KILLS", "1"))
COUNT, SIDE = 60, 128  # 32 KB each, in two series
HALF = COUNT // 2
OPTIONS = {"JobsHistorySize": 1000, "JobsEngineThreadsCount": {"ResourceModification": 2}}

KINDS: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "modify": ("modify", {"Replace": {"StudyDescription": "new"}, "KeepSource": False}, COUNT, 0),
    "anonymize": ("anonymize", {}, COUNT, COUNT),
    "split": ("split", {}, HALF, HALF),
    "merge": ("merge", {}, COUNT + 1, 0),
}
"""For each kind the operation, its body, and how many instances the result and the source have in the end."""


def fill(server: Server, name: str) -> tuple[str, list[str]]:
    """A study and its series."""
    series = set()
    for number in range(COUNT):
        of = f"{name}.{number // HALF}"
        stored = server.upload(
            dicom_file("P", name, of, f"{of}.{number}", side=SIDE, pixels=bytes(SIDE * SIDE * 2))
        )
        series.add(stored["ParentSeries"])
    return str(stored["ParentStudy"]), sorted(series)


def submit(server: Server, kind: str, name: str) -> tuple[str, str]:
    """Begin a job of a kind; the job and its source."""
    verb, body, _, _ = KINDS[kind]
    study, series = fill(server, name)
    target = study
    if kind == "split":
        body = {**body, "Series": series[:1]}
    if kind == "merge":
        target = str(
            server.upload(dicom_file("T", f"{name}.9", f"{name}.9.1", f"{name}.9.1.1"))["ParentStudy"]
        )
        body = {**body, "Resources": [study]}
    answer = server.client.post(f"/studies/{target}/{verb}", json={**body, "Asynchronous": True})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ID"]), study


def wait(server: Server, job: str, patience: float = 90) -> dict[str, Any]:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        answer = server.client.get(f"/jobs/{job}")
        if answer.status_code == 200 and answer.json()["State"] not in ("Pending", "Running"):
            return dict(answer.json())
        assert answer.status_code in (200, 503)  # the database may be away
        time.sleep(0.05)
    raise AssertionError(answer.text)


def check(server: Server, kind: str, job: str, source: str) -> None:
    """The job has made what it was to make, once."""
    _, _, made, left = KINDS[kind]
    ended = wait(server, job)
    assert ended["State"] == "Success", ended
    content = ended["Content"]
    assert content["FailedInstancesCount"] == 0
    result = content.get("ID") or content["TargetStudy"]
    instances = server.get(f"/studies/{result}/instances")
    assert len(instances) == made
    for instance in instances[:: max(1, made // 5)]:
        assert server.client.get(f"/instances/{instance['ID']}/file").content[128:132] == b"DICM"
    remaining = server.client.get(f"/studies/{source}/instances")
    assert (len(remaining.json()) if remaining.status_code == 200 else 0) == left
    assert max(Counter(new_instances(server)).values()) == 1


def all_changes(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"Last": 0, "Done": False}
    while not page["Done"]:
        page = server.get(f"/changes?since={page['Last']}&limit=1000")
        found += page["Changes"]
    return found


def survive(server: Server, kind: str) -> None:
    with running(server):
        for number in range(KILLS):
            job, source = submit(server, kind, f"1.3.{number}")
            time.sleep(random.uniform(0, 0.4))
            server.kill()
            server.start()
            check(server, kind, job, source)
            for patient in server.get("/patients"):
                server.client.delete(f"/patients/{patient}")
            assert server.get("/statistics")["CountInstances"] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(100 + 20 * KILLS)
def test_kill_on_sqlite(tmp_path: Path, kind: str) -> None:
    survive(orthanclite(tmp_path, OPTIONS), kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(100 + 20 * KILLS)
def test_kill_on_postgresql(tmp_path: Path, postgres: Cluster, kind: str) -> None:
    with postgres.database() as name:
        survive(orthanclite(tmp_path, config(postgres, name, **OPTIONS)), kind)


@pytest.mark.timeout(300)
def test_each_job_of_two_servers_takes_effect_once(tmp_path: Path, postgres: Cluster) -> None:
    """One server is killed, one is stopped and goes on after the third has taken its jobs over."""
    count = int(os.environ.get("ORTHANCLITE_JOBS", "20"))
    with postgres.database() as name:
        folder = str(tmp_path / "storage")
        one, two, three = (
            orthanclite(
                tmp_path / who,
                config(postgres, name, DatabaseServerIdentifier=who, StorageDirectory=folder, **OPTIONS),
            )
            for who in ("one", "two", "three")
        )
        with running(one), running(two), running(three):
            study, _ = fill(one, "1.4")
            jobs = [begin(server, study) for _ in range(count // 2) for server in (one, two)]
            assert one.process is not None
            one.process.send_signal(signal.SIGSTOP)
            two.kill()
            states = [wait(three, job, 200)["State"] for job in jobs]
            one.process.send_signal(signal.SIGCONT)
            time.sleep(3)
            assert states == ["Success"] * count
            results = results_of(three, jobs)
            assert len(set(results)) == count
            assert three.get("/statistics")["CountInstances"] == COUNT * (count + 1)
            assert {len(three.get(f"/studies/{result}/instances")) for result in results} == {COUNT}
            changes = Counter(new_instances(three))
            assert set(changes.values()) == {1}
            assert len(changes) == COUNT * (count + 1)


def new_instances(server: Server) -> list[str]:
    return [change["ID"] for change in all_changes(server) if change["ChangeType"] == "NewInstance"]


def begin(server: Server, study: str) -> str:
    body = {"Replace": {"StudyDescription": "x"}, "Asynchronous": True}
    return str(server.client.post(f"/studies/{study}/modify", json=body).json()["ID"])


def results_of(server: Server, jobs: Sequence[str]) -> list[str]:
    return [str(server.get(f"/jobs/{job}")["Content"]["ID"]) for job in jobs]


def test_a_full_disk_fails_the_job_and_no_other(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    with small_disk(storage, "24m"):
        options = {"IndexDirectory": str(tmp_path / "index"), "JobsHistorySize": 100}
        with running(orthanclite(tmp_path, options)) as server:
            for number in range(8):
                pixels = os.urandom(1 << 20)
                stored = server.upload(
                    dicom_file("P", "1.5", "1.5.1", f"1.5.1.{number}", side=724, pixels=pixels)
                )
            ballast = storage / "ballast"
            ballast.write_bytes(bytes(12 << 20))
            body = {"KeepSource": False, "Permissive": True, "Asynchronous": True}
            path = f"/studies/{stored['ParentStudy']}/modify"
            job = server.client.post(path, json=body).json()["ID"]
            failed = wait(server, job)
            assert (failed["State"], failed["ErrorCode"]) == ("Failure", 19)
            assert len(server.get(f"/studies/{stored['ParentStudy']}/instances")) == 8
            ballast.unlink()
            server.client.post(f"/jobs/{job}/resubmit").raise_for_status()
            done = wait(server, job)
            assert (done["State"], done["Content"]["FailedInstancesCount"]) == ("Success", 0)
            assert server.get("/statistics")["CountInstances"] == 8


@contextmanager
def paused(own: Cluster) -> Iterator[None]:
    """PostgreSQL without any progress, as of a machine that hangs: connections stay open."""
    with own.connect() as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    main = int((Path(str(folder)) / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{main}/task/{main}/children")
    all_of_it = [main]
    try:
        os.kill(main, signal.SIGSTOP)  # first of all: then no more come
        for child in map(int, children.read_text().split()):
            os.kill(child, signal.SIGSTOP)
            all_of_it.append(child)
        yield
    finally:
        for pid in reversed(all_of_it):
            os.kill(pid, signal.SIGCONT)


def test_a_database_that_stands_still_ends_no_engine(tmp_path: Path) -> None:
    pause = float(os.environ.get("ORTHANCLITE_PAUSE", "3"))  # seconds
    with (
        cluster() as own,
        own.database() as name,
        running(orthanclite(tmp_path, config(own, name, **OPTIONS))) as server,
    ):
        study, _ = fill(server, "1.7")
        jobs = [begin(server, study) for _ in range(6)]
        body = {"Asynchronous": True}
        archive = str(server.client.post(f"/studies/{study}/archive", json=body).json()["ID"])
        with paused(own):
            time.sleep(pause)
            assert server.client.get("/tools/now").status_code == 200
        for job in [*jobs, archive]:
            ended = wait(server, job)
            if ended["State"] == "Failure":
                assert ended["ErrorCode"] in (11, 36), ended
                assert ended["ErrorDetails"]
                server.client.post(f"/jobs/{job}/resubmit").raise_for_status()
                assert wait(server, job)["State"] == "Success"
        assert server.get("/statistics")["CountInstances"] == COUNT * 7
        assert len(set(results_of(server, jobs))) == 6
        assert set(Counter(new_instances(server)).values()) == {1}


def test_a_database_that_goes_away_fails_the_job_and_not_the_engine(tmp_path: Path) -> None:
    with cluster() as own, own.database() as name:
        if own.control is None:
            pytest.skip("PostgreSQL's pg_ctl is not installed")
        with own.connect() as connection:  # the cluster of the tests is not durable otherwise
            connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
        with running(orthanclite(tmp_path, config(own, name, **OPTIONS))) as server:
            study, _ = fill(server, "1.6")
            jobs = [begin(server, study) for _ in range(6)]
            time.sleep(0.1)
            own.control("-m", "immediate", "stop")
            time.sleep(2)
            own.control("start")
            for job in jobs:
                ended = wait(server, job)
                if ended["State"] == "Failure":
                    assert ended["ErrorCode"] in (11, 36), ended
                    server.client.post(f"/jobs/{job}/resubmit").raise_for_status()
                    assert wait(server, job)["State"] == "Success"
            assert server.get("/statistics")["CountInstances"] == COUNT * 7
            assert len(set(results_of(server, jobs))) == 6
