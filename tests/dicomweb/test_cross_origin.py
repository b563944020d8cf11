"""Pages of other sites, capabilities, deletion, and what the server says of DICOMweb."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.dicomweb.support import get, json_of, store
from tests.dicomweb.test_store import body, files
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

VIEWER = "https://viewer.example.com"
SERVER_CONFIG = {
    "DicomWeb": {"AllowedOrigins": [VIEWER], "AllowDelete": True},
    "RegisteredUsers": {"ida": "secret"},
    "AuthenticationEnabled": True,
}


@pytest.fixture(autouse=True)
def _logged_in(server: Server) -> None:
    server.client.auth = ("ida", "secret")


def asked(server: Server, path: str, origin: str, method: str = "GET") -> dict[str, str]:
    """What a browser is told that asks before a request: without credentials."""
    server.client.auth = None
    answer = server.client.request(
        "OPTIONS",
        path,
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": "authorization, range",
        },
    )
    return {"status": str(answer.status_code), **answer.headers}


def test_browsers_may_ask(server: Server) -> None:
    for path in ("/dicom-web/studies", "/dicom-web/studies/1/metadata", "/dicom-web/nothing", "/wado"):
        told = asked(server, path, VIEWER, "POST")
        assert told["status"] == "200"
        assert told["access-control-allow-origin"] == VIEWER
        assert told["access-control-allow-headers"] == "authorization, range"
        assert "POST" in told["access-control-allow-methods"]


def test_other_sites_and_other_paths_are_not_told(server: Server) -> None:
    for path, origin in (
        ("/dicom-web/studies", "https://evil.example.com"),
        ("/dicom-webs", VIEWER),
        ("/studies", VIEWER),
        ("/tools/shutdown", VIEWER),
    ):
        assert "access-control-allow-origin" not in asked(server, path, origin, "POST"), path


def test_answers_are_for_the_page_errors_too(server: Server) -> None:
    origin = {"origin": VIEWER, "sec-fetch-site": "cross-site"}
    statuses = {
        "/dicom-web/studies": 200,
        "/dicom-web/studies/1.9/metadata": 404,
        "/dicom-web/studies?limit=x": 400,
        "/dicom-web/nothing": 404,
    }
    for path, status in statuses.items():
        answer = server.client.get(path, headers=origin)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == VIEWER, path
        assert "etag" in answer.headers["access-control-expose-headers"]
    server.client.auth = None
    refused = server.client.get("/dicom-web/studies", headers=origin)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, VIEWER)


def test_pages_may_store(server: Server) -> None:
    content, media_type = body(files(dicom_file(study="4.1", series="4.2", instance="4.3")))
    headers = {"content-type": media_type, "origin": VIEWER, "sec-fetch-site": "cross-site"}
    answer = server.client.post("/dicom-web/studies", content=content, headers=headers)
    assert answer.status_code == 200
    other = {**headers, "origin": "https://evil.example.com"}
    assert server.client.post("/dicom-web/studies", content=content, headers=other).status_code == 403
    elsewhere = server.client.post("/instances", content=b"", headers=headers)
    assert elsewhere.status_code == 403


def test_no_site_by_default(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as plain:
        answer = plain.client.get("/dicom-web/studies", headers={"origin": VIEWER})
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-origin" not in asked(plain, "/dicom-web/studies", VIEWER)
        assert plain.client.delete("/dicom-web/studies/1.2").status_code == 405
        assert "dicom-web" in plain.get("/plugins")
        assert plain.get("/plugins/dicom-web")["ID"] == "dicom-web"
        assert plain.get("/dicom-web/info") == {"DicomWebRoot": "/dicom-web/", "OrthancApiRoot": "./../"}


def test_capabilities(server: Server) -> None:
    answer = server.client.request("OPTIONS", "/dicom-web")
    root = ElementTree.fromstring(answer.content)
    space = "{http://wadl.dev.java.net/2009/02}"
    paths = {one.get("path") for one in root.iter(f"{space}resource")}
    assert {"studies", "studies/{study}/series/{series}/metadata"} <= paths
    one = server.client.request("OPTIONS", "/dicom-web/studies", headers={"accept": "application/json"})
    assert one.headers["allow"] == "GET,OPTIONS,POST"
    (resource,) = one.json()["application"]["resources"]["resource"]
    assert {method["name"] for method in resource["methods"]} == {"GET", "POST"}
    assert server.client.request("OPTIONS", "/studies").status_code == 404


def test_deletion(server: Server) -> None:
    for number in range(2):
        stored = store(server, dicom_file(study="5.1", series=f"5.2.{number}", instance=f"5.3.{number}"))
    assert server.client.delete(stored.instance).status_code == 200
    assert get(server, f"{stored.series}/metadata").status_code == 404
    assert server.client.delete(stored.instance).status_code == 404
    assert server.client.delete(stored.study).status_code == 200
    assert json_of(get(server, "/dicom-web/studies?StudyInstanceUID=5.1")) == []


def test_roots(tmp_path: Path) -> None:
    section = {"Root": "pacs/web", "PublicRoot": "/shown/", "WadoRoot": "uri/", "Host": "h:1", "Ssl": True}
    with running(orthanclite(tmp_path, {"DicomWeb": section})) as server:
        store(server, dicom_file())
        (study,) = json_of(get(server, "/pacs/web/studies"))
        assert study["00081190"]["Value"] == ["https://h:1/shown/studies/1.2"]
        assert get(server, "/uri?requestType=WADO").status_code == 400
        assert get(server, "/dicom-web/studies").status_code == 404


def test_disabled(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {"DicomWeb": {"Enable": False, "EnableWado": False}})) as server:
        assert get(server, "/dicom-web/studies").status_code == 404
        assert get(server, "/wado").status_code == 404
        assert "dicom-web" not in server.get("/plugins")
