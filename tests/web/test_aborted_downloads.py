"""Large answers that the client does not wait for: no temporary file, descriptor or worker is left behind."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SIDE, COUNT = 2048, 4  # 8 MB each
JPEG_LS = "1.2.840.10008.1.2.4.80"
ABORTED = 8
"""Downloads: one descriptor that is left by each is found, a few that come for other reasons are not."""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Server]:
    config = {"SynchronousZipStream": False, "TemporaryDirectory": str(temporary), "SyncStorageArea": False}
    with running(orthanclite(tmp_path_factory.mktemp("server"), config)) as started:
        yield started


@pytest.fixture(scope="module")
def instance(server: Server) -> dict[str, str]:
    """The last one of a series."""
    for number in range(COUNT):
        pixels = os.urandom(SIDE * SIDE * 2)
        data = dicom_file(
            "big", "1.1", "1.1.1", f"1.1.1.{number}", side=SIDE, pixels=pixels, InstanceNumber=number
        )
        answer: dict[str, str] = server.upload(data)
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "/series/{ParentSeries}/archive",
        "/series/{ParentSeries}/media",
        "/series/{ParentSeries}/archive?transcode=" + JPEG_LS,
        "/series/{ParentSeries}/numpy",
        "/series/{ParentSeries}/numpy?compress",
        "/instances/{ID}/file?transcode=" + JPEG_LS,
        "/instances/{ID}/file",
    ],
)
def test_nothing_is_left(server: Server, temporary: Path, instance: dict[str, str], path: str) -> None:
    uri = path.format(**instance)
    whole = server.client.get(uri)
    assert whole.status_code == 200
    assert len(whole.content) == int(whole.headers["content-length"]) > 4 << 20
    before = server.descriptors()
    for _ in range(ABORTED):
        with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)) as connection:
            connection.request("GET", uri)
            assert connection.getresponse().read(1 << 16)
    deadline = time.monotonic() + 60
    while server.descriptors() >= before + ABORTED and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.descriptors() < before + ABORTED  # connections to PostgreSQL are made as they are needed
    assert list(temporary.iterdir()) == []
    assert len(server.client.get(uri).content) == len(whole.content)
