"""What one request may make the server do: the limits, what goes beyond them, and who waits meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.datadict import DicomDictionary

from orthanclite.core.errors import BadRequest
from orthanclite.dicom.attributes import Attribute
from orthanclite.services.search.dataset_matching import IdentifierQuery
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"UserMetadata": {"Note": 1024}}
PATIENCE = 1.0
"""Seconds that another client may wait, where the machine does nothing else: they are seconds of work."""


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    for number in range(20):
        server.upload(dicom_file(f"p{number}", f"1.{number}", f"1.{number}.1", f"1.{number}.1.1"))
    return server


@contextmanager
def nobody_waits(server: Server) -> Iterator[None]:
    """Another client asks all the time, and is answered soon each time."""
    slowest = 0.0
    done = threading.Event()

    def ask() -> None:
        nonlocal slowest
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
            while not done.is_set():
                before = server.work()
                client.get("/system").raise_for_status()
                slowest = max(slowest, server.work() - before)
                done.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert slowest < PATIENCE


def query(**fields: Any) -> dict[str, Any]:
    return {"Level": "Study", "Query": {}, **fields}


def many(count: int, text: str = "x{}") -> list[str]:
    return [text.format(number) for number in range(count)]


_TEXT_VRS = {"LO", "SH", "LT", "ST", "CS"}
TEXTS = [f"{tag:08x}" for tag, (vr, *_) in DicomDictionary.items() if vr in _TEXT_VRS and tag >> 16 == 0x18]
"""Attributes of acquisitions, which are not in the index."""

TOO_MUCH = {
    "pattern": query(Query={"PatientName": "*a" * 500_000}),
    "pattern of single characters": query(Query={"PatientComments": "?" * 1_000_000}),
    "pattern of another attribute": query(Query={"PatientComments": "a*" * 50_000}),
    "list": query(Query={"StudyInstanceUID": "\\".join(many(200_000, "1.{}"))}),
    "value": query(Query={"PatientName": "é" * 5_000_000}),
    "value of metadata": query(MetadataQuery={"Note": "é" * 5_000_000}),
    "modalities": query(Query={"ModalitiesInStudy": "\\".join(many(100_000))}),
    "SOP classes": query(Query={"SOPClassesInStudy": "\\".join(many(2000, "1.{}"))}),
    "attributes": query(Query=dict.fromkeys(TEXTS[:201], "a*")),
    "metadata": query(MetadataQuery={str(number): "*a*" for number in range(1024, 3024)}),
    "pattern of metadata": query(MetadataQuery={"Note": "*?" * 5000}),
    "labels": query(Labels=many(2000), LabelsConstraint="All"),
    "any of the labels": query(Labels=many(100_000), LabelsConstraint="Any"),
    "none of the labels": query(Labels=many(2000), LabelsConstraint="None"),
    "order": query(OrderBy=[{"Type": "DicomTag", "Key": "PatientName", "Direction": "ASC"}] * 2000),
    "requested tags": query(
        Expand=True, RequestedTags=[f"{9 + 2 * (i % 2000):04x},{0x1000 + i // 2000:04x}" for i in range(5000)]
    ),
}

NOT_COUNTED = {"requested tags", "attributes"}
"""What a count knows nothing of, or refuses for another reason."""


@pytest.mark.parametrize(
    ("path", "name"),
    [("/tools/find", name) for name in TOO_MUCH]
    + [("/tools/count-resources", name) for name in TOO_MUCH if name not in NOT_COUNTED],
)
def test_a_search_that_is_too_large_is_refused(filled: Server, path: str, name: str) -> None:
    with nobody_waits(filled):
        answer = filled.client.post(path, json=TOO_MUCH[name])
    assert answer.status_code == 400
    assert "t most" in answer.json()["Details"]


LARGEST = {
    "pattern": query(Query={"PatientName": "*a" * 511 + "*b"}),
    "pattern of another attribute": query(Query={"PatientComments": "?" * 1023 + "*"}),
    "list": query(Query={"StudyInstanceUID": "\\".join(many(10_000, "1.{}"))}),
    "list of another attribute": query(Query={"PatientComments": "\\".join(many(10_000))}),
    "long value": query(Query={"PatientName": "a" * 1_000_000}),
    "modalities": query(Query={"ModalitiesInStudy": "\\".join(many(200))}),
    "SOP classes": query(Query={"SOPClassesInStudy": "\\".join(many(200, "1.{}"))}),
    "count": query(Query={"NumberOfStudyRelatedSeries": "\\".join(["9" * 5000, "9" * 25, "1" * 19, "7"])}),
    "attributes": query(Query=dict.fromkeys(TEXTS[:200], "a*")),
    "main attributes": query(
        Query=dict.fromkeys(("PatientName", "PatientID", "StudyDescription", "AccessionNumber"), "a*b")
    ),
    "metadata": query(MetadataQuery={str(number): "*a*" for number in range(1024, 1224)}),
    "labels": query(Labels=many(100), LabelsConstraint="All"),
    "any of the labels": query(Labels=many(100), LabelsConstraint="Any"),
    "order": query(
        OrderBy=[{"Type": "Metadata", "Key": str(1024 + i), "Direction": "ASC"} for i in range(20)]
    ),
    "requested tags": query(Expand=True, RequestedTags=[f"{9 + 2 * i:04x},1010" for i in range(1000)]),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_search_is_answered_soon(filled: Server, name: str) -> None:
    before = filled.work()
    with nobody_waits(filled):
        answer = filled.client.post("/tools/find", json=LARGEST[name])
    assert answer.status_code == 200, answer.text
    found = 20 if name in ("list", "order", "requested tags") else 0
    assert len(answer.json()) == found
    assert filled.work() - before < 5


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("/tools/bulk-content", {}),
        ("/tools/bulk-content", {"Level": "Study"}),
        ("/tools/bulk-delete", {}),
        ("/tools/create-archive", {}),
        ("/tools/create-media", {}),
    ],
)
def test_more_resources_than_one_request_may_name(filled: Server, path: str, others: dict[str, str]) -> None:
    answer = filled.client.post(path, json={"Resources": many(100_001), **others})
    assert answer.status_code == 400
    assert filled.get("/statistics")["CountStudies"] == 20


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[],[]," * 600_000 + b"[]]",
        b'{"Resources": [' + b'"a",' * 1_200_000 + b'"a"]}',
        b"{}," * 600_000,
    ],
    ids=["lists", "texts", "objects"],
)
@pytest.mark.parametrize(
    "path", ["/tools/find", "/tools/bulk-delete", "/tools/create-dicom", "/modalities/x"]
)
def test_json_of_too_many_values_is_not_parsed(filled: Server, path: str, body: bytes) -> None:
    method = "PUT" if path.startswith("/modalities") else "POST"
    assert filled.client.request(method, path, content=body).status_code == 413


def test_patterns_of_transfer_syntaxes_cannot_stop_the_server(filled: Server) -> None:
    path = "/tools/accepted-transfer-syntaxes"
    accepted = filled.get(path)
    try:
        for patterns in (["*" * 65 + "a"], ["*1" * 500 + "a"], ["*" * 65 + "a"] * 1000):
            with nobody_waits(filled):
                answer = filled.client.put(path, json=patterns)
            assert (answer.status_code, answer.json()) == (200, [])
    finally:
        assert filled.client.put(path, json=accepted).json() == accepted
    for too_much in (["*"] * 1001, ["*" * 1025]):
        assert filled.client.put(path, json=too_much).status_code == 400
    assert filled.get(path) == accepted


@pytest.mark.parametrize("name", ["window-center", "window-width"])
def test_numbers_of_any_length_are_read_at_once(filled: Server, name: str) -> None:
    """An expression that tries every way to part a run of digits takes a minute for 60,000 of them."""
    id = filled.get("/instances")[0]
    for value in ("1" * 30_000 + "x", "1" * 30_000, "." * 30_000, "1e" + "9" * 30_000):
        with nobody_waits(filled):
            answer = filled.client.get(f"/instances/{id}/rendered?{name}={value}")
        assert answer.status_code == 404
    assert filled.client.get(f"/instances/{id}/rendered?{name}=1.5e2").status_code == 415


def test_many_labels_are_all_wanted(filled: Server) -> None:
    """Beyond some, labels are counted instead of being looked up one by one."""
    first, second = filled.get("/studies")[:2]
    names = many(12, "label-{}")
    for study, own in ((first, names), (second, names[:-1])):
        for name in own:
            filled.client.put(f"/studies/{study}/labels/{name}").raise_for_status()
    for wanted, found in ((names, {first}), (names[:-1], {first, second}), ([*names, "other"], set())):
        body = query(Labels=[*wanted, wanted[0]], LabelsConstraint="All")
        assert set(filled.client.post("/tools/find", json=body).json()) == found


def test_queries_over_dicom_have_the_same_limits() -> None:
    too_long = {0x00100010: Attribute("PN", "*a" * 600)}
    too_many = {0x00180000 + number: Attribute("LO") for number in range(1, 1002)}
    nested = {0x00400100: Attribute("SQ", items=(too_long,))}
    for identifier in (too_long, too_many, nested):
        with pytest.raises(BadRequest, match=r"[Aa]t most"):
            IdentifierQuery(identifier)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tools/find", b'{"Level": "Study", "Query": {"%s": ""}}'),
        ("POST", "/tools/find", b'{"Level": "%s", "Query": {}}'),
        ("PUT", "/tools/log-level", b"%s"),
        ("PUT", "/tools/default-encoding", b"%s"),
        ("POST", "/tools/create-dicom", b'{"Tags": {"%s": ""}}'),
    ],
)
def test_errors_quote_little_of_what_was_sent(filled: Server, method: str, path: str, body: bytes) -> None:
    """Neither the answer nor the log grows with what a stranger sends."""
    answer = filled.client.request(method, path, content=body % (b"x" * 5_000_000))
    assert answer.status_code >= 400
    assert len(answer.content) < 3000
    assert (filled.folder / "log").stat().st_size < 2_000_000


def test_an_identifier_that_is_none(filled: Server) -> None:
    before = filled.work()
    with nobody_waits(filled):
        answer = filled.client.post("/tools/lookup", content="é" * 5_000_000)
    assert (answer.status_code, answer.json()) == (200, [])
    assert filled.work() - before < 2


def test_slow_images_leave_threads_to_others(tmp_path: Path) -> None:
    """However many requests wait for images: their threads are not those of the others."""
    with running(orthanclite(tmp_path, {"HttpThreadsCount": 4, "StableAge": 60})) as server:
        noise = os.urandom(2 * 1024 * 1024)
        path = server.upload(dicom_file("p", "1.1", "1.1.1", "1.1.1.1", side=1024, pixels=noise))["Path"]
        transcode = f"{path}/file?transcode=1.2.840.10008.1.2.4.90"
        with ThreadPoolExecutor(16) as pool, httpx.Client(base_url=server.url, timeout=120) as client:
            waiting = [pool.submit(client.get, transcode) for _ in range(16)]
            most = 0
            while not all(one.done() for one in waiting):
                before = sum(one.done() for one in waiting)
                assert server.client.get("/studies?expand").status_code == 200
                most = max(most, sum(one.done() for one in waiting) - before)
                time.sleep(0.05)
            assert {one.result().status_code for one in waiting} == {200}
        assert most < 8, "the studies have waited for images"
