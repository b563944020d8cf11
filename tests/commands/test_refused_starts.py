"""Starts that must fail, with a message from which an administrator sees what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite_command, running


def refusal(server: Server) -> str:
    """The log of a server that does not start."""
    with pytest.raises(RuntimeError, match="ended at once") as ended:
        server.start()
    server.client.close()
    assert server.process is not None
    assert server.process.wait(timeout=30) == 255
    log = str(ended.value)
    assert "Traceback" not in log
    return log


@pytest.mark.parametrize(
    "config",
    [
        {"RemoteAccessAllowed": True},
        {"RemoteAccessAllowed": True, "AuthenticationEnabled": True, "RegisteredUsers": {}},
        {"RegisteredUsers": {"alice": ""}},
        {"RegisteredUsers": {"alice": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$"}},
    ],
)
def test_users_without_whom_the_server_would_be_open(tmp_path: Path, config: dict[str, object]) -> None:
    log = refusal(orthanclite_command(tmp_path, config))
    assert "RegisteredUsers" in log
    assert not (tmp_path / "storage").exists()


def test_a_second_server_on_the_same_index(tmp_path: Path) -> None:
    place = {"StorageDirectory": str(tmp_path / "storage"), "IndexDirectory": str(tmp_path / "storage")}
    with running(orthanclite_command(tmp_path / "first", place)) as first:
        log = refusal(orthanclite_command(tmp_path / "second", place))
        assert f'Another server uses the index in "{tmp_path}/storage"' in log
        assert first.upload(dicom_file())["Status"] == "Success"
        first.kill()  # what is held by a killed process is free at once
    with running(orthanclite_command(tmp_path / "second", place)) as second:
        assert len(second.get("/instances")) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing like a database " * 100, "file is not a database"),
        (b"SQLite format 3\0" + b"\x55" * 4096, "file is not a database"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "storage").mkdir()
    index = tmp_path / "storage" / "index-orthanclite"
    index.write_bytes(content)
    log = refusal(orthanclite_command(tmp_path))
    assert f'The index "{index}" cannot be used: {message}' in log
    assert index.read_bytes() == content


def test_an_index_with_a_damaged_part(tmp_path: Path) -> None:
    with running(orthanclite_command(tmp_path)) as server:
        server.upload(dicom_file())
    index = tmp_path / "storage" / "index-orthanclite"
    content = index.read_bytes()
    index.write_bytes(content[:4096] + b"\x55" * (len(content) - 4096))
    assert f'The index "{index}" cannot be used: database disk image is malformed' in refusal(
        orthanclite_command(tmp_path)
    )


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "file/below"):
        place = str(tmp_path / name)
        log = refusal(
            orthanclite_command(tmp_path, {"StorageDirectory": place, "IndexDirectory": str(tmp_path)})
        )
        assert f'The folder "{place}" cannot be made' in log
        log = refusal(orthanclite_command(tmp_path, {"IndexDirectory": place}))
        assert f'The folder "{place}" of the index cannot be used' in log


def test_a_preferred_transfer_syntax_that_is_none(tmp_path: Path) -> None:
    log = refusal(orthanclite_command(tmp_path, {"DicomScuPreferredTransferSyntax": "1.2.3"}))
    assert "DicomScuPreferredTransferSyntax" in log
