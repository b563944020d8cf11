"""``POST /instances`` with bodies that were compressed on their way."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

GZIP = {"Content-Encoding": "gzip"}
PRIVATE = dicom_file() + struct.pack("<HH2sH", 0x41, 0x1000, b"LO", 0) * 400_000
ENDLESS = {"small": PRIVATE, "large": PRIVATE * 3, "zeros": bytes(128) + b"DICM" + bytes(40 << 20)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("upload"))) as started:
        yield started


def send(server: Server, body: bytes, way: str) -> httpx.Response:
    if way == "whole":
        return server.client.post("/instances", content=body, headers=GZIP)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    return server.client.post("/instances", content=pieces(), headers=GZIP)


@pytest.mark.parametrize("way", ["whole", "in chunks"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_elements_that_were_sent_for_nothing_are_refused(server: Server, kind: str, way: str) -> None:
    answer = send(server, gzip.compress(ENDLESS[kind]), way)
    assert (answer.status_code, answer.json()["OrthancStatus"]) == (400, 15)
    assert "more than" in answer.json()["Details"]
    assert server.get("/statistics")["CountInstances"] == 0


@pytest.mark.parametrize("way", ["whole", "in chunks"])
@pytest.mark.parametrize("side", [0, 300, 2000])
def test_images_are_stored_however_well_they_pack(server: Server, side: int, way: str) -> None:
    file = dicom_file(instance=f"1.{side}.{len(way)}", side=side)
    answer = send(server, gzip.compress(file), way)
    assert (answer.status_code, answer.json()["Status"]) == (200, "Success")
    assert server.client.get(f"{answer.json()['Path']}/file").content == file
    server.client.delete(f"/patients/{answer.json()['ParentPatient']}").raise_for_status()


def test_an_archive_in_gzip(server: Server) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", PRIVATE)
        archive.writestr("image", dicom_file(side=500))
    answer = send(server, gzip.compress(file.getvalue()), "whole")
    assert [one["Status"] for one in answer.json()] == ["Success"]
    server.client.delete(f"/patients/{answer.json()[0]['ParentPatient']}").raise_for_status()
