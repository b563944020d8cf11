"""The protocol around the routes: verbs, spellings of paths, wrong and compressed bodies, conditions."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
from typing import Any

import pytest

from tests.parity.compare import report
from tests.parity.conftest import Pair
from tests.parity.corpus import Sample
from tests.support.server import Server

# Without the option, the reference's way to override the method of a GET is ignored (docs/differences.md).
SERVER_CONFIG = {"StableAge": 3600, "CheckRevisions": True, "HttpGetMethodOverride": True}


@pytest.fixture
def instance(empty_pair: Pair, samples: dict[str, Sample]) -> str:
    """The path of an instance on both servers."""
    empty_pair.upload(samples["made/image-grey16"])
    return str(empty_pair.uploads["made/image-grey16"][0].json()["Path"])


def compare(pair: Pair, requests: list[tuple[str, str, dict[str, Any]]]) -> None:
    found = [
        difference for method, path, more in requests for difference in pair.differences(method, path, **more)
    ]
    assert not found, report(found)


def exchange(server: Server, request: str) -> tuple[bytes, bytes]:
    """The status line and the body of an answer to a request that no client library would send."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=60) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while True:
            head, end, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                return head.split(b"\r\n")[0], body
            more = connection.recv(65536)
            if not more:
                return head.split(b"\r\n")[0], body
            answer += more


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH"])
def test_verbs_that_are_not_served(empty_pair: Pair, instance: str, method: str) -> None:
    paths = ("/statistics", "/instances", instance, f"{instance}/tags", "/nothing", "/")
    compare(empty_pair, [(method, path, {}) for path in paths])


def test_spellings_of_a_path(empty_pair: Pair, instance: str) -> None:
    spellings = [
        "/statistics/",
        "//statistics",
        "/statistics//",
        "/%73tatistics",
        "/statistics?",
        "/STATISTICS",
    ]
    spellings += [f"{instance}/tags/", f"{instance}//tags", f"{instance}%2ftags", f"{instance}/metadata/%32"]
    spellings += [
        "/%ff",
        "/instances?expand=%74rue",
        "/instances?limit=1&limit=0&since=0",
    ]
    spellings += ["/tools/generate-uid?LEVEL=study", "/tools/generate-uid?level=Study&level="]
    for spelling in spellings:
        lines = f"GET {spelling} HTTP/1.1\nHost: localhost\nConnection: close\n\n"
        (ours, _), (theirs, _) = (exchange(one, lines) for one in (empty_pair.ours, empty_pair.reference))
        if not spelling.startswith(("//", "/tools")):  # a host for httpx; another value each time
            compare(empty_pair, [("GET", spelling, {})])
        assert ours == theirs, spelling


def test_versions_and_headers(empty_pair: Pair) -> None:
    requests = {
        "HTTP/1.0": "GET /statistics HTTP/1.0\n\n",
        "long header": f"GET /statistics HTTP/1.1\nHost: localhost\nX-Long: {'a' * 12000}\n\n",
        "long query": f"GET /statistics?x={'a' * 9000} HTTP/1.1\nHost: localhost\n\n",
        "many headers": "GET /statistics HTTP/1.1\nHost: localhost\n" + "X-More: a\n" * 60 + "\n",
        "chunks": "POST /tools/lookup HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
        "no length": "POST /tools/lookup HTTP/1.1\nHost: localhost\n\n",
    }
    for name, request in requests.items():
        ours, theirs = (exchange(one, request) for one in (empty_pair.ours, empty_pair.reference))
        assert ours == theirs, name


def test_a_host_is_required(empty_pair: Pair) -> None:
    """RFC 9112 section 3.2; the reference answers (docs/differences.md)."""
    request = "GET /statistics HTTP/1.1\n\n"
    (ours, _), (theirs, _) = (exchange(one, request) for one in (empty_pair.ours, empty_pair.reference))
    assert (ours, theirs) == (b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 200 OK")


BODIES: dict[str, list[str]] = {
    "/tools/find": [
        "",
        "{",
        "[]",
        "1",
        '{"Level":1}',
        '{"Level":"Study"}',
        '{"Level":"Study","Query":{"PatientID":1}}',
    ],
    "/tools/bulk-delete": ["", "[]", '{"Resources":1}', '{"Resources":[1]}'],
    "/tools/create-archive": ["", "{}", '["nope"]', '{"Resources":"x"}'],
    "/tools/create-dicom": ["", "1"],
    "/tools/execute-script": ["print(1)"],
    "/tools/invalidate-tags": ["", "x"],
    "/tools/reconstruct": [""],
    "/tools/nothing": ["", "x"],
    "/instances": ["", "x", "PK", "PK\3\4"],
}


@pytest.mark.parametrize("path", BODIES)
def test_wrong_bodies(empty_pair: Pair, instance: str, path: str) -> None:
    compare(empty_pair, [("POST", path, {"content": body}) for body in BODIES[path]])


def test_wrong_settings(empty_pair: Pair) -> None:
    paths = ("log-level", "log-level-http", "default-encoding", "metrics", "unknown-sop-class-accepted")
    bodies = ("", "nonsense", " default", "TRACE", "2")
    compare(empty_pair, [("PUT", f"/tools/{path}", {"content": body}) for path in paths for body in bodies])


def test_overridden_methods(empty_pair: Pair, instance: str) -> None:
    path, override = f"{instance}/metadata/2000", "X-HTTP-Method-Override"
    compare(
        empty_pair,
        [
            ("POST", path, {"headers": {override: "put"}, "content": "x"}),
            ("GET", f"{path}?_method=PuT", {"headers": {"If-Match": etag("x")}}),
            ("GET", f"{path}?_method=foo", {}),
            ("GET", path, {"headers": {override: "PATCH"}}),
            ("POST", path, {"headers": {override: "DELETE"}}),
        ],
    )


def etag(value: str) -> str:
    return f'"0-{hashlib.md5(value.encode()).hexdigest()}"'


@pytest.mark.parametrize("kind", ["metadata", "attachments"])
def test_conditions_of_revision_zero(empty_pair: Pair, instance: str, kind: str) -> None:
    path = f"{instance}/{kind}/2001"
    read = path + "/data" * (kind == "attachments")
    tagged = {"If-None-Match": etag("a")}
    compare(
        empty_pair,
        [
            ("DELETE", path, {}),
            ("PUT", path, {"content": "a"}),
            ("GET", read, {}),
            ("GET", read, {"headers": tagged}),
            ("GET", read, {"headers": {"If-None-Match": tagged["If-None-Match"].strip('"')}}),
            ("GET", read, {"headers": {"If-None-Match": '"0-0"'}}),
            ("GET", read, {"headers": {"If-None-Match": "nonsense"}}),
            ("PUT", path, {"content": "b"}),
            ("PUT", path, {"content": "b", "headers": {"If-Match": '"9-0"'}}),
            ("PUT", path, {"content": "b", "headers": {"If-Match": "nonsense"}}),
            ("DELETE", path, {}),
            ("DELETE", path, {"headers": {"If-Match": '"0-0"'}}),
            ("DELETE", path, {"headers": {"If-Match": etag("a")}}),
            ("DELETE", path, {"headers": {"If-Match": etag("a")}}),
            ("GET", read, {}),
        ],
    )


def test_bodies_compressed_by_gzip(empty_pair: Pair, samples: dict[str, Sample]) -> None:
    content = gzip.compress(samples["made/image-grey16"].data)
    headers = {"Content-Encoding": "gzip"}
    compare(
        empty_pair,
        [
            ("POST", "/instances", {"content": content, "headers": headers}),
            ("POST", "/instances", {"content": content[:-20], "headers": headers}),
            ("POST", "/instances", {"content": b"nonsense", "headers": headers}),
            ("GET", "/statistics", {}),
        ],
    )
