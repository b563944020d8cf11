"""From start to an orderly end: signals, requests and associations under way, restarts."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.association import Association

from tests.support.cli import command_line
from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite_command, running

BOUND = 30.0
"""Seconds that a stop may take at most: ten for what is under way, ten for what does not end by itself, and
ten for a machine that is busy."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(
        orthanclite_command(tmp_path, {"ExecuteLuaEnabled": True, "DicomAlwaysAllowStore": True})
    ) as started:
        yield started


def signalled(server: Server, number: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(number)


def ended(server: Server, within: float) -> int:
    """The exit status of a server that was asked to stop."""
    assert server.process is not None
    status = server.process.wait(timeout=within)
    server.process = None
    return status


def is_refused(port: int, patience: float = BOUND) -> bool:
    """Whether nothing listens on a port any more, soon."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False


def half_an_upload(server: Server, data: bytes) -> http.client.HTTPConnection:
    """An upload of which the first half is sent, and which the server has begun to read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    connection.putrequest("POST", "/instances")
    connection.putheader("Content-Length", str(len(data)))
    connection.putheader("Expect", "100-continue")
    connection.endheaders()
    awaited = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert connection.sock.recv(len(awaited), socket.MSG_WAITALL) == awaited
    connection.send(data[: len(data) // 2])
    return connection


def associate(server: Server) -> Association:
    entity = Client("TEST")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", server.dicom_port, ae_title="ORTHANC")
    assert association.is_established
    return association


def test_start_takes_less_than_two_seconds(tmp_path: Path) -> None:
    """The time of the processor is measured, as other tests share it: start-up waits for nothing else."""
    server = orthanclite_command(tmp_path)
    server.start()  # makes the database
    server.stop()
    with running(server):
        seconds = server.work()
    assert seconds < 2.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_at_once(server: Server, number: signal.Signals) -> None:
    server.upload(dicom_file())
    signalled(server, number)
    assert ended(server, BOUND) == 0
    assert "Orthanc has stopped" in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_upload_under_way_is_finished(server: Server, number: signal.Signals) -> None:
    data = dicom_file(side=256)
    with closing(half_an_upload(server, data)) as connection:
        signalled(server, number)
        assert is_refused(server.http_port)
        connection.send(data[len(data) // 2 :])
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    assert ended(server, BOUND) == 0
    server.start()
    assert server.get("/statistics")["CountInstances"] == 1


def test_an_association_under_way_is_finished(server: Server) -> None:
    association = associate(server)
    signalled(server, signal.SIGTERM)
    assert is_refused(server.dicom_port)
    status = association.send_c_store(dcmread(BytesIO(dicom_file())))
    assert status.Status == 0
    association.release()
    assert ended(server, BOUND) == 0
    server.start()
    assert server.get("/statistics")["CountInstances"] == 1


def test_what_does_not_end_is_cut_off(server: Server) -> None:
    """An upload that stalls and an association that idles hold the end up for a while, together."""
    association = associate(server)
    data = dicom_file(side=256)
    with closing(half_an_upload(server, data)):
        signalled(server, signal.SIGTERM)
        assert ended(server, BOUND) == 0
    association.abort()
    server.start()
    assert server.get("/statistics")["CountInstances"] == 0


def test_a_script_without_end_does_not_hold_the_server(server: Server) -> None:
    statuses: list[int] = []

    # The library that matches patterns executes no instructions that could be counted.
    pattern = b"('a?'):rep(40) .. ('a'):rep(40)"
    script = b"RestApiPut('/tools/log-level', 'verbose') string.find(('a'):rep(40), " + pattern + b")"

    def run() -> None:
        answer = httpx.post(f"{server.url}/tools/execute-script", content=script, timeout=60)
        statuses.append(answer.status_code)

    caller = threading.Thread(target=run)
    caller.start()
    deadline = time.monotonic() + BOUND
    while server.client.get("/tools/log-level").text != "verbose":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    signalled(server, signal.SIGTERM)
    assert ended(server, BOUND + 10) == 1
    caller.join()
    assert statuses == [503]
    assert "Traceback" not in server.log()
    assert "does not end" in server.log()


def test_shutdown_over_rest(server: Server) -> None:
    answer = server.client.post("/tools/shutdown")
    assert (answer.status_code, answer.text) == (200, "{}")
    assert ended(server, BOUND) == 0


def test_reset_starts_anew_with_the_configuration_read_again(server: Server) -> None:
    server.upload(dicom_file())
    assert server.client.put("/tools/log-level", content=b"verbose").status_code == 200
    path = server.folder / "config.json"
    path.write_text(path.read_text().replace("{", '{"Name": "renewed", ', 1))
    assert server.client.post("/tools/reset").text == "{}"
    deadline = time.monotonic() + 60
    name = ""
    while name != "renewed":
        assert time.monotonic() < deadline, server.log()
        try:
            name = server.get("/system")["Name"]
        except httpx.TransportError:
            time.sleep(0.05)
    assert server.get("/statistics")["CountInstances"] == 1
    association = associate(server)  # the DICOM server is back as well
    association.release()


@pytest.mark.parametrize("key", ["HttpPort", "DicomPort"])
def test_a_port_in_use_stops_the_start(server: Server, tmp_path: Path, key: str) -> None:
    port = server.http_port if key == "HttpPort" else server.dicom_port
    other = orthanclite_command(tmp_path / "other", {key: port})
    path = other.folder / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(other.config))
    other.client.close()
    stopped = command_line(path, cwd=other.folder)
    assert stopped.returncode == 255
    assert str(port) in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert server.get("/system")["ApiVersion"] == 31
