"""UPS-RS: workitems are made, claimed, changed, completed and cancelled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from tests.dicomweb.support import ROOT, get, json_of
from tests.support.postgres import Cluster
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"Worklists": {"Enable": True, "SaveInOrthancDatabase": True}}
WORKITEMS = f"{ROOT}/workitems"
JSON = "application/dicom+json"
XML = "application/dicom+xml"

Model = dict[str, dict[str, Any]]


def text(vr: str, *values: object) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def code(value: str) -> dict[str, Any]:
    item = {
        "00080100": text("SH", value),
        "00080102": text("SH", "99X"),
        "00080104": text("LO", value),
    }
    return text("SQ", item)


NEW: Model = {
    "00100010": text("PN", {"Alphabetic": "Müller^Jürgen"}),
    "00404005": text("DT", "20240115093000"),
    "00404041": text("CS", "READY"),
    "00741000": text("CS", "SCHEDULED"),
    "00741200": text("CS", "MEDIUM"),
    "00741204": text("LO", "Segment the liver"),
}
DONE: Model = {
    "00741216": text(
        "SQ",
        {
            "00404019": code("seg"),
            "00404028": code("gpu1"),
            "00404050": text("DT", "20240115094000"),
            "00404051": text("DT", "20240115094100"),
            "00404033": {"vr": "SQ"},
        },
    )
}


def send(server: Server, method: str, path: str, model: Any, content_type: str = JSON) -> httpx.Response:
    if isinstance(model, bytes):
        return server.client.request(method, path, content=model, headers={"content-type": content_type})
    return server.client.request(method, path, json=[model], headers={"content-type": content_type})


def make(server: Server, uid: str, **more: Any) -> str:
    answer = send(server, "POST", f"{WORKITEMS}?{uid}", {**NEW, **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{server.url}{WORKITEMS}/{uid}"
    return f"{WORKITEMS}/{uid}"


def state(name: str, transaction: str = "") -> Model:
    return {"00741000": text("CS", name), "00081195": text("UI", transaction)}


def shown(server: Server, path: str) -> Model:
    (found,) = json_of(get(server, path))
    assert "00081195" not in found, "The transaction UID is told"
    return found  # type: ignore[no-any-return]


def state_of(server: Server, path: str) -> str:
    return str(shown(server, path)["00741000"]["Value"][0])


def test_the_life_of_a_workitem(server: Server) -> None:
    path = make(server, "1.2.1")
    made = shown(server, path)
    assert made["00080018"]["Value"] == ["1.2.1"]
    assert made["00080016"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
    assert made["00100010"]["Value"] == [{"Alphabetic": "Müller^Jürgen"}]
    assert json_of(get(server, f"{WORKITEMS}?ProcedureStepLabel=Segment*&StudyInstanceUID="))

    # whoever likes changes it, until somebody has it in hand
    assert send(server, "POST", path, {"00741200": text("CS", "HIGH")}).status_code == 200
    assert send(server, "PUT", f"{path}/state?ME", state("COMPLETED", "5.5")).status_code == 409
    assert send(server, "PUT", f"{path}/state?ME", state("IN PROGRESS", "5.5")).status_code == 200
    assert state_of(server, path) == "IN PROGRESS"
    refused = send(server, "PUT", f"{path}/state", state("IN PROGRESS", "6.6"))
    assert refused.status_code == 409
    assert refused.headers["warning"].startswith("299 ")

    for query, words in (("", "is missing"), ("?6.6", "is incorrect")):
        answer = send(server, "POST", path + query, {"00741204": text("LO", "Other")})
        assert answer.status_code == 400
        assert f"The Transaction UID {words}." in answer.headers["warning"]
    assert send(server, "POST", f"{path}?5.5", {"00741204": text("LO", "Kidney")}).status_code == 200
    by_argument = send(server, "PUT", f"{path}?transaction-uid=5.5", {"00741210": text("LO", "x")})
    assert by_argument.status_code == 200

    # it is not complete before it is told what was done
    assert send(server, "PUT", f"{path}/state", state("COMPLETED", "5.5")).status_code == 409
    assert send(server, "POST", f"{path}?5.5", DONE).status_code == 200
    assert send(server, "PUT", f"{path}/state", state("COMPLETED", "6.6")).status_code == 400
    assert send(server, "PUT", f"{path}/state", state("COMPLETED", "5.5")).status_code == 200
    found = shown(server, path)
    assert found["00741000"]["Value"] == ["COMPLETED"]
    assert found["00741200"]["Value"] == ["HIGH"]
    assert found["00741204"]["Value"] == ["Kidney"]
    assert found["00741216"]["Value"][0]["00404019"] == DONE["00741216"]["Value"][0]["00404019"]

    # and then it stays so
    again = send(server, "PUT", f"{path}/state", state("COMPLETED", "5.5"))
    assert (again.status_code, "already" in again.headers["warning"]) == (200, True)
    assert send(server, "PUT", f"{path}/state", state("CANCELED", "5.5")).status_code == 409
    assert send(server, "POST", f"{path}?5.5", {"00741204": text("LO", "x")}).status_code == 400
    assert send(server, "POST", f"{path}/cancelrequest", {}).status_code == 409


def test_cancellation(server: Server) -> None:
    path = make(server, "1.2.11")
    reason = {"00741238": text("LT", "Patient has left")}
    assert send(server, "POST", f"{path}/cancelrequest?ME", reason).status_code == 202
    found = shown(server, path)
    assert found["00741000"]["Value"] == ["CANCELED"]
    (progress,) = found["00741002"]["Value"]
    assert progress["00741238"]["Value"] == ["Patient has left"]
    assert progress["00404052"]["Value"]
    again = server.client.post(f"{path}/cancelrequest")
    assert (again.status_code, "CANCELED" in again.headers["warning"]) == (202, True)

    path = make(server, "1.2.12")
    send(server, "PUT", f"{path}/state", state("IN PROGRESS", "5.5"))
    answer = send(server, "POST", f"{path}/cancelrequest", reason)
    assert answer.status_code == 409
    assert "The performer cannot be contacted." in answer.headers["warning"]
    assert send(server, "PUT", f"{path}/state", state("CANCELED", "5.5")).status_code == 200
    assert state_of(server, path) == "CANCELED"


def test_the_step_of_a_worklist_is_claimed(server: Server) -> None:
    order = {
        "PatientID": "C1",
        "StudyInstanceUID": "1.2.99",
        "ScheduledProcedureStepSequence": [
            {"Modality": "CT", "ScheduledProcedureStepDescription": "Claim me"}
        ],
    }
    worklist = server.client.post("/worklists/create", json={"Tags": order}).json()["ID"]
    (found,) = json_of(get(server, f"{WORKITEMS}?PatientID=C1"))
    path = f"{WORKITEMS}/{found['00080018']['Value'][0]}"
    assert send(server, "POST", f"{WORKITEMS}?{path.rsplit('/')[-1]}", NEW).status_code == 409
    assert send(server, "PUT", f"{path}/state", state("IN PROGRESS", "7.7")).status_code == 200
    assert state_of(server, path) == "IN PROGRESS"
    (one,) = json_of(get(server, f"{WORKITEMS}?PatientID=C1"))
    assert one["00741000"]["Value"] == ["IN PROGRESS"]
    server.client.delete(f"/worklists/{worklist}").raise_for_status()
    send(server, "POST", f"{path}?7.7", DONE)
    assert send(server, "PUT", f"{path}/state", state("COMPLETED", "7.7")).status_code == 200


def test_xml_and_a_uid_in_the_data_set(server: Server) -> None:
    body = to_xml({**NEW, "00080018": text("UI", "1.2.21")}, TagDictionary.build())
    answer = send(server, "POST", WORKITEMS, body, XML)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{server.url}{WORKITEMS}/1.2.21")
    assert shown(server, f"{WORKITEMS}/1.2.21")["00741204"]["Value"] == ["Segment the liver"]
    given = send(server, "POST", WORKITEMS, NEW)
    assert given.status_code == 201
    assert given.headers["location"].startswith(f"{server.url}{WORKITEMS}/")
    assert send(server, "POST", f"{WORKITEMS}?workitem=1.2.22", NEW).status_code == 201


def without(*tags: str) -> Model:
    return {tag: value for tag, value in NEW.items() if tag not in tags}


@pytest.mark.parametrize(
    ("model", "status"),
    [
        (without("00741204"), 400),
        (without("00741200"), 400),
        (without("00404005"), 400),
        (without("00404041"), 400),
        ({**NEW, "00741000": text("CS", "IN PROGRESS")}, 400),
        ({**NEW, "00081195": text("UI", "1.2")}, 400),
        ({**NEW, "00741204": {"vr": "LO", "Value": "x"}}, 400),
        ({**NEW, "00741204": {"vr": "LO", "Value": [{"a": 1}]}}, 400),
        ({**NEW, "00741204": {"Value": ["x"]}}, 400),
        ({**NEW, "x": text("LO", "x")}, 400),
        ({**NEW, "00420011": {"vr": "OB", "InlineBinary": "AAAA"}}, 400),
        ({**NEW, "00741210": text("SQ", "x")}, 400),
        ({**NEW, "00741210": text("LO", "x" * (1 << 20))}, 400),
        (b"[]", 400),
        (b"[{},{}]", 400),
        (b"{", 400),
        (b"", 400),
        (b"7", 400),
    ],
)
def test_what_is_no_workitem(server: Server, model: Any, status: int) -> None:
    answer = send(server, "POST", f"{WORKITEMS}?1.2.31", model)
    assert answer.status_code == status, answer.text
    assert answer.json()["Message"]
    assert get(server, f"{WORKITEMS}/1.2.31").status_code == 404


def test_what_cannot_be_asked(server: Server) -> None:
    path = make(server, "1.2.41")
    assert send(server, "POST", f"{WORKITEMS}?1.2.41", NEW).status_code == 409
    assert send(server, "POST", f"{WORKITEMS}?workitem=../../x", NEW).status_code == 400
    assert send(server, "POST", WORKITEMS, b"x", "image/png").status_code == 415
    for fixed in ("00100010", "00080018", "0020000D", "00741000"):
        assert send(server, "POST", path, {fixed: text("LO", "x")}).status_code == 400, fixed
    for model in (state("SCHEDULED", "5.5"), state("DONE", "5.5"), state("IN PROGRESS"), {}):
        assert send(server, "PUT", f"{path}/state", model).status_code in (400, 409), model
    assert state_of(server, path) == "SCHEDULED"
    for method, end, model in (
        ("POST", "", {}),
        ("PUT", "/state", state("IN PROGRESS", "5.5")),
        ("POST", "/cancelrequest", {}),
    ):
        assert send(server, method, f"{WORKITEMS}/9.9{end}", model).status_code == 404


def test_one_of_many_claims_it(server: Server) -> None:
    path = make(server, "1.2.51")
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(
                lambda number: send(server, "PUT", f"{path}/state", state("IN PROGRESS", f"5.{number}")),
                range(16),
            )
        )
    assert sorted(one.status_code for one in answers) == [200] + 15 * [409]
    (winner,) = (number for number, one in enumerate(answers) if one.status_code == 200)
    assert send(server, "POST", f"{path}?5.{winner}", DONE).status_code == 200


def test_no_change_of_many_is_lost(server: Server) -> None:
    path = make(server, "1.2.61")
    tags = [f"0009{number:04X}" for number in range(0x1010, 0x1030)]
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda tag: send(server, "POST", path, {tag: text("LO", tag)}), tags)
        assert {one.status_code for one in answers} == {200}
    found = shown(server, path)
    assert [found[tag]["Value"] for tag in tags] == [[tag] for tag in tags]


def test_workitems_outlive_the_server(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, SERVER_CONFIG)) as site:
        path = make(site, "1.2.71")
        send(site, "PUT", f"{path}/state", state("IN PROGRESS", "5.5"))
        site.stop()
        site.start()
        assert state_of(site, path) == "IN PROGRESS"
        assert send(site, "POST", f"{path}?5.5", DONE).status_code == 200
        assert send(site, "PUT", f"{path}/state", state("COMPLETED", "5.5")).status_code == 200


def test_two_servers_on_one_index_share_them(postgres: Cluster, tmp_path: Path) -> None:
    with postgres.database() as name:
        index = {
            "EnableIndex": True,
            "Host": postgres.host,
            "Port": postgres.port,
            "Database": name,
            "Username": postgres.user,
        }
        config = {**SERVER_CONFIG, "PostgreSQL": index, "StorageDirectory": str(tmp_path / "files")}
        one = orthanclite(tmp_path / "one", {**config, "DatabaseServerIdentifier": "one"})
        other = orthanclite(tmp_path / "other", {**config, "DatabaseServerIdentifier": "other"})
        with running(one), running(other), ThreadPoolExecutor(8) as clients:
            path = make(one, "1.2.91")
            tags = [f"0009{number:04X}" for number in range(0x1010, 0x1030)]
            changes = clients.map(
                lambda tag: send((one, other)[int(tag, 16) % 2], "POST", path, {tag: text("LO", tag)}), tags
            )
            assert {change.status_code for change in changes} == {200}
            claims = clients.map(
                lambda number: send(
                    (one, other)[number % 2], "PUT", f"{path}/state", state("IN PROGRESS", f"5.{number}")
                ),
                range(8),
            )
            assert sorted(claim.status_code for claim in claims) == [200] + 7 * [409]
            assert shown(one, path) == shown(other, path)
            assert all(shown(other, path)[tag]["Value"] == [tag] for tag in tags)


def test_nothing_is_made_where_nothing_may_be_written(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path, {**SERVER_CONFIG, "ReadOnly": True})) as site:
        assert send(site, "POST", f"{WORKITEMS}?1.2.81", NEW).status_code == 405
        assert json_of(get(site, WORKITEMS)) == []
