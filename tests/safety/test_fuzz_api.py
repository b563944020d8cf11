"""Every operation of the OpenAPI document, called with what schemathesis and hypothesis come up with.

The environment variable ``FUZZ_EXAMPLES`` asks for more examples of each operation than the few of a usual
run, ``FUZZ_SEED`` for others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from schemathesis.core.result import Ok

from tests.safety.judge import PATIENCE, Checkup, judge
from tests.support.records import dicom_file
from tests.support.server import Server

SERVER_CONFIG = {"StableAge": 1, "MaximumRequestBodySizeMB": 16}

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

FILES = [
    dicom_file(),
    dicom_file("q", "1.3", "1.3.4", "1.3.4.5", pixels=bytes(range(32)), side=4),
    *(Path(str(get_testdata_file(name))).read_bytes() for name in ("JPEG2000.dcm", "liver_1frame.dcm")),
]
LEVELS = ("patients", "studies", "series", "instances")

TRICKY = [
    "",
    ".",
    "..",
    "../..",
    "..\\..",
    "/",
    "//",
    "\0",
    "a\0b",
    "%2e%2e",
    "%00",
    "\ud7ff\uffff",
    "é\u202e\u0000",
    "🩻" * 30,
    "a" * 3000,
    "-1",
    "0",
    "1",
    "9" * 30,
    "9" * 5000,
    "1e9",
    "NaN",
    "' OR 1=1 --",
    "*",
    "?",
    "%",
    "_",
    "true",
    "[]",
    "{}",
    "0010,0010",
    "0010-0010",
    "PatientName",
    "0008-1140/0/0008-1150",
    "0008-1140/99999999999/0008-1150",
    "dicom",
    "1024",
    "TransferSyntax",
    "RemoteAET",
    "65536",
    "1.2.840.10008.1.2.1",
]
HEADERS = [
    ("If-Match", '"0-' + "a" * 32 + '"'),
    ("If-Match", "*"),
    ("If-Match", '"'),
    ("If-Match", "9" * 5000),
    ("If-None-Match", '"1-x"'),
    ("Range", "bytes=0-0"),
    ("Range", "bytes=-1"),
    ("Range", "bytes=5-2"),
    ("Range", "bytes=99999999999999999999-"),
    ("Range", "bytes=" + "9" * 5000 + "-"),
    ("Range", "bytes=0-1,2-3"),
    ("Range", "pages=1-2"),
    ("Accept", "application/dicom+json"),
    ("Accept", "image/*;q=2, */*;q=x, ;;;,"),
    ("Accept", "," * 3000),
    ("Accept-Encoding", "gzip, deflate, br, x" * 50),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "zstd"),
    ("Content-Type", "multipart/form-data"),
    ("Content-Type", "multipart/form-data; boundary=" + "x" * 300),
    ("Content-Type", "multipart/form-data; boundary=é".encode().decode("latin-1")),
    ("Content-Type", "application/json; charset=utf-7"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-HTTP-Method-Override", "nonsense"),
    ("X-File-Name", "a"),
    ("X-File-Size", "9" * 5000),
    ("X-Requested-With", "XMLHttpRequest"),
    ("Expect", "100-continue"),
    ("Authorization", "Basic " + "=" * 50),
    ("Authorization", "Basic OnA="),
    ("Content-MD5", "x"),
]
BODIES = [
    b"",
    b"null",
    b"0",
    b"-1",
    b"1e400",
    b"NaN",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud800"',
    b'{"a":1,"a":2}',
    b"[" * 50_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"9" * 5000,
    b"\0",
    b"\xff\xfe",
    "é".encode("utf-16"),
    b"1" * 100_000,
    b"true",
    FILES[0],
    FILES[0][:200],
]


def is_excluded(method: str, path: str) -> bool:
    """Operations that end the server, have no end, or make it call hosts of the generator's choice."""
    calls_out = (
        path.startswith(("/modalities/{id}/", "/peers/{id}/", "/tools/dicom-echo")) and method != "get"
    )
    endless = path == "/jobs/events"
    return path in ("/tools/shutdown", "/tools/reset") or calls_out or endless


@schemathesis.serializer("application/dicom", "application/zip", "application/octet-stream", "text/plain")
def as_bytes(context: Any, value: Any) -> bytes:
    """A generated value as the body of a media type that schemathesis does not know."""
    return value if isinstance(value, bytes) else dumps(value)


class Site:
    """The server under test, and what is stored in it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = httpx.Client(base_url=server.url, timeout=PATIENCE)
        self.document = server.get("/openapi.json")
        self.known: dict[str, list[str]] = {}
        self.fill()
        self.known = {level: server.get(f"/{level}") for level in LEVELS}

    def fill(self) -> None:
        """Store again what a former example has deleted."""
        for data in FILES:
            self.server.upload(data)

    def identifiers(self, path: str) -> list[str]:
        """Identifiers that exist below the first segment of ``path``."""
        return self.known.get(path.split("/")[1], []) or TRICKY


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[Site]:
    made = Site(server)
    yield made
    made.client.close()


class Fuzzer:
    """Runs tests on a bounded number of examples, the same ones in each run, and collects what fails."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.tests = 0

    def run(self, test: Callable[..., None], **strategies: st.SearchStrategy[Any]) -> None:
        bounded = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate],
        )
        self.tests += 1
        try:
            seed(SEED)(bounded(given(**strategies)(test)))()
        except (AssertionError, httpx.HTTPError) as failure:
            self.failures.append(f"{type(failure).__name__}: {failure}"[:800])

    def report(self, at_least: int) -> None:
        assert not self.failures, "\n".join(self.failures)
        assert self.tests >= at_least


def test_cases_from_the_document(site: Site) -> None:
    """Parameters and bodies as the document describes them."""
    schema = schemathesis.openapi.from_dict(site.document)
    fuzzer, checkup = Fuzzer(), Checkup(site.server)

    def call(case: Any, data: st.DataObject) -> None:
        if "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = data.draw(st.sampled_from(site.identifiers(case.path)))
        response = case.call(base_url=site.server.url, timeout=PATIENCE)
        judge(response.status_code, response.content, case.as_curl_command())

    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if is_excluded(operation.method, operation.path):
            continue
        site.fill()
        fuzzer.run(call, case=operation.as_strategy(), data=st.data())
    fuzzer.report(at_least=150)
    checkup()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TRICKY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def bodies(operation: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Bodies that an operation does not expect: other members, other types, other formats."""
    content = operation.get("requestBody", {}).get("content", {})
    members = content.get("application/json", {}).get("schema", {}).get("properties", {})
    choices: list[st.SearchStrategy[Any]] = [st.sampled_from(BODIES), JSON, st.binary(max_size=200)]
    if members:
        choices += [st.fixed_dictionaries({}, optional=dict.fromkeys(members, JSON))] * 3
    return st.one_of(choices)


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_hostile_cases(site: Site, method: str) -> None:
    """Parameters, headers and bodies as nobody describes them."""
    fuzzer, checkup = Fuzzer(), Checkup(site.server)
    for path, operations in site.document["paths"].items():
        if method in operations and not is_excluded(method, path):
            site.fill()
            fuzzer.run(hostile_call(site, method, path, operations[method]), data=st.data())
    fuzzer.report(at_least=10)
    checkup()


def hostile_call(
    site: Site, method: str, path: str, operation: dict[str, Any]
) -> Callable[[st.DataObject], None]:
    """One call of an operation, with what hypothesis draws."""
    parameters = operation.get("parameters", [])
    variables = [one["name"] for one in parameters if one["in"] == "path"]
    arguments = [one["name"] for one in parameters if one["in"] == "query"]
    values = st.sampled_from(TRICKY) | st.text(max_size=5)
    queries = st.dictionaries(st.sampled_from([*arguments, "expand", "_method", "x"]), values, max_size=3)
    headers = st.lists(st.sampled_from(HEADERS), max_size=2)
    contents = bodies(operation) if method in ("post", "put") else st.just(b"")

    def call(data: st.DataObject) -> None:
        url = path
        for name in variables:
            choices = site.identifiers(path) if name == "id" and data.draw(st.integers(0, 4)) else TRICKY
            url = url.replace(f"{{{name}}}", quote(data.draw(st.sampled_from(choices)), safe="/"))
        query, extra, body = data.draw(queries), data.draw(headers), data.draw(contents)
        content = body if isinstance(body, bytes) else dumps(body)
        encoded = [(name, value.encode("latin-1")) for name, value in extra]
        request = site.client.build_request(method, url, params=query, headers=encoded, content=content)
        response = site.client.send(request)
        judge(response.status_code, response.content, (method, url, query, extra, content[:300]))

    return call


def dumps(value: Any) -> bytes:
    """JSON with all that it should not contain: NaN, infinities, lone surrogates."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
