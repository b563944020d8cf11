"""Servers that die while they send or fetch: each job goes on after the restart, and all arrives once.

``ORTHANCLITE_KILLS`` is how often a server is killed in each kind of job; more than in each run of the tests
tells more.
"""

from __future__ import annotations

import io
import os
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.safety.test_edit_jobs import new_instances, wait
from tests.safety.test_jobs import config
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

KILLS = int(os.environ.get("ORTHANCLITE_KILLS", "1"))
COUNT, SIDE = 40, 128
STUDY = "1.9"
FILES = [
    dicom_file("T", STUDY, "1.9.1", f"1.9.1.{number}", side=SIDE, pixels=os.urandom(SIDE * SIDE * 2))
    for number in range(COUNT)
]


@dataclass(frozen=True)
class Pair:
    """The server that is killed, and the one that it sends to and fetches from."""

    site: Server
    other: Server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(
    request: pytest.FixtureRequest, postgres: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("pair")
    port, other_port, http_port = free_port(), free_port(), free_port()
    address = {"AET": "OTHER", "Host": "127.0.0.1", "Port": other_port}
    url = f"http://127.0.0.1:{http_port}"
    options: dict[str, Any] = {
        "DicomAet": "SITE",
        "DicomPort": port,
        "DicomModalities": {
            "mover": {**address, "RetrieveMethod": "C-MOVE"},
            "getter": {**address, "RetrieveMethod": "C-GET"},
        },
        "OrthancPeers": {"other": [url]},
        "DicomWeb": {"Servers": {"other": {"Url": f"{url}/dicom-web/"}}},
        "JobsHistorySize": 1000,
    }
    here = {
        "DicomAet": "OTHER",
        "DicomPort": other_port,
        "HttpPort": http_port,
        "DicomModalities": {"site": ["SITE", "127.0.0.1", port]},
        "DicomAlwaysAllowGet": True,
    }
    with ExitStack() as stack:
        if request.param == "postgresql":
            options = config(postgres, stack.enter_context(postgres.database()), **options)
        site, other = orthanclite(folder / "site", options), orthanclite(folder / "other", here)
        yield Pair(stack.enter_context(running(site)), stack.enter_context(running(other)))


def empty(server: Server) -> None:
    for patient in server.get("/patients"):
        server.client.delete(f"/patients/{patient}").raise_for_status()
    server.client.delete("/changes").raise_for_status()


def post(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = server.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


Submit = Callable[[Server, str], str]


def sends(path: str) -> Submit:
    def submit(site: Server, study: str) -> str:
        return str(post(site, path, {"Resources": [study], "Synchronous": False})["ID"])

    return submit


def retrieves(modality: str) -> Submit:
    def submit(site: Server, study: str) -> str:
        query = {"Level": "Study", "Query": {"StudyInstanceUID": STUDY}}
        id = post(site, f"/modalities/{modality}/query", query)["ID"]
        body = {"TargetAet": "SITE", "Asynchronous": True}
        return str(post(site, f"/queries/{id}/retrieve", body)["ID"])

    return submit


def fetches(site: Server, study: str) -> str:
    body = {"Resources": [{"Study": STUDY}], "Synchronous": False}
    return str(post(site, "/dicom-web/servers/other/retrieve", body)["ID"])


SENDING = {
    "C-STORE": sends("/modalities/mover/store"),
    "peer": sends("/peers/other/store"),
    "STOW-RS": sends("/dicom-web/servers/other/stow"),
}
FETCHING = {"C-MOVE": retrieves("mover"), "C-GET": retrieves("getter"), "WADO-RS": fetches}


@pytest.mark.parametrize("kind", [*SENDING, *FETCHING])
@pytest.mark.timeout(180 + 30 * KILLS)
def test_kill(pair: Pair, kind: str) -> None:
    source, target = (pair.site, pair.other) if kind in SENDING else (pair.other, pair.site)
    submit = SENDING.get(kind) or FETCHING[kind]
    for _ in range(KILLS):
        empty(source)
        empty(target)
        for file in FILES:
            study = source.upload(file)["ParentStudy"]
        job = submit(pair.site, study)
        time.sleep(random.uniform(0, 0.4))
        pair.site.kill()
        pair.site.start()
        ended = wait(pair.site, job)
        assert ended["State"] == "Success", ended
        assert not ended["Content"].get("FailedInstancesCount")
        ids = target.get("/instances")
        assert Counter(new_instances(target)) == Counter(ids)
        stored = {target.client.get(f"/instances/{id}/attachments/dicom/data").content for id in ids}
        assert len(stored) == len(ids) == COUNT
        assert {one[-SIDE * SIDE * 2 :] for one in stored} == {one[-SIDE * SIDE * 2 :] for one in FILES}


@pytest.mark.timeout(180 + 30 * KILLS)
def test_kill_while_media_are_made(pair: Pair) -> None:
    for file in FILES:
        study = pair.site.upload(file)["ParentStudy"]
    for _ in range(KILLS):
        job = str(post(pair.site, f"/studies/{study}/media", {"Asynchronous": True})["ID"])
        time.sleep(random.uniform(0, 0.2))
        pair.site.kill()
        pair.site.start()
        assert wait(pair.site, job)["State"] == "Success"
        with zipfile.ZipFile(io.BytesIO(pair.site.client.get(f"/jobs/{job}/archive").content)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == COUNT + 1


@pytest.mark.timeout(180 + 30 * KILLS)
def test_kill_before_a_commitment_is_reported(pair: Pair) -> None:
    """What has been accepted (N-ACTION) is reported (N-EVENT-REPORT) by the server that comes back."""
    empty(pair.site)
    stored = [pair.site.upload(file)["ID"] for file in FILES]
    names = ("SOPClassUID", "SOPInstanceUID")
    tags = [pair.site.get(f"/instances/{id}/simplified-tags") for id in stored]
    asked = [[one[name] for name in names] for one in tags] + [[tags[0]["SOPClassUID"], "1.9.99"]]
    for _ in range(KILLS):
        transaction = post(pair.other, "/modalities/site/storage-commitment", {"DicomInstances": asked})["ID"]
        time.sleep(random.uniform(0, 0.05))
        pair.site.kill()
        pair.site.start()
        deadline = time.monotonic() + 90
        while (report := pair.other.get(f"/storage-commitment/{transaction}"))["Status"] == "Pending":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert report["Status"] == "Failure"
        assert [one["SOPInstanceUID"] for one in report["Failures"]] == ["1.9.99"]
        assert sorted(one["SOPInstanceUID"] for one in report["Success"]) == sorted(
            one["SOPInstanceUID"] for one in tags
        )
