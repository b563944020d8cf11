"""No file and no folder is for everybody, whatever the umask that the server was started with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

CONFIG = {
    "OrthancPeersInDatabase": True,
    "RestApiWriteToFileSystemEnabled": True,
    "Worklists": {"Enable": True, "Directory": "worklists"},
    "DicomAlwaysAllowFindWorklist": True,
}


def modes(folder: Path) -> dict[str, int]:
    """The permissions of all that is below a folder."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            found[str(path.relative_to(folder))] = stat.S_IMODE(path.stat().st_mode)
    return found


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_and_folders(tmp_path: Path, umask: int) -> None:
    exported = tmp_path / "exported.dcm"
    before = os.umask(umask)
    try:
        with running(
            orthanclite(tmp_path / "server", {**CONFIG, "TemporaryDirectory": str(tmp_path)})
        ) as server:
            use(server, exported)
            found = modes(tmp_path / "server")  # with the journals of the database that is open
        found |= modes(tmp_path / "server")
    finally:
        os.umask(before)
    for name in ("config.json", "log"):  # which the test itself has made
        del found[name]
    names = "\n".join(found)
    for part in ("index-orthanclite", "-wal", "-shm", ".lock", ".wl", "worklists"):
        assert part in names, part
    assert sum(path.count("-") == 4 and path.startswith("storage") for path in found) >= 2
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o027} == {}
    assert exported.stat().st_mode & 0o027 == 0


def use(server: Server, exported: Path) -> None:
    """Have the server write what it can write."""
    small = server.upload(dicom_file())
    server.upload(dicom_file(instance="1.2.3.5", side=512))
    server.client.put(f"/instances/{small['ID']}/attachments/1024", content=b"x").raise_for_status()
    server.client.post("/worklists/create", json={"Tags": {"PatientID": "w"}}).raise_for_status()
    server.client.put("/peers/north", json=["http://host"]).raise_for_status()
    target = str(exported)
    server.client.post(f"/instances/{small['ID']}/export", content=target).raise_for_status()


def test_an_index_of_an_earlier_version_is_closed(tmp_path: Path) -> None:
    server = orthanclite(tmp_path)
    with running(server):
        server.upload(dicom_file())
    index = tmp_path / "storage" / "index-orthanclite"
    index.chmod(0o644)
    with running(orthanclite(tmp_path)):
        found = modes(tmp_path / "storage")
    assert found["index-orthanclite"] == found["index-orthanclite-wal"] == 0o640


def test_what_commands_write(tmp_path: Path) -> None:
    target = tmp_path / "configuration.json"
    subprocess.run(
        [sys.executable, "-m", "orthanclite", "--config", str(target)], check=True, timeout=120, umask=0
    )
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
