"""``orthanclite verify`` on storage areas that something happened to."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from orthanclite.app import stores
from orthanclite.config import load
from orthanclite.core.constants import ORPHAN_GRACE
from tests.support.cli import command_line
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

COUNT = 3


def filled(folder: Path, compression: bool = False) -> Server:
    """A stopped server with a few instances."""
    server = orthanclite(folder, {"StorageCompression": compression, "SyncStorageArea": False})
    with running(server):
        for number in range(COUNT):
            server.upload(dicom_file(instance=f"1.2.3.{number}", side=64))
    return server


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return filled(tmp_path_factory.mktemp("server"))


class Site:
    """A copy of the template, to be damaged."""

    def __init__(self, folder: Path, template: Server) -> None:
        self.folder = folder
        self.server = template
        self.storage = folder / "storage"
        subprocess.run(["cp", "-a", str(template.folder / "storage"), str(self.storage)], check=True)
        self.server = orthanclite(folder, {**template.config, "StorageDirectory": str(self.storage)})
        self.server.config["IndexDirectory"] = str(self.storage)

    def files(self) -> list[Path]:
        """The files of attachments."""
        return sorted(path for path in self.storage.glob("??/??/*") if path.is_file())

    def verify(self, *flags: str) -> subprocess.CompletedProcess[str]:
        ended = command_line("verify", *flags, self.configuration(), cwd=self.folder)
        assert "Traceback" not in ended.stderr
        return ended

    def configuration(self) -> Path:
        path = self.folder / "verified.json"
        path.write_text(
            f'{{"StorageDirectory": "{self.storage}", "IndexDirectory": "{self.storage}"}}', encoding="utf-8"
        )
        return path

    def add_orphan(self, age: float) -> Path:
        """A file that the index does not know, written ``age`` seconds ago."""
        name = str(uuid.uuid4())
        path = self.storage / name[:2] / name[2:4] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nobody's")
        moment = time.time() - age
        os.utime(path, (moment, moment))
        return path

    def grow_old(self) -> None:
        """Make storage and index meet two days ago: what is older than that is never an orphan."""
        mark = f"{uuid.uuid4()} {time.time() - 2 * 86400}"
        with stores(load([self.configuration()], {}).settings) as (_, properties, blobs):
            blobs.set_mark(mark)
            properties.set_property("StorageMark", mark)


@pytest.fixture
def site(tmp_path: Path, template: Server) -> Site:
    return Site(tmp_path, template)


def test_nothing_is_wrong(site: Site) -> None:
    ended = site.verify()
    assert (ended.returncode, ended.stdout) == (0, "Every file is as the index says.\n")


def test_a_missing_file(site: Site) -> None:
    lost = site.files()[0]
    lost.unlink()
    ended = site.verify()
    assert ended.returncode == 1
    assert f"missing: {lost.name} (instance " in ended.stdout
    assert "1 problems, 0 repaired (--repair" in ended.stdout
    assert site.verify().stdout == ended.stdout  # nothing was changed


def test_a_missing_file_is_forgotten_when_told_so(site: Site) -> None:
    lost = site.files()[0]
    lost.unlink()
    repaired = site.verify("--repair")
    assert repaired.returncode == 1
    assert f"missing: {lost.name}" in repaired.stdout
    assert "1 problems, 1 repaired." in repaired.stdout
    assert site.verify().returncode == 0
    with running(site.server) as server:
        assert server.get("/statistics")["CountInstances"] == COUNT - 1
        found = [server.client.get(f"/instances/{id}/file").status_code for id in server.get("/instances")]
        assert found == [200] * (COUNT - 1)


def test_a_storage_area_that_is_not_there_costs_the_index_nothing(site: Site) -> None:
    """As where its disk is not mounted: the folder is there, and empty."""
    (site.storage / ".orthanclite").unlink()
    for file in site.files():
        file.unlink()
    ended = site.verify("--repair")
    assert ended.stdout.count("missing: ") == COUNT
    assert f"{COUNT} problems, 0 repaired." in ended.stdout
    assert "do not belong together" in ended.stderr
    assert site.verify().stdout.count("missing: ") == COUNT


def test_a_file_that_cannot_be_opened_is_not_taken_for_lost(site: Site) -> None:
    hidden = site.files()[0]
    hidden.unlink()
    hidden.symlink_to(hidden.name)  # a loop: opening it fails, for root as well
    ended = site.verify("--repair")
    assert f"unreadable: {hidden.name} (instance " in ended.stdout
    assert "0 repaired." in ended.stdout


def test_what_the_journal_still_holds_is_not_lost(tmp_path: Path) -> None:
    server = orthanclite(tmp_path)
    server.start()
    server.upload(dicom_file())
    server.kill()
    lost = [path for path in (tmp_path / "storage").glob("??/??/*") if path.is_file()]
    for file in lost:
        file.unlink()
    ended = command_line("verify", "--repair", str(tmp_path / "config.json"), cwd=tmp_path)
    assert f"missing: {lost[0].name}" in ended.stdout
    assert "1 problems, 0 repaired." in ended.stdout
    with running(server):
        assert server.get("/statistics")["CountInstances"] == 1
        (id,) = server.get("/instances")
        assert server.client.get(f"/instances/{id}/file").status_code == 200


def test_a_truncated_file(site: Site) -> None:
    path = site.files()[1]
    os.truncate(path, path.stat().st_size - 1)
    ended = site.verify("--repair")
    assert ended.returncode == 1
    assert f"wrong size: {path.name} (instance " in ended.stdout
    assert "1 problems, 0 repaired." in ended.stdout
    assert path.exists()


def test_a_changed_byte(site: Site) -> None:
    path = site.files()[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ended = site.verify("--repair")
    assert ended.returncode == 1
    assert f"wrong MD5: {path.name} (instance " in ended.stdout
    assert "1 problems, 0 repaired." in ended.stdout
    assert path.read_bytes() == content


def test_an_orphan_is_told_and_only_deleted_when_told_so(site: Site) -> None:
    site.grow_old()
    orphan = site.add_orphan(2 * ORPHAN_GRACE)
    ended = site.verify()
    assert ended.returncode == 1
    assert f"orphan: {orphan.name}\n" in ended.stdout
    assert orphan.exists()
    repaired = site.verify("--repair")
    assert f"orphan: {orphan.name}, repaired\n" in repaired.stdout
    assert not orphan.exists()
    assert len(site.files()) == COUNT
    assert site.verify().returncode == 0


def test_a_file_just_written_is_no_orphan(site: Site) -> None:
    site.grow_old()
    site.add_orphan(ORPHAN_GRACE / 2)
    assert site.verify().returncode == 0


def test_orphans_of_another_server_are_told_and_left_alone(site: Site) -> None:
    (site.storage / ".orthanclite").write_text(f"{uuid.uuid4()} {time.time() - 2 * 86400}")
    orphan = site.add_orphan(2 * ORPHAN_GRACE)
    ended = site.verify("--repair")
    assert ended.returncode == 1
    assert f"orphan: {orphan.name}\n" in ended.stdout
    assert "1 problems, 0 repaired." in ended.stdout
    assert orphan.exists()


def test_compressed_files(tmp_path: Path) -> None:
    site = Site(tmp_path, filled(tmp_path / "template", compression=True))
    assert site.verify().returncode == 0
    path = site.files()[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert f"wrong MD5: {path.name}" in site.verify().stdout


def test_other_files_in_the_storage_area_are_nobodys_business(site: Site) -> None:
    (site.storage / "notes.txt").write_text("mine")
    (site.storage / "ab").mkdir(exist_ok=True)
    (site.storage / "ab" / "cd").write_text("not a folder")
    assert site.verify().returncode == 0


def test_everything_at_once(site: Site) -> None:
    site.grow_old()
    first, second, third = site.files()
    first.unlink()
    os.truncate(second, 10)
    third.write_bytes(bytes(third.stat().st_size))
    site.add_orphan(2 * ORPHAN_GRACE)
    ended = site.verify()
    kinds = [line.partition(":")[0] for line in ended.stdout.splitlines()[:-1]]
    assert sorted(kinds) == ["missing", "orphan", "wrong MD5", "wrong size"]
    assert "4 problems, 0 repaired" in ended.stdout


def test_where_nothing_is_stored_nothing_is_made(tmp_path: Path) -> None:
    ended = command_line("verify", cwd=tmp_path)
    assert ended.returncode == 255
    assert "There is no storage area" in ended.stderr
    assert not (tmp_path / "OrthancStorage").exists()


def test_beside_a_running_server(tmp_path: Path) -> None:
    with running(orthanclite(tmp_path)) as server:
        server.upload(dicom_file(side=64))
        ended = command_line("verify", tmp_path / "config.json", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (0, "Every file is as the index says.\n")
