"""Bodies of requests of all sizes, as slow or strange clients send them: what arrives is what was sent.

Those from ``SMALLEST`` to ``LARGEST`` are read straight into memory.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import orjson
import pytest

from orthanclite.storage.shared_memory import LARGEST
from orthanclite.web.protocol.direct import SMALLEST
from tests.support.certificates import make_identity
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

KB = 1024
SIZES = [1, 16 * KB, SMALLEST - 1, SMALLEST, 200_001, 600_000, LARGEST - 1, LARGEST, LARGEST + 1, 3 * LARGEST]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bodies")
    with running(orthanclite(folder, {"OverwriteInstances": True, "KeepAliveTimeout": 60})) as server:
        yield server


def dicom_of(size: int) -> bytes:
    """A DICOM file of ``size`` bytes, or as many as it needs."""
    least = len(dicom_file(pixels=bytes(2), side=4))
    pixels = hashlib.shake_128(b"pixels").digest(max(2, (size - least + 2) & ~1))
    return dicom_file(pixels=pixels, side=4)


def head_of(body: bytes, path: str = "/instances", headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()


class Client:
    """A connection of which every byte is ours."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.http_port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._received.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """The status and the body of the next answer; an informational one has no body."""
        status = int(self._received.readline().split()[1])
        length = 0
        while (line := self._received.readline()) != b"\r\n":
            assert line, "The server closed the connection"
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self._received.read(length)

    def is_closed(self) -> bool:
        return self._received.read(1) == b""


def stored(server: Server, answer: bytes) -> bytes:
    return bytes(server.client.get(orjson.loads(answer)["Path"] + "/file").content)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sent_is_stored(site: Server, size: int) -> None:
    body = dicom_of(size)
    with Client(site) as connection:
        for _ in range(2):  # the connection serves on
            connection.send(head_of(body) + body)
            status, answer = connection.answer()
            assert status == 200
            assert stored(site, answer) == body


@pytest.mark.parametrize("pieces", [[1], [100, 1], [16 * KB, 16 * KB], [70_000, 1, 80_000], [299_999, 1]])
def test_bodies_in_pieces(site: Server, pieces: list[int]) -> None:
    body = dicom_of(300_000)
    with Client(site) as connection:
        connection.send(head_of(body))
        start = 0
        for size in pieces:
            time.sleep(0.02)
            connection.send(body[start : start + size])
            start += size
        time.sleep(0.02)
        connection.send(body[start:])
        status, answer = connection.answer()
    assert status == 200
    assert stored(site, answer) == body


def test_a_body_that_takes_longer_than_a_request_may_be_silent(tmp_path: Path) -> None:
    """What is there is handed on, so that only silence counts."""
    body = dicom_of(300_000)
    with (
        running(orthanclite(tmp_path, {"HttpRequestTimeout": 5, "KeepAliveTimeout": 60})) as server,
        Client(server) as connection,
    ):
        connection.send(head_of(body))
        size = len(body) // 8 + 1
        for start in range(0, len(body), size):
            connection.send(body[start : start + size])
            time.sleep(1)
        status, answer = connection.answer()
        assert status == 200
        assert stored(server, answer) == body
        connection.send(head_of(body) + body[:-1])
        status, _ = connection.answer()
        assert status == 408
        assert connection.is_closed()


def test_a_server_that_was_held_up_reads_before_it_closes(tmp_path: Path) -> None:
    """The request came in time, only the server did not run until the wait was over."""
    with running(orthanclite(tmp_path, {"KeepAliveTimeout": 1})) as server, Client(server) as client:
        assert server.process is not None
        for _ in range(3):
            client.send(b"GET /system HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.answer()[0] == 200
            os.kill(server.process.pid, signal.SIGSTOP)
            try:
                client.send(b"GET /system HTTP/1.1\r\nHost: localhost\r\n\r\n")
                time.sleep(3)
            finally:
                os.kill(server.process.pid, signal.SIGCONT)
            assert client.answer()[0] == 200


def test_requests_sent_ahead(site: Server) -> None:
    first, second = dicom_of(200_000), dicom_of(90_000)
    with Client(site) as connection:
        now = b"GET /tools/now HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.send(head_of(first) + first + now)
        status, answer = connection.answer()
        assert (status, stored(site, answer)) == (200, first)
        status, answer = connection.answer()
        assert (status, len(answer)) == (200, 15)
        connection.send(now + head_of(second) + second)
        assert connection.answer()[0] == 200
        status, answer = connection.answer()
        assert (status, stored(site, answer)) == (200, second)


@pytest.mark.parametrize("size", [2_000, 300_000])
def test_a_client_that_would_rather_speak_http_2(site: Server, size: int) -> None:
    """As Java's does by default, and curl with ``--http2``: the offer is ignored, and nothing else."""
    body = dicom_of(size)
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with Client(site) as connection:
        for _ in range(2):
            connection.send(head_of(body, headers=offer) + body)
            status, answer = connection.answer()
            assert (status, stored(site, answer)) == (200, body)


def test_a_client_that_waits_to_be_told(site: Server) -> None:
    body = dicom_of(300_000)
    with Client(site) as connection:
        connection.send(head_of(body, headers="Expect: 100-continue\r\n"))
        assert connection.answer() == (100, b"")
        connection.send(body)
        status, answer = connection.answer()
    assert (status, stored(site, answer)) == (200, body)


@pytest.mark.parametrize("path", ["/nowhere", "/instances/nobody/nothing", "/tools/lookup", "/tools/find"])
def test_bodies_that_nobody_wants(site: Server, path: str) -> None:
    """Refused before or after their body has come; the connection serves on."""
    body = bytes(300_000)
    with Client(site) as connection:
        connection.send(head_of(body, path) + body[:1000])
        time.sleep(0.05)
        connection.send(body[1000:])
        assert connection.answer()[0] in (200, 400, 404)
        connection.send(b"GET /tools/now HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.answer()[0] == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("size", [7, 300_000])
def test_a_body_that_is_announced_and_does_not_come(site: Server, method: str, size: int) -> None:
    """As Orthanc's sample for Node does with each GET after a POST: answered at once, nothing is mixed up."""
    now = f"{method} /tools/now HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()
    expected = 200 if method == "GET" else 405
    started = time.monotonic()
    with Client(site) as connection:
        connection.send(now)
        assert connection.answer()[0] == expected
        assert connection.is_closed()
    assert time.monotonic() - started < 10  # a client that falls silent is waited for three times as long
    with Client(site) as connection:
        connection.send(now + bytes(size))
        assert connection.answer()[0] == expected


def test_a_body_of_gigabytes_that_drips_blocks_nobody(site: Server) -> None:
    """What is announced costs nothing until it comes."""
    head = b"POST /tools/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Client(site)).send(head + bytes(1000))
        time.sleep(0.1)
        started = time.monotonic()
        assert site.client.post("/tools/lookup", content=bytes(3_000_000)).status_code == 200
        assert time.monotonic() - started < 10  # for so long it would wait for room


def test_clients_that_hang_up(site: Server) -> None:
    body = dicom_of(300_000)
    before = site.get("/changes?last")["Last"]
    for length in (0, 1, 20_000, 299_000):
        with Client(site) as connection:
            connection.send(head_of(body) + body[:length])
    assert site.get("/changes?last")["Last"] == before
    assert site.client.post("/instances", content=body).status_code == 200


def test_more_bodies_at_once_than_there_is_room_for(site: Server) -> None:
    """Those beyond go the long way, one piece at a time, and the room is free again when they are gone."""
    large, small = bytes(LARGEST), dicom_of(300_000)
    with ExitStack() as stack:
        for _ in range(24):
            connection = stack.enter_context(Client(site))
            connection.send(head_of(large) + large[: LARGEST // 2])
        assert site.client.post("/instances", content=small).status_code == 200
    assert stored(site, site.client.post("/instances", content=small).content) == small


def test_other_ways_to_send_a_body(site: Server) -> None:
    body = dicom_of(400_000)
    parts = site.client.post("/instances", files={"file": ("a.dcm", body), "other": ("b.dcm", body)})
    assert parts.status_code == 200
    chunked = site.client.post("/instances", content=iter([body[:100_000], body[100_000:]]))
    assert stored(site, chunked.content) == body
    attachment = f"{chunked.json()['Path']}/attachments/1024"
    assert site.client.put(attachment, content=body).status_code == 200
    assert site.client.get(f"{attachment}/data").content == body
    metadata = f"{chunked.json()['Path']}/metadata/1024"
    text = "x" * 100_000
    assert site.client.put(metadata, content=text).status_code == 200
    assert site.client.get(metadata).text == text


def test_bodies_over_tls(tmp_path: Path) -> None:
    identity = make_identity(tmp_path, "server").both
    config = {"SslEnabled": True, "SslCertificate": str(identity)}
    body = dicom_of(600_000)
    context = ssl.create_default_context(cafile=str(identity))
    with (
        running(orthanclite(tmp_path / "server", config)) as server,
        httpx.Client(base_url=server.url, verify=context) as client,
    ):
        for _ in range(2):
            answer = client.post("/instances", content=body)
            assert answer.status_code == 200
        assert client.get(answer.json()["Path"] + "/file").content == body
