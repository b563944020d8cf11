"""The small routes below /tools, each with what it changes."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orthanclite.core.log_levels import LogCategory
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"ExecuteLuaEnabled": True}

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
JPEG = "1.2.840.10008.1.2.4.50"


def text(server: Server, path: str) -> str:
    answer = server.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def put(server: Server, path: str, value: str) -> tuple[int, str]:
    answer = server.client.put(path, content=value.encode())
    return answer.status_code, answer.text


def test_now(server: Server) -> None:
    shown = datetime.strptime(text(server, "/tools/now"), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - shown).total_seconds()) < 10


def test_now_in_the_time_zone_of_the_server(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path), {"TZ": "Asia/Kolkata"}) as server:
        utc, local = (
            datetime.strptime(text(server, path), "%Y%m%dT%H%M%S")
            for path in ("/tools/now", "/tools/now-local")
        )
    assert abs((local - utc).total_seconds() - 5.5 * 3600) < 10


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_generate_uid(server: Server, level: str) -> None:
    uids = {text(server, f"/tools/generate-uid?level={level}") for _ in range(20)}
    assert len(uids) == 20
    for uid in uids:
        assert re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", uid)
        assert len(uid) <= 64


def test_generate_identifier_of_a_patient(server: Server) -> None:
    assert re.fullmatch(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text(server, "/tools/generate-uid?level=patient")
    )


@pytest.mark.parametrize("query", ["", "?level=room"])
def test_generate_uid_of_no_level(server: Server, query: str) -> None:
    answer = server.client.get(f"/tools/generate-uid{query}")
    assert (answer.status_code, answer.content) == (404, b"")


def test_default_encoding_decides_on_files_without_one(empty_server: Server) -> None:
    server = empty_server
    assert text(server, "/tools/default-encoding") == "Latin1"
    data = dicom_file(patient="p").replace(b"Name^p", b"N\xe4me^p"[:6])
    id = server.upload(data)["ID"]
    name = f"/instances/{id}/content/PatientName"
    latin1 = server.get(f"/instances/{id}/simplified-tags")["PatientName"]
    assert latin1 == "Näme^p"[: len(latin1)]
    try:
        assert put(server, "/tools/default-encoding", "Windows1251") == (200, "Windows1251")
        server.client.post("/tools/invalidate-tags").raise_for_status()
        assert server.get(f"/instances/{id}/simplified-tags")["PatientName"].startswith(
            "N" + b"\xe4".decode("cp1251")
        )
        assert server.client.get(name).status_code == 200
        status, _ = put(server, "/tools/default-encoding", "Klingon")
        assert status == 400
        assert text(server, "/tools/default-encoding") == "Windows1251"
    finally:
        put(server, "/tools/default-encoding", "Latin1")
        server.client.post("/tools/invalidate-tags").raise_for_status()


def test_accepted_transfer_syntaxes(server: Server) -> None:
    path = "/tools/accepted-transfer-syntaxes"
    before = server.get(path)
    assert JPEG in before
    try:
        one = server.client.put(path, content=b"1.2.840.10008.1.2.1")
        assert (one.status_code, one.json()) == (200, ["1.2.840.10008.1.2.1"])
        several = server.client.put(path, json=["1.2.840.10008.1.2", "1.2.840.10008.1.2.4.5?"])
        assert set(several.json()) >= {"1.2.840.10008.1.2", JPEG, "1.2.840.10008.1.2.4.51"}
        assert server.get(path) == several.json()
        assert server.client.put(path, json={"a": 1}).status_code == 400
        assert server.get(path) == several.json()
    finally:
        assert server.client.put(path, json=before).json() == before


def test_accepted_sop_classes(server: Server) -> None:
    classes = server.get("/tools/accepted-sop-classes")
    assert "1.2.840.10008.5.1.4.1.1.2" in classes
    assert STUDY_ROOT_FIND not in classes


def test_unknown_sop_class_accepted(server: Server) -> None:
    path = "/tools/unknown-sop-class-accepted"
    assert text(server, path) == "0"
    assert put(server, path, "true") == (200, "")
    assert text(server, path) == "1"
    status, _ = put(server, path, "perhaps")
    assert status == 400
    assert text(server, path) == "1"
    assert put(server, path, "0") == (200, "")
    assert text(server, path) == "0"


def test_conformance_statement_follows_what_is_accepted(tmp_path: Path) -> None:
    config = {"AcceptedSopClasses": ["1.2.840.10008.5.1.4.1.1.2"]}
    with running(orthanclite(tmp_path, config)) as server:
        statement = text(server, "/tools/dicom-conformance")
        assert "1.2.840.10008.1.1" in statement  # verification
        assert "CTImageStorage" in statement
        assert "MRImageStorage" not in statement
        assert "StudyRootQueryRetrieveInformationModelFind" in statement
        assert "ModalityWorklistInformationModelFind" not in statement


def test_log_levels(server: Server) -> None:
    try:
        for value in ("verbose", "trace", "default"):
            assert put(server, "/tools/log-level", value) == (200, "")
            assert {text(server, f"/tools/log-level-{category}") for category in LogCategory} == {value}
            assert text(server, "/tools/log-level") == value
        assert put(server, "/tools/log-level-dicom", "trace") == (200, "")
        assert text(server, "/tools/log-level-dicom") == "trace"
        assert text(server, "/tools/log-level-http") == "default"
        refused = server.client.put("/tools/log-level-http", content=b"loud")
        assert refused.status_code == 400
        assert refused.json()["OrthancStatus"] == 3
    finally:
        put(server, "/tools/log-level", "default")


def metrics(server: Server) -> dict[str, float]:
    """The numbers, by name; each line is ``name value timestamp``."""
    answer = server.client.get("/tools/metrics-prometheus")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    found = {}
    for line in answer.text.splitlines():
        name, value, moment = line.split(" ")
        assert abs(int(moment) / 1000 - time.time()) < 3600
        found[name] = float(value)
    return found


def test_metrics(empty_server: Server) -> None:
    server = empty_server
    assert text(server, "/tools/metrics") == "1"
    before = metrics(server)
    assert before["orthanc_count_instances"] == 0
    server.upload(dicom_file(side=1024))
    after = metrics(server)
    assert after["orthanc_count_instances"] == after["orthanc_count_patients"] == 1
    assert after["orthanc_disk_size_mb"] == pytest.approx(2, abs=0.01)
    assert after["orthanc_last_change"] > before["orthanc_last_change"]
    assert after["orthanc_rest_api_active_requests"] == 1  # the one that asks
    assert 0 <= after["orthanc_up_time_s"] < 3600
    try:
        assert put(server, "/tools/metrics", "0") == (200, "")
        assert text(server, "/tools/metrics") == "0"
        assert metrics(server) == {}
    finally:
        assert put(server, "/tools/metrics", "1") == (200, "")
    assert metrics(server)["orthanc_count_instances"] == 1


def script(server: Server, lua: str) -> tuple[int, str]:
    answer = server.client.post("/tools/execute-script", content=lua.encode())
    return answer.status_code, answer.text


def test_scripts_answer_what_they_print(server: Server) -> None:
    assert script(server, "print('Näme', 42, true)") == (200, "Näme, 42, true\n")
    assert script(server, "x = 1") == (200, "")


def test_what_a_script_defines_is_there_for_the_next(server: Server) -> None:
    assert script(server, "function double(x) return 2 * x end")[0] == 200
    assert script(server, "print(double(21))") == (200, "42\n")


def test_scripts_use_the_rest_api(empty_server: Server) -> None:
    server = empty_server
    id = server.upload(dicom_file())["ID"]
    found = script(server, "print(ParseJson(RestApiGet('/instances'))[1])")
    assert found == (200, f"{id}\n")
    assert script(server, "print(RestApiGet('/instances/nope'))") == (200, "nil\n")
    status, _ = script(server, f"RestApiPut('/instances/{id}/metadata/1030', 'by a script')")
    assert status == 200
    assert server.client.get(f"/instances/{id}/metadata/1030").text == "by a script"
    assert script(server, f"print(RestApiDelete('/instances/{id}'))") == (200, "true\n")
    assert server.get("/instances") == []


def test_errors_in_scripts(server: Server) -> None:
    for lua, words in (("error('bang')", "bang"), ("for", "near"), ("nope()", "nope")):
        answer = server.client.post("/tools/execute-script", content=lua.encode())
        assert answer.status_code == 500
        assert answer.json()["OrthancStatus"] == 2031
        assert words in answer.json()["Details"]
    assert script(server, "print('still here')") == (200, "still here\n")


def test_a_script_without_end_is_ended_and_nobody_waits(server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(script, server, "while true do end")
        while not endless.done():
            before = server.work()
            server.get("/system")
            assert server.work() - before < 1
            time.sleep(0.1)
    status, text = endless.result()
    assert (status, json.loads(text)["OrthancStatus"]) == (500, 2031)
    assert "too many instructions" in json.loads(text)["Details"]
    assert script(server, "print('still here')") == (200, "still here\n")


def test_scripts_are_refused_unless_they_are_wanted(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        assert script(server, "print(1)") == (403, "")
