"""Archives of a running server: much data in little memory, clients that hang up, instances that go."""

from __future__ import annotations

import http.client
import io
import os
import time
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server

SIDE, COUNT = 2048, 32  # 8 MB each
BOUND = 160 << 20
"""Bytes that memory may grow by: what is deflated ahead, and what waits in buffers."""


def _memory(server: Server, name: str) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{name}:"))


ABORTED = 8
"""Downloads: one descriptor that is left by each is found, a few that come for other reasons are not."""


@pytest.fixture(scope="module")
def study(server: Server) -> str:
    """A study of 256 MB of noise, which does not get smaller."""
    for number in range(COUNT):
        pixels = os.urandom(SIDE * SIDE * 2)
        answer = server.upload(
            dicom_file(
                "big", "2.1", "2.1.1", f"2.1.1.{number}", InstanceNumber=number, side=SIDE, pixels=pixels
            )
        )
    return f"/studies/{answer['ParentStudy']}"


@pytest.mark.parametrize("kind", ["archive", "media"])
def test_memory_does_not_grow_with_the_archive(server: Server, study: str, kind: str, tmp_path: Path) -> None:
    assert server.process is not None
    server.client.get("/system")
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # the peak is now
    before = _memory(server, "VmRSS")
    path = tmp_path / "archive.zip"
    with server.client.stream("GET", f"{study}/{kind}") as answer, path.open("wb") as file:
        for piece in answer.iter_raw():
            file.write(piece)
    assert path.stat().st_size > COUNT * SIDE * SIDE * 2
    assert _memory(server, "VmHWM") - before < BOUND
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


def test_a_client_that_hangs_up_leaves_nothing_behind(server: Server, study: str) -> None:
    server.client.get("/system")
    before = server.descriptors()
    for _ in range(ABORTED):
        with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)) as connection:
            connection.request("GET", f"{study}/archive")
            assert connection.getresponse().read(1 << 20)
    deadline = time.monotonic() + 60
    while server.descriptors() >= before + ABORTED and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.descriptors() < before + ABORTED  # connections to PostgreSQL are made as they are needed
    # Nor are the threads that deflate held by those archives.
    assert zipfile.ZipFile(io.BytesIO(server.client.get(f"{study}/archive").content)).testzip() is None


def test_an_instance_that_is_deleted_meanwhile_is_left_out(server: Server, study: str) -> None:
    """The last one, while the first ones are being sent."""
    instances = server.get(f"{study}/instances")
    last = max(instances, key=lambda one: int(one["MainDicomTags"]["InstanceNumber"]))
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)) as connection:
        connection.request("GET", f"{study}/archive")
        answer = connection.getresponse()
        content = answer.read(1 << 20)
        server.client.delete(f"/instances/{last['ID']}").raise_for_status()
        content += answer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(instances) - 1
