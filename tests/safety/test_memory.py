"""Files larger than the memory that the server takes for them, in and out, over REST and C-STORE."""

from __future__ import annotations

import gzip
import hashlib
import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import _config
from pynetdicom.sop_class import CTImageStorage

from tests.support.records import dicom_file
from tests.support.scu import Client
from tests.support.server import Server, orthanclite_command, running

GIGABYTE = 1 << 30
PIECE = 1 << 20
BOUND = 150 << 20
"""Bytes that the peak of the resident memory may grow by."""


def pieces(size: int, uid: str) -> Iterator[bytes]:
    """A DICOM file with ``size`` bytes of pixel data, which is a multiple of ``PIECE``."""
    head = dicom_file(instance=uid, pixels=bytes(2), side=1)
    assert head[-6:-2] == (2).to_bytes(4, "little")
    yield head[:-6] + size.to_bytes(4, "little")
    piece = bytes(range(256)) * (PIECE // 256)
    for _ in range(size // PIECE):
        yield piece


def digest_of(size: int, uid: str) -> tuple[int, str]:
    """The number of bytes and the MD5 of such a file."""
    digest, total = hashlib.md5(usedforsecurity=False), 0
    for piece in pieces(size, uid):
        digest.update(piece)
        total += len(piece)
    return total, digest.hexdigest()


class Peak:
    """How far the resident memory of a process rises above what it is now."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self._folder = Path(f"/proc/{server.process.pid}")
        (self._folder / "clear_refs").write_text("5")  # the peak is now
        self._before = self._read("VmRSS")

    def __call__(self) -> int:
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(name)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "compressed"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("memory")
    with running(
        orthanclite_command(folder, {"StorageCompression": request.param, "StableAge": 600})
    ) as started:
        started.upload(dicom_file(instance="1.2.1"))  # what every server needs once
        yield started


def download(server: Server, path: str) -> tuple[int, str]:
    """The number of bytes and the MD5 of what a GET answers."""
    digest, total = hashlib.md5(usedforsecurity=False), 0
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        while piece := answer.read(PIECE):
            digest.update(piece)
            total += len(piece)
    return total, digest.hexdigest()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_gigabyte_over_rest(server: Server, chunked: bool) -> None:
    size = GIGABYTE if not chunked else GIGABYTE // 4
    uid = f"1.2.3.{int(chunked)}"
    expected = digest_of(size, uid)
    peak = Peak(server)
    headers = {} if chunked else {"Content-Length": str(expected[0])}
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)) as connection:
        connection.request("POST", "/instances", pieces(size, uid), headers, encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
    assert peak() < BOUND
    [id] = [one for one in server.get("/instances") if one.encode() in content]
    assert download(server, f"/instances/{id}/attachments/dicom/data") == expected
    assert server.client.get(f"/instances/{id}/tags?simplify").json()["Rows"] == "1"
    assert server.client.get(f"/instances/{id}/statistics").json()["DicomUncompressedSize"] == str(
        expected[0]
    )
    assert peak() < BOUND
    server.client.delete(f"/instances/{id}").raise_for_status()


@pytest.mark.timeout(60)
def test_half_a_gigabyte_over_dicom(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.writelines(pieces(GIGABYTE // 2, "1.2.3.9"))
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    peak = Peak(server)
    application = Client()
    application.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = application.associate("127.0.0.1", server.dicom_port)
    assert association.is_established
    assert association.send_c_store(path).Status == 0
    association.release()
    assert peak() < BOUND
    assert server.get("/statistics")["CountInstances"] == 2


@pytest.mark.parametrize(
    "path", ["/tools/find", "/tools/lookup", "/studies/x/modify", "/tools/execute-script"]
)
@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzipped"])
def test_a_body_that_no_json_needs(server: Server, path: str, gzipped: bool) -> None:
    body = b'{"Level":"Study","Query":{"PatientID":"' + b"x" * (200 << 20) + b'"}}'
    headers = {"Content-Encoding": "gzip"} if gzipped else {}
    peak = Peak(server)
    answer = server.client.post(path, content=gzip.compress(body, 1) if gzipped else body, headers=headers)
    assert answer.status_code in (403, 413)
    assert peak() < BOUND // 2


def test_a_body_of_json_up_to_its_bound(server: Server) -> None:
    largest = 16 << 20
    body = b'{"Level":"Study","Query":{"PatientID":"' + b"x" * 1000 + b'"}}'
    for size, status in ((largest, 200), (largest + 1, 413)):
        answer = server.client.post("/tools/find", content=body.ljust(size))
        assert answer.status_code == status
    assert "larger than 16 MB" in answer.json()["Details"]
    answer = server.client.post("/tools/create-dicom", content=b'{"Tags":{}}'.ljust(largest + 1))
    assert answer.status_code == 200
    server.client.delete(f"/instances/{answer.json()['ID']}").raise_for_status()
