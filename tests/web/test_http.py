"""HTTP as Orthanc speaks it: errors, methods, options of answers, revisions, a server that may not write."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import orjson
import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("site"), {"CheckRevisions": True})) as started:
        yield started


@pytest.fixture(scope="module")
def instance(site: Server) -> str:
    """The path of an instance."""
    return str(site.upload(dicom_file(side=128))["Path"])


def test_errors_have_a_body(site: Server) -> None:
    answer = site.client.get("/nowhere/at/all")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/plain"
    assert answer.json() == {
        "HttpError": "Not Found",
        "HttpStatus": 404,
        "Message": "Unknown resource",
        "Method": "GET",
        "OrthancError": "Unknown resource",
        "OrthancStatus": 17,
        "Uri": "/nowhere/at/all",
    }
    assert answer.text.startswith('{\n\t"')
    assert answer.text.endswith("}\n")


def test_errors_tell_details(site: Server) -> None:
    answer = site.client.post("/instances", content=b"no DICOM")
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 15)
    assert "8 bytes" in answer.json()["Details"]


def test_errors_without_a_body(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"HttpDescribeErrors": False})) as server:
        for answer in (server.client.get("/nowhere"), server.client.post("/instances", content=b"no DICOM")):
            assert answer.status_code in (400, 404)
            assert answer.content == b""
            assert "content-type" not in answer.headers


def test_unknown_resources_have_no_body(site: Server) -> None:
    for method in ("GET", "DELETE"):
        answer = site.client.request(method, "/studies/nope")
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/system", "GET"), ("PATCH", "/system", None), ("PUT", "/changes", "GET,DELETE")],
)
def test_wrong_methods(site: Server, method: str, path: str, allowed: str | None) -> None:
    answer = site.client.request(method, path)
    assert (answer.status_code, answer.content) == (405 if allowed else 400, b"")
    assert answer.headers.get("allow") == allowed


def test_methods_may_be_overridden_by_a_header(site: Server) -> None:
    path = site.upload(dicom_file(patient="gone", study="1.7", series="1.7.1", instance="1.7.1.1"))["Path"]
    assert site.client.post(path, headers={"X-HTTP-Method-Override": "patch"}).status_code == 400
    header = {"X-HTTP-Method-Override": "delete"}
    assert site.client.post(path, headers=header).json() == {"RemainingAncestor": None}
    assert site.client.get(path).status_code == 404


def test_no_get_changes_anything_unless_an_option_says_so(site: Server, tmp_path: Path) -> None:
    """Any page can make a browser send one: ``<img src=...>``."""
    image = dicom_file(patient="kept", study="1.8", series="1.8.1", instance="1.8.1.1")
    path = site.upload(image)["Path"]
    for method in ("DELETE", "delete", "PUT", "PATCH"):
        assert site.client.get(f"{path}?_method={method}").json()["ID"] == path.rpartition("/")[2]
    with running(orthanclite(tmp_path, {"HttpGetMethodOverride": True})) as willing:
        path = willing.upload(image)["Path"]
        assert willing.client.get(f"{path}?_method=PATCH").status_code == 400
        cross_site = {"Sec-Fetch-Site": "cross-site"}
        assert willing.client.get(f"{path}?_method=DELETE", headers=cross_site).status_code == 403
        assert willing.client.get(f"{path}?_method=DELETE").json() == {"RemainingAncestor": None}
        assert willing.client.get(path).status_code == 404


def test_a_trailing_slash_is_accepted(site: Server) -> None:
    assert site.client.get("/system/").json() == site.client.get("/system").json()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connections_are_kept_as_the_client_wants(site: Server, version: str) -> None:
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=60) as connection:
        request = f"GET /tools/metrics HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()
        connection.sendall(request)
        first = read_one(connection)
        if version == "1.0":
            assert b"connection: close" in first.lower()
            assert connection.recv(65536) == b""
        else:
            assert b"connection: keep-alive" in first.lower()
            connection.sendall(request)
            read_one(connection)


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_other_versions_of_the_protocol_are_refused(site: Server, version: str) -> None:
    """The connection is closed: what follows the head may be anything."""
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=60) as connection:
        connection.sendall(f"GET /system HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ")
    assert head.lower().count(b"\r\nconnection:") == 1
    assert body == f"Error 505: HTTP Version not supported\nBad HTTP version: [{version}]".encode()


def read_one(connection: socket.socket) -> bytes:
    """An answer whose body is ``1``."""
    received = b""
    while not received.endswith(b"\r\n\r\n1"):
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def test_small_answers_come_in_one_piece_and_in_order(site: Server) -> None:
    """Also those of requests that were sent ahead of the answers."""
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=60) as connection:
        connection.sendall(request % b"/system")
        answer = connection.recv(1 << 16)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
        assert orjson.loads(body)["ApiVersion"] == 31
        connection.sendall(request % b"/tools/now" + request % b"/nowhere" + request % b"/changes?last")
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3 or not answers.endswith(b"}"):
            piece = connection.recv(1 << 16)
            assert piece, answers
            answers += piece
    statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200"]


def test_connections_are_not_kept_when_told_so(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"KeepAlive": False})) as server:
        assert server.client.get("/system").headers["connection"] == "close"


@pytest.fixture(scope="module")
def compressing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"HttpCompressionEnabled": True}
    with running(orthanclite(tmp_path_factory.mktemp("compressing"), config)) as started:
        yield started


def raw_answer(server: Server, path: str, accepted: str) -> tuple[httpx.Headers, bytes]:
    with server.client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        assert answer.status_code == 200
        return answer.headers, b"".join(answer.iter_raw())


def test_answers_are_compressed_for_clients_that_accept_it(compressing: Server) -> None:
    plain_headers, plain = raw_answer(compressing, "/openapi.json", "identity")
    assert "content-encoding" not in plain_headers
    headers, body = raw_answer(compressing, "/openapi.json", "br, gzip;q=0.5, deflate")
    assert headers["content-encoding"] == "gzip"
    assert (gzip.decompress(body), int(headers["content-length"])) == (plain, len(body))
    headers, body = raw_answer(compressing, "/openapi.json", "gzip;q=0, deflate")
    assert headers["content-encoding"] == "deflate"
    assert zlib.decompress(body) == plain


def test_small_answers_and_files_stay_as_they_are(compressing: Server, site: Server, instance: str) -> None:
    assert "content-encoding" not in raw_answer(compressing, "/tools/metrics", "gzip")[0]
    assert "content-encoding" not in raw_answer(site, "/openapi.json", "gzip")[0]
    path = compressing.upload(dicom_file(side=128))["Path"]
    _, body = raw_answer(compressing, f"{path}/file", "identity")
    assert body == dicom_file(side=128)
    assert compressing.client.get(f"{path}/file").content == body


def test_compressed_requests(site: Server) -> None:
    data = dicom_file(patient="zipped", study="1.8", series="1.8.1", instance="1.8.1.1", side=64)
    answer = site.client.post("/instances", content=gzip.compress(data), headers={"Content-Encoding": "gzip"})
    assert answer.json()["Status"] == "Success"
    assert site.client.get(f"{answer.json()['Path']}/file").content == data


def test_revisions_of_metadata(site: Server, instance: str) -> None:
    path = f"{instance}/metadata/1024"
    assert site.client.put(path, content=b"one").status_code == 200
    shown = site.client.get(path)
    tag = shown.headers["etag"]
    assert tag.startswith('"0-')
    unchanged = site.client.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)

    conflict = site.client.put(path, content=b"two")
    assert conflict.status_code == 409
    wrong = site.client.put(path, content=b"two", headers={"If-Match": '"7-abc"'})
    assert wrong.status_code == 409
    bad = site.client.put(path, content=b"two", headers={"If-Match": "abc"})
    assert (bad.status_code, bad.json()["OrthancStatus"]) == (400, 3)

    renewed = site.client.put(path, content=b"two", headers={"If-Match": tag})
    assert renewed.status_code == 200
    again = site.client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.text) == (200, "two")
    assert again.headers["etag"].startswith('"1-')
    assert site.client.delete(path, headers={"If-Match": tag}).status_code == 409
    assert site.client.delete(path, headers={"If-Match": again.headers["etag"]}).status_code == 200
    assert site.client.get(path).status_code == 404


def test_parts_of_an_attachment(site: Server, instance: str) -> None:
    whole = dicom_file(side=128)
    path = f"{instance}/attachments/dicom/data"
    # The last one is no suffix: clients rely on the reference's reading of it.
    for given, expected in (("bytes=0-3", whole[:4]), ("bytes=128-131", b"DICM"), ("bytes=-3", whole[:4])):
        part = site.client.get(path, headers={"Range": given})
        assert (part.status_code, part.content) == (206, expected)
        assert part.headers["content-range"].endswith(f"/{len(whole)}")
    beyond = site.client.get(path, headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in mode ReadOnly, with one instance."""
    folder = tmp_path_factory.mktemp("frozen")
    with running(orthanclite(folder)) as writing:
        writing.upload(dicom_file())
    with running(orthanclite(folder, {"ReadOnly": True, "DicomAlwaysAllowStore": True})) as started:
        yield started


def test_a_server_that_may_not_write_is_read(frozen: Server) -> None:
    assert frozen.get("/system")["ReadOnly"] is True
    study = frozen.get("/studies")[0]
    assert frozen.get(f"/studies/{study}")["ID"] == study
    found = frozen.client.post("/tools/find", json={"Level": "Study", "Query": {}})
    assert found.json() == [study]
    assert frozen.client.get(f"/studies/{study}/archive").content.startswith(b"PK")
    assert frozen.client.put("/modalities/new", json=["A", "host", 104]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/instances"),
        ("DELETE", "/changes"),
        ("DELETE", "/exports"),
        ("DELETE", "{study}"),
        ("PUT", "{study}/metadata/1024"),
        ("PUT", "{study}/labels/x"),
        ("PUT", "{study}/attachments/1024"),
        ("POST", "{study}/reconstruct"),
        ("POST", "/tools/bulk-delete"),
        ("POST", "/tools/reconstruct"),
    ],
)
def test_a_server_that_may_not_write_refuses(frozen: Server, method: str, path: str) -> None:
    study = f"/studies/{frozen.get('/studies')[0]}"
    path = path.format(study=study)
    answer = frozen.client.request(method, path, content=dicom_file(instance="1.2.3.99"))
    assert answer.status_code in (403, 404, 405)
    assert frozen.get("/statistics")["CountInstances"] == 1
    assert frozen.get(f"{study}/labels") == []


def test_a_server_that_may_not_write_stores_nothing_over_dicom(frozen: Server) -> None:
    entity = Client("TEST")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", frozen.dicom_port, ae_title="ORTHANC")
    assert association.is_established
    status = association.send_c_store(dcmread(BytesIO(dicom_file(instance="1.2.3.99"))))
    assert status.Status == 0xA700
    association.release()
    assert frozen.get("/statistics")["CountInstances"] == 1
