"""The HTTP client against servers that are slow, wrong and hostile."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orthanclite.core.errors import BadFileFormat, NetworkProtocol, OrthancError
from orthanclite.core.ports.http import Upload
from orthanclite.core.remotes.endpoints import Endpoint, check_url, origin, without_secrets
from orthanclite.remote import HttpxClient, HttpxOptions
from orthanclite.remote.errors import translated
from tests.support.certificates import make_identity
from tests.support.hostile import Behaviour, Received, answer, hostile

OK = answer("200 OK", b'{"a": 1}')
SECRETS = {"username": "alice", "password": "s3cret", "headers": {"X-Token": "t0ken"}}


@pytest.fixture
def client() -> Iterator[HttpxClient]:
    made = HttpxClient(HttpxOptions(timeout=5))
    yield made
    made.close()


def test_a_request_says_who_asks_and_nothing_else(client: HttpxClient) -> None:
    with hostile(OK) as server:
        found = client.request(Endpoint(server.url, **SECRETS), "GET", "system?a=b")  # type: ignore[arg-type]
    assert (found.status, found.body) == (200, b'{"a": 1}')
    (request,) = server.requests
    assert request.line == "GET /system?a=b HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "authorization": "Basic YWxpY2U6czNjcmV0",
        "x-token": "t0ken",
    }


def test_connections_are_used_again(client: HttpxClient) -> None:
    with hostile(OK) as server:
        for _ in range(5):
            client.request(Endpoint(server.url), "POST", "instances", body=b"x" * 100_000)
    assert (len(server.requests), server.connections) == (5, 1)


def test_a_request_that_meets_the_end_of_an_old_connection_is_repeated(client: HttpxClient) -> None:
    with hostile(OK) as server:
        client.request(Endpoint(server.url), "GET", "x")

        def close_once(connection: socket.socket, request: Received) -> None:
            server.behave = OK
            connection.shutdown(socket.SHUT_RDWR)

        server.behave = close_once
        body = Upload(lambda: iter([b"ab", b"c"]), 3)
        assert client.request(Endpoint(server.url), "POST", "y", body=body).status == 200
    assert [request.body for request in server.requests] == [b"", b"abc", b"abc"]


def test_a_body_is_streamed_both_ways(client: HttpxClient) -> None:
    total = 40 << 20

    def echo(connection: socket.socket, request: Received) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(request.body)}\r\n\r\n"
        connection.sendall(head.encode() + request.body)

    pieces = (b"\7" * (1 << 20) for _ in range(40))
    with (
        hostile(echo) as server,
        client.stream(Endpoint(server.url), "POST", "x", body=Upload(lambda: pieces, total)) as found,
    ):
        sizes = [len(piece) for piece in found.pieces()]
    assert sum(sizes) == total
    assert max(sizes) <= 1 << 20
    assert server.requests[0].headers["content-length"] == str(total)


def reset(connection: socket.socket, request: Received) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def garbage(connection: socket.socket, request: Received) -> None:
    connection.sendall(b"\0\1\2 what is that?\r\n\r\n")
    reset(connection, request)


def cut_off(connection: socket.socket, request: Received) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    reset(connection, request)


def silent(connection: socket.socket, request: Received) -> None:
    time.sleep(3)


def dripping(connection: socket.socket, request: Received) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(40):
        connection.sendall(b"x")
        time.sleep(0.1)


def endless(connection: socket.socket, request: Received) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def bomb(connection: socket.socket, request: Received) -> None:
    packed = gzip.compress(bytes(100 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    connection.sendall(head.encode() + packed)


def not_packed(connection: socket.socket, request: Received) -> None:
    answer("200 OK", b"plain", "Content-Encoding: gzip")(connection, request)


def loop(connection: socket.socket, request: Received) -> None:
    answer("302 Found", b"", "Location: /again")(connection, request)


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        (reset, "Server disconnected"),
        (garbage, "does not speak HTTP"),
        (cut_off, "does not speak HTTP to its end"),
        (silent, "does not answer in time"),
        (dripping, "does not answer in time"),
        (endless, "more than 1048576 bytes"),
        (bomb, "more than 1048576 bytes"),
        (not_packed, "not encoded as it says"),
        (loop, "Too many redirections"),
    ],
)
def test_what_is_wrong_is_told(client: HttpxClient, behave: Behaviour, told: str) -> None:
    with hostile(behave) as server:
        endpoint = Endpoint(server.url.replace("//", "//user:passw0rd@"), timeout=1)
        began = time.monotonic()
        with pytest.raises(NetworkProtocol, match=told) as caught:
            client.request(endpoint, "GET", "x", limit=1 << 20)
        assert time.monotonic() - began < 20
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert "passw0rd" not in str(caught.value)


def test_a_server_that_is_not_there(client: HttpxClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NetworkProtocol, match="cannot be reached"):
        client.request(Endpoint(f"http://127.0.0.1:{port}/"), "GET", "x")
    with pytest.raises(NetworkProtocol, match="cannot be reached"):
        client.request(Endpoint("http://no-such-host.invalid/"), "GET", "x")


def test_a_refusal_before_the_end_of_the_body_is_an_answer(client: HttpxClient) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too large\r\nContent-Length: 3\r\n\r\nno!")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass

    thread = threading.Thread(target=refuse)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    found = client.request(Endpoint(url), "POST", "instances", body=bytes(20 << 20))
    thread.join()
    listener.close()
    assert (found.status, found.body) == (413, b"no!")


# -- redirections ------------------------------------------------------------------------------------


def test_another_server_is_told_no_secret(client: HttpxClient) -> None:
    with hostile(OK) as other, hostile(answer("302 Found", b"", f"Location: {other.url}there")) as server:
        found = client.request(Endpoint(server.url, **SECRETS), "GET", "x")  # type: ignore[arg-type]
    assert found.status == 200
    assert server.requests[0].headers["authorization"]
    (request,) = other.requests
    assert request.line == "GET /there HTTP/1.1"
    assert set(request.headers) == {"host", "accept"}


def test_at_the_same_server_they_are_told_again(client: HttpxClient) -> None:
    def behave(connection: socket.socket, request: Received) -> None:
        there = request.line.startswith("GET /there")
        (OK if there else answer("301 Moved", b"", "Location: ../there"))(connection, request)

    with hostile(behave) as server:
        assert client.request(Endpoint(server.url, **SECRETS), "GET", "a/x").status == 200  # type: ignore[arg-type]
    assert [request.headers["x-token"] for request in server.requests] == ["t0ken", "t0ken"]


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_files_are_not_sent_to_another_server(client: HttpxClient, status: str) -> None:
    with (
        hostile(OK) as other,
        hostile(answer(status, b"", f"Location: {other.url}there")) as server,
        pytest.raises(NetworkProtocol, match="where nothing is sent"),
    ):
        client.request(Endpoint(server.url), "POST", "x", body=b"patient")
    assert other.requests == []


@pytest.mark.parametrize("status", ["307 Temporary", "308 Permanent"])
def test_files_are_sent_to_another_place_of_the_server(client: HttpxClient, status: str) -> None:
    def behave(connection: socket.socket, request: Received) -> None:
        there = request.line.startswith("POST /there")
        (OK if there else answer(status, b"", "Location: /there"))(connection, request)

    with hostile(behave) as server:
        assert client.request(Endpoint(server.url), "POST", "x", body=b"patient").status == 200
    assert [request.body for request in server.requests] == [b"patient", b"patient"]


# -- TLS ---------------------------------------------------------------------------------------------


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    mine, other = make_identity(tmp_path, "mine"), make_identity(tmp_path, "other")
    with hostile(OK, mine.both) as server:
        endpoint = Endpoint(f"https://127.0.0.1:{server.port}/")
        for options, trusted in (
            (HttpxOptions(), False),
            (HttpxOptions(ca_certificates=str(other.certificate)), False),
            (HttpxOptions(ca_certificates=str(mine.certificate)), True),
            (HttpxOptions(verify_peers=False), True),
        ):
            client = HttpxClient(options)
            if trusted:
                assert client.request(endpoint, "GET", "x").status == 200
            else:
                with pytest.raises(NetworkProtocol, match="certificate of the server is not trusted"):
                    client.request(endpoint, "GET", "x")
            client.close()
    assert len(server.requests) == 2


def test_the_client_shows_its_certificate(tmp_path: Path) -> None:
    server_id, client_id = make_identity(tmp_path, "server"), make_identity(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_id.both)
    context.load_verify_locations(client_id.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as used:
                    used.recv(4096)
                    used.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    client = HttpxClient(HttpxOptions(ca_certificates=str(server_id.certificate), timeout=5))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(NetworkProtocol):
        client.request(Endpoint(url), "GET", "x")
    known = Endpoint(
        url, certificate_file=str(client_id.certificate), certificate_key_file=str(client_id.key)
    )
    assert client.request(known, "GET", "x").status == 200
    thread.join()
    listener.close()
    client.close()


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path, client: HttpxClient) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for name, told in (("absent.pem", "cannot be read"), ("no.pem", "cannot be used")):
        endpoint = Endpoint("https://127.0.0.1:1/", certificate_file=str(tmp_path / name))
        with pytest.raises(BadFileFormat, match=told):
            client.request(endpoint, "GET", "x")


# -- the proxy ---------------------------------------------------------------------------------------


def test_a_proxy_is_asked_with_its_password(tmp_path: Path) -> None:
    with hostile(OK) as proxy:
        client = HttpxClient(HttpxOptions(proxy=f"bob:pr0xy@127.0.0.1:{proxy.port}"))
        assert client.request(Endpoint("http://far.away.invalid/"), "GET", "x").status == 200
        client.close()
    (request,) = proxy.requests
    assert request.line == "GET http://far.away.invalid/x HTTP/1.1"
    assert request.headers["proxy-authorization"] == "Basic Ym9iOnByMHh5"


# -- errors ------------------------------------------------------------------------------------------


def all_errors(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from all_errors(derived)


@pytest.mark.parametrize(
    "kind",
    [
        *all_errors(httpx.HTTPError),
        httpx.InvalidURL,
        *all_errors(httpx.StreamError),
    ],
)
def test_every_error_of_the_library_is_translated(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "why")
    with pytest.raises(OrthancError) as caught, translated("http://alice:s3cret@h/x"):
        raise error
    assert isinstance(caught.value, NetworkProtocol)
    assert str(caught.value).endswith(", while accessing http://h/x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a:b@h/x", "http://h/x"),
        ("http://h/x@y", "http://h/x@y"),
        ("a:b@h/", "h/"),
        ("http://a:b@c@h/", "http://h/"),
    ],
)
def test_secrets_are_cut_out_of_urls(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_origins() -> None:
    assert origin("HTTP://Host/a") == origin("http://host:80/b") == ("http", "host", 80)
    assert origin("https://host") == ("https", "host", 443)
    assert check_url("host") == "host/"
