"""``/instances/{id}/export``, where it is allowed."""

from __future__ import annotations

from pathlib import Path

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SERVER_CONFIG = {"RestApiWriteToFileSystemEnabled": True}


def test_the_file_is_written(server: Server, tmp_path: Path) -> None:
    file = dicom_file(instance="3.1")
    path = server.upload(file)["Path"] + "/export"
    target = tmp_path / "à b.dcm"
    answer = server.client.post(path, content=str(target))
    assert (answer.status_code, answer.json()) == (200, {})
    assert target.read_bytes() == file


def test_what_cannot_be_written_is_an_error(server: Server, tmp_path: Path) -> None:
    path = server.upload(dicom_file(instance="3.1"))["Path"] + "/export"
    for target in (str(tmp_path / "nowhere" / "x"), str(tmp_path), "", "a\0b"):
        answer = server.client.post(path, content=target)
        assert answer.status_code == 500, target
    unknown = server.client.post("/instances/nope/export", content=str(tmp_path / "x"))
    assert unknown.status_code == 404
    assert not (tmp_path / "x").exists()


def test_it_is_forbidden_by_default(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path / "server")) as server:
        path = server.upload(dicom_file())["Path"] + "/export"
        answer = server.client.post(path, content=str(tmp_path / "x"))
        assert (answer.status_code, answer.content) == (403, b"")
        assert not (tmp_path / "x").exists()
