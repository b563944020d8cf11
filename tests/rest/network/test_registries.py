"""/modalities and /peers: in memory, from the configuration, in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, orthanclite, running

SHOWN = {
    "AET": "PACS",
    "AllowEcho": True,
    "AllowEventReport": True,
    "AllowFind": True,
    "AllowFindWorklist": True,
    "AllowGet": True,
    "AllowMove": True,
    "AllowNAction": True,
    "AllowStore": True,
    "AllowTranscoding": True,
    "Host": "10.0.0.1",
    "LocalAet": "",
    "Manufacturer": "Generic",
    "Port": 104,
    "RetrieveMethod": "SystemDefault",
    "Timeout": 0,
    "UseDicomTls": False,
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Server]:
    config = {
        "DicomModalities": {"pacs": ["PACS", "10.0.0.1", 104]},
        "OrthancPeers": {"north": ["http://10.0.0.2:8042/", "alice", "secret"]},
    }
    with running(orthanclite(tmp_path, config)) as started:
        yield started


def put(server: Server, path: str, value: Any) -> int:
    return server.client.put(path, json=value).status_code


def restart(server: Server) -> None:
    assert server.stop() == 0
    server.start()


def test_modalities_of_the_configuration(site: Server) -> None:
    assert site.get("/modalities") == ["pacs"]
    assert site.get("/modalities?expand") == {"pacs": SHOWN}
    assert site.get("/modalities/pacs/configuration") == SHOWN
    assert "configuration" in site.get("/modalities/pacs")


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        (["A", "host", 11112], {}),
        (["A", "host", "11112"], {}),
        (["A", "host", 11112, "GE"], {"Manufacturer": "GE"}),
        (["A", "host", 11112, "MedInria"], {"Manufacturer": "Generic"}),
        (["A", "host", 11112, "SyngoVia"], {"Manufacturer": "GenericNoWildcardInDates"}),
        ({"AET": "A", "Host": "host", "Port": 11112}, {}),
        (
            {"AET": "A", "Host": "host", "Port": 11112, "AllowStorageCommitment": False, "AllowEcho": False},
            {"AllowNAction": False, "AllowEventReport": False, "AllowEcho": False},
        ),
        (
            {"AET": "A", "Host": "host", "Port": 11112, "UseDicomTls": True, "Timeout": 5, "LocalAet": "ME"},
            {"UseDicomTls": True, "Timeout": 5, "LocalAet": "ME"},
        ),
    ],
)
def test_forms_of_a_modality(site: Server, value: Any, changed: dict[str, Any]) -> None:
    answer = site.client.put("/modalities/new", json=value)
    assert (answer.status_code, answer.content) == (200, b"")
    expected = {**SHOWN, "AET": "A", "Host": "host", "Port": 11112, **changed}
    assert site.get("/modalities/new/configuration") == expected
    assert site.get("/modalities") == ["new", "pacs"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (["A", "host"], 15),
        (["A", 5, 104], 15),
        ("A", 15),
        ({"AET": "A", "Host": "host"}, 15),
        (["A", "host", 104, "Philips"], 3),
    ],
)
def test_modalities_that_are_refused(site: Server, value: Any, code: int) -> None:
    answer = site.client.put("/modalities/pacs", json=value)
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, code)
    assert site.get("/modalities/pacs/configuration") == SHOWN


def test_a_body_that_is_no_json(site: Server) -> None:
    answer = site.client.put("/modalities/pacs", content=b"[")
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 15)


def test_unknown_modalities(site: Server) -> None:
    absent = site.client.get("/modalities/nope")
    assert (absent.status_code, absent.content) == (404, b"")
    deleted = site.client.delete("/modalities/nope")
    assert deleted.status_code == 404
    assert deleted.json()["Details"] == "Unknown DICOM modality with symbolic name: nope"
    shown = site.client.get("/modalities/nope/configuration")
    assert (shown.status_code, shown.json()["OrthancStatus"]) == (404, 7)
    assert shown.json()["Details"] == "No modality with symbolic name: nope"


def test_in_memory_the_configuration_decides_again_after_a_restart(site: Server) -> None:
    assert put(site, "/modalities/new", ["A", "host", 104]) == 200
    assert site.client.delete("/modalities/pacs").status_code == 200
    assert site.get("/modalities") == ["new"]
    restart(site)
    assert site.get("/modalities") == ["pacs"]


def test_in_the_database_they_survive_a_restart(tmp_path: Path) -> None:
    config = {
        "DicomModalitiesInDatabase": True,
        "OrthancPeersInDatabase": True,
        "DicomModalities": {"ignored": ["PACS", "10.0.0.1", 104]},
    }
    with running(orthanclite(tmp_path, config)) as server:
        assert server.get("/modalities") == server.get("/peers") == []
        assert put(server, "/modalities/new", ["A", "host", 104, "Vitrea"]) == 200
        assert put(server, "/peers/north", ["http://host:8042", "alice", "secret"]) == 200
        assert put(server, "/peers/south", ["http://host:8043"]) == 200
        assert server.client.delete("/peers/south").status_code == 200
        before = server.get("/modalities?expand"), server.get("/peers?expand")
        restart(server)
        assert (server.get("/modalities?expand"), server.get("/peers?expand")) == before
        assert list(before[0]) == ["new"]
        assert list(before[1]) == ["north"]


def test_peers_never_show_their_secrets(site: Server) -> None:
    assert site.get("/peers") == ["north"]
    value = {
        "Url": "https://host/orthanc",
        "Username": "bob",
        "Password": "secret",
        "HttpHeaders": {"Token": "secret"},
        "CertificateKeyPassword": "secret",
        "Room": "7",
    }
    assert put(site, "/peers/south", value) == 200
    shown = site.get("/peers/south/configuration")
    assert shown["Username"] == "bob"
    assert shown["HttpHeaders"] == ["Token"]
    assert shown["Room"] == "7"
    assert "secret" not in site.client.get("/peers?expand").text
    assert "secret" not in site.log()


@pytest.mark.parametrize("value", [[], ["http://host", "alice"], {}, {"Url": ""}, {"Url": 7}, "http://host"])
def test_peers_that_are_refused(site: Server, value: Any) -> None:
    answer = site.client.put("/peers/north", json=value)
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 15)
    assert site.get("/peers/north/configuration")["Username"] == "alice"


def test_unknown_peers(site: Server) -> None:
    assert site.client.get("/peers/nope").status_code == 404
    deleted = site.client.delete("/peers/nope")
    assert (deleted.status_code, deleted.json()["OrthancStatus"]) == (404, 7)
