"""``/jobs`` of a running server, with archives as the jobs."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orthanclite.core.jobs import Change, Job, Keep, State, Submission
from orthanclite.index import SqlIndex
from orthanclite.jobs.events import MOST_LISTENERS
from orthanclite.rest.jobs import describe
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"MediaArchiveSize": 2, "JobsHistorySize": 50}
TIME = re.compile(r"\d{8}T\d{6}\.\d{6}")


@pytest.fixture(scope="module")
def study(server: Server) -> str:
    for number in range(3):
        answer = server.upload(dicom_file("J", "3.1", "3.1.1", f"3.1.1.{number}", InstanceNumber=number))
    return str(answer["ParentStudy"])


def submit(server: Server, path: str, **body: Any) -> str:
    answer = server.client.post(path, json={"Asynchronous": True, **body})
    answer.raise_for_status()
    job = answer.json()
    assert job["Path"] == f"/jobs/{job['ID']}"
    return str(job["Path"])


def ended(server: Server, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (job := server.get(path))["State"] not in ("Success", "Failure"):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return dict(job)


def test_a_job_is_shown_as_the_reference_shows_it(server: Server, study: str) -> None:
    path = submit(server, f"/studies/{study}/archive", UserData="x", Priority=-3, Utf8=True)
    job = ended(server, path)
    for name in ("CompletionTime", "CreationTime", "Timestamp"):
        assert TIME.fullmatch(job.pop(name))
    assert job.pop("EffectiveRuntime") >= 0
    content = job.pop("Content")
    size = int(content.pop("ArchiveSize"))
    assert size == len(server.client.get(f"{path}/archive").content)
    stored = server.get(f"/studies/{study}/statistics")["DicomUncompressedSize"]
    assert content.pop("UncompressedSize") == stored
    assert content == {
        "ArchiveSizeMB": 0,
        "Description": "REST API",
        "InstancesCount": 3,
        "UncompressedSizeMB": 0,
        "Utf8": True,
    }
    assert job == {
        "ErrorCode": 0,
        "ErrorDescription": "Success",
        "ErrorDetails": "",
        "ID": path.removeprefix("/jobs/"),
        "Priority": -3,
        "Progress": 100,
        "State": "Success",
        "Type": "Archive",
        "UserData": "x",
    }


@pytest.mark.parametrize("level", ["archive", "media"])
def test_the_uncompressed_size_is_that_of_the_stored_files(server: Server, study: str, level: str) -> None:
    """Known from the beginning: clients show it beside what is done."""
    path = submit(server, f"/studies/{study}/{level}", Transcode="1.2.840.10008.1.2.4.70")
    stored = server.get(f"/studies/{study}/statistics")["DicomUncompressedSize"]
    assert server.get(path)["Content"]["UncompressedSize"] == stored
    assert ended(server, path)["Content"]["UncompressedSize"] == stored


@pytest.mark.parametrize(
    ("fraction", "percent"),
    [(0.0, 0), (1 / 3, 33), (0.2, 20), (0.6, 60), (0.125, 13), (2 / 3, 67), (0.75, 75), (1.0, 100)],
)
def test_progress_is_rounded_to_percents(fraction: float, percent: int) -> None:
    job = Job("id", "Archive", State.RUNNING, 0, fraction, 1.0, None, 1.0, {}, None, None, 2.0)
    assert describe(job)["Progress"] == percent


@pytest.mark.parametrize(
    ("path", "kind", "names"),
    [
        ("/studies/{study}/archive", "Archive", 3),
        ("/studies/{study}/media", "Media", 4),
        ("/patients/{patient}/archive", "Archive", 3),
        ("/series/{series}/media", "Media", 4),
        ("/tools/create-archive", "Archive", 3),
        ("/tools/create-media", "Media", 4),
        ("/tools/create-media-extended", "Media", 4),
    ],
)
def test_the_output_is_the_archive_that_a_synchronous_call_gives(
    server: Server, study: str, path: str, kind: str, names: int
) -> None:
    patient = server.get(f"/studies/{study}/patient")["ID"]
    where = path.format(study=study, patient=patient, series=server.get(f"/studies/{study}")["Series"][0])
    body = {"Resources": [study]} if where.startswith("/tools") else {}
    job = submit(server, where, **body)
    assert ended(server, job)["Type"] == kind
    answer = server.client.get(f"{job}/archive")
    assert answer.headers["content-type"] == "application/zip"
    synchronous = server.client.post(where, json=body)
    assert answer.headers["content-disposition"] == synchronous.headers["content-disposition"]
    assert answer.content == synchronous.content
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == names


def test_an_output_is_downloaded_in_parts_and_deleted(server: Server, study: str) -> None:
    job = submit(server, f"/studies/{study}/archive", Filename="mine.zip")
    ended(server, job)
    whole = server.client.get(f"{job}/archive")
    assert whole.headers["content-disposition"] == 'filename="mine.zip"'
    part = server.client.get(f"{job}/archive", headers={"Range": "bytes=10-"})
    assert (part.status_code, part.content) == (206, whole.content[10:])
    tags = {"If-Range": '"other"', "Range": "bytes=10-"}
    assert server.client.get(f"{job}/archive", headers=tags).content == whole.content
    beyond = server.client.get(f"{job}/archive", headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert server.client.get(f"{job}/other").json()["Details"] == "Job has no such output: other"
    assert server.client.delete(f"{job}/archive").status_code == 200
    for answer in (server.client.get(f"{job}/archive"), server.client.delete(f"{job}/archive")):
        assert answer.status_code == 404
        assert (answer.json()["OrthancStatus"], answer.json()["Details"]) == (
            7,
            "Job has no such output: archive",
        )
    assert server.get(job)["State"] == "Success"


def test_the_archives_of_older_jobs_make_room(server: Server, study: str) -> None:
    jobs = [submit(server, f"/studies/{study}/archive") for _ in range(1)]
    ended(server, jobs[0])
    for _ in range(2):
        jobs.append(submit(server, f"/studies/{study}/archive"))
        ended(server, jobs[-1])
    assert [server.client.get(f"{job}/archive").status_code for job in jobs] == [404, 200, 200]
    assert server.get(jobs[0])["State"] == "Success"


def test_jobs_that_are_not_there(server: Server) -> None:
    for id in ("nope", "00000000-0000-0000-0000-000000000000"):
        answer = server.client.get(f"/jobs/{id}")
        assert (answer.status_code, answer.content) == (404, b"")
        assert server.client.delete(f"/jobs/{id}").json()["Details"] == f"No job found with this id: {id}"
        assert server.client.get(f"/jobs/{id}/archive").json()["OrthancStatus"] == 7
        for action in ("pause", "resume", "cancel", "resubmit"):
            answer = server.client.post(f"/jobs/{id}/{action}")
            assert (answer.status_code, answer.content) == (400, b"")


def test_actions_on_a_job_that_has_ended(server: Server, study: str) -> None:
    job = submit(server, f"/studies/{study}/archive")
    before = ended(server, job)
    for action, status in (("pause", 200), ("cancel", 200), ("resume", 400), ("resubmit", 400)):
        answer = server.client.post(f"{job}/{action}", content="{")
        assert (answer.status_code, answer.content) == (status, b"{}" if status == 200 else b"")
    after = server.get(job)
    assert {**before, "Timestamp": ""} == {**after, "Timestamp": ""}
    assert server.client.delete(job).status_code == 200
    assert server.client.get(job).status_code == 404
    assert server.client.get(f"{job}/archive").status_code == 404


def test_lists(server: Server, study: str) -> None:
    ended(server, submit(server, f"/studies/{study}/archive"))
    ids = server.get("/jobs")
    assert ids == sorted(ids)
    for query in ("?expand", "?expand=true"):
        assert [job["ID"] for job in server.get(f"/jobs{query}")] == ids
    for query in ("?expand=false", "?expand=0"):
        assert server.get(f"/jobs{query}") == ids


def test_a_job_whose_resources_are_gone_fails(server: Server) -> None:
    lost = server.upload(dicom_file("L", "4.1", "4.1.1", "4.1.1.1"))
    path = submit(server, f"/studies/{lost['ParentStudy']}/archive")
    ended(server, path)
    server.client.delete(f"/studies/{lost['ParentStudy']}").raise_for_status()
    assert server.client.get(f"{path}/archive").status_code == 200  # the archive outlives the study
    answer = server.client.post(f"/studies/{lost['ParentStudy']}/archive", json={"Asynchronous": True})
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (404, 7)


def test_what_cannot_be_archived_as_asked_for_is_not_hidden(server: Server) -> None:
    """Files of no image that any transfer syntax could be given to."""
    stored = server.upload(dicom_file("T", "5.1", "5.1.1", "5.1.1.1", side=16, pixels=bytes(100)))
    for permissive in (False, True):
        body = {"Transcode": "1.2.840.10008.1.2.4.50", "Permissive": permissive}
        path = submit(server, f"/studies/{stored['ParentStudy']}/archive", **body)
        job = ended(server, path)
        assert job["State"] == ("Success" if permissive else "Failure"), job
        assert job["Content"]["FailedInstancesCount"] == 1
        [failed] = job["Content"]["FailedInstances"]
        assert failed["ID"] == stored["ID"]
        assert failed["Reason"]
        assert server.client.get(f"{path}/archive").status_code == (200 if permissive else 404)
        if not permissive:
            assert job["ErrorDetails"].startswith("1 of 1 instances")
            assert job["ErrorCode"] == failed["ErrorCode"]


def test_metrics(server: Server) -> None:
    lines = dict(
        line.split()[:2] for line in server.client.get("/tools/metrics-prometheus").text.splitlines()
    )
    numbers = {name: int(value) for name, value in lines.items() if name.startswith("orthanc_jobs_")}
    assert set(numbers) == {
        f"orthanc_jobs_{name}" for name in ("pending", "running", "success", "failed", "completed")
    }
    assert (
        numbers["orthanc_jobs_completed"] == numbers["orthanc_jobs_success"] + numbers["orthanc_jobs_failed"]
    )
    assert numbers["orthanc_jobs_success"] > 0


def test_events_are_streamed(server: Server, study: str) -> None:
    with server.client.stream("GET", "/jobs/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": jobs"
        id = submit(server, f"/studies/{study}/archive").removeprefix("/jobs/")
        for line in lines:
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                assert set(event) == {"ID", "Type", "State", "Progress"}
                if (event["ID"], event["State"]) == (id, "Success"):
                    break


def test_who_has_left_does_not_listen_any_more(server: Server) -> None:
    """Otherwise a page that is loaded again and again would use up the places of the others."""
    for _ in range(2 * MOST_LISTENERS):
        with server.client.stream("GET", "/jobs/events") as answer:
            assert answer.status_code == 200
            assert next(answer.iter_lines()) == ": jobs"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[Server]:
    """A server with 10,000 jobs that have ended."""
    folder = tmp_path / "storage"
    folder.mkdir(parents=True)
    index = SqlIndex(f"sqlite:///{folder}/index-orthanclite")
    with index.database.engine().connect() as connection:
        connection.exec_driver_sql("BEGIN")
        row = (
            "INSERT INTO jobs (id, kind, state, priority, permissive, created, completed, due, progress,"
            " runtime, server, attempt, retries, wish, parameters, content, error, error_details) VALUES"
            " (?, 'Archive', 'Success', 0, 0, 1.5, 2.5, 0, 1, 1, 0, 1, 0, '', '{}', ?, 0, '')"
        )
        content = json.dumps({"ArchiveSize": "1", "Description": "REST API", "InstancesCount": 3})
        for number in range(10_000):
            connection.exec_driver_sql(row, (f"{number:08d}", content))
        connection.exec_driver_sql("COMMIT")
    index.close()
    with running(orthanclite(tmp_path, {"JobsHistorySize": 20_000})) as started:
        yield started


def test_a_long_history_is_listed_at_once(history: Server) -> None:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        answer = history.client.get("/jobs?expand")
        took.append(time.perf_counter() - started)
    assert len(answer.json()) == 10_000
    assert min(took) < 1.0  # less than 0.2 s where nothing else runs


def leave_a_job(folder: Path) -> str:
    """A job that no server is at any more, in the index of a server that is not running."""
    index = SqlIndex(f"sqlite:///{folder}/storage/index-orthanclite")
    submission = Submission("Unknown", {})
    index.jobs.submit(submission)
    claim = index.jobs.claim(77, ["Unknown"])
    assert claim is not None
    index.jobs.write(claim, Change(state=State.PAUSED), Keep(10, 1))
    index.close()
    return submission.id


@pytest.mark.parametrize(
    ("config", "option", "kept"), [({}, "", True), ({"SaveJobs": False}, "", False), ({}, "--no-jobs", False)]
)
def test_jobs_of_the_last_execution(tmp_path: Path, config: dict[str, Any], option: str, kept: bool) -> None:
    server = orthanclite(tmp_path, config)
    (tmp_path / "storage").mkdir()
    id = leave_a_job(tmp_path)
    server.command += [option] if option else []
    with running(server):
        assert server.get("/jobs") == ([id] if kept else [])
