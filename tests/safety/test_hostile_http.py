"""HTTP as no client library writes it: broken heads, bodies that lie, clients that never finish."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from tests.safety.judge import PATIENCE, Checkup
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

CONFIG = {"MaximumRequestBodySizeMB": 8, "HttpRequestTimeout": 2, "StableAge": 1, "StorageCompression": True}
FILE = dicom_file()
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("http"), CONFIG)) as started:
        yield started


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for its clients for longer than any answer may take."""
    config = {**CONFIG, "HttpRequestTimeout": 2 * int(PATIENCE)}
    with running(orthanclite(tmp_path_factory.mktemp("patient"), config)) as started:
        yield started


@pytest.fixture(autouse=True)
def well_afterwards(server: Server) -> Iterator[None]:
    """Whatever a test does, the server is well afterwards and has stored nothing of it."""
    checkup = Checkup(server)
    yield
    checkup()
    server.client.post("/tools/bulk-delete", json={"Resources": server.get("/patients")}).raise_for_status()
    # The server may only now notice that a client has gone.
    deadline = time.monotonic() + PATIENCE
    while left := blobs(server.folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def blobs(folder: Path) -> list[str]:
    """The files below the storage folder that hold attachments."""
    return [path.name for path in (folder / "storage").glob("??/??/*")]


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.http_port), timeout=PATIENCE)


def answer_to(server: Server, *pieces: bytes) -> bytes:
    """What the server sends, until it closes the connection, to pieces written one after the other."""
    with closing(connect(server)) as connection:
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass  # closed while we were still sending
        return received


def head(*lines: str, method: str = "POST", path: str = "/instances") -> bytes:
    first = f"{method} {path} HTTP/1.1"
    return "\r\n".join([first, "Host: localhost", "Connection: close", *lines, "", ""]).encode("latin-1")


def status(answer: bytes) -> int:
    """The status of an answer; 0 for a connection that was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


HEADS = {
    "nothing": b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "DICOM": bytes(128) + b"DICM" + bytes(500),
    "bad version": b"GET /system HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no method": b" /system HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown method": b"BREW /system HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "raw bytes in the path": b"GET /\xff\xfe\x80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "NUL in the path": b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "cut escape": b"GET /patients/%f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "bad UTF-8": b"GET /patients/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "NUL in a header": b"GET /system HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\nConnection: close\r\n\r\n",
    "blank in a header name": b"GET /system HTTP/1.1\r\nHo st: localhost\r\n\r\n",
    "folded header": b"GET /system HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n",
    "two lengths": head("Content-Length: 1", "Content-Length: 2") + b"ab",
    "length and chunks": head("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "negative length": head("Content-Length: -1"),
    "endless length": head("Content-Length: " + "9" * 40),
    "no number": head("Content-Length: 0x10"),
    "unknown transfer encoding": head("Transfer-Encoding: gzip"),
    "bad chunk": head("Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "huge chunk": head("Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\nabc",
    "long chunk": head("Transfer-Encoding: chunked") + b"3\r\nabcdef\r\n0\r\n\r\n",
    "overlong path": head(method="GET", path="/" + "a" * 200_000),
    "overlong header": head("X-A: " + "a" * 2_000_000, method="GET", path="/system"),
    "many headers": head(*["X-A: a"] * 100_000, method="GET", path="/system"),
}


@pytest.mark.parametrize("name", HEADS)
def test_broken_requests_are_refused(server: Server, name: str) -> None:
    answer = answer_to(server, HEADS[name])
    assert status(answer) in {0, 400, 403, 404, 405, 413, 431}, answer[:300]


@pytest.mark.parametrize(
    "path",
    [
        "/app/../../../etc/passwd",
        "/app/%2e%2e/%2e%2e/etc/passwd",
        "/app/..%2f..%2f..%2fetc%2fpasswd",
        "/app/..%5c..%5cetc%5cpasswd",
        "/app//etc/passwd",
        "/app/%00",
        "/app/start.js%00.html",
        "/instances/../../../etc/passwd/file",
        "/instances/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd/file",
        "/patients/" + "../" * 30 + "etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(server: Server, path: str) -> None:
    answer = answer_to(server, head(method="GET", path=path))
    assert status(answer) in {400, 404}, answer[:300]
    assert b"root:" not in answer


def test_a_body_shorter_than_announced_stores_nothing(server: Server) -> None:
    with closing(connect(server)) as connection:
        connection.sendall(head(f"Content-Length: {len(FILE) + 1}") + FILE)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)
    assert server.get("/instances") == []


def test_a_body_longer_than_announced_is_cut(server: Server) -> None:
    answer = answer_to(server, head(f"Content-Length: {len(FILE) - 1}") + FILE)
    assert status(answer) == 400
    assert server.get("/instances") == []


def test_clients_that_hang_up_leave_nothing(server: Server) -> None:
    """See ``well_afterwards``."""
    large = dicom_file(pixels=bytes(2 * 1800 * 1800), side=1800)  # 5 MB: spooled to the storage area
    for size in (10, 1000, 4 * MEGABYTE, 5 * MEGABYTE):
        with closing(connect(server)) as connection:
            connection.sendall(head(f"Content-Length: {len(large)}") + large[:size])


def test_silent_clients_are_left(server: Server) -> None:
    """In the middle of a body: 408 after ``HttpRequestTimeout``, and nothing stays."""
    large = dicom_file(pixels=bytes(2 * 1800 * 1800), side=1800)
    started = time.monotonic()
    for sent in (FILE[:100], large[: 5 * MEGABYTE]):
        answer = answer_to(server, head(f"Content-Length: {len(large)}") + sent)
        assert status(answer) == 408
    assert time.monotonic() - started >= 4


def test_unfinished_heads_are_left(server: Server) -> None:
    """Slow loris: neither silence nor a drip of headers holds a connection for long."""
    with closing(connect(server)) as silent, closing(connect(server)) as dripping:
        dripping.sendall(b"GET /system HTTP/1.1\r\nHost: localhost\r\n")
        started = time.monotonic()
        dripping.settimeout(0.2)
        received: bytes | None = None
        while received != b"":
            assert time.monotonic() - started < PATIENCE
            with suppress(TimeoutError):
                received = dripping.recv(100)
            with suppress(ConnectionError):
                dripping.sendall(b"X-A: b\r\n")
        assert silent.recv(100) == b""
        assert time.monotonic() - started < PATIENCE


def test_many_idle_connections_do_not_matter(patient: Server) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(closing(connect(patient)))
            connection.sendall(b"POST /instances HTTP/1.1\r\nContent-Length: 99999\r\n\r\n\x08\x00")
        started = time.monotonic()
        assert patient.client.get("/system").status_code == 200
        assert patient.upload(FILE)["Status"] == "Success"
        assert time.monotonic() - started < PATIENCE  # less than any of the others is waited for


def test_bodies_on_their_way_do_not_block_others(patient: Server) -> None:
    """Large bodies for handlers that keep them in memory, announced and then not sent."""
    with ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(closing(connect(patient)))
            connection.sendall(head(f"Content-Length: {8 * MEGABYTE}", path="/tools/bulk-delete"))
        time.sleep(0.2)
        started = time.monotonic()
        answer = patient.client.post("/tools/bulk-delete", json={"Resources": []})
        assert answer.status_code == 200
        assert time.monotonic() - started < PATIENCE  # less than any of the others is waited for


def test_expect_continue(server: Server) -> None:
    with closing(connect(server)) as connection:
        connection.sendall(head(f"Content-Length: {len(FILE)}", "Expect: 100-continue"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(FILE)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_chunked_bodies(server: Server) -> None:
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in FILE)
    assert status(answer_to(server, head("Transfer-Encoding: chunked") + pieces + b"0\r\n\r\n")) == 200


def test_bodies_that_are_too_large(server: Server) -> None:
    over = 8 * MEGABYTE + 1
    assert status(answer_to(server, head(f"Content-Length: {over}"))) == 413
    chunk = b"100000\r\n" + bytes(MEGABYTE) + b"\r\n"
    assert status(answer_to(server, head("Transfer-Encoding: chunked"), *[chunk] * 9)) in {413, 0}
    small = gzip.compress(dicom_file(pixels=bytes(2 * 3000 * 3000), side=3000))
    assert len(small) < MEGABYTE
    for path in ("/instances", "/tools/bulk-delete"):
        answer = httpx.post(server.url + path, content=small, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 413


def test_gzip_bombs_and_broken_gzip(server: Server) -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(compressor.compress(bytes(MEGABYTE)) for _ in range(1000)) + compressor.flush()
    assert len(bomb) < MEGABYTE
    good = gzip.compress(FILE)
    cases = {bomb: 413, good[:-9]: 400, good[:30]: 400, b"\x1f\x8b": 400, FILE: 400}
    for content, expected in cases.items():
        answer = httpx.post(f"{server.url}/instances", content=content, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == expected, content[:20]
    twice = httpx.post(
        f"{server.url}/instances", content=gzip.compress(good), headers={"Content-Encoding": "gzip"}
    )
    assert twice.status_code == 400
    assert server.get("/instances") == []


BOUNDARY = b"xyz"


def form(*parts: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    disposition = b'--xyz\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\n'
    return b"".join(disposition + part + b"\r\n" for part in parts) + end


FORMS = {
    "no end": (form(FILE, end=b""), 400),
    "cut": (form(FILE)[:100], 400),
    "no parts": (b"--xyz--\r\n", 200),
    "empty": (b"", 400),
    "garbage": (bytes(1000), 400),
    "other boundary": (form(FILE).replace(b"--xyz", b"--abc"), 400),
    "empty part": (form(b""), 400),
    "second part is no DICOM": (form(FILE, b"no"), 400),
    "endless part head": (b"--xyz\r\n" + b"X-A: " + b"a" * 4_000_000, 400),
    "many part heads": (b"--xyz\r\n" + b"X-A: a\r\n" * 200_000 + b"\r\n\r\n--xyz--\r\n", 400),
    "many empty parts": (b"--xyz\r\n\r\n\r\n" * 50_000 + b"--xyz--\r\n", 400),
    "nested": (form(form(FILE)), 400),
    "good": (form(FILE, dicom_file(instance="1.2.3.9")), 200),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(server: Server, name: str) -> None:
    content, expected = FORMS[name]
    answer = httpx.post(
        f"{server.url}/instances",
        content=content,
        headers={"Content-Type": "multipart/form-data; boundary=xyz"},
        timeout=PATIENCE,
    )
    assert answer.status_code == expected, answer.text


@pytest.mark.parametrize(
    "value",
    ["bytes=0-", "bytes=-5", "bytes=5-1", "bytes=0-0,4-5", "x", "bytes=" + "9" * 40 + "-", "bytes=--"],
)
def test_ranges(server: Server, value: str) -> None:
    id = server.upload(FILE)["ID"]
    answer = server.client.get(f"/instances/{id}/attachments/dicom/data", headers={"Range": value})
    assert answer.status_code in {200, 206, 400, 416}
    assert answer.content in FILE or answer.status_code >= 400
