"""``/instances/{id}/export``, where it is allowed."""

from __future__ import annotations

import os
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


def test_an_earlier_export_is_overwritten(server: Server, tmp_path: Path) -> None:
    first, second = dicom_file(instance="3.1"), dicom_file(instance="3.2", side=64)
    target = tmp_path / "a.dcm"
    for file in (first, second, first):
        path = server.upload(file)["Path"] + "/export"
        assert server.client.post(path, content=str(target)).status_code == 200
        assert target.read_bytes() == file
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.dcm"]


def test_nothing_else_is_overwritten(server: Server, tmp_path: Path) -> None:
    path = server.upload(dicom_file(instance="3.1"))["Path"] + "/export"
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    (tmp_path / "link").symlink_to(notes)
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    own = server.folder / "config.json"
    for target in (
        notes,
        tmp_path / "link",
        tmp_path / "dangling",
        tmp_path / "pipe",
        Path("/dev/null"),
        own,
    ):
        content = target.read_bytes() if target.is_file() else None
        answer = server.client.post(path, content=str(target))
        assert answer.status_code == 403, target
        assert "overwrites nothing" in answer.json()["Details"]
        assert content is None or target.read_bytes() == content
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dangling", "link", "notes.txt", "pipe"]


def test_the_folders_of_the_server_are_its_own(server: Server, tmp_path: Path) -> None:
    """Neither the index nor a stored file is within reach, by whatever way a path leads there."""
    path = server.upload(dicom_file(instance="3.1"))["Path"] + "/export"
    storage = Path(server.config["StorageDirectory"])
    (tmp_path / "link").symlink_to(storage)
    stored = next(file for file in storage.glob("??/??/*") if file.is_file())
    content = stored.read_bytes()
    for target in (
        storage / "index-orthanclite",
        storage / "new.dcm",
        stored,
        tmp_path / "link" / "new.dcm",
        storage / ".." / storage.name / "new.dcm",
        Path("storage/new.dcm"),  # relative to the folder in which the server was started
    ):
        answer = server.client.post(path, content=str(target))
        assert answer.status_code == 403, target
    assert stored.read_bytes() == content
    assert not (storage / "new.dcm").exists()
    assert server.get("/system")["ApiVersion"] == 31


def test_it_is_forbidden_by_default(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path / "server")) as server:
        path = server.upload(dicom_file())["Path"] + "/export"
        answer = server.client.post(path, content=str(tmp_path / "x"))
        assert (answer.status_code, answer.content) == (403, b"")
        assert not (tmp_path / "x").exists()
