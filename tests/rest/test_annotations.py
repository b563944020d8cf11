"""Labels, and what changes of metadata and attachments are logged."""

from __future__ import annotations

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server

UNKNOWN = "00000000-00000000-00000000-00000000-00000000"


@pytest.fixture
def study(empty_server: Server) -> str:
    return f"/studies/{empty_server.upload(dicom_file())['ParentStudy']}"


def test_labels(empty_server: Server, study: str) -> None:
    client = empty_server.client
    for label in ("b", "A-1", "b", "x" * 64):
        answer = client.put(f"{study}/labels/{label}")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "text/plain"
    assert empty_server.get(f"{study}/labels") == ["A-1", "b", "x" * 64]
    assert empty_server.get(study)["Labels"] == ["A-1", "b", "x" * 64]
    assert empty_server.get("/tools/labels") == ["A-1", "b", "x" * 64]
    present, absent = client.get(f"{study}/labels/b"), client.get(f"{study}/labels/B")
    assert (present.status_code, present.content) == (200, b"")
    assert (absent.status_code, absent.content) == (404, b"")
    for _ in range(2):
        assert client.delete(f"{study}/labels/b").status_code == 200
    assert empty_server.get(f"{study}/labels") == ["A-1", "x" * 64]
    assert client.delete(study).status_code == 200
    assert empty_server.get("/tools/labels") == []


@pytest.mark.parametrize("label", ["a b", "é", "a.b", "a:b", "x" * 65, "a%0A"])
def test_labels_that_are_refused(empty_server: Server, study: str, label: str) -> None:
    answer = empty_server.client.put(f"{study}/labels/{label}")
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 3)
    assert empty_server.get(f"{study}/labels") == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_labels_of_nothing(server: Server, method: str) -> None:
    for path in (f"/studies/{UNKNOWN}/labels/a",) + (
        (f"/studies/{UNKNOWN}/labels",) if method == "GET" else ()
    ):
        answer = server.client.request(method, path)
        assert (answer.status_code, answer.json()["OrthancStatus"]) == (404, 17)


def test_changes_by_the_user_are_logged(empty_server: Server, study: str) -> None:
    client, last = empty_server.client, empty_server.get("/changes?last")["Last"]
    for kind in ("metadata", "attachments"):
        client.put(f"{study}/{kind}/1024", content="one").raise_for_status()
        client.post(f"{study}/attachments/1024/compress") if kind == "attachments" else None
        client.delete(f"{study}/{kind}/1024").raise_for_status()
    client.put(f"{study}/labels/quiet").raise_for_status()
    changes = empty_server.get(f"/changes?since={last}&limit=100&type=UpdatedMetadata;UpdatedAttachment")[
        "Changes"
    ]
    assert [change["ChangeType"] for change in changes] == ["UpdatedMetadata"] * 2 + ["UpdatedAttachment"] * 2
    assert {change["Path"] for change in changes} == {study}


def test_a_compressed_attachment_is_the_same_data(empty_server: Server, study: str) -> None:
    instance = f"/instances/{empty_server.get('/instances')[0]}/attachments/dicom"
    client = empty_server.client
    data, total = client.get(f"{instance}/data"), empty_server.get("/statistics")
    before = empty_server.get(f"{instance}/info")
    assert client.post(f"{instance}/compress").content == b"{}"
    after = empty_server.get(f"{instance}/info")
    assert after["Uuid"] != before["Uuid"]
    assert (after["UncompressedSize"], after["UncompressedMD5"]) == (
        len(data.content),
        before["UncompressedMD5"],
    )
    stored = client.get(f"{instance}/compressed-data")
    assert int.from_bytes(stored.content[:8], "little") == len(data.content)
    assert len(stored.content) == after["CompressedSize"] < before["CompressedSize"]
    again = client.get(f"{instance}/data")
    assert again.content == data.content
    assert (data.headers["etag"][:3], again.headers["etag"][:3]) == ('"0-', '"1-')
    now = empty_server.get("/statistics")
    assert now["TotalUncompressedSize"] == total["TotalUncompressedSize"]
    assert int(now["TotalDiskSize"]) == after["CompressedSize"]
    part = client.get(f"{instance}/data", headers={"Range": "bytes=128-131"})
    assert (part.content, part.headers["content-range"]) == (b"DICM", f"bytes 128-131/{len(data.content)}")
    assert client.post(f"{instance}/verify-md5").content == b"{}"
    assert client.post(f"{instance}/uncompress").content == b"{}"
    assert client.get(f"{instance}/compressed-data").content == data.content
