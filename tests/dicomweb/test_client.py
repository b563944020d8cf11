"""The DICOMweb client: to servers of ours, to the installed plugin, and to worse ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dimse.support import eventually
from tests.support.hostile import Behaviour, Hostile, answer, hostile
from tests.support.records import dicom_file
from tests.support.server import REFERENCE, Server, orthanclite, reference, running

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECRET = "s3cr3t-of-a-server"


def image(number: int, study: str = "1.5", side: int = 32) -> bytes:
    return dicom_file("W", study, f"{study}.1", f"{study}.1.{number}", side=side, InstanceNumber=number)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"JobsHistorySize": 100, "HttpTimeout": 20}
    with running(orthanclite(tmp_path_factory.mktemp("site"), config)) as started:
        yield started


@pytest.fixture(scope="module", params=["ours", "plugin"])
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A DICOMweb server with authentication."""
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": SECRET}}
    folder = tmp_path_factory.mktemp("other")
    if request.param == "plugin":
        if REFERENCE is None or not PLUGIN.exists():
            pytest.skip("Orthanc is not installed with its DICOMweb plugin")
        server = reference(folder, {**users, "Plugins": [str(PLUGIN)]})
    else:
        server = orthanclite(folder, {**users, "DicomWeb": {"AllowDelete": True}})
    server.client.auth = ("alice", SECRET)
    with running(server) as started:
        yield started


@pytest.fixture
def remote(site: Server, other: Server) -> Iterator[str]:
    """Where the other server, which is empty as is the site, is known as."""
    for server in (site, other):
        for patient in server.get("/patients"):
            server.client.delete(f"/patients/{patient}")
    entry = {"Url": f"{other.url}/dicom-web", "Username": "alice", "Password": SECRET, "HasDelete": True}
    assert site.client.put("/dicom-web/servers/other", json=entry).status_code == 200
    yield "/dicom-web/servers/other"
    site.client.delete("/dicom-web/servers/other")


@pytest.fixture
def scripted(site: Server) -> Iterator[Hostile]:
    """A server that does as it is told, known as ``scripted``."""
    with hostile(answer("200 OK", b"[]", "Content-Type: application/dicom+json")) as server:
        entry = {"Url": server.url, "Timeout": 2}
        assert site.client.put("/dicom-web/servers/scripted", json=entry).status_code == 200
        yield server
        site.client.delete("/dicom-web/servers/scripted")


def post(site: Server, path: str, **body: Any) -> httpx.Response:
    return site.client.post(path, json=body)


def ended(site: Server, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.json()["Path"] == f"/jobs/{answer.json()['ID']}"
    deadline = time.monotonic() + 60
    while (job := site.get(answer.json()["Path"]))["State"] not in ("Success", "Failure"):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return dict(job)


# -- the registry ------------------------------------------------------------------------------------


def test_servers_are_listed_shown_added_and_removed(tmp_path: Path) -> None:
    config = {
        "DicomWeb": {
            "Servers": {
                "array": ["http://h/dicom-web/", "alice", SECRET],
                "full": {"Url": "http://h", "HasDelete": True, "HttpHeaders": {"X": SECRET}, "Room": "7"},
            }
        }
    }
    with running(orthanclite(tmp_path, config)) as site:
        assert site.get("/dicom-web/servers") == ["array", "full"]
        assert site.get("/dicom-web/servers?expand") == {
            "array": {
                "HttpHeaders": [],
                "Password": None,
                "Pkcs11": False,
                "Timeout": 0,
                "Url": "http://h/dicom-web/",
                "Username": "alice",
            },
            "full": {
                "HasDelete": "1",
                "HttpHeaders": ["X"],
                "Pkcs11": False,
                "Room": "7",
                "Timeout": 0,
                "Url": "http://h/",
            },
        }
        assert site.get("/dicom-web/servers/array") == ["get", "retrieve", "stow", "wado", "qido"]
        assert site.get("/dicom-web/servers/full")[-1] == "delete"
        put = site.client.put("/dicom-web/servers/new", json={"Url": "http://h/x", "ChunkedTransfers": False})
        assert (put.status_code, put.json()) == (200, {})
        assert site.get("/dicom-web/servers?expand")["new"]["ChunkedTransfers"] == "0"
        assert site.client.delete("/dicom-web/servers/new").json() == {}
        assert site.client.delete("/dicom-web/servers/new").status_code == 404
        assert site.client.get("/dicom-web/servers/new").json()["OrthancStatus"] == 7
        for bad in ({"Foo": 1}, {"Url": "ftp://h"}, {"Url": "http://h", "HasDelete": "maybe"}, [], "x"):
            refused = site.client.put("/dicom-web/servers/new", json=bad)
            assert (refused.status_code, refused.json()["OrthancStatus"]) == (400, 15)


def test_servers_in_the_database(tmp_path: Path) -> None:
    config = {"DicomWeb": {"ServersInDatabase": True, "Servers": {"ignored": ["http://h/"]}}}
    with running(orthanclite(tmp_path, config)) as site:
        assert site.get("/dicom-web/servers") == []
        entry = {"Url": "http://h/", "HasWadoRsUniversalTransferSyntax": False, "Timeout": 3}
        assert site.client.put("/dicom-web/servers/kept", json=entry).status_code == 200
        before = site.get("/dicom-web/servers?expand")
        assert site.stop() == 0
        site.start()
        assert site.get("/dicom-web/servers?expand") == before


# -- with servers ------------------------------------------------------------------------------------


def test_instances_are_sent(site: Server, other: Server, remote: str) -> None:
    stored = [site.upload(image(number)) for number in range(130)]  # more than go into one request
    sent = post(site, f"{remote}/stow", Resources=[stored[0]["ParentStudy"]])
    assert (sent.status_code, sent.json()) == (
        200,
        {
            "InstancesCount": "130",
            "NetworkSizeMB": "0",
            "Resources": [stored[0]["ParentStudy"]],
            "Server": "other",
        },
    )
    assert sorted(other.get("/instances")) == sorted(one["ID"] for one in stored)
    file = f"/instances/{stored[7]['ID']}/file"
    assert other.client.get(file).content == site.client.get(file).content


def test_a_job_sends(site: Server, other: Server, remote: str) -> None:
    id = site.upload(image(1))["ID"]
    job = ended(site, post(site, f"{remote}/stow", Resources=[id], Synchronous=False, Priority=3))
    assert (job["Type"], job["State"], job["Priority"]) == ("DicomWebStowClient", "Success", 3)
    assert other.get("/instances") == [id]


def test_a_study_is_retrieved(site: Server, other: Server, remote: str) -> None:
    ids = sorted(other.upload(image(number))["ID"] for number in range(5))
    other.upload(image(1, study="1.4"))
    got = post(site, f"{remote}/retrieve", Resources=[{"Study": "1.5"}])
    assert (got.status_code, got.json()) == (
        200,
        {"NetworkUsageMB": "0", "ReceivedInstancesCount": "5", "Server": "other"},
    )
    assert site.get("/instances") == ids
    for id in ids:
        file = f"/instances/{id}/file"
        assert site.client.get(file).content == other.client.get(file).content
    assert site.get(f"/instances/{ids[0]}/metadata?expand")["Origin"] == "RestApi"


def test_parts_of_it_are_retrieved(site: Server, other: Server, remote: str) -> None:
    for number in range(3):
        other.upload(image(number))
    one = {"Study": "1.5", "Series": "1.5.1", "Instance": "1.5.1.2"}
    assert post(site, f"{remote}/retrieve", Resources=[one]).json()["ReceivedInstancesCount"] == "1"
    series = {"Study": "1.5", "Series": "1.5.1"}
    job = ended(site, post(site, f"{remote}/retrieve", Resources=[one, series], Asynchronous=True))
    assert job["Type"] == "DicomWebWadoRetrieveClient"
    assert job["Content"]["ReceivedInstancesCount"] == "4"
    assert len(site.get("/instances")) == 3


def test_a_large_instance_is_retrieved(site: Server, other: Server, remote: str) -> None:
    id = other.upload(image(1, side=2048))["ID"]  # 8 MB
    job = ended(site, post(site, f"{remote}/wado", Uri="/studies/1.5"))
    assert (job["State"], job["Content"]["NetworkUsageMB"]) == ("Success", "8")
    assert (
        site.client.get(f"/instances/{id}/file").content == other.client.get(f"/instances/{id}/file").content
    )


def test_searches(site: Server, other: Server, remote: str) -> None:
    other.upload(image(1))
    (found,) = post(site, f"{remote}/qido", Uri="/studies", Arguments={"PatientID": "W"}).json()
    assert found["00100010"] == {
        "Element": 0x10,
        "Group": 0x10,
        "Name": "PatientName",
        "Value": "Name^W",
        "vr": "PN",
    }
    assert found["0020000D"]["Value"] == "1.5"
    assert post(site, f"{remote}/qido", Uri="/studies", Arguments={"PatientID": "nobody"}).json() == []


def test_answers_are_handed_on(site: Server, other: Server, remote: str) -> None:
    other.upload(image(1))
    headers = {"Accept": "application/dicom+json"}
    metadata = post(site, f"{remote}/get", Uri="/studies/1.5/metadata", HttpHeaders=headers)
    assert metadata.headers["content-type"].startswith("application/dicom+json")
    assert metadata.json()[0]["00100020"]["Value"] == ["W"]
    absent = post(site, f"{remote}/get", Uri="/nope")
    assert (absent.status_code, absent.json()["OrthancStatus"]) == (404, 17)


def test_what_is_not_there_is_told(site: Server, remote: str) -> None:
    for refused in (
        post(site, f"{remote}/retrieve", Resources=[{"Study": "9.9"}]),
        post(site, f"{remote}/wado", Uri="/studies/9.9", Synchronous=True),
    ):
        assert refused.status_code in (404, 500)
        assert "The DICOMweb server answers" in refused.json()["Details"]


def test_wrong_credentials_are_told(site: Server, other: Server, remote: str) -> None:
    site.client.put("/dicom-web/servers/other", json=[f"{other.url}/dicom-web", "alice", "wrong"])
    id = site.upload(image(1))["ID"]
    for refused in (
        post(site, f"{remote}/qido", Uri="/studies"),
        post(site, f"{remote}/stow", Resources=[id]),
        post(site, f"{remote}/retrieve", Resources=[{"Study": "1.5"}]),
    ):
        assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
        assert "answers 401" in refused.json()["Details"]


def test_deletion(site: Server, scripted: Hostile) -> None:
    path, body = "/dicom-web/servers/scripted/delete", {"Level": "Series", "StudyInstanceUID": "1.5"}
    refused = post(site, path, **body, SeriesInstanceUID="1.5.1")
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (400, 15)
    assert "HasDelete" in refused.json()["Details"]
    site.client.put("/dicom-web/servers/scripted", json={"Url": scripted.url, "HasDelete": True})
    assert post(site, path, **body).status_code == 400  # which series?
    assert scripted.requests == []
    deleted = post(site, path, **body, SeriesInstanceUID="1.5.1")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert scripted.requests[0].line == "DELETE /studies/1.5/series/1.5.1 HTTP/1.1"
    scripted.behave = answer("405 No", b"not here")
    refused = post(site, path, **body, SeriesInstanceUID="1.5.1")
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)


def test_large_instances_need_little_memory(tmp_path: Path) -> None:
    """128 MB, there and back again."""
    with running(orthanclite(tmp_path / "a")) as site, running(orthanclite(tmp_path / "b")) as other:
        site.client.put("/dicom-web/servers/other", json=[f"{other.url}/dicom-web/"])
        remote = "/dicom-web/servers/other"
        small, large = (
            site.upload(image(1, study, side))["ID"] for study, side in (("1.5", 32), ("1.6", 8000))
        )
        assert post(site, f"{remote}/stow", Resources=[small]).status_code == 200
        assert post(site, f"{remote}/retrieve", Resources=[{"Study": "1.5"}]).status_code == 200
        before = anonymous_mb(site)
        assert post(site, f"{remote}/stow", Resources=[large]).json()["NetworkSizeMB"] == "122"
        site.client.delete(f"/instances/{large}")
        got = post(site, f"{remote}/retrieve", Resources=[{"Study": "1.6"}])
        assert got.json()["ReceivedInstancesCount"] == "1"
        assert anonymous_mb(site) - before < 50
        assert site.get("/instances") == other.get("/instances") == sorted([small, large])


def anonymous_mb(server: Server) -> float:
    """Megabytes of anonymous memory that a server has now."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


# -- requests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("get", {}),
        ("get", {"Uri": "/studies?x=y"}),
        ("get", {"Uri": "/../x"}),
        ("get", {"Uri": "/studies", "Arguments": {"x": 1}}),
        ("qido", {"Uri": 7}),
        ("stow", {}),
        ("stow", {"Resources": ["nope"]}),
        ("stow", {"Resources": [], "HttpHeaders": []}),
        ("retrieve", {}),
        ("retrieve", {"Resources": [{"Series": "1"}]}),
        ("retrieve", {"Resources": [{"Study": "1/2"}]}),
        ("retrieve", {"Resources": [{"Study": "1"}], "Synchronous": 1}),
        ("wado", {}),
        ("delete", {"Level": "Study"}),
    ],
)
def test_bad_requests(site: Server, scripted: Hostile, operation: str, body: Any) -> None:
    refused = post(site, f"/dicom-web/servers/scripted/{operation}", **body)
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (400, 15)
    assert scripted.requests == []
    unknown = post(site, f"/dicom-web/servers/nope/{operation}", Uri="/studies", Resources=[])
    assert (unknown.status_code, unknown.json()["OrthancStatus"]) == (404, 7)


def test_headers_of_a_request_are_sent_and_not_shown(site: Server, scripted: Hostile) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    refused = post(
        site, "/dicom-web/servers/scripted/retrieve", Resources=[{"Study": "1"}], HttpHeaders=headers
    )
    assert "answers application/dicom+json, and no instances" in refused.json()["Details"]
    assert scripted.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert scripted.requests[0].headers["accept"] == (
        'multipart/related; type="application/dicom"; transfer-syntax=*'
    )
    shown = site.client.get("/jobs?expand").text
    assert "DicomWebWadoRetrieveClient" in shown
    assert SECRET not in shown + site.log()


def test_headers_of_a_request_survive_a_restart(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    with hostile(answer("503 Busy")) as scripted:
        config = {"DicomWeb": {"Servers": {"scripted": {"Url": scripted.url}}}}
        with running(orthanclite(tmp_path, config)) as site:
            id = site.upload(image(1))["ID"]
            path = "/dicom-web/servers/scripted/stow"
            body = {"Resources": [id], "HttpHeaders": headers, "Retry": 9, "Synchronous": False}
            sent = post(site, path, **body)
            assert eventually(lambda: bool(scripted.requests))
            site.kill()
            before = len(scripted.requests)
            scripted.behave = answer("200 OK", model(["1.5.1.1"], []), "Content-Type: application/dicom+json")
            site.start()
            assert ended(site, sent)["State"] == "Success"
    assert len(scripted.requests) > before
    assert {one.headers.get("authorization") for one in scripted.requests} == {f"Bearer {SECRET}"}


# -- faults ------------------------------------------------------------------------------------------


def model(stored: list[str], failed: list[str]) -> bytes:
    content: dict[str, Any] = {}
    for tag, uids in (("00081199", stored), ("00081198", failed)):
        items: list[dict[str, Any]] = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
        if tag == "00081198":
            items = [{**item, "00081197": {"vr": "US", "Value": [0xA700]}} for item in items]
        if uids:
            content[tag] = {"vr": "SQ", "Value": items}
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (answer("202 Accepted", model(["1.5.1.1"], ["1.5.1.2"])), "0xA700"),
        (answer("409 Conflict", model([], ["1.5.1.1", "1.5.1.2"])), "0xA700"),
        (answer("200 OK", model(["1.5.1.1"], [])), "does not say"),
        (answer("200 OK", b"stored!"), "answers 200"),
        (answer("200 OK", b"{}"), "answers 200"),
        (answer("503 Busy", b"later"), "answers 503"),
        (answer("302 Found", b"", "Location: http://127.0.0.1:1/"), "where nothing is sent"),
    ],
)
def test_what_is_not_stored_is_told(site: Server, scripted: Hostile, behave: Behaviour, told: str) -> None:
    ids = [site.upload(image(number))["ID"] for number in (1, 2)]
    scripted.behave = behave
    refused = post(site, "/dicom-web/servers/scripted/stow", Resources=ids)
    assert (refused.status_code, refused.json()["OrthancStatus"]) == (500, 9)
    assert told in refused.json()["Details"]


def test_a_permissive_job_counts_what_was_refused(site: Server, scripted: Hostile) -> None:
    ids = [site.upload(image(number))["ID"] for number in (1, 2)]
    scripted.behave = answer("202 Accepted", model(["1.5.1.1"], ["1.5.1.2"]))
    sent = post(site, "/dicom-web/servers/scripted/stow", Resources=ids, Permissive=True)
    assert (sent.status_code, sent.json()["FailedInstancesCount"]) == (200, 1)
    assert sent.json()["FailedInstances"][0]["ID"] == ids[1]


def multipart(*contents: bytes, end: bytes = b"--B--\r\n") -> bytes:
    return (
        b"".join(b"--B\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in contents) + end
    )


RELATED = 'Content-Type: multipart/related; type="application/dicom"; boundary=B'


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (answer("200 OK", multipart(image(1), end=b""), RELATED), "malformed"),
        (answer("200 OK", multipart(image(1), b"no DICOM"), RELATED), "1 instances are not stored"),
        (answer("200 OK", b"<html>", "Content-Type: text/html"), "answers text/html"),
        (answer("500 No", b"broken"), "answers 500"),
    ],
)
def test_a_retrieval_that_fails(site: Server, scripted: Hostile, behave: Behaviour, told: str) -> None:
    scripted.behave = behave
    refused = post(site, "/dicom-web/servers/scripted/retrieve", Resources=[{"Study": "1.5"}])
    assert refused.status_code in (400, 500)
    assert told in refused.json()["Details"]


def test_a_single_part_is_taken(site: Server, scripted: Hostile) -> None:
    scripted.behave = answer("200 OK", image(77), "Content-Type: application/dicom")
    got = post(site, "/dicom-web/servers/scripted/retrieve", Resources=[{"Study": "1.5"}])
    assert got.json()["ReceivedInstancesCount"] == "1"


def test_what_is_broken_off_is_asked_again(site: Server, scripted: Hostile) -> None:
    whole = answer("200 OK", multipart(image(1), image(2)), RELATED)

    def broken_once(connection: Any, request: Any) -> None:
        scripted.behave = whole
        connection.sendall(f"HTTP/1.1 200 OK\r\n{RELATED}\r\nContent-Length: 100000\r\n\r\n".encode())
        connection.sendall(multipart(image(1), end=b""))
        connection.shutdown(2)

    scripted.behave = broken_once
    path = "/dicom-web/servers/scripted/retrieve"
    got = post(site, path, Resources=[{"Study": "1.5"}], Retry=2)
    assert (got.status_code, got.json()["ReceivedInstancesCount"]) == (200, "2")
    assert len(scripted.requests) == 2
