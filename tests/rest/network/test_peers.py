"""``/peers/{id}/system``, ``store``, ``store-straight``: with ours, the installed server, and worse ones."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.hostile import Behaviour, Hostile, Received, answer, hostile
from tests.support.records import dicom_file
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

SECRET = "s3cr3t-of-a-peer"
STORED = answer("200 OK", b'{"ID": "x", "Status": "Success"}')
UNKNOWN = "00000000-00000000-00000000-00000000-00000000"
IMPLICIT = "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"
_SIDE = 128  # 32 KB of pixels: three of them are worth to be asked for


def image(number: int, **attributes: Any) -> bytes:
    pixels = bytes((number + index // 7) % 251 for index in range(_SIDE * _SIDE)) * 2
    pixels = bytes(byte & 0x0F if index % 2 else byte for index, byte in enumerate(pixels))
    attributes = {"InstanceNumber": number, **attributes}
    return dicom_file("P", "1.9", "1.9.1", f"1.9.1.{number}", side=_SIDE, pixels=pixels, **attributes)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"LogExportedResources": True, "JobsHistorySize": 100, "HttpTimeout": 20}
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as started:
        for number in range(1, 7):
            started.upload(image(number))
        yield started


@pytest.fixture(scope="module", params=["ours", "reference"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is a peer."""
    if request.param == "reference" and REFERENCE is None:
        pytest.skip("Orthanc is not installed")
    make = reference if request.param == "reference" else orthanclite
    config = {
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"alice": SECRET},
        "OverwriteInstances": True,
        "Name": "OTHER",
    }
    server = make(tmp_path_factory.mktemp("other"), config)
    server.client.auth = ("alice", SECRET)
    with running(server) as started:
        yield started


@pytest.fixture
def peer(site: Server, other: Server) -> Iterator[str]:
    """The name of the other server, which is empty."""
    for patient in other.get("/patients"):
        other.client.delete(f"/patients/{patient}")
    assert site.client.put("/peers/other", json=[other.url, "alice", SECRET]).status_code == 200
    yield "other"
    site.client.delete("/peers/other")


@pytest.fixture
def scripted(site: Server) -> Iterator[Hostile]:
    """A peer that does as it is told, by the name ``scripted``; it stores all."""
    with hostile(STORED) as server:
        put(site, server)
        yield server
        site.client.delete("/peers/scripted")


def put(site: Server, server: Hostile, **more: Any) -> None:
    peer = {"Url": server.url, "Timeout": 2, **more}
    assert site.client.put("/peers/scripted", json=peer).status_code == 200


def study(site: Server) -> str:
    (found,) = site.get("/studies")
    return str(found)


def store(site: Server, peer: str, body: Any = None, **members: Any) -> httpx.Response:
    if body is None or members:
        body = {"Resources": [study(site)] if body is None else body, **members}
    return site.client.post(f"/peers/{peer}/store", json=body)


def ended(site: Server, answer: httpx.Response) -> dict[str, Any]:
    """The job that an asynchronous request was answered with, at its end."""
    return until(site, answer, "Success", "Failure")


def until(site: Server, answer: httpx.Response, *states: str) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    deadline = time.monotonic() + 60
    while (job := site.get(answer.json()["Path"]))["State"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return dict(job)


def posts(server: Hostile) -> list[Received]:
    return [request for request in server.requests if request.line.startswith("POST /instances ")]


# -- between servers ---------------------------------------------------------------------------------


def test_what_a_peer_says_of_itself(site: Server, peer: str) -> None:
    assert site.get(f"/peers/{peer}/system")["Name"] == "OTHER"
    assert set(site.get(f"/peers/{peer}")) == {"configuration", "store", "store-straight", "system"}


def test_a_study_is_sent_once(site: Server, other: Server, peer: str) -> None:
    sent = store(site, peer)
    assert sent.status_code == 200, sent.text
    content = sent.json()
    size = int(content.pop("Size"))
    assert size > 6 * _SIDE * _SIDE * 2
    assert content == {
        "Compress": False,
        "Description": "REST API",
        "FailedInstancesCount": 0,
        "InstancesCount": 6,
        "ParentResources": [study(site)],
        "Peer": [f"{other.url}/", "alice", ""],
        "Resources": [{"ID": study(site), "Type": "Study"}],
        "SizeMB": 0,
    }
    ids = site.get("/instances")
    assert sorted(other.get("/instances")) == ids
    for id in ids:
        file = f"/instances/{id}/file"
        assert other.client.get(file).content == site.client.get(file).content
    again = store(site, peer)
    assert (again.status_code, again.json()["Size"], again.json()["InstancesCount"]) == (200, "0", 6)


def test_what_is_missing_or_different_is_sent(site: Server, other: Server, peer: str) -> None:
    store(site, peer)
    ids = site.get("/instances")
    other.client.delete(f"/instances/{ids[0]}")
    other.upload(image(3, PatientComments="changed"))
    sizes = {id: int(site.get(f"/instances/{id}/attachments/dicom/size")) for id in ids}
    changed = site.client.post("/tools/lookup", content=b"1.9.1.3").json()[0]["ID"]
    expected = sum(sizes[id] for id in {ids[0], changed})
    assert store(site, peer).json()["Size"] == str(expected)
    for id in ids:
        file = f"/instances/{id}/file"
        assert other.client.get(file).content == site.client.get(file).content


def test_files_are_sent_in_another_form(site: Server, other: Server, peer: str) -> None:
    sent = store(site, peer, Transcode=RLE, Compress=True)
    assert (sent.json()["Transcode"], sent.json()["Compress"]) == (RLE, True)
    assert 0 < int(sent.json()["Size"]) < 6 * _SIDE * _SIDE * 2
    for id in other.get("/instances"):
        assert other.client.get(f"/instances/{id}/metadata/TransferSyntax").text == RLE


def test_a_file_is_handed_on(site: Server, other: Server, peer: str) -> None:
    large = dicom_file("L", "1.8", "1.8.1", "1.8.1.1", side=2048)  # 8 MB: by way of a temporary file
    for file, uid in ((image(9), "1.9.1.9"), (large, "1.8.1.1")):
        handed = site.client.post(f"/peers/{peer}/store-straight", content=file)
        assert (handed.status_code, handed.json()["Status"]) == (200, "Success")
        (found,) = other.client.post("/tools/lookup", content=uid.encode()).json()
        assert other.client.get(f"{found['Path']}/file").content == file
        assert site.client.post("/tools/lookup", content=uid.encode()).json() == []
    refused = site.client.post(f"/peers/{peer}/store-straight", content=b"no DICOM")
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
    assert "answers 400" in refused.json()["Details"]


def test_what_is_sent_is_logged(site: Server, peer: str) -> None:
    site.client.delete("/exports")
    series, instance = site.get("/series")[0], site.get("/instances")[0]
    store(site, peer, [series, instance, study(site)])
    logged = site.get("/exports")["Exports"]
    assert [(entry["ID"], entry["ResourceType"], entry["RemoteModality"]) for entry in logged] == [
        (id, {series: "Series", instance: "Instance"}.get(id, "Study"), "other")
        for id in (series, instance, study(site))
    ]
    by_id = {entry["ID"]: entry for entry in logged}
    assert by_id[series]["SeriesInstanceUID"] == "1.9.1"
    assert by_id[series]["StudyInstanceUID"] == "1.9"
    assert by_id[series]["PatientID"] == "P"
    assert "SOPInstanceUID" not in by_id[series]
    assert by_id[instance]["SOPInstanceUID"].startswith("1.9.1.")


def test_wrong_credentials_are_told(site: Server, other: Server, peer: str) -> None:
    site.client.put("/peers/other", json=[other.url, "alice", "wrong"])
    for refused in (store(site, peer), site.client.get(f"/peers/{peer}/system")):
        assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
        assert "answers 401" in refused.json()["Details"]


def test_many_instances_all_arrive(site: Server, tmp_path: Path) -> None:
    """More than are looked up at once, small and large ones."""
    with running(orthanclite(tmp_path / "a")) as sender, running(orthanclite(tmp_path / "b")) as receiver:
        for number in range(600):
            sender.upload(dicom_file("M", "1.6", "1.6.1", f"1.6.1.{number}", side=64 * (number % 97 == 0)))
        sender.client.put("/peers/other", json=[receiver.url])
        assert store(sender, "other").json()["InstancesCount"] == 600
        assert receiver.get("/instances") == sender.get("/instances")


# -- requests ----------------------------------------------------------------------------------------


def test_forms_of_a_request(site: Server, scripted: Hostile) -> None:
    first = site.get("/instances")[0]
    for content in (first, f"  {first}\n", json.dumps(first), json.dumps([first])):
        sent = site.client.post("/peers/scripted/store", content=content.encode())
        assert (sent.status_code, sent.json()["InstancesCount"]) == (200, 1)
        assert sent.json()["Resources"] == [{"ID": first, "Type": "Instance"}]
    nothing = store(site, "scripted", [])
    assert (nothing.status_code, nothing.json()["InstancesCount"]) == (200, 0)
    assert "Resources" not in nothing.json()
    twice = store(site, "scripted", [first, first])
    assert (twice.json()["InstancesCount"], twice.json()["ParentResources"]) == (2, [first])
    assert len(posts(scripted)) == 6
    assert posts(scripted)[0].body == site.client.get(f"/instances/{first}/file").content
    assert posts(scripted)[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, 15),
        ("nope", 400, 15),
        (["nope"], 400, 15),
        ([12], 400, 15),
        ({}, 400, 15),
        ({"Resources": "x"}, 400, 15),
        ([UNKNOWN], 404, 17),
        ({"Resources": [], "Compress": "x"}, 400, 15),
        ({"Resources": [], "Transcode": "nope"}, 400, 15),
        ({"Resources": [], "Transcode": 12}, 400, 15),
        ({"Resources": [], "LossyQuality": 101}, 400, 3),
        ({"Resources": [], "Synchronous": "x"}, 400, 15),
        ({"Resources": [], "Priority": "x"}, 400, 15),
        ({"Resources": [], "Permissive": 1}, 400, 15),
        ({"Resources": [], "Retry": -1}, 400, 3),
        ({"Resources": [], "Retry": 10**9}, 400, 3),
        ({"Resources": [], "Retry": True}, 400, 15),
    ],
)
def test_bad_requests(site: Server, scripted: Hostile, body: Any, status: int, code: int) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    refused = site.client.post("/peers/scripted/store", content=content.encode())
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (status, code)
    assert scripted.requests == []


def test_unknown_peers(site: Server) -> None:
    for refused in (
        site.client.get("/peers/nope/system"),
        store(site, "nope"),
        site.client.post("/peers/nope/store-straight", content=image(1)),
    ):
        assert (refused.status_code, refused.json()["OrthancStatus"]) == (404, 17)


def test_names_and_certificates_that_are_refused(site: Server) -> None:
    for name in ("a%20b", "a.b", "%C3%A9"):
        refused = site.client.put(f"/peers/{name}", json=["http://h/"])
        assert (refused.status_code, refused.json()["OrthancStatus"]) == (400, 15)
    for path in ("/no/such/file", "/no\0file"):
        absent = site.client.put("/peers/x", json={"Url": "https://h/", "CertificateFile": path})
        assert (absent.status_code, absent.json()["OrthancStatus"]) == (404, 13)
    assert "x" not in site.get("/peers")


def test_secrets_stay_in_the_registry(site: Server, scripted: Hostile) -> None:
    put(site, scripted, Username="bob", Password=SECRET, HttpHeaders={"Token": SECRET})
    sent = store(site, "scripted", Asynchronous=True)
    job = ended(site, sent)
    assert job["Content"]["Peer"] == {
        "HttpHeaders": {"Token": ""},
        "Pkcs11": False,
        "Timeout": 2,
        "Url": scripted.url,
        "Username": "bob",
    }
    assert scripted.requests[0].headers["token"] == SECRET
    stored = b"".join(path.read_bytes() for path in (site.folder / "storage").glob("index*"))
    assert job["ID"].encode() in stored
    assert SECRET.encode() not in stored
    assert SECRET not in site.log()


# -- faults ------------------------------------------------------------------------------------------


def closes(connection: socket.socket, request: Received) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def is_silent(connection: socket.socket, request: Received) -> None:
    time.sleep(4)


def has_too_much_to_say(connection: socket.socket, request: Received) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(bytes(1 << 20))


FAULTS: Mapping[str, Behaviour] = {
    "answers 404": answer("404 Not Found", b"x"),
    "answers 500": answer("500 No", b"a trace\nof the error"),
    "answers 507": answer("507 Full", b"{}"),
    "answers 200": answer("200 OK", b"not json"),
    "FilteredOut": answer("200 OK", b'{"Status": "FilteredOut", "ID": ""}'),
    "has not stored": answer("200 OK", b"[]"),
    "Server disconnected": closes,
    "does not answer in time": is_silent,
    "has more than": has_too_much_to_say,
    "where nothing is sent": answer("302 Found", b"", "Location: /x"),
}


@pytest.mark.parametrize("told", FAULTS)
def test_a_fault_is_told(site: Server, scripted: Hostile, told: str) -> None:
    scripted.behave = FAULTS[told]
    first = site.get("/instances")[0]
    refused = store(site, "scripted", [first])
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
    assert told in refused.json()["Details"]
    assert first in refused.json()["Details"]


def test_what_is_no_json_is_no_answer(site: Server, scripted: Hostile) -> None:
    scripted.behave = answer("200 OK", b"<html>")
    for refused in (
        site.client.get("/peers/scripted/system"),
        site.client.post("/peers/scripted/store-straight", content=image(1)),
    ):
        assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
        assert "<html>" in refused.json()["Details"]


def fails_at(*bodies: bytes, times: int = 1_000_000) -> Behaviour:
    """Some files are refused so many times, the others are stored; what is held is not told."""
    lock, left = threading.Lock(), dict.fromkeys(bodies, times)

    def behave(connection: socket.socket, request: Received) -> None:
        if not request.line.startswith("POST /instances "):
            answer("404 Not Found")(connection, request)
            return
        with lock:
            refused = left.get(request.body, 0)
            if refused:
                left[request.body] = refused - 1
        (answer("503 Busy", b"busy") if refused else STORED)(connection, request)

    return behave


def test_a_permissive_job_counts_what_was_refused(site: Server, scripted: Hostile) -> None:
    scripted.behave = fails_at(image(2), image(4))
    job = ended(site, store(site, "scripted", Asynchronous=True, Permissive=True))
    assert (job["State"], job["Progress"]) == ("Success", 100)
    assert job["Content"]["FailedInstancesCount"] == 2
    failed = job["Content"]["FailedInstances"]
    assert all("answers 503" in one["Reason"] and one["ErrorCode"] == 9 for one in failed)
    assert len(posts(scripted)) == 6


def test_a_job_stops_at_a_failure_and_counts_it(site: Server, scripted: Hostile) -> None:
    scripted.behave = fails_at(image(2))
    job = ended(site, store(site, "scripted", Asynchronous=True))
    assert (job["State"], job["ErrorCode"], job["Content"]["FailedInstancesCount"]) == ("Failure", 9, 1)
    assert 0 < job["Progress"] < 100


def test_a_job_is_tried_again_and_sends_what_is_missing(site: Server, scripted: Hostile) -> None:
    scripted.behave = fails_at(image(2), image(5), times=1)
    job = ended(site, store(site, "scripted", Asynchronous=True, Retry=3))
    assert (job["State"], job["Content"]["FailedInstancesCount"]) == ("Success", 0)
    bodies = [request.body for request in posts(scripted)]
    assert sorted(bodies.count(image(number)) for number in range(1, 7)) == [1, 1, 1, 1, 2, 2]
    assert "is tried again in 1 seconds" in site.log()


def test_retries_end(site: Server, scripted: Hostile) -> None:
    scripted.behave = fails_at(image(1))
    sent = store(site, "scripted", [site.get("/instances")[0], study(site)], Retry=1, Permissive=True)
    assert (sent.status_code, sent.json()["FailedInstancesCount"]) == (200, 1)
    assert [request.body for request in posts(scripted)].count(image(1)) in (2, 4)


def test_a_paused_job_goes_on_with_what_is_missing(site: Server, scripted: Hostile) -> None:
    def slow(connection: socket.socket, request: Received) -> None:
        if request.line.startswith("POST /instances "):
            time.sleep(0.3)
        fails_at()(connection, request)

    scripted.behave = slow
    sent = store(site, "scripted", Asynchronous=True)
    until(site, sent, "Running")
    site.client.post(f"{sent.json()['Path']}/pause")
    paused = until(site, sent, "Paused")
    assert 0 < paused["Progress"] < 100
    site.client.post(f"{sent.json()['Path']}/resume")
    assert ended(site, sent)["State"] == "Success"
    bodies = [request.body for request in posts(scripted)]
    # One upload may have been under way when the job was paused.
    assert len(bodies) <= 7
    assert all(image(number) in bodies for number in range(1, 7))


def test_a_cancelled_job_leaves_no_thread(site: Server, scripted: Hostile) -> None:
    scripted.behave = is_silent
    sent = store(site, "scripted", Asynchronous=True)
    until(site, sent, "Running")
    site.client.post(f"{sent.json()['Path']}/cancel")
    job = ended(site, sent)
    assert (job["State"], job["ErrorCode"]) == ("Failure", 37)
    deadline = time.monotonic() + 20
    while "peer-upload" in threads_of(site):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def threads_of(server: Server) -> str:
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/comm")
    return " ".join(path.read_text().strip() for path in tasks)


def test_a_peer_that_is_removed_gets_nothing(site: Server, tmp_path: Path) -> None:
    with hostile(is_silent) as server:
        put(site, server)
        blockers = [store(site, "scripted", Asynchronous=True) for _ in range(2)]
        waiting = store(site, "scripted", Asynchronous=True)
        site.client.delete("/peers/scripted")
        job = ended(site, waiting)
        assert (job["State"], job["ErrorCode"]) == ("Failure", 17)
        for blocker in blockers:
            ended(site, blocker)


def test_an_instance_that_is_deleted_meanwhile_is_a_failure(tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = stack.enter_context(running(orthanclite(tmp_path, {"ConcurrentJobs": 1})))
        gone = site.upload(image(1))["ID"]
        site.upload(image(2))
        peer = stack.enter_context(hostile(is_silent))
        put(site, peer)
        blocker = store(site, "scripted", [gone], Asynchronous=True)
        until(site, blocker, "Running")
        waiting = store(site, "scripted", Asynchronous=True, Permissive=True)
        site.client.delete(f"/instances/{gone}")
        peer.behave = STORED
        job = ended(site, waiting)
    assert job["Content"]["FailedInstancesCount"] == 1
    assert job["Content"]["FailedInstances"][0]["ID"] == gone


def test_a_killed_server_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    def slow(connection: socket.socket, request: Received) -> None:
        if request.line.startswith("POST /instances "):
            time.sleep(0.1)
        fails_at()(connection, request)

    with hostile(slow) as peer:
        config = {"OrthancPeers": {"scripted": [peer.url]}}
        with running(orthanclite(tmp_path, config)) as site:
            for number in range(40):
                site.upload(image(number))
            sent = store(site, "scripted", Asynchronous=True)
            while len(posts(peer)) < 20:
                time.sleep(0.02)
            site.kill()
            before = [request.body for request in posts(peer)]
            site.start()
            assert ended(site, sent)["State"] == "Success"
            assert ended(site, sent)["Content"]["InstancesCount"] == 40
        bodies = [request.body for request in posts(peer)]
    assert {*bodies} == {image(number) for number in range(40)}
    # What was sent in the half second before the end may be sent twice.
    assert len(bodies) <= 40 + 24
    assert len(bodies) < 40 + len(before)


def test_a_compressed_file_is_gzipped(site: Server, scripted: Hostile) -> None:
    first = site.get("/instances")[0]
    sent = store(site, "scripted", [first], Compress=True)
    (request,) = posts(scripted)
    assert request.headers["content-encoding"] == "gzip"
    assert sent.json()["Size"] == str(len(request.body))
    assert gzip.decompress(request.body) == site.client.get(f"/instances/{first}/file").content


def test_what_cannot_be_transcoded_is_sent_as_it_is_and_counted(site: Server, scripted: Hostile) -> None:
    first = site.get("/instances")[0]
    sent = store(site, "scripted", [first], Transcode="1.2.840.10008.1.2.4.50")  # 12 bits stored
    assert sent.status_code == 200, sent.text
    assert sent.json()["NotTranscodedCount"] == 1
    assert posts(scripted)[0].body == site.client.get(f"/instances/{first}/file").content


def test_a_large_file_is_sent_with_little_memory(tmp_path: Path) -> None:
    """128 MB, twice: the second time gzipped."""
    file = dicom_file("L", "1.7", "1.7.1", "1.7.1.1", side=8000)
    received = []

    def count(connection: socket.socket, request: Received) -> None:
        if request.line.startswith("POST /instances "):
            received.append(len(request.body))
        STORED(connection, request)

    with hostile(count) as peer, running(orthanclite(tmp_path)) as site:
        id = site.upload(file)["ID"]
        put(site, peer, Timeout=60)
        store(site, "scripted", [site.upload(image(1))["ID"]])
        before = peak(site)
        for compress in (False, True):
            sent = store(site, "scripted", [id], Compress=compress)
            assert sent.status_code == 200, sent.text
            assert sent.json()["Size"] == str(received[-1])
        assert peak(site) - before < 40
    assert received[1] == len(file)


def peak(server: Server) -> float:
    """Megabytes of anonymous memory that a server has now."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024
